"""A patient's video that was asked for, as a record: how far it is, and what came of it. A step is one write in place
of the one before.

| step | sealed in it | what is done | then |
|---|---|---|---|
| asked | whom to gather (an MRN) | give an order to gather, where an EHR is named | gathering, writing |
| gathering | the same | wait for that order's end | writing; settled (failed) |
| writing | nothing | write the script of what hilum's store has | rendering; settled (failed) |
| rendering | the script | render it, keep the files as a draft | awaiting, deciding; settled (failed) |
| awaiting | the script | nothing, until somebody approves, rejects or edits it | deciding, rendering |
| deciding | the script | make the files final, or delete them | approved; settled (rejected) |
| approved | the script | nothing: links lead to it | |
| settled | nothing | tell the Task, forget the record | |

The Task is this record, shown (`hilum.video.shown`). docs/adr/0017-videos.md
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hilum.oauth.ledger import Record
from hilum.video.renderer import Codec, Shape

ASKED: Final = "asked"
GATHERING: Final = "gathering"
WRITING: Final = "writing"
RENDERING: Final = "rendering"
AWAITING: Final = "awaiting"
DECIDING: Final = "deciding"
APPROVED: Final = "approved"
SETTLED: Final = "settled"

APPROVE: Final = "approved"
REJECT: Final = "rejected"
"""What a decision may be."""

VIDEO_FILE: Final = "video"
CAPTIONS: Final = "captions"
TRANSCRIPT: Final = "transcript"
POSTER: Final = "poster"
SCRIPT: Final = "script"
FILES: Final = (VIDEO_FILE, CAPTIONS, TRANSCRIPT, POSTER, SCRIPT)
"""What is kept of each rendering, in the order of DocumentReference.content."""


class Whom(msgspec.Struct, frozen=True, omit_defaults=True):
    """The patient at an EHR. `by`: `mrn`, `id` (of the EHR's Patient) or `launch`, where the sign-in says whom.
    `session`: of a person's sign-in there, "" for Backend Services.
    """

    by: str
    value: str = ""
    session: str = ""


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a video came to nothing, in our words. `element`: of FHIR, where one is to be mended. `side`: whose it is."""

    code: str
    text: str
    element: str = ""
    side: str = "ours"


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who has approved or rejected which script, and when (microseconds since 1970). `verdict`: APPROVE or REJECT.
    `who`: a reference such as `Practitioner/7`, where the account has one. `digest`: SHA-256 of the script, hex.
    `template`: nobody did; the template lets it go by itself. `reason`: why it was rejected, in that person's words.
    """

    verdict: str
    by: str
    at: int
    who: str = ""
    digest: str = ""
    template: bool = False
    reason: str = ""


class Order(Record, frozen=True, omit_defaults=True):
    """A record of kind VIDEO; its key is the id of its Task. `by`: the user or client who asked, for the audit.

    `ehr`: where the patient is gathered from first, "" where hilum's own record is told. `sealed`: see the table above.
    `tries`: how often this step was begun, but for the times that hilum was stopped in the middle of it, and did not
    die. `again`: not before then; `at`: when this was written: microseconds since 1970. `patient`: the reference to the
    Patient here. `draft`: the number of the rendering, from 1. `far`: it is rendered elsewhere. `held`: what the
    renderer wants to be told when it goes on, `job` what is called so there, `part` how much of it is done. `in_step`:
    as in `Rendered`. `edited`: who has changed the script last. `outdated`: how the record has left it behind, as far
    as that is known (`hilum.video.lapsing`).
    """

    template: str
    language: str
    shape: Shape
    codec: Codec
    renderer: str
    by: str
    at: int
    asked: int
    narrated: bool = True
    ehr: str = ""
    patient: str = ""
    step: str = ASKED
    sealed: str = ""
    tries: int = 0
    again: int = 0
    draft: int = 0
    far: bool = False
    held: str = ""
    job: str = ""
    part: float = 0.0
    seconds: float = 0.0
    spoken: bool = False
    in_step: bool = True
    edited: str = ""
    decision: Decision | None = None
    failure: Failure | None = None
    outdated: Failure | None = None


def changed(order: Order, at: int, **news: Any) -> Order:
    """The order with these changes, written at that time."""
    return msgspec.structs.replace(order, at=at, **news)


LEFT: Final[Mapping[str, Any]] = {"held": "", "job": "", "part": 0.0}
"""Changes of an order of which nobody elsewhere has anything to do any more."""


def id_of(video: str, draft: int, name: str) -> str:
    """The id of what is kept of a rendering: the same when it is done again after a crash."""
    return str(uuid.uuid5(uuid.UUID(video), f"{draft}/{name}"))


DOCUMENT: Final = "document"
MAKING: Final = "making"
"""Names for `id_of` beside FILES: the DocumentReference, and the Provenance of its making."""
APPROVAL: Final = "approval"
"""That of the Provenance of the approval."""


def document_of(video: str, order: Order) -> str:
    """The id of the DocumentReference of the newest rendering; "" where there is none."""
    return id_of(video, order.draft, DOCUMENT) if order.draft else ""


def gather_of(video: str) -> str:
    """The id of the Task of the order to gather that a video has given: made of its own, so that it is given once."""
    return id_of(video, 0, "gather")
