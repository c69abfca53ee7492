"""A video's Task read back: what was asked for, how far it is, and what came of it.

The other way round from `hilum.video.shown`, and the same of the DocumentReference of one that is approved, for who
sees no Tasks. Whoever may write either may have put anything into it: what has another shape than hilum gives it is
left out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from hilum.fhir.resource import Resource, instant
from hilum.fhir.said import coding, elements, mapping, mappings, number, text
from hilum.video import shown
from hilum.video.files import SUPERSEDED, TEMPLATE
from hilum.video.outdated import CHANGED

OUTDATED: Final = "outdated"
"""Code of the reason why an approved video is not shown."""


class Reason(msgspec.Struct, frozen=True):
    """Why a video failed, or is outdated, in hilum's words. `element`: of FHIR, what to mend; "" where that is not to
    be said.
    """

    code: str
    text: str
    element: str = ""


class Decided(msgspec.Struct, frozen=True):
    """Who has approved or rejected it, when, and, of a rejection, why."""

    verdict: str
    by: str
    at: str
    reason: str = ""


class Told(msgspec.Struct, frozen=True):
    """A video as its Task tells it. `step`: a business status; `waits`: until when, in words; `progress`: percent of
    what is rendered; `in_step`: whether the captions are, or go by how fast people read; `patient`, `document`:
    references here; "" where there is none. `version`: of the Task. `outdated`: how the record has left it behind.
    """

    id: str
    status: str
    step: str
    version: int
    template: str
    language: str
    shape: str = ""
    codec: str = ""
    renderer: str = ""
    narrated: bool = True
    ehr: str = ""
    patient: str = ""
    waits: str = ""
    progress: int | None = None
    created: str = ""
    changed: str = ""
    document: str = ""
    seconds: float = 0.0
    spoken: bool = False
    in_step: bool = True
    edited: str = ""
    decided: Decided | None = None
    reason: Reason | None = None
    outdated: Reason | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is done any more."""
        return self.status in shown.FINAL

    @property
    def resting(self) -> bool:
        """Whether nothing is done before somebody does something."""
        return self.status in shown.RESTING


def told(task: Resource) -> Told:
    """What the Task of a video says."""
    body = task.body
    asked = {one.code: one.value for one in elements(body, "input") if one.system == shown.VIDEO}
    output = list(elements(body, "output"))
    said = {one.code: one.value for one in output if one.system == shown.VIDEO}
    percent = next((number(one.value) for one in output if one.system == shown.PROGRESS), None)
    why = mapping(body.get("statusReason"))
    system, code = coding(why)
    verdict, rejected = text(said.get("decision")), system == shown.REJECTION
    because = text(why.get("text")) if rejected else ""
    left, element = text(said.get("outdated")), text(said.get("element"))
    return Told(
        id=task.id,
        status=text(body.get("status")),
        step=coding(body.get("businessStatus"))[1],
        version=task.version,
        template=text(asked.get("template")),
        language=text(asked.get("language")),
        shape=text(asked.get("shape")),
        codec=text(asked.get("codec")),
        renderer=text(asked.get("renderer")),
        narrated=asked.get("narrated") is not False,
        ehr=text(asked.get("ehr")),
        patient=text(mapping(body.get("for")).get("reference")),
        waits=text(mapping(body.get("businessStatus")).get("text")),
        progress=percent,
        created=text(body.get("authoredOn")),
        changed=instant(task.last_updated),
        document=text(mapping(said.get("document")).get("reference")),
        seconds=_seconds(said.get("seconds")),
        spoken=said.get("spoken") is True,
        in_step=said.get("in-step") is not False,
        edited=text(said.get("edited")),
        decided=Decided(verdict, text(said.get("decided-by")), text(said.get("decided-at")), because)
        if verdict
        else None,
        reason=Reason(code, text(why.get("text")), element) if why and not rejected else None,
        outdated=Reason(OUTDATED, left, element) if left else None,
    )


def of_document(document: Resource, id: str) -> Told:
    """What the DocumentReference of an approved video says. `id`: of the video."""
    body = document.body
    kinds = mappings(mapping(body.get("type")).get("coding"))
    template = next((text(one.get("code")) for one in kinds if one.get("system") == TEMPLATE), "")
    first = next(iter(mappings(body.get("content"))), {})
    date = text(body.get("date"))
    return Told(
        id=id,
        status="completed",
        step="approved",
        version=document.version,
        template=template,
        language=text(mapping(first.get("attachment")).get("language")),
        patient=text(mapping(body.get("subject")).get("reference")),
        created=date,
        changed=instant(document.last_updated),
        document=f"{document.type}/{document.id}",
        outdated=Reason(OUTDATED, CHANGED) if body.get("status") == SUPERSEDED else None,
    )


def video_of(document: Resource) -> str:
    """The id of the video that a DocumentReference is of; "" for another one."""
    for one in mappings(document.body.get("identifier")):
        if one.get("system") == shown.VIDEO:
            return text(one.get("value"))
    return ""


def _seconds(value: Any) -> float:
    return float(value) if type(value) in (int, float) or isinstance(value, Decimal) else 0.0
