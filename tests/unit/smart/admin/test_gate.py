"""Who gets to which of the administrators' pages, and how lately they must have signed in."""

from __future__ import annotations

import re
from dataclasses import replace

import pyotp
import pytest
from msgspec import structs
from tests.unit.smart import pages
from tests.unit.smart.administering import administering, become, post, signed_in
from tests.unit.smart.pages import PASSWORD, Browser, clock
from tests.unit.smart.people.test_account import set_up
from tests.unit.smart.world import World

from hilum.smart.people import users

PAGES = ("/admin/clients", "/admin/users", "/admin/consents", "/admin/audit")
OPEN = {"ann": set(PAGES), "olga": {"/admin/audit"}, "hal": {"/admin/users"}, "kim.doe": set(), "pat.one": set()}


@pytest.fixture
async def here() -> World:
    return await administering()


@pytest.mark.parametrize("name", OPEN)
async def test_a_page_opens_to_roles_that_have_the_right(here: World, name: str) -> None:
    browser = await signed_in(here, name)
    statuses = {path: (await browser.get(path)).status for path in PAGES}
    assert statuses == {path: 200 if path in OPEN[name] else 403 for path in PAGES}
    start = await browser.get("/admin")
    assert start.status == (200 if OPEN[name] else 403)
    listed = set(re.findall(r'<h2><a href="(/admin/\w+)"', start.text)) - {
        f"/admin/{name}" for name in ("brand", "guides", "ehrs", "orders")
    }
    assert listed == OPEN[name]
    refused = [event for event in pages.events(here.site) if event[:2] == ("admin", 403)]
    assert len(refused) == 4 - len(OPEN[name]) + (not OPEN[name])


@pytest.mark.parametrize("path", ["/admin", *PAGES, "/admin/add-user", "/admin/clients/app", "/admin/audit/download"])
async def test_nobody_sees_a_page_without_signing_in(here: World, path: str) -> None:
    page = await here.browser.get(path)
    assert page.path == f"/auth/sign-in?next={path}"


async def test_the_right_to_a_page_is_not_the_right_to_read_what_it_shows(here: World) -> None:
    browser = await signed_in(here, "walt")
    for path, type in (("/admin/audit", "AuditEvent"), ("/admin/consents", "Consent")):
        page = await browser.get(path)
        assert (page.status, f"let you read {type}" in page.text) == (403, True)


@pytest.mark.parametrize("name", ["kim.doe", "pat.one", "olga", "ann"])
async def test_the_head_of_pages_leads_where_one_may_go(here: World, name: str) -> None:
    browser = await signed_in(here, name)
    page = await browser.get("/my/apps")
    nav = re.findall(r'<a href="([^"]+)"(?: aria-current="page")?>', page.text.split("</nav>")[0].split("<nav")[1])
    before = {
        "kim.doe": ["/launch", "/videos", "/devices"], "pat.one": ["/launch"], "olga": ["/admin"],
        "ann": ["/launch", "/videos", "/devices", "/admin"],
    }  # fmt: skip
    assert nav == [*before[name], "/my/apps", "/auth/account"]
    assert '<a href="/my/apps" aria-current="page">' in page.text


async def test_a_change_needs_a_fresh_sign_in_and_a_look_does_not(here: World) -> None:
    browser = await signed_in(here)
    form = await browser.get("/admin/add-user")
    here.move(16 * 60)
    assert (await browser.get("/admin/users")).path == "/admin/users"
    assert (await browser.get("/admin/add-user")).path == "/auth/sign-in?next=/admin/add-user&again=1"
    sent = await post(browser, form, "/admin/add-user", name="new.one", role="practitioner")
    assert "Password for the next sign-in" in sent.text, "what was filled in meanwhile is taken"
    here.move(15 * 60)
    await browser.get("/admin/users")
    sent = await post(browser, form, "/admin/add-user", name="new.two", role="practitioner")
    assert sent.path.startswith("/auth/sign-in")
    assert await users.find(here.site.ledger, "new.two") is None


async def test_in_production_who_became_an_administrator_proves_a_second_factor(here: World) -> None:
    become(here, pages.production(here.site))
    browser = await signed_in(here, "kim.doe")
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    await users.change(here.site.ledger, kim, structs.replace(kim.user, roles=("admin",)), clock(here.site)())
    page = await browser.get("/admin")
    assert page.path == "/auth/sign-in?next=/admin&again=1"
    page = await browser.send(page.form("/auth/sign-in"), username="kim.doe", password=PASSWORD)
    assert "Set up an authenticator app" in page.text


async def test_in_production_a_second_factor_opens_the_pages(here: World) -> None:
    browser = await signed_in(here)
    secret, _ = await set_up(here.site, browser)
    here.move(30)
    become(here, pages.production(here.site))
    strict = Browser(here.site)
    page = await strict.sign_in("ann")
    code = pyotp.TOTP(secret).at(int(clock(here.site)()))
    await strict.send(page.form("/auth/sign-in/second", what="code"), code=code)
    assert (await strict.get("/admin")).status == 200


@pytest.mark.parametrize(
    "path",
    ["/admin/add-client", "/admin/clients/app/edit", "/admin/clients/app/secret", "/admin/clients/app/api-key",
     "/admin/clients/app/revoke", "/admin/add-user", "/admin/users/ID/edit", "/admin/users/ID/password",
     "/admin/users/ID/disable", "/admin/users/ID/enable", "/admin/users/ID/second-factor", "/admin/audit/verify",
     "/admin/clients/app/api-key/remove", "/admin/consents/ID/revoke"],
)  # fmt: skip
async def test_every_form_is_checked_and_needs_the_right(here: World, path: str) -> None:
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    path = path.replace("ID", kim.id)
    browser = await signed_in(here)
    nobody = await signed_in(here, "kim.doe")
    before = [row for kind in (1, 2) for row in await here.site.ledger.of(kind)]
    form = replace((await browser.get("/auth/account")).form("/auth/sign-out"), action=path)
    assert (await browser.send(form)).status == 403, "a form of another page"
    form = replace((await nobody.get("/auth/account")).form("/auth/sign-out"), action=path)
    form.fields["csrf"] = _csrf(here, nobody, path)
    assert (await nobody.send(form)).status == 403, "somebody without the right"
    assert [row for kind in (1, 2) for row in await here.site.ledger.of(kind)] == before


def _csrf(here: World, browser: Browser, path: str) -> str:
    from hilum.oauth.ledger import digest
    from hilum.smart.people import sessions

    return sessions.csrf(here.site, sessions.Session(digest(browser.cookies["hilum"])), path)
