"""Refresh tokens: rotation, one retry, reuse, on every ledger. https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs
from tests.unit.smart.world import REDIRECT, VERIFIER, World, answered, error, said, world

from hilum.oauth.ledger import GRANT, REFRESH, REVOKED, Grant, Refresh, digest, read
from hilum.smart.apps import clients
from hilum.smart.people import users
from hilum.smart.tokens.refresh import LIFE, RETRY_SECONDS, narrowed
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

_schemas = itertools.count(1)
SCOPE = "launch/patient patient/*.rs user/Observation.rs openid offline_access"


@pytest.fixture
async def here() -> World:
    return await world()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """The same server on each store's ledger."""
    if request.param == "memory":
        yield await world()
        return
    if request.param == "sqlite":
        store = await open_sqlite(str(tmp_path / "store.sqlite"))
    else:
        url = request.getfixturevalue("postgres_url")
        store = await open_postgres(url, schema=f"refreshing_{next(_schemas)}")
    try:
        yield await world(store)
    finally:
        await store.close()


async def first(here: World, scope: str = SCOPE) -> str:
    return str((await here.tokens(scope=scope))["refresh_token"])


async def test_a_public_app_need_not_name_itself_beside_its_refresh_token(here: World) -> None:
    """A refresh has grant_type, refresh_token and scope (SMART, 2.0.13): the npm fhirclient sends no client_id."""
    form = {"grant_type": "refresh_token", "refresh_token": await first(here)}
    answer = await here.ask(form=form)
    assert answer.status == 200, answer.body
    assert (await here.ask(form=form | {"client_id": "another"})).status == 401
    unknown = await here.ask(form=form | {"refresh_token": "hrt_unknown"})
    assert error(unknown) == (400, "invalid_grant")
    assert error(await here.ask("/auth/revoke", form={"token": form["refresh_token"]})) == (401, "invalid_client")


async def test_a_confidential_app_proves_itself_whether_it_names_itself_or_not(here: World) -> None:
    secret, kept = clients.secret()
    await here.add("basic", method="client_secret_basic", secret=kept)
    here.client = "basic"
    form = {"grant_type": "authorization_code", "code": await here.code(scope=SCOPE), "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER}  # fmt: skip
    proof = {"authorization": "Basic " + base64.b64encode(f"basic:{secret}".encode()).decode()}
    token = said(await here.ask(form=form, headers=proof))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert error(await here.ask(form=form)) == (401, "invalid_client")
    assert error(await here.ask(form=form | {"client_id": "basic"})) == (401, "invalid_client")
    assert (await here.ask(form=form, headers=proof)).status == 200


async def test_smart22_110_115_a_refresh_token_becomes_new_tokens(here: World) -> None:
    old = await here.tokens(scope=SCOPE)
    answer = await here.refresh(old["refresh_token"])
    assert (answer.status, answer.header(b"cache-control")) == (200, "no-store")
    new = said(answer)
    assert new.keys() == {"access_token", "token_type", "expires_in", "scope", "patient", "refresh_token"}
    assert (new["token_type"], new["expires_in"], new["patient"]) == ("Bearer", 3600, "17")
    assert new["scope"] == old["scope"]
    assert new["refresh_token"] != old["refresh_token"]
    assert new["access_token"] != old["access_token"]
    assert await here.holds(new["access_token"])
    assert ("refresh", 200) in here.events


async def test_a_family_lives_on(anywhere: World) -> None:
    token = await first(anywhere)
    for _ in range(5):
        token = said(await anywhere.refresh(token))["refresh_token"]


async def test_one_retry_within_ten_seconds_gets_the_same_successor(anywhere: World) -> None:
    token = await first(anywhere)
    one, two = said(await anywhere.refresh(token)), said(await anywhere.refresh(token))
    assert one["refresh_token"] == two["refresh_token"]
    assert one["access_token"] != two["access_token"]
    assert (await anywhere.refresh(two["refresh_token"])).status == 200


async def test_a_second_retry_is_reuse_and_ends_the_family(anywhere: World) -> None:
    token = await first(anywhere)
    successor = said(await anywhere.refresh(token))["refresh_token"]
    access = said(await anywhere.refresh(token))["access_token"]
    assert error(await anywhere.refresh(token)) == (400, "invalid_grant")
    assert error(await anywhere.refresh(successor)) == (400, "invalid_grant")
    assert not await anywhere.holds(access)
    (grant,) = await anywhere.site.ledger.of(GRANT)
    assert grant.state == REVOKED
    assert ("reuse", 400) in anywhere.events


async def test_a_retry_after_ten_seconds_is_reuse(here: World) -> None:
    token = await first(here)
    assert (await here.refresh(token)).status == 200
    here.move(RETRY_SECONDS + 1)
    assert error(await here.refresh(token)) == (400, "invalid_grant")
    assert ("reuse", 400) in here.events


async def test_a_retry_after_the_successor_was_used_is_reuse(here: World) -> None:
    token = await first(here)
    second = said(await here.refresh(token))["refresh_token"]
    third = said(await here.refresh(second))["refresh_token"]
    assert error(await here.refresh(token)) == (400, "invalid_grant")
    assert error(await here.refresh(third)) == (400, "invalid_grant")


async def test_two_at_once_get_one_successor(anywhere: World) -> None:
    token = await first(anywhere)
    answers = await asyncio.gather(*(anywhere.refresh(token) for _ in range(2)))
    assert [answer.status for answer in answers] == [200, 200]
    (successor,) = {said(answer)["refresh_token"] for answer in answers}
    assert (await anywhere.refresh(successor)).status == 200


async def test_sixteen_at_once_never_fork_the_family(anywhere: World) -> None:
    token = await first(anywhere)
    answers = await asyncio.gather(*(anywhere.refresh(token) for _ in range(16)))
    counted = Counter(answer.status for answer in answers)
    assert counted[200] <= 2, "the first, and one retry"
    assert counted[200] + counted[400] == 16
    successors = {said(answer)["refresh_token"] for answer in answers if answer.status == 200}
    assert len(successors) <= 1
    rows = await anywhere.site.ledger.of(REFRESH)
    assert sorted(read(row, Refresh).generation for row in rows) == [1, 2]
    for successor in successors:  # somebody had fourteen copies: what they got is void
        assert error(await anywhere.refresh(successor)) == (400, "invalid_grant")


async def test_smart22_103_a_refresh_token_is_of_its_client(here: World) -> None:
    await here.add("other")
    token = await first(here)
    assert error(await here.refresh(token, client_id="other")) == (400, "invalid_grant")
    assert (await here.refresh(token)).status == 200, "who is not its client can't end it"


@pytest.mark.parametrize("token", ["hrt_made-up", "x", "ü", "hrt_" + "A" * 5000])
async def test_g10_AUT_PAT_23_what_is_no_refresh_token_is_refused(here: World, token: str) -> None:
    assert error(await here.refresh(token)) == (400, "invalid_grant")
    assert error(await here.ask(form={"grant_type": "refresh_token", "client_id": "app"})) == (400, "invalid_request")


async def test_g10_AUT_PAT_21_22_it_lasts_three_months_and_more_from_each_use(here: World) -> None:
    token = await first(here)
    row = await here.site.ledger.get(REFRESH, digest(token))
    assert row is not None
    assert row.expires == here.site.now + LIFE * 1_000_000 >= here.site.now + 90 * 86_400 * 1_000_000
    here.move(LIFE - 60)
    token = said(await here.refresh(token))["refresh_token"]
    here.move(LIFE - 60)
    assert (await here.refresh(token)).status == 200
    here.move(LIFE + 60)
    assert error(await here.refresh(token)) == (400, "invalid_grant")


async def test_smart22_100_101_online_ends_with_the_session_and_offline_does_not(here: World) -> None:
    online = await here.tokens(scope="launch/patient patient/*.rs online_access")
    offline = await here.tokens(scope="launch/patient patient/*.rs offline_access")
    online = said(await here.refresh(online["refresh_token"]))
    page = await here.browser.get("/auth/account")
    await here.browser.send(page.form("/auth/sign-out"))
    here.site.verifier.revoked([one.revoked for one in await here.site.ledger.revocations(0)])
    assert error(await here.refresh(online["refresh_token"])) == (400, "invalid_grant")
    assert not await here.holds(online["access_token"])
    assert (await here.refresh(offline["refresh_token"])).status == 200
    assert await here.holds(offline["access_token"])


async def test_who_was_shut_out_refreshes_no_more(here: World) -> None:
    token = await first(here)
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    await users.change(here.site.ledger, kim, structs.replace(kim.user, disabled=True), here.site.clock())
    assert error(await here.refresh(token)) == (400, "invalid_grant")


async def test_a_refresh_may_ask_for_less_and_never_for_more(here: World) -> None:
    token = await first(here)
    had = "openid offline_access launch/patient patient/*.rs user/Observation.rs"
    for wanted in ("patient/*.cruds", "user/*.rs", "system/*.rs", "fhirUser", "launch/encounter", "nonsense"):
        assert error(await here.refresh(token, scope=wanted)) == (400, "invalid_scope")
    less = said(await here.refresh(token, scope="patient/Observation.rs?category=laboratory"))
    assert less["scope"] == "patient/Observation.rs?category=laboratory"
    who = await here.site.verifier.admit(less["access_token"])
    assert who.policy.permits("Observation", "r")
    assert not who.policy.permits("Condition", "r")
    again = said(await here.refresh(less["refresh_token"]))
    assert again["scope"] == had, "the family keeps what it had"


def test_how_scopes_narrow() -> None:
    assert narrowed("patient/*.read openid", "") == "patient/*.read openid"
    assert narrowed("patient/*.read openid", "patient/*.rs patient/*.read") == "patient/*.rs"


async def test_the_grant_notes_its_use(here: World) -> None:
    token = await first(here)
    here.move(100)
    await here.refresh(token)
    (row,) = await here.site.ledger.of(GRANT)
    grant = read(row, Grant)
    assert (grant.redeemed, grant.used) == (True, int(here.site.clock()))


async def test_what_the_user_denied_has_no_refresh_token(here: World) -> None:
    page = await here.authorize(scope=SCOPE)
    page = await here.browser.send(page.form(page.path + "/cancel"), follow=False)
    assert answered(page)["error"] == "access_denied"
    assert await here.site.ledger.of(REFRESH) == []


async def test_a_client_that_is_registered_for_less_by_now_gets_less(here: World) -> None:
    given = await here.tokens(scope="launch/patient patient/Observation.rs patient/Condition.rs offline_access")
    found = await clients.get(here.site.ledger, here.client)
    assert found is not None
    less = structs.replace(found.client, scopes="launch/patient offline_access patient/Observation.r")
    await clients.change(here.site.ledger, found, less, here.site.clock(), sandbox=True)
    answer = said(await here.refresh(given["refresh_token"]))
    assert answer["scope"] == "offline_access launch/patient patient/Observation.r"
    for token in (answer["access_token"], answer["refresh_token"]):
        told = said(await here.ask("/auth/introspect", {"token": token, "client_id": here.client}))
        assert told["scope"] == answer["scope"]
    found = await clients.get(here.site.ledger, here.client)
    assert found is not None
    none = structs.replace(found.client, scopes="user/Patient.r")
    await clients.change(here.site.ledger, found, none, here.site.clock(), sandbox=True)
    assert error(await here.refresh(answer["refresh_token"])) == (400, "invalid_scope")
