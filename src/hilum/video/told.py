"""A video's Task read back: what was asked for, how far it is, and what came of it.

The other way round from `hilum.video.shown`, and the same of the DocumentReference of one that is approved, for who
sees no Tasks. Whoever may write either may have put anything into it: what has another shape than hilum gives it is
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from hilum.fhir.resource import Resource, instant
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
    asked = {code: value for system, code, value in _elements(body, "input") if system == shown.VIDEO}
    output = list(_elements(body, "output"))
    said = {code: value for system, code, value in output if system == shown.VIDEO}
    percent = next((_number(value) for system, _, value in output if system == shown.PROGRESS), None)
    why = _object(body.get("statusReason"))
    system, code = _coding(why)
    verdict, rejected = _text(said.get("decision")), system == shown.REJECTION
    because = _text(why.get("text")) if rejected else ""
    left, element = _text(said.get("outdated")), _text(said.get("element"))
    return Told(
        id=task.id,
        status=_text(body.get("status")),
        step=_coding(body.get("businessStatus"))[1],
        version=task.version,
        template=_text(asked.get("template")),
        language=_text(asked.get("language")),
        shape=_text(asked.get("shape")),
        codec=_text(asked.get("codec")),
        renderer=_text(asked.get("renderer")),
        narrated=asked.get("narrated") is not False,
        ehr=_text(asked.get("ehr")),
        patient=_text(_object(body.get("for")).get("reference")),
        waits=_text(_object(body.get("businessStatus")).get("text")),
        progress=percent,
        created=_text(body.get("authoredOn")),
        changed=instant(task.last_updated),
        document=_text(_object(said.get("document")).get("reference")),
        seconds=_seconds(said.get("seconds")),
        spoken=said.get("spoken") is True,
        in_step=said.get("in-step") is not False,
        edited=_text(said.get("edited")),
        decided=Decided(verdict, _text(said.get("decided-by")), _text(said.get("decided-at")), because)
        if verdict
        else None,
        reason=Reason(code, _text(why.get("text")), element) if why and not rejected else None,
        outdated=Reason(OUTDATED, left, element) if left else None,
    )


def of_document(document: Resource, id: str) -> Told:
    """What the DocumentReference of an approved video says. `id`: of the video."""
    body = document.body
    kinds = _list(_object(body.get("type")).get("coding"))
    template = next((_text(one.get("code")) for one in kinds if one.get("system") == TEMPLATE), "")
    first = next(iter(_list(body.get("content"))), {})
    date = _text(body.get("date"))
    return Told(
        id=id,
        status="completed",
        step="approved",
        version=document.version,
        template=template,
        language=_text(_object(first.get("attachment")).get("language")),
        patient=_text(_object(body.get("subject")).get("reference")),
        created=date,
        changed=instant(document.last_updated),
        document=f"{document.type}/{document.id}",
        outdated=Reason(OUTDATED, CHANGED) if body.get("status") == SUPERSEDED else None,
    )


def video_of(document: Resource) -> str:
    """The id of the video that a DocumentReference is of; "" for another one."""
    for one in _list(document.body.get("identifier")):
        if one.get("system") == shown.VIDEO:
            return _text(one.get("value"))
    return ""


def _elements(body: Mapping[str, Any], name: str) -> Iterator[tuple[str, str, Any]]:
    for one in _list(body.get(name)):
        value = next((value for key, value in one.items() if key.startswith("value")), None)
        yield *_coding(one.get("type")), value


def _coding(concept: Any) -> tuple[str, str]:
    first = next(iter(_list(_object(concept).get("coding"))), {})
    return _text(first.get("system")), _text(first.get("code"))


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def _seconds(value: Any) -> float:
    return float(value) if type(value) in (int, float) or isinstance(value, Decimal) else 0.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
