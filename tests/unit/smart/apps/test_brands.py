"""User-access brands: what is published, when it changes, and what discovery says of it.

Ids of requirements: of SMART App Launch 2.2.0.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.smart import pages
from tests.unit.smart.deciding import keep
from tests.unit.smart.world import BASE, World, world

from hilum.fhir.resource import instant
from hilum.interactions import granting
from hilum.interactions.delete import delete
from hilum.interactions.update import update
from hilum.problems import Busy
from hilum.smart.apps import brandrules, brands, composing
from hilum.smart.apps.brands import Shelf
from hilum.smart.smart import Smart

ORIGIN = "http://localhost:8080"


def endpoint(id: str = "e1", **other: Any) -> dict[str, Any]:
    """As the guide's examples; None leaves an element out."""
    given = {
        "resourceType": "Endpoint",
        "id": id,
        "meta": {"profile": [brandrules.ENDPOINT]},
        "extension": [{"url": brandrules.VERSION, "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "hl7-fhir-rest",
        },
        "contact": [{"system": "url", "value": "https://dev.example.org"}],
        "payloadType": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "code": "none"}]}
        ],
        "address": f"https://{id}.example.org/fhir",
    }
    return {name: value for name, value in (given | other).items() if value is not None}


def brand(id: str = "b1", *endpoints: str, **other: Any) -> dict[str, Any]:
    portal = [{"url": "portalName", "valueString": "My Lake"}]
    portal += [{"url": "portalEndpoint", "valueReference": {"reference": f"Endpoint/{one}"}} for one in endpoints]  # type: ignore[dict-item]
    given = {
        "resourceType": "Organization",
        "id": id,
        "meta": {"profile": [brandrules.BRAND]},
        "extension": [{"url": brandrules.PORTAL, "extension": portal}],
        "identifier": [{"system": composing.URI, "value": f"https://{id}.example.org"}],
        "active": True,
        "name": f"Brand {id}",
        "telecom": [{"system": "url", "value": f"https://www.{id}.example.org"}],
        "endpoint": [{"reference": f"Endpoint/{one}"} for one in endpoints],
    }
    return {name: value for name, value in (given | other).items() if value not in (None, [])}


@pytest.fixture
async def here() -> World:
    return await world()


async def bundle(here: World) -> dict[str, Any]:
    here.move(1.1)
    found = await here.browser.get("/brands")
    assert found.status == 200
    return dict(json.loads(found.text))


def ids(found: dict[str, Any]) -> list[str]:
    return [f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in found["entry"]]


async def discovered(here: World) -> dict[str, Any]:
    here.move(1.1)
    said = json.loads((await here.browser.get("/fhir/.well-known/smart-configuration")).text)
    return {name: value for name, value in said.items() if "brand" in name}


async def test_smart22_396_417_without_any_there_is_one_of_the_servers_name_and_address(here: World) -> None:
    found = await bundle(here)
    organization, endpoint = (one["resource"] for one in found["entry"])
    assert (organization["name"], organization["telecom"][0]["value"]) == ("Lake Clinic", ORIGIN)
    assert organization["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": ORIGIN}]
    assert organization["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}"}]
    assert endpoint["address"] == BASE
    assert [brandrules.of(one) for one in (organization, endpoint)] == [(), ()]
    assert [one["fullUrl"] for one in found["entry"]] == [
        f"{ORIGIN}/brands/Organization/this-server", f"{ORIGIN}/brands/Endpoint/this-server",
    ]  # fmt: skip
    assert await discovered(here) == {
        "user_access_brand_bundle": f"{ORIGIN}/brands",
        "user_access_brand_identifier": {"system": "urn:ietf:rfc:3986", "value": ORIGIN},
    }


async def test_the_bundle_is_as_its_profile_has_it(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    found = await bundle(here)
    assert found["resourceType"] == "Bundle"
    assert found["type"] == "collection"
    assert found["meta"] == {"lastUpdated": found["timestamp"], "profile": [brandrules.BUNDLE]}
    assert ids(found) == ["Organization/b1", "Endpoint/e1"]
    assert [one["fullUrl"] for one in found["entry"]] == [f"{BASE}/Organization/b1", f"{BASE}/Endpoint/e1"]


async def test_smart22_399_419_each_entry_tells_when_it_changed(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    for entry in (await bundle(here))["entry"]:
        one = entry["resource"]
        stored = await here.site.door.store.read(one["resourceType"], one["id"])
        assert stored is not None
        assert one == stored.body


async def test_smart22_397_407_a_hierarchy_with_what_belongs_to_it_and_nothing_else(here: World) -> None:
    for id in ("e1", "e2", "unnamed"):
        await keep(here, endpoint(id))
    await keep(here, endpoint("off", status="off"))
    await keep(here, endpoint("plain") | {"meta": {}})
    await keep(here, brand("root", "e1"))
    await keep(here, brand("child", "e2", partOf={"reference": "Organization/root"}))
    await keep(here, brand("closed", "e1", active=False))
    await keep(here, brand("plain", "e1") | {"meta": {}})
    assert ids(await bundle(here)) == ["Organization/root", "Organization/child", "Endpoint/e1", "Endpoint/e2"]


async def test_smart22_396_the_primary_brand_names_every_endpoint(here: World) -> None:
    await keep(here, endpoint("e1"))
    await keep(here, endpoint("e2"))
    await keep(here, brand("root", "e1"))
    await keep(here, brand("child", "e2", partOf={"reference": "Organization/root"}))
    found = await bundle(here)
    root, child = (one["resource"] for one in found["entry"][:2])
    assert [one["reference"] for one in root["endpoint"]] == ["Endpoint/e1", "Endpoint/e2"]
    assert root["meta"]["lastUpdated"] == found["timestamp"]
    assert child["partOf"] == {"reference": "Organization/root"}


async def test_smart22_398_418_the_timestamp_tells_the_last_change_deletions_too(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    assert (await bundle(here))["timestamp"] == await changed(here, "b1")
    await update(here.site.door, granting.server(), "Organization", "b1", brand("b1", "e1", name="Another"))
    assert (await bundle(here))["timestamp"] == await changed(here, "b1")
    await keep(here, brand("plain", "e1") | {"meta": {}})  # no brand: nothing changes
    assert (await bundle(here))["timestamp"] == await changed(here, "b1")
    await delete(here.site.door, granting.server(), "Organization", "b1")
    last = await bundle(here)
    assert ids(last) == ["Organization/this-server", "Endpoint/this-server"]
    assert last["timestamp"] == await changed(here, "b1")


async def changed(here: World, id: str) -> str:
    found = await here.site.door.store.read("Organization", id)
    assert found is not None
    return instant(found.last_updated)


async def test_another_name_of_the_server_is_another_edition(here: World) -> None:
    first = await bundle(here)
    site = replace(here.site, settings=replace(here.site.settings, organization="Sea Clinic"), brands=Shelf())
    here.browser.smart = Smart(site)
    assert (await bundle(here))["timestamp"] > first["timestamp"]


async def test_smart22_401_424_a_weak_etag_and_304(here: World) -> None:
    first = await here.browser.get("/brands")
    tag = first.answer.header(b"etag") or ""
    assert tag.startswith('W/"')
    for known in (tag, tag.removeprefix("W/"), f'W/"1", {tag}', "*"):
        again = await here.browser._ask("GET", "/brands", {"if-none-match": known}, b"", False)
        assert (again.status, again.answer.body, again.answer.header(b"etag")) == (304, b"", tag)
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    here.move(1.1)
    again = await here.browser._ask("GET", "/brands", {"if-none-match": tag}, b"", False)
    assert again.status == 200
    assert again.answer.header(b"etag") != tag


async def test_smart22_400_423_every_origin_may_read_it(here: World) -> None:
    found = await here.browser.get("/brands")
    assert found.answer.header(b"access-control-allow-origin") == "*"
    assert found.answer.header(b"content-type") == "application/fhir+json; charset=utf-8"


async def test_processes_publish_the_same_edition(here: World) -> None:
    first = await here.browser.get("/brands")
    here.move(60)
    other = pages.Browser(replace(here.site, brands=Shelf()))
    again = await other.get("/brands")
    assert (again.text, again.answer.header(b"etag")) == (first.text, first.answer.header(b"etag"))


async def test_it_is_looked_for_news_once_a_second(here: World) -> None:
    await here.browser.get("/brands")
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    assert "b1" not in (await here.browser.get("/brands")).text
    assert "Organization/b1" in ids(await bundle(here))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": None}, "Organization.name: a brand has a name."),
        ({"telecom": None}, "Organization.telecom: a brand has one website"),
        ({"telecom": [{"system": "phone", "value": "1"}]}, "Organization.telecom: a brand has one website"),
        ({"endpoint": None}, "Organization.extension[0].portalEndpoint: an endpoint of a portal"),
        ({"endpoint": [{"reference": "Endpoint/e1"}, {"reference": "Endpoint/e9"}]}, "Organization.endpoint: names no"),
        ({"endpoint": [{"reference": "Endpoint/e1"}, {"reference": "Endpoint/off"}]}, "Organization.endpoint: names"),
    ],
)
async def test_what_is_not_as_the_profile_has_it_is_not_published(here: World, wrong: dict[str, Any], why: str) -> None:
    await keep(here, endpoint())
    await keep(here, endpoint("off", status="off"))
    await keep(here, brand("good", "e1"))
    await keep(here, brand("bad", "e1", **wrong))
    assert ids(await bundle(here)) == ["Organization/good", "Endpoint/e1"]
    (found,) = (await brands.published(here.site)).compiled.unfit
    assert found[0]["id"] == "bad"
    assert any(str(one).startswith(why) for one in found[1])


async def test_smart22_409_412_432_the_identifier_is_one_brands_only(here: World) -> None:
    await keep(here, endpoint())
    shared = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}
    own = {"system": composing.URI, "value": "https://root.example.org"}
    await keep(here, brand("root", "e1", identifier=[shared, own]))
    await keep(here, brand("child", "e1", identifier=[shared], partOf={"reference": "Organization/root"}))
    assert (await discovered(here))["user_access_brand_identifier"] == own


async def test_one_brand_without_an_identifier_is_published_without(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1", identifier=None))
    assert await discovered(here) == {"user_access_brand_bundle": f"{ORIGIN}/brands"}


async def test_smart22_412_where_the_own_brand_can_not_be_told_discovery_says_nothing(here: World) -> None:
    await keep(here, endpoint())
    shared = {"system": "urn:x", "value": "shared"}
    for id in ("b1", "b2"):
        await keep(here, brand(id, "e1", identifier=[*brand(id)["identifier"], shared]))
    assert await discovered(here) == {}
    for setting, found in (
        (f"{composing.URI}|https://b2.example.org", {"system": composing.URI, "value": "https://b2.example.org"}),
        (f"{composing.URI}|https://b3.example.org", None),
        ("https://b2.example.org", None),
        ("urn:x|shared", None),
    ):
        site = replace(here.site, settings=replace(here.site.settings, brand=setting), brands=Shelf())
        here.browser.smart = Smart(site)
        assert (await discovered(here)).get("user_access_brand_identifier") == found
        assert ids(await bundle(here))[0] == ("Organization/b2" if found else "Organization/b1")


async def test_discovery_answers_while_the_store_does_not(here: World) -> None:
    class Away:
        async def history(self, *_: Any) -> None:
            raise Busy("away")

    door = replace(here.site.door, store=Away())  # type: ignore[arg-type]
    here.browser.smart = Smart(replace(here.site, door=door, brands=Shelf()))
    assert await discovered(here) == {}
    assert (await here.browser.get("/brands")).status == 503


@pytest.mark.parametrize(
    ("url", "origin"),
    [("https://www.childrenshospital.org/a", "https://childrenshospital.org"), (ORIGIN, ORIGIN)],
)
def test_smart22_395_422_the_recommended_identifier(url: str, origin: str) -> None:
    assert composing.web_origin(url) == origin
