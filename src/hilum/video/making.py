"""What the work on a video needs of the rooms beside it: who writes its script, who renders it, who gathers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hilum.access.policy import Principal
from hilum.video.order import Failure, Whom
from hilum.video.renderer import Renderer
from hilum.video.script import Script


class Template(Protocol):
    """As far as the work on a video looks at it. `approval`: `clinician`, or `none` where it goes out by itself."""

    @property
    def name(self) -> str:
        """By which it is asked for."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def approval(self) -> str:
        """Who has to approve what is made of it."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Makes scripts. `templates`: those that there are now; `languages`: codes. `write` (a template, a language, the
    patient's Bundle, the time now) and `edit` (the new texts by id of their sentence) raise `hilum.video.script.Refused`.
    """

    templates: Callable[[], Mapping[str, Template]]
    languages: Callable[[], Sequence[str]]
    write: Callable[[Any, str, dict[str, Any], datetime], Script]
    edit: Callable[[Script, Mapping[str, str]], Script]


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

    async def judge(self, who: Principal, ehr: str, whom: Whom) -> None:
        """Whether it could be asked for. Raises Invalid (`expression`: ehr, patient, sign_in), NotFound, Forbidden."""
        ...

    async def give(self, id: str, by: str, ehr: str, whom: Whom) -> None:
        """Give the order whose Task has this id, unless that was done before. Raises Problem."""
        ...

    async def look(self, id: str) -> Gathering:
        """How far it is. Raises Busy."""
        ...

    async def cancel(self, id: str) -> None:
        """Nothing more is to be done of it. Raises Busy."""
        ...
