"""People as pages call them. https://hl7.org/fhir/R4/datatypes.html#HumanName"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_USES: Final = ("official", "usual", "", "nickname", "anonymous", "maiden", "old", "temp")
"""Of names, the best to show first."""


def name(body: Mapping[str, Any]) -> str:
    """A person's name; "" where the resource has none."""
    names = [one for one in body.get("name", []) if type(one) is dict]
    names.sort(key=lambda one: _USES.index(one.get("use", "")) if one.get("use", "") in _USES else len(_USES))
    for one in names:
        parts = [*one.get("given", []), one.get("family")]
        text = one.get("text") or " ".join(part for part in parts if type(part) is str)
        if text:
            return str(text)
    return ""


def about(body: Mapping[str, Any]) -> str:
    """What tells a Patient from others of the same name: when born, gender, number."""
    number = next((one["value"] for one in body.get("identifier", []) if type(one) is dict and one.get("value")), "")
    said = (
        f"born {body['birthDate']}" if body.get("birthDate") else "",
        str(body.get("gender", "")),
        f"number {number}" if number else "",
    )
    return ", ".join(part for part in said if part)
