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

from hilum.fhirpath.references import target_type
from hilum.search import generate
from hilum.search.index import index
from hilum.search.parameters import Parameter, parameters
from hilum.search.rows import Rows, UriRow

LISTS = ("tokens", "strings", "dates", "references", "uris")


def found(parameter: Parameter, rows: Rows) -> set[tuple[Any, ...]]:
    """The rows of one parameter without its number; as a query sees them, that is, of the target types it is about."""
    some = {row for name in LISTS for row in getattr(rows, name) if row.parameter == parameter.number}
    if parameter.restrict_to:
        some = {row for row in some if _target(row) in parameter.restrict_to}
    return {tuple(row[1:]) for row in some}


def _target(row: Any) -> str | None:
    return target_type(row.value) if isinstance(row, UriRow) else row.type


def expected(parameter: Parameter, resource: dict[str, Any]) -> set[tuple[Any, ...]]:
    return oracle.rows(parameter.type, parameter.expression, resource)


def differing(resource: dict[str, Any], rows: Rows) -> list[str]:
    """The codes of the parameters whose rows are not what the oracle says."""
    wrong = []
    for parameter in parameters(resource["resourceType"]):
        if parameter.number:
            mine, theirs = found(parameter, rows), expected(parameter, resource)
            if parameter.type == "string":  # later words of family names: see test_index.py
                values = {row[1] for row in theirs}
                mine = {row for row in mine if row in theirs or row[1] not in values}
            coded = {row[1] for row in theirs if row[0] is ...}
            mine = {(..., row[1]) if len(row) == 2 and row[1] in coded else row for row in mine}
            theirs = {(..., row[1]) if len(row) == 2 and row[1] in coded else row for row in theirs}
            if mine != theirs:
                wrong.append(parameter.code)
    return wrong


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
    assert count > 1500


@needs_data
@pytest.mark.parametrize("name", ["Patient", "Observation", "Encounter", "DiagnosticReport"])
def test_the_oracle_catches_seeded_mutants_of_the_generated_code(name: str) -> None:
    """Each mutant forgets to write one row down; one that no sample reaches proves nothing and is left out."""
    some = [r for r in resources()[name] if not has_null(r)]
    lines = generate.source(name)
    places = [i for i, line in enumerate(lines) if ".append((" in line and "labels" not in line]
    places = [i for i in places if not any("later_words" in line for line in lines[i - 2 : i])]  # see test_index.py
    caught = 0
    for place in random.Random(2).sample(places, min(len(places), 40)):
        mutant = [*lines[:place], re.sub(r"\S.*", "pass", lines[place]), *lines[place + 1 :]]
        names: dict[str, Any] = dict(generate._NAMES)
        generate.source(name, names)
        exec("\n".join(mutant), names)
        for resource in some:
            lists: list[list[Any]] = [[] for _ in range(7)]
            names["fill"](resource, *lists)
            rows = Rows(*(tuple(sorted(set(x), key=repr)) for x in lists))  # plain tuples
            if rows_differ(rows, index(name, resource)):
                assert differing(resource, named(rows)) != []
                caught += 1
                break
    assert caught >= 5


def rows_differ(plain: Rows, right: Rows) -> bool:
    return any(set(getattr(plain, kind)) != {tuple(row) for row in getattr(right, kind)} for kind in LISTS)


def named(plain: Rows) -> Rows:
    from hilum.search.rows import DateRow, ReferenceRow, StringRow, TokenRow

    kinds = zip(LISTS, (TokenRow, StringRow, DateRow, ReferenceRow, UriRow), strict=True)
    return Rows(*(tuple(kind(*row) for row in getattr(plain, name)) for name, kind in kinds))
