"""What a resource says, where who writes it may have put anything into it: what has another shape is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Element(NamedTuple):
    """An input or output of a Task. https://hl7.org/fhir/R4/task-definitions.html#Task.output"""

    system: str
    code: str
    text: str
    value: Any


def elements(body: Mapping[str, Any], name: str) -> Iterator[Element]:
    """The inputs or outputs of a Task."""
    for one in mappings(body.get(name)):
        value = next((value for key, value in one.items() if key.startswith("value")), None)
        yield Element(*coding(one.get("type")), text(mapping(one.get("type")).get("text")), value)


def coding(concept: Any) -> tuple[str, str]:
    """System and code of the first coding of a CodeableConcept."""
    first = next(iter(mappings(mapping(concept).get("coding"))), {})
    return text(first.get("system")), text(first.get("code"))


def number(value: Any) -> int:
    """A whole number, or 0."""
    return value if type(value) is int else 0


def text(value: Any) -> str:
    """A text, or ""."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or {}."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, or []."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
