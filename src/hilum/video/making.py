"""What the work on a video needs of the rooms beside it: who writes its script, who renders it, who gathers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.video.editing import edited
from hilum.video.order import Failure, Whom
from hilum.video.renderer import Renderer
from hilum.video.script import Script
from hilum.video.templates import Template, Templates, packaged
from hilum.video.writing import write

Write = Callable[[Template, str, Iterable[Resource], datetime], Script]
"""What writes a script: `hilum.video.writing.write`."""
Edit = Callable[[Script, Mapping[str, str], Template], Script]
"""What changes one: `hilum.video.editing.edited`."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Makes scripts. `templates`: those that there are now."""

    templates: Callable[[], Templates] = packaged
    write: Write = write
    edit: Edit = edited


Renderers = Mapping[str, Renderer]
"""Those that there are, by name; the first is used where none is named."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """How far an order to gather is. `over`: nothing more is done. `patient`: the reference to the Patient here."""

    over: bool
    patient: str = ""
    failure: Failure | None = None


class Gather(Protocol):
    """Has a patient gathered from an EHR first. The broker does, which this room does not know (`hilum.app`)."""

    async def places(self) -> Mapping[str, str]:
        """Where a patient can be gathered from with nobody signing in: names, and how they are called. Raises Busy."""
        ...

    async def judge(self, who: Principal, ehr: str, recipe: str, whom: Whom) -> Whom:
        """Whether it could be asked for; whom as `give` is told it.

        Raises Invalid (`expression`: ehr, patient, sign_in), NotFound, Forbidden.
        """
        ...

    async def give(self, id: str, by: str, ehr: str, recipe: str, whom: Whom) -> None:
        """Give the order whose Task has this id, unless that was done before. Raises Problem."""
        ...

    async def look(self, id: str) -> Gathering:
        """How far it is. Raises Busy."""
        ...

    async def cancel(self, id: str) -> None:
        """Nothing more is to be done of it. Raises Busy."""
        ...
