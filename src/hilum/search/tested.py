"""One test of a `_filter`, an operator and a value, to a clause. https://hl7.org/fhir/R4/search_filter.html#ops

An operator is about the values that a parameter selects: each says whether there is one that stands so to the value
asked for. So `ne` finds what has another value, too, and never what has none.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

from msgspec.structs import replace

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.search import values
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    Clause,
    DateClause,
    LastUpdatedClause,
    MissingClause,
    NotClause,
    StringClause,
    TokenClause,
    UnequalClause,
)
from hilum.search.modifiers import clause
from hilum.search.parameters import Parameter
from hilum.search.plain import PLAIN, Asked

OPERATORS: Final = (
    *("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb"),
    *("pr", "po", "ss", "sb", "in", "ni", "re"),
)
"""https://hl7.org/fhir/R4/search_filter.html#ops"""
MOST_LETTERS: Final = 6
"""Of a code with so many letters every way to write them is looked for, 64 at the most; of a longer one the usual."""


def test(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """What the values of a parameter must be. Raises Invalid, TooCostly."""
    if operator == "pr":
        if value not in ("true", "false"):
            raise Invalid("_filter: the operator pr takes true or false.")
        return clause(parameter, "missing", ["false" if value == "true" else "true"], asked)
    known = operators(parameter)
    if operator not in known:
        takes = ", ".join(sorted((*known, "pr")))
        raise Invalid(
            f"_filter: the operator {operator} is not supported for {parameter.code!r} of {parameter.base}, "
            f"which is of type {parameter.type}; those there are: {takes}."
        )
    return known[operator](parameter, operator, value, asked)


_Build = Callable[[Parameter, str, str, Asked], Clause]


def operators(parameter: Parameter) -> dict[str, _Build]:
    """Operator -> how its clause is made; `pr` is for every parameter."""
    if parameter.phonetic:
        return {"eq": _plain}
    if parameter.code == "_id":
        return {"eq": _plain, "ne": _not}
    if parameter.code == "_lastUpdated":
        return {**_ORDERED, "po": _overlap}
    if parameter.type == "uri" and not _single(parameter):
        return {"eq": _plain}
    return _TESTS.get(parameter.type, {})


# --- strings ----------------------------------------------------------------------------------------------------------

_MATCH: Final = {"eq": "whole", "co": "contains", "sw": "starts", "ew": "ends"}
_ORDERS: Final = ("ne", "gt", "lt", "ge", "le")


def _string(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    asked.budget.take(parameter.code, parameter.type, 1)
    folded = values.string(parameter, value.replace("\\", "\\\\"), "starts")
    return StringClause(parameter.numbers, (folded,), _MATCH[operator])


def _order(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """By code points, without case; of a name as a whole, not of the later words of it."""
    asked.budget.take(parameter.code, parameter.type, 1)
    folded = values.string(parameter, value.replace("\\", "\\\\"), "starts")
    numbers = tuple(one for one in parameter.numbers if one not in parameter.rest)
    return StringClause(numbers, (folded,), operator)


# --- numbers, quantities, dates ---------------------------------------------------------------------------------------


def _prefixed(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    return clause(parameter, None, [operator + named(value)], asked)


def _overlap(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """Approximately, without the widening: two periods that overlap."""
    asked.budget.take(parameter.code, parameter.type, 1)
    ranges = (values.date(parameter, f"ap{value}", None),)
    if parameter.code == "_lastUpdated":
        return LastUpdatedClause(ranges)
    return DateClause(parameter.numbers, ranges, parameter.single)


def _include(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """The period of an item includes the stated value."""
    asked.budget.take(parameter.code, parameter.type, 1)
    range = replace(values.date(parameter, f"eq{value}", None), prefix="co")
    return DateClause(parameter.numbers, (range,), parameter.single)


# --- tokens -----------------------------------------------------------------------------------------------------------


def _token(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """A code, whatever its case: "Values are never case sensitive"."""
    if parameter.forms == {"boolean"}:
        value = value.lower()
    asked.budget.take(parameter.code, parameter.type, 1)
    some = codes(parameter, named(value))
    return UnequalClause(parameter.numbers, some) if operator == "ne" else TokenClause(parameter.numbers, some)


def codes(parameter: Parameter, value: str) -> tuple[Token, ...]:
    """The tokens that a value may mean, in the cases in which its code may be written; a system keeps its own.

    The index knows no code but by its hash, so that what is not listed here is not found: see `MOST_LETTERS`.
    """
    found = values.token(parameter, value)
    return tuple(
        dict.fromkeys(
            Token(one.system, code)
            for one in found
            for code in ((None,) if one.code is None else _cases(parameter, one.code))
        )
    )


def _cases(parameter: Parameter, code: str) -> list[str]:
    """The code as it is written first."""
    letters = [sorted({one, *(case for case in (one.lower(), one.upper()) if len(case) == 1)}) for one in code]
    if sum(len(one) > 1 for one in letters) <= MOST_LETTERS and all(len(one) <= 2 for one in letters):
        some = ["".join(one) for one in product(*letters)]
    else:
        some = [code.lower(), code.upper(), code.capitalize(), code.title(), *_bound(parameter, code.casefold())]
    return list(dict.fromkeys([code, *some]))


def _bound(parameter: Parameter, folded: str) -> list[str]:
    """The codes of its required value sets that are the same but for their case."""
    found = []
    for leaf in parameter.leaves:
        binding = getattr(leaf.path.steps[-1], "binding", None) if leaf.path.steps else None
        for some in (definitions.value_set(binding) or {}).values() if binding else ():
            found += [one for one in some if one.casefold() == folded]
    return sorted(found)


# --- what is as everywhere else ---------------------------------------------------------------------------------------

_MODIFIER: Final = {"in": "in", "ni": "not-in", "ss": "below", "sb": "above"}


def _plain(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    return clause(parameter, _MODIFIER.get(operator), [named(value)], asked)


def _not(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """Of what is there once."""
    return NotClause(_plain(parameter, "eq", value, asked))


def _other(parameter: Parameter, operator: str, value: str, asked: Asked) -> Clause:
    """Of what is there once at the most."""
    return AllClause((_not(parameter, operator, value, asked), MissingClause(parameter.numbers, False)))


def _single(parameter: Parameter) -> bool:
    """Whether a resource has one value at the most."""
    if len(parameter.leaves) != 1:
        return False
    return not any(getattr(step, "many", False) for step in parameter.leaves[0].path.steps)


SYSTEMS: Final = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
"""Predefined short names. https://hl7.org/fhir/R4/search_filter.html#ops"""


def named(value: str) -> str:
    """The value with the system that a short name stands for."""
    parts = value.split("|")
    at = len(parts) - 2
    if at >= 0 and parts[at] in SYSTEMS:
        parts[at] = SYSTEMS[parts[at]]
    return "|".join(parts)


_ORDERED: Final[dict[str, _Build]] = dict.fromkeys(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"), _prefixed)
_TESTS: Final[dict[str, dict[str, _Build]]] = {
    "string": {**dict.fromkeys(_MATCH, _string), **dict.fromkeys(_ORDERS, _order)},
    "number": _ORDERED,
    "quantity": _ORDERED,
    "date": {**_ORDERED, "po": _overlap, "co": _include},
    "token": {**dict.fromkeys(("eq", "ne"), _token), **dict.fromkeys(_MODIFIER, _plain)},
    "reference": {"re": _plain},
    "uri": {"eq": _plain, "ne": _other},
    "composite": {"eq": _plain},
    "special": {},
}


# --- https://hl7.org/fhir/R4/search_filter.html#params ----------------------------------------------------------------

ADDITIONAL: Final[dict[tuple[str, str], tuple[str, dict[str, str]]]] = {
    ("Group", "characteristic"): ("characteristic-value", {"code": "characteristic", "value": "value"}),
    ("DocumentReference", "relatesTo"): ("relationship", {"code": "relation", "target": "relatesto"}),
}
"""(type, name) -> the composite of one such element, and its children: name -> parameter.

Those of the table that R4 has parameters for: it has none for Observation.related, and ServiceRequest has no events.
"""


def pair(composite: Parameter, first: tuple[str, str, str], second: tuple[str, str, str], asked: Asked) -> Clause:
    """Both tests, each (parameter, operator, value), hold of one element."""
    parts = {part.code: part for part in composite.components}
    texts: dict[str, list[str]] = {}
    for code, operator, value in (first, second):
        wanted = "re" if parts[code].type == "reference" else "eq"
        if operator != wanted:
            raise Invalid(f"_filter: {code!r} in brackets, or after them, takes the operator {wanted}.")
        texts[code] = _spelled(parts[code], named(value)) if parts[code].type == "token" else [value]
    if len(texts) != len(parts):
        raise Invalid(f"_filter: one of {' and '.join(parts)} belongs into the brackets, the other one after them.")
    written = ["$".join(_escaped(text) for text in one) for one in product(*(texts[code] for code in parts))]
    asked.budget.take(composite.code, "composite", 1)
    return PLAIN["composite"](composite, written, asked)


def _spelled(part: Parameter, value: str) -> list[str]:
    """A token in the cases in which its code is mostly written."""
    if part.forms == {"boolean"}:
        return [value.lower()]
    system, bar, code = value.rpartition("|")
    some = [code, code.lower(), code.upper(), code.capitalize(), *_bound(part, code.casefold())]
    return [f"{system}{bar}{one}" for one in dict.fromkeys(some)]


def _escaped(text: str) -> str:
    return text.replace("$", "\\$").replace(",", "\\,") if "\\" not in text else text
