"""What of validation's findings refuses a write."""

from typing import Any

from hilum.problems import Issue
from hilum.validation import validate


def errors(body: dict[str, Any]) -> list[Issue]:
    """The errors among all findings: that nearly everything lacks a narrative (dom-6) is none."""
    return [issue for issue in validate(body) if issue.severity == "error"]
