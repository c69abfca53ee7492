"""Between the password and being signed in: codes, recovery codes, a new password, setting up an app."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
import pytest
from msgspec import structs
from tests.unit.smart.pages import PASSWORD, PASSWORDS, Browser, Page, clock, events, production, site, user

from hilum.oauth.ledger import SESSION, USER, User
from hilum.smart.people import second, users
from hilum.smart.people.users import Account
from hilum.smart.site import Site

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PATH = "/auth/sign-in/second"
NEW = "seven brown kettles hum"


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return site(tmp_path)


async def with_app(here: Site, name: str = "kim.doe", recovery: tuple[str, ...] = ()) -> Account:
    kim = await user(here, name)
    sealed = here.ring.seal.seal(USER, kim.key, SECRET)
    kept = tuple([await PASSWORDS.hashed(code) for code in recovery])
    return await users.change(here.ledger, kim, structs.replace(kim.user, totp=sealed, recovery=kept), clock(here)())


def code(here: Site, steps: int = 0, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(int(clock(here)()) + 30 * steps)


async def send_code(browser: Browser, page: Page, text: str) -> Page:
    return await browser.send(page.form(PATH, what="code"), code=text)


async def signed_in(browser: Browser) -> bool:
    return "Your account" in (await browser.get("/auth/account")).text


async def stored(here: Site, account: Account) -> User:
    found = await users.get(here.ledger, account.id)
    assert found is not None
    return found.user


async def test_with_an_app_a_password_alone_signs_nobody_in(here: Site) -> None:
    kim = await with_app(here)
    browser = Browser(here)
    page = await browser.sign_in()
    assert (page.path.split("?")[0], "Enter a code" in page.text, await signed_in(browser)) == (PATH, True, False)
    half = dict(browser.cookies)
    page = await send_code(browser, page, code(here))
    assert (page.path, await signed_in(browser), browser.cookies != half) == ("/auth/account", True, True)
    assert [(event, status, about["factors"]) for event, status, who, about in events(here) if who == kim.id] == [
        ("sign-in", 202, "pwd"),
        ("second-factor", 200, "pwd otp"),
    ]


async def test_a_code_signs_in_once(here: Site) -> None:
    await with_app(here)
    one, two = Browser(here), Browser(here)
    first, again = await one.sign_in(), await two.sign_in()
    used = code(here)
    assert (await send_code(one, first, used)).path == "/auth/account"
    page = await send_code(two, again, used)
    assert (page.status, second.WRONG in page.text.replace("&#39;", "'")) == (422, True)
    page = await send_code(two, page, code(here, -1))
    assert page.status == 422, "an earlier one no more"
    assert (await send_code(two, page, code(here, 1))).path == "/auth/account"


async def test_after_five_wrong_codes_the_right_one_is_refused_for_a_quarter_of_an_hour(here: Site) -> None:
    await with_app(here)
    browser = Browser(here)
    page = await browser.sign_in()
    for _ in range(5):
        page = await send_code(browser, page, "000000")
        assert page.status == 422
    assert (await send_code(browser, page, code(here))).status == 422
    other = Browser(here)
    page = await other.sign_in()
    assert (await send_code(other, page, code(here))).status == 422, "in no other browser either"
    clock(here).now += second.LOCKED + 1
    page = await other.sign_in()
    assert (await send_code(other, page, code(here))).path == "/auth/account"


async def test_a_recovery_code_signs_in_once(here: Site) -> None:
    kim = await with_app(here, recovery=("abcde-fghjk", "mnpqr-stuvw"))
    for expected in ("/auth/account", PATH):
        browser = Browser(here)
        page = await browser.sign_in()
        page = await browser.send(page.form(PATH, what="recovery"), recovery="ABCDE FGHJK")
        assert page.path == expected
    assert len((await stored(here, kim)).recovery) == 1


async def test_half_way_is_over_after_a_quarter_of_an_hour(here: Site) -> None:
    await with_app(here)
    browser = Browser(here)
    page = await browser.sign_in()
    clock(here).now += 15 * 60 + 1
    page = await send_code(browser, page, code(here))
    assert (page.path, await signed_in(browser)) == ("/auth/sign-in?next=/auth/account", False)


async def test_half_way_with_a_form_of_another_step_nothing_is_skipped(here: Site) -> None:
    await with_app(here)
    browser = Browser(here)
    page = await browser.sign_in()
    for what in ("kept", "password", "enrol", ""):
        sent = await browser.send(page.form(PATH, what="code"), what=what, new=NEW, again=NEW, code=code(here))
        assert (sent.status, await signed_in(browser)) == (422, False)


async def test_a_password_that_was_given_is_changed_first(here: Site) -> None:
    kim = await user(here, must_change=True)
    browser = Browser(here)
    page = await browser.sign_in()
    assert ("Choose a password" in page.text, await signed_in(browser)) == (True, False)
    for new, again, what in (
        ("short", "short", "too short"),
        (NEW, NEW + "!", "not the same"),
        (PASSWORD, PASSWORD, "password that you have"),
    ):
        page = await browser.send(page.form(PATH, what="password"), new=new, again=again)
        assert (page.status, what in page.text) == (422, True)
    page = await browser.send(page.form(PATH, what="password"), new=NEW, again=NEW)
    assert page.path == "/auth/account"
    assert (await stored(here, kim)).must_change is False
    assert (await Browser(here).sign_in()).status == 422
    assert (await Browser(here).sign_in(password=NEW)).path == "/auth/account"


async def test_in_production_an_administrator_sets_up_an_app_before_anything_else(here: Site) -> None:
    here = production(here)
    kim = await user(here, roles=("admin",), must_change=True)
    browser = Browser(here)
    page = await browser.sign_in()
    page = await browser.send(page.form(PATH, what="password"), new=NEW, again=NEW)
    assert ("Set up an authenticator app" in page.text, await signed_in(browser)) == (True, False)
    secret = "".join(re.findall(r'class="secret">([A-Z2-7 ]+)<', page.text)[0].split())
    assert "<svg" in page.text
    page = await browser.send(page.form(PATH, what="enrol"), code="000000")
    assert page.status == 422
    assert secret in page.text.replace(" ", ""), "the same secret: the app has it by now"
    page = await browser.send(page.form(PATH, what="enrol"), code=code(here, secret=secret))
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code>", page.text)
    assert (len(codes), await signed_in(browser)) == (10, False)
    page = await browser.send(page.form(PATH, what="kept"))
    assert (page.path, await signed_in(browser)) == ("/auth/account", True)
    kept = await stored(here, kim)
    assert secret not in kept.totp
    assert here.ring.seal.open(USER, kim.key, kept.totp) == secret
    other = Browser(here)
    page = await other.sign_in(password=NEW)
    page = await other.send(page.form(PATH, what="recovery"), recovery=codes[3])
    assert page.path == "/auth/account"


async def test_in_the_sandbox_nobody_has_to(here: Site) -> None:
    await user(here, roles=("admin",))
    assert (await Browser(here).sign_in()).path == "/auth/account"


async def test_who_is_shut_out_half_way_gets_no_further(here: Site) -> None:
    kim = await with_app(here)
    browser = Browser(here)
    page = await browser.sign_in()
    kim = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, kim, structs.replace(kim.user, disabled=True), clock(here)(), out=True)
    page = await send_code(browser, page, code(here))
    assert (page.path, await signed_in(browser)) == ("/auth/sign-in?next=/auth/account", False)


async def test_the_session_says_what_was_proven(here: Site) -> None:
    kim = await with_app(here)
    browser = Browser(here)
    await send_code(browser, await browser.sign_in(), code(here))
    (row,) = await here.ledger.of(SESSION, owner=kim.key)
    assert b'["pwd","otp"]' in row.value
