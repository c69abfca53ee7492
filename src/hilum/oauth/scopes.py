"""SMART scopes, versions 1 and 2, as values. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html

`patient/Observation.rs`, `system/*.cruds`, `user/*.read`. What is no resource scope (`openid`, `launch/patient`) says
nothing about resources and is no error. Version 1 maps as the clause on backwards compatibility says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE: Final = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|c?r?u?d?s?)(\?.*)?", re.DOTALL)
_RESOURCE: Final = re.compile(r"(patient|user|system)/")


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope. `level`: patient, user or system; `type`: a type or `*`; `interactions`: of `cruds`."""

    level: str
    type: str
    interactions: frozenset[str]


def resource_scope(text: str) -> Scope | None:
    """The resource scope that `text` is; None for another kind of scope and for one that grants nothing.

    Nothing is granted by letters out of order (`.dus`), by unknown words, and by granular scopes
    (`?category=...`), which hilum can't enforce yet: granting them whole would widen what was consented to.
    """
    found = _SCOPE.fullmatch(text)
    if found is None or found[3] == "" or found[4] is not None:
        return None
    return Scope(found[1], found[2], frozenset(_V1.get(found[3], found[3])))


def parse(scope: str) -> tuple[Scope, ...]:
    """The resource scopes of a space-separated `scope` value (RFC 6749, 3.3), in its order, without doubles."""
    found = (resource_scope(text) for text in scope.split(" "))
    return tuple(dict.fromkeys(item for item in found if item is not None))


def refusal(text: str) -> str | None:
    """Why this one scope would grant nothing, in words for who asked for it; None when it is sound."""
    if not _RESOURCE.match(text):
        return None
    found = _SCOPE.fullmatch(text)
    if found is not None and found[4] is not None:
        return (
            f"The scope {text!r} has search parameters; granular scopes are not supported yet. "
            "Leave out the part from '?'."
        )
    if found is None or found[3] == "":
        return (
            f"The scope {text!r} is not understood. Expected patient/, user/ or system/, then a resource type or *, "
            "a dot, and letters of 'cruds' in this order (or read, write, *): for example patient/Observation.rs."
        )
    return None
