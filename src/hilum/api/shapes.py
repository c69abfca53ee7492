"""Models that all APIs share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """What is not known is refused, and what is made stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Issue(BaseModel):
    """One finding."""

    severity: str
    code: str
    diagnostics: str
    expression: list[str] | None = None


class OperationOutcome(BaseModel):
    """What went wrong, as below /fhir: what was found, what was expected, what to do."""

    resourceType: Literal["OperationOutcome"]
    issue: list[Issue]
