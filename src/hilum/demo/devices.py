"""Devices: a glucose meter with its readings of the last days, a pacemaker. https://hl7.org/fhir/R4/device.html"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from hilum.demo.body import glucose
from hilum.demo.chart import Chart
from hilum.demo.codes import ZONE, day, quantity, reference, rounded, snomed, when
from hilum.demo.labs import LABORATORY
from hilum.demo.quantities import HOME_GLUCOSE, MEASURES
from hilum.demo.town import organization

_METER = snomed("337414009", "Blood glucose meter")
_PACEMAKER = snomed("14106009", "Cardiac pacemaker, device", "Pacemaker")
_READINGS = 6


def devices(chart: Chart) -> None:
    """Write the devices that this person carries."""
    life = chart.life
    if life.pacemaker:
        chart.add(
            "Device",
            identifier=[chart.identifier("devices", f"PM-{life.person.number:05d}")],
            status="inactive" if life.died else "active",
            manufacturer="Copper State Cardiac (invented)",
            manufactureDate=day(life.pacemaker - timedelta(days=120)),
            expirationDate=day(life.pacemaker + timedelta(days=600)),
            lotNumber=f"L{life.person.number:04d}",
            serialNumber=f"PM-{life.person.number:05d}",
            deviceName=[{"name": "Steady DR", "type": "user-friendly-name"}],
            modelNumber="DR-2",
            type=_PACEMAKER.concept(),
            patient=chart.subject,
            owner=organization("hospital"),
        )
    if life.has("diabetes", life.today) and not life.died:
        _home_readings(chart)


def _home_readings(chart: Chart) -> None:
    """A glucose meter, and what it showed on the last mornings."""
    life = chart.life
    meter = chart.add(
        "Device",
        identifier=[chart.identifier("devices", f"GM-{life.person.number:05d}")],
        status="active",
        manufacturer="Mesa Home Health (invented)",
        serialNumber=f"GM-{life.person.number:05d}",
        deviceName=[{"name": "Mesa One", "type": "user-friendly-name"}],
        modelNumber="M1",
        type=_METER.concept(),
        patient=chart.subject,
    )
    expected = glucose(chart.body.expected("hba1c", life.today))
    measure = MEASURES["glucose"]
    for back in range(_READINGS, 0, -1):
        at = datetime.combine(
            life.today - timedelta(days=back), time(chart.dice.number(6, 7), chart.dice.number(0, 59)), ZONE
        )
        chart.add(
            "Observation",
            status="final",
            category=[LABORATORY.concept()],
            code=HOME_GLUCOSE.concept(),
            subject=chart.subject,
            effectiveDateTime=when(at),
            performer=[chart.subject],
            valueQuantity=quantity(rounded(chart.dice.around(expected, 9), 0), measure.unit, measure.ucum),
            device=reference(meter, "Mesa One"),
        )
