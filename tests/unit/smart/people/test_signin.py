"""Signing in without an app: the page, sessions, tries, forms that are not ours."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from msgspec import structs
from tests.unit.smart.pages import ORIGIN, PASSWORD, Browser, clock, events, production, site, user

from hilum.oauth.ledger import SESSION, SESSION_REVOKED, digest
from hilum.smart.people import sessions, signin, users
from hilum.smart.people.passwords import Passwords
from hilum.smart.site import Site
from hilum.web.message import Asked


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return site(tmp_path)


async def signed_in(browser: Browser) -> bool:
    return "Your account" in (await browser.get("/auth/account")).text


async def test_a_person_signs_in_and_out(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    page = await browser.sign_in()
    assert (page.path, page.status) == ("/auth/account", 200)
    assert "Kim Doe" in page.text
    page = await browser.send(page.form("/auth/sign-out"))
    assert (page.path, await signed_in(browser)) == ("/auth/sign-in", False)
    assert [(event, status, who) for event, status, who, _ in events(here)] == [
        ("sign-in", 200, kim.id),
        ("sign-out", 200, kim.id),
    ]


async def test_who_is_signed_in_goes_on_at_once(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    page = await browser.get("/auth/sign-in?next=/auth/account/password")
    assert page.path == "/auth/account/password"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("kim.doe", "wrong password"),
        ("nobody", PASSWORD),
        ("shut.out", PASSWORD),
        ("nopassword", PASSWORD),
        ("kim.doe", ""),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(here: Site, name: str, password: str) -> None:
    await user(here)
    await user(here, "shut.out", disabled=True)
    await user(here, "nopassword", password="")
    browser = Browser(here)
    page = await browser.sign_in(name, password)
    assert page.status == 422
    assert signin.WRONG in page.text
    assert not await signed_in(browser)


class Seeing(PasswordHasher):
    """Tells how much work was done."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.verifications = 0

    def verify(self, hash: str | bytes, password: str | bytes):  # type: ignore[no-untyped-def]
        self.verifications += 1
        return super().verify(hash, password)


@pytest.mark.parametrize("name", ["kim.doe", "nobody", "shut.out"])
async def test_a_hash_is_made_for_who_is_unknown_too(here: Site, name: str) -> None:
    hasher = Seeing()
    object.__setattr__(here, "passwords", Passwords(hasher))
    kept = hasher.hash(PASSWORD)
    await user(here, password=kept)
    await user(here, "shut.out", password=kept, disabled=True)
    await Browser(here).sign_in(name, "wrong password")
    assert hasher.verifications == 1


async def test_the_name_may_be_written_in_other_letters(here: Site) -> None:
    await user(here, "Kim.Straße")
    assert (await Browser(here).sign_in("KIM.STRASSE")).path == "/auth/account"


async def test_after_ten_wrong_tries_the_right_one_is_refused_for_a_quarter_of_an_hour(here: Site) -> None:
    await user(here)
    for number in range(10):
        assert (await Browser(here, address=f"203.0.113.{number}").sign_in(password="wrong password")).status == 422
    page = await Browser(here, address="203.0.113.99").sign_in()
    assert (page.status, signin.WRONG in page.text) == (422, True)
    await user(here, "sam")
    assert (await Browser(here, address="203.0.113.99").sign_in("sam")).status == 200, "only that name is locked"
    clock(here).now += signin.LOCKED + 1
    assert (await Browser(here).sign_in()).path == "/auth/account"


async def test_a_right_password_forgets_the_wrong_tries(here: Site) -> None:
    await user(here)
    for turn in range(3):
        for _ in range(9):
            await Browser(here, address=f"198.51.100.{turn}").sign_in(password="wrong password")
        assert (await Browser(here).sign_in()).path == "/auth/account"


async def test_an_address_that_was_wrong_too_often_has_to_wait_and_others_have_not(here: Site) -> None:
    await user(here)
    for number in range(30):
        assert (await Browser(here).sign_in(f"nobody{number}", "wrong password")).status == 422
    page = await Browser(here).sign_in()
    assert (page.status, page.answer.header(b"retry-after")) == (429, "30")
    assert (await Browser(here, address="198.51.100.9").sign_in()).status == 200


async def test_signing_in_makes_another_cookie_and_the_old_one_is_worth_nothing(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.get("/auth/sign-in")
    planted = dict(browser.cookies)
    await browser.sign_in()
    assert browser.cookies != planted
    thief = Browser(here)
    thief.cookies = planted
    assert not await signed_in(thief)
    assert await signed_in(browser)


async def test_signing_in_again_ends_the_session_before(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    before = dict(browser.cookies)
    page = await browser.get("/auth/sign-in?again=1")
    await browser.send(page.form("/auth/sign-in"), username="kim.doe", password=PASSWORD)
    old = Browser(here)
    old.cookies = before
    assert (await signed_in(browser), await signed_in(old)) == (True, False)


async def test_the_cookie_is_for_this_host_and_no_script(tmp_path: Path) -> None:
    there = site(tmp_path, origin="https://fhir.example.org")
    page = await Browser(there).get("/auth/sign-in")
    cookie = (page.answer.header(b"set-cookie") or "").split("; ")
    assert cookie[0].startswith("__Host-hilum=")
    assert sorted(cookie[1:]) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]


async def test_a_session_is_kept_by_the_digest_of_its_cookie(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    text = browser.cookies["hilum"]
    row = await here.ledger.get(SESSION, digest(text))
    assert row is not None
    assert text.encode() not in row.value + row.key


@pytest.mark.parametrize("value", ["", "short", "x" * 44, "ü" * 43, "a" * 42 + "="])
async def test_a_cookie_that_is_none_of_ours_is_replaced(here: Site, value: str) -> None:
    opened = await sessions.opened(here, Asked("GET", "/", headers={b"cookie": f"hilum={value}".encode()}))
    assert opened.headers
    assert opened.user == ""


async def test_a_session_ends_after_half_an_hour_without_a_page_and_after_twelve_hours(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    for _ in range(25):
        clock(here).now += 29 * 60
        assert await signed_in(browser) is (clock(here).now - 1_800_000_000 < sessions.LONGEST)
    await browser.sign_in()
    clock(here).now += 30 * 60 + 1
    assert not await signed_in(browser)


async def test_a_session_of_staff_in_production_ends_after_a_quarter_of_an_hour(here: Site) -> None:
    await user(here)
    await user(here, "pat", roles=("patient",))
    staff, patient = Browser(production(here)), Browser(production(here))
    await staff.sign_in()
    await patient.sign_in("pat")
    clock(here).now += 16 * 60
    assert (await signed_in(staff), await signed_in(patient)) == (False, True)


async def test_who_is_shut_out_is_signed_out(here: Site) -> None:
    kim = await user(here)
    browser = Browser(here)
    await browser.sign_in()
    kim = await users.get(here.ledger, kim.id) or kim
    await users.change(here.ledger, kim, structs.replace(kim.user, disabled=True), clock(here)(), out=True)
    assert not await signed_in(browser)
    assert (await browser.sign_in()).status == 422


async def test_signing_out_revokes_what_apps_had_of_the_session(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    page = await browser.sign_in()
    key = digest(browser.cookies["hilum"])
    await browser.send(page.form("/auth/sign-out"))
    (one,) = [one.revoked for one in await here.ledger.revocations(0) if one.revoked.kind == SESSION_REVOKED]
    assert (one.key, one.before) == (key, int(clock(here)()))


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/%5Cevil",
        "javascript:alert(1)",
        "",
        "\\/evil",
    ],
)
async def test_nobody_is_led_away_after_signing_in(here: Site, next_: str) -> None:
    await user(here)
    browser = Browser(here)
    page = await browser.get("/auth/sign-in?next=" + quote(next_))
    page = await browser.send(page.form("/auth/sign-in"), follow=False, username="kim.doe", password=PASSWORD)
    location = page.answer.header(b"location") or ""
    assert location.startswith("/")
    assert location[1:2] not in ("/", "\\")


# --- forms that are not ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "none"},
        {"origin": ORIGIN + "0"},
    ],
)
async def test_a_form_from_elsewhere_signs_nobody_in(here: Site, headers: dict[str, str]) -> None:
    await user(here)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in")
    page = await browser.send(form, headers=headers, username="kim.doe", password=PASSWORD)
    assert (page.status, await signed_in(browser)) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "null", "sec-fetch-site": "same-origin"}, {"origin": "", "sec-fetch-site": "same-origin"}],
)
async def test_a_form_from_our_page_signs_in(here: Site, headers: dict[str, str]) -> None:
    await user(here)
    browser = Browser(here)
    form = (await browser.get("/auth/sign-in")).form("/auth/sign-in")
    await browser.send(form, headers=headers, username="kim.doe", password=PASSWORD)
    assert await signed_in(browser)


async def test_the_proof_of_a_form_is_of_one_browser_and_one_path(here: Site) -> None:
    await user(here)
    browser, other = Browser(here), Browser(here)
    page = await browser.sign_in()
    elsewhere = (await other.sign_in()).form("/auth/sign-out").fields["csrf"]
    another_path = page.form("/auth/account/sign-out").fields["csrf"]
    form = page.form("/auth/sign-out")
    for wrong in (elsewhere, another_path, "", "ü"):
        assert (await browser.send(form, csrf=wrong)).status == 403
    assert await signed_in(browser)


async def test_the_page_has_the_headers_that_keep_it_to_itself(here: Site) -> None:
    page = await Browser(here).get("/auth/sign-in")
    policy = page.answer.header(b"content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert page.answer.header(b"cache-control") == "no-store"
    assert page.answer.header(b"x-frame-options") == "DENY"


def stranger(here: Site, number: int) -> Browser:
    """A browser that was never here, somewhere else each time."""
    return Browser(here, address=f"198.51.100.{number}")


async def test_strangers_shut_nobody_out_of_a_browser_that_was_here_with_that_name(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    mark = browser.cookies["hilum-known"]
    for number in range(signin.MOST_TRIES + 1):
        assert (await stranger(here, number).sign_in(password="a wrong one")).status == 422
    assert (await stranger(here, 99).sign_in()).status == 422
    forged = mark[:-1] + ("0" if mark[-1] != "0" else "1")
    for value, status in ((mark, 200), (forged, 422), (f"{'x' * 22}.{mark.partition('.')[2]}", 422), ("", 422)):
        other = Browser(here)
        other.cookies["hilum-known"] = value
        assert (await other.sign_in("KIM.doe")).status == status


async def test_a_browser_that_was_here_with_another_name_is_a_strangers(here: Site) -> None:
    await user(here)
    await user(here, "sam.doe")
    browser = Browser(here)
    assert (await browser.sign_in("sam.doe")).status == 200
    for number in range(signin.MOST_TRIES + 1):
        await stranger(here, number).sign_in(password="a wrong one")
    other = Browser(here)
    other.cookies["hilum-known"] = browser.cookies["hilum-known"]
    assert (await other.sign_in()).status == 422


async def test_a_browser_that_was_here_has_no_more_tries_than_others(here: Site) -> None:
    await user(here)
    browser = Browser(here)
    await browser.sign_in()
    thief = Browser(here)
    thief.cookies["hilum-known"] = browser.cookies["hilum-known"]
    for _ in range(signin.MOST_TRIES):
        assert (await thief.sign_in(password="a wrong one")).status == 422
    assert (await thief.sign_in()).status == 422
    assert (await stranger(here, 1).sign_in()).status == 200
