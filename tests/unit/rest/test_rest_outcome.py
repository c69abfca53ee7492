"""Problems to HTTP, and the pages that are made from tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum import problems
from hilum.fhir import json
from hilum.problems import Issue, Problem
from hilum.rest import documentation, outcome
from hilum.validation import validate


def categories() -> list[type[Problem]]:
    found, ahead = [], [Problem]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += one.__subclasses__()
    return [one for one in found if one.__module__ == problems.__name__]


def made(category: type[Problem]) -> Problem:
    return category("x", ("GET",)) if category is problems.MethodNotAllowed else category("x")  # type: ignore[call-arg]


@pytest.mark.parametrize("category", categories(), ids=lambda one: one.__name__)
def test_every_category_has_a_status_and_a_valid_outcome(category: type[Problem]) -> None:
    answer = outcome.response(made(category))
    assert f"({answer.status})" in (category.__doc__ or "") or answer.status >= 500
    body = json.parse(answer.body)
    assert [issue for issue in validate(body) if issue.severity == "error"] == []
    assert body["issue"] == [{"severity": "error", "code": category.code, "diagnostics": "x"}]
    assert answer.header(b"cache-control") == "no-store"


def test_headers_that_go_with_a_status() -> None:
    assert outcome.response(problems.MethodNotAllowed("x", ("GET", "HEAD"))).header(b"allow") == "GET, HEAD"
    assert outcome.response(problems.Unauthenticated("x")).header(b"www-authenticate") == 'Bearer realm="hilum"'
    assert outcome.response(problems.Busy("x")).header(b"retry-after") == "1"


def test_all_issues_are_said_with_their_places() -> None:
    issues = (Issue("error", "value", "a", "Patient.name[0]"), Issue("warning", "code-invalid", "b"))
    assert outcome.operation_outcome(issues)["issue"] == [
        {"severity": "error", "code": "value", "diagnostics": "a", "expression": ["Patient.name[0]"]},
        {"severity": "warning", "code": "code-invalid", "diagnostics": "b"},
    ]


def test_the_reference_page_is_what_the_tables_say() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "rest.md"
    assert page.read_text() == documentation.page(), "run: python -m hilum.rest.documentation > docs/reference/rest.md"
