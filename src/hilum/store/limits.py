"""How long a search or history may take in a store that has others to serve, and what is said of a longer one."""

from __future__ import annotations

from typing import Final

from hilum.problems import Issue, Unprocessable

SEARCH_SECONDS: Final = 30.0


def too_costly(seconds: float) -> Unprocessable:
    """The problem that ends a search, with the code that FHIR has for it. https://hl7.org/fhir/R4/valueset-issue-type.html"""
    text = f"The search takes longer than {seconds:.0f} seconds, with those before it in the same request. Narrow it."
    return Unprocessable(issues=(Issue("error", "too-costly", text),))
