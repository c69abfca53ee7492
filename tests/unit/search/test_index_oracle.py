"""Every search parameter of R4 finds in a resource what the slow oracle finds there."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from tests.shared_data import needs_data
from tests.unit.fhirpath.oracle import has_null
from tests.unit.fhirpath.samples import resources
from tests.unit.search import oracle
from tests.unit.search.samples import SAMPLES

from hilum.fhir import definitions
from hilum.search import generate
from hilum.search.index import index
from hilum.search.parameters import Parameter, parameters
from hilum.search.rows import (
    CompositeRow,
    DateRow,
    NearRow,
    QuantityRow,
    ReferenceRow,
    Rows,
    StringRow,
    TermRow,
    TokenRow,
    UriRow,
)

LISTS = ("tokens", "strings", "terms", "dates", "quantities", "references", "uris", "composites", "nears")

ROLES = {
    "numbers": LISTS,
    "text": ("terms",),
    "of_type": ("tokens",),
    "identifier": ("tokens",),
    "whole": ("strings",),
}
"""Attribute of a Parameter that holds numbers -> the rows that stand under them."""

ERRATA = {"value.as(DateTime)": "value.as(dateTime)"}


def found(numbers: tuple[int, ...], rows: Rows, lists: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """The rows of these numbers without their number, composites flat."""
    some = {row for name in lists for row in getattr(rows, name) if row.parameter in numbers}
    return {_flat(row) if isinstance(row, CompositeRow) else tuple(row[1:]) for row in some}


def _flat(row: CompositeRow) -> tuple[Any, ...]:
    ends = row.second if isinstance(row.second[0], tuple) else (row.second,)
    return (row.system, row.code, *(tuple(end[1:]) for end in ends))


def expected(parameter: Parameter, role: str, resource: dict[str, Any]) -> set[tuple[Any, ...]]:
    if parameter.type == "composite":
        definition = next(d for d in definitions.search_parameters() if d.url == parameter.url)
        texts = [component.expression for component in definition.component]
        if parameter.code == "relationship":  # R4 has the two the wrong way round
            texts.reverse()
        kinds = [component.type for component in parameter.components]
        return oracle.composites(parameter.expression, list(zip(kinds, texts, strict=True)), resource, ERRATA)
    if role != "numbers":
        return oracle.rows(role, parameter.expression, resource)
    kind = "phonetic" if parameter.phonetic else parameter.type
    some = oracle.rows(kind, parameter.expression, resource)
    if parameter.forms == {"Resource"}:  # nested in a Bundle
        some = {row for row in some if row[0] in parameter.targets}
    return some


def differing(resource: dict[str, Any], rows: Rows) -> list[str]:
    """The codes of the parameters whose rows are not what the oracle says."""
    wrong = []
    for parameter in parameters(resource["resourceType"]):
        for role, lists in ROLES.items():
            numbers = getattr(parameter, role)
            if role == "numbers" and parameter.whole:
                lists = ("tokens",) if parameter.type == "token" else ("uris",)
            if not numbers:
                continue
            mine, theirs = found(numbers, rows, lists), expected(parameter, role, resource)
            if parameter.type == "string" and not parameter.phonetic:  # later words of family names: see test_index.py
                values = {row[1] for row in theirs}
                mine = {row for row in mine if row in theirs or row[1] not in values}
            if role == "numbers":
                coded = {row[1] for row in theirs if row[0] is ...}
                mine, theirs = ({_uncoded(row, coded) for row in some} for some in (mine, theirs))
            if mine != theirs:
                wrong.append(f"{parameter.code} {role}")
        if parameter.single and sum(row.parameter in parameter.numbers for row in rows.dates) > 1:
            wrong.append(f"{parameter.code} more than one")
    return wrong


def _uncoded(row: tuple[Any, ...], coded: set[str]) -> tuple[Any, ...]:
    """Without the system that a binding implies, of which the oracle knows nothing."""
    return (..., *row[1:]) if len(row) > 1 and row[1] in coded else row


@pytest.mark.parametrize("place", range(len(SAMPLES)), ids=lambda place: f"{place}-{SAMPLES[place]['resourceType']}")
def test_index_rows_of_every_kind_are_what_the_oracle_finds(place: int) -> None:
    resource = SAMPLES[place]
    assert differing(resource, index(resource["resourceType"], resource)) == []


def test_the_samples_have_rows_of_every_kind() -> None:
    rows = [index(resource["resourceType"], resource) for resource in SAMPLES]
    assert [kind for kind in LISTS if not any(getattr(one, kind) for one in rows)] == []


@needs_data
def test_index_rows_are_what_the_oracle_finds() -> None:
    wrong = {}
    count = 0
    for name, some in resources().items():
        for resource in some:
            if has_null(resource):
                continue
            rows = index(name, resource)
            count += sum(len(getattr(rows, kind)) for kind in LISTS)
            if codes := differing(resource, rows):
                wrong[f"{name}/{resource.get('id')}"] = codes
    assert wrong == {}
    assert count > 3000


@needs_data
@pytest.mark.parametrize("name", ["Patient", "Observation", "Encounter", "DiagnosticReport"])
def test_the_oracle_catches_seeded_mutants_of_the_generated_code(name: str) -> None:
    """Each mutant forgets to write one row down; one that no sample reaches proves nothing and is left out."""
    some = [r for r in (*resources()[name], *SAMPLES) if r["resourceType"] == name and not has_null(r)]
    lines = generate.source(name)
    places = [i for i, line in enumerate(lines) if ".append((" in line and "labels" not in line]
    places = [i for i in places if not any("later_words" in line for line in lines[i - 2 : i])]  # see test_index.py
    caught = 0
    for place in random.Random(2).sample(places, min(len(places), 40)):
        mutant = [*lines[:place], re.sub(r"\S.*", "pass", lines[place]), *lines[place + 1 :]]
        names: dict[str, Any] = {}
        generate.source(name, names)
        exec("\n".join(mutant), names)
        for resource in some:
            lists: list[list[Any]] = [[] for _ in range(11)]
            names["fill"](resource, *lists)
            rows = Rows(*(tuple(sorted(set(x), key=repr)) for x in lists))  # plain tuples
            if rows_differ(rows, index(name, resource)):
                assert differing(resource, named(rows)) != []
                caught += 1
                break
    assert caught >= 5


def rows_differ(plain: Rows, right: Rows) -> bool:
    return any(set(getattr(plain, kind)) != {tuple(row) for row in getattr(right, kind)} for kind in LISTS)


KINDS = (TokenRow, StringRow, TermRow, DateRow, QuantityRow, ReferenceRow, UriRow, CompositeRow, NearRow)


def named(plain: Rows) -> Rows:
    return Rows(*(tuple(kind(*row) for row in getattr(plain, name)) for name, kind in zip(LISTS, KINDS, strict=True)))
