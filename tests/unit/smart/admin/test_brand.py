"""The page on which an organization says what people know it by. Ids of requirements: of SMART App Launch 2.2.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.unit.smart import pages
from tests.unit.smart.administering import administering, signed_in
from tests.unit.smart.apps.test_brands import brand, endpoint
from tests.unit.smart.deciding import keep
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import BASE, World

from hilum.smart.admin.brand import HERE
from hilum.smart.apps import brandrules, brands
from hilum.smart.apps.brandrules import ABSENT, CATEGORY
from hilum.smart.people import users

NEW = "/admin/brand/organization/new"
Fields = dict[str, list[str]]


class _Form(HTMLParser):
    """What a browser sends of a form that nobody changed: the last one of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: Fields = {}
        self._text = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.fields = {}
        elif tag == "input" and name:
            ticked = given.get("type") not in ("checkbox", "radio") or "checked" in given
            self.fields.setdefault(name, []).extend([given.get("value", "")] if ticked else [])
        elif tag == "textarea":
            self._text = name
            self.fields[name] = [""]
        elif tag == "select":
            self._select = name
            self.fields[name] = []
        elif tag == "option" and ("selected" in given or not self.fields[self._select]):
            self.fields[self._select] = [given.get("value", "active")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._text] = [data]


def fields(page: Page) -> Fields:
    read = _Form()
    read.feed(page.text)
    return read.fields


async def send(browser: Browser, page: Page, **changes: str | Sequence[str]) -> Page:
    """Send the form with these changes; names with `-` are written with `__`."""
    given = fields(page) | {
        name.replace("__", "-"): [value] if isinstance(value, str) else list(value) for name, value in changes.items()
    }
    body = urlencode([(name, one) for name, values in given.items() for one in values]).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": pages.ORIGIN}
    found: Page = await browser._ask("POST", page.path, headers, body, True)
    return found


@pytest.fixture
async def here() -> World:
    return await administering()


async def published(here: World) -> list[dict[str, Any]]:
    here.move(1.1)
    return [one["resource"] for one in json.loads((await here.browser.get("/brands")).text)["entry"]]


async def stored(here: World, type: str) -> list[dict[str, Any]]:
    return [one.body for one in await brands.stored(here.site, type)]


async def test_the_first_brand_begins_with_what_is_published_and_brings_its_endpoint(here: World) -> None:
    browser = await signed_in(here)
    page = await browser.get("/admin/brand")
    assert "You have not written a brand yet." in page.text
    page = await browser.get(NEW)
    assert (fields(page)["name"], fields(page)["portal-0-endpoint"]) == (["Lake Clinic"], [HERE])
    page = await send(browser, page)
    assert page.path == "/admin/brand?done=kept"
    (organization,), (one,) = await stored(here, "Organization"), await stored(here, "Endpoint")
    assert one["address"] == BASE
    assert organization["endpoint"] == [{"reference": f"Endpoint/{one['id']}"}]
    assert await published(here) == [organization, one]
    assert organization["id"] != "this-server"


FULL: dict[str, Any] = {
    "name": "Lake General",
    "alias": "Lake Hospital\nOld Lake",
    "website": "https://lake.example.org",
    "logo": "https://lake.example.org/logo.svg",
    "license": "https://lake.example.org/logo-terms",
    "bundle": "https://lake.example.org/brands.json",
    "identifiers": "urn:ietf:rfc:3986|https://lake.example.org\nhttp://hl7.org/fhir/sid/us-npi|1234567893",
    "category": ["prov", "laboratory"],
    "address__0__line": "1 Shore Road",
    "address__0__city": "Lakeside",
    "address__0__state": "WI",
    "address__0__postalCode": "53703",
    "address__0__country": "US",
    "portal__0__name": "My Lake",
    "portal__0__url": "https://my.lake.example.org",
    "portal__0__description": "For patients of the hospital.",
    "portal__0__logo": "https://my.lake.example.org/logo.png",
    "portal__0__license": "https://my.lake.example.org/terms",
}


async def test_smart22_402_403_421_436_every_element_that_the_profiles_mark_can_be_set(here: World) -> None:
    browser = await signed_in(here)
    await send(browser, await browser.get(NEW), **FULL)
    found, one = await published(here)
    reference = {"reference": f"Endpoint/{one['id']}"}
    assert {name: value for name, value in found.items() if name not in ("id", "meta")} == {
        "resourceType": "Organization",
        "extension": [
            {
                "url": brandrules.DETAILS,
                "extension": [
                    {"url": "brandLogo", "valueUrl": FULL["logo"]},
                    {"url": "brandLogoLicense", "valueUrl": FULL["license"]},
                    {"url": "brandBundle", "valueUrl": FULL["bundle"]},
                ],
            },
            {
                "url": brandrules.PORTAL,
                "extension": [
                    {"url": "portalName", "valueString": "My Lake"},
                    {"url": "portalUrl", "valueUrl": "https://my.lake.example.org"},
                    {"url": "portalDescription", "valueMarkdown": "For patients of the hospital."},
                    {"url": "portalLogo", "valueUrl": "https://my.lake.example.org/logo.png"},
                    {"url": "portalLogoLicense", "valueUrl": "https://my.lake.example.org/terms"},
                    {"url": "portalEndpoint", "valueReference": reference},
                ],
            },
        ],
        "identifier": [
            {"system": "urn:ietf:rfc:3986", "value": "https://lake.example.org"},
            {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"},
        ],
        "active": True,
        "type": [
            {"coding": [{"system": CATEGORY, "code": "prov", "display": "Healthcare Provider"}]},
            {"coding": [{"system": CATEGORY, "code": "laboratory", "display": "Laboratory"}]},
        ],
        "name": "Lake General",
        "alias": ["Lake Hospital", "Old Lake"],
        "telecom": [{"system": "url", "value": "https://lake.example.org"}],
        "address": [
            {"line": ["1 Shore Road"], "city": "Lakeside", "state": "WI", "postalCode": "53703", "country": "US"}
        ],
        "endpoint": [reference],
    }
    page = await browser.get(f"/admin/brand/endpoint/{one['id']}")
    await send(browser, page, name="FHIR of Lake", sites="https://dev.lake.example.org", versions="4.0.1\n4.3.0")
    one = (await published(here))[1]
    assert one["name"] == "FHIR of Lake"
    assert one["contact"] == [{"system": "url", "value": "https://dev.lake.example.org"}]
    assert [each["valueCode"] for each in one["extension"]] == ["4.0.1", "4.3.0"]
    assert (one["status"], one["address"]) == ("active", BASE)


async def test_a_form_that_nobody_changed_changes_nothing(here: World) -> None:
    browser = await signed_in(here)
    await send(browser, await browser.get(NEW), **FULL)
    for type in ("Organization", "Endpoint"):
        (before,) = await stored(here, type)
        page = await browser.get(f"/admin/brand/{type.lower()}/{before['id']}")
        assert (await send(browser, page)).path == "/admin/brand?done=kept"
        assert await stored(here, type) == [before]


async def test_what_the_form_has_no_field_for_stays(here: World) -> None:
    more = {
        "language": "en",
        "type": [{"text": "a clinic"}],
        "contact": [{"name": {"text": "Help"}}],
        "identifier": [{"use": "official", "system": "urn:x", "value": "1", "period": {"start": "2020"}}],
        "address": [{"use": "work", "line": ["1 Road", "Floor 2"], "city": "A"}],
    }
    extensions = [
        {"url": brandrules.DETAILS, "extension": [{"url": "more", "valueString": "x"}]},
        {
            "url": brandrules.PORTAL,
            "extension": [{"url": "portalName", "valueString": "P"}, {"url": "more", "valueCode": "x"}],
        },
        {"url": "https://lake.example.org/other", "valueString": "x"},
    ]
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1", **more, extension=extensions))
    browser = await signed_in(here)
    page = await browser.get("/admin/brand/organization/b1")
    await send(browser, page, name="Other", address__0__city="B")
    (found,) = await stored(here, "Organization")
    assert found["extension"] == extensions
    assert found["name"] == "Other"
    assert {name: found[name] for name in more} == more | {"address": [more["address"][0] | {"city": "B"}]}  # type: ignore[operator]


async def test_a_second_place_and_portal_and_taking_the_first_away(here: World) -> None:
    browser = await signed_in(here)
    await send(browser, await browser.get(NEW), **FULL)
    (first,) = await stored(here, "Organization")
    path = f"/admin/brand/organization/{first['id']}"
    await send(browser, await browser.get(path), address__1__postalCode="02139", portal__1__name="Children")
    page = await browser.get(path)
    blank = {f"address__0__{name}": "" for name in ("line", "city", "state", "postalCode", "country")}
    assert fields(page)["address-1-postalCode"] == ["02139"]
    assert fields(page)["portal-1-name"] == ["Children"]
    gone = {f"portal__0__{name}": "" for name in ("name", "url", "description", "logo", "license")}
    await send(browser, page, **blank, **gone, portal__0__endpoint=[])
    (found,) = await stored(here, "Organization")
    assert found["address"] == [{"postalCode": "02139"}]
    portals = [one for one in found["extension"] if one["url"] == brandrules.PORTAL]
    assert portals == [{"url": brandrules.PORTAL, "extension": [{"url": "portalName", "valueString": "Children"}]}]


async def test_smart22_404_405_what_is_required_is_given_or_absent_for_one_of_two_reasons(here: World) -> None:
    browser = await signed_in(here)
    page = await browser.get(NEW)
    refused = await send(browser, page, website="")
    assert refused.status == 422
    assert "Website: a brand has one website" in refused.text
    refused = await send(browser, page, website="", website_absent="masked")
    assert refused.status == 422
    done = await send(
        browser, page, website="", website_absent="asked-declined",
        portal__0__url="", portal__0__url_absent="asked-unknown",
    )  # fmt: skip
    assert done.path == "/admin/brand?done=kept"
    found = (await published(here))[0]
    assert found["telecom"] == [
        {"system": "url", "_value": {"extension": [{"url": ABSENT, "valueCode": "asked-declined"}]}}
    ]
    page = await browser.get(f"/admin/brand/organization/{found['id']}")
    assert fields(page)["website_absent"] == ["asked-declined"]
    assert fields(page)["portal-0-url_absent"] == ["asked-unknown"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "Name: a brand has a name."),
        ("website", "http://lake.example.org", "Website: the website must be an https URL"),
        ("logo", "ftp://lake.example.org/l.svg", "Logo: must be an https URL or data:image/."),
        ("portal__0__url", "lake", "Portal: website: must be an https URL."),
        ("identifiers", "urn:x|", "Identifiers: an identifier has a value."),
    ],
)
async def test_what_can_not_be_is_named_by_its_field_and_nothing_is_written(
    here: World, field: str, value: str, says: str
) -> None:
    browser = await signed_in(here)
    page = await send(browser, await browser.get(NEW), **{**FULL, field: value})
    assert page.status == 422
    assert says in page.text
    assert fields(page)["alias"] == [FULL["alias"]]
    assert await stored(here, "Organization") == await stored(here, "Endpoint") == []


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("address", "lake", "Address: must be the https URL of a FHIR base."),
        ("sites", "", "Website for developers: needs the https URL"),
        ("versions", "R4", "FHIR versions: an endpoint tells its FHIR version"),
    ],
)
async def test_what_is_wrong_with_an_endpoint_is_named(here: World, field: str, value: str, says: str) -> None:
    browser = await signed_in(here)
    page = await browser.get("/admin/brand/endpoint/new")
    given = {"name": "E", "address": "https://e.example.org/fhir", "sites": "https://dev.example.org"}
    page = await send(browser, page, **(given | {field: value}))
    assert (page.status, says in page.text) == (422, True)
    assert await stored(here, "Endpoint") == []


async def test_a_form_of_before_another_change_is_refused(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    browser = await signed_in(here)
    page = await browser.get("/admin/brand/organization/b1")
    await send(browser, page, name="One")
    refused = await send(browser, page, name="Two")
    assert refused.status == 422
    assert "changed by somebody else meanwhile" in refused.text
    assert (await stored(here, "Organization"))[0]["name"] == "One"


async def test_a_form_sent_twice_makes_one_endpoint(here: World) -> None:
    browser = await signed_in(here)
    page = await browser.get(NEW)
    await send(browser, page)
    await send(browser, page)
    assert len(await stored(here, "Endpoint")) == 1


async def test_the_page_tells_what_is_not_published_and_why(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    await keep(here, brand("b2", "e1", telecom=None))
    browser = await signed_in(here)
    text = (await browser.get("/admin/brand")).text
    assert "<b>Brand b2</b> is not published." in text
    assert "<li>Website: a brand has one website" in text
    assert "which one is this server" not in text
    await keep(here, brand("b3", "e1"))
    assert "which one is this server" in (await browser.get("/admin/brand")).text


async def test_another_brand_is_part_of_the_first_unless_one_says_so(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    browser = await signed_in(here)
    page = await browser.get(NEW)
    assert fields(page)["part_of"] == ["Organization/b1"]
    await send(browser, page, name="Clinic", website="https://clinic.example.org")
    first, second = (await published(here))[:2]
    assert (first["id"], second["partOf"]) == ("b1", {"reference": "Organization/b1"})


async def test_a_brand_that_is_not_to_be_published(here: World) -> None:
    await keep(here, endpoint())
    await keep(here, brand("b1", "e1"))
    browser = await signed_in(here)
    page = await send(browser, await browser.get("/admin/brand/organization/b1"), active=[])
    assert page.path == "/admin/brand?done=hidden"
    assert (await published(here))[0]["id"] == "this-server"


async def test_it_is_written_as_the_administrator(here: World) -> None:
    browser = await signed_in(here)
    await send(browser, await browser.get(NEW))
    ann = await users.find(here.site.ledger, "ann")
    assert ann is not None
    rows = (await here.site.door.store.writes_audited(1 << 62, 0, 2))[:2]
    assert [(row.agent, row.client, row.interaction) for row in rows] == [(ann.id, "hilum", "create")] * 2


@pytest.mark.parametrize("path", ["/admin/brand", NEW, "/admin/brand/endpoint/new"])
async def test_it_is_for_administrators_of_brands_only(here: World, path: str) -> None:
    for name in ("kim.doe", "olga", "hal"):
        assert (await (await signed_in(here, name)).get(path)).status == 403
    assert (await here.browser.get(path)).path == f"/auth/sign-in?next={path}"


async def test_other_organizations_are_no_brands(here: World) -> None:
    await keep(here, {"resourceType": "Organization", "id": "plain", "name": "A"})
    browser = await signed_in(here)
    for id in ("plain", "nothing"):
        assert (await browser.get(f"/admin/brand/organization/{id}")).status == 404
    assert (await browser.get("/admin/brand/endpoint/nothing")).status == 404
