"""Which code systems and value sets there are, and where their content lies.

Definitions are read with the server's own authority. A code system is known when there is a CodeSystem of its url (or
R4 has one): its concepts are in the store's tables, from the resource itself or, where that lists none, imported. Those
of a resource are loaded when they are first asked for, by the version that is current. All that is found here holds for
one generation of the definitions (`Concepts.generation`): it is thrown away when that is another one, in whatever
process the change was made.

Which version, where none is named: one that is not retired, then the greatest version (its numbers compared as
numbers), then the one written last.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, Final

from hilum.fhir import core
from hilum.fhir.resource import Resource
from hilum.interactions.terminology.kept import Kept
from hilum.problems import Invalid
from hilum.search.alternatives import Token
from hilum.search.clauses import Clause, Part, Permit, TokenClause, UriClause
from hilum.search.parameters import lookup
from hilum.search.query import Query
from hilum.store.interface import Store
from hilum.terminology import bits, currencies
from hilum.terminology.concepts import FLAG, FOLDED, IMPORTED, Body, Concepts, Head, Row, System
from hilum.terminology.memory import MemoryConcepts
from hilum.terminology.resource import Resource as Listed
from hilum.terminology.resource import head
from hilum.terminology.rows import Plan
from hilum.terminology.words import folded

_SERVER: Final = (Permit(),)
_VERSIONS: Final = 100
"""Resources of one url that are looked at."""
KEPT: Final = 10_000
"""Definitions, and answers, that are remembered."""
_BYTES: Final = 32 << 20
"""Of each kind of them; of value sets, as they were written."""
_FEW: Final = 200
"""Answers to what hardly anybody asks again: with versions that a client pins, or about a display that it gave."""
ROWS: Final = 2000
POSTINGS: Final = 5000
"""What a load writes together."""
_APART: Final = 1000
"""Concepts from which on a load works on a thread."""
_NUMBERS: Final = re.compile(r"\d+|\D+")
_COMPLETE: Final = ("complete", "")


@dataclass(frozen=True, slots=True)
class Held:
    """A code system whose concepts can be asked for."""

    concepts: Concepts
    system: System

    @property
    def url(self) -> str:
        """Its canonical url."""
        return self.system.head.url

    @property
    def version(self) -> str:
        """Or ""."""
        return self.system.head.version

    @property
    def size(self) -> int:
        """How many concepts."""
        return self.system.head.size

    @property
    def about(self) -> Body:
        """The CodeSystem without its concepts."""
        return self.system.head.about

    @property
    def complete(self) -> bool:
        """Whether a code that it does not list is none."""
        return self.about.get("content", "") in _COMPLETE

    @property
    def all(self) -> bits.Bits:
        """Every concept."""
        return (1 << self.size) - 1

    async def of(self, codes: Sequence[str]) -> dict[str, Row]:
        """The concepts of these codes, as they were written; where case does not count, in any case."""
        number = self.system.number
        found = {row.code: row for row in await self.concepts.of(number, codes)}
        if self.about.get("caseSensitive") is False:
            for code in codes:
                if code in found:
                    continue
                posted = await self.concepts.postings(number, FOLDED, folded(code))
                same = await self.at(list(bits.each(bits.union(one for _, one in posted), most=1)))
                found.update((code, row) for row in same)
        return found

    async def one(self, code: str) -> Row | None:
        """The concept of this code."""
        return (await self.of((code,))).get(code)

    async def at(self, some: Sequence[int]) -> list[Row]:
        """The concepts with these numbers."""
        return await self.concepts.at(self.system.number, some)

    async def posted(self, kind: int, low: str, high: str | None = None) -> bits.Bits:
        """What is posted under a key, or a range of keys."""
        found = await self.concepts.postings(self.system.number, kind, low, high)
        return bits.union(one for _, one in found)

    async def flagged(self, flag: str) -> bits.Bits:
        """Inactive or abstract concepts."""
        return await self.posted(FLAG, flag)


@dataclass(slots=True)
class Knowledge:
    """What was found out in one generation. One for each store: see `Door.codes`."""

    generation: int = -1
    systems: Kept[Held | None] = field(default_factory=lambda: Kept(KEPT, _BYTES))
    sets: Kept[Body | None] = field(default_factory=lambda: Kept(KEPT, _BYTES))
    answers: Kept[Any] = field(default_factory=lambda: Kept(KEPT, _BYTES))
    few: Kept[Any] = field(default_factory=lambda: Kept(_FEW, _BYTES))
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def forget(self, generation: int) -> None:
        """What was known of another generation."""
        self.generation = generation
        fresh = Knowledge()
        self.systems, self.sets, self.answers, self.few = fresh.systems, fresh.sets, fresh.answers, fresh.few


class Codes:
    """The definitions of a store, for as long as one request lasts. Made by `codes`."""

    def __init__(self, store: Store, base: str, known: Knowledge) -> None:
        self._store, self._base, self._known = store, base, known
        # Those of this generation, even when another request finds a newer one meanwhile.
        self._systems, self._sets = known.systems, known.sets
        self._answers, self._few = known.answers, known.few

    def known(self, key: Hashable) -> Any:
        """What follows from the definitions, by whoever computed it; None when nobody did."""
        for kept in (self._answers, self._few):
            if key in kept:
                return kept[key]
        return None

    def keep(self, key: Hashable, answer: Any, *, weight: int = 0, rare: bool = False) -> None:
        """Remember it. `rare`: hardly anybody asks for it again, or it is a client's own text."""
        (self._few if rare else self._answers).put(key, answer, weight)

    async def system(self, url: str, version: str = "") -> Held | None:
        """The code system of this url, and of this version where one is named. None: its concepts are not known."""
        key = url, version
        if key in self._systems:
            return self._systems[key]
        found = await self._found(url, version)
        self._systems.put(key, found, len(repr(found.about)) if found is not None else 0)
        return found

    async def systems(self, url: str) -> list[Resource]:
        """The CodeSystems of this url, the best first; supplements are none."""
        found = await self._resources("CodeSystem", url, "")
        return [one for one in found if one.body.get("content") != "supplement"]

    async def value_set(self, name: str) -> Body | None:
        """The ValueSet of this name: a literal address if it is one, else a url, perhaps with `|version`."""
        name = name.removeprefix(self._base + "/")
        if name in self._sets:
            return self._sets[name]
        body, size = await self._value_set(name)
        self._sets.put(name, body, size)
        return body

    async def resources(self, type: str, name: str) -> list[Body]:
        """All of that url (and version), the best first: of ConceptMap, NamingSystem."""
        url, _, version = name.partition("|")
        return [one.body for one in await self._resources(type, url, version)]

    async def resource(self, type: str, id: str) -> Body | None:
        """By its id."""
        found = await self._stored(type, id)
        return None if found is None else found.body

    async def _stored(self, type: str, id: str) -> Resource | None:
        found = await self._store.read(type, id)
        return None if found is None or found.deleted else found

    async def mapping(self, system: str, *, reverse: bool = False) -> list[Body]:
        """The ConceptMaps that map codes of this system (or to it), the best first."""
        clause = UriClause(lookup("ConceptMap", "target-system" if reverse else "source-system").numbers, (system,))
        page = await self._store.search(Query((Part("ConceptMap", (clause,), _SERVER),), count=_VERSIONS))
        return [one.body for one in sorted(page.resources, key=_rank, reverse=True)]

    async def _value_set(self, name: str) -> tuple[Body | None, int]:
        """And its bytes, where it is one of the store's."""
        id = name.removeprefix("ValueSet/")
        if id != name:
            stored = await self._stored("ValueSet", id)
        else:
            url, _, version = name.partition("|")
            stored = next(iter(await self._resources("ValueSet", url, version)), None)
        if stored is not None:
            return stored.body, len(stored.raw)
        body = core.value_set(name) if id == name else None
        return (body if body is not None or id != name else await self._implied(name)), 0

    async def _implied(self, name: str) -> Body | None:
        """A value set that a code system implies. https://hl7.org/fhir/R4/snomedct.html#implicit and loinc.html

        Of any code system its own url means all of its codes, as terminology-service.html#validation says.
        """
        url, _, version = name.partition("|")
        of = {"version": version} if version else {}
        if url in _WHOLE:
            return _composed(url, {"system": _WHOLE[url]} | of)
        if url.startswith("http://loinc.org/vs/LP"):
            part = url.removeprefix("http://loinc.org/vs/")
            return _composed(url, {"system": "http://loinc.org"} | of | _filter("ancestor", "=", part))
        if await self.system(url, version) is not None:
            return _composed(url, {"system": url} | of)
        edition, asked, query = name.partition("?fhir_vs")
        if not asked or not edition.startswith("http://snomed.info/sct"):
            return None
        include: Body = {"system": "http://snomed.info/sct"}
        if edition != "http://snomed.info/sct":
            include["version"] = edition
        kind, _, value = query.removeprefix("=").partition("/")
        match kind:
            case "":
                return _composed(url, include)
            case "isa" if value:
                return _composed(url, include | _filter("concept", "is-a", value))
            case "refset" if value:
                return _composed(url, include | _filter("concept", "in-refset", value))
            case "ecl":
                raise Invalid("The value set is an expression (ECL), which is not supported: isa/ and refset/ are.")
            case "refset":
                return _composed(url, include | _filter("concept", "is-a", "900000000000455006"))
        return None

    async def _found(self, url: str, version: str) -> Held | None:
        loaded = await self._store.concepts.systems(url)
        imported = {one.head.version: one for one in loaded if one.head.source == IMPORTED}
        for resource in await self.systems(url):
            body = resource.body
            has = str(body.get("version", ""))
            if version and not fits(version, has):
                continue
            if body.get("concept"):
                return Held(self._store.concepts, await self._loaded(resource, loaded))
            if has in imported:
                system = imported[has]
                about = system.head.about | head(body, "", 0, 0).about
                return Held(self._store.concepts, System(system.number, system.head._replace(about=about)))
        return _own(url, version)

    async def _loaded(self, resource: Resource, loaded: list[System]) -> System:
        """What the tables have of a resource; loaded now where they have none of its version."""
        source = f"CodeSystem/{resource.id}"
        if (why := self.known(("refused", source, resource.seq))) is not None:
            raise Invalid(why)
        async with self._known.loading:
            for one in (*loaded, *await self._store.concepts.systems(resource.body["url"])):
                if (one.head.source, one.head.seq) == (source, resource.seq):
                    return one
            body = resource.body
            listed = Listed(body)
            folds = body.get("caseSensitive") is False
            try:
                if listed.size > _APART:
                    plan = await asyncio.to_thread(Plan, listed, folds=folds)
                else:
                    plan = Plan(listed, folds=folds)
            except Invalid as problem:
                self.keep(("refused", source, resource.seq), str(problem))
                raise
            made = head(body, source, resource.seq, plan.size)
            return System(await load(self._store.concepts, made, plan), made)

    async def _resources(self, type: str, url: str, version: str) -> list[Resource]:
        clauses: tuple[Clause, ...] = (UriClause(lookup(type, "url").numbers, (url,)),)
        if version:
            clauses += (TokenClause(lookup(type, "version").numbers, (Token(None, version.casefold()),)),)
        page = await self._store.search(Query((Part(type, clauses, _SERVER),), count=_VERSIONS))
        return sorted(page.resources, key=_rank, reverse=True)


async def codes(store: Store, base: str, known: Knowledge) -> Codes:
    """The definitions as they are now."""
    now = await store.concepts.generation()
    if now != known.generation:
        known.forget(now)
    return Codes(store, base, known)


async def load(concepts: Concepts, head: Head, plan: Plan) -> int:
    """Write a code system, in steps that leave room for others; its number, once it is whole."""
    await concepts.sweep()
    number = await concepts.begin(head)
    rows = plan.rows()
    while some := await _some(rows, ROWS, plan.size):
        await concepts.add(number, some)
    postings = plan.postings()
    while posted := await _some(postings, POSTINGS, plan.size):
        await concepts.post(number, posted)
    await concepts.finish(number)
    return number


async def _some(source: Any, most: int, size: int) -> list[Any]:
    if size <= _APART:
        return list(islice(source, most))
    return await asyncio.to_thread(lambda: list(islice(source, most)))


def fits(asked: str, has: str) -> bool:
    """Whether a version is the one that is asked for: itself, or of SNOMED CT any of the edition that is named."""
    return asked == has or (asked.startswith("http://snomed.info/") and has.startswith(asked + "/version/"))


_AMERICAN: Final = re.compile(r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:19|20)[0-9]{2}")


def natural(version: str) -> tuple[tuple[int, int, str], ...]:
    """In the order of its numbers: 4.10 comes behind 4.9. RxNorm's dates (MMDDYYYY) are in the order of days."""
    if _AMERICAN.fullmatch(version):
        version = version[4:] + version[:4]
    return tuple(_part(one) for one in islice(map(itemgetter(0), _NUMBERS.finditer(version)), 64))


def _part(text: str) -> tuple[int, int, str]:
    """Numbers as texts: the longer is the greater, and no length is too much (int() refuses 4,300 digits)."""
    if not (text.isascii() and text.isdecimal()):
        return 0, 0, text
    digits = text.lstrip("0")
    return 1, len(digits), digits


def _rank(resource: Resource) -> tuple[bool, Any, int]:
    body = resource.body
    return body.get("status") != "retired", natural(str(body.get("version", ""))), resource.seq


_WHOLE: Final = {
    "http://loinc.org/vs": "http://loinc.org",
    "http://loinc.org/vs/": "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm/vs": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
"""Value sets of all codes of a system, by url."""
_NUMBERED: Final[dict[str, Held | None]] = {}


def _own(url: str, version: str) -> Held | None:
    """R4's own code system of this url; it is numbered when it is first asked for, and kept."""
    name = f"{url}|{version}" if version else url
    body = currencies.code_system() if url == currencies.URL and not version else core.code_system(name)
    if body is None or not body.get("concept"):
        return None
    if url not in _NUMBERED:
        _NUMBERED[url] = held_of(body)
    return _NUMBERED[url]


def held_of(body: Body) -> Held:
    """A code system that is at hand, and kept nowhere."""
    concepts = MemoryConcepts()
    made = head(body, "", 0, 0)
    number = concepts.put(made, Listed(body), folds=body.get("caseSensitive") is False)
    return Held(concepts, next(one for one in concepts.loaded() if one.number == number))


def _composed(url: str, include: Body) -> Body:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}


def _filter(property: str, op: str, value: str) -> Body:
    return {"filter": [{"property": property, "op": op, "value": value}]}
