"""The pages of one's own account."""

from __future__ import annotations

import re
from pathlib import Path

import pyotp
import pytest
from msgspec import structs
from tests.unit.smart.pages import PASSWORD, Browser, clock, production, site, user

from hilum.oauth.ledger import USER_CHANGED, User
from hilum.smart.people import users
from hilum.smart.people.users import Account
from hilum.smart.site import Site

NEW = "seven brown kettles hum"


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return site(tmp_path)


async def stored(here: Site, account: Account) -> User:
    found = await users.get(here.ledger, account.id)
    assert found is not None
    return found.user


async def set_up(here: Site, browser: Browser) -> tuple[str, list[str]]:
    """The secret of an app that was set up, and the recovery codes."""
    page = await browser.get("/auth/account/totp")
    secret = "".join(re.findall(r'class="secret">([A-Z2-7 ]+)<', page.text)[0].split())
    page = await browser.send(page.form("/auth/account/totp"), code=pyotp.TOTP(secret).at(int(clock(here)())))
    return secret, re.findall(r"<li><code>([a-z0-9-]+)</code>", page.text)


@pytest.mark.parametrize("path", ["", "/password", "/totp", "/passkeys"])
async def test_who_is_not_signed_in_does_so_first_and_comes_back(here: Site, path: str) -> None:
    await user(here)
    browser = Browser(here)
    page = await browser.get("/auth/account" + path)
    assert page.path == f"/auth/sign-in?next=/auth/account{path}"
    page = await browser.send(page.form("/auth/sign-in"), username="kim.doe", password=PASSWORD)
    assert page.path == f"/auth/account{path}"


@pytest.mark.parametrize("path", ["/password", "/totp", "/passkeys"])
async def test_how_one_signs_in_is_changed_by_who_signed_in_lately(here: Site, path: str) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    clock(here).now += 16 * 60
    assert (await browser.get("/auth/account")).path == "/auth/account"
    page = await browser.get("/auth/account" + path)
    assert page.path == f"/auth/sign-in?next=/auth/account{path}&again=1"
    assert 'value="kim.doe"' in page.text
    page = await browser.send(page.form("/auth/sign-in"), username="kim.doe", password=PASSWORD)
    assert page.path == f"/auth/account{path}"


async def test_a_new_password_needs_the_old_one_and_ends_the_other_sessions(here: Site) -> None:
    await user(here)
    browser, other = Browser(here), Browser(here)
    await browser.sign_in()
    await other.sign_in()
    page = await browser.get("/auth/account/password")
    page = await browser.send(page.form("/auth/account/password"), current="wrong password", new=NEW, again=NEW)
    assert (page.status, "of today is not right" in page.text) == (422, True)
    before = dict(browser.cookies)
    page = await browser.send(page.form("/auth/account/password"), current=PASSWORD, new=NEW, again=NEW)
    assert (page.path, browser.cookies != before) == ("/auth/account?done=password", True)
    assert (await other.get("/auth/account")).path.startswith("/auth/sign-in")
    assert (await Browser(here).sign_in(password=NEW)).path == "/auth/account"


async def test_the_old_password_is_not_guessed_here(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    page = await browser.get("/auth/account/password")
    for _ in range(5):
        page = await browser.send(page.form("/auth/account/password"), current="wrong password", new=NEW, again=NEW)
    page = await browser.send(page.form("/auth/account/password"), current=PASSWORD, new=NEW, again=NEW)
    assert (page.status, "you have to wait" in page.text) == (422, True)


async def test_an_app_is_set_up_used_and_switched_off(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    await browser.sign_in()
    secret, codes = await set_up(here, browser)
    assert len(codes) == 10
    page = await browser.get("/auth/account")
    assert "10 recovery codes are left" in page.text
    assert (await browser.get("/auth/account/totp")).path == "/auth/account", "its secret is not shown again"
    clock(here).now += 30
    other = Browser(here)
    asked = await other.sign_in()
    asked = await other.send(
        asked.form("/auth/sign-in/second", what="code"), code=pyotp.TOTP(secret).at(int(clock(here)()))
    )
    assert asked.path == "/auth/account"
    page = await browser.send(page.form("/auth/account/totp/off"))
    assert page.path == "/auth/account?done=app"
    user_ = await stored(here, kim)
    assert (user_.totp, user_.recovery, user_.totp_step) == ("", (), 0)


async def test_new_recovery_codes_take_the_place_of_the_old(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    _, old = await set_up(here, browser)
    page = await browser.get("/auth/account")
    page = await browser.send(page.form("/auth/account/recovery"))
    new = re.findall(r"<li><code>([a-z0-9-]+)</code>", page.text)
    assert (len(new), set(old) & set(new)) == (10, set())
    for codes, path in ((old, "/auth/sign-in/second"), (new, "/auth/account")):
        other = Browser(here)
        page = await other.sign_in()
        page = await other.send(page.form("/auth/sign-in/second", what="recovery"), recovery=codes[0])
        assert page.path == path


async def test_in_production_staff_that_needs_it_keeps_its_second_factor(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    await browser.sign_in()
    await set_up(here, browser)
    page = await browser.get("/auth/account")
    account = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, account, structs.replace(account.user, roles=("admin",)), clock(here)())
    strict = Browser(production(here))
    strict.cookies = browser.cookies
    assert (await strict.send(page.form("/auth/account/totp/off"))).status == 403
    assert (await stored(here, kim)).totp


async def test_signing_out_everywhere_leaves_no_session(here: Site) -> None:
    await user(here)
    browser, other = Browser(here), Browser(here)
    await other.sign_in()
    page = await browser.sign_in()
    await browser.send(page.form("/auth/account/sign-out"))
    for one in (browser, other):
        assert (await one.get("/auth/account")).path.startswith("/auth/sign-in")


async def test_tokens_are_judged_anew_when_an_account_changes(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    await browser.sign_in()
    await set_up(here, browser)
    found = [(one.revoked.kind, one.revoked.key) for one in await here.ledger.revocations(0)]
    assert (USER_CHANGED, kim.key) in found


@pytest.mark.parametrize(
    "path", ["/password", "/totp", "/totp/off", "/recovery", "/passkeys", "/passkeys/remove", "/sign-out"]
)
async def test_every_form_is_checked(here: Site, path: str) -> None:
    await user(here)
    browser = Browser(here)
    page = await browser.sign_in()
    form = page.form("/auth/sign-out")
    form.action = "/auth/account" + path
    assert (await browser.send(form)).status == 403
