"""A resource, as what stands in it asks about it. https://hl7.org/fhir/R4/references.html#contained"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from hilum.validation.laws import items


class Container:
    """A resource around: %resource, or %rootResource."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    @cached_property
    def contained(self) -> dict[str, dict[str, Any]]:
        """Reference -> what it leads to: `#` to the resource itself, `#id` to the first contained one with that id.

        Looked up rather than looked for: there may be thousands of each.
        """
        found = {"#": self.body}
        for item in items(self.body.get("contained")):
            id_ = item.get("id")
            if type(id_) is str:
                found.setdefault(f"#{id_}", item)
        return found
