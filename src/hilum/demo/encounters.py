"""Encounters. https://hl7.org/fhir/R4/encounter.html"""

from __future__ import annotations

from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import hl7, when
from hilum.demo.diagnoses import concept_of
from hilum.demo.kinds import KINDS
from hilum.demo.life import Visit
from hilum.demo.town import location, organization, practitioner

_PERFORMER = hl7("v3-ParticipationType", "PPRF", "primary performer")
_HOME = hl7("discharge-disposition", "home", "Home")
_EXPIRED = hl7("discharge-disposition", "exp", "Expired")
_DIAGNOSIS = hl7("diagnosis-role", "DD", "Discharge diagnosis")


def encounter(chart: Chart, visit: Visit) -> None:
    """Write the Encounter of a visit and remember its reference."""
    kind = KINDS[visit.kind]
    period = {"start": when(visit.start), "end": when(visit.end)}
    stay = kind.klass.code == "IMP"
    optional: dict[str, Any] = {}
    if visit.problem:
        optional["reasonCode"] = [concept_of(visit.problem).concept()]
        optional["diagnosis"] = [{"condition": chart.condition(visit.problem), "use": _DIAGNOSIS.concept()}]
    if stay:
        leaves = _EXPIRED if visit.end == chart.life.died else _HOME
        optional["hospitalization"] = {"dischargeDisposition": leaves.concept()}
    number = len(chart.encounters) + 1
    chart.encounters[visit] = chart.add(
        "Encounter",
        identifier=[chart.identifier("visits", f"{chart.life.person.number:06d}-{number:03d}")],
        status="finished",
        class_=kind.klass.coding(),
        type=[kind.type.concept()],
        subject=chart.subject,
        participant=[
            {"type": [_PERFORMER.concept()], "period": period, "individual": practitioner(visit.practitioner)}
        ],
        period=period,
        **optional,
        location=[{"location": location(kind.place), "status": "completed"}],
        serviceProvider=organization("clinic" if kind.place == "clinic" else "hospital"),
    )
