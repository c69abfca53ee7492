"""The pages of devices: who sees which, forms, and what they say when something can't be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from tests.unit.devices.enrolled import ADMIN, AMY, DOCTOR, NOW, OWNER, World, holder, world

from hilum.access.policy import Principal
from hilum.devices.contacts import Contacts, Seen
from hilum.devices.inviting import Invited
from hilum.devices.pages.desk import Desk
from hilum.devices.pages.pages import pages, serves
from hilum.devices.waiting import Waiting
from hilum.interactions.update import update
from hilum.problems import Forbidden
from hilum.web.message import Answer, Asked, see_other
from hilum.web.pages import Pages

BEN = holder("patient/*.rs", "ben", agent="ben")
PEOPLE = {"admin": ADMIN, "doctor": DOCTOR, "amy": AMY, "ben": BEN}


class SignedIn(NamedTuple):
    who: Principal
    nav: tuple[()] = ()

    @staticmethod
    def csrf(path: str) -> str:
        return path


class People:
    """Signed in is who the browser says, and forms hold the path."""

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        who = PEOPLE.get(asked.header(b"x-signed-in"))
        if who is None:
            return see_other("/auth/sign-in")
        if asked.method == "POST" and asked.form.get("csrf") != asked.path:
            raise Forbidden("This form was not sent from its own page.")
        return SignedIn(who)

    async def called(self, agent: str) -> str:
        return agent


@dataclass
class Here:
    world: World
    pages: Pages

    async def ask(self, path: str, name: str = "doctor", form: Mapping[str, str] | None = None) -> Answer:
        raw = urlencode(form or {}).encode()
        place, _, query = path.partition("?")
        headers = {
            b"x-signed-in": name.encode(), b"content-type": b"application/x-www-form-urlencoded",
            b"content-length": b"%d" % len(raw),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        method = "GET" if form is None else "POST"
        answer, _ = await self.pages.respond(method, place.encode(), query.encode(), headers, receive, "198.51.100.1")
        return answer

    async def send(self, what: str, by: str = "doctor", **fields: str) -> Answer:
        path = f"/devices/{what}"
        return await self.ask(path, by, {"csrf": path, **fields})


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with world(tmp_path) as found:
        desk = Desk(found.registry, People(), found.door, "Lakeside", "sandbox", clock=lambda: NOW + 7200)
        yield Here(found, pages(desk))


async def test_the_page_shows_what_is_held_devices_links_and_agents(here: Here) -> None:
    await here.world.enrol(Invited("Home box", ("ben",)))
    contacts = Contacts(here.world.registry.ledger)
    contacts.device(Seen("s", "AA-BB", NOW, "agent", "Meter", battery=7))
    await contacts.flush()
    await here.world.registry.link(OWNER, "AA-BB", "amy", "1")
    here.world.waits.some = [Waiting("r", "agent", NOW, "Nobody has said whose.", 3)]
    text = (await here.ask("/devices")).body.decode()
    for said in ("Held (1)", "Home box", "Nobody has said whose.", "Meter", "user 1", "Amy", "Ben", "2 hours ago",
                 "2027-01-15 08:00 UTC", "battery 7 %"):  # fmt: skip
        assert said in text, said
    assert "Invite an agent" not in text
    assert "Invite an agent" in (await here.ask("/devices", "admin")).body.decode()


async def test_forms_link_revoke_restore_and_unlink(here: Here) -> None:
    made = await here.send("link", device="s|AA-BB", patient="amy")
    assert (made.status, made.header(b"location")) == (303, "/devices#devices")
    registry = here.world.registry
    assert [one.patient for one in (await registry.device(OWNER, "AA-BB")).device.links] == ["amy"]
    await here.send("revoke", device="AA-BB")
    assert (await registry.device(OWNER, "AA-BB")).device.revoked
    await here.send("restore", device="AA-BB")
    await here.send("unlink", device="AA-BB")
    found = (await registry.device(OWNER, "AA-BB")).device
    assert (found.links, found.revoked) == ((), False)
    assert (await here.send("release")).header(b"location") == "/devices#held"


async def test_an_invitation_is_shown_once_and_an_agent_revoked_by_administrators(here: Here) -> None:
    answer = await here.send("invite", "admin", patients="amy", default="1", name="Home")
    text = answer.body.decode()
    assert "hilum agent enroll https://hilum.test --token hit_" in text
    assert (await here.send("invite", "doctor")).status == 403
    id = await here.world.enrol(Invited())
    assert (await here.send("agents/revoke", "doctor", agent=id)).status == 403
    assert (await here.send("agents/revoke", "admin", agent=id)).status == 303
    assert (await here.world.registry.agent(OWNER, id)).ended


WRONG = {
    "no such patient": ("link", {"device": "s|d", "patient": "nobody"}),
    "no such device": ("revoke", {"device": "d"}),
    "no user": ("link", {"device": "s|d", "patient": "amy", "person": "300"}),
    "default of none": ("invite", {"default": "1"}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_can_not_be_is_told_on_the_page(here: Here, what: str) -> None:
    path, form = WRONG[what]
    answer = await here.send(path, "admin", **form)
    assert answer.status == 400
    assert 'role="alert"' in answer.body.decode()


async def test_a_form_of_another_page_does_nothing(here: Here) -> None:
    answer = await here.ask("/devices/link", form={"csrf": "/devices/revoke", "device": "s|d", "patient": "amy"})
    assert answer.status == 403
    assert await here.world.registry.devices(OWNER) == []


async def reading(here: Here, id: str, patient: str, value: str, **more: Any) -> None:
    body = {
        "resourceType": "Observation", "id": id, "status": "final", "code": {"text": "Glucose"},
        "subject": {"reference": f"Patient/{patient}"}, "device": {"display": "meter"},
        "effectiveDateTime": "2026-11-20T08:00:00Z", "valueQuantity": {"value": Decimal(value), "unit": "mmol/L"},
    }  # fmt: skip
    await update(here.world.door, OWNER, "Observation", id, body | more)


async def test_a_patients_page_shows_the_own_readings_as_a_chart_and_a_table(here: Here) -> None:
    await reading(here, "a", "amy", "18.9")
    await reading(here, "e", "amy", "7.77", status="preliminary", effectiveDateTime="2026-11-21T08:00:00Z")
    await reading(here, "b", "ben", "5.25")
    await here.world.registry.link(OWNER, "s|AA-BB", "amy")
    for name in ("doctor", "amy"):
        answer = await here.ask("/devices/patients/amy", name)
        text = answer.body.decode()
        assert answer.status == 200
        for said in ("18.9", "mmol/L", "<svg", "<polyline", "early estimate", "AA-BB", "never"):
            assert said in text, said
        assert "5.25" not in text
    earlier = (await here.ask("/devices/patients/amy?before=2026-11-21T08:00:00Z")).body.decode()
    assert "18.9" in earlier
    assert "7.77" not in earlier
    assert (await here.ask("/devices/patients/amy?before=x")).status == 400


@pytest.mark.parametrize("path", ["/devices/patients/amy", "/devices/patients/nobody", "/devices/patients/a_b"])
async def test_who_may_not_see_the_patient_is_told_that_there_is_none(here: Here, path: str) -> None:
    assert (await here.ask(path, "ben")).status == 404


async def test_who_has_not_signed_in_is_sent_to_and_a_patient_sees_no_others_devices(here: Here) -> None:
    for path in ("/devices", "/devices/patients/amy"):
        assert (await here.ask(path, "")).status == 303
    assert (await here.ask("/devices", "amy")).status == 403


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/devices", True), ("/devices/link", True), ("/devices/patients/x", True),
        ("/devices/static/devices.css", True),
        ("/devices/bundles", False), ("/devices/hl7v2", False), ("/devices/receipts/x", False), ("/devices/me", False),
        ("/devicesx", False),
    ],
)  # fmt: skip
def test_the_gateways_paths_are_not_those_of_pages(path: str, ours: bool) -> None:
    assert serves(path.encode()) is ours
