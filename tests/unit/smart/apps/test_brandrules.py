"""The rules of the profiles of brands and their endpoints. Ids of requirements: of SMART App Launch 2.2.0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.shared_data import DATA
from tests.unit.smart.apps.test_brands import brand, endpoint

from hilum.smart.apps import brandrules
from hilum.smart.apps.brandrules import ABSENT

GUIDE = DATA.parent / "spec" / "smart-app-launch" / "resources"


def absent(reason: str) -> dict[str, Any]:
    return {"extension": [{"url": ABSENT, "valueCode": reason}]}


def details(*members: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"url": brandrules.DETAILS, "extension": [{"url": name, "valueUrl": url} for name, url in members]}]


def portal(*members: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"url": brandrules.PORTAL, "extension": list(members)}]


@pytest.mark.skipif(not GUIDE.is_dir(), reason="../shared/spec is missing")
@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_examples_of_the_guide_hold(number: int) -> None:
    bundle = json.loads((GUIDE / f"Bundle-example{number}.json").read_text())
    assert [brandrules.of(entry["resource"]) for entry in bundle["entry"]] == [()] * len(bundle["entry"])


@pytest.mark.parametrize("reason", ["asked-declined", "asked-unknown"])
def test_smart22_404_437_what_is_required_may_be_absent_for_two_reasons(reason: str) -> None:
    body = brand(
        telecom=[{"system": "url", "_value": absent(reason)}],
        extension=portal(
            {"url": "portalName", "_valueString": absent(reason)}, {"url": "portalUrl", "_valueUrl": absent(reason)}
        ),
    )
    assert brandrules.of(body) == ()


WRONG: list[tuple[dict[str, Any], str]] = [
    (brand(telecom=[{"system": "url", "_value": absent("unknown")}]), "Organization.telecom[0]._value.extension[0]"),
    (brand(extension=portal({"url": "portalUrl", "_valueUrl": absent("masked")})), "Organization.extension[0]"),
    (brand(_name=absent("not-asked")), "Organization._name.extension[0]"),
    (brand(name=None), "Organization.name"),
    (brand(telecom=[]), "Organization.telecom"),
    (brand(telecom=[{"system": "url", "value": "https://a.example"}] * 2), "Organization.telecom"),
    (brand(telecom=[{"system": "url", "value": "http://a.example"}]), "Organization.telecom.value"),
    (brand(telecom=[{"system": "url", "value": "a.example"}]), "Organization.telecom.value"),
    (brand(identifier=[{"system": "urn:x"}]), "Organization.identifier[0].value"),
    (brand(type=[{"coding": [{"system": brandrules.CATEGORY, "code": "dept"}]}]), "Organization.type[0]"),
    (brand(endpoint=[{"reference": "https://a.example/Endpoint/1"}]), "Organization.endpoint[0]"),
    (brand(endpoint=[{"reference": "Organization/1"}]), "Organization.endpoint[0]"),
    (brand(extension=details(("brandLogo", "http://a.example/logo.svg"))), "Organization.extension[0].brandLogo"),
    (
        brand(
            extension=details(("brandLogoLicense", "data:image/png;base64,")),
        ),
        "Organization.extension[0].brandLogoLic",
    ),
    (brand(extension=portal(*[{"url": "portalName", "valueString": "x"}] * 2)), "Organization.extension[0].portalName"),
    (brand(extension=portal({"url": "portalUrl", "valueUrl": "javascript:1"})), "Organization.extension[0].portalUrl"),
    (brand(extension=portal({"url": "portalName"})), "Organization.extension[0].portalName"),
    (
        brand(extension=portal({"url": "portalEndpoint", "valueReference": {"reference": "Endpoint/e2"}})),
        "Organization.extension[0].portalEndpoint",
    ),
    (endpoint(extension=None), "Endpoint.extension(endpoint-fhir-version)"),
    (endpoint(extension=[{"url": brandrules.VERSION, "valueCode": "R4"}]), "Endpoint.extension(endpoint-fhir-version)"),
    (endpoint(connectionType={"code": "hl7-fhir-rest"}), "Endpoint.connectionType"),
    (endpoint(contact=None), "Endpoint.contact"),
    (endpoint(contact=[{"system": "url", "value": "http://dev.example.org"}]), "Endpoint.contact"),
    (endpoint(contact=[{"system": "email", "value": "a@b"}]), "Endpoint.contact"),
    (endpoint(payloadType=endpoint()["payloadType"] * 2), "Endpoint.payloadType"),
    (endpoint(payloadType=[{"text": "any"}]), "Endpoint.payloadType"),
    (endpoint(address="ftp://a.example"), "Endpoint.address"),
    (endpoint(address="https://user@a.example/fhir"), "Endpoint.address"),
]


@pytest.mark.parametrize(("body", "path"), WRONG)
def test_smart22_405_what_can_not_be_is_named(body: dict[str, Any], path: str) -> None:
    assert any(one.path.startswith(path) for one in brandrules.of(body)), brandrules.of(body)


def test_what_is_right_is_right() -> None:
    logo = details(("brandLogo", "data:image/svg+xml;utf8,<svg/>"), ("brandLogo", "https://a.example/l.png"))
    kind = [{"coding": [{"system": brandrules.CATEGORY, "code": "prov"}]}, {"text": "a clinic"}]
    assert brandrules.of(brand("b1", "e1", type=kind) | {"extension": logo}) == ()
    assert brandrules.of(endpoint(address="http://127.0.0.1:8080/fhir")) == ()
    assert brandrules.of(endpoint(address="http://[::1]:8080/fhir")) == ()
