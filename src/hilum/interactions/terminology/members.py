"""Which concepts a ValueSet means: code system by code system, as sets. https://hl7.org/fhir/R4/valueset.html#compositions

Nothing is listed until somebody asks for a page of it: of 350,000 concepts under one, the set is some runs of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from hilum.interactions.terminology.filters import filtered
from hilum.interactions.terminology.knowledge import Codes, Held, fits
from hilum.problems import Invalid
from hilum.terminology import bits
from hilum.terminology.concepts import INACTIVE, Body

MOST_SETS: Final = 200
"""Value sets that one may be composed of."""
MOST_PARTS: Final = 2000
MOST_REGEXES: Final = 20
"""Includes, excludes and filters of all of these; and filters that look at each value."""
MOST_GONE: Final = 10_000
"""Codes that may be excluded from a system that does not list its codes."""
_DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Pins:
    """Which versions of code systems are meant, by url: those of expansion parameters of the same names."""

    default: tuple[tuple[str, str], ...] = ()
    check: tuple[tuple[str, str], ...] = ()
    force: tuple[tuple[str, str], ...] = ()
    excluded: frozenset[str] = frozenset()

    def version(self, url: str, named: str) -> str:
        """The version to take where the value set names this one, or "". Raises Invalid where it is not as checked."""
        forced = dict(self.force).get(url)
        version = forced or named or dict(self.default).get(url, "")
        checked = dict(self.check).get(url)
        if checked is None:
            return version
        if version and not fits(checked, version):
            raise Invalid("The value set names another version of a code system than check-system-version allows.")
        return version or checked


PLAIN: Final = Pins()
"""No version is named."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of one code system is meant.

    `bits`: concepts of `held`. `listed`: codes that were listed one by one, in that order, as the value set has them;
    those that `held` does not have (or that are of a system that is not known) are members by this alone. `whole`:
    every code of a system that does not list its codes, or not all; but for those that are `gone`.
    """

    url: str
    version: str = ""
    held: Held | None = None
    bits: bits.Bits = 0
    listed: dict[str, Body] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()
    whole: bool = False
    gone: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many codes, of those that can be counted."""
        return self.bits.bit_count() + len(self.loose)

    @property
    def key(self) -> tuple[str, int | str]:
        """Versions of a system are apart."""
        return self.url, self.held.system.number if self.held else self.version


Members = dict[tuple[str, int | str], Chosen]


class _Work:
    """How much was looked into so far."""

    def __init__(self, codes: Codes, pins: Pins) -> None:
        self.codes, self.pins, self.sets, self.parts, self.regexes = codes, pins, 0, 0, 0

    def part(self, include: Body) -> None:
        """One more. Raises Invalid for more than there may be."""
        filters = include.get("filter", ())
        self.parts += 1 + len(filters)
        self.regexes += sum(one.get("op") == "regex" for one in filters)
        if self.parts > MOST_PARTS or self.regexes > MOST_REGEXES:
            raise Invalid(
                f"The value set is composed of more than {MOST_PARTS} includes, excludes and filters, or more than "
                f"{MOST_REGEXES} of them are regexes."
            )


async def members(codes: Codes, name: str, pins: Pins | None = None) -> Members:
    """Of the value set of that url, url|version or ValueSet/id. Raises Invalid where it can't be said."""
    pins = pins or PLAIN
    known = ("members", name, pins)
    found: Members | None = codes.known(known)
    if found is None:
        found = await _named(_Work(codes, pins), name, ())
        codes.keep(known, found, weight=_weight(found), rare=pins != PLAIN)
    return found


def _weight(found: Members) -> int:
    """About the bytes that it takes."""
    return sum(
        one.bits.bit_length() // 8 + 200 * (1 + len(one.listed) + len(one.loose) + len(one.gone))
        for one in found.values()
    )


async def members_of(codes: Codes, body: Body, pins: Pins | None = None) -> Members:
    """Of a ValueSet that is at hand."""
    return await _of(_Work(codes, pins or PLAIN), body, (str(body.get("url", "")),))


async def _named(work: _Work, name: str, within: tuple[str, ...]) -> Members:
    if name in within:
        raise Invalid("The value set includes itself, and so has no expansion.")
    work.sets += 1
    if work.sets > MOST_SETS or len(within) > _DEEPEST:
        raise Invalid(f"The value set is composed of more than {MOST_SETS} others, or more than {_DEEPEST} deep.")
    body = await work.codes.value_set(name)
    if body is None:
        raise Invalid("The value set is not known here: store the ValueSet, or name it by its url or ValueSet/[id].")
    return await _of(work, body, (*within, name))


async def _of(work: _Work, body: Body, within: tuple[str, ...]) -> Members:
    if "compose" not in body:
        return await _expanded(work, body.get("expansion", {}).get("contains", []))
    found: Members = {}
    for include in body["compose"].get("include", ()):
        for one in (await _selected(work, include, within)).values():
            before = found.get(one.key)
            found[one.key] = one if before is None else _either(before, one)
    for exclude in body["compose"].get("exclude", ()):
        for one in (await _selected(work, exclude, within)).values():
            for key, before in list(found.items()):
                if key[0] == one.url:
                    found[key] = await _without(before, one)
    if body["compose"].get("inactive") is False:
        for key, one in found.items():
            if one.held is not None:
                found[key] = replace(one, bits=one.bits & ~await one.held.flagged(INACTIVE))
    return {key: one for key, one in found.items() if one.url not in work.pins.excluded}


async def _selected(work: _Work, include: Body, within: tuple[str, ...]) -> Members:
    """What one include selects: all of the conditions that it names hold."""
    work.part(include)
    found: Members | None = None
    if "system" in include:
        found = {}
        for each in await _versions(work, include):
            one = await _of_system(work, each)
            found[one.key] = one
    for name in include.get("valueSet", ()):
        others = await _named(work, name, within)
        if found is None:
            found = others
            continue
        both: Members = {}
        for one in found.values():
            for other in others.values():
                if one.url == other.url:
                    same = await _both(one, other)
                    before = both.get(same.key)
                    both[same.key] = same if before is None else _either(before, same)
        found = both
    return found or {}


async def _versions(work: _Work, include: Body) -> list[Body]:
    """One include for each version of the code system that is known, where the version is `*`.

    https://hl7.org/fhir/R4/valueset.html#compositions
    """
    url = include["system"]
    if include.get("version") != "*" or url in dict(work.pins.force):
        return [include]
    plainly = {name: value for name, value in include.items() if name != "version"}
    known = {str(one.body.get("version", "")) for one in await work.codes.systems(url)}
    return [plainly | ({"version": one} if one else {}) for one in sorted(known)] or [plainly]


async def _of_system(work: _Work, include: Body) -> Chosen:
    url = include["system"]
    version = work.pins.version(url, str(include.get("version", "")))
    held = await work.codes.system(url, version)
    if "concept" in include:
        return await _enumerated(url, version, held, include["concept"])
    filters = include.get("filter", ())
    if held is None:
        if filters:
            raise Invalid("The value set filters a code system that is not known here: store the CodeSystem.")
        return Chosen(url, version, whole=True)
    found = held.all
    for one in filters:
        found &= await filtered(held, one)
    return Chosen(url, held.version, held, found, whole=not filters and not held.complete)


async def _enumerated(url: str, version: str, held: Held | None, concepts: Iterable[Body]) -> Chosen:
    listed = {one["code"]: one for one in concepts}
    known = await held.of(list(listed)) if held else {}
    if held is not None and held.complete:  # "If codes are listed, check that they are valid": valueset.html#expansion
        listed = {code: one for code, one in listed.items() if code in known}
    loose = frozenset(listed).difference(known)
    chosen = bits.of(row.n for row in known.values())
    # The order is that of the value set; a code in other letters is the code that the system has.
    named = {(known[code].code if code in known else code): one for code, one in listed.items()}
    return Chosen(url, held.version if held else version, held, chosen, named, loose)


async def _expanded(work: _Work, contains: list[Body]) -> Members:
    """A value set that is only stored as its expansion."""
    by: dict[tuple[str, str], list[Body]] = {}
    waiting = list(reversed(contains))
    while waiting:
        one = waiting.pop()
        if "code" in one and not one.get("abstract"):
            by.setdefault((one.get("system", ""), one.get("version", "")), []).append(one)
        waiting.extend(reversed(one.get("contains", ())))
    found: Members = {}
    for (url, version), some in by.items():
        held = await work.codes.system(url, work.pins.version(url, version)) if url else None
        chosen = await _enumerated(url, version, held, some)
        found[chosen.key] = chosen if chosen.key not in found else _either(found[chosen.key], chosen)
    return found


def _either(one: Chosen, other: Chosen) -> Chosen:
    loose = one.loose | other.loose
    gone = one.gone & other.gone if one.whole and other.whole else one.gone | other.gone
    return replace(
        one,
        bits=one.bits | other.bits,
        listed=one.listed | {code: said for code, said in other.listed.items() if code not in one.listed},
        loose=loose,
        whole=one.whole or other.whole,
        gone=gone - loose,
    )


async def _both(one: Chosen, other: Chosen) -> Chosen:
    """What is in both, as concepts of `one`, unless only the other's are known."""
    if one.held is None and other.held is not None:
        one, other = other, one
    loose = {code for code in one.loose if code in other.loose or (other.whole and code not in other.gone)}
    loose |= {code for code in other.loose if one.whole and code not in one.listed and code not in one.gone}
    if other.whole:
        chosen = one.bits & ~await _in(one.held, _missing(other))
    else:
        chosen = one.bits & await _in(one.held, other)
    listed = {**other.listed, **one.listed}
    whole = one.whole and other.whole
    gone = one.gone | other.gone if whole else frozenset[str]()
    return replace(one, bits=chosen, listed=listed, loose=frozenset(loose), whole=whole, gone=gone)


async def _without(one: Chosen, other: Chosen) -> Chosen:
    if other.whole:
        return await _both(one, _missing(other))
    codes = other.loose | frozenset(other.listed)
    gone = one.gone
    if one.whole:
        if other.count > MOST_GONE:
            raise Invalid(
                f"The value set excludes {other.count:,} codes of a code system whose codes are not all known here; "
                f"{MOST_GONE:,} are the most: load the code system."
            )
        gone |= frozenset(await _codes(other))
    return replace(one, bits=one.bits & ~await _in(one.held, other), loose=one.loose - codes, gone=gone)


def _missing(one: Chosen) -> Chosen:
    """What a whole system is without."""
    known = one.held.all if one.held is not None else 0
    return replace(one, bits=known & ~one.bits, listed={}, loose=one.gone, whole=False, gone=frozenset())


async def _in(held: Held | None, other: Chosen) -> bits.Bits:
    """The numbers that what is chosen has in a (perhaps other) version of its code system."""
    if held is None:
        return 0
    if other.held is not None and other.held.system.number == held.system.number:
        return other.bits
    return bits.of(row.n for row in (await held.of(await _codes(other))).values())


async def _codes(one: Chosen) -> list[str]:
    """Each code, of those that can be counted."""
    codes = list(one.loose)
    if one.held is not None:
        for at in range(0, one.bits.bit_count(), _STEP):
            codes += [row.code for row in await one.held.at(list(bits.each(one.bits, at, _STEP)))]
    return codes


_STEP: Final = 5000


def total(found: Members) -> int:
    """How many codes a search names for them."""
    return sum(len(one.gone) if one.whole else one.count for one in found.values())


async def each_code(found: Members) -> list[tuple[str | None, str | None]]:
    """(system, code) of all; code None: every code of the system. Beside these, what `all_but` tells."""
    some: list[tuple[str | None, str | None]] = []
    for one in found.values():
        system: str | None = one.url or None
        if one.whole and not one.gone:
            some.append((system, None))
        elif one.whole:  # but those that another include brings back
            rows = (await one.held.of(list(one.gone))).values() if one.held is not None else ()
            some += [(system, row.code) for row in rows if bits.has(one.bits, row.n)]
        else:
            some += [(system, code) for code in one.loose]
            if one.held is not None and one.bits:
                some += [(system, row.code) for row in await one.held.at(list(bits.each(one.bits)))]
    return some


def all_but(found: Members) -> list[tuple[str, frozenset[str]]]:
    """The systems of which all codes are meant but some, and these."""
    return [(one.url, one.gone) for one in found.values() if one.whole and one.gone]


def described(found: Members) -> list[tuple[str, str]]:
    """The code systems that were used, with their versions."""
    return list(dict.fromkeys((one.url, one.version) for one in found.values() if one.url))
