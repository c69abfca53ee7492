"""Signing in within the flow of an app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest
from msgspec import structs
from tests.unit.smart.pages import ORIGIN, PASSWORD, Browser, Noted, Page, clock, site, user

from hilum.oauth.ledger import CLIENT, FLOW, USER, Client, Flow, Put, digest, read, write
from hilum.smart.people import users
from hilum.smart.site import Site
from hilum.smart.smart import STEPS

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
REDIRECT = "https://app.example.org/back"


@pytest.fixture
async def here(tmp_path: Path) -> Site:
    made = replace(site(tmp_path), steps=STEPS)
    client = Client("Growth <b>Chart</b>", "none", "openid user/*.rs", redirects=(REDIRECT, "growth://back"))
    await made.ledger.add(Put(CLIENT, b"growth", write(client)))
    return made


async def begin(browser: Browser, redirect: str = REDIRECT, *, follow: bool = True, **more: str) -> Page:
    asked = {
        "response_type": "code", "client_id": "growth", "redirect_uri": redirect, "scope": "openid user/*.rs",
        "state": "s1", "aud": f"{ORIGIN}/fhir", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }  # fmt: skip
    return await browser.get("/auth/authorize?" + urlencode(asked | more), follow=follow)


async def sign_in(browser: Browser, page: Page, password: str = PASSWORD) -> Page:
    form = page.form(f"{page.path}/sign-in", username=page.form(f"{page.path}/sign-in").fields["username"])
    return await browser.send(form, username="kim.doe", password=password, follow=False)


def noted(here: Site) -> list[str]:
    """The security events, by name."""
    assert isinstance(here.trail, Noted)
    return [event for event, *_ in here.trail.events]


async def test_the_page_says_which_app_asks_and_where_it_lives(here: Site) -> None:
    page = await begin(Browser(here))
    assert page.path.startswith("/auth/flow/")
    assert "<b>Growth &lt;b&gt;Chart&lt;/b&gt;</b> (app.example.org) asks to see health records." in page.text
    policy = page.answer.header(b"content-security-policy") or ""
    assert "form-action 'self' https:;" in policy


async def test_an_app_on_a_phone_is_named_so(here: Site) -> None:
    page = await begin(Browser(here), redirect="growth://back")
    assert "(an app on this device)" in page.text
    assert "form-action 'self' https: growth:;" in (page.answer.header(b"content-security-policy") or "")


async def test_who_cancels_is_back_in_the_app(here: Site) -> None:
    browser = Browser(here)
    page = await begin(browser)
    page = await browser.send(page.form(f"{page.path}/cancel"), follow=False)
    location = urlsplit(page.answer.header(b"location") or "")
    said = parse_qs(location.query)
    assert (page.status, location.netloc, said["error"], said["state"]) == (
        303,
        "app.example.org",
        ["access_denied"],
        ["s1"],
    )


async def test_a_wrong_password_is_told_on_the_page_and_the_flow_goes_on(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    page = await begin(browser)
    wrong = await sign_in(browser, page, "wrong password")
    assert (wrong.status, "is not right" in wrong.text) == (422, True)
    right = await sign_in(browser, page)
    assert (right.status, right.answer.header(b"location")) == (303, page.path)


async def test_the_flow_follows_the_browser_to_its_new_session_and_no_further(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    page = await begin(browser)
    before = dict(browser.cookies)
    await sign_in(browser, page)
    thief = Browser(here)
    thief.cookies = before
    assert (await thief.get(page.path)).status == 404
    assert (await Browser(here).get(page.path)).status == 404
    onward = await browser.get(page.path, follow=False)
    assert (onward.status, "Do not allow" in onward.text) == (200, True)


async def test_with_an_app_on_the_phone_the_code_comes_before_anything_else(here: Site) -> None:
    kim = await user(here)
    sealed = here.ring.seal.seal(USER, kim.key, SECRET)
    await users.change(here.ledger, kim, structs.replace(kim.user, totp=sealed), clock(here)())
    browser = Browser(here)
    page = await begin(browser)
    await sign_in(browser, page)
    second = await browser.get(page.path)
    form = second.form(f"{page.path}/second", what="code")
    wrong = await browser.send(form, code="000000")
    assert wrong.status == 422
    right = await browser.send(form, code=pyotp.TOTP(SECRET).at(int(clock(here)())), follow=False)
    assert (right.status, right.answer.header(b"location")) == (303, page.path)
    assert "Do not allow" in (await browser.get(page.path, follow=False)).text


async def test_who_is_signed_in_is_not_asked_again_unless_the_app_wants_it(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    clock(here).now += 100

    async def asks(**more: str) -> bool:
        location = (await begin(browser, follow=False, **more)).answer.header(b"location") or ""
        return "Sign in to" in (await browser.get(location, follow=False)).text

    assert [await asks(), await asks(prompt="login"), await asks(max_age="60"), await asks(max_age="1000")] == [
        False, True, True, False,
    ]  # fmt: skip
    page = await begin(browser, prompt="login")
    again = await sign_in(browser, page)
    assert again.status == 303
    assert "Sign in to" not in (await browser.get(page.path, follow=False)).text, "once is enough"


@pytest.mark.parametrize("more", [{"prompt": "login"}, {"max_age": "0"}])
async def test_a_sign_in_of_the_same_second_is_asked_for_again_too(here: Site, more: dict[str, str]) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    page = await begin(browser, **more)
    assert "Sign in to" in page.text
    assert (await sign_in(browser, page)).status == 303
    assert "Sign in to" not in (await browser.get(page.path, follow=False)).text, "once is enough"


async def test_a_password_of_before_is_asked_for_again_where_the_second_proof_is_still_to_come(here: Site) -> None:
    kim = await user(here)
    sealed = here.ring.seal.seal(USER, kim.key, SECRET)
    await users.change(here.ledger, kim, structs.replace(kim.user, totp=sealed), clock(here)())
    browser = Browser(here)
    await browser.sign_in()
    assert "Sign in to" not in (await begin(browser)).text
    page = await begin(browser, prompt="login")
    assert "Sign in to" in page.text
    await sign_in(browser, page)
    assert noted(here)[-1] == "sign-in"
    second = await browser.get(page.path)
    assert "Sign in to" not in second.text
    form = second.form(f"{page.path}/second", what="code")
    right = await browser.send(form, code=pyotp.TOTP(SECRET).at(int(clock(here)())), follow=False)
    assert (right.status, right.answer.header(b"location")) == (303, page.path)
    assert noted(here)[-1] == "second-factor"
    assert "Do not allow" in (await browser.get(page.path, follow=False)).text


async def test_a_hint_fills_the_name_in_and_is_no_markup(here: Site) -> None:
    page = await begin(Browser(here), login_hint='kim.doe"><script>')
    assert 'value="kim.doe&#34;&gt;&lt;script&gt;"' in page.text


async def test_a_flow_for_one_person_is_no_other_persons(here: Site) -> None:
    await user(here)
    sam = await user(here, "sam")
    browser = Browser(here)
    page = await begin(browser)
    await _bind(here, page, sam.id)
    wrong = await sign_in(browser, page)
    assert (wrong.status, "started for somebody else" in wrong.text) == (422, True)
    form = page.form(f"{page.path}/sign-in")
    right = await browser.send(form, username="sam", password=PASSWORD, follow=False)
    assert right.status == 303


async def _bind(here: Site, page: Page, user: str) -> None:
    """As a launch from a record does."""
    row = await here.ledger.get(FLOW, digest(page.path.rpartition("/")[2]))
    assert row is not None
    changed = structs.replace(read(row, Flow), user=user)
    assert await here.ledger.replace(Put(FLOW, row.key, write(changed), row.expires, row.owner, row.peer), row.version)
