"""Modifier extensions that a guide defines: known, and so not refused. https://hl7.org/fhir/R4/extensibility.html#modifierExtension

R4's own are known to validation itself. Definitions are looked at only when a body has another one, which is rare.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from hilum.interactions.door import Door
from hilum.problems import Problem
from hilum.validation.extensions import UNKNOWN_MODIFIER
from hilum.validation.profiles.definitions import Definitions


class Extensions:
    """The urls of extensions that there are definitions of."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def __contains__(self, url: object) -> bool:
        found = self._definitions.structure(url) if isinstance(url, str) else None
        return found is not None and found.get("type") == "Extension"


NONE: Final[Container[str]] = frozenset()


def unknown(problem: Problem) -> bool:
    """Whether a body was refused for a modifier extension that a guide might define."""
    return any(UNKNOWN_MODIFIER in issue.diagnostics for issue in problem.issues)


async def extensions(door: Door) -> Extensions:
    """Those that are defined now. Raises Busy."""
    return Extensions(await door.shelf.definitions(door.store, fresh=True))
