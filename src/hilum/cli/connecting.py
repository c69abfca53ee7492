"""Making a sandbox EHR known to a hilum on this machine: a client key, and a connection for each of its apps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from hilum.access.keys import load_or_create
from hilum.app.brokering import brokering
from hilum.app.data import prepare, served_at
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.keys import ClientKeys
from hilum.cli import existing
from hilum.cli.records import tell
from hilum.problems import Conflict, NotFound
from hilum.store.interface import Store
from hilum.web import log

ORIGIN: Final = "hilum sandbox"
"""Who has added a connection that may be put in place of another one, or taken away, by a sandbox."""

Wish = Callable[[str], Sequence[Connection]]
"""The connections, of the algorithm of the key."""


def known(folder: str) -> Settings:
    """The hilum of that data directory, with its own environment variables. Raises Misconfigured where there is none,
    and where it is no sandbox's.
    """
    settings = Settings.read({"data": folder, "environment": "sandbox"})
    existing.both(settings)
    return settings


def origin(settings: Settings) -> str:
    """Where it is reached."""
    return served_at(settings).removesuffix("/fhir")


async def connect(settings: Settings, wish: Wish) -> list[str]:
    """Make the key, unless there is one, and the connections, unless they are there; the lines that tell of it.

    Raises Conflict where a name is taken by another EHR, Misconfigured, Busy.
    """
    log.configure("warning", "text")
    prepare(settings)
    store = await open_store(settings)
    try:
        ways = brokering(settings, store, load_or_create(settings.data, settings.environment))
        alg, lines = await _key(settings, store, ways.keys)
        for one in wish(alg):
            lines.append(await _connected(settings, store, ways.connections, one))
        return lines
    finally:
        await store.close()


async def _key(settings: Settings, store: Store, keys: ClientKeys) -> tuple[str, list[str]]:
    """The algorithm of a key that there is from now on."""
    there = [one.alg for one in await keys.shown()]
    if there:
        return there[0], []
    await tell(store, settings, "key", {"made": "ehr", "alg": "RS384"})
    try:
        made = await keys.new("RS384")
    except Conflict:  # another sandbox, which was started at the same time, has made it since
        return "RS384", []
    return made.alg, [f"a client key ({made.alg})"]


async def _connected(settings: Settings, store: Store, connections: Connections, wanted: Connection) -> str:
    try:
        found: Connection | None = await connections.get(wanted.name)
    except NotFound:
        found = None
    if found is not None:
        if found == msgspec.structs.replace(wanted, created=found.created):
            return f"{wanted.name}, as it was"
        if found.origin != ORIGIN:
            raise Conflict(
                f"{settings.data} has an EHR {wanted.name!r} already, added or changed by somebody. Remove it "
                f"(hilum ehr remove {wanted.name}), or start this sandbox without --connect."
            )
        await connections.remove(wanted.name)
    await tell(store, settings, "ehr", {"added": wanted.name, "base": wanted.base, "scope": wanted.system_scopes})
    await connections.add(wanted)
    return wanted.name
