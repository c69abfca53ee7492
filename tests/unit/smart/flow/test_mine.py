"""Apps that one has allowed, and stopping them."""

from __future__ import annotations

import pytest
from tests.unit.smart.deciding import begin, deciding, send, ticked
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import World, answered, said

from hilum.oauth import scopes
from hilum.oauth.ledger import GRANT
from hilum.smart.flow.mine import in_words
from hilum.smart.tokens.granted import id_of

ASKED = "offline_access launch/patient patient/Observation.rs patient/Patient.rs"


@pytest.fixture
async def here() -> World:
    return await deciding()


async def allowed(here: World, user: str = "pat.one", scope: str = ASKED) -> dict[str, str]:
    page = await begin(here, user, scope=scope)
    page = await send(here, page, "consent", allow=ticked(page))
    return said(await here.exchange(answered(page)["code"]))


async def grant(here: World) -> str:
    (row,) = await here.site.ledger.of(GRANT)
    return id_of(row.key)


async def apps(here: World) -> Page:
    return await here.browser.get("/my/apps")


async def test_an_app_is_shown_with_what_it_may_see(here: World) -> None:
    assert (await here.browser.get("/my/apps")).path.startswith("/auth/sign-in")
    await allowed(here)
    page = await apps(here)
    for text in ("Growth Chart", "See: test results and measurements, name, address and other details",
                 "Since 2027-01-15", "Also when you are not here."):  # fmt: skip
        assert text in page.text


async def test_stopped_it_gets_nothing_more(here: World) -> None:
    tokens = await allowed(here)
    id = await grant(here)
    assert await here.holds(tokens["access_token"])
    page = await here.browser.get(f"/my/apps/{id}/revoke")
    assert "Stop Growth Chart?" in page.text
    page = await here.browser.send(page.form(f"/my/apps/{id}/revoke"))
    assert "Stopped. The app can get nothing more." in page.text
    assert "No app can see anything for you now." in page.text
    assert not await here.holds(tokens["access_token"])
    assert (await here.refresh(tokens["refresh_token"])).status == 400
    consent = await here.site.door.store.read("Consent", id)
    assert consent is not None
    assert consent.body["status"] == "inactive"
    assert ("revoke", 200) in here.events
    assert (await here.browser.get(f"/my/apps/{id}/revoke")).status == 404


async def test_apps_of_others_are_neither_seen_nor_stopped(here: World) -> None:
    tokens = await allowed(here)
    id = await grant(here)
    mine, here.browser = here.browser, Browser(here.site)
    page = await send(here, await begin(here, "pat.two", scope=ASKED), "patient", patient="p1")
    await here.exchange(answered(await send(here, page, "consent", allow=ticked(page)))["code"])
    other, here.browser = here.browser, mine
    assert id not in (await other.get("/my/apps")).text
    assert "Record of Ada Stone" in (await other.get("/my/apps")).text
    assert (await other.get(f"/my/apps/{id}/revoke")).status == 404
    page = await other.get("/auth/account")
    form = page.form("/auth/sign-out")
    form.action = f"/my/apps/{id}/revoke"
    assert (await other.send(form)).status == 403
    assert await here.holds(tokens["access_token"])


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_not_there_can_not_be_stopped(here: World, id: str) -> None:
    await here.browser.sign_in("pat.one")
    assert (await here.browser.get(f"/my/apps/{id}/revoke")).status == 404


async def test_what_ends_by_itself_is_not_shown_after_that(here: World) -> None:
    await allowed(here, scope=ASKED.replace("offline_access ", ""))
    assert "Ends by itself." in (await apps(here)).text
    here.move(3700)
    await here.browser.sign_in("pat.one")
    assert "No app can see anything for you now." in (await apps(here)).text


async def test_after_ninety_days_one_is_asked_whether_an_app_is_still_in_use(here: World) -> None:
    await allowed(here)
    here.move(89 * 24 * 3600)
    await here.browser.sign_in("pat.one")
    assert "Do you still use" not in (await apps(here)).text
    here.move(2 * 24 * 3600)
    await here.browser.sign_in("pat.one")
    assert "Do you still use Growth Chart?" in (await apps(here)).text
    page = await here.browser.get(f"/my/apps/{await grant(here)}/revoke")
    page = await here.browser.send(page.form(page.path))
    assert "Do you still use" not in page.text


def test_scopes_in_words() -> None:
    asked = "patient/*.rs patient/Goal.cud user/Observation.rs?category=x|laboratory"
    assert in_words(scopes.parse(asked)) == [
        ("See", "everything, lab results"), ("Add or change", "health goals"), ("Delete", "health goals"),
    ]  # fmt: skip
