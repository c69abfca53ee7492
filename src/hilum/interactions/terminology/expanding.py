"""A page of the concepts of a value set. https://hl7.org/fhir/R4/valueset-operation-expand.html

In the order of the value set and, of what a filter or a whole system selects, down the hierarchy. With a filter text
the shortest displays come first, as long as they are few enough to be sorted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from hilum.interactions.terminology.knowledge import Held
from hilum.interactions.terminology.members import PLAIN, Chosen, Members, Pins, described
from hilum.problems import Invalid, Issue, Unprocessable
from hilum.terminology import bits, words
from hilum.terminology.concepts import ABSTRACT, INACTIVE, WORD, Body, Designation, Row
from hilum.terminology.rows import ABSTRACT_FLAG, INACTIVE_FLAG, detail_of

MOST: Final = 10_000
"""Concepts of an expansion, or of a page of one."""
_SORTED: Final = 200
"""Concepts that are sorted by their displays."""
_TOGETHER: Final = 5000


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of `$expand` that say what is shown. `nested`: `excludeNested` is false;
    `selectable`: without abstract ones."""

    filter: str = ""
    offset: int = 0
    count: int | None = None
    active: bool = False
    designations: bool = False
    designation: tuple[str, ...] = ()
    nested: bool = False
    selectable: bool = False
    language: str = ""
    pins: Pins = PLAIN


@dataclass(frozen=True, slots=True)
class _Item:
    """A member: a concept that is known, or a code that the value set lists."""

    chosen: Chosen
    code: str
    row: Row | None
    said: Body | None


async def expansion(found: Members, asked: Asked) -> Body:
    """`ValueSet.expansion`. Raises Invalid where a system's codes are not known, Unprocessable for too many."""
    for one in found.values():
        if one.whole and one.held is None:
            raise Invalid(
                f"The value set means every code of {one.url[:200]}, whose codes are not listed here: load the code "
                "system, or ask $validate-code for one code."
            )
    some = [await _narrowed(one, asked) for one in found.values()]
    many = sum(one.count for one in some)
    most = many if asked.count is None else min(asked.count, many)
    if most > MOST:
        raise _too_costly(many)
    body: Body = {
        "identifier": f"urn:uuid:{uuid4()}",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "total": many,
    }
    paged = asked.count is not None or asked.offset
    if paged:
        body["offset"] = asked.offset
    parameters = [*_echo(asked), *_versions(found), *_parts(found)]
    if parameters:
        body["parameter"] = parameters
    items = await _page(some, asked, many, MOST if asked.count is None else asked.count)
    if asked.nested and not paged and not asked.filter:
        contains = _nested(items, asked)
    else:
        contains = [_shown(one, asked) for one in items]
    if contains:
        body["contains"] = contains
    return body


def _too_costly(many: int) -> Unprocessable:
    return Unprocessable(
        issues=(
            Issue(
                "error",
                "too-costly",
                f"The expansion has {many:,} concepts, and {MOST:,} are the most at once: ask for pages with count and "
                "offset, or for fewer with filter.",
            ),
        )
    )


async def _narrowed(one: Chosen, asked: Asked) -> Chosen:
    """By the text, and to what is active."""
    chosen, loose = one.bits, one.loose
    if one.held is not None and chosen:
        if asked.filter.strip():
            chosen &= await found_by(one.held, asked.filter)
        if asked.active and chosen:
            chosen &= ~await one.held.flagged(INACTIVE)
        if asked.selectable and chosen:
            chosen &= ~await one.held.flagged(ABSTRACT)
    if asked.filter.strip():
        wanted = words.wanted(asked.filter)
        loose = frozenset(code for code in loose if _named(code, one.listed.get(code, {}), wanted))
    return replace(one, bits=chosen, loose=loose)


async def found_by(held: Held, filter: str) -> bits.Bits:
    """The concepts with words that begin as those of the filter do, or whose code it is."""
    wanted = words.wanted(filter)
    row, posted = await asyncio.gather(
        held.one(filter.strip()), asyncio.gather(*(held.posted(WORD, *words.span(word)) for word in wanted))
    )
    found = held.all if wanted else 0
    for some in posted:
        found &= some
    return found | 1 << row.n if row else found


def _named(code: str, said: Body, wanted: Sequence[str]) -> bool:
    texts = [said.get("display", ""), *(one.get("value", "") for one in said.get("designation", ()))]
    has = {word for text in (code, *texts) for word in words.words(str(text))}
    return bool(wanted) and all(any(word.startswith(start) for word in has) for start in wanted)


async def _page(some: Iterable[Chosen], asked: Asked, many: int, count: int) -> list[_Item]:
    if asked.filter.strip() and many <= _SORTED:
        items = [item for one in some for item in await _items(one, 0, one.count)]
        items.sort(key=lambda item: (len(_display(item, asked)), _display(item, asked), item.code))
        return items[asked.offset : asked.offset + count]
    skip, left, found = asked.offset, count, []
    for one in some:
        if skip >= one.count:
            skip -= one.count
            continue
        if left <= 0:
            break
        items = await _items(one, skip, left)
        skip, left = 0, left - len(items)
        found += items
    return found


async def _items(one: Chosen, skip: int, most: int) -> list[_Item]:
    """Those that are listed in their order, then the others by their numbers."""
    listed: list[_Item] = []
    rest = one.bits
    if one.listed:
        known = await one.held.of(list(one.listed)) if one.held is not None else {}
        for code, said in one.listed.items():
            row = known.get(code)
            if row is not None and bits.has(rest, row.n):
                rest &= ~(1 << row.n)
                listed.append(_Item(one, row.code, row, said))
            elif code in one.loose:
                listed.append(_Item(one, code, None, said))
    found = listed[skip : skip + most]
    skip, most = max(0, skip - len(listed)), most - len(found)
    if one.held is not None and most > 0 and rest:
        numbers = list(bits.each(rest, skip, most))
        for at in range(0, len(numbers), _TOGETHER):
            rows = await one.held.at(numbers[at : at + _TOGETHER])
            found += [_Item(one, row.code, row, None) for row in rows]
    return found


def _nested(items: list[_Item], asked: Asked) -> list[Body]:
    """Each within the nearest one before it whose hierarchy it is in."""
    found: list[Body] = []
    open_: list[tuple[_Item, Body]] = []
    order: dict[tuple[str, int | str], int] = {}
    for item in items:
        order.setdefault(item.chosen.key, len(order))
    for item in sorted(items, key=lambda one: (order[one.chosen.key], one.row.n if one.row and not one.said else -1)):
        shown, row = _shown(item, asked), item.row
        while open_ and not (
            row is not None
            and (over := open_[-1][0]).row is not None
            and over.chosen is item.chosen
            and over.row.n < row.n <= over.row.last
        ):
            open_.pop()
        (open_[-1][1].setdefault("contains", []) if open_ else found).append(shown)
        open_.append((item, shown))
    return found


def _shown(item: _Item, asked: Asked) -> Body:
    shown: Body = {}
    if item.chosen.url:
        shown["system"] = item.chosen.url
    if item.row is not None and item.row.flags & ABSTRACT_FLAG:
        shown["abstract"] = True
    if item.row is not None and item.row.flags & INACTIVE_FLAG:
        shown["inactive"] = True
    if item.chosen.version:
        shown["version"] = item.chosen.version
    shown["code"] = item.code
    display = _display(item, asked)
    if display:
        shown["display"] = display
    if asked.designations or asked.designation:
        some = [one for one in _designations(item) if not asked.designation or _wanted(one, asked.designation)]
        if some:
            shown["designation"] = [designation(one) for one in some]
    return shown


def _designations(item: _Item) -> list[Designation]:
    said = (item.said or {}).get("designation", ())
    own = [Designation(one["value"], one.get("language", ""), one.get("use")) for one in said if "value" in one]
    return [*own, *(detail_of(item.row).designations if item.row is not None else ())]


def _display(item: _Item, asked: Asked) -> str:
    """The value set's own word for it, the concept's, or that of the language that is asked for."""
    if asked.language:
        found = in_language(_designations(item), asked.language)
        if found is not None:
            return found
    said = (item.said or {}).get("display")
    return str(said) if said else item.row.display if item.row is not None else ""


def in_language(some: Iterable[Designation], languages: str) -> str | None:
    """The first designation of the first language that has one; `de` is any German, `de-AT` German where it must be.

    As in Accept-Language; shortened as https://www.rfc-editor.org/rfc/rfc4647#section-3.4 says.
    """
    listed = list(some)
    for wanted in languages.split(","):
        language = wanted.split(";")[0].strip().lower()
        while language:
            for one in listed:
                has = one.language.lower()
                if has == language or has.startswith(language + "-"):
                    return one.value
            language = language.rpartition("-")[0]
    return None


def designation(one: Designation) -> Body:
    """As FHIR writes it."""
    shown: Body = {}
    if one.language:
        shown["language"] = one.language
    if one.use:
        shown["use"] = one.use
    return shown | {"value": one.value}


def _wanted(one: Designation, tokens: Iterable[str]) -> bool:
    """By use, or by language as `urn:ietf:bcp:47|de`."""
    for token in tokens:
        system, bar, code = token.rpartition("|")
        if bar and system == "urn:ietf:bcp:47":
            if one.language == code:
                return True
        elif one.use and one.use.get("code") == code and (not bar or one.use.get("system") == system):
            return True
    return False


def _echo(asked: Asked) -> list[Body]:
    given: list[tuple[str, str, Any]] = [
        ("filter", "String", asked.filter or None),
        ("offset", "Integer", asked.offset or None),
        ("count", "Integer", asked.count),
        ("activeOnly", "Boolean", asked.active or None),
        ("includeDesignations", "Boolean", asked.designations or None),
        ("excludeNested", "Boolean", False if asked.nested else None),
        ("excludeNotForUI", "Boolean", asked.selectable or None),
        ("displayLanguage", "Code", asked.language or None),
        *(("designation", "String", one) for one in asked.designation),
        *(("system-version", "Uri", "|".join(one)) for one in asked.pins.default),
        *(("check-system-version", "Uri", "|".join(one)) for one in asked.pins.check),
        *(("force-system-version", "Uri", "|".join(one)) for one in asked.pins.force),
        *(("exclude-system", "Uri", one) for one in sorted(asked.pins.excluded)),
    ]
    return [{"name": name, f"value{kind}": value} for name, kind, value in given if value is not None]


def _versions(found: Members) -> list[Body]:
    return [{"name": "version", "valueUri": f"{url}|{version}"} for url, version in described(found) if version]


def _parts(found: Members) -> list[Body]:
    """The code systems of which only a part is known here. https://hl7.org/fhir/R4/valueset.html#parameters"""
    held = {one.url: one.held for one in found.values() if one.held is not None and not one.held.complete}
    return [
        {"name": f"{url}#CodeSystem.content", "valueCode": one.about.get("content", "")} for url, one in held.items()
    ]
