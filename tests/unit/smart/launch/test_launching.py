"""Apps are launched from the pages: by staff on a record that they find, by patients on their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.smart import pages
from tests.unit.smart.deciding import begin, deciding, send, ticked
from tests.unit.smart.pages import Browser, Form, Page
from tests.unit.smart.world import BASE, World, answered, said

from hilum.access.roles import packaged, roles
from hilum.oauth.ledger import LAUNCH, Launch, digest, read
from hilum.problems import Invalid
from hilum.smart.apps import clients, style
from hilum.smart.launch import launching
from hilum.smart.launch.launching import App, Wanted
from hilum.smart.people import sessions, users
from hilum.web.message import Asked

LAUNCH_URL = "https://app.example.org/launch?tab=1"
ASKED = "launch patient/*.rs openid fhirUser"


@pytest.fixture
async def here() -> World:
    found = await deciding()
    await found.add("ehr", launches=(LAUNCH_URL,), trusted=True)
    found.client = "ehr"
    return found


async def page(here: World, path: str = "/launch/p1", user: str = "kim.doe") -> Page:
    await here.browser.sign_in(user)
    return await here.look(path)


async def press(here: World, at: Page, **values: str) -> Page:
    """Send the form of apps."""
    form = next(one for one in at.forms if "patient" in one.fields)
    return await here.browser.send(form, follow=False, headers=None, **values)


def opened(found: Page) -> dict[str, str]:
    """The parameters with which the app was opened."""
    assert found.status == 303, found.text
    location = found.answer.header(b"location") or ""
    assert location.startswith(LAUNCH_URL + "&"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def launched(here: World, at: Page | None = None, **values: str) -> dict[str, str]:
    at = at or await page(here)
    return opened(await press(here, at, app=f"ehr {LAUNCH_URL}", **values))


async def tokens(here: World, launch: str, scope: str = ASKED) -> dict[str, Any]:
    """Of a launch of an app that staff is not asked about."""
    found = await here.authorize(launch=launch, scope=scope)
    return said(await here.exchange(answered(found)["code"]))


async def kept(here: World, launch: str) -> Launch:
    row = await here.site.ledger.get(LAUNCH, digest(launch))
    assert row is not None
    return read(row, Launch)


async def test_the_app_gets_iss_and_an_opaque_launch_at_its_registered_url(here: World) -> None:
    sent = await launched(here)
    assert sent.keys() == {"tab", "iss", "launch"}
    assert sent["iss"] == BASE
    assert len(sent["launch"]) == 43
    (row,) = await here.site.ledger.of(LAUNCH)
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    assert (row.key, row.owner, row.peer) == (digest(sent["launch"]), account.key, b"ehr")


async def test_the_token_response_says_what_it_was_launched_for(here: World) -> None:
    sent = await launched(here, encounter="e2", intent="recent history", also="List/7 https://example.org/home")
    found = await tokens(here, sent["launch"])
    assert {name: found[name] for name in found.keys() - {"access_token", "id_token", "scope", "expires_in"}} == {
        "token_type": "Bearer",
        "patient": "p1",
        "encounter": "e2",
        "intent": "recent history",
        "fhirContext": [{"reference": "List/7", "role": "https://example.org/home"}],
        "need_patient_banner": True,
        "smart_style_url": style.url(here.site.settings),
        "tenant": launching.tenant(here.site.settings),
    }
    assert found["scope"].split() == ["launch", "openid", "fhirUser", "patient/*.rs"]


async def test_what_every_launch_says_is_said_without_being_asked_for_and_after_a_refresh(here: World) -> None:
    first = await tokens(here, (await launched(here))["launch"], f"{ASKED} online_access")
    again = said(await here.refresh(first["refresh_token"]))
    for found in (first, again):
        assert (found["need_patient_banner"], found["patient"]) == (True, "p1")
        assert found["smart_style_url"].startswith("http://localhost:8080/auth/style.json?v=")
    assert "intent" not in first


async def test_a_standalone_launch_says_nothing_of_where_it_is(here: World) -> None:
    await page(here)
    found = await here.authorize(scope="launch/patient patient/*.rs")
    found = await send(here, found, "patient", patient="p1")
    answer = said(await here.exchange(answered(found)["code"]))
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "patient"}


async def test_the_tenant_is_the_one_that_is_set(here: World) -> None:
    assert launching.tenant(replace(here.site.settings, tenant="lake")) == "lake"
    assert launching.tenant(here.site.settings) == launching.tenant(replace(here.site.settings, organization="Other"))


async def test_a_launch_is_good_once(here: World) -> None:
    sent = await launched(here)
    await tokens(here, sent["launch"])
    assert answered(await here.authorize(launch=sent["launch"], scope=ASKED))["error"] == "invalid_request"


async def test_a_launch_is_over_after_five_minutes(here: World) -> None:
    sent = await launched(here)
    here.move(299)
    assert "code" in answered(await here.authorize(launch=sent["launch"], scope=ASKED))
    sent = opened(await press(here, await here.look("/launch/p1"), app=f"ehr {LAUNCH_URL}"))
    here.move(301)
    assert answered(await here.authorize(launch=sent["launch"], scope=ASKED))["error"] == "invalid_request"


async def test_a_launch_is_of_one_app(here: World) -> None:
    sent = await launched(here)
    here.client = "app"
    assert answered(await here.authorize(launch=sent["launch"], scope=ASKED))["error"] == "invalid_request"


async def test_a_launch_is_of_one_user(here: World) -> None:
    sent = await launched(here)
    here.browser = Browser(here.site)
    await here.browser.sign_in("pat.one")
    assert (await here.authorize(launch=sent["launch"], scope=ASKED)).status == 403
    here.browser = Browser(here.site)
    found = await begin(here, "kim.doe", launch=sent["launch"], scope=ASKED)
    assert "code" in answered(found)


async def test_without_a_record_no_scope_of_a_patient_is_granted_until_one_is_chosen(here: World) -> None:
    at = await page(here, "/launch")
    form = next(one for one in at.forms if "q" not in one.fields)
    found = await here.browser.send(form, follow=False, app=f"ehr {LAUNCH_URL}")
    sent = opened(found)
    assert "patient" not in (await kept(here, sent["launch"])).context
    answer = await tokens(here, sent["launch"], "launch user/Patient.rs openid")
    assert "patient" not in answer
    assert answer["need_patient_banner"] is True


async def test_staff_find_a_record_and_no_word_of_it_is_in_a_url(here: World) -> None:
    at = await page(here, "/launch")
    found = await here.browser.send(at.form("/launch", q=""), follow=False, q="stone")
    assert (found.status, found.path) == (200, "/launch")
    assert 'href="/launch/p1"' in found.text
    assert 'href="/launch/p3"' not in found.text
    assert "2 found" in found.text
    found = await here.browser.send(at.form("/launch", q=""), follow=False, q=" ")
    assert found.status == 422


async def test_patients_launch_on_their_own_record_only(here: World) -> None:
    at = await page(here, "/launch", "pat.one")
    assert at.path == "/launch/p1"
    assert "Intent" not in at.text
    sent = await launched(here, at)
    found = await here.authorize(launch=sent["launch"], scope=ASKED)
    found = await send(here, found, "consent", allow=ticked(found))  # people are asked, though staff would not be
    assert said(await here.exchange(answered(found)["code"]))["patient"] == "p1"
    assert (await here.look("/launch/p2")).status == 404
    assert (await press(here, at, patient="p2", app=f"ehr {LAUNCH_URL}")).status == 404


async def test_who_has_several_records_chooses_and_who_has_none_is_told(here: World) -> None:
    at = await page(here, "/launch", "pat.two")
    assert [f'href="/launch/{id}"' in at.text for id in ("p1", "p2", "p3")] == [True, True, False]
    here.browser = Browser(here.site)
    assert "No health record is open to you" in (await page(here, "/launch", "pat.none")).text
    await pages.user(here.site, "aud.it", roles=["auditor"], totp="x")
    assert (await here.browser.get("/launch/p1")).status == 404


@pytest.mark.parametrize("picks", ["none", "own"])
async def test_who_may_read_a_record_may_not_for_that_choose_it(here: World, picks: str) -> None:
    """`picks` of the role decides."""
    text = f'[clerk]\ntitle = "Clerk"\npicks = "{picks}"\nrules = [{{ types = "*", may = "rs" }}]'
    here.site = replace(here.site, roles=roles(text, packaged()))
    here.browser = Browser(here.site)
    await pages.user(here.site, "the.clerk", roles=["clerk"], patients=("p3",))
    at = await page(here, "/launch/p3" if picks == "own" else "/launch", "the.clerk")
    assert (await here.look("/launch/p1")).status == 404
    form = at.forms[0] if picks == "own" else Form("/launch", {"csrf": await token(here)})
    found = await here.browser.send(form, follow=False, patient="p1", app=f"ehr {LAUNCH_URL}")
    assert found.status == 404
    assert await here.site.ledger.of(LAUNCH) == []


async def token(here: World) -> str:
    """What a form to /launch of this browser has to hold, on whatever page it stands."""
    asked = Asked("GET", "/launch", headers={b"cookie": f"hilum={here.browser.cookies['hilum']}".encode()})
    session = await sessions.opened(here.site, asked)
    return sessions.csrf(here.site, session, "/launch")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"encounter": "e3"}, "not one of this patient"),
        ({"encounter": "e9"}, "This visit is not there"),
        ({"intent": "x" * 201}, "An intent is"),
        ({"intent": "a\nb"}, "An intent is"),
        ({"also": "Patient/p1"}, "fhirContext[0]: Patient"),
        ({"app": "ehr https://evil.example.org/launch"}, "can&#39;t be opened from here"),
        ({"app": f"no-scope {LAUNCH_URL}"}, "can&#39;t be opened from here"),
        ({"app": f"app {LAUNCH_URL}"}, "can&#39;t be opened from here"),
    ],
)
async def test_what_can_not_be_launched_is_told_and_nothing_is_launched(
    here: World, values: dict[str, str], why: str
) -> None:
    await here.add("no-scope", launches=(LAUNCH_URL,), scopes="patient/*.rs")
    found = await press(here, await page(here), **({"app": f"ehr {LAUNCH_URL}"} | values))
    assert found.status == 422
    assert why in found.text
    assert await here.site.ledger.of(LAUNCH) == []


async def test_a_record_that_is_not_there_is_not_found(here: World) -> None:
    at = await page(here)
    assert (await here.look("/launch/p9")).status == 404
    assert (await press(here, at, patient="p9", app=f"ehr {LAUNCH_URL}")).status == 404


async def test_only_apps_that_take_a_launch_are_offered(here: World) -> None:
    await here.add("no-scope", name="No Scope", launches=(LAUNCH_URL,), scopes="patient/*.rs")
    await here.add("gone", name="Gone", launches=(LAUNCH_URL,))
    gone = await clients.get(here.site.ledger, "gone")
    assert gone is not None
    await clients.revoke(here.site.ledger, gone, here.site.clock())
    text = (await page(here)).text
    assert f'value="ehr {LAUNCH_URL}"' in text
    assert "No Scope" not in text
    assert "Gone" not in text
    assert 'value="app ' not in text


async def test_the_page_lets_its_form_lead_to_the_apps_only(here: World) -> None:
    await here.add("dev", launches=("http://127.0.0.1:9999/launch",), redirects=("http://127.0.0.1:9998/back",))
    policy = (await page(here)).answer.header(b"content-security-policy") or ""
    assert policy.endswith("form-action 'self' https: http://127.0.0.1:9999 http://127.0.0.1:9998")


async def test_a_form_of_another_page_launches_nothing(here: World) -> None:
    at = await page(here)
    form = next(one for one in at.forms if "patient" in one.fields)
    form.fields["csrf"] = "0" * 64
    assert (await here.browser.send(form, follow=False, app=f"ehr {LAUNCH_URL}")).status == 403


async def test_nobody_launches_without_signing_in(here: World) -> None:
    for path in ("/launch", "/launch/p1"):
        assert (await Browser(here.site).get(path)).path.startswith("/auth/sign-in")


async def test_a_launch_is_audited(here: World) -> None:
    await launched(here, encounter="e2")
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    events = [one for one in pages.events(here.site) if one[0] == "launch"]
    assert events == [("launch", 200, account.id, {"patient": "p1", "encounter": "e2"})]


async def test_a_launch_of_a_program_is_judged_as_one_of_a_page(here: World) -> None:
    account = await users.find(here.site.ledger, "kim.doe")
    client = await clients.get(here.site.ledger, "ehr")
    assert account is not None
    assert client is not None
    app = App("ehr", client.client, LAUNCH_URL)
    for wrong in (Wanted(patient="p9"), Wanted(patient="p1", encounter="e3"), Wanted(also=({"role": "x"},))):
        with pytest.raises(Invalid):
            await launching.launch(here.site, account, app, wrong)
    url = await launching.launch(here.site, account, app, Wanted(patient="p1", app_context='{"a": 1}'))
    await here.browser.sign_in()
    assert (await tokens(here, parse_qs(urlsplit(url).query)["launch"][0]))["appContext"] == '{"a": 1}'
