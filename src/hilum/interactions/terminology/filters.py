"""One filter of a value set, as a set of concepts. https://hl7.org/fhir/R4/valueset-filter-operator.html

On the concept itself (`concept`, `code`) by its place in the hierarchy; on `parent`, `child` and `ancestor` likewise;
on any other property by its values. Each is a look into an index; a regex looks at each value of the property once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hilum.interactions.terminology.knowledge import Held
from hilum.problems import Invalid
from hilum.terminology import bits, regexes
from hilum.terminology.bits import Bits
from hilum.terminology.concepts import ABSTRACT, BETWEEN, CHILD, INACTIVE, VALUE

Body = dict[str, Any]

_Filter = Callable[[Held, str, str], Awaitable[Bits]]

_LAST: Final = "\U0010ffff"
_MOST_VALUES: Final = 100_000
_MOST_CODES: Final = 20_000
"""Concepts of a code system whose codes or displays a regex may look at."""


async def filtered(held: Held, filter: Body) -> Bits:
    """The concepts that it leaves. Raises Invalid for what is not supported."""
    property, op, value = filter.get("property", ""), filter.get("op", ""), str(filter.get("value", ""))
    of = _CONCEPT if property in ("concept", "code") else _RELATED.get(property, _PROPERTY)
    if of is _PROPERTY and property == "display":
        of = _DISPLAY
    own = _OWN.get(held.url, {}).get(property, {})
    found = own.get(op) or of.get(op)
    if of is _PROPERTY and not own and not await _is_there(held, property):
        raise Invalid(
            f"The value set has a filter that is not supported: the code system has no property {property[:64]!r}."
        )
    if found is None:
        named = ", ".join(own if of is _PROPERTY and own else {**of, **own})
        raise Invalid(
            f"The value set has a filter that is not supported: {op[:32]!r} on the property {property[:64]!r}. "
            f"Supported there: {named}."
        )
    return await found(held, property, value)


async def _is_there(held: Held, property: str) -> bool:
    """Whether the code system says that it has the property, or a concept has it."""
    about = held.about
    declared = {one.get("code") for name in ("property", "filter") for one in about.get(name, ())}
    return property in declared or bool(await _exists(held, property, "true"))


async def below(held: Held, code: str) -> Bits:
    """The concept and all that is under it; nothing when the system does not have it."""
    row = await held.one(code)
    return bits.union((row.under,)) if row else 0


async def above(held: Held, code: str) -> Bits:
    """The concept and all that it is under."""
    row = await held.one(code)
    return bits.of((row.n, *bits.numbers(row.over))) if row else 0


async def _itself(held: Held, code: str) -> Bits:
    row = await held.one(code)
    return 1 << row.n if row else 0


async def _is_a(held: Held, _: str, value: str) -> Bits:
    return await below(held, value)


async def _descendent_of(held: Held, _: str, value: str) -> Bits:
    return await below(held, value) & ~await _itself(held, value)


async def _is_not_a(held: Held, _: str, value: str) -> Bits:
    return held.all & ~await below(held, value)


async def _generalizes(held: Held, _: str, value: str) -> Bits:
    return await above(held, value)


async def _codes(held: Held, _: str, value: str) -> Bits:
    codes = [code.strip() for code in value.split(",")]
    return bits.of(row.n for row in (await held.of(codes)).values())


async def _code(held: Held, _: str, value: str) -> Bits:
    return await _itself(held, value)


async def _not_codes(held: Held, _: str, value: str) -> Bits:
    return held.all & ~await _codes(held, "", value)


async def _child_of(held: Held, code: str, value: str) -> Bits:
    return await held.posted(CHILD, value)


async def _in_refset(held: Held, _: str, value: str) -> Bits:
    return await held.posted(VALUE, f"inRefset{BETWEEN}{value}")


async def _members(held: Held, _: str, value: str) -> Bits:
    """Of one reference set, as SNOMED CT reads `in`; of several codes these."""
    return await (_codes if "," in value else _in_refset)(held, _, value.strip())


async def _precoordinated(held: Held, _: str, value: str) -> Bits:
    """Whether expressions are meant, too: there are none here."""
    return held.all


async def _copyright(held: Held, _: str, value: str) -> Bits:
    """Whose LOINC's codes are: of LOINC alone, or of a third party, too."""
    if value not in ("LOINC", "3rdParty"):
        raise Invalid("The filter 'copyright' of LOINC takes LOINC or 3rdParty.")
    return await _exists(held, "EXTERNAL_COPYRIGHT_NOTICE", "true" if value == "3rdParty" else "false")


async def _parents_of(held: Held, _: str, value: str) -> Bits:
    row = await held.one(value)
    return bits.of(bits.numbers(row.parents)) if row else 0


async def _semantic_type(held: Held, property: str, value: str) -> Bits:
    """By TUI, which may be said."""
    return await _equals(held, property, value.removeprefix("TUI:"))


def _any(one: _Filter) -> _Filter:
    """The same of any of several values."""

    async def found(held: Held, property: str, value: str) -> Bits:
        some = 0
        for each in value.split(","):
            some |= await one(held, property, each.strip())
        return some

    return found


async def _has_child(held: Held, _: str, value: str) -> Bits:
    posted = await held.concepts.postings(held.system.number, CHILD, "", _LAST)
    over = bits.of(row.n for row in (await held.of([code for code, _ in posted])).values())
    return held.all & ~over if value == "false" else over


async def _has_parent(held: Held, _: str, value: str) -> Bits:
    under = await held.posted(CHILD, "", _LAST)
    return under if value == "true" else held.all & ~under


async def _regex_of(held: Held, _: str, value: str, which: str) -> Bits:
    pattern = regexes.compiled(value)
    if held.size > _MOST_CODES:
        raise Invalid(
            f"A regex on each {which} of a code system with more than {_MOST_CODES} concepts is not supported."
        )
    rows = await held.at(range(held.size))
    values = [getattr(row, which) for row in rows]
    return bits.of(rows[n].n for n in await asyncio.to_thread(regexes.matching, pattern, values))


async def _inactive(held: Held, _: str, value: str) -> Bits:
    gone = await held.flagged(INACTIVE)
    return gone if value == "true" else held.all & ~gone


async def _not_selectable(held: Held, _: str, value: str) -> Bits:
    abstract = await held.flagged(ABSTRACT)
    return abstract if value == "true" else held.all & ~abstract


async def _code_regex(held: Held, _: str, value: str) -> Bits:
    return await _regex_of(held, _, value, "code")


async def _display_regex(held: Held, _: str, value: str) -> Bits:
    return await _regex_of(held, _, value, "display")


async def _equals(held: Held, property: str, value: str) -> Bits:
    return await held.posted(VALUE, f"{property}{BETWEEN}{value}")


async def _among(held: Held, property: str, value: str) -> Bits:
    found = 0
    for one in value.split(","):
        found |= await _equals(held, property, one.strip())
    return found


async def _not_among(held: Held, property: str, value: str) -> Bits:
    return held.all & ~await _among(held, property, value)


async def _exists(held: Held, property: str, value: str) -> Bits:
    having = await held.posted(VALUE, property + BETWEEN, property + BETWEEN + _LAST)
    return held.all & ~having if value == "false" else having


async def _regex(held: Held, property: str, value: str) -> Bits:
    pattern, start = regexes.compiled(value), len(property) + len(BETWEEN)
    found = await held.concepts.postings(held.system.number, VALUE, property + BETWEEN, property + BETWEEN + _LAST)
    if len(found) > _MOST_VALUES:
        raise Invalid(f"A regex on a property with more than {_MOST_VALUES} values is not supported.")
    matching = await asyncio.to_thread(regexes.matching, pattern, [key[start:] for key, _ in found])
    return await asyncio.to_thread(lambda: bits.union(found[n][1] for n in matching))


_CONCEPT: Final[dict[str, _Filter]] = {
    "is-a": _is_a,
    "descendent-of": _descendent_of,
    "is-not-a": _is_not_a,
    "generalizes": _generalizes,
    "=": _code,
    "in": _codes,
    "not-in": _not_codes,
    "regex": _code_regex,
    "in-refset": _in_refset,
}
_PROPERTY: Final[dict[str, _Filter]] = {
    "=": _equals,
    "in": _among,
    "not-in": _not_among,
    "exists": _exists,
    "regex": _regex,
}
_DISPLAY: Final[dict[str, _Filter]] = {"regex": _display_regex}
_RELATED: Final[dict[str, dict[str, _Filter]]] = {
    "parent": {"=": _child_of, "in": _any(_child_of), "exists": _has_parent},
    "child": {"=": _parents_of, "in": _any(_parents_of), "exists": _has_child},
    "ancestor": {"=": _descendent_of, "in": _any(_descendent_of)},
    "descendant": {"=": _generalizes, "in": _any(_generalizes)},
    "inactive": {"=": _inactive},
    "notSelectable": {"=": _not_selectable},
}
_OWN: Final[dict[str, dict[str, dict[str, _Filter]]]] = {
    "http://snomed.info/sct": {
        "concept": {"in": _members},
        "code": {"in": _members},
        "expressions": {"=": _precoordinated},
    },
    "http://loinc.org": {"copyright": {"=": _copyright}},
    "http://www.nlm.nih.gov/research/umls/rxnorm": {"STY": {"=": _semantic_type, "in": _any(_semantic_type)}},
}
"""What R4 defines for one code system. https://hl7.org/fhir/R4/snomedct.html, loinc.html and rxnorm.html"""
