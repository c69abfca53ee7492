"""The oracle of the chaos sees each sort of fault, and none where there is none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.durability.devices.measured import KINDS, Fact, devices, sessions
from tests.durability.devices.saying import taken
from tests.durability.devices.truth import Reader, Sent, _Digits, compare

from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import Device

GATEWAY = Device(system_id="EC-DE-3D-4E-58-53-2D-31")
ENCODER = msgspec.json.Encoder(decimal_format="number")


class Stored(Reader):
    """What is on a server, without one."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self.resources = resources

    def all(self, search: str) -> Iterator[dict[str, Any]]:
        type_ = search.partition("?")[0]
        return (one for one in self.resources if one["resourceType"] == type_)


def stored(count: int = 30) -> tuple[list[dict[str, Any]], Sent]:
    """Of a device of each kind, as a server keeps the bundles that hilum makes of what it measured."""
    sent, resources, there = Sent(), list[dict[str, Any]](), dict[str, str]()
    for device in devices(1, len(KINDS)):
        for session in sessions(1, device, count):
            sent.facts |= {fact.digest: device.identifier for fact in session.facts}
            told = taken(session.said)
            whose = device.patients[(told.person or 1) - 1]
            text = ENCODER.encode(bundle(told, GATEWAY, Patient(id=whose), f"urn:uuid:{len(resources)}"))
            references = {}
            for entry in json.loads(text, parse_float=_Digits, parse_int=_Digits)["entry"]:
                one, condition = entry["resource"], entry["request"].get("ifNoneExist")
                id = there.get(condition, str(len(resources)))
                references[entry["fullUrl"]] = f"{one['resourceType']}/{id}"
                if condition not in there:
                    resources.append(one | {"id": id, "meta": {"versionId": "1"}})
                if condition is not None:
                    there[condition] = id
            for one in resources:
                for at in (one.get("subject"), one.get("device"), *one.get("derivedFrom", ())):
                    if at is not None:
                        at["reference"] = references.get(at["reference"], at["reference"])
    return resources, sent


def measurements(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in resources if "valueQuantity" in one]


def lost(resources: list[dict[str, Any]]) -> None:
    resources.remove(measurements(resources)[0])


def doubled(resources: list[dict[str, Any]]) -> None:
    resources.append(copy.deepcopy(measurements(resources)[-1]))


def of_another(resources: list[dict[str, Any]]) -> None:
    measurements(resources)[3]["subject"]["reference"] = "Patient/p99"


def by_another(resources: list[dict[str, Any]]) -> None:
    one = measurements(resources)[3]
    one["device"]["reference"] = next(
        "Device/" + other["id"]
        for other in resources
        if other["resourceType"] == "Device" and "Device/" + other["id"] != one["device"]["reference"]
    )


def a_digit_less(resources: list[dict[str, Any]]) -> None:
    one = next(one for one in measurements(resources) if "." in one["valueQuantity"]["value"])
    one["valueQuantity"]["value"] = one["valueQuantity"]["value"] + "0"


def another_time(resources: list[dict[str, Any]]) -> None:
    one = measurements(resources)[5]
    one["effectiveDateTime"] = one["effectiveDateTime"].replace("2026", "2025")


def final_too_early(resources: list[dict[str, Any]]) -> None:
    next(one for one in resources if one.get("status") == "preliminary")["status"] = "final"


def a_clock_more(resources: list[dict[str, Any]]) -> None:
    resources.append(next(one for one in resources if "valueDateTime" in one) | {"id": "more"})


def a_device_more(resources: list[dict[str, Any]]) -> None:
    resources.append(next(one for one in resources if one["resourceType"] == "Device") | {"id": "more"})


def written_over(resources: list[dict[str, Any]]) -> None:
    measurements(resources)[0]["meta"]["versionId"] = "2"


def test_what_was_measured_and_is_stored_once_is_the_same() -> None:
    resources, sent = stored()
    found = compare(Stored(resources), sent)
    assert found.told == []
    assert found.observations - found.clocks == len(sent.facts) == 30 * len(KINDS)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lost, "lost"),
        (doubled, "doubled"),
        (of_another, "never measured"),
        (by_another, "never measured"),
        (a_digit_less, "never measured"),
        (another_time, "never measured"),
        (final_too_early, "never measured"),
        (a_clock_more, "a clock that nothing came of"),
        (a_device_more, "a device doubled"),
        (written_over, "changed after it was stored"),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
def test_each_fault_is_seen(fault: Callable[[list[dict[str, Any]]], None], said: str) -> None:
    resources, sent = stored()
    fault(resources)
    assert compare(Stored(resources), sent).faults[said]


def test_what_streamed_while_the_agent_died_may_be_there_or_not() -> None:
    resources, sent = stored()
    fact = Fact("d", "p1", "150456", ("90",), "%", next(iter(sessions(1, devices(1, 5)[4], 1))).facts[0].at)
    sent.perhaps.add(fact.digest)
    assert compare(Stored(resources), sent).told == []


def test_the_same_seed_measures_the_same_and_each_measurement_is_one() -> None:
    made = [[fact for session in sessions(3, one, 200) for fact in session.facts] for one in devices(3, 14)]
    again = [[fact for session in sessions(3, one, 200) for fact in session.facts] for one in devices(3, 14)]
    assert made == again
    assert len({fact.digest for one in made for fact in one}) == 14 * 200
