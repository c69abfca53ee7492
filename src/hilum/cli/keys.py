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
        typer.Option(
            "--use",
            help="`access` (access tokens), `id` (id_tokens), `audit` (anchors), or `root`, which seals the others and "
            "signs what `hilum token` makes.",
            metavar="USE",
        ),
    ] = "access",
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="What the key before signed holds no longer: for one that somebody else may have. For what the root "
            "signed, `--use root`.",
        ),
    ] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make a new key. It is published at once and signs ten minutes later; the one before ends an hour after that.

    The root is a file in the data directory: stop all servers of the store first, and copy the new file to all of their
    hosts. Tokens of `hilum token` hold on; forms and paging links from before do not. A backup of before needs the file
    of before.

    Examples:

    - `hilum keys rotate --use id`

    - `hilum keys rotate --use root --at-once` where the data directory was seen by somebody else.
    """
    from hilum.access.keyring import USES
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out
    from hilum.problems import Invalid

    async def work(opened: Store, settings: Settings) -> RingKey:
        if use == "root":
            return await _another_root(opened, settings, at_once)
        ring = await _ring(opened, settings)
        if use not in USES:
            raise Invalid(f"There are keys for {', '.join(sorted(USES))} and root; {use!r} is none of them.")
        await tell(opened, settings, "key", {"rotated": use} | ({"at_once": "true"} if at_once else {}))
        return await ring.rotate(opened.ledger, use, at_once=at_once)

    made = _shown(done({"store": store, "data": data, "environment": environment}, work))
    if json:
        json_out(made)
    else:
        out(f"{made['use']} {made['kid']} signs from {made['begins'] or 'now on'}")


async def _another_root(opened: Store, settings: Settings, at_once: bool) -> RingKey:
    """Make it and put it in its place; only that, where the last time was cut off. Raises Misconfigured, Conflict."""
    import time

    from hilum.access import keys as files
    from hilum.access import rerooting
    from hilum.app.recording import served
    from hilum.cli.records import tell
    from hilum.problems import Misconfigured

    place = settings.data, settings.environment
    if served(settings):
        raise Misconfigured("A server runs on this data directory, and would go on with the old key: stop it first.")
    new = files.prepared(*place)
    if not await rerooting.begun(opened.ledger, new):
        await tell(opened, settings, "key", {"rotated": "root"} | ({"at_once": "true"} if at_once else {}))
        old = files.load(files.path(*place), settings.environment)
        await rerooting.reroot(opened.ledger, old, new, time.time(), at_once=at_once)
    files.replace(*place)
    return (await _ring(opened, settings)).root_key


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
