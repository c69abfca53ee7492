"""What comes and goes as JSON, as models: `/api/docs` and `/api/openapi.json` are made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hilum.api.shapes import Shape
from hilum.video.deciding import LONGEST_REASON
from hilum.video.links import DEFAULT, LONGEST, SHORTEST


class Whom(Shape):
    """The patient: by a medical record number, or by the id of the Patient, in hilum or at the EHR."""

    mrn: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        repr=False,
        description="A medical record number; with its system as `system|number`.",
        examples=["203701"],
    )
    id: str | None = Field(None, pattern=r"^[A-Za-z0-9\-.]{1,64}$", repr=False, description="The id of the Patient.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.mrn is None) == (self.id is None):
            raise ValueError("exactly one of mrn and id is needed")
        return self


def _named(said: object) -> object:
    """What one text says: the id where it is a reference to a Patient, else a number, or a system and a number."""
    if not isinstance(said, str):
        return said
    type_, slash, id = said.partition("/")
    return {"id": id} if slash and type_ == "Patient" else {"mrn": said}


Name = Annotated[str, Field(min_length=1, max_length=40)]


class Ask(Shape):
    """A video: of whom, by which template, in which language."""

    patient: Annotated[Whom, BeforeValidator(_named, json_schema_input_type=Whom | str)] | None = Field(
        None,
        description="A text is `Patient/id`, or else a medical record number. Without one it is the patient of the "
        "sign-in (launch context).",
    )
    ehr: Name | None = Field(
        None, description="Where the patient is gathered from first: a connection of `GET /api/v1/ehrs`."
    )
    local: bool = Field(False, description="The patient is hilum's own: nothing is gathered.")
    sign_in: str = Field(
        "",
        pattern=r"^(?:[0-9a-f]{64})?$",
        repr=False,
        description="For administrators: a person's sign-in at the EHR, by the `groupIdentifier` of the Tasks that it "
        "began. Without one hilum signs in by itself (Backend Services).",
    )
    template: Name = Field(description="`GET /api/v1/templates`.", examples=["after-visit"])
    language: str = Field("en", min_length=2, max_length=16, examples=["en", "es"])
    shape: Literal["wide", "tall"] = Field("wide", description="16:9, or 9:16 for phones.")
    codec: Literal["vp9", "av1", "h264"] = Field(
        "vp9", description="VP9 and AV1 are free, as WebM; H.264, as MP4, needs a licence in some places."
    )
    narrated: bool = Field(True, description="By a voice, where an engine for the language is installed.")
    renderer: str = Field("", max_length=40, description="Who renders it; without one that of the settings.")

    @model_validator(mode="after")
    def _where(self) -> Self:
        if (self.ehr is not None) == self.local:
            raise ValueError("exactly one of ehr and local is needed")
        if self.patient is None and not (self.ehr and self.sign_in):
            raise ValueError("a patient is needed, or a sign_in that has one")
        if self.local and self.sign_in:
            raise ValueError("sign_in goes with ehr")
        return self


class Reason(Shape):
    """Why a video failed, or is outdated. `element`: of FHIR, what to mend."""

    code: str
    text: str
    element: str = ""


class Decided(Shape):
    """Who has approved or rejected it, when, and, of a rejection, why."""

    verdict: str
    by: str
    at: datetime | None = None
    reason: str | None = Field(None, repr=False)


class Video(Shape):
    """A video as it is now. It holds no patient data but the reference to the Patient here.

    `status` is that of the FHIR Task. What an app that is bound to a patient sees is approved, and has no Task.
    """

    id: str
    status: str = Field(
        description="requested, in-progress, on-hold (somebody has to approve it), completed, failed or cancelled; the "
        "last three end it."
    )
    step: str = Field(
        description="What is being done: requested, gathering, writing, rendering, waiting, awaiting-approval; or how "
        "it ended: approved, rejected, failed, cancelled."
    )
    version: int = Field(description="Of the Task. It is the id of the event that tells of it, too.")
    template: str
    language: str
    shape: str = ""
    codec: str = ""
    renderer: str = ""
    narrated: bool = True
    ehr: str | None = None
    patient: str | None = Field(None, description="The Patient in hilum's own store, once it is there.")
    progress: int | None = Field(None, description="Percent, while it is rendered.")
    created: datetime | None = None
    changed: datetime | None = None
    seconds: float | None = Field(None, description="How long it is, once it is rendered.")
    spoken: bool = Field(False, description="It has a voice.")
    in_step: bool = Field(
        True, description="The captions are timed by what is said. Else by how fast people read: a service sent none."
    )
    edited: str | None = Field(None, description="Who has changed the script last.")
    decided: Decided | None = None
    reason: Reason | None = None
    outdated: Reason | None = Field(
        None,
        description="How the record has left it behind: it is not approved then, and not shown to a patient. Marked a "
        "moment after the record has changed, and within the hour where a day that it tells of is over.",
    )
    document: str | None = Field(None, description="The DocumentReference of its files, once they are there.")
    task: str | None = Field(None, description="The FHIR Task that this is a view of.")


class Videos(Shape):
    """A page of videos, the last changed first. `next`: where the next page is."""

    videos: list[Video]
    next: str | None = None


class Edits(Shape):
    """Other words for sentences, by their ids."""

    sentences: dict[str, str] = Field(
        min_length=1, max_length=200, description="Only those with a `limit` can be edited.", repr=False
    )


class Rejection(Shape):
    """Why: it stands on the Task, so it should not name the patient, and in the audit."""

    reason: str = Field("", max_length=LONGEST_REASON, repr=False)


class LinkWanted(Shape):
    """What a link is to be."""

    expires_in: int = Field(DEFAULT, ge=SHORTEST, le=LONGEST, description="Seconds.")
    proof: Literal["birth-date", "sign-in"] = Field(
        "birth-date", description="How who follows it proves who they are: five tries, then it leads nowhere."
    )


class Link(Shape):
    """A link to an approved video. `id` names it, and opens nothing."""

    id: str
    video: str
    proof: str
    by: str
    made: datetime | None = None
    expires: datetime | None = None
    revoked: bool
    open: bool = Field(description="It leads to the video; where that is outdated, to a page that says so.")
    outdated: bool = Field(False, description="As of the video.")
    tries: int = Field(description="Proofs that were wrong.")
    watched: int = Field(description="Proofs that were right.")


class NewLink(Link):
    """A link that is new."""

    url: str = Field(repr=False, description="Its address, for the patient: shown this once.")


class Links(Shape):
    """Those that have not expired."""

    links: list[Link]


class Template(Shape):
    """A template. `approval`: `required`, or `none` where its videos go out by themselves."""

    name: str
    title: str
    languages: list[str]
    recipe: str = Field(description="By which a patient of an EHR is gathered for it.")
    needs: list[str]
    approval: str


class Templates(Shape):
    """All templates, by name, and who renders."""

    templates: list[Template]
    renderers: list[str]


Script = dict[str, Any]
"""`hilum.video.script.Script`: what is told, scene by scene, each sentence with the elements that it came from."""
