"""User-access brands, published and managed. https://hl7.org/fhir/smart-app-launch/brands.html

A server of its own: what is published is one thing for all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import ORGANIZATION, Ground
from tests.conformance.smart.people import ADMIN, KIM
from tests.conformance.smart.visitor import Page, Visitor
from tests.journeys.server import FHIR_JSON, Server

URI = "urn:ietf:rfc:3986"
ORIGIN = "https://lake.example.org"
DETAILS = "http://hl7.org/fhir/StructureDefinition/organization-brand"
PORTAL = "http://hl7.org/fhir/StructureDefinition/organization-portal"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
BRAND = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/user-access-brand"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    flags = ("--trusted-proxies", "127.0.0.0/8", "--organization", ORGANIZATION)
    running = Server(tmp_path_factory.mktemp("brands"), *flags)
    made = Ground(running)
    made.fill()
    yield made
    running.stop()


@pytest.fixture(scope="module")
def admin(own: Ground) -> Visitor:
    visitor = own.visitor(ADMIN)
    assert visitor.sign_in("/admin/brand").status == 200
    return visitor


def bundle(own: Ground) -> dict[str, Any]:
    """What is published now: it is made anew once a second."""
    time.sleep(1.1)
    answer = httpx.get(f"{own.origin}/brands")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def resources(found: dict[str, Any], type: str) -> list[dict[str, Any]]:
    return [one["resource"] for one in found["entry"] if one["resource"]["resourceType"] == type]


def said(own: Ground) -> dict[str, Any]:
    time.sleep(1.1)
    return dict(httpx.get(f"{own.base}/.well-known/smart-configuration").json())


def sent(admin: Visitor, path: str, **values: str) -> Page:
    """The form of the page, sent with these values."""
    page = admin.get(path)
    (form,) = [one for one in page.forms if one.action.endswith(path)]
    fields = {name.replace("__", "-"): value for name, value in values.items()}
    pairs = [(name, value) for name, value in (*form.fields, *form.ticked) if name not in fields]
    return admin.post(form.action, [*pairs, *fields.items()])


def test_smart22_387_388_406_427_428_g10_API_DOC_3_a_brand_is_there_from_the_beginning(
    own: Ground, before: dict[str, Any]
) -> None:
    assert httpx.get(before["user_access_brand_bundle"]).json()["resourceType"] == "Bundle"
    assert before["user_access_brand_identifier"] == {"system": URI, "value": own.origin}
    (brand,) = resources(before["bundle"], "Organization")
    (endpoint,) = resources(before["bundle"], "Endpoint")
    assert brand["name"] == ORGANIZATION
    assert endpoint["address"] == own.base


def test_smart22_400_423_pages_of_any_origin_may_read_it(own: Ground) -> None:
    answer = httpx.get(f"{own.origin}/brands", headers={"origin": "https://finder.example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"
    again = {"origin": "https://finder.example.org", "if-none-match": answer.headers["etag"]}
    assert httpx.get(f"{own.origin}/brands", headers=again).headers["access-control-allow-origin"] == "*"


def test_smart22_401_424_a_weak_etag_saves_what_is_known(own: Ground) -> None:
    answer = httpx.get(f"{own.origin}/brands")
    assert answer.headers["etag"].startswith('W/"')
    again = httpx.get(f"{own.origin}/brands", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(f"{own.origin}/brands", headers={"if-none-match": 'W/"other"'})
    assert (other.status_code, other.content) == (200, answer.content)


@pytest.fixture(scope="module")
def before(own: Ground) -> dict[str, Any]:
    """Discovery, while nobody has written a brand; the bundle beside, as `bundle`."""
    return said(own) | {"bundle": bundle(own)}


EVERYTHING = {
    "name": "Lake Clinic",
    "alias": "Old Clinic\nThe Lake",
    "website": f"{ORIGIN}/start",
    "logo": f"{ORIGIN}/logo.svg",
    "license": f"{ORIGIN}/logo-license",
    "bundle": f"{ORIGIN}/more.json",
    "identifiers": f"{URI}|{ORIGIN}\nurn:example:customers|4711",
    "category": "prov",
    "address__0__line": "1 Shore Road",
    "address__0__city": "Lakeville",
    "address__0__state": "MA",
    "address__0__postalCode": "01000",
    "address__0__country": "US",
    "portal__0__name": "My Lake",
    "portal__0__url": f"{ORIGIN}/portal",
    "portal__0__description": "For patients",
    "portal__0__logo": f"{ORIGIN}/portal.svg",
    "portal__0__license": f"{ORIGIN}/portal-license",
    "portal__0__endpoint": "Endpoint/this-server",
}


@pytest.fixture(scope="module")
def lake(own: Ground, before: dict[str, Any], admin: Visitor) -> dict[str, Any]:
    """The bundle after an administrator has filled in the whole form."""
    done = sent(admin, "/admin/brand/organization/new", **EVERYTHING)
    assert done.status == 200, done.text
    assert "published" in done.text
    return bundle(own)


def test_smart22_402_436_every_must_support_element_of_a_brand_can_be_set(own: Ground, lake: dict[str, Any]) -> None:
    (brand,) = resources(lake, "Organization")
    (endpoint,) = resources(lake, "Endpoint")
    assert BRAND in brand["meta"]["profile"]
    assert {name: brand[name] for name in ("name", "alias", "telecom", "address", "active")} == {
        "name": "Lake Clinic",
        "alias": ["Old Clinic", "The Lake"],
        "telecom": [{"system": "url", "value": f"{ORIGIN}/start"}],
        "address": [
            {"line": ["1 Shore Road"], "city": "Lakeville", "state": "MA", "postalCode": "01000", "country": "US"}
        ],
        "active": True,
    }
    assert [coding["code"] for one in brand["type"] for coding in one["coding"]] == ["prov"]
    parts = {one["url"]: [(part["url"], *_value(part)) for part in one["extension"]] for one in brand["extension"]}
    assert parts[DETAILS] == [
        ("brandLogo", f"{ORIGIN}/logo.svg"),
        ("brandLogoLicense", f"{ORIGIN}/logo-license"),
        ("brandBundle", f"{ORIGIN}/more.json"),
    ]
    reference = f"Endpoint/{endpoint['id']}"
    assert parts[PORTAL] == [
        ("portalName", "My Lake"),
        ("portalUrl", f"{ORIGIN}/portal"),
        ("portalDescription", "For patients"),
        ("portalLogo", f"{ORIGIN}/portal.svg"),
        ("portalLogoLicense", f"{ORIGIN}/portal-license"),
        ("portalEndpoint", reference),
    ]
    assert endpoint["address"] == own.base


def _value(part: dict[str, Any]) -> list[Any]:
    return [value.get("reference") if isinstance(value, dict) else value
            for name, value in part.items() if name.startswith("value")]  # fmt: skip


@pytest.fixture(scope="module")
def branch(own: Ground, lake: dict[str, Any], admin: Visitor) -> dict[str, Any]:
    """An Endpoint that an administrator has added."""
    done = sent(
        admin, "/admin/brand/endpoint/new", name="R4 of the branch", address="https://branch.example.org/fhir",
        versions="4.0.1", sites="https://branch.example.org/developers", status="active",
    )  # fmt: skip
    assert done.status == 200, done.text
    with own.server.client() as fhir:
        found = [entry["resource"] for entry in fhir.get("Endpoint?_count=50").json()["entry"]]
    (one,) = [one for one in found if one.get("name") == "R4 of the branch"]
    return dict(one)


def test_smart22_402_436_every_must_support_element_of_an_endpoint_can_be_set(branch: dict[str, Any]) -> None:
    assert branch["address"] == "https://branch.example.org/fhir"
    assert branch["status"] == "active"
    assert branch["contact"] == [{"system": "url", "value": "https://branch.example.org/developers"}]
    assert branch["connectionType"]["code"] == "hl7-fhir-rest"
    assert [one["valueCode"] for one in branch["extension"]] == ["4.0.1"]
    assert branch["payloadType"][0]["coding"][0]["code"] == "none"


def test_smart22_403_421_identifiers_of_customers_are_kept(lake: dict[str, Any]) -> None:
    (brand,) = resources(lake, "Organization")
    assert [(one.get("system"), one["value"]) for one in brand["identifier"]] == [
        (URI, ORIGIN),
        ("urn:example:customers", "4711"),
    ]


@pytest.fixture(scope="module")
def child(own: Ground, lake: dict[str, Any], branch: dict[str, Any], admin: Visitor) -> str:
    """A brand that is a part of the first one, with an endpoint of its own; its id."""
    parent = resources(lake, "Organization")[0]["id"]
    done = sent(
        admin, "/admin/brand/organization/new", name="Branch", website="https://branch.example.org",
        identifiers=f"{URI}|https://branch.example.org", part_of=f"Organization/{parent}",
        endpoint=f"Endpoint/{branch['id']}", portal__0__name="", portal__0__endpoint="",
    )  # fmt: skip
    assert done.status == 200, done.text
    with own.server.client() as fhir:
        found = fhir.get("Organization", params={"_profile": BRAND, "name": "Branch"}).json()["entry"]
    return str(found[0]["resource"]["id"])


def test_smart22_396_397_417_the_primary_brand_names_each_endpoint_and_others_are_part_of_it(
    own: Ground, child: str
) -> None:
    found = bundle(own)
    brands = {one["id"]: one for one in resources(found, "Organization")}
    assert len(brands) == 2
    (primary,) = [one for id, one in brands.items() if id != child]
    assert brands[child]["partOf"] == {"reference": f"Organization/{primary['id']}"}
    named = {one["reference"] for one in primary["endpoint"]}
    assert named == {f"Endpoint/{one['id']}" for one in resources(found, "Endpoint")}
    assert len(named) == 2


def test_smart22_409_410_411_412_429_430_431_432_the_identifier_of_discovery_is_that_of_one_brand(
    own: Ground, child: str
) -> None:
    told = said(own)["user_access_brand_identifier"]
    assert told == {"system": URI, "value": ORIGIN}
    matching = [one["name"] for one in resources(bundle(own), "Organization") if told in _pairs(one)]
    assert matching == ["Lake Clinic"]


def _pairs(brand: dict[str, Any]) -> list[dict[str, str]]:
    return [{name: one[name] for name in ("system", "value") if name in one} for one in brand.get("identifier", [])]


def test_smart22_412_432_where_two_brands_have_the_identifier_it_is_not_told(
    own: Ground, admin: Visitor, child: str
) -> None:
    path = f"/admin/brand/organization/{child}"
    both = f"{URI}|{ORIGIN}\n{URI}|https://branch.example.org\nurn:example:customers|4711"
    assert sent(admin, path, identifiers=both, endpoint="", **_part_of(own, child)).status == 200
    told = said(own)
    matching = [one["name"] for one in resources(bundle(own), "Organization")
                if told.get("user_access_brand_identifier") in _pairs(one)]  # fmt: skip
    assert matching == []
    assert "user_access_brand_bundle" not in told, "a bundle of several brands is not named without the identifier"
    one = f"{URI}|https://branch.example.org"
    assert sent(admin, path, identifiers=one, endpoint="", **_part_of(own, child)).status == 200
    assert said(own)["user_access_brand_identifier"] == {"system": URI, "value": ORIGIN}


def _part_of(own: Ground, child: str) -> dict[str, str]:
    """The choice of a list that the form has: a browser sends it along."""
    with own.server.client() as fhir:
        return {"part_of": fhir.get(f"Organization/{child}").json()["partOf"]["reference"]}


def test_smart22_398_399_418_419_timestamps_say_when_it_changed(own: Ground, admin: Visitor, child: str) -> None:
    before = bundle(own)
    assert bundle(own) == before, "what did not change has no new time"
    assert sent(admin, f"/admin/brand/organization/{child}", alias="Twig", **_part_of(own, child)).status == 200
    after = bundle(own)
    assert after["timestamp"] > before["timestamp"]
    stamps = {one["name"]: one["meta"]["lastUpdated"] for one in resources(after, "Organization")}
    assert stamps["Branch"] == max(one["resource"]["meta"]["lastUpdated"] for one in after["entry"])
    assert all(one["resource"]["meta"]["lastUpdated"] <= after["timestamp"] for one in after["entry"])


def test_smart22_404_405_437_what_is_absent_is_so_for_one_of_two_reasons(
    own: Ground, admin: Visitor, child: str
) -> None:
    path, part_of = f"/admin/brand/organization/{child}", _part_of(own, child)
    for reason in ("asked-declined", "asked-unknown"):
        assert sent(admin, path, website="", website_absent=reason, **part_of).status == 200
        (brand,) = [one for one in resources(bundle(own), "Organization") if one["id"] == child]
        absent = brand["telecom"][0]["_value"]["extension"]
        assert absent == [{"url": ABSENT, "valueCode": reason}]
    before = bundle(own)
    refused = sent(admin, path, website="", website_absent="masked", **part_of)
    assert refused.status == 422
    assert bundle(own) == before
    with own.server.client() as fhir:
        body = fhir.get(f"Organization/{child}").json()
        body["telecom"][0]["_value"]["extension"][0]["valueCode"] = "unsupported"
        assert fhir.put(f"Organization/{child}", json=body, headers=FHIR_JSON).status_code == 200
    assert "unsupported" not in str(bundle(own)), "written by whatever way, it is not published"
    assert sent(admin, path, website="https://branch.example.org", website_absent="", **part_of).status == 200


def test_smart22_407_433_only_what_is_written_here_as_a_brand_is_published(own: Ground, child: str) -> None:
    found = bundle(own)
    assert {one["name"] for one in resources(found, "Organization")} == {"Lake Clinic", "Branch"}
    assert "Organization/lake" not in str(found), "an Organization of records is no brand"


def test_smart22_395_422_a_brand_is_recommended_its_origin_as_identifier(lake: dict[str, Any], admin: Visitor) -> None:
    page = admin.get("/admin/brand/organization/new")
    assert "urn:ietf:rfc:3986|https://" in page.text
    assert {"system": URI, "value": ORIGIN} in _pairs(resources(lake, "Organization")[0])


def test_smart22_402_nobody_else_manages_brands(own: Ground) -> None:
    other = own.visitor(KIM)
    other.sign_in("/my/apps")
    assert other.get("/admin/brand").status == 403
    assert httpx.get(f"{own.origin}/admin/brand").status_code == 303
