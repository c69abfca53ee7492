"""`hilum keys`: what signs tokens, and what hilum signs in to EHRs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hilum.cli import clientkeys, options
from hilum.cli.clientkeys import moment

if TYPE_CHECKING:
    from hilum.access.keyring import Keyring, RingKey
    from hilum.app.settings import Settings
    from hilum.store.interface import Store

keys = typer.Typer(
    name="keys",
    help="List the keys that sign tokens, and those that hilum signs in to EHRs with, and change them.\n\nExamples:\n\n"
    "- `hilum keys list`\n\n- `hilum keys rotate --use id`\n\n- `hilum keys new --use ehr`",
    no_args_is_help=True,
)


@keys.command("list")
def list_(
    use: Annotated[
        str,
        typer.Option("--use", help="Only those for this use: `access`, `id`, `audit`, `root`, `ehr`.", metavar="USE"),
    ] = "",
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """List the keys: what for, since when, until when. Private parts stay where they are.

    Keys for EHRs are `published`, then `signing`, then `retired`, and listed until they are dropped.

    Examples:

    - `hilum keys list --json`

    - `hilum keys list --use ehr`
    """
    from hilum.access.keyring import ROOT, USES
    from hilum.cli.records import done
    from hilum.cli.terminal import json_out, out, table
    from hilum.problems import Invalid

    if use not in ("", *USES, ROOT, clientkeys.USE):
        raise Invalid(f"There are keys for {', '.join(sorted(USES))}, ehr and root; {use[:32]!r} is none of them.")

    async def work(opened: Store, settings: Settings) -> list[dict[str, Any]]:
        ours = [_shown(one) for one in (await _ring(opened, settings)).shown()]
        return ours + [clientkeys.shown(one) for one in await clientkeys.client_keys(opened, settings).shown()]

    all = done({"store": store, "data": data, "environment": environment}, work)
    found = [one for one in all if use in ("", one["use"])]
    if json:
        json_out({"keys": found})
        return
    table(f"{len(found)} keys", ("kid", "for", "signs from", "until"), [_row(one) for one in found])
    for one in found:
        out(f"{one['use']} {one['kid']}")


keys.command()(clientkeys.new)


@keys.command()
def rotate(
    use: Annotated[
        str,
        typer.Option(
            "--use",
            help="`access` (access tokens), `id` (id_tokens), `audit` (anchors), `ehr` (signing in to EHRs), or "
            "`root`, which seals the others and signs what `hilum token` makes.",
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
    alg: Annotated[str, typer.Option("--alg", help="Of `--use ehr`: RS384 or ES384.", metavar="ALG")] = "RS384",
    wait: clientkeys.Wait = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make a new key. It is published at once and signs ten minutes later; the one before ends an hour after that.

    A key for EHRs signs after `--wait` hours, and the one before is dropped after as many more. `hilum keys drop` takes
    that back.

    The root is a file in the data directory: stop all servers of the store first, and copy the new file to all of their
    hosts. Tokens of `hilum token` hold on; forms and paging links from before do not. A backup of before needs the file
    of before.

    Examples:

    - `hilum keys rotate --use id`

    - `hilum keys rotate --use ehr --wait 72`

    - `hilum keys rotate --use root --at-once` where the data directory was seen by somebody else.
    """
    from hilum.access.keyring import USES
    from hilum.cli.records import done, tell
    from hilum.cli.terminal import json_out, out
    from hilum.problems import Invalid

    flags = {"store": store, "data": data, "environment": environment}
    if use == clientkeys.USE:
        clientkeys.say_made(*done(flags, clientkeys.rotating(alg, wait, at_once)), json=json)
        return
    if wait is not None:
        raise Invalid(f"Only keys for EHRs wait as long as somebody says: --wait goes with --use {clientkeys.USE}.")

    async def work(opened: Store, settings: Settings) -> RingKey:
        if use == "root":
            return await _another_root(opened, settings, at_once)
        ring = await _ring(opened, settings)
        if use not in USES:
            raise Invalid(f"There are keys for {', '.join(sorted(USES))}, ehr and root; {use!r} is none of them.")
        await tell(opened, settings, "key", {"rotated": use} | ({"at_once": "true"} if at_once else {}))
        return await ring.rotate(opened.ledger, use, at_once=at_once)

    made = _shown(done(flags, work))
    if json:
        json_out(made)
    else:
        out(f"{made['use']} {made['kid']} signs from {made['begins'] or 'now on'}")


keys.command()(clientkeys.export)
keys.command()(clientkeys.drop)


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


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """The kid first, which portals and `hilum keys drop` are told by and stands whole; beside it what may be folded."""
    what = " ".join(filter(None, (one["use"], one["alg"], one.get("state"))))
    begins, until = ((one[name] or "").replace("T", " ").replace("Z", " UTC") for name in ("begins", "until"))
    return one["kid"], what, begins, until


def _shown(key: RingKey) -> dict[str, Any]:
    return {
        "use": key.use,
        "generation": key.generation,
        "alg": key.algorithm,
        "kid": key.kid,
        "begins": moment(key.begins),
        "until": moment(key.until),
    }
