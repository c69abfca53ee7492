"""Is this resource what R4 allows? https://hl7.org/fhir/R4/validation.html

`validate` is what every write calls: all that R4's own definitions say. What a profile says of the same body is
`hilum.validation.profiles`.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Issue
from hilum.terminology.questions import Answers
from hilum.validation import structure
from hilum.validation.findings import MOST, OF_CALLER, Caller, Finding, settle

_NONE: frozenset[str] = frozenset()


def validate(
    body: dict[str, Any],
    *,
    answers: Answers | None = None,
    thorough: bool = False,
    extensions: Container[str] = _NONE,
) -> list[Issue]:
    """All findings on one parsed resource (numbers with a fraction as Decimal); empty when there are none.

    Each has a severity and a FHIRPath such as `Patient.name[0].given[1]` (a choice is named without its type:
    `Observation.value`) and never holds a value of the resource. After 1000 findings the rest is only counted. Does
    not raise. `answers`: what is known of codes; with it, or `thorough`, weaker bindings and codes are looked at as
    well, and unknown extensions told. `extensions`: the urls of those that are known beyond R4's own.
    """
    found = structure.resource(body, 0, thorough or answers is not None)
    if found is None:
        return []
    # What only a Bundle could tell stays unasked where there is none.
    left = [finding for finding in found if finding.later is None or finding.later.level == OF_CALLER]
    settled = settle(left, OF_CALLER, Caller(answers, extensions))
    return _issues(body, settled) if settled else []


def _issues(body: dict[str, Any], found: list[Finding]) -> list[Issue]:
    name = body.get("resourceType") if type(body) is dict else None
    root = name if type(name) is str and name in TYPE_NUMBER else "Resource"
    more = len(found) - MOST
    if more > 0:
        found = sorted(found, key=lambda finding: finding.severity != "error")[:MOST]
    issues = [Issue(one.severity, one.code, f"{root}{one.path} {one.text}", root + one.path) for one in found]
    if more > 0:
        text = f"{more} or more findings are not shown. Correct these first."
        issues.append(Issue("information", "informational", text))
    return issues
