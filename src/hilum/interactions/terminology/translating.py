"""What a code is in another code system, by ConceptMaps. https://hl7.org/fhir/R4/conceptmap-operation-translate.html"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hilum.interactions.terminology.knowledge import Codes
from hilum.problems import Invalid
from hilum.terminology.concepts import Body

_MOST_MAPS: Final = 20
"""Maps that lead to each other by `unmapped`."""
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
    def found(self) -> bool:
        """Whether it is one."""
        return self.equivalence not in _NO_MATCH


@dataclass(frozen=True, slots=True)
class Asked:
    """What may come out: of which system, in which value set; `dependencies`: what is known besides, by property."""

    target_system: str = ""
    target: str = ""
    dependencies: tuple[tuple[str, tuple[Coded, ...]], ...] = ()
    reverse: bool = False


async def translated(codes: Codes, maps: Iterable[Body], some: Iterable[Coded], asked: Asked) -> list[Match]:
    """All translations of these codes by these maps, each once."""
    found: list[Match] = []
    for map in maps:
        for system, code in some:
            for match in await _by(codes, map, system, code, asked, ()):
                if match not in found:
                    found.append(match)
    return found


async def _by(codes: Codes, map: Body, system: str, code: str, asked: Asked, within: tuple[str, ...]) -> list[Match]:
    url = str(map.get("url", ""))
    found: list[Match] = []
    for group in map.get("group", ()):
        target = str(group.get("target", ""))
        if asked.reverse:
            if target == system and asked.target_system in ("", group.get("source", "")):
                found += _back(group, code, url)
            continue
        if group.get("source") not in (None, system) or asked.target_system not in ("", target):
            continue
        elements = [one for one in group.get("element", ()) if one.get("code") == code]
        targets = [one for element in elements for one in element.get("target", ()) if _depends(one, asked)]
        found += [_match(one, target, group.get("targetVersion"), url) for one in targets]
        if not targets and "unmapped" in group:
            found += await _unmapped(codes, group, system, code, asked, (*within, url))
    return found


def _back(group: Body, code: str, url: str) -> Iterator[Match]:
    for element in group.get("element", ()):
        for one in element.get("target", ()):
            if one.get("code") == code and "code" in element:
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


async def _unmapped(
    codes: Codes, group: Body, system: str, code: str, asked: Asked, within: tuple[str, ...]
) -> list[Match]:
    """https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.unmapped"""
    rule = group["unmapped"]
    target, url = str(group.get("target", "")), within[-1]
    match rule.get("mode"):
        case "provided":
            return [Match("equal", _coding(target, group.get("targetVersion"), {"code": code}), url)]
        case "fixed":
            return [Match("relatedto", _coding(target, group.get("targetVersion"), rule), url)]
        case "other-map":
            other = str(rule.get("url", ""))
            if other in within or len(within) > _MOST_MAPS:
                raise Invalid("The concept map leads back to itself by its unmapped.url.")
            for map in (await codes.resources("ConceptMap", other))[:1]:
                return await _by(codes, map, system, code, asked, within)
    return []


def fits(map: Body, source: str, target: str) -> bool:
    """Whether a map is from and to these value sets, where they are named."""
    has_source = map.get("sourceUri") or map.get("sourceCanonical")
    has_target = map.get("targetUri") or map.get("targetCanonical")
    return (not source or source == has_source) and (not target or target == has_target)
