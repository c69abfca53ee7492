"""A patient, as who orders something says whom: by a number, by an id, or by a sign-in that has one."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from hilum.api.shapes import Shape


class Whom(Shape):
    """The patient: by a medical record number, or by the id of the Patient, in hilum or at the EHR."""

    mrn: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        repr=False,
        description="A medical record number, at an EHR in the connection's `mrn_system`; in another one as "
        "`system|number`.",
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


Patient = Annotated[Whom, BeforeValidator(_named, json_schema_input_type=Whom | str)]
SAID: Final = (
    "A text is `Patient/id`, or else a medical record number. Without one it is the patient of the sign-in (launch "
    "context)."
)
BySignIn = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9a-f]{64})?$",
        repr=False,
        description="For administrators: a person's sign-in at the EHR, by the `groupIdentifier` of the Tasks that it "
        "began. Without one hilum signs in by itself (Backend Services).",
    ),
]
