"""`hilum keys`: what signs tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import options

if TYPE_CHECKING:
    from hilum.access.keyring import Keyring, RingKey
    from hilum.app.settings import Settings
    from hilum.store.interface import Store

keys = typer.Typer(
    name="keys",
    help="List the keys that sign tokens, and change them.\n\nExamples:\n\n- `hilum keys list`\n\n"
    "- `hilum keys rotate --use id`",
    no_args_is_help=True,
)


@keys.command("list")
def list_(
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the keys: what for, since when, until when. Private parts stay where they are.

    Example:

    - `hilum keys list --json`
    """
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, table

    async def work(opened: Store, settings: Settings) -> list[RingKey]:
        return (await _ring(opened, settings)).shown()

    found = [_shown(one) for one in done({"store": store, "data": data, "environment": environment}, work)]
    if json:
        json_out({"keys": found})
        return
    rows = [(one["use"], one["alg"], one["begins"] or "", one["until"] or "", one["kid"]) for one in found]
    table(f"{len(rows)} keys", ("use", "algorithm", "signs from", "verifies until", "kid"), rows)
    for one in found:
        out(f"{one['use']} {one['kid']}")


@keys.command()
def rotate(
    use: Annotated[
        str,
        typer.Option("--use", help="`access` (access tokens), `id` (id_tokens) or `audit` (anchors).", metavar="USE"),
    ] = "access",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make a new key. It is published at once and signs ten minutes later; the one before ends an hour after that.

    Example:

    - `hilum keys rotate --use id`
    """
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out

    async def work(opened: Store, settings: Settings) -> RingKey:
        await tell(opened, settings, "key", {"rotated": use})
        return await (await _ring(opened, settings)).rotate(opened.ledger, use)

    made = _shown(done({"store": store, "data": data, "environment": environment}, work))
    if json:
        json_out(made)
    else:
        out(f"{made['use']} {made['kid']} signs from {made['begins']}")


async def _ring(opened: Store, settings: Settings) -> Keyring:
    from hilum.access.keyring import Keyring
    from hilum.access.keys import load, path

    ring = Keyring(load(path(settings.data, settings.environment), settings.environment))
    await ring.load(opened.ledger)
    return ring


def _shown(key: RingKey) -> dict[str, Any]:
    return {
        "use": key.use,
        "generation": key.generation,
        "alg": key.algorithm,
        "kid": key.kid,
        "begins": _moment(key.begins),
        "until": _moment(key.until),
    }


def _moment(seconds: float | None) -> str | None:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
