"""An administrator invites an agent and links a device; a clinician and the patient look at readings: in a real
browser, by the keyboard, pages as pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.journeys.apps import PASSWORD
from tests.journeys.browsing import accessible, browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server

from hilum.fhir import json
from hilum.phd.fhir.bundles import bundle
from hilum.phd.fhir.devices import telling
from hilum.phd.fhir.patients import Patient
from hilum.phd.reading import NOTHING, Clock, Coincidence, Compound, Device, Quantity, Reading, Stamp, Status, Taken

__all__ = ["browser"]

PATIENT = "demo-p001"
GLUCOSE, PRESSURE, TEMPERATURE = 160184, 150020, 150364
MMOL_L, MMHG, DEGC = 266866, 266016, 268192
METER = Device(
    system_id="00-E5-DE-AD-77-C3-00-01", manufacturer="Lakeside", model="Gluco 2", name="Glucose meter", serial="1204"
)
CUFF = replace(METER, system_id="00-E5-DE-AD-77-C3-00-02", model="Cuff 1", name="Blood pressure cuff", serial="77")
AGENT = Device(system_id="EC-DE-3D-4E-58-53-2D-31", manufacturer="hilum", model="agent")
NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def stamp(at: datetime) -> Stamp:
    return Stamp(Clock.ABSOLUTE, at.strftime("%Y%m%d%H%M%S.00"), at.replace(tzinfo=None))


def taken(device: Device, *readings: Reading) -> Taken:
    return Taken(device, NOW, readings, Coincidence(NOW, stamp(NOW)), battery=80)


def glucose(day: int, value: str, status: Status = NOTHING) -> Reading:
    return Reading(GLUCOSE, Quantity(Decimal(value), MMOL_L), stamp(NOW - timedelta(days=day)), status)


def pressure(day: int, upper: int, lower: int) -> Reading:
    parts = ((150021, Quantity(Decimal(upper), MMHG)), (150022, Quantity(Decimal(lower), MMHG)))
    return Reading(PRESSURE, Compound(parts), stamp(NOW - timedelta(days=day)))


class Clinic:
    """hilum with one patient, a clinician, an administrator, and a fortnight of readings."""

    def __init__(self, folder: Any) -> None:
        data = folder / "data"
        done = hilum("demo", "--patients", "1", "--data", data)
        assert done.returncode == 0, done.stderr
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        for name, *more in (
            ("kim.doe", "--display", "Kim Doe", "--role", "practitioner"),
            ("pat.demo", "--display", "Pat Demo", "--role", "patient", "--patient", PATIENT),
        ):
            done = hilum("users", "add", name, *more, "--password-file", password, "--data", data)
            assert done.returncode == 0, done.stderr
        values = ("6.1", "5.8", "7.2", "6.6", "9.4", "5.9", "6.0", "18.9", "7.0", "6.3")
        sent = [
            taken(
                METER,
                *(glucose(day, value) for day, value in enumerate(values, 1)),
                glucose(0, "4.0", Status.TEST_DATA),
            ),
            taken(CUFF, *(pressure(day, 120 + day, 80 - day) for day in range(5))),
            taken(METER, Reading(TEMPERATURE, Quantity(Decimal("37.60"), DEGC), stamp(NOW), Status.EARLY_INDICATION)),
        ]
        self.server = Server(folder, "--organization", "Lakeside Clinic")
        with self.server.client() as fhir:
            for place, one in enumerate(sent):
                body = bundle(one, AGENT, Patient(id=PATIENT), f"urn:uuid:00000000-0000-4000-8000-{place:012}")
                answer = fhir.post("", content=json.encode(body), headers=FHIR_JSON)
                assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    found = Clinic(tmp_path_factory.mktemp("devices"))
    yield found
    found.server.stop()


def signed_in(clinic: Clinic, tab: Any, path: str, name: str) -> None:
    tab.goto(clinic.server.url + path)
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    follow(tab, "main button")


def seen(tab: Any, name: str) -> None:
    looked_at(tab, f"devices-{name}")
    accessible(tab, name)


@needs_chromium
def test_a_clinician_links_a_device_revokes_it_and_sees_the_readings(clinic: Clinic, browser: Any) -> None:
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, "/devices", "kim.doe")
        seen(tab, "none")
        assert tab.locator("text=Invite an agent").count() == 0  # administrators invite
        tab.focus("summary:has-text('not been seen')")  # by the keyboard alone
        tab.keyboard.press("Enter")
        for text in ("|".join(telling(METER)), PATIENT, ""):
            tab.keyboard.press("Tab")
            tab.keyboard.type(text)
        tab.keyboard.press("Tab")
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        assert telling(METER).value in tab.inner_text("table")
        seen(tab, "linked")
        tab.click("summary:has-text('to a patient')")
        tab.fill("#patient-1", "nobody-there")
        follow(tab, "td details button")
        assert "nobody-there" in tab.inner_text("[role=alert]")
        follow(tab, "text=Revoke")
        assert "Revoked" in tab.inner_text("table")
        follow(tab, "button:has-text('Restore')")
        follow(tab, "table a")
        headings = [one.inner_text() for one in tab.locator("section h2").all()]
        assert len(headings) == 3, headings
        assert tab.locator("svg.chart").count() == 3
        assert "37.60" in tab.inner_text("section:first-of-type .latest")
        assert "early estimate" in tab.inner_text("section:first-of-type .latest")
        told = tab.inner_text("main")
        assert "18.9" in told
        assert "4.0" not in told
        assert "test measurements are left out" in told  # those of the demonstration, too
        seen(tab, "readings")


@needs_chromium
def test_a_patient_sees_the_own_readings_and_nobody_elses(clinic: Clinic, browser: Any) -> None:
    with clinic.server.client() as fhir:
        other = fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON).json()["id"]
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, f"/devices/patients/{PATIENT}", "pat.demo")
        assert "18.9" in tab.inner_text("main")
        assert tab.locator("text=All devices").count() == 0
        tab.goto(f"{clinic.server.url}/devices/patients/{other}")
        assert "no such patient" in tab.inner_text("[role=alert]")
        tab.goto(f"{clinic.server.url}/devices")
        assert "Device.r" in tab.inner_text("[role=alert]")
