"""Choosing whose record an app sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from tests.unit.smart.deciding import begin, boxes, deciding, send, ticked
from tests.unit.smart.pages import Page
from tests.unit.smart.world import World, answered, said

from hilum.access.roles import roles
from hilum.oauth.ledger import LAUNCH, Launch, Put, digest, write
from hilum.smart.flow.picker import asked_for
from hilum.smart.people import users
from hilum.smart.smart import Smart

PICK = {"scope": "launch/patient patient/Patient.rs"}


@pytest.fixture
async def here() -> World:
    return await deciding()


async def through(here: World, page: Page) -> dict[str, object]:
    assert "Do not allow" in page.text, page.text
    code = answered(await send(here, page, "consent", allow=ticked(page)))["code"]
    return said(await here.exchange(code))


async def test_who_has_one_record_is_not_asked(here: World) -> None:
    page = await begin(here, "pat.one", **PICK)
    assert "to use your health record?" in page.text
    assert (await through(here, page))["patient"] == "p1"


async def test_who_has_several_chooses_and_none_is_chosen_before(here: World) -> None:
    page = await begin(here, "pat.two", **PICK)
    assert boxes(page) == [("patient", "p1", False), ("patient", "p2", False)]
    assert "Ada Stone" in page.text
    assert "Ben &lt;b&gt; Stone" in page.text
    assert "born 1980-12-31" in page.text
    page = await send(here, page, "patient", patient="p2")
    assert (await through(here, page))["patient"] == "p2"


@pytest.mark.parametrize("id", ["p3", "nobody", "", "../p1"])
async def test_no_patient_chooses_a_record_that_is_not_theirs(here: World, id: str) -> None:
    page = await begin(here, "pat.two", **PICK)
    refused = await send(here, page, "patient", patient=id)
    assert (refused.status, "Choose one of the records." in refused.text) == (422, True)
    assert "Hill" not in refused.text


async def test_who_may_read_more_than_may_be_chosen_chooses_of_their_own(here: World) -> None:
    table = roles('[guide]\npicks = "own"\nrules = [{ types = "*", may = "rs" }]', here.site.roles)
    here.browser.smart = Smart(replace(here.site, roles=table))
    account = await users.find(here.site.ledger, "pat.two")
    assert account is not None
    await users.note(here.site.ledger, account, structs.replace(account.user, roles=("guide",)))
    page = await begin(here, "pat.two", **PICK)
    refused = await send(here, page, "patient", patient="p3")
    assert (refused.status, "Choose one of the records." in refused.text) == (422, True)


async def test_who_has_no_record_is_told_so(here: World) -> None:
    page = await begin(here, "pat.none", **PICK)
    assert "none is connected to your account" in page.text
    assert answered(await send(here, page, "cancel"))["error"] == "access_denied"


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("stone", ["p1", "p2"]),
        ("ada stone", ["p1"]),
        ("1955-05-05", ["p3"]),
        ("M-p2", ["p2"]),
        ("M-p2 x", []),
        ("nobody", []),
        ("ada,cyn", []),
        ("M-p2|1", []),
    ],
)
async def test_staff_look_for_a_record(here: World, q: str, found: list[str]) -> None:
    page = await begin(here, "kim.doe", **PICK)
    assert boxes(page) == []
    page = await send(here, page, "patient", q=q)
    assert (page.status, sorted(value for _, value, _ in boxes(page))) == (200, found)
    assert ("Nobody is found" in page.text) is (found == [])


def test_numbers_names_and_dates_are_told_apart() -> None:
    assert asked_for(" Ada  1980-12-31 M-17 a|b") == [
        ("name", "Ada"), ("birthdate", "1980-12-31"), ("identifier", "M-17"), ("name", "a\\|b"),
    ]  # fmt: skip


@pytest.mark.parametrize("q", ["", "   ", "2020-13-45"])
async def test_a_search_that_says_nothing_finds_nothing(here: World, q: str) -> None:
    page = await begin(here, "kim.doe", **PICK)
    page = await send(here, page, "patient", q=q)
    assert (page.status, boxes(page)) == (422, [])


async def test_staff_open_the_record_that_they_found(here: World) -> None:
    page = await begin(here, "kim.doe", **PICK)
    page = await send(here, page, "patient", q="hill")
    page = await send(here, page, "patient", patient="p3")
    assert "to use Cyn Hill's health record?" in page.text
    assert (await through(here, page))["patient"] == "p3"


async def test_what_is_not_there_can_not_be_chosen(here: World) -> None:
    page = await begin(here, "kim.doe", **PICK)
    page = await send(here, page, "patient", patient="gone")
    assert (page.status, "not there any more" in page.text) == (422, True)


VISIT = {"scope": "launch/patient launch/encounter patient/*.rs"}


async def test_one_of_the_last_visits_is_chosen(here: World) -> None:
    page = await begin(here, "pat.one", **VISIT)
    assert boxes(page) == [("encounter", "e2", False), ("encounter", "e1", False), ("encounter", "none", False)]
    assert "2026-02-01, finished" in page.text
    page = await send(here, page, "encounter", encounter="e1")
    found = await through(here, page)
    assert (found["patient"], found["encounter"]) == ("p1", "e1")


async def test_no_visit_is_chosen(here: World) -> None:
    page = await begin(here, "pat.one", **VISIT)
    page = await send(here, page, "encounter", encounter="none")
    found = await through(here, page)
    assert "encounter" not in found
    assert "launch/encounter" not in str(found["scope"])


@pytest.mark.parametrize("id", ["e3", "", "nothing"])
async def test_a_visit_of_somebody_else_is_refused(here: World, id: str) -> None:
    page = await begin(here, "pat.one", **VISIT)
    page = await send(here, page, "encounter", encounter=id)
    assert (page.status, "Choose one of the visits" in page.text) == (422, True)


async def test_where_there_are_no_visits_nobody_is_asked(here: World) -> None:
    page = await begin(here, "pat.two", **VISIT)
    page = await send(here, page, "patient", patient="p2")
    assert "Do not allow" in page.text


async def test_a_launch_says_the_record_and_the_visit(here: World) -> None:
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    launch = Launch(user=kim.id, client="app", context={"patient": "p1", "encounter": "e1", "intent": "review"})
    await here.site.ledger.add(Put(LAUNCH, digest("xyz"), write(launch), here.site.now + 300_000_000))
    page = await begin(here, "kim.doe", scope="launch patient/*.rs", launch="xyz")
    found = await through(here, page)
    assert (found["patient"], found["encounter"], found["intent"]) == ("p1", "e1", "review")
