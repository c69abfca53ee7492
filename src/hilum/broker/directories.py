"""Directories of EHRs that were imported, and searched by the name of an organization (records of kind DIRECTORY).

A directory is a head and parts of some hundred entries each. An import writes the parts of a new generation and the
head that names it in one transaction, then forgets those of the one before: who reads sees one or the other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from hilum.broker import listing
from hilum.broker.listing import Listed
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import DIRECTORY, Lost, Put, Record, Row, read, write
from hilum.problems import Conflict, Invalid, NotFound

MOST_BYTES: Final = 256 * 1024 * 1024
"""Epic's bundle of brands, with its logos, has some 90 MB (2026-11)."""
MOST: Final = 500_000
_PART: Final = 500
_HEADS: Final = b"*"
"""Whom heads belong to, so that they can be listed without their parts, which belong to the name."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Head(Record, frozen=True, omit_defaults=True):
    """What a directory is, by its name. `source`: where it came from; `others`: endpoints that were left out."""

    source: str
    generation: int
    listed: int
    others: int
    at: int
    vendor: str = ""


class Part(Record, frozen=True, omit_defaults=True):
    """Some entries of a generation; its key is `name\\0generation\\0number`."""

    listed: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """One of them."""

    name: str
    head: Head


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that was looked for, and the directory that it stands in."""

    directory: Directory
    listed: Listed


async def take(ledger: Ledger, name: str, raw: bytes, source: str, now: float, vendor: str = "") -> Directory:
    """Import a Bundle in place of what the directory held before. Raises Invalid, Conflict, Busy."""
    if not _NAME.fullmatch(name):
        raise Invalid("The name of a directory must have 1 to 40 letters a-z, digits and '-'.")
    found = listing.read(raw)
    if not 0 < len(found.listed) <= MOST:
        raise Invalid(f"The list names {len(found.listed)} organizations with an address of R4; 1 to {MOST} are taken.")
    row = await ledger.get(DIRECTORY, name.encode())
    generation = 1 if row is None else read(row, Head).generation + 1
    head = Head(source, generation, len(found.listed), found.others, int(now), vendor)
    parts = [
        Put(DIRECTORY, _key(name, generation, number), write(Part(found.listed[at : at + _PART])), owner=name.encode())
        for number, at in enumerate(range(0, len(found.listed), _PART))
    ]
    version = None if row is None else row.version
    try:
        await ledger.many([*parts, Put(DIRECTORY, name.encode(), write(head), owner=_HEADS, version=version)])
    except Lost:
        raise Conflict(f"Somebody else imports the directory {name!r} at the same time. Try again.") from None
    await _forget(ledger, name, below=generation)
    return Directory(name, head)


async def every(ledger: Ledger) -> list[Directory]:
    """All of them by name. Raises Busy."""
    return [Directory(row.key.decode(), read(row, Head)) async for row in _rows(ledger, _HEADS)]


async def find(ledger: Ledger, words: str, *, name: str = "", most: int = 20) -> list[Match]:
    """The organizations with these words, the nearest names first; of one directory, or of all.

    Raises NotFound where there is no directory (of that name), Busy.
    """
    all = [one for one in await every(ledger) if name in ("", one.name)]
    if not all:
        which = f" {name[:40]!r}" if name else ""
        raise NotFound(f"There is no directory{which}. Import one: `hilum ehr import FILE --name NAME`.")
    found: list[Match] = []
    for directory in all:
        generation = _key(directory.name, directory.head.generation, 0)[:-6]
        listed = [
            one
            async for row in _rows(ledger, directory.name.encode())
            if row.key.startswith(generation)
            for one in read(row, Part).listed
        ]
        found += [Match(directory, one) for one in listing.find(listed, words, most)]
    order = {id(one): number for number, one in enumerate(listing.find((match.listed for match in found), words, most))}
    return sorted((one for one in found if id(one.listed) in order), key=lambda one: order[id(one.listed)])


async def remove(ledger: Ledger, name: str) -> None:
    """Forget a directory. Raises NotFound, Busy."""
    row = await ledger.get(DIRECTORY, name.encode()) if _NAME.fullmatch(name) else None
    if row is None:
        raise NotFound(f"There is no directory {name[:40]!r}.")
    await ledger.remove(DIRECTORY, row.key)
    await _forget(ledger, name, below=read(row, Head).generation + 1)


def _key(name: str, generation: int, number: int) -> bytes:
    return f"{name}\0{generation:010}\0{number:06}".encode()


async def _forget(ledger: Ledger, name: str, *, below: int) -> None:
    """Take away the parts of generations before that one; a later one is somebody else's, who came after us."""
    first = _key(name, below, 0)
    for key in [row.key async for row in _rows(ledger, name.encode()) if row.key < first]:
        await ledger.remove(DIRECTORY, key)


async def _rows(ledger: Ledger, owner: bytes) -> AsyncIterator[Row]:
    """Page by page: the heads, or the parts of a directory."""
    after = b""
    while rows := await ledger.of(DIRECTORY, owner=owner, after=after, limit=50):
        for row in rows:
            yield row
        after = rows[-1].key
