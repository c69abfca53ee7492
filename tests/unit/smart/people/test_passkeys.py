"""Passkeys: made on the page of one's account, used on the page to sign in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import structs
from tests.unit.smart.authenticator import PRESENT, Authenticator
from tests.unit.smart.pages import ORIGIN, Browser, Page, clock, production, site, user

from hilum.oauth.ledger import PASSKEY, SESSION
from hilum.smart.people import passkeys, users
from hilum.smart.people.users import Account
from hilum.smart.site import Site

pytest.importorskip("webauthn")
ADD = "/auth/account/passkeys"


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return site(tmp_path)


@pytest.fixture
def key() -> Authenticator:
    return Authenticator(ORIGIN, "localhost")


async def make(here: Site, key: Authenticator, name: str = "kim.doe") -> Account:
    """A user who has this passkey."""
    kim = await user(here, name)
    browser = Browser(here)
    await browser.sign_in(name)
    form = (await browser.get(ADD)).form(ADD)
    page = await browser.send(form, credential=key.made(form.attributes["data-options"]), label="Blue key")
    assert (page.path, "Blue key" in page.text) == ("/auth/account?done=passkey", True)
    return kim


async def use(browser: Browser, key: Authenticator, **changed: str) -> Page:
    page = await browser.get("/auth/sign-in")
    form = page.form("/auth/sign-in", credential="")
    credential = key.signed(form.attributes["data-challenge"], **changed)
    return await browser.send(form, credential=credential)


async def test_a_passkey_signs_in_without_a_name(here: Site, key: Authenticator) -> None:
    kim = await make(here, key)
    browser = Browser(here)
    page = await use(browser, key)
    assert (page.path, "Kim Doe" in page.text) == ("/auth/account", True)
    rows = [row.value for row in await here.ledger.of(SESSION, owner=kim.key)]
    assert any(b'["hwk","user"]' in value for value in rows)
    assert (await use(Browser(here), key)).path == "/auth/account", "and again"


async def test_it_counts_as_two_factors(here: Site, key: Authenticator) -> None:
    kim = await make(here, key)
    here = production(here)
    account = await users.get(here.ledger, kim.id) or kim
    await users.change(
        here.ledger, account, structs.replace(account.user, roles=("admin",), totp="sealed"), clock(here)()
    )
    assert (await use(Browser(here), key)).path == "/auth/account"


async def test_an_answer_is_taken_once(here: Site, key: Authenticator) -> None:
    await make(here, key)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    key.count = -1  # an authenticator without a counter: always 0
    credential = key.signed(form.attributes["data-challenge"])
    assert (await browser.send(form, follow=False, credential=credential)).status == 303
    thief = Browser(here)
    form = (await thief.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    assert (await thief.send(form, credential=credential)).status == 422


async def test_the_same_browser_cannot_send_it_twice_either(here: Site, key: Authenticator) -> None:
    await make(here, key)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    before = dict(browser.cookies)
    key.count = -1
    credential = key.signed(form.attributes["data-challenge"])
    await browser.send(form, credential=credential)
    replayed = Browser(here)
    replayed.cookies = before
    assert (await replayed.send(form, credential=credential)).status == 422


@pytest.mark.parametrize(
    "changed", [{"origin": "https://evil.example"}, {"type": "webauthn.create"}, {"challenge": "AAAA"}]
)
async def test_what_was_signed_for_something_else_is_refused(
    here: Site, key: Authenticator, changed: dict[str, str]
) -> None:
    await make(here, key)
    assert (await use(Browser(here), key, **changed)).status == 422


async def test_a_challenge_of_another_browser_is_refused(here: Site, key: Authenticator) -> None:
    await make(here, key)
    browser, other = Browser(here), Browser(here)
    foreign = (await other.get("/auth/sign-in")).form("/auth/sign-in", credential="").attributes["data-challenge"]
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    assert (await browser.send(form, credential=key.signed(foreign))).status == 422


async def test_a_challenge_ends_after_five_minutes(here: Site, key: Authenticator) -> None:
    await make(here, key)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    clock(here).now += passkeys.SECONDS + 1
    page = await browser.send(form, credential=key.signed(form.attributes["data-challenge"]))
    assert (page.status, "too old" in page.text) == (422, True)


async def test_the_person_has_to_prove_to_the_device_who_it_is(here: Site, key: Authenticator) -> None:
    await make(here, key)
    key.flags = PRESENT
    assert (await use(Browser(here), key)).status == 422


async def test_a_copy_of_a_key_is_found_by_its_counter(here: Site, key: Authenticator) -> None:
    await make(here, key)
    copy = Authenticator(ORIGIN, "localhost", id=key.id, key=key.key, user=key.user, count=key.count)
    assert (await use(Browser(here), key)).status == 200
    assert (await use(Browser(here), key)).status == 200
    assert (await use(Browser(here), copy)).status == 422


async def test_who_is_shut_out_has_no_use_for_a_passkey(here: Site, key: Authenticator) -> None:
    kim = await make(here, key)
    account = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, account, structs.replace(account.user, disabled=True), clock(here)(), out=True)
    assert (await use(Browser(here), key)).status == 422


@pytest.mark.parametrize(
    "credential", ["x", "[]", "{}", '{"response": 1}', "[" * 20_000, '{"rawId": "!", "response": {}}']
)
async def test_nonsense_is_refused(here: Site, key: Authenticator, credential: str) -> None:
    await make(here, key)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
    assert (await browser.send(form, credential=credential)).status == 422


async def test_broken_answers_to_the_right_challenge_are_refused(here: Site, key: Authenticator) -> None:
    await make(here, key)
    for name in ("authenticatorData", "signature", "userHandle"):
        for value in ("", "AAAA", "!", 7, None):
            browser = Browser(here)
            form = (await browser.get("/auth/sign-in")).form("/auth/sign-in", credential="")
            answer = json.loads(key.signed(form.attributes["data-challenge"]))
            answer["response"][name] = value
            page = await browser.send(form, credential=json.dumps(answer))
            assert page.status == 422 or (name == "userHandle" and page.path == "/auth/account"), (name, value)
            clock(here).now += 100  # the address has room again


async def test_a_key_is_kept_for_one_account(here: Site, key: Authenticator) -> None:
    await make(here, key)
    await user(here, "sam")
    browser = Browser(here)
    await browser.sign_in("sam")
    form = (await browser.get(ADD)).form(ADD)
    page = await browser.send(form, credential=key.made(form.attributes["data-options"]))
    assert page.status == 422
    assert len(await here.ledger.of(PASSKEY)) == 1


async def test_a_passkey_that_is_removed_signs_nobody_in(here: Site, key: Authenticator) -> None:
    await make(here, key)
    browser = Browser(here)
    page = await use(browser, key)
    page = await browser.send(page.form(ADD + "/remove"))
    assert ("Blue key" in page.text, await here.ledger.of(PASSKEY)) == (False, [])
    assert (await use(Browser(here), key)).status == 422


async def test_nobody_removes_the_passkey_of_another(here: Site, key: Authenticator) -> None:
    await make(here, key)
    other = Authenticator(ORIGIN, "localhost")
    await make(here, other, "sam")
    browser = Browser(here)
    page = await use(browser, other)
    page = await browser.send(page.form(ADD + "/remove"), passkey=passkeys.text(key.id))
    assert page.status == 422
    assert len(await here.ledger.of(PASSKEY)) == 2


@pytest.mark.parametrize(
    ("origin", "offered"),
    [
        ("http://localhost:8080", True),
        ("https://fhir.example.org", True),
        ("http://127.0.0.1:8080", False),
        ("https://[::1]", False),
    ],
)
async def test_passkeys_need_an_address_with_a_name(tmp_path: Path, origin: str, offered: bool) -> None:
    page = await Browser(site(tmp_path, origin=origin)).get("/auth/sign-in")
    assert ("data-passkey" in page.text) is offered
    assert ("script-src 'self'" in (page.answer.header(b"content-security-policy") or "")) is offered
