"""PhdDevice and PhgDevice: what a device says of itself, and what tells it from others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.phd.fhir.guide import EXAMPLES, needs_examples
from tests.unit.phd.fhir.making import CUFF, GATEWAY

from hilum.fhir import json as fhir_json
from hilum.phd.fhir import personal_health_device, personal_health_gateway
from hilum.phd.fhir.devices import query
from hilum.phd.reading import Device


def properties(body: dict[str, Any]) -> dict[str, list[str]]:
    return {
        one["type"]["coding"][0]["code"]: [each["coding"][0]["code"] for each in one["valueCode"]]
        for one in body["property"]
        if "valueCode" in one
    }


@needs_examples
def test_a_cuff_is_the_one_of_the_guide() -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items() if name not in ("text", "id")}
        return [plain(one) for one in value] if isinstance(value, list) else value

    example = plain(fhir_json.parse((EXAMPLES / "phd-711000FEFF5F49B0.B0495F001071.json").read_bytes()))
    ours = plain(personal_health_device(CUFF))
    for body in (example, ours):
        body["version"].sort(key=str)
    assert ours == example


def test_a_device_that_says_nothing_says_so() -> None:
    body = personal_health_device(Device())
    assert body["identifier"][0]["value"] == "00-00-00-00-00-00-00-00"
    assert body["_manufacturer"]["extension"][0]["valueCode"] == "unknown"
    assert body["specialization"][0]["systemType"]["coding"][0]["code"] == "528457"
    assert properties(body) == {"68220": ["532224"]}


@pytest.mark.parametrize(("regulated", "code"), [(True, "N"), (False, "Y")])
def test_a_regulated_device_has_the_bit_cleared(regulated: bool, code: str) -> None:
    assert properties(personal_health_device(Device(regulated=regulated)))["532354.0"] == [code]


def test_a_gateway_says_how_it_knows_the_time() -> None:
    body = personal_health_gateway(GATEWAY)
    assert body["type"]["coding"][0]["code"] == "531981"
    assert properties(body) == {"68220": ["532226"]}
    assert [one["type"]["coding"][0]["code"] for one in body["identifier"]] == ["SYSID", "ETHMAC"]
    assert body["version"][0]["value"] == "1.0"


def test_texts_are_without_what_they_were_padded_with() -> None:
    body = personal_health_device(Device(manufacturer="Maker\0\0", model=" 5 ", name="Meter\x00"))
    assert (body["manufacturer"], body["modelNumber"], body["deviceName"][0]["name"]) == ("Maker", "5", "Meter")


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (CUFF, "urn%3Aoid%3A1.2.840.10004.1.1.1.0.0.1.0.0.1.2680%7C71-10-00-FE-FF-5F-49-B0"),
        (
            Device(transport="bluetooth", address="F45EABA80832"),
            "http%3A%2F%2Fhl7.org%2Ffhir%2Fsid%2Feui-48%2Fbluetooth%7CF4-5E-AB-A8-08-32",
        ),
        (Device(manufacturer="A,B", model="C|D", serial="E$"), "%7CA%5C%2CB%2FC%5C%7CD%2FE%5C%24"),
    ],
)
def test_it_is_created_by_what_tells_it_from_others(device: Device, expected: str) -> None:
    assert query(device) == f"identifier={expected}"
    last = personal_health_device(device)["identifier"][-1]
    assert last["value"] in ("B0-49-5F-00-10-71", "F4-5E-AB-A8-08-32", "A,B/C|D/E$")
