"""Signing in through an OpenID provider: a small one, on this machine, that can be told to lie."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey
from msgspec import structs
from tests.unit.smart.login import EC, RSA, SECRET, Login, Person
from tests.unit.smart.pages import ORIGIN, PASSWORD, Browser, Page, events, site, user

from hilum.oauth import pkce
from hilum.oauth.id_token import Untrusted
from hilum.oauth.ledger import CLIENT, FEDERATED, Client, Put, write
from hilum.problems import Misconfigured
from hilum.smart.people import users
from hilum.smart.people.providers import Outside, Provider, judged, providers
from hilum.smart.site import Site
from hilum.smart.smart import STEPS
from hilum.store.memory import MemoryLedger
from hilum.web.outbound import Guard


@pytest.fixture
async def login() -> AsyncIterator[Login]:
    async with Login() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, login: Login) -> Site:
    known = {"work": Provider("work", "Work", login.issuer, "hilum", SECRET, "openid email")}
    return replace(site(tmp_path, ledger=MemoryLedger()), clock=time.time, outside=Outside(known, Guard(loopback=True)))


def by_email(of: Site) -> Site:
    known = {"work": replace(of.outside.known["work"], by_email=True)}
    return replace(of, outside=Outside(known, Guard(loopback=True)))


async def connect(browser: Browser, login: Login) -> Page:
    page = await browser.sign_in()
    page = await browser.send(page.form("/auth/account/outside"), follow=False)
    return await browser.get(login.agree(page))


async def come(browser: Browser, login: Login) -> Page:
    page = await browser.get("/auth/sign-in")
    assert 'href="/auth/outside/work?next=/auth/account"' in page.text
    return await browser.get(login.agree(await browser.get("/auth/outside/work?next=/auth/account", follow=False)))


async def signed_in(browser: Browser) -> bool:
    return (await browser.get("/auth/account")).path == "/auth/account"


async def test_a_connected_account_signs_in_until_it_is_disconnected(here: Site, login: Login) -> None:
    kim = await user(here)
    mine = Browser(here)
    page = await connect(mine, login)
    assert "You can sign in with your account there" in page.text
    browser = Browser(here)
    page = await come(browser, login)
    assert (page.path, "Kim Doe" in page.text) == ("/auth/account", True)
    assert [one for one in events(here) if one[0] == "sign-in"][-1] == ("sign-in", 200, kim.id, {"factors": "fed"})
    await browser.send(page.form("/auth/account/outside/remove"))
    assert (await come(Browser(here), login)).status == 403


async def test_the_code_is_exchanged_with_proof_and_secret(here: Site, login: Login) -> None:
    await user(here)
    await connect(Browser(here), login)
    ((form, authorization),) = login.exchanged
    assert (form["grant_type"], form["redirect_uri"]) == ("authorization_code", f"{ORIGIN}/auth/outside/work/back")
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == "hilum:s3cret%2F%2B+%25"
    assert "client_secret" not in form


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(here: Site, login: Login) -> None:
    login.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await user(here)
    await connect(Browser(here), login)
    ((form, authorization),) = login.exchanged
    assert (form["client_id"], form["client_secret"], authorization) == ("hilum", SECRET, "")


async def test_who_is_connected_to_nobody_is_told_whom_to_ask(here: Site, login: Login) -> None:
    await user(here)
    browser = Browser(here)
    page = await come(browser, login)
    assert (page.status, "Ask Lake Clinic" in page.text, await signed_in(browser)) == (403, True, False)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"email": "kim@example.org", "email_verified": True}, 200),
        ({"email": "kim@example.org", "email_verified": "true"}, 403),
        ({"email": "kim@example.org"}, 403),
        ({"email": "sam@example.org", "email_verified": True}, 403),
    ],
)
async def test_a_verified_address_is_enough_only_where_the_provider_is_set_so(
    here: Site, login: Login, more: dict[str, Any], status: int
) -> None:
    await user(here, "kim@example.org")
    login.person = Person(more=more)
    assert (await come(Browser(here), login)).status == 403
    assert (await come(Browser(by_email(here)), login)).status == status


async def test_who_is_shut_out_does_not_come_in_by_another_door(here: Site, login: Login) -> None:
    kim = await user(here)
    await connect(Browser(here), login)
    account = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, account, structs.replace(account.user, disabled=True), here.clock(), out=True)
    assert (await come(Browser(here), login)).status == 403


async def test_an_account_elsewhere_is_connected_to_one_user(here: Site, login: Login) -> None:
    await user(here)
    await user(here, "sam")
    await connect(Browser(here), login)
    other = Browser(here)
    page = await other.sign_in("sam")
    page = await other.send(page.form("/auth/account/outside"), follow=False)
    assert (await other.get(login.agree(page))).status == 403
    assert len(await here.ledger.of(FEDERATED)) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["hilum", "another"]},
        {"azp": "another"},
        {"exp": 1},
        {"iat": 1},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    here: Site, login: Login, claims: dict[str, Any]
) -> None:
    await user(here)
    await connect(Browser(here), login)
    login.claims = claims
    browser = Browser(here)
    assert ((await come(browser, login)).status, await signed_in(browser)) == (403, False)


async def test_a_token_of_another_key_is_refused(here: Site, login: Login) -> None:
    await user(here)
    await connect(Browser(here), login)
    login.signs = RSAKey.generate_key(2048, {"kid": "one"})
    assert (await come(Browser(here), login)).status == 403


async def test_a_new_key_is_learnt_and_elliptic_ones_are_understood(here: Site, login: Login) -> None:
    await user(here)
    await connect(Browser(here), login)
    login.keys, login.signs, login.algorithm = [RSA, EC], EC, "ES256"
    assert (await come(Browser(here), login)).status == 200


async def test_the_public_key_is_no_secret_of_a_token(here: Site, login: Login) -> None:
    await user(here)
    await connect(Browser(here), login)
    login.forged = RSA.as_pem(private=False)
    assert (await come(Browser(here), login)).status == 403


async def test_the_way_back_is_of_one_browser_and_is_taken_once(here: Site, login: Login) -> None:
    await user(here)
    await connect(Browser(here), login)
    browser, thief = Browser(here), Browser(here)
    back = login.agree(await browser.get("/auth/outside/work", follow=False))
    assert (await thief.get(back)).status == 403
    before = dict(browser.cookies)
    assert (await browser.get(back)).path == "/auth/account"
    browser.cookies = before
    assert (await browser.get(back)).status == 403
    assert len(login.exchanged) == 2, "connected, signed in: nothing was asked a second time"


async def test_the_flow_of_an_app_goes_on_in_the_new_session(here: Site, login: Login) -> None:
    here = replace(here, steps=STEPS)
    await user(here)
    await connect(Browser(here), login)
    app = Client("App", "none", "openid user/*.rs", redirects=("https://app.example.org/back",))
    await here.ledger.add(Put(CLIENT, b"app", write(app)))
    asked = {
        "response_type": "code", "client_id": "app", "redirect_uri": app.redirects[0], "scope": "openid user/*.rs",
        "state": "s", "aud": f"{ORIGIN}/fhir", "code_challenge": pkce.challenge("v" * 43),
        "code_challenge_method": "S256",
    }  # fmt: skip
    browser = Browser(here)
    flow = await browser.get("/auth/authorize?" + urlencode(asked))
    there = f"/auth/outside/work?next={flow.path}"
    assert f'href="{there}"' in flow.text
    back = await browser.get(login.agree(await browser.get(there, follow=False)), follow=False)
    assert back.answer.header(b"location") == flow.path
    onward = await browser.get(flow.path, follow=False)
    assert (onward.status != 404, "Sign in to" in onward.text) == (True, False)


@pytest.mark.parametrize("changed", [{"iss": "https://evil.example"}, {"state": "another"}, {"error": "access_denied"}])
async def test_an_answer_of_somebody_else_is_refused(here: Site, login: Login, changed: dict[str, str]) -> None:
    await user(here)
    await connect(Browser(here), login)
    browser = Browser(here)
    back = urlsplit(login.agree(await browser.get("/auth/outside/work", follow=False)))
    said = {name: values[0] for name, values in parse_qs(back.query).items()} | changed
    assert (await browser.get(f"{back.path}?{urlencode(said)}")).status == 403


async def test_a_provider_that_calls_itself_another_is_not_followed(here: Site, login: Login) -> None:
    login.metadata = {"issuer": "https://evil.example"}
    assert (await Browser(here).get("/auth/outside/work", follow=False)).status == 403


async def test_connecting_takes_a_form_of_ours(here: Site, login: Login) -> None:
    await user(here)
    browser = Browser(here)
    page = await browser.sign_in()
    assert (await browser.send(page.form("/auth/account/outside"), csrf="x")).status == 403


async def test_there_is_no_button_and_no_way_without_a_provider(tmp_path: Path) -> None:
    browser = Browser(site(tmp_path))
    assert "outside" not in (await browser.get("/auth/sign-in")).text
    assert (await browser.get("/auth/outside/work")).status == 404


PROVIDER = Provider("work", "Work", "https://login.example.org", "hilum", "x")


def test_of_several_audiences_the_authorized_party_must_be_us() -> None:
    claims = {"iss": PROVIDER.issuer, "aud": ["hilum", "another"], "azp": "hilum", "sub": "1", "iat": 1000, "exp": 2000,
              "nonce": "n", "amr": ["pwd", "mfa"]}  # fmt: skip
    assert judged(claims, PROVIDER, "n", 1000).factors == ("mfa",)
    with pytest.raises(Untrusted):
        judged(claims | {"azp": "another"}, PROVIDER, "n", 1000)


SOUND = 'issuer = "https://login.example.org"\nclient_id = "hilum"\nclient_secret_file = "secret"\n'


def test_a_provider_is_read_from_the_data_directory(tmp_path: Path) -> None:
    assert providers(tmp_path) == {}
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "providers.toml").write_text(f"[work]\n{SOUND}by_email = true\n")
    assert dict(providers(tmp_path)) == {
        "work": Provider("work", "work", "https://login.example.org", "hilum", "x", "openid email", True)
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[work", "is not TOML"),
        (f"[Work]\n{SOUND}", "letters a-z"),
        ("work = 1", "Expected `object`, got `int`"),
        (f"[work]\n{SOUND}color = 'red'", "unknown field `color`"),
        (f"[work]\n{SOUND}by_email = 'yes'", "by_email"),
        ("[work]\nclient_id = 'x'", "missing required field `issuer`"),
        (f"[work]\n{SOUND}".replace('"hilum"', '""'), "client_id must be a text"),
        (f"[work]\n{SOUND}scopes = 'email'", "must have openid"),
        (f"[work]\n{SOUND}".replace('"secret"', '"missing"'), "client_secret_file names no file that can be read"),
        (f"[work]\n{SOUND}".replace("https:", "ldap:"), "issuer must be an address"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "secret").write_text("x\n")
    (tmp_path / "providers.toml").write_text(text)
    with pytest.raises(Misconfigured, match=said):
        providers(tmp_path)


async def test_the_password_still_works(here: Site, login: Login) -> None:
    await user(here)
    assert (await Browser(here).sign_in(password=PASSWORD)).path == "/auth/account"
