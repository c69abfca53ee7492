"""Destinations: the services that payloads are delivered to, by name.

They stand in a file of the data directory, which is the operator's own, or were added with `hilum destination add`
(kind DESTINATION of the ledger, the secret sealed). Each has an environment, and takes what comes from EHRs of that one
alone.

    [video]                                          # destinations.toml
    url = "https://render.example.org/hilum"
    environment = "production"
    secret_file = "video.secret"                     # beside it; whsec_..., as the receiver has it, or two: see SECRETS
    private = true                                   # its address may be one of our own network
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from hilum.access.seal import Seal
from hilum.broker.connection import ENVIRONMENTS
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import DESTINATION, Put, Record, Row, read, write
from hilum.problems import Conflict, Invalid, NotFound
from hilum.tables.reading import converted, each, secret_of
from hilum.web.addresses import target
from hilum.web.webhooks import decoded, shown

FILE: Final = "destinations.toml"
"""In the data directory."""
OVERLAP_HOURS: Final = 24
"""For which a secret that was rotated signs beside the new one, unless somebody says otherwise."""
MOST_HOURS: Final = 30 * 24
SECRETS: Final = 2
"""That a secret_file may have, a line each, the newest first: both sign, for as long as both stand there."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Destination:
    """`secret`: what signs, in bytes; `former`: what signs beside it, b"" for nothing, `until` that second, 0 for as
    long as the file says so. `private`: its host may have an address of our own network, since an operator says so.
    `origin`: `file`, or who added it.
    """

    name: str
    url: str
    environment: str
    secret: bytes = field(repr=False)
    private: bool = False
    origin: str = "file"
    former: bytes = field(default=b"", repr=False)
    until: int = 0

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """All that sign now, the newest first."""
        return (self.secret, self.former) if self.former else (self.secret,)


class Kept(Record, frozen=True, omit_defaults=True):
    """A record of kind DESTINATION; its key is its name. `secret`, `former`: sealed. `until`: when the former one ends,
    in seconds since 1970.
    """

    url: str
    environment: str
    secret: str
    origin: str
    created: int
    private: bool = False
    former: str = ""
    until: int = 0


class Destinations:
    """Those of the file, read once, and those of the ledger, read anew each time. Raises Misconfigured for the file.

    `clock`: seconds since 1970.
    """

    def __init__(
        self, ledger: Ledger, seal: Seal, folder: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._ledger, self._seal, self._clock = ledger, seal, clock
        self._file = {} if folder is None else each(folder / FILE, partial(_of_table, folder))

    async def get(self, name: str) -> Destination | None:
        """One of them; what the file says comes first. Raises Busy, Misconfigured (the seal)."""
        if name in self._file:
            return self._file[name]
        row = await self._ledger.get(DESTINATION, name.encode())
        return None if row is None else await self._opened(row)

    async def every(self) -> list[Destination]:
        """All of them, by name. Raises as `get`."""
        found = dict(self._file)
        after = b""
        while rows := await self._ledger.of(DESTINATION, after=after):
            for row in rows:
                found.setdefault(row.key.decode(), await self._opened(row))
            after = rows[-1].key
        return [found[name] for name in sorted(found)]

    async def add(self, destination: Destination, now: float) -> None:
        """Keep a new one. Raises Invalid, Conflict (the name is taken), Busy."""
        await self.refuse(destination)
        key = destination.name.encode()
        secret = self._seal.seal(DESTINATION, key, shown(destination.secret))
        kept = Kept(destination.url, destination.environment, secret, destination.origin, int(now), destination.private)
        if not await self._ledger.add(Put(DESTINATION, key, write(kept))):
            raise _taken(destination.name)

    async def refuse(self, destination: Destination) -> None:
        """Judge a new one. Raises Invalid, Conflict, Busy."""
        if judged(destination).name in self._file or await self._ledger.get(DESTINATION, destination.name.encode()):
            raise _taken(destination.name)

    async def rotate(self, name: str, secret: bytes, seconds: float = OVERLAP_HOURS * 3600) -> Destination:
        """Have it signed for with this secret, and for so long with the one that it has, too; what that one had taken
        the place of is forgotten at once. Raises NotFound, Conflict (the file has it, somebody else changes it), Busy.
        """
        row = await self.rotatable(name)
        kept = read(row, Kept)
        new = self._seal.seal(DESTINATION, row.key, shown(secret))
        former, until = (kept.secret, int(self._clock() + seconds)) if seconds > 0 else ("", 0)
        kept = structs.replace(kept, secret=new, former=former, until=until)
        if not await self._ledger.replace(Put(DESTINATION, row.key, write(kept)), row.version):
            raise Conflict(f"Somebody else changes the destination {name!r} at the same time. Look at it, try again.")
        return self._destination(row.key, kept)

    async def remove(self, name: str) -> None:
        """Forget one: what was not delivered to it yet becomes a dead letter. Raises NotFound, Conflict, Busy."""
        await self._ledger.remove(DESTINATION, (await self.changeable(name)).key)

    async def rotatable(self, name: str) -> Row:
        """As `changeable`; where the file has it, says how its secret is rotated there."""
        if name in self._file:
            raise Conflict(
                f"The destination {name!r} stands in {FILE}: write the new secret into its secret_file, as a line above"
                " the one of before, and start hilum again. Deliveries then carry two signatures, and either holds."
                " When the receiver knows the new one, take the other line out, and start hilum again."
            )
        return await self.changeable(name)

    async def changeable(self, name: str) -> Row:
        """Its record. Raises NotFound; Conflict where the file has it; Busy."""
        if name in self._file:
            raise Conflict(f"The destination {name!r} stands in {FILE}: change it there, and start hilum again.")
        row = await self._ledger.get(DESTINATION, name.encode())
        if row is None:
            raise NotFound(f"There is no destination {name[:64]!r}. `hilum destination list` shows those there are.")
        return row

    async def _opened(self, row: Row) -> Destination:
        """What the record says; a former secret that has had its time is forgotten for good."""
        kept = read(row, Kept)
        if kept.former and kept.until <= self._clock():
            kept = structs.replace(kept, former="", until=0)
            await self._ledger.replace(Put(DESTINATION, row.key, write(kept)), row.version)  # or somebody else has
        return self._destination(row.key, kept)

    def _destination(self, key: bytes, kept: Kept) -> Destination:
        secret, former = (
            decoded(self._seal.open(DESTINATION, key, one)) if one else b"" for one in (kept.secret, kept.former)
        )
        return Destination(
            key.decode(), kept.url, kept.environment, secret, kept.private, kept.origin, former, kept.until
        )


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a destination {name!r} already. Remove it first, or choose another name.")


def new_secret() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(32)


def judged(one: Destination) -> Destination:
    """The same. Raises Invalid for what can't be one."""
    if not _NAME.fullmatch(one.name):
        raise Invalid(
            f"The name {one.name[:64]!r} must have letters a-z, digits and '-', 40 at most, and not begin with '-'."
        )
    if one.environment not in ENVIRONMENTS:
        raise Invalid(f"The environment {one.environment[:32]!r} must be {' or '.join(ENVIRONMENTS)}.")
    where = target(one.url)
    if isinstance(where, str):
        raise Invalid(f"The URL of {one.name!r} is none that hilum can POST to, such as https://render.example.org/in.")
    if where.scheme != "https" and one.environment == "production":
        raise Invalid(
            f"The URL of {one.name!r} must begin with https: in production patient data goes encrypted alone."
        )
    return one


class _Table(Struct, forbid_unknown_fields=True):
    """The keys of a table of the file, and their types."""

    url: str
    environment: str
    secret_file: str
    private: bool = False


def _of_table(folder: Path, name: str, table: Any) -> Destination:
    """Raises Invalid."""
    read = converted(table, _Table)
    found = [decoded(one) for one in secret_of(folder, "secret_file", read.secret_file).split() or [""]]
    if len(found) > SECRETS:
        raise Invalid(f"secret_file has {len(found)} secrets: expected one, or the one of before below it.")
    former = found[1] if found[1:] else b""
    return judged(Destination(name, read.url, read.environment, found[0], read.private, former=former))
