"""Every search expression of R4 selects what fhirpathpy selects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.shared_data import needs_data
from tests.unit.fhirpath.oracle import evaluator, has_null
from tests.unit.fhirpath.samples import resources

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPES, SearchParameter
from hilum.fhirpath import compile

WITH_EXPRESSION = [p for p in definitions.search_parameters() if p.expression]


def types(parameter: SearchParameter) -> tuple[str, ...]:
    return TYPES if "Resource" in parameter.base else tuple(b for b in parameter.base if b in TYPES)


def test_every_search_expression_of_r4_compiles_for_every_type_that_it_is_for() -> None:
    pairs = [(p, name) for p in WITH_EXPRESSION for name in types(p)]
    for parameter, name in pairs:
        compile(parameter.expression or "", name)
    assert len(WITH_EXPRESSION) == 1381
    assert len(pairs) > 2500


def pairs() -> Iterator[tuple[str, dict[str, Any]]]:
    found = resources()
    for parameter in WITH_EXPRESSION:
        for name in types(parameter):
            for resource in found.get(name, ()):
                if not has_null(resource):
                    yield parameter.expression or "", resource


@needs_data
def test_search_expressions_select_what_fhirpathpy_selects() -> None:
    compared = selected = 0
    differing = []
    for expression, resource in pairs():
        mine = compile(expression, resource["resourceType"])(resource)
        theirs = evaluator(expression)(resource)
        compared += 1
        selected += bool(mine)
        if mine != theirs:
            differing.append((expression, resource["resourceType"], resource.get("id")))
    assert differing == []
    assert compared > 4000
    assert selected > 1200


@needs_data
@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("Observation.code", "Observation.category"),
        ("Person.telecom.where(system='email')", "Person.telecom"),
        ("Observation.subject.where(resolve() is Patient)", "Observation.subject.where(resolve() is Group)"),
    ],
)
def test_the_comparison_tells_a_wrong_expression_from_the_right_one(expression: str, wrong: str) -> None:
    name = expression.partition(".")[0]
    some = resources()[name]
    assert all(compile(expression, name)(one) == evaluator(expression)(one) for one in some)
    assert any(compile(wrong, name)(one) != evaluator(expression)(one) for one in some)
