"""The registry of EHRs: those of the data directory's file, and those that were added (records of kind EHR).

All are of the environment of this hilum: keys, tokens and connections of the other one live in another data directory.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from hilum.access.seal import Seal
from hilum.broker import file
from hilum.broker.connection import EVERY, Connection
from hilum.broker.rules import SECRET, judge
from hilum.broker.vendors import packaged
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import EHR, EHR_TOKEN, LEASE, Put, Row, read, write
from hilum.problems import Conflict, Forbidden, Invalid, Misconfigured, NotFound
from hilum.web import log

Stamp = tuple[int, int, int] | None
"""By which a file is known to be another one: time of change, size, inode; None: it can't be seen."""


class Connections:
    """What there is at this moment, in all processes. `folder`: the data directory; None: there is no file. `vendors`:
    their names; None: those of the table. `recipes`: names of those that there are now; None: it is not known.

    The file is read again when it changes; one that is not sound any more changes nothing, and the log says so. Raises
    Misconfigured where it is not sound at the start.
    """

    def __init__(
        self,
        ledger: Ledger,
        seal: Seal,
        environment: str,
        folder: Path | None = None,
        *,
        vendors: frozenset[str] | None = None,
        recipes: Callable[[], Collection[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._seal, self._clock = ledger, seal, clock
        self.environment = environment
        self._vendors = frozenset(packaged()) if vendors is None else vendors
        self._recipes = recipes
        self._path = None if folder is None else folder / file.FILE
        self._seen = self._stamp()
        self._filed = self._read()

    async def get(self, name: str) -> Connection:
        """The connection, be it disabled. Raises NotFound, Busy."""
        found = self.filed.get(name)
        if found is None and name.isascii():
            row = await self._ledger.get(EHR, name.encode())
            found = None if row is None else read(row, Connection)
        if found is None:
            raise _absent(name)
        return found

    async def usable(self, name: str) -> Connection:
        """The connection, to be used. Raises NotFound, Forbidden, Busy."""
        found = await self.get(name)
        if found.disabled:
            raise Forbidden(f"The EHR {name!r} is disabled.")
        if found.environment != self.environment:  # a ledger that was moved
            raise Forbidden(f"The EHR {name!r} is of {found.environment}, and this hilum of {self.environment}.")
        return found

    async def every(self) -> list[Connection]:
        """All of them by name. Raises Busy."""
        found = dict(self.filed)
        after = b""
        while rows := await self._ledger.of(EHR, after=after):
            for row in rows:
                found.setdefault(row.key.decode(), read(row, Connection))
            after = rows[-1].key
        return [found[name] for name in sorted(found)]

    async def add(self, connection: Connection, secret: str = "") -> Connection:
        """Add it; by whom is its `origin`. Raises Invalid, Conflict where the name is taken, Busy."""
        connection = msgspec.structs.replace(
            connection, base=connection.base.rstrip("/"), created=int(self._clock()), secret=""
        )
        self.judge(connection, secret)
        if secret:
            connection = file.sealed(connection, secret, self._seal.seal)
        key = connection.name.encode()
        if connection.name in self.filed or not await self._ledger.add(Put(EHR, key, write(connection))):
            raise Conflict(f"There is an EHR {connection.name!r} already. Choose another name, or change that one.")
        return connection

    async def replace(self, connection: Connection, secret: str = "", before: Connection | None = None) -> Connection:
        """Put it in place of the one of its name; by whom is its `origin`. `before`: what stands there, to be replaced
        and nothing else. Without a secret it keeps the one that it has, as long as it is aimed at the same base: one
        that was given for an EHR is not sent to another.

        Raises Invalid, NotFound, Conflict where it stands in the file or somebody else changes it, Busy.
        """
        connection, row = await self._changed(connection, secret, before)
        if not await self._ledger.replace(Put(EHR, row.key, write(connection)), row.version):
            raise _changing(connection.name)
        return connection

    async def replaceable(self, connection: Connection, secret: str = "", before: Connection | None = None) -> None:
        """Raises as `replace` would now."""
        await self._changed(connection, secret, before)

    async def _changed(self, connection: Connection, secret: str, before: Connection | None) -> tuple[Connection, Row]:
        """As it is to stand, and what stands in its place."""
        name = connection.name
        if name in self.filed:
            raise Conflict(f"The EHR {name!r} stands in {file.FILE}: change it there.")
        row = await self._ledger.get(EHR, name.encode()) if name.isascii() else None
        if row is None:
            raise _absent(name)
        found = read(row, Connection)
        if before not in (None, found):
            raise _changing(name)
        base = connection.base.rstrip("/")
        connection = msgspec.structs.replace(connection, base=base, created=found.created, secret="")
        kept = connection.method in SECRET and found.secret and not secret
        if kept and base != found.base:
            text = f"The secret that the EHR {name!r} has was given for another base: give that of this one, too."
            raise Invalid(text, expression="secret")
        self.judge(connection, found.secret if kept else secret, found.recipes)
        if kept:
            return msgspec.structs.replace(connection, secret=found.secret), row
        return file.sealed(connection, secret, self._seal.seal) if secret else connection, row

    def judge(self, connection: Connection, secret: str = "", taken: Collection[str] = ()) -> None:
        """Raises Invalid where `add` would, but for the name being taken. `taken`: recipes that it has had, be they
        gone.
        """
        judge(connection)
        file.fitting(connection, self.environment, self._vendors)
        if connection.origin == file.ORIGIN:
            raise Invalid(f"origin may not be {file.ORIGIN!r}: that is for what stands in {file.FILE}.")
        if bool(secret) != (connection.method in SECRET):
            raise Invalid(f"A secret goes with {' and '.join(SECRET)}, and with nothing else.")
        self._judge_recipes(connection, taken)

    def _judge_recipes(self, connection: Connection, taken: Collection[str] = ()) -> None:
        """Raises Invalid where it names a recipe that there is not."""
        named = [one for one in connection.recipes if one != EVERY and one not in taken]
        known = named if self._recipes is None or not named else self._recipes()
        if unknown := [one for one in named if one not in known]:
            text = f"recipes names {', '.join(unknown)}, and there is no such recipe. There are"
            text = f"{text} {', '.join(sorted(known))}; your own lie in `recipes` of the data directory."
            raise Invalid(text, expression="recipes")

    async def remove(self, name: str) -> None:
        """Forget it, and the tokens that it gave. Raises NotFound, Conflict where it stands in the file, Busy."""
        await self.removable(name)
        await self._ledger.remove(EHR, name.encode())
        while rows := await self._ledger.of(EHR_TOKEN, owner=name.encode()):
            for row in rows:
                await self._ledger.remove(EHR_TOKEN, row.key)
        for row in await self._ledger.of(LEASE, owner=leased(name)):
            await self._ledger.remove(LEASE, row.key)

    async def removable(self, name: str) -> None:
        """Raises as `remove` would."""
        if name in self.filed:
            raise Conflict(f"The EHR {name!r} stands in {file.FILE}: take it out there.")
        await self.get(name)

    def secret(self, connection: Connection) -> str:
        """Its client secret. Raises Misconfigured where it does not open here."""
        return self._seal.open(EHR, connection.name.encode(), connection.secret)

    def inner(self) -> frozenset[str]:
        """Hosts that may have private addresses: whoever can write the file may reach them anyway."""
        return frozenset(urlsplit(one.base).hostname or "" for one in self.filed.values())

    @property
    def filed(self) -> Mapping[str, Connection]:
        """Those of the file, as it is now."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._filed = self._read()
            except Misconfigured as problem:
                log.error("the connections are as they were", text=str(problem))
        return self._filed

    def _read(self) -> Mapping[str, Connection]:
        if self._path is None:
            return {}
        found = file.connections(self._path, self.environment, self._vendors, self._seal.seal)
        for one in found.values():
            try:
                self._judge_recipes(one)
            except Invalid as problem:  # they may come yet, and the connection can be used
                log.warning("a connection waits for its recipes", ehr=one.name, text=str(problem))
        return found

    def _stamp(self) -> Stamp:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _changing(name: str) -> Conflict:
    return Conflict(f"Somebody else changes the EHR {name!r} at the same time. Look at it, and try again.")


def _absent(name: str) -> NotFound:
    return NotFound(f"There is no EHR {name[:40]!r}. `hilum ehr list` shows those that there are.")


def leased(name: str) -> bytes:
    """The owner of the leases that its tokens are asked for under: none of any other kind, whatever an EHR is named."""
    return b"ehr:" + name.encode()


def fingerprint(connection: Connection) -> str:
    """Another one for each client, place and wish: a token belongs to what it was asked for, not to a name.

    A connection that is aimed at another server must not bring the token of the first one there.
    """
    told = (
        connection.name, connection.environment, connection.base, connection.client_id, connection.method,
        connection.alg, connection.system_scopes,
    )  # fmt: skip
    return hashlib.sha256("\0".join(told).encode()).hexdigest()
