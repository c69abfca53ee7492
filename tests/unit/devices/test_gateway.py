"""What comes of bundles: each stored once, under whoever's name it turns out to be, or held."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.devices.world import (
    METER,
    OWNER,
    Body,
    Links,
    agent,
    clock,
    person,
    push,
    reading,
    sent,
    stored,
    uuid,
    values,
)

from hilum.access.granting import of_scopes
from hilum.devices.bundles import name
from hilum.devices.gateway import Gateway
from hilum.devices.receipts import answer, known
from hilum.devices.receipts import key as place_of
from hilum.devices.records import RECEIPT_DAYS
from hilum.devices.resolving import Found, Identifier
from hilum.fhir import json
from hilum.interactions.update import update
from hilum.oauth import scopes
from hilum.oauth.ledger import DEVICE_RECEIPT
from hilum.phd.reading import Device, Status
from hilum.problems import Forbidden, Problem, Unprocessable

DAY = 86_400


@pytest.fixture
async def patient(gateway: Gateway, links: Links) -> str:
    """Whose the meter is."""
    links.known[f"{METER.system_id}#"] = id = await person(gateway)
    return id


async def test_a_bundle_is_stored_under_the_patient_that_the_device_is_linked_to(
    gateway: Gateway, patient: str
) -> None:
    done = await push(gateway, sent(reading("104"), reading("99", 1)))
    assert await values(gateway) == ["104", "99"]
    assert {one.body["subject"]["reference"] for one in await stored(gateway)} == {f"Patient/{patient}"}
    assert [one.id for one in await stored(gateway, "Patient")] == [patient]
    assert not done.replayed
    assert not done.receipt.held


async def test_the_receipt_names_what_was_stored_entry_by_entry(gateway: Gateway, patient: str) -> None:
    body = sent()
    done = await push(gateway, body)
    told = [one.reference.partition("/")[0] for one in done.receipt.entries]
    assert told == [one["resource"]["resourceType"] for one in body["entry"]]
    there = {f"{type}/{one.id}" for type in ("Device", "Patient", "Observation") for one in await stored(gateway, type)}
    assert {one.reference for one in done.receipt.entries} == there


async def test_the_same_bundle_again_has_the_same_answer(gateway: Gateway, patient: str) -> None:
    first, again = [await push(gateway, sent()) for _ in range(2)]
    assert (again.replayed, again.receipt) == (True, first.receipt)
    assert answer(again.receipt, gateway.door.base) == answer(first.receipt, gateway.door.base)
    assert await values(gateway) == ["104"]


async def test_a_month_later_too_and_after_others(gateway: Gateway, patient: str) -> None:
    begun = 1_795_000_000.0
    bundles = [sent(reading(str(value), value), number=value) for value in range(1, 6)]
    first = [await push(replace(gateway, clock=clock(begun)), body) for body in bundles]
    later = replace(gateway, clock=clock(begun + 31 * DAY))
    for turn in random.Random(7).sample(range(5), 5):
        again = await push(later, bundles[turn])
        assert (again.replayed, again.receipt) == (True, first[turn].receipt)
    assert sorted(await values(gateway)) == ["1", "2", "3", "4", "5"]


async def test_a_receipt_is_kept_for_400_days(gateway: Gateway, patient: str) -> None:
    done = await push(gateway, sent())
    place = place_of("agent-1", _name(sent()))
    row = await gateway.door.store.ledger.get(DEVICE_RECEIPT, place)
    assert row is not None
    assert row.expires - done.receipt.at == RECEIPT_DAYS * DAY * 1_000_000
    assert RECEIPT_DAYS == 400


async def test_other_content_under_the_same_identifier_is_refused(gateway: Gateway, patient: str) -> None:
    await push(gateway, sent())
    with pytest.raises(Unprocessable) as refused:
        await push(gateway, sent(reading("105")))
    (issue,) = refused.value.issues
    assert (issue.code, issue.expression) == ("duplicate", "Bundle.identifier")
    assert await values(gateway) == ["104"]


async def test_another_client_may_use_the_same_identifier(gateway: Gateway, patient: str) -> None:
    await push(gateway, sent(), agent("one"))
    other = await push(gateway, sent(reading("105")), agent("two"))
    assert not other.replayed
    assert await values(gateway) == ["104", "105"]


async def test_what_was_sent_at_once_in_two_bundles_is_there_once(gateway: Gateway, patient: str) -> None:
    await push(gateway, sent(reading("104"), number=1))
    again = await push(gateway, sent(reading("104"), reading("105", 1), number=2))
    assert await values(gateway) == ["104", "105"]
    created = [one.created for one in again.receipt.entries]
    assert created.count(True) == 2  # the new one, and what the clocks said at that time


async def test_a_bundle_that_changes_nothing_has_its_receipt(gateway: Gateway, patient: str) -> None:
    body = sent()
    del body["entry"][3]  # what the clocks said, which is told anew each time
    body["entry"][3]["resource"].pop("derivedFrom")
    await push(gateway, body)
    body["identifier"]["value"] = uuid(2)
    again = await push(gateway, body)
    assert not any(one.created for one in again.receipt.entries)
    assert (await push(gateway, body)).replayed


async def test_replayed_concurrently_one_wins_and_the_others_have_its_receipt(gateway: Gateway, patient: str) -> None:
    outcomes = await asyncio.gather(*(push(gateway, sent(*(reading(str(v), v) for v in range(9)))) for _ in range(16)))
    assert sum(not one.replayed for one in outcomes) == 1
    assert {json.encode([one.reference for one in each.receipt.entries]) for each in outcomes} == {
        json.encode([one.reference for one in outcomes[0].receipt.entries])
    }
    assert len(await values(gateway)) == 9


async def test_patients_are_never_made(gateway: Gateway, links: Links) -> None:
    await push(gateway, sent())
    assert await stored(gateway, "Patient") == []


async def test_an_agent_needs_no_right_but_to_create(gateway: Gateway, patient: str) -> None:
    who = agent(scope="system/Observation.c system/Device.c")
    await push(gateway, sent(number=1), who)
    assert (await push(gateway, sent(number=2), who)).receipt.entries[-1].created is False


@pytest.mark.parametrize("scope", ["system/Device.c", "system/Observation.c", "system/Observation.rs system/Device.rs"])
async def test_without_the_right_to_create_it_is_refused(gateway: Gateway, patient: str, scope: str) -> None:
    with pytest.raises(Forbidden):
        await push(gateway, sent(), agent(scope=scope))


async def test_a_client_of_one_patient_writes_for_no_other(gateway: Gateway, patient: str) -> None:
    bound = of_scopes(scopes.parse("patient/Observation.c system/Device.c"), "somebody-else")
    with pytest.raises(Forbidden):
        await push(gateway, sent(), replace(agent(), policy=bound))


async def test_a_revoked_device_is_refused_and_named(gateway: Gateway, links: Links, patient: str) -> None:
    links.revoked.add(METER.system_id)
    with pytest.raises(Forbidden, match=METER.system_id):
        await push(gateway, sent())
    assert await stored(gateway) == []


async def test_what_found_nothing_of_another_patient_makes_one(gateway: Gateway, links: Links, patient: str) -> None:
    """The same identifier in somebody else's record is not what the agent sends again."""
    await push(gateway, sent())
    links.known[f"{METER.system_id}#"] = other = await person(gateway)
    await push(gateway, sent(number=2))
    found = [one.body["subject"]["reference"] for one in await stored(gateway) if "identifier" in one.body]
    assert sorted(found) == sorted([f"Patient/{patient}", f"Patient/{other}"])


# --- who and what is named --------------------------------------------------------------------------------------------


async def test_a_patient_may_be_named_by_the_logical_id(gateway: Gateway, patient: str) -> None:
    other = await person(gateway)
    await push(gateway, _of(sent(), {"reference": f"Patient/{other}"}))
    assert {one.body["subject"]["reference"] for one in await stored(gateway)} == {f"Patient/{other}"}


@pytest.mark.parametrize("subject", ["none", "identifier"])
async def test_what_names_no_patient_by_reference_gets_the_one_that_was_found(
    gateway: Gateway, links: Links, subject: str
) -> None:
    links.known[METER.system_id] = links.known["7"] = id = await person(gateway)
    body = _of(sent(), {"identifier": {"system": "http://ward.example", "value": "7"}})
    if subject == "none":
        for entry in body["entry"]:
            entry["resource"].pop("subject", None)
        gateway = replace(gateway, whose=_always(id))
    await push(gateway, body)
    found = [one.body["subject"] for one in await stored(gateway)]
    assert [one["reference"] for one in found] == [f"Patient/{id}"] * 2
    assert [one.get("identifier", {}).get("value") for one in found] == [None if subject == "none" else "7"] * 2


async def test_whoever_else_refers_to_the_patient_entry_means_who_was_found(gateway: Gateway, patient: str) -> None:
    body = sent()
    body["entry"][-1]["resource"]["performer"] = [{"reference": body["entry"][1]["fullUrl"]}]
    await push(gateway, body)
    assert (await stored(gateway))[-1].body["performer"] == [{"reference": f"Patient/{patient}"}]


async def test_a_device_may_be_named_by_the_id_of_what_is_stored(gateway: Gateway, links: Links, patient: str) -> None:
    await push(gateway, sent())
    meter = next(one for one in await stored(gateway, "Device") if one.body.get("serialNumber") == "7")
    body = sent(reading("105", 1), number=2)
    for entry in body["entry"]:
        if entry["resource"]["resourceType"] == "Observation":
            entry["resource"]["device"] = {"reference": f"Device/{meter.id}"}
    await push(gateway, body)
    assert await values(gateway) == ["104", "105"]
    links.revoked.add(METER.system_id)
    body["identifier"]["value"] = uuid(3)
    with pytest.raises(Forbidden, match=METER.system_id):
        await push(gateway, body)


async def test_each_device_and_patient_is_asked_for_once(gateway: Gateway, links: Links, patient: str) -> None:
    asked: list[tuple[Identifier, ...]] = []

    async def whose(who: Any, devices: Any, subject: Any) -> Any:
        asked.append(tuple(devices))
        return await links(who, devices, subject)

    await push(replace(gateway, whose=whose), sent(*(reading(str(v), v) for v in range(5))))
    assert [len(one) for one in asked] == [1]


async def test_two_devices_of_two_people_in_one_bundle(gateway: Gateway, links: Links, patient: str) -> None:
    scale = Device(system_id="00-22-33-FF-FE-44-55-66", manufacturer="Ware", model="S1")
    links.known[f"{scale.system_id}#"] = other = await person(gateway)
    one, two = sent(reading("104")), sent(reading("105", 1), device=scale, number=2)
    one["entry"] += two["entry"][1:]
    for entry in one["entry"]:
        said = entry["resource"].get("extension")
        if said:
            said[0]["valueReference"]["reference"] = one["entry"][0]["fullUrl"]
    await push(gateway, one)
    assert {
        _value(each.body): each.body["subject"]["reference"] for each in await stored(gateway) if _value(each.body)
    } == {
        "104": f"Patient/{patient}",
        "105": f"Patient/{other}",
    }


Change = tuple[str, Any, str]
WRONG: dict[str, Change] = {
    "not-a-transaction": ("type", "batch", "Bundle.type"),
    "no-entries": ("entry", [], "Bundle.entry"),
    "another-method": ("entry.3.request.method", "PUT", "Bundle.entry[3].request.method"),
    "another-type": ("entry.3.resource.resourceType", "Condition", "Bundle.entry[3].resource"),
    "another-url": ("entry.3.request.url", "Device", "Bundle.entry[3].request.url"),
    "a-condition-that-means-nothing": ("entry.3.request.ifMatch", 'W/"1"', "Bundle.entry[3].request"),
    "the-same-full-url": ("entry.4.fullUrl", "=entry.3.fullUrl", "Bundle.entry[4].fullUrl"),
    "a-subject-that-is-a-search": (
        "entry.4.resource.subject.reference",
        "Patient?identifier=1",
        "Bundle.entry[4].resource.subject.reference",
    ),
    "a-subject-that-is-a-group": (
        "entry.4.resource.subject.reference",
        "Group/1",
        "Bundle.entry[4].resource.subject.reference",
    ),
    "a-device-that-is-not-there": (
        "entry.4.resource.device.reference",
        "Device/nobody",
        "Bundle.entry[4].resource.device.reference",
    ),
    "a-patient-without-an-identifier": ("entry.1.resource.identifier", [], "Bundle.entry[1].resource.identifier"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
async def test_what_is_no_bundle_of_readings_is_refused_by_its_element(
    gateway: Gateway, patient: str, case: str
) -> None:
    path, value, where = WRONG[case]
    body = sent()
    _set(body, path, _get(body, value[1:]) if isinstance(value, str) and value[:1] == "=" else value)
    with pytest.raises(Unprocessable) as refused:
        await push(gateway, body)
    assert [issue.expression for issue in refused.value.issues] == [where]
    assert await stored(gateway) == []


@pytest.mark.parametrize(
    "identifier",
    [None, {}, {"system": "urn:ietf:rfc:3986"}, {"value": ""}, {"value": 7}],
    ids=["none", "empty", "a-system-alone", "an-empty-value", "a-number"],
)
async def test_without_an_identifier_it_is_refused(gateway: Gateway, identifier: Any) -> None:
    body = sent()
    body["identifier"] = identifier
    with pytest.raises(Unprocessable) as refused:
        await push(gateway, body, content=b"")
    assert refused.value.issues[0].expression == "Bundle.identifier"


async def test_of_a_bundle_all_is_stored_or_nothing(gateway: Gateway, patient: str) -> None:
    body = sent(reading("104"), reading("105", 1))
    body["entry"][-1]["resource"]["status"] = "done"
    with pytest.raises(Problem) as refused:
        await push(gateway, body)
    assert refused.value.issues[0].expression == "Bundle.entry[5].resource.status"
    assert await stored(gateway) == []
    assert await known(gateway.door.store.ledger, place_of("agent-1", _name(body))) is None


# --- as the guide has it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [-10, 0, 10])
async def test_a_clock_that_is_ten_minutes_off_changes_no_time_that_the_agent_has_put_right(
    gateway: Gateway, patient: str, minutes: int
) -> None:
    """The device's stamp is in the identifier, and the time that it is of by the agent's clock is the effective one."""
    await push(gateway, sent(reading("104"), off=timedelta(minutes=minutes)))
    (found,) = [one.body for one in await stored(gateway) if _value(one.body)]
    hour, minute = divmod(8 * 60 - minutes, 60)
    assert found["effectiveDateTime"].startswith(f"2026-11-24T{hour:02}:{minute:02}:00")
    assert found["identifier"][0]["value"].endswith("2026-11-24T08:00:00")


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_the_gateways_own_clock_may_differ_by_ten_minutes(gateway: Gateway, patient: str, minutes: int) -> None:
    at = 1_795_507_200.0 + 60 * minutes  # 2026-11-24T08:00:00Z
    await push(replace(gateway, clock=clock(at)), sent())
    assert await values(gateway) == ["104"]


async def test_a_test_measurement_is_stored_and_labelled_as_one(gateway: Gateway, patient: str) -> None:
    await push(gateway, sent(reading(status=Status.TEST_DATA)))
    (found,) = [one.body for one in await stored(gateway) if _value(one.body)]
    assert [one["code"] for one in found["meta"]["security"]] == ["HTEST"]


EARLY, LAST = Status.EARLY_INDICATION, Status(0)


@pytest.mark.parametrize("order", ["early-first", "last-first"])
async def test_an_early_estimate_gives_way_to_the_final_value_in_any_order(
    gateway: Gateway, patient: str, order: str
) -> None:
    """Stamp and value are the same, and so is the identifier: a conditional create alone would lose the last word."""
    statuses = [EARLY, LAST] if order == "early-first" else [LAST, EARLY]
    for number, status in enumerate(statuses, 1):
        done = await push(gateway, sent(reading(status=status), number=number))
    (found,) = [one for one in await stored(gateway) if _value(one.body)]
    assert (found.body["status"], "interpretation" in found.body) == ("final", False)
    assert found.version == (2 if order == "early-first" else 1)
    assert (done.receipt.entries[-1].reference, done.receipt.entries[-1].created) == (f"Observation/{found.id}", False)


async def test_both_in_one_bundle_are_the_final_one(gateway: Gateway, patient: str) -> None:
    body = sent(reading(status=EARLY))
    last = sent(reading())["entry"][-1]
    body["entry"].append({**last, "fullUrl": uuid(9)})
    body["entry"].append(
        {
            "fullUrl": uuid(10),
            "resource": {**last["resource"], "identifier": [{"value": "n"}], "derivedFrom": [{"reference": uuid(9)}]},
            "request": {"method": "POST", "url": "Observation"},
        }
    )
    done = await push(gateway, body)
    one, two = [one for one in await stored(gateway) if _value(one.body)]
    assert one.body["status"] == "final"
    assert two.body["derivedFrom"] == [{"reference": f"Observation/{one.id}"}]
    assert done.receipt.entries[-3].reference == done.receipt.entries[-2].reference


async def test_of_an_estimate_and_its_final_value_at_once_the_final_one_stays(gateway: Gateway, patient: str) -> None:
    some = [
        sent(reading(str(v), v, status), number=2 * v + n) for v in range(8) for n, status in enumerate((EARLY, LAST))
    ]
    await asyncio.gather(*(push(gateway, body) for body in some))
    found = [one.body["status"] for one in await stored(gateway) if _value(one.body)]
    assert found == ["final"] * 8


async def test_a_final_value_never_replaces_what_was_corrected_by_hand(gateway: Gateway, patient: str) -> None:
    await push(gateway, sent(reading(status=EARLY)))
    (found,) = [one for one in await stored(gateway) if _value(one.body)]
    await update(gateway.door, OWNER, "Observation", found.id, {**found.body, "status": "entered-in-error"})
    await push(gateway, sent(number=2))
    (stands,) = [one for one in await stored(gateway) if _value(one.body)]
    assert stands.body["status"] == "entered-in-error"


GRAMS = {"system": "http://unitsofmeasure.org", "unit": "mg/dL", "code": "mg/dL"}
GIVEN: dict[str, Body] = {
    "as-it-is": GRAMS,
    "another-of-the-same-kind": {**GRAMS, "unit": "g/L", "code": "g/L"},
    "annotated": {**GRAMS, "code": "mg{glucose}/dL"},
    "by-its-mdc-code": {"system": "urn:iso:std:iso:11073:10101", "unit": "mg/dL", "code": "264274"},
    "in-words-alone": {"unit": "mg/dL"},
}
WRONG_UNITS: dict[str, tuple[Body, str]] = {
    "amount-of-substance": ({**GRAMS, "unit": "mmol/L", "code": "mmol/L"}, "valueQuantity.code"),
    "not-of-a-concentration": ({**GRAMS, "unit": "kg", "code": "kg"}, "valueQuantity.code"),
    "no-unit-of-ucum": ({**GRAMS, "code": "mg%%"}, "valueQuantity.code"),
    "a-code-without-its-system": ({"unit": "mg/dL", "code": "mg/dL"}, "value"),
}


@pytest.mark.parametrize("case", sorted(GIVEN))
async def test_units_of_the_kind_that_loinc_has_are_taken_as_they_are(
    gateway: Gateway, patient: str, case: str
) -> None:
    body = sent()
    body["entry"][-1]["resource"]["valueQuantity"] = {"value": json.number("104"), **GIVEN[case]}
    await push(gateway, body)
    (found,) = [one.body for one in await stored(gateway) if _value(one.body)]
    assert {key: text for key, text in found["valueQuantity"].items() if key != "value"} == GIVEN[case]


@pytest.mark.parametrize("case", sorted(WRONG_UNITS))
async def test_wrong_units_are_refused_by_their_element(gateway: Gateway, patient: str, case: str) -> None:
    said, where = WRONG_UNITS[case]
    body = sent()
    body["entry"][-1]["resource"]["valueQuantity"] = {"value": json.number("5.8"), **said}
    with pytest.raises(Problem) as refused:
        await push(gateway, body)
    assert [one.expression for one in refused.value.issues] == [f"Bundle.entry[4].resource.{where}"]
    assert await stored(gateway) == []


# --- helpers ----------------------------------------------------------------------------------------------------------


def _name(body: Body) -> Any:
    return name(body)


def _value(body: Body) -> str:
    glucose = any(one.get("code") == "160184" for one in body["code"]["coding"])
    return str(body["valueQuantity"]["value"]) if glucose else ""


def _of(body: Body, subject: Body) -> Body:
    for entry in body["entry"]:
        if "subject" in entry["resource"]:
            entry["resource"]["subject"] = subject
    body["entry"] = [one for one in body["entry"] if one["resource"]["resourceType"] != "Patient"]
    return body


def _always(patient: str) -> Any:
    async def whose(who: Any, devices: Any, subject: Any) -> Any:
        return Found(patient)

    return whose


def _step(value: Any, part: str) -> Any:
    return value[int(part)] if isinstance(value, list) else value[part]


def _get(body: Body, path: str) -> Any:
    value: Any = body
    for part in path.split("."):
        value = _step(value, part)
    return value


def _set(body: Body, path: str, value: Any) -> None:
    *way, last = path.split(".")
    place = _get(body, ".".join(way)) if way else body
    place[last] = value
