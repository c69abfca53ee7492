"""A token for hilum's own pages: for who is signed in, for a page of ours, for looking, for as long as that lasts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.smart import pages
from tests.unit.smart.pages import ORIGIN
from tests.unit.smart.world import World, error, said, world

from hilum.access.tokens import CONSOLE
from hilum.oauth import jwt
from hilum.oauth.ledger import FRESH, SESSION
from hilum.problems import Invalid
from hilum.smart.apps import clients
from hilum.smart.people import sessions, users
from hilum.web.message import Answer, Asked

OURS = {"x-csrf": "1", "origin": ORIGIN}


@pytest.fixture
async def here() -> World:
    return await world()


async def ask(of: World, headers: dict[str, str] = OURS) -> Answer:
    return (await of.browser._ask("POST", "/auth/console-token", headers, b"", False)).answer


async def learn(of: World) -> None:
    """What the watch of a server does each second."""
    of.site.verifier.revoked([one.revoked for one in await of.site.ledger.revocations(0)])


async def test_who_is_signed_in_gets_one(here: World) -> None:
    await here.browser.sign_in()
    answer = await ask(here)
    assert (answer.status, answer.header(b"cache-control")) == (200, "no-store")
    found = said(answer)
    token = found.pop("access_token")
    assert found == {"token_type": "Bearer", "expires_in": 600, "scope": "user/*.rs", "name": "Kim Doe"}
    who = await here.site.verifier.admit(token)
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    assert (who.client, who.user, who.fhir_user) == (CONSOLE, account.id, "Practitioner/1")
    assert who.policy.permits("Patient", "r")
    assert all(who.policy.permits("Patient", letter) == () for letter in "cud")
    claims = jwt.unverified(token)[1]
    assert claims["exp"] - claims["iat"] == 600
    assert here.events[-1] == ("token", 200)
    assert pages.events(here.site)[-1][2:] == (
        account.id, {"grant_type": "console", "scope": "user/*.rs", "jti": who.token},
    )  # fmt: skip


async def test_nobody_gets_none(here: World) -> None:
    assert error(await ask(here)) == (401, "login_required")
    await here.browser.get("/auth/sign-in")
    assert error(await ask(here)) == (401, "login_required")
    assert ("token", 200) not in here.events


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ORIGIN},
        {"x-csrf": "1"},
        {"x-csrf": "1", "origin": "https://evil.example"},
        {"x-csrf": "1", "origin": "null", "sec-fetch-site": "cross-site"},
        {"x-csrf": "1", "origin": "http://other.localhost:8080", "sec-fetch-site": "same-site"},
        {"x-csrf": "", "origin": ORIGIN},
    ],
)
async def test_another_page_gets_none(here: World, headers: dict[str, str]) -> None:
    await here.browser.sign_in()
    assert error(await ask(here, headers)) == (403, "insufficient_scope")


async def test_a_page_of_ours_under_another_name_does(here: World) -> None:
    await here.browser.sign_in()
    answer = await ask(here, {"x-csrf": "1", "origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"})
    assert answer.status == 200


async def test_it_ends_with_the_session(here: World) -> None:
    await here.browser.sign_in()
    token = said(await ask(here))["access_token"]
    assert await here.holds(token)
    page = await here.browser.get("/auth/account")
    await here.browser.send(page.form("/auth/sign-out"))
    await learn(here)
    assert not await here.holds(token)


async def test_and_where_only_its_record_says_so(here: World) -> None:
    await here.browser.sign_in()
    token = said(await ask(here))["access_token"]
    (row,) = [row for row in await here.site.ledger.of(SESSION) if row.state == FRESH]
    await here.site.ledger.end(SESSION, key=row.key)
    assert not await here.holds(token)


async def test_and_with_another_ones_sign_in_in_the_same_browser(here: World) -> None:
    await here.browser.sign_in()
    token = said(await ask(here))["access_token"]
    assert await here.holds(token)
    await here.browser.sign_in(path="/auth/sign-in?again=1&next=/auth/account")
    await learn(here)
    assert not await here.holds(token)


async def test_it_is_judged_by_what_the_user_is_now(here: World) -> None:
    await here.browser.sign_in()
    token = said(await ask(here))["access_token"]
    account = await users.find(here.site.ledger, "kim.doe")
    assert account is not None
    account = await users.change(
        here.site.ledger, account, replace(account.user, roles=("patient",), patients=("17",)), here.site.clock()
    )
    await learn(here)
    who = await here.site.verifier.admit(token)
    (own,) = who.policy.permits("Observation", "s")
    assert own.owners == (("Patient", "17"),)
    await users.change(here.site.ledger, account, replace(account.user, disabled=True), here.site.clock())
    await learn(here)
    assert not await here.holds(token)


async def test_it_is_of_its_own_user_and_session(here: World) -> None:
    await here.browser.sign_in()
    other = await pages.user(here.site, "sam", roles=("admin",))
    (row,) = [row for row in await here.site.ledger.of(SESSION) if row.state == FRESH]
    for user, session in ((other.id, row.key.hex()), (other.id, "00" * 32), (other.id, ""), ("nobody", row.key.hex())):
        token, _ = here.site.issuer.console(user, session)
        assert not await here.holds(token), (user, session)


async def test_no_app_can_have_its_client_id(here: World) -> None:
    with pytest.raises(Invalid):
        clients.new_id(CONSOLE)


async def test_half_signed_in_is_not_signed_in(here: World) -> None:
    await pages.user(here.site, "new", must_change=True)
    await here.browser.sign_in("new")
    half = await sessions.opened(here.site, _asked(here))
    assert half.half
    assert not half.user
    assert error(await ask(here)) == (401, "login_required")


def _asked(of: World) -> Asked:
    cookie = "; ".join(f"{name}={value}" for name, value in of.browser.cookies.items())
    return Asked("GET", "/", headers={b"cookie": cookie.encode()})
