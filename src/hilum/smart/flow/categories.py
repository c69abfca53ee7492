"""Kinds of data within a type that people may allow one by one: granular scopes by `category`.

https://hl7.org/fhir/us/core/scopes.html#the-following-granular-scopes
"""

from __future__ import annotations

from typing import Final

from hilum.oauth.scopes import Search

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_US_CORE: Final = "http://hl7.org/fhir/us/core/CodeSystem"
_LOINC: Final = "http://loinc.org"


def _of(*pairs: tuple[str, str]) -> tuple[Search, ...]:
    """(system, codes separated by blanks) as search parameters, one code each."""
    return tuple((("category", f"{system}|{code}"),) for system, codes in pairs for code in codes.split())


CATEGORIES: Final[dict[str, tuple[Search, ...]]] = {
    "Observation": _of(
        (
            f"{_TERMINOLOGY}/observation-category",
            "laboratory vital-signs social-history survey exam imaging procedure activity therapy",
        ),
        (f"{_US_CORE}/us-core-observation-category", "clinical-test"),
        (f"{_US_CORE}/us-core-category", "sdoh functional-status disability-status cognitive-status"),
    ),
    "Condition": _of(
        (f"{_TERMINOLOGY}/condition-category", "problem-list-item encounter-diagnosis"),
        (f"{_US_CORE}/condition-category", "health-concern"),
    ),
    "DocumentReference": _of((f"{_US_CORE}/us-core-documentreference-category", "clinical-note")),
    "DiagnosticReport": _of(
        (f"{_TERMINOLOGY}/v2-0074", "LAB"),
        (_LOINC, "LP29684-5 LP29708-2 LP7839-6"),
    ),
    "ServiceRequest": _of((f"{_US_CORE}/us-core-category", "sdoh")),
}
"""Type -> the search parameters of each of its kinds."""
