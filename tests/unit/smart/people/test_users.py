"""Accounts in the ledger: one for a name, changed one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from tests.unit.smart.pages import Browser, clock, site, user

from hilum.oauth.ledger import USER_CHANGED, USER_REVOKED, User
from hilum.problems import Conflict, Invalid
from hilum.smart.people import users
from hilum.smart.site import Site


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.mark.parametrize("name", ["Kim.Doe", "KIM.DOE", "ｋｉｍ.ｄｏｅ"])
async def test_a_name_is_one_persons_however_it_is_written(here: Site, name: str) -> None:
    kim = await user(here)
    with pytest.raises(Conflict):
        await user(here, name)
    assert await users.find(here.ledger, name) == kim
    assert [account async for account in users.every(here.ledger)] == [kim]


async def test_all_accounts_are_listed_however_many(here: Site) -> None:
    made = [await user(here, f"user{number}") for number in range(250)]
    listed = [account async for account in users.every(here.ledger)]
    assert listed == sorted(made, key=lambda account: account.id)


async def test_of_two_who_change_an_account_at_once_one_is_told(here: Site) -> None:
    kim = await user(here)
    one = await users.change(here.ledger, kim, structs.replace(kim.user, display="One"), clock(here)())
    with pytest.raises(Conflict):
        await users.change(here.ledger, kim, structs.replace(kim.user, display="Two"), clock(here)(), out=True)
    assert await users.get(here.ledger, kim.id) == one
    assert [one.revoked.kind for one in await here.ledger.revocations(0)] == [USER_CHANGED], "nobody was shut out"


async def test_who_is_thrown_out_has_no_session_and_no_token(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    await browser.sign_in()
    account = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, account, account.user, clock(here)(), out=True)
    assert (await browser.get("/auth/account")).path.startswith("/auth/sign-in")
    (one,) = [one.revoked for one in await here.ledger.revocations(0) if one.revoked.kind == USER_REVOKED]
    assert (one.key, one.before) == (kim.key, int(clock(here)()))


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "kim doe"},
        {"name": "kim\n"},
        {"name": "-kim"},
        {"name": "k" * 129},
        {"roles": ()},
        {"roles": ("surgeon",)},
        {"fhir_user": "Device/1"},
        {"fhir_user": "Practitioner"},
        {"fhir_user": "https://elsewhere.example/Practitioner/1"},
        {"patients": ("Patient/1",)},
    ],
)
async def test_what_no_account_can_be_is_refused(here: Site, changed: dict[str, object]) -> None:
    sound = User("kim.doe", "Kim Doe", ("practitioner",), "Practitioner/1", ("p1",))
    users.check(sound, here.roles)
    with pytest.raises(Invalid):
        users.check(structs.replace(sound, **changed), here.roles)
