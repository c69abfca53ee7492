"""What a process knows of the definitions in its store: structures, value sets and code systems, R4's own among them.

Validation is an ordinary function and asks for definitions while it runs; so they are in memory, packed, and unpacked
when they are asked for. The store counts changes (`Store.structures`, `Concepts.generation`); whoever needs definitions
looks at the counts once in a while, and reads what is new. docs/adr/0011-guides-are-resources.md
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from hilum.fhir import core, definitions, json
from hilum.fhir.resource import Resource
from hilum.oauth.ledger import SETTING, Record, read
from hilum.problems import Problem
from hilum.search.clauses import Part, Permit
from hilum.search.query import Query
from hilum.store.interface import HistoryQuery, Store
from hilum.validation.profiles.definitions import choose, generation, ordered, split
from hilum.validation.profiles.snapshot import snapshot

LOOK_SECONDS: Final = 0.5
"""How old what is known may be, of what other processes have written."""
KINDS: Final[tuple[core.Kind, ...]] = ("StructureDefinition", "ValueSet", "CodeSystem")
REQUIRED: Final = b"required-profiles"
"""Key of the record that says which profiles resources must conform to."""

_STRUCTURE: Final = "http://hl7.org/fhir/StructureDefinition/"
_TYPES: Final = frozenset(_STRUCTURE + name for name in definitions.names())
"""What R4's own types are is not for a guide to say."""
_BASE: Final = f"{_STRUCTURE}Base"
_AT_ONCE: Final = 500
_OVERLAP: Final = 60_000_000
"""Microseconds by which a transaction may have begun before another that was seen: those versions are read again."""
_KEPT: Final = 256
"""Value sets and code systems, and structures, that stay unpacked."""
EVERYTHING: Final = (Permit(),)
"""Definitions are read with the server's own authority: what they say of others is what those are refused by."""

Body = dict[str, Any]
Name = tuple[str, str]


class Setting(Record, frozen=True, omit_defaults=True):
    """The record: resource type -> the profiles that each of that type must conform to."""

    profiles: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offered:
    """What the guides that are loaded add to the CapabilityStatement. `profiles`: by resource type."""

    guides: tuple[str, ...]
    profiles: dict[str, tuple[str, ...]]


NO_GUIDES: Final = Offered((), {})


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition in the store, packed. `of`: of a profile of a resource, the type of that; "" for everything else."""

    type: str
    id: str
    seq: int
    url: str
    version: str
    of: str
    packed: bytes


class _Head(msgspec.Struct):
    url: str = ""
    version: str = ""
    kind: str = ""
    derivation: str = ""
    type: str = ""


_head = msgspec.json.Decoder(_Head)


class Structures:
    """One state of the definitions: see `hilum.validation.profiles.definitions.Definitions`."""

    def __init__(self, entries: Mapping[Name, Entry], same: Structures | None = None) -> None:
        """`same`: a state with the very same structures, whose snapshots need not be made again."""
        self.entries = entries
        self._generation = generation()
        self._found: dict[str, dict[str, dict[str, Entry]]] = {kind: {} for kind in KINDS}
        for entry in sorted(entries.values(), key=lambda one: one.seq):  # of equals the one written last
            self._found[entry.type].setdefault(entry.url, {})[entry.version] = entry
        self._kept: OrderedDict[tuple[str, str, str], Body] = OrderedDict()
        self._made: dict[str, Body | None] = {} if same is None else dict(same._made)
        self.broken: dict[str, str] = {} if same is None else dict(same.broken)

    @property
    def generation(self) -> int:
        """Of this state alone."""
        return self._generation

    def structure(self, canonical: str) -> Body | None:
        """With its snapshot, made where it has none; None where there is none, or none can be made (see `broken`)."""
        if canonical.partition("|")[0] in _TYPES:
            return core.structure(canonical)
        body = self._get("StructureDefinition", canonical)
        if body is None:
            return _base() if split(canonical)[0] == _BASE else None
        if body.get("snapshot", {}).get("element"):
            return body
        name = f"{body['url']}|{body.get('version', '')}"
        if name not in self._made:
            self._made[name] = None  # a profile of itself, by whatever way, has no snapshot
            self._made[name] = self._snapshot(name, body)
        return self._made[name]

    def value_set(self, canonical: str) -> Body | None:
        """A ValueSet."""
        return self._get("ValueSet", canonical)

    def code_system(self, canonical: str) -> Body | None:
        """A CodeSystem."""
        return self._get("CodeSystem", canonical)

    def why_not(self, canonical: str) -> str:
        """Why there is no structure of that name, as the end of a sentence."""
        body = self._get("StructureDefinition", canonical)
        if body is None:
            others = sorted(self._found["StructureDefinition"].get(split(canonical)[0], {}), key=ordered)
            if not others:
                return "is not known here"
            versions = ", ".join(one or "one without a version" for one in others)
            return f"is not known here in that version, but in {versions}"
        found = self.broken.get(f"{body['url']}|{body.get('version', '')}", "has no snapshot")
        return f"can't be checked: {found}"

    def named(self, kind: str) -> list[Entry]:
        """Those of a kind that the store has, by url and version."""
        return sorted(
            (one for by_version in self._found[kind].values() for one in by_version.values()),
            key=lambda one: (one.url, one.version),
        )

    def body(self, entry: Entry) -> Body:
        """What it says."""
        key = (entry.type, entry.id, str(entry.seq))
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = json.stored(zlib.decompress(entry.packed))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def _get(self, kind: core.Kind, canonical: str) -> Body | None:
        url, version = split(canonical)
        stored = self._found[kind].get(url, {})
        own = core.version(kind, url)
        if own is not None and version == definitions.FHIR_VERSION and version not in stored:
            version = own
        chosen = choose([*stored, *([own] if own is not None else ())], version)
        if chosen is None:
            return _core(kind, canonical)
        return self.body(stored[chosen]) if chosen in stored else _core(kind, url)

    def _snapshot(self, name: str, body: Body) -> Body | None:
        try:
            base = self.structure(str(body.get("baseDefinition", "")))
            if base is None:
                self.broken[name] = f"its base {str(body.get('baseDefinition'))[:200]} is not known"
                return None
            return snapshot(body, base, self)
        except Problem as problem:
            self.broken[name] = str(problem)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            self.broken[name] = f"its differential can't be read ({type(error).__name__})"
        return None


def _core(kind: core.Kind, canonical: str) -> Body | None:
    read: dict[core.Kind, Callable[[str], Body | None]] = {
        "StructureDefinition": core.structure,
        "ValueSet": core.value_set,
        "CodeSystem": core.code_system,
    }
    return read[kind](canonical)


def _base() -> Body:
    """What logical models say they are derived from since R5. http://hl7.org/fhir/StructureDefinition/Base"""
    root = {"id": "Base", "path": "Base", "min": 0, "max": "*", "base": {"path": "Base", "min": 0, "max": "*"}}
    return {
        "resourceType": "StructureDefinition",
        "url": _BASE,
        "name": "Base",
        "status": "active",
        "kind": "complex-type",
        "abstract": True,
        "type": "Base",
        "snapshot": {"element": [root]},
    }


NOTHING: Final = Structures({})


class Shelf:
    """The definitions of one store, as one process knows them, and what is required of whom."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._looked = self._asked = float("-inf")
        self._counts: tuple[int, int] | None = None
        self._state = NOTHING
        self._required: dict[str, tuple[str, ...]] = {}
        self._looking = asyncio.Lock()
        self._forgotten = 0
        self._read: tuple[float, int] = (float("-inf"), 0)
        self._offered = NO_GUIDES

    def forget(self) -> None:
        """Look again when next asked: this process itself has written some."""
        self._looked = self._asked = float("-inf")
        self._forgotten += 1

    async def offered(self, look: Callable[[], Awaitable[Offered]]) -> Offered:
        """What `look` finds, not older than half a second: nobody has to say who he is to ask. Raises Busy."""
        async with self._looking:
            now = (self._clock(), self._forgotten)
            if now[1] != self._read[1] or now[0] - self._read[0] > LOOK_SECONDS:
                self._offered = await look()
                self._read = now
            return self._offered

    async def required(self, store: Store, type: str) -> tuple[str, ...]:
        """The profiles that each resource of the type must conform to. Raises Busy."""
        if self._clock() - self._asked > LOOK_SECONDS:
            began, forgotten = self._clock(), self._forgotten
            self._required = await required(store)
            self._asked = began if forgotten == self._forgotten else float("-inf")
        return self._required.get(type, ())

    async def definitions(self, store: Store, *, fresh: bool = False) -> Structures:
        """The definitions, `fresh` or not older than half a second. Raises Busy."""
        if not fresh and self._clock() - self._looked <= LOOK_SECONDS:
            return self._state
        async with self._lock:
            if not fresh and self._clock() - self._looked <= LOOK_SECONDS:
                return self._state
            began, forgotten = self._clock(), self._forgotten
            counts = (await store.structures(), await store.concepts.generation())
            if counts != self._counts:
                self._state = await self._learnt(store, counts)
                self._counts = counts
            self._looked = began if forgotten == self._forgotten else float("-inf")
        return self._state

    async def _learnt(self, store: Store, counts: tuple[int, int]) -> Structures:
        before = dict(self._state.entries)
        if self._counts is None:
            for kind in KINDS:
                async for page in _all(store, kind):
                    before.update(await asyncio.to_thread(_entries, page))
            return Structures(before)
        changed = [
            *(KINDS[:1] if counts[0] != self._counts[0] else ()),
            *(KINDS[1:] if counts[1] != self._counts[1] else ()),
        ]
        since = max((one.seq for one in before.values() if one.type in changed), default=0) - _OVERLAP
        query = HistoryQuery(
            tuple(changed), tuple(EVERYTHING for _ in changed), since=max(since, 0), count=_AT_ONCE, total=False
        )
        seen: set[Name] = set()
        position: int | None = None
        while True:
            versions = await store.history(replace(query, before=position))
            alive: list[Resource] = []
            for one in versions.resources:  # the newest first: older versions of the same say nothing any more
                name = (one.type, one.id)
                known = before.get(name)
                if name in seen or (known is not None and known.seq >= one.seq):
                    continue
                seen.add(name)
                before.pop(name, None)
                if not one.deleted:
                    alive.append(one)
            before.update(await asyncio.to_thread(_entries, alive))
            position = versions.next
            if position is None:
                break
        if before == self._state.entries:  # a ConceptMap, or an import: what was compiled stays
            return self._state
        return Structures(before, self._state if counts[0] == self._counts[0] else None)


async def _all(store: Store, kind: str) -> AsyncIterator[Sequence[Resource]]:
    """All current resources of a type, some at a time."""
    after: str | None = None
    while True:
        page = await store.search(Query((Part(kind, (), EVERYTHING),), count=_AT_ONCE, after=after))
        yield page.resources
        after = page.next
        if after is None:
            return


def _entries(some: Sequence[Resource]) -> dict[Name, Entry]:
    found: dict[Name, Entry] = {}
    for one in some:
        entry = packed(one.type, one.id, one.seq, one.raw)
        if entry is not None:
            found[one.type, one.id] = entry
    return found


def packed(type: str, id: str, seq: int, raw: bytes) -> Entry | None:
    """The entry of a definition; None where it has no url by which it could be asked for."""
    try:
        head = _head.decode(raw)
    except msgspec.MsgspecError:  # what is stored was valid; what an older hilum let pass may not be
        return None
    if not head.url:
        return None
    of = head.type if (head.kind, head.derivation) == ("resource", "constraint") else ""
    return Entry(type, id, seq, head.url, head.version, of, zlib.compress(raw, 1))


async def required(store: Store) -> dict[str, tuple[str, ...]]:
    """What is required, as it is written. Raises Busy."""
    row = await store.ledger.get(SETTING, REQUIRED)
    return read(row, Setting).profiles if row is not None else {}
