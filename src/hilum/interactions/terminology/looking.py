"""All that is known of one concept, and how two concepts stand to each other.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.interactions.terminology.expanding import in_language
from hilum.interactions.terminology.knowledge import Held
from hilum.problems import NotFound
from hilum.terminology import bits
from hilum.terminology.concepts import CHILD, Designation, Property, Row
from hilum.terminology.rows import ABSTRACT_FLAG, INACTIVE_FLAG, detail_of

_MOST_RELATED: Final = 1000
"""Children that are told."""


@dataclass(frozen=True, slots=True)
class Found:
    """What `$lookup` answers. `descriptions`: what the code system says of a property, by its code."""

    name: str
    version: str
    display: str
    definition: str
    designations: tuple[Designation, ...]
    properties: tuple[Property, ...]
    descriptions: dict[str, str]


async def looked_up(held: Held, code: str, language: str, wanted: frozenset[str]) -> Found:
    """The concept, with the properties that are asked for, or all. Raises NotFound."""
    row = await _concept(held, code)
    detail = detail_of(row)
    found = [*_flags(row), *detail.properties]
    named = {one.code for one in detail.properties}
    for name, numbers in (("parent", list(bits.numbers(row.parents))), ("child", await _children(held, row, wanted))):
        if name not in named and _asked(name, wanted):
            found += [Property(name, "code", one.code) for one in await held.at(numbers[:_MOST_RELATED])]
    languages = {one[5:] for one in wanted if one.startswith("lang.")}
    shown = tuple(one for one in detail.designations if _asked("designation", wanted) or one.language in languages)
    display = in_language(detail.designations, language) if language else None
    about = held.about
    return Found(
        str(about.get("title") or about.get("name") or held.url),
        held.version,
        display or row.display or row.code,
        detail.definition if _asked("definition", wanted) else "",
        shown,
        tuple(one for one in found if _asked(one.code, wanted)),
        {one["code"]: one["description"] for one in about.get("property", ()) if "description" in one},
    )


def _asked(name: str, wanted: frozenset[str]) -> bool:
    return not wanted or "*" in wanted or name in wanted


def _flags(row: Row) -> list[Property]:
    said = {one.code for one in detail_of(row).properties}
    found = []
    if "inactive" not in said:
        found.append(Property("inactive", "boolean", bool(row.flags & INACTIVE_FLAG)))
    if row.flags & ABSTRACT_FLAG and "notSelectable" not in said:
        found.append(Property("notSelectable", "boolean", True))
    return found


async def _children(held: Held, row: Row, wanted: frozenset[str]) -> list[int]:
    if not _asked("child", wanted):
        return []
    return list(bits.each(await held.posted(CHILD, row.code), most=_MOST_RELATED))


async def _concept(held: Held, code: str) -> Row:
    row = await held.one(code)
    if row is None:
        raise NotFound(f"The code system {held.url[:200]} has no such code.")
    return row


async def subsumption(held: Held, a: str, b: str) -> str:
    """How the first stands to the second. https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html"""
    one, other = await _concept(held, a), await _concept(held, b)
    if one.n == other.n:
        return "equivalent"
    over, under = one.n in set(bits.numbers(other.over)), other.n in set(bits.numbers(one.over))
    if over and under:
        return "equivalent"
    return "subsumes" if over else "subsumed-by" if under else "not-subsumed"
