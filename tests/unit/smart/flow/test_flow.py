"""From the authorization request to the code. https://hl7.org/fhir/smart-app-launch/app-launch.html"""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from msgspec import structs
from tests.unit.smart import pages
from tests.unit.smart.pages import ORIGIN, Browser
from tests.unit.smart.world import BASE, CHALLENGE, REDIRECT, World, answered, world

from hilum.oauth.ledger import FLOW, GRANT, LAUNCH, USED, Grant, Launch, Put, digest, read, write
from hilum.smart.people import sessions, users
from hilum.smart.smart import ROUTES, STEPS, Smart


@pytest.fixture
async def here() -> World:
    return await world()


async def test_smart22_48_57_a_request_ends_with_a_code_state_and_issuer(here: World) -> None:
    page = await here.through(await here.authorize())
    found = answered(page)
    assert found.keys() == {"code", "state", "iss"}
    assert (found["state"], found["iss"]) == ("a state", ORIGIN)
    assert page.answer.header(b"referrer-policy") == "no-referrer"


async def test_smart22_49_354_a_request_by_POST_ends_with_a_code(here: World) -> None:
    answer = await here.ask("/auth/authorize", here.request())
    assert answer.status == 303
    page = await here.through(await here.browser.get(answer.header(b"location") or ""))
    assert "code" in answered(page)


@pytest.mark.parametrize("state", ["&=?# %", "ü€", "a" * 2048, '"><script>', "x y+z"])
async def test_smart22_59_the_state_comes_back_exactly(here: World, state: str) -> None:
    page = await here.authorize(state=state)
    assert answered(await here.through(page))["state"] == state
    refused = await here.authorize(state=state, response_type="token")
    assert answered(refused)["state"] == state


PAGES = {
    "a parameter twice": "client_id=app&client_id=app",
    "no client": urlencode({"redirect_uri": REDIRECT}),
    "an unknown client": urlencode({"client_id": "nobody", "redirect_uri": REDIRECT}),
    "no redirect": urlencode({"client_id": "app"}),
    "another redirect": urlencode({"client_id": "app", "redirect_uri": REDIRECT + "/x"}),
    "a redirect with a query": urlencode({"client_id": "app", "redirect_uri": REDIRECT + "?x=1"}),
    "a redirect with a user": urlencode({"client_id": "app", "redirect_uri": "https://app.example.org@evil.example/"}),
    "a redirect in other case": urlencode({"client_id": "app", "redirect_uri": REDIRECT.upper()}),
    "a long state": urlencode({"client_id": "app", "redirect_uri": REDIRECT, "state": "x" * 2049}),
}


@pytest.mark.parametrize("query", PAGES.values(), ids=PAGES.keys())
async def test_until_client_and_redirect_are_proven_nobody_is_redirected(here: World, query: str) -> None:
    page = await here.browser.get(f"/auth/authorize?{query}", follow=False)
    assert (page.status, page.answer.header(b"location")) == (400, None)
    assert "evil" not in page.text


REDIRECTS: dict[str, tuple[dict[str, str | None], str]] = {
    "no response_type": ({"response_type": None}, "invalid_request"),
    "another response_type": ({"response_type": "token"}, "unsupported_response_type"),
    "a request object": ({"request": "x.y.z"}, "request_not_supported"),
    "a request_uri": ({"request_uri": "https://app.example.org/r"}, "request_uri_not_supported"),
    "a registration": ({"registration": "{}"}, "registration_not_supported"),
    "response_mode fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "smart22_14 no challenge": ({"code_challenge": None}, "invalid_request"),
    "smart22_15 plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "no method": ({"code_challenge_method": None}, "invalid_request"),
    "a short challenge": ({"code_challenge": CHALLENGE[1:]}, "invalid_request"),
    "smart22_96 no aud": ({"aud": None}, "invalid_request"),
    "g10 AUT-PAT-13 another aud": ({"aud": "https://evil.example/fhir"}, "invalid_request"),
    "another resource": ({"aud": None, "resource": "https://evil.example/fhir"}, "invalid_target"),
    "aud and another resource": ({"resource": "https://evil.example/fhir"}, "invalid_target"),
    "no state": ({"state": None}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "a scope of nothing": ({"scope": "patient/Nothing.zz what"}, "invalid_scope"),
    "fhirUser without openid": ({"scope": "fhirUser patient/*.rs"}, "invalid_scope"),
    "launch without scope": ({"launch": "x"}, "invalid_request"),
    "scope launch without launch": ({"scope": "launch patient/*.rs"}, "invalid_request"),
    "an unknown launch": ({"scope": "launch patient/*.rs", "launch": "x"}, "invalid_request"),
    "prompt none and login": ({"prompt": "none login"}, "invalid_request"),
    "max_age of words": ({"max_age": "soon"}, "invalid_request"),
    "nobody signed in": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.parametrize(("other", "code"), REDIRECTS.values(), ids=REDIRECTS.keys())
async def test_what_is_wrong_is_told_to_the_app(here: World, other: dict[str, str | None], code: str) -> None:
    found = answered(await here.authorize(**other))
    assert (found["error"], found["iss"]) == (code, ORIGIN)
    assert found.get("state") == other.get("state", "a state")
    assert "code" not in found


@pytest.mark.parametrize("aud", [{"aud": BASE + "/"}, {"aud": None, "resource": BASE}, {"resource": BASE + "/"}])
async def test_resource_is_a_synonym_of_aud_and_a_trailing_slash_is_fine(
    here: World, aud: dict[str, str | None]
) -> None:
    assert await here.code(**aud)


async def test_smart22_240_a_client_gets_no_scope_that_it_is_not_registered_for(here: World) -> None:
    await here.add("narrow", scopes="launch/patient patient/Observation.rs")
    here.client = "narrow"
    asked = "launch/patient patient/*.cruds user/*.rs openid fhirUser offline_access"
    found = await here.tokens(scope=asked)
    assert found["scope"] == "launch/patient patient/Observation.rs"
    assert found.keys().isdisjoint(("refresh_token", "id_token"))
    assert answered(await here.authorize(scope="user/*.rs"))["error"] == "invalid_scope"


async def test_smart22_54_a_denial_is_told(here: World) -> None:
    page = await here.authorize()
    page = await here.browser.send(page.form(page.path + "/cancel"), follow=False)
    assert answered(page)["error"] == "access_denied"
    assert (await here.browser.get("/auth/flow/" + "x" * 32)).status == 404
    assert here.events[-1] == ("authorize-denied", 400)


async def test_a_form_without_its_own_csrf_or_from_elsewhere_changes_nothing(here: World) -> None:
    page = await _at_consent(here)
    form = page.forms[0]
    for headers, values in (
        ({"origin": "https://evil.example"}, {}),
        ({}, {"csrf": "0" * 64}),
        ({"origin": ""}, {}),
    ):
        refused = await here.browser.send(form, headers=headers, follow=False, **values)
        assert refused.status == 403
    assert "code" in answered(await here.browser.send(form, follow=False))


async def _at_consent(here: World) -> pages.Page:
    page = await here.authorize()
    page = await here.browser.send(page.forms[0], username="kim.doe", password=pages.PASSWORD)
    page = await here.browser.send(page.forms[0])
    assert page.forms[0].action.endswith("/consent")
    return page


async def test_a_flow_is_of_the_browser_that_began_it(here: World) -> None:
    page = await _at_consent(here)
    stranger = Browser(here.site)
    stranger.smart = here.browser.smart
    assert (await stranger.get(page.path)).status == 404
    assert (await stranger.send(page.forms[0], follow=False)).status == 404
    assert (await here.browser.get(page.path)).status == 200


async def test_allowing_twice_gives_one_code(here: World) -> None:
    page = await _at_consent(here)
    assert "code" in answered(await here.browser.send(page.forms[0], follow=False))
    assert (await here.browser.send(page.forms[0], follow=False)).status == 404
    assert len(await here.site.ledger.of(GRANT)) == 1


async def test_a_step_that_is_not_due_is_not_taken(here: World) -> None:
    page = await here.authorize()
    path = page.path + "/consent"
    session = sessions.Session(digest(here.browser.cookies["hilum"]))
    forged = pages.Form(path, {"csrf": sessions.csrf(here.site, session, path)})
    answer = await here.browser.send(forged, follow=False)
    assert (answer.status, answer.answer.header(b"location")) == (303, page.path)
    assert await here.site.ledger.of(GRANT) == []


async def test_a_flow_ends_after_a_quarter_of_an_hour(here: World) -> None:
    page = await here.authorize()
    here.move(15 * 60 + 1)
    assert (await here.browser.get(page.path)).status == 404


async def test_pages_of_a_flow_can_not_be_framed_or_kept(here: World) -> None:
    answer = (await here.authorize()).answer
    policy = answer.header(b"content-security-policy") or ""
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https:" in policy
    assert "unsafe" not in policy
    assert (answer.header(b"cache-control"), answer.header(b"x-frame-options")) == ("no-store", "DENY")


async def test_staff_is_not_asked_for_an_app_that_is_trusted_and_prompt_none_needs_no_page_then(here: World) -> None:
    await here.add("trusted", trusted=True)
    here.client = "trusted"
    scope = "user/*.rs openid"
    found = answered(await here.through(await here.authorize(scope=scope)))
    assert "code" in found
    assert "code" in answered(await here.authorize(scope=scope, prompt="none"))
    assert answered(await here.authorize(prompt="none"))["error"] == "interaction_required"


async def test_patients_are_always_asked(here: World) -> None:
    await here.add("trusted", trusted=True)
    here.client = "trusted"
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    patient = structs.replace(account.user, roles=("patient",), patients=("17",))
    await users.change(here.site.ledger, account, patient, here.site.clock())
    page = await here.through(await here.authorize(scope="patient/*.rs launch/patient"))
    assert answered(page)["error"] == "access_denied"  # the page that asks thinks it need not: then nobody has allowed


async def test_without_a_page_that_asks_nothing_is_granted(here: World) -> None:
    from dataclasses import replace

    site = replace(here.site, steps=STEPS[:2])
    here.browser.smart = Smart(site, ROUTES)
    assert answered(await here.through(await here.authorize()))["error"] == "access_denied"


async def test_prompt_login_and_max_age_ask_for_the_password_again(here: World) -> None:
    assert await here.code()
    here.move(100)
    for other in ({"prompt": "login"}, {"max_age": "50"}):
        page = await here.authorize(**other)
        assert page.forms[0].action.endswith("/sign-in")
    page = await here.authorize(max_age="1000")
    assert not page.forms[0].action.endswith("/sign-in")


async def _launch(here: World, user: str, **context: object) -> str:
    launch = Launch(user, "app", {"patient": "17", **context})
    put = Put(LAUNCH, digest("opaque"), write(launch), expires=here.site.now + 300_000_000)
    assert await here.site.ledger.add(put)
    return "opaque"


async def _kim(here: World) -> users.Account:
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    return account


async def test_an_EHR_launch_brings_its_context_and_is_used_once(here: World) -> None:
    kim = await _kim(here)
    launch = await _launch(
        here, kim.id, encounter="9", need_patient_banner=True, tenant="lake", intent="reconcile",
        fhirContext=[{"reference": "ImagingStudy/3"}],
    )  # fmt: skip
    found = await here.tokens(scope="launch patient/*.rs openid", launch=launch)
    assert {name: found[name] for name in ("patient", "encounter", "need_patient_banner", "tenant", "intent")} == {
        "patient": "17",
        "encounter": "9",
        "need_patient_banner": True,
        "tenant": "lake",
        "intent": "reconcile",
    }
    assert found["fhirContext"] == [{"reference": "ImagingStudy/3"}]
    row = await here.site.ledger.get(LAUNCH, digest(launch))
    assert row is not None
    assert row.state == USED
    again = answered(await here.authorize(scope="launch patient/*.rs", launch=launch))
    assert again["error"] == "invalid_request"


async def test_a_launch_is_of_its_app_and_its_user(here: World) -> None:
    kim = await _kim(here)
    launch = await _launch(here, kim.id)
    await here.add("other")
    here.client = "other"
    assert answered(await here.authorize(scope="launch patient/*.rs", launch=launch))["error"] == "invalid_request"
    here.client = "app"
    await pages.user(here.site, "someone.else")
    await here.browser.sign_in("someone.else")
    assert (await here.authorize(scope="launch patient/*.rs", launch=launch)).status == 403


async def test_without_a_patient_in_context_patient_scopes_are_not_granted(here: World) -> None:
    kim = await _kim(here)
    launch = Launch(kim.id, "app", {})
    await here.site.ledger.add(Put(LAUNCH, digest("bare"), write(launch), expires=here.site.now + 300_000_000))
    page = await here.through(await here.authorize(scope="launch user/*.rs patient/*.rs", launch="bare"))
    answer = await here.exchange(answered(page)["code"])
    assert b'"scope":"launch user/*.rs"' in answer.body


async def test_what_a_grant_keeps(here: World) -> None:
    kim = await _kim(here)
    await here.code()
    (row,) = await here.site.ledger.of(GRANT)
    assert (row.owner, row.peer) == (kim.key, b"app")
    grant = read(row, Grant)
    assert (grant.user, grant.client, grant.patient, grant.offline, grant.identity) == (kim.id, "app", "17", True, True)
    assert (grant.amr, grant.context, grant.redeemed) == (("pwd",), {"patient": "17"}, False)
    flows = await here.site.ledger.of(FLOW)
    assert [flow.state for flow in flows] == [USED]


async def test_a_flow_keeps_nothing_that_nobody_asked_for(here: World) -> None:
    await here.authorize(junk="x" * 10_000)
    (row,) = await here.site.ledger.of(FLOW)
    assert len(row.value) < 1000
    assert b"junk" not in row.value
