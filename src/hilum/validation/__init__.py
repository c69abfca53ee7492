"""Is this resource what R4 allows? https://hl7.org/fhir/R4/validation.html

`validate` is what every write calls. It runs the structural step; a step that needs more than the definitions
(invariants, profiles, terminology) takes the same body, returns the same Issues and is added to the sum below.
"""

from __future__ import annotations

from typing import Any

from hilum.problems import Issue
from hilum.validation import structure


def validate(body: dict[str, Any]) -> list[Issue]:
    """All findings on one resource, each with its element path; empty when there are none. Does not raise."""
    return structure.validate(body)
