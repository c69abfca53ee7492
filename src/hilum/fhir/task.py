"""Statuses of a Task. https://hl7.org/fhir/R4/valueset-task-status.html"""

from __future__ import annotations

from typing import Final

TASK: Final = "Task"
FINAL: Final = ("completed", "failed", "cancelled", "entered-in-error", "rejected")
"""Those after which nothing is done."""
CANCELLED: Final = ("cancelled", "entered-in-error", "rejected")
"""Those that somebody else sets, and that end the work."""
