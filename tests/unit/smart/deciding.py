"""A world with the real pages of a flow, people's records in it, and what a person does on the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from tests.unit.smart import pages
from tests.unit.smart.pages import Page
from tests.unit.smart.world import World, world

from hilum.interactions import granting
from hilum.interactions.build import put
from hilum.interactions.permit import permits
from hilum.smart.smart import STEPS, Smart


async def deciding() -> World:
    """Kim Doe is a practitioner, pat.one a patient with one record, pat.two one with two."""
    here = await world()
    here.site = replace(here.site, steps=STEPS)
    here.browser.site = here.site
    here.browser.smart = Smart(here.site)
    for body in RECORDS:
        await keep(here, body)
    await pages.user(here.site, "pat.one", roles=["patient"], fhir_user="Patient/p1", patients=("p1",))
    await pages.user(here.site, "pat.two", roles=["patient"], patients=("p1", "p2"))
    await pages.user(here.site, "pat.none", roles=["patient"])
    return here


async def keep(here: World, body: dict[str, Any]) -> None:
    who = granting.server()
    type = body["resourceType"]
    await put(here.site.door, who, permits(who, type, "c"), "create", "PUT", type, body["id"], body, None)


def _patient(id: str, family: str, given: str, born: str) -> dict[str, Any]:
    name = [{"use": "old", "text": "No More"}, {"use": "official", "family": family, "given": [given]}]
    number = [{"system": "urn:mrn", "value": f"M-{id}"}]
    return {"resourceType": "Patient", "id": id, "name": name, "birthDate": born, "identifier": number}


def _visit(id: str, patient: str, day: str) -> dict[str, Any]:
    return {"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{patient}"}, "period": {"start": day}}  # fmt: skip


RECORDS = [
    _patient("p1", "Stone", "Ada", "1980-12-31"),
    _patient("p2", "Stone", "Ben <b>", "2010-01-02"),
    _patient("p3", "Hill", "Cyn", "1955-05-05"),
    _visit("e1", "p1", "2026-01-01"),
    _visit("e2", "p1", "2026-02-01"),
    _visit("e3", "p3", "2026-03-01"),
]


class _Boxes(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") in ("checkbox", "radio"):
            self.found.append((given["name"] or "", given.get("value") or "", "checked" in given))


def boxes(page: Page) -> list[tuple[str, str, bool]]:
    """Check boxes and radio buttons: name, value, whether it is ticked."""
    read = _Boxes()
    read.feed(page.text)
    return read.found


def ticked(page: Page) -> list[str]:
    return [value for name, value, checked in boxes(page) if checked]


async def begin(here: World, user: str, **other: str | None) -> Page:
    """The page after sign-in."""
    page = await here.authorize(**other)
    form = page.form(f"{page.path}/sign-in")
    sent = await here.browser.send(form, username=user, password=pages.PASSWORD, follow=False)
    assert sent.status == 303, sent.text
    return await here.look(sent.answer.header(b"location") or "")


async def send(here: World, page: Page, step: str, **values: str | Iterable[str]) -> Page:
    """Send the form of a step, and look where it leads."""
    path = "/".join(page.path.split("/")[:4])
    form = page.form(f"{path}/{step}")
    named = [(name, one) for name, value in values.items() for one in ([value] if isinstance(value, str) else value)]
    body = urlencode([("csrf", form.fields["csrf"]), *named]).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": pages.ORIGIN}
    found = await here.browser._ask("POST", f"{path}/{step}", headers, body, False)
    location = found.answer.header(b"location") or ""
    return await here.look(location) if found.status == 303 and location.startswith("/") else found
