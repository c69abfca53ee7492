"""Where a gather starts: exactly one patient, proven by what the EHR returns, or none.

A medical record number is looked for by `identifier=system|value` (https://hl7.org/fhir/R4/search.html#token), and
what comes is believed only if it carries that very identifier: EHRs that heed no system, or read the value as another
kind of number, answer with other patients.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from hilum.broker.far import Failed, Far, Note

TYPE: Final = "Patient"
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SPECIAL: Final = re.compile(r"[\\$,|]")
_MOST: Final = 100
"""Patients that are looked at for one number: where there are more, the EHR has not understood what was asked."""


@dataclass(frozen=True, slots=True)
class Start:
    """`kind`: one of `recipes.STARTS`. `value`: the number, or the id; "" for the launch context. `system`: of the
    number.
    """

    kind: Literal["mrn", "patient", "launch"]
    value: str = field(default="", repr=False)
    system: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The patient, and what the EHR said beside."""

    patient: Mapping[str, Any] = field(repr=False)
    notes: tuple[Note, ...] = ()

    @property
    def id(self) -> str:
        """That of the EHR."""
        return str(self.patient["id"])


async def find(far: Far, start: Start) -> Found:
    """The one patient that is meant. Raises Failed: `absent`, `ambiguous`, or what the request came to."""
    if start.kind == "mrn":
        found = await _numbered(far, start)
    else:
        found = await _named(far, far.patient if start.kind == "launch" else start.value)
    if far.patient and found.id != far.patient:
        raise Failed("refused", "The sign-in is for another patient than the one that is asked for.", side="ours")
    if any(_is(link, "type", "replaced-by") for link in _items(found.patient, "link")):
        note = Note("replaced-by", partial=True)  # merged: what is newer stands under another patient
        return Found(found.patient, (*found.notes, note))
    return found


async def _named(far: Far, id: str) -> Found:
    if not _ID.fullmatch(id):
        what = "No legal id of a patient is given" if id else "No patient is given, nor has the sign-in one"
        raise Failed("ambiguous", f"{what}: a launch with a patient, an id or a record number is needed.", side="ours")
    patient = await far.read(TYPE, id)
    if patient.get("resourceType") != TYPE or patient.get("id") != id:
        raise Failed("broken", "The EHR answered the read of a Patient with another resource.")
    return Found(patient)


async def _numbered(far: Far, start: Start) -> Found:
    if not start.system or not start.value.strip():
        text = "A patient is looked for by the system and the value of a record number, and one of them is not given."
        raise Failed("ambiguous", text, side="ours")
    carrying: dict[str, Mapping[str, Any]] = {}
    notes: list[Note] = []
    seen = 0
    pages = far.search(TYPE, (("identifier", "|".join(map(_escaped, (start.system, start.value)))),))
    try:
        async for page in pages:
            notes += page.notes
            for one in page.matches:
                seen += 1
                if carries(one, start.system, start.value):
                    carrying[one["id"]] = one
            if seen > _MOST:
                raise Failed("ambiguous", f"The EHR answers one record number with more than {_MOST} patients.")
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()
    if len(carrying) > 1:
        raise Failed("ambiguous", f"{len(carrying)} patients carry this record number.")
    if not carrying:
        others = f" {seen} came that do not carry it in this system, and were not believed." if seen else ""
        raise Failed("absent", f"No patient of the EHR carries this record number.{others}")
    (patient,) = carrying.values()
    return Found(patient, tuple(notes))


def carries(patient: Mapping[str, Any], system: str, value: str) -> bool:
    """Whether a resource is a Patient with this identifier, to the letter, and not as one that is no longer in use.

    Spaces around a value are none of it: Epic pads some to a width (fhir.epic.com's sandbox, `   Z6127`, 2026-11).
    """
    id = patient.get("id")
    if patient.get("resourceType") != TYPE or type(id) is not str or not _ID.fullmatch(id):
        return False
    return any(
        _is(one, "system", system) and _text(one, "value") == value.strip() and not _is(one, "use", "old")
        for one in _items(patient, "identifier")
    )


def _items(resource: Mapping[str, Any], name: str) -> list[Any]:
    found = resource.get(name)
    return found if isinstance(found, list) else []


def _is(item: Any, name: str, value: str) -> bool:
    return isinstance(item, Mapping) and item.get(name) == value


def _text(item: Mapping[str, Any], name: str) -> str | None:
    found = item.get(name)
    return found.strip() if isinstance(found, str) else None


def _escaped(value: str) -> str:
    """https://hl7.org/fhir/R4/search.html#escaping"""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", value)
