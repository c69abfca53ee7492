"""Whatever an expression says, and whatever it is evaluated on: an answer or a Problem, soon."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from time import perf_counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shared_data import needs_data
from tests.unit.fhirpath.expressions import expressions
from tests.unit.fhirpath.samples import resources

from hilum.fhir import units
from hilum.fhirpath import Surroundings, Work, condition, locate
from hilum.problems import Invalid, Malformed, Problem, Unprocessable

EXAMPLES = int(os.environ.get("HILUM_EXAMPLES", "20000" if os.environ.get("HILUM_FULL") == "1" else "200"))
AROUND = Surroundings(
    resolve=lambda text: {"resourceType": "Patient", "id": "x"} if "/" in text else None,
    member_of=lambda coded, url: True if url else None,
    subsumes=lambda one, other: one == other,
    conforms_to=lambda body, url: None,
    html_checks=lambda text: True,
    now=datetime(2026, 2, 25, tzinfo=UTC),
    variables={"given": ["a", 1], "resources": {"resourceType": "Patient"}},
)
SECONDS = 5.0
"""That no evaluation takes, on a machine that does other things as well."""

CRAZY = {
    "resourceType": "Observation",
    "id": 7,
    "status": ["final"],
    "valueQuantity": {"value": "1", "code": 3, "system": "http://unitsofmeasure.org"},
    "code": [],
    "subject": "Patient/1",
    "contained": [{"resourceType": "Pigeon"}, {"resourceType": 3}, 4, None],
    "component": [
        {"valueDateTime": "2014-99-99", "_valueDateTime": []},
        {"_valueString": {"extension": [{"url": "x"}]}, "valueTime": "25:00"},
        {"valueInteger": 10**3000},
        {"valueQuantity": {"value": Decimal("1e99999999"), "code": "g", "system": "http://unitsofmeasure.org"}},
        {"valueQuantity": {"value": Decimal("-1.50e-99999999")}},
        {"valueString": "\ud800"},
        {"valueDateTime": "9999-12-31T23:59:60-14:00"},
    ],
    "effectiveDateTime": 5,
}
"""What no validation has seen."""


def bodies() -> list[dict[str, Any]]:
    found = resources()
    return [one for name in ("Patient", "Observation", "Questionnaire", "Bundle") for one in found.get(name, ())]


def load_units() -> None:
    units.load()


@needs_data
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(expression=expressions, which=st.integers(0, 30))
def test_any_expression_answers_or_is_a_problem_and_soon(expression: str, which: int) -> None:
    load_units()
    some = [*bodies(), CRAZY]
    body = some[which % len(some)]
    before = perf_counter()
    try:
        find = locate(expression, body["resourceType"], variables=frozenset(("given", "resources")))
        for node in find(body, Work(20_000), AROUND):
            assert node.type is not None
    except (Malformed, Invalid, Unprocessable) as problem:
        assert len(str(problem)) < 600
    assert perf_counter() - before < SECONDS, expression


@needs_data
@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(expression=expressions, which=st.integers(0, 30))
def test_any_condition_holds_or_not_or_is_a_problem(expression: str, which: int) -> None:
    load_units()
    some = [*bodies(), CRAZY]
    body = some[which % len(some)]
    try:
        found = condition(expression, body["resourceType"])(body, resource=body, around=AROUND, work=Work(20_000))
        assert found in (True, False, None)
        assert isinstance(found, bool | None)
    except Problem as problem:
        assert isinstance(problem, Malformed | Invalid | Unprocessable)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(alphabet="aN1.@T:-'`%$(){}[]|&<>=~!+*/ \n\\u,is", max_size=40))
def test_any_text_is_an_expression_or_malformed(text: str) -> None:
    with suppress(Malformed, Invalid):
        locate(text, "Patient")
