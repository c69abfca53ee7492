"""Reference.reference, wherever it stands in a body. https://hl7.org/fhir/R4/references.html#literal

Only Reference has a string called `reference`; every other element of that name is a Reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hilum.fhirpath.references import local


def rewritten(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every Reference.reference changed; what does not change is shared, not copied."""
    if type(value) is not dict:
        return _rewritten(value, change)
    out = value
    for key, item in value.items():
        kind = type(item)
        new: Any
        if kind is str:
            if key != "reference":
                continue
            new = change(item)
        elif kind is dict:
            new = rewritten(item, change)
        elif kind is list:
            new = _rewritten(item, change)
        else:
            continue
        if new is not item:
            if out is value:
                out = value.copy()
            out[key] = new
    return out


def _rewritten(value: list[Any], change: Callable[[str], str]) -> list[Any]:
    out = value
    for place, item in enumerate(value):
        kind = type(item)
        if kind is dict or kind is list:
            new = rewritten(item, change)
            if new is not item:
                if out is value:
                    out = value.copy()
                out[place] = new
    return out


def relative(body: dict[str, Any], base: str) -> dict[str, Any]:
    """The body with references that begin with the server's own base made relative: one way to name each resource."""
    prefix = base + "/"

    def change(reference: str) -> str:
        return (
            reference[len(prefix) :] if reference.startswith(prefix) and local(reference[len(prefix) :]) else reference
        )

    found: dict[str, Any] = rewritten(body, change)
    return found


def references(value: Any) -> Iterator[str]:
    """Every Reference.reference, contained resources included."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            for key, part in item.items():
                kind = type(part)
                if kind is dict or kind is list:
                    waiting.append(part)
                elif key == "reference" and kind is str:
                    yield part
        else:
            waiting.extend(part for part in item if type(part) is dict or type(part) is list)


def local_references(body: dict[str, Any]) -> set[tuple[str, str]]:
    """(type, id) of every resource of this server that the body refers to."""
    return {target for reference in references(body) if (target := local(reference)) is not None}
