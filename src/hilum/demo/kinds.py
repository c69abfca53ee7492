"""The kinds of visits there are: class, SNOMED CT type, how long, where, with whom."""

from __future__ import annotations

from typing import NamedTuple

from hilum.demo.codes import Concept, hl7, snomed


class Kind(NamedTuple):
    """One kind. `minutes`: from, to. `practitioner` None: the patient's own doctor."""

    klass: Concept
    type: Concept
    minutes: tuple[int, int]
    place: str
    practitioner: str | None = None
    round_the_clock: bool = False


_AMBULATORY = hl7("v3-ActCode", "AMB", "ambulatory")
_VIRTUAL = hl7("v3-ActCode", "VR", "virtual")
_EMERGENCY = hl7("v3-ActCode", "EMER", "emergency")
_INPATIENT = hl7("v3-ActCode", "IMP", "inpatient encounter")
_ADMISSION = snomed("32485007", "Hospital admission")
_DAY = 24 * 60
_OBSTETRICIAN = "demo-dr-mbeki"

KINDS = {
    "checkup": Kind(_AMBULATORY, snomed("162673000", "General examination of patient", "Check-up"), (30, 45), "clinic"),
    "child": Kind(_AMBULATORY, snomed("410620009", "Well child visit"), (20, 35), "clinic"),
    "problem": Kind(_AMBULATORY, snomed("185347001", "Encounter for problem", "Visit for a problem"), (15, 25),
        "clinic"),
    "followup": Kind(_AMBULATORY, snomed("390906007", "Follow-up encounter", "Follow-up visit"), (15, 25), "clinic"),
    "telehealth": Kind(
        _VIRTUAL, snomed("448337001", "Telemedicine consultation with patient", "Video visit"), (10, 20), "clinic"),
    "emergency": Kind(
        _EMERGENCY, snomed("50849002", "Emergency room admission", "Emergency visit"), (70, 240), "emergency",
        "demo-dr-nakai", True),
    "hospital": Kind(_INPATIENT, _ADMISSION, (1 * _DAY + 120, 4 * _DAY), "hospital", None, True),
    "prenatal-first": Kind(
        _AMBULATORY, snomed("424441002", "Prenatal initial visit"), (30, 45), "maternity", _OBSTETRICIAN),
    "prenatal": Kind(_AMBULATORY, snomed("424619006", "Prenatal visit"), (15, 30), "maternity", _OBSTETRICIAN),
    "birth": Kind(_INPATIENT, _ADMISSION, (1 * _DAY, 3 * _DAY), "maternity", _OBSTETRICIAN, True),
    "postnatal": Kind(_AMBULATORY, snomed("169762003", "Postnatal visit"), (20, 30), "maternity", _OBSTETRICIAN),
}  # fmt: skip
