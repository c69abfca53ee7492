"""What was prescribed, handed out and bought: MedicationRequest, MedicationDispense, MedicationStatement.

https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import ZONE, day, hl7, reference, when
from hilum.demo.life import Treatment, Visit
from hilum.demo.medications import Medicine
from hilum.demo.town import location, practitioner

_COMMUNITY = hl7("medicationrequest-category", "community", "Community")
_PATIENT_REPORTED = hl7("medication-statement-category", "patientspecified", "Patient Specified")
_PACKAGER = hl7("medicationdispense-performer-function", "packager", "Packager")
_PHARMACIST = "demo-pharmacist-haddad"


def prescriptions(chart: Chart, visit: Visit) -> None:
    """Write what was begun at this visit; what goes on for more than two years is renewed at the latest check-up."""
    for treatment in chart.life.treatments:
        if treatment.start == visit.day:
            if treatment.medicine.otc:
                _statement(chart, treatment)
            else:
                _prescribe(chart, visit, treatment)


def _prescribe(chart: Chart, visit: Visit, treatment: Treatment) -> None:
    renewal = _renewal(chart, treatment)
    ended = treatment.stop if treatment.stop and treatment.stop < chart.life.end else None
    over = renewal is not None or ended is not None or chart.life.died is not None
    first = _request(chart, visit, treatment, "completed" if over else "active")
    if ended:
        if chart.dice.chance(0.6):
            _dispense(chart, treatment.medicine, first, visit.end)
    elif renewal is None:
        _recent_dispense(chart, treatment, first, visit)
    else:
        renewed = _request(chart, renewal, treatment, "active", prior=first)
        _recent_dispense(chart, treatment, renewed, renewal)


def _renewal(chart: Chart, treatment: Treatment) -> Visit | None:
    """The latest check-up or follow-up, two years or more after a medicine was begun that is still taken."""
    if treatment.stop or chart.life.died:
        return None
    late = [
        v
        for v in chart.life.visits
        if v.kind in ("checkup", "followup", "child") and (v.day - treatment.start).days > 730
    ]
    return late[-1] if late else None


def _request(chart: Chart, visit: Visit, treatment: Treatment, status: str, prior: str | None = None) -> str:
    medicine = treatment.medicine
    lasting = treatment.stop is None or treatment.stop > treatment.start + timedelta(days=60)
    return chart.add(
        "MedicationRequest",
        status=status,
        intent="order",
        category=[_COMMUNITY.concept()],
        medicationCodeableConcept=medicine.drug.concept(),
        subject=chart.subject,
        encounter=chart.encounter(visit),
        authoredOn=when(visit.end - timedelta(minutes=2)),
        requester=practitioner(visit.practitioner),
        reasonReference=[chart.condition(treatment.problem)] if treatment.problem else None,
        dosageInstruction=[medicine.dosage(chart.spanish)],
        dispenseRequest={
            "validityPeriod": {"start": day(visit.day), "end": day(visit.day + timedelta(days=365 if lasting else 30))},
            "numberOfRepeatsAllowed": 365 // medicine.days - 1 if lasting else 0,
            "quantity": medicine.quantity(medicine.supply),
            "expectedSupplyDuration": {
                "value": medicine.days,
                "unit": "days",
                "system": "http://unitsofmeasure.org",
                "code": "d",
            },
        },
        priorPrescription=reference(prior) if prior else None,
    )


def _recent_dispense(chart: Chart, treatment: Treatment, request: str, visit: Visit) -> None:
    """The latest hand-out of a medicine that is taken all the time, prescribed at `visit`."""
    medicine = treatment.medicine
    back = chart.dice.number(20, 80) if medicine.as_needed else chart.dice.number(2, medicine.days - 2)
    latest = datetime.combine(chart.life.end - timedelta(days=back), time(0), ZONE)
    _dispense(chart, medicine, request, max(visit.end, latest))


def _dispense(chart: Chart, medicine: Medicine, request: str, after: datetime) -> None:
    """Prepared and handed over at the pharmacy on the first evening after that."""
    prepared = datetime.combine(after.date(), time(18, chart.dice.number(0, 59)), ZONE)
    if prepared < after:
        prepared += timedelta(days=1)
    performer: dict[str, Any] = {"function": _PACKAGER.concept(), "actor": practitioner(_PHARMACIST)}
    chart.add(
        "MedicationDispense",
        status="completed",
        medicationCodeableConcept=medicine.drug.concept(),
        subject=chart.subject,
        performer=[performer],
        location=location("pharmacy"),
        authorizingPrescription=[reference(request)],
        quantity=medicine.quantity(medicine.supply),
        daysSupply={"value": medicine.days, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"},
        whenPrepared=when(prepared),
        whenHandedOver=when(prepared + timedelta(minutes=25)),
        dosageInstruction=[medicine.dosage(chart.spanish)],
    )


def _statement(chart: Chart, treatment: Treatment) -> None:
    """Bought without a prescription: known because the patient says so."""
    stop = treatment.stop or (chart.life.end if chart.life.died else None)
    period = {"start": day(treatment.start), **({"end": day(stop)} if stop else {})}
    chart.add(
        "MedicationStatement",
        status="completed" if stop else "active",
        category=_PATIENT_REPORTED.concept(),
        medicationCodeableConcept=treatment.medicine.drug.concept(),
        subject=chart.subject,
        effectivePeriod=period,
        dateAsserted=day(treatment.start),
        informationSource=chart.subject,
        reasonReference=[chart.condition(treatment.problem)] if treatment.problem else None,
        dosage=[treatment.medicine.dosage(chart.spanish)],
    )
