"""A batch as a transaction: what is created once, what is new, and what refers to what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.phd.fhir.making import (
    AT,
    BATCH,
    CUFF,
    GATEWAY,
    IDENTIFIED,
    PATIENT,
    SYNCED,
    entries,
    glucose,
    made,
    pressure,
    reading,
    taken,
)

from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import Coded, Coincidence, Device, Quantity, Status


def kinds(body: dict[str, Any]) -> list[str]:
    return [one["resource"]["meta"]["profile"][0].rpartition("/Ph")[2] for one in body["entry"]]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for one in value.values() for found in references(one)]
    return [found for one in value for found in references(one)] if isinstance(value, list) else []


def test_a_batch_is_a_transaction_by_its_id() -> None:
    body = made(glucose())
    assert body["type"] == "transaction"
    assert body["identifier"] == {"system": "urn:ietf:rfc:3986", "value": BATCH}
    expected = ["gDevice", "dDevice", "dCoincidentTimeStampObservation", "dNumericObservation"]
    assert kinds(body) == expected
    assert {one["request"]["method"] for one in body["entry"]} == {"POST"}


def test_all_references_lead_into_it_or_to_the_patient() -> None:
    body = made(glucose(), pressure(of=(0,)))
    urls = {one["fullUrl"] for one in body["entry"]}
    assert len(urls) == len(body["entry"])
    assert all(one.startswith("urn:uuid:") for one in urls)
    assert {one for one in references(body) if one not in urls} == {"Patient/sisansarah"}


def test_devices_and_measurements_are_created_once_and_what_the_clock_said_each_time() -> None:
    gateway, device, clock, measured = (one["request"].get("ifNoneExist", "") for one in made(glucose())["entry"])
    assert gateway.endswith("%7CEC-DE-3D-4E-58-53-2D-31")
    assert device.endswith("%7C71-10-00-FE-FF-5F-49-B0")
    assert clock == ""
    assert measured.startswith("identifier=%7C71-10-00-FE-FF-5F-49-B0-sisansarah-160184-18.9-mmol%2FL-")


def test_what_was_streamed_is_new_and_derives_from_no_clock() -> None:
    body = made(glucose(stamp=None))
    assert kinds(body) == ["gDevice", "dDevice", "dNumericObservation"]
    last = body["entry"][-1]
    assert "ifNoneExist" not in last["request"]
    assert not {"identifier", "derivedFrom"} & last["resource"].keys()
    assert last["resource"]["effectiveDateTime"] == "2018-11-11T12:00:05-05:00"


def test_a_device_that_kept_its_time_to_itself_is_told_of() -> None:
    (clock,) = entries(made(glucose(), coincidence=None), "PhdCoincidentTimeStampObservation")
    assert clock["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    (measured,) = entries(made(glucose(), coincidence=None), "PhdNumericObservation")
    assert measured["effectiveDateTime"] == "2018-11-11T11:38:10-05:00"


def test_a_patient_that_goes_by_an_identifier_is_created_unless_known() -> None:
    body = made(glucose(), patient=IDENTIFIED)
    assert kinds(body)[:2] == ["gDevice", "dPatient"]
    patient = body["entry"][1]
    assert patient["request"]["ifNoneExist"] == "identifier=urn%3Aoid%3A1.2.3.4.5.6.7.8.10%7CsisansarahId"
    assert patient["resource"].keys() == {"resourceType", "meta", "identifier"}
    assert body["entry"][-1]["resource"]["subject"] == {"reference": patient["fullUrl"]}


def test_a_patient_goes_by_something() -> None:
    with pytest.raises(ValueError, match="logical id"):
        Patient(value="x")


def test_a_meal_refers_to_the_measurement_that_it_was_about() -> None:
    body = made(glucose(), reading(Coded(8417872), 8417864, of=(0,)))
    measured, meal = body["entry"][-2:]
    clock = body["entry"][2]["fullUrl"]
    assert meal["resource"]["derivedFrom"] == [{"reference": clock}, {"reference": measured["fullUrl"]}]


def test_several_uploads_are_one_batch_with_each_device_once() -> None:
    other = Device(transport="bluetooth", address="F4-5E-AB-A8-08-32")
    later = replace(SYNCED, at=AT.replace(hour=13))
    batch = [
        taken(glucose("5.0")),
        taken(glucose("5.1")),
        taken(glucose("5.0"), device=other),
        taken(glucose("5.2"), coincidence=later),
    ]
    body = bundle(batch, GATEWAY, PATIENT, BATCH)
    assert kinds(body).count("dDevice") == 2
    assert kinds(body).count("dCoincidentTimeStampObservation") == 3
    assert kinds(body).count("dNumericObservation") == 4


def test_what_a_device_sent_twice_stands_in_it_once() -> None:
    body = bundle([taken(glucose()), taken(glucose("6.0"), glucose())], GATEWAY, PATIENT, BATCH)
    values = [one["valueQuantity"]["value"] for one in entries(body, "PhdNumericObservation")]
    assert values == [Decimal("18.9"), Decimal("6.0")]


@pytest.mark.parametrize("order", [1, -1], ids=["early-first", "last-first"])
def test_of_an_early_estimate_and_its_final_value_the_final_one_stands_for_both(order: int) -> None:
    readings = [glucose(status=Status.EARLY_INDICATION), glucose()][::order]
    (found,) = entries(made(*readings), "PhdNumericObservation")
    assert (found["status"], "interpretation" in found) == ("final", False)


def test_the_same_batch_makes_the_same_bundle_and_another_one_other_urls() -> None:
    assert made(glucose()) == made(glucose())
    other = bundle(taken(glucose()), GATEWAY, PATIENT, "urn:uuid:2")
    assert not {one["fullUrl"] for one in other["entry"]} & {one["fullUrl"] for one in made(glucose())["entry"]}


def test_the_battery_is_a_measurement_without_a_stamp() -> None:
    (battery,) = entries(made(battery=80), "PhdNumericObservation")
    assert battery["code"]["coding"][0]["code"] == "67996"
    assert (battery["valueQuantity"]["value"], battery["valueQuantity"]["code"]) == (80, "%")
    assert "identifier" not in battery


def test_an_upload_without_readings_is_its_devices() -> None:
    assert kinds(made()) == ["gDevice", "dDevice"]
    assert kinds(made(coincidence=Coincidence(AT, None), device=CUFF)) == ["gDevice", "dDevice"]


def test_nothing_in_it_is_shared_so_that_who_changes_a_part_changes_no_other() -> None:
    def parts(value: Any) -> list[int]:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        own = [id(value)] if isinstance(value, dict | list) else []
        return own + [found for one in inner for found in parts(one)]

    one = pressure(supplemental=(1, 2), status=Status.TEST_DATA)
    body = made(one, glucose(status=Status.DEMO_DATA), reading(Quantity(Decimal(60), 264864), 149530), battery=1)
    found = parts(body)
    assert len(found) == len(set(found))
