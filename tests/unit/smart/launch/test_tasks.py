"""Tasks that ask for an app to be launched."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.smart.deciding import deciding, keep
from tests.unit.smart.pages import Browser, Page, events
from tests.unit.smart.world import BASE, World, answered, said

from hilum.oauth.ledger import LAUNCH, Launch, digest, read
from hilum.smart.launch import tasks
from hilum.smart.people import users

URL = "https://app.example.org/launch"
ALONE = "https://alone.example.org/start"


def task(id: str = "t1", code: str = tasks.EHR, url: str = URL, context: str = "", **other: Any) -> dict[str, Any]:
    """As the guide's example; None leaves an element out."""
    inputs = [("smartonfhir-application", {"valueUrl": url})]
    inputs += [("smartonfhir-appcontext", {"valueString": context})] if context else []
    given = {
        "resourceType": "Task",
        "id": id,
        "status": "requested",
        "intent": "proposal",
        "description": f"Look at {id}",
        "code": {"coding": [{"system": tasks.SYSTEM, "code": code}]},
        "for": {"reference": f"{BASE}/Patient/p1"},
        "input": [{"type": {"coding": [{"system": tasks.SYSTEM, "code": name}]}, **value} for name, value in inputs],
    }
    return {name: value for name, value in (given | other).items() if value is not None}


@pytest.fixture
async def here() -> World:
    found = await deciding()
    await found.add("ehr", launches=(URL,), trusted=True)
    await found.add("alone", name="Alone", launches=(ALONE,), scopes="patient/*.rs")
    found.client = "ehr"
    return found


async def page(here: World, path: str = "/launch/p1", name: str = "kim.doe") -> Page:
    await here.browser.sign_in(name)
    return await here.look(path)


async def start(here: World, at: Page, id: str = "t1") -> Page:
    return await here.browser.send(at.form("/launch", task=id), follow=False)


async def status(here: World, id: str = "t1") -> tuple[str, int]:
    found = await here.site.door.store.read("Task", id)
    assert found is not None
    return found.body["status"], found.version


async def test_it_reaches_the_token_response(here: World) -> None:
    await keep(here, task(context='{"field1":"value"}', encounter={"reference": "Encounter/e2"}))
    found = await start(here, await page(here))
    location = found.answer.header(b"location") or ""
    assert location.startswith(f"{URL}?iss=http%3A%2F%2Flocalhost%3A8080%2Ffhir&launch=")
    launch = parse_qs(urlsplit(location).query)["launch"][0]
    row = await here.site.ledger.get(LAUNCH, digest(launch))
    assert row is not None
    assert read(row, Launch).task == "t1"
    answer = said(
        await here.exchange(answered(await here.authorize(launch=launch, scope="launch patient/*.rs"))["code"])
    )
    assert (answer["patient"], answer["encounter"], answer["appContext"]) == ("p1", "e2", '{"field1":"value"}')
    assert answer["need_patient_banner"] is True


async def test_starting_sets_it_to_in_progress_and_changes_nothing_else(here: World) -> None:
    await keep(here, task())
    at = await page(here)
    before = await here.site.door.store.read("Task", "t1")
    await start(here, at)
    after = await here.site.door.store.read("Task", "t1")
    assert before is not None
    assert after is not None
    unstamped = [{name: one.body[name] for name in one.body.keys() - {"meta"}} for one in (before, after)]
    assert unstamped[1] == unstamped[0] | {"status": "in-progress"}
    assert "Launch again" in (await here.look("/launch/p1")).text
    await start(here, at)
    assert await status(here) == ("in-progress", 2)


async def test_a_standalone_launch_leads_to_the_url_as_it_is(here: World) -> None:
    await keep(here, task(code=tasks.STANDALONE, url=ALONE))
    found = await start(here, await page(here))
    assert (found.status, found.answer.header(b"location")) == (303, ALONE)
    assert await status(here) == ("in-progress", 2)
    assert await here.site.ledger.of(LAUNCH) == []
    assert [about for event, _, _, about in events(here.site) if event == "launch"] == [{"task": "t1"}]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (task(url="https://evil.example.org/launch"), "No app is registered here with this address."),
        (task(url=URL + "?x=1"), "No app is registered here with this address."),
        (task(url=ALONE), "No app is registered here with this address."),
        (task(**{"for": {"reference": "https://example.org/fhir/Patient/p1"}}, owner={"reference": "Practitioner/1"}),
         "Its patient or visit is not one of this server."),
        (task(input=task()["input"] * 2), "It does not say which app"),
        (task(input=[task()["input"][0] | {"type": {"text": "app"}}]), "It does not say which app"),
    ],
)  # fmt: skip
async def test_without_a_registered_url_there_is_no_button(here: World, given: dict[str, Any], why: str) -> None:
    await keep(here, given)
    await keep(here, task("t2"))
    at = await page(here, "/launch" if "owner" in given else "/launch/p1")
    assert why in at.text
    assert not any(one.fields.get("task") == "t1" for one in at.forms)
    form = (await here.look("/launch/p1")).form("/launch", task="t2")
    form.fields["task"] = "t1"
    found = await here.browser.send(form, follow=False)
    assert (found.status, await status(here)) == (422, ("requested", 1))
    assert why in found.text


async def test_what_is_not_open_or_somebody_elses_is_not_shown_and_not_started(here: World) -> None:
    await keep(here, task())
    await keep(here, task("done", status="completed"))
    await keep(here, task("other", owner={"reference": "Practitioner/2"}))
    await keep(here, task("mine", owner={"reference": "Practitioner/1"}))
    await keep(here, task("else", **{"for": {"reference": "Patient/p3"}}))
    await keep(here, task("not-one", code="fulfill"))
    at = await page(here)
    assert {one.fields["task"] for one in at.forms if "task" in one.fields} == {"t1", "mine"}
    form = at.form("/launch", task="t1")
    for id in ("done", "other", "not-one", "nothing"):
        form.fields["task"] = id
        assert (await here.browser.send(form, follow=False)).status == 422
    assert {one.fields["task"] for one in (await here.look("/launch")).forms if "task" in one.fields} == {"mine"}


async def test_patients_start_what_is_suggested_for_them_and_see_nothing_of_others(here: World) -> None:
    await keep(here, task())
    await keep(here, task("t3", **{"for": {"reference": "Patient/p3"}}))
    at = await page(here, "/launch", "pat.one")
    assert {one.fields["task"] for one in at.forms if "task" in one.fields} == {"t1"}
    form = at.form("/launch", task="t1")
    assert (await start(here, at)).status == 303
    form.fields["task"] = "t3"
    assert (await here.browser.send(form, follow=False)).status == 422
    assert await status(here, "t3") == ("requested", 1)


async def test_the_change_is_audited_as_the_users(here: World) -> None:
    await keep(here, task())
    at = await page(here)
    await start(here, at)
    newest = await here.site.door.store.read("Task", "t1")
    assert newest is not None
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    rows = await here.site.door.store.writes_audited(1 << 62, newest.seq, 10)
    assert [(row.agent, row.client, row.interaction) for row in rows] == [(account.id, "hilum", "update")]


async def test_a_visit_of_another_patient_is_refused(here: World) -> None:
    await keep(here, task(encounter={"reference": "Encounter/e3"}))
    found = await start(here, await page(here))
    assert found.status == 422
    assert "not one of this patient" in found.text
    assert await status(here) == ("requested", 1)


async def test_another_browser_starts_nothing(here: World) -> None:
    await keep(here, task())
    at = await page(here)
    here.browser = Browser(here.site)
    await here.browser.sign_in("pat.one")
    assert (await start(here, at)).status == 403
