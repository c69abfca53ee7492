"""What a code is in another code system, by ConceptMaps. https://hl7.org/fhir/R4/conceptmap-operation-translate.html"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hilum.fhir import json
from hilum.interactions.build import apart
from hilum.interactions.terminology.knowledge import Codes
from hilum.interactions.terminology.knowledge import fits as fits_version
from hilum.problems import Invalid, Issue, Unprocessable
from hilum.terminology.concepts import Body
from hilum.terminology.words import folded

_DEEPEST: Final = 20
_MOST_MAPS: Final = 100
"""Maps that lead to each other by `unmapped`: one by one, and in all."""
_MOST_MATCHES: Final = 1000
_BYTES: Final = 100
"""What an element, or a target, counts as where it is decided whether to look through a map takes a thread."""
_NO_MATCH: Final = ("unmatched", "disjoint")
"""Equivalences that say that there is none. https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html"""
_REVERSED: Final = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
Coded = tuple[str, str]
"""(system, code)."""


@dataclass(frozen=True, slots=True)
class Match:
    """One translation. `products`: what else has to be said, as (property, system, code, display)."""

    equivalence: str
    concept: Body
    source: str
    products: tuple[tuple[str, Body], ...] = ()

    @property
    def key(self) -> bytes:
        """By which it is told from others."""
        return json.encode([self.equivalence, self.concept, self.source, self.products])

    @property
    def found(self) -> bool:
        """Whether it is one."""
        return self.equivalence not in _NO_MATCH


@dataclass(frozen=True, slots=True)
class Asked:
    """What may come out: of which system; `dependencies`: what is known besides, by property; `folding`: the systems
    in whose codes case does not count; `versions`: of which the codes are, by system, where that is said.
    """

    target_system: str = ""
    dependencies: tuple[tuple[str, tuple[Coded, ...]], ...] = ()
    reverse: bool = False
    folding: frozenset[str] = frozenset()
    versions: frozenset[Coded] = frozenset()


@dataclass(frozen=True, slots=True)
class _Onward:
    """What another map has to say of a code: `unmapped` of mode other-map."""

    url: str
    coded: Coded

    @property
    def key(self) -> bytes:
        """By which it is told from others."""
        return json.encode([self.url, self.coded])


class _Work:
    """What was found, each once, and how many maps others led to."""

    def __init__(self, codes: Codes, asked: Asked) -> None:
        self.codes, self.asked, self.maps = codes, asked, 0
        self.found: dict[bytes, Match] = {}

    def add(self, key: bytes, match: Match) -> None:
        """Raises Unprocessable for more than there may be."""
        self.found.setdefault(key, match)
        if len(self.found) > _MOST_MATCHES:
            raise _costly(f"The code has more than {_MOST_MATCHES:,} translations: name one map, or a targetsystem.")

    async def other(self, url: str) -> Body | None:
        """A map that another one leads to. Raises Unprocessable for too many."""
        self.maps += 1
        if self.maps > _MOST_MAPS:
            raise _costly(f"The concept maps lead to more than {_MOST_MAPS} others by unmapped.url.")
        return next(iter(await self.codes.resources("ConceptMap", url)), None)


def _costly(text: str) -> Unprocessable:
    return Unprocessable(issues=(Issue("error", "too-costly", text),))


async def translated(codes: Codes, maps: Iterable[Body], some: Iterable[Coded], asked: Asked) -> list[Match]:
    """All translations of these codes by these maps, each once. Raises Invalid, and Unprocessable for too many."""
    coded = tuple(dict.fromkeys(some))
    folding = frozenset([system for system in {system for system, _ in coded} if await _folds(codes, system)])
    work = _Work(codes, replace(asked, folding=folding))
    for map in maps:
        await _by(work, map, coded, ())
    return list(work.found.values())


async def _folds(codes: Codes, system: str) -> bool:
    for one in await codes.systems(system):
        return one.body.get("caseSensitive") is False
    held = await codes.system(system)
    return held is not None and held.about.get("caseSensitive") is False


async def _by(work: _Work, map: Body, some: tuple[Coded, ...], within: tuple[str, ...]) -> None:
    within = (*within, str(map.get("url", "")))
    for key, one in (await apart(_BYTES * _size(map) * len(some), _said, map, some, work.asked)).items():
        if isinstance(one, Match):
            work.add(key, one)
            continue
        if one.url in within or len(within) > _DEEPEST:
            raise Invalid("The concept map leads back to itself by its unmapped.url.")
        other = await work.other(one.url)
        if other is not None:
            await _by(work, other, (one.coded,), within)


def _size(map: Body) -> int:
    """About how many elements and targets there are."""
    elements = [one for group in map.get("group", ()) for one in group.get("element", ())]
    return len(elements) + sum(len(one.get("target", ())) for one in elements[:1000])


def _said(map: Body, some: tuple[Coded, ...], asked: Asked) -> dict[bytes, Match | _Onward]:
    """What one map says of the codes, each once, in its order; no more than what is too many."""
    found: dict[bytes, Match | _Onward] = {}
    for system, code in some:
        for one in _of(map, system, code, asked):
            found.setdefault(one.key, one)
            if len(found) > _MOST_MATCHES:
                return found
    return found


def _of(map: Body, system: str, code: str, asked: Asked) -> Iterator[Match | _Onward]:
    url, folds = str(map.get("url", "")), system in asked.folding
    for group in map.get("group", ()):
        target = str(group.get("target", ""))
        if not _of_version(group.get("targetVersion" if asked.reverse else "sourceVersion"), system, asked):
            continue
        if asked.reverse:
            if target == system and asked.target_system in ("", group.get("source", "")):
                yield from _back(group, code, url, folds=folds)
            continue
        if group.get("source") not in (None, system) or asked.target_system not in ("", target):
            continue
        elements = [one for one in group.get("element", ()) if _same(one.get("code"), code, folds=folds)]
        targets = [one for element in elements for one in element.get("target", ()) if _depends(one, asked)]
        for one in targets:
            yield _match(one, target, group.get("targetVersion"), url)
        if not targets and "unmapped" in group:
            yield from _unmapped(group, (system, code), url)


def _of_version(has: str | None, system: str, asked: Asked) -> bool:
    """Whether a group is for the version that the code is of, where both are said."""
    wanted = [version for url, version in asked.versions if url == system]
    return not has or not wanted or any(fits_version(one, has) for one in wanted)


def _same(has: Any, code: str, *, folds: bool) -> bool:
    """Whether it is the code. `folds`: the code system says that case does not count."""
    return has == code or (folds and isinstance(has, str) and folded(has) == folded(code))


def _back(group: Body, code: str, url: str, *, folds: bool) -> Iterator[Match]:
    for element in group.get("element", ()):
        for one in element.get("target", ()):
            if _same(one.get("code"), code, folds=folds) and "code" in element:
                equivalence = one.get("equivalence", "relatedto")
                back = {"code": element["code"], "display": element.get("display")}
                yield Match(
                    _REVERSED.get(equivalence, equivalence),
                    _coding(str(group.get("source", "")), group.get("sourceVersion"), back),
                    url,
                )


def _match(target: Body, system: str, version: Any, url: str) -> Match:
    products = tuple(
        (str(one.get("property", "")), _coding(str(one.get("system", "")), None, {"code": one.get("value"), **one}))
        for one in target.get("product", ())
    )
    return Match(target.get("equivalence", "relatedto"), _coding(system, version, target), url, products)


def _coding(system: str, version: Any, said: Body) -> Body:
    coding = {"system": system or None, "version": version, "code": said.get("code"), "display": said.get("display")}
    return {key: value for key, value in coding.items() if value}


def _depends(target: Body, asked: Asked) -> bool:
    """Whether all that it depends on is as it was said."""
    known = dict(asked.dependencies)
    for one in target.get("dependsOn", ()):
        values = known.get(one.get("property", ""))
        if values is None:
            return False
        if not any(code == one.get("value") and one.get("system", system) == system for system, code in values):
            return False
    return True


def _unmapped(group: Body, coded: Coded, url: str) -> Iterator[Match | _Onward]:
    """https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped"""
    rule = group["unmapped"]
    target = str(group.get("target", ""))
    match rule.get("mode"):
        case "provided":
            yield Match("equal", _coding(target, group.get("targetVersion"), {"code": coded[1]}), url)
        case "fixed":
            yield Match("relatedto", _coding(target, group.get("targetVersion"), rule), url)
        case "other-map":
            yield _Onward(str(rule.get("url", "")), coded)


def fits(map: Body, source: str, target: str) -> bool:
    """Whether a map may be from and to these value sets, each a `url` or `url|version` or "". One that does not say
    from where, or to where, has no context that it would not fit.
    """
    return _named(source, map, "source") and _named(target, map, "target")


def _named(asked: str, map: Body, side: str) -> bool:
    has = map.get(f"{side}Canonical") or map.get(f"{side}Uri")
    if not asked or not has:
        return True
    (url, _, version), (other, _, its) = asked.partition("|"), str(has).partition("|")
    return url == other and (version == its or not (version and its))
