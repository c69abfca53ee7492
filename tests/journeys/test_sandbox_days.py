"""A sandbox's dates: laid around the day on which it is made, the same when it is started again, moved by `--today`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.journeys.sandboxes import Sandbox

SCOPE = "system/Appointment.rs system/MedicationRequest.rs system/Patient.rs"


def started(folder: Path, *flags: str) -> tuple[str, str, str, str]:
    """When the procedure is, when its medicine was ordered, the patient's birth date, and the password of people."""
    sandbox = Sandbox(folder, "plain", *flags)
    try:
        with sandbox.client(sandbox.token(SCOPE)) as client:
            booked = client.get("Appointment/demo-p001-planned-appointment").json()
            ordered = client.get("MedicationRequest/demo-p001-planned-medicine").json()
            patient = client.get("Patient/demo-p001").json()
        return booked["start"], ordered["authoredOn"], patient["birthDate"], sandbox.password
    finally:
        sandbox.stop()


def test_dates_stay_as_they_were_laid_and_move_there_and_back_with_all_else_as_it_was(tmp_path: Path) -> None:
    leap = started(tmp_path, "--today", "2028-02-29")
    booked, ordered, birth, password = leap
    assert booked == "2028-03-10T09:30:00-07:00"
    assert started(tmp_path) == leap
    assert started(tmp_path, "--today", "2028-03-01") == (
        "2028-03-11T09:30:00-07:00", _next_day(ordered), birth, password,
    )  # fmt: skip
    assert started(tmp_path, "--today", "2028-02-29") == leap


def _next_day(moment: str) -> str:
    return (datetime.fromisoformat(moment) + timedelta(days=1)).isoformat()
