"""People on the administrators' pages: found, added, changed, given passwords, shut out; and who must stay."""

from __future__ import annotations

import re

import pytest
from msgspec import structs
from tests.unit.smart import pages
from tests.unit.smart.administering import administering, post, signed_in, told
from tests.unit.smart.deciding import keep
from tests.unit.smart.pages import PASSWORD, Browser, Page
from tests.unit.smart.people.test_account import set_up
from tests.unit.smart.tokens.test_refresh import anywhere
from tests.unit.smart.world import World

from hilum.access.roles import packaged
from hilum.oauth.ledger import PASSKEY, Lost, Passkey, Put, User, write
from hilum.problems import Conflict
from hilum.smart.people import administrators, users
from hilum.smart.people.users import Account

__all__ = ["anywhere"]

NEW = {"name": "new.one", "display": "New One", "role": ["practitioner"], "fhir_user": "Practitioner/9"}


@pytest.fixture
async def here() -> World:
    found = await administering()
    await keep(found, {"resourceType": "Practitioner", "id": "9"})
    return found


@pytest.fixture
async def ann(here: World) -> Browser:
    return await signed_in(here)


async def account(here: World, name: str) -> Account:
    found = await users.find(here.site.ledger, name)
    assert found is not None
    return found


async def path(here: World, name: str) -> str:
    return f"/admin/users/{(await account(here, name)).id}"


async def act(here: World, browser: Browser, name: str, action: str) -> Page:
    """Press a button on the page of a person."""
    place = await path(here, name)
    return await post(browser, await browser.get(place), f"{place}/{action}")


def password(page: Page) -> str:
    return str(re.findall(r'class="shown">([^<]+)<', page.text)[-1])


async def test_a_person_is_added_with_a_password_for_once(here: World, ann: Browser) -> None:
    page = await post(ann, await ann.get("/admin/add-user"), "/admin/add-user", **NEW)
    given, made = password(page), await account(here, "new.one")
    assert made.user == User("new.one", "New One", ("practitioner",), "Practitioner/9", password=made.user.password,
                             must_change=True, created=1_800_000_000)  # fmt: skip
    about = {"added": made.id, "name": "new.one", "roles": "practitioner", "fhirUser": "Practitioner/9"}
    assert told(here, "user") == [about]
    browser = Browser(here.site)
    page = await browser.sign_in("new.one", given)
    assert "Choose a password" in page.text
    assert given not in (await ann.get(await path(here, "new.one"))).text


async def test_a_patient_with_one_record_is_its_patient(here: World, ann: Browser) -> None:
    values = {"name": "pat.new", "role": "patient", "patients": " p1 \r\n\r\np1"}
    await post(ann, await ann.get("/admin/add-user"), "/admin/add-user", **values)
    made = (await account(here, "pat.new")).user
    assert (made.patients, made.fhir_user, made.display) == (("p1",), "Patient/p1", "pat.new")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "kim doe"}, "A user name has"),
        ({"name": "KIM.DOE"}, "There is a user &#39;KIM.DOE&#39; already"),
        ({"role": []}, "A user needs a role"),
        ({"role": ["surgeon"]}, "There is no role &#39;surgeon&#39;"),
        ({"fhir_user": "Device/1"}, "is a reference such as"),
        ({"patients": "Patient/1"}, "by the id of its Patient"),
    ],
)
async def test_what_can_not_be_is_said_and_the_form_keeps_what_was_entered(
    here: World, ann: Browser, values: dict[str, str], said: str
) -> None:
    before = len([one async for one in users.every(here.site.ledger)])
    page = await post(ann, await ann.get("/admin/add-user"), "/admin/add-user", **(NEW | {"display": "A <b>"} | values))
    assert (page.status, said in page.text, 'value="A &lt;b&gt;"' in page.text) == (422, True, True), page.text
    assert len([one async for one in users.every(here.site.ledger)]) == before
    assert told(here, "user") == []


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"fhir_user": "Practitioner/8"}, "Practitioner/8"),
        ({"patients": "p1\np8"}, "Patient/p8"),
        ({"patients": "p8", "fhir_user": "Person/1"}, "Patient/p8 and no Person/1"),
    ],
)
async def test_records_that_there_are_not_are_refused_unless_they_are_said_to_come(
    here: World, ann: Browser, values: dict[str, str], missing: str
) -> None:
    page = await post(ann, await ann.get("/admin/add-user"), "/admin/add-user", **(NEW | values))
    said = f"There is no {missing}. Check the id, or load the record first."
    assert (page.status, said in page.text, told(here, "user")) == (422, True, []), page.text
    page = await post(ann, page, "/admin/add-user", **(NEW | values), to_come="1")
    assert (await account(here, "new.one")).user.must_change, page.text
    place = await path(here, "new.one")
    kept = {"role": "practitioner", "display": "Other"} | {"fhir_user": NEW["fhir_user"]} | values
    page = await post(ann, await ann.get(f"{place}/edit"), f"{place}/edit", **kept)
    assert page.path == f"{place}?done=changed"  # what is linked already is not asked for again
    page = await post(ann, await ann.get(f"{place}/edit"), f"{place}/edit", **(kept | {"patients": "p9"}))
    assert (page.status, "There is no Patient/p9." in page.text) == (422, True)


async def test_roles_patients_and_what_one_stands_for_are_changed(here: World, ann: Browser) -> None:
    before = (await account(here, "pat.two")).user
    other = await signed_in(here, "pat.two")
    place = await path(here, "pat.two")
    page = await ann.get(f"{place}/edit")
    assert 'value="patient" checked' in page.text
    values = {"display": "Pat Two", "role": ["patient", "practitioner"], "patients": "p2", "fhir_user": "Patient/p2"}
    page = await post(ann, page, f"{place}/edit", **values)
    assert page.path == f"{place}?done=changed"
    after = (await account(here, "pat.two")).user
    assert after == structs.replace(before, display="Pat Two", roles=("patient", "practitioner"), patients=("p2",),
                                    fhir_user="Patient/p2", seen=after.seen)  # fmt: skip
    (about,) = told(here, "user")
    assert about["changed"] == "display, roles, fhirUser, patients"
    assert (about["roles"], about["patients"]) == ("patient practitioner", "p2")
    assert (await other.get("/auth/account")).path == "/auth/account", "who is signed in stays so"


async def test_a_new_password_is_shown_once_and_ends_what_was_signed_in(here: World, ann: Browser) -> None:
    tokens = await here.tokens()
    other = await signed_in(here, "kim.doe")
    here.move(1)
    page = await act(here, ann, "kim.doe", "password")
    given = password(page)
    assert (await other.get("/auth/account")).path.startswith("/auth/sign-in")
    assert not await here.holds(tokens["access_token"])
    assert "is not right" in (await Browser(here.site).sign_in("kim.doe", PASSWORD)).text
    assert "Choose a password" in (await Browser(here.site).sign_in("kim.doe", given)).text
    assert told(here, "user")[0]["changed"] == "password"


async def test_who_is_shut_out_is_out_at_once_and_comes_in_again(here: World, ann: Browser) -> None:
    tokens = await here.tokens()
    other = await signed_in(here, "kim.doe")
    here.move(1)
    page = await act(here, ann, "kim.doe", "disable")
    assert "Shut out: no sign-in" in page.text
    assert (await other.get("/auth/account")).path.startswith("/auth/sign-in")
    assert not await here.holds(tokens["access_token"])
    assert (await here.refresh(tokens["refresh_token"])).status == 400
    assert "is not right" in (await Browser(here.site).sign_in("kim.doe")).text
    await act(here, ann, "kim.doe", "enable")
    assert (await Browser(here.site).sign_in("kim.doe")).path == "/auth/account"
    assert [one["changed"] for one in told(here, "user")] == ["disabled", "enabled"]


async def test_a_second_factor_is_removed_with_codes_and_passkeys(here: World, ann: Browser) -> None:
    other = await signed_in(here, "kim.doe")
    await set_up(here.site, other)
    kim = await account(here, "kim.doe")
    await here.site.ledger.add(Put(PASSKEY, b"key", write(Passkey(b"k", 0, "Phone", 0)), owner=kim.key))
    page = await ann.get(await path(here, "kim.doe"))
    assert "authenticator app, 1 passkey" in page.text
    page = await act(here, ann, "kim.doe", "second-factor")
    assert "are removed" in page.text
    kim = await account(here, "kim.doe")
    assert (kim.user.totp, kim.user.recovery, kim.user.totp_step) == ("", (), 0)
    assert await here.site.ledger.of(PASSKEY, owner=kim.key) == []
    assert (await Browser(here.site).sign_in("kim.doe")).path == "/auth/account"


async def test_passkeys_stay_where_the_account_can_not_be_changed(
    here: World, ann: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one write: nobody is left without passkeys and with the password that somebody else knows."""
    kim = await account(here, "kim.doe")
    await here.site.ledger.add(Put(PASSKEY, b"key", write(Passkey(b"k", 0, "Phone", 0)), owner=kim.key))
    page = await ann.get(await path(here, "kim.doe"))

    async def lost(*given: object, **named: object) -> None:
        raise Lost

    with monkeypatch.context() as patched:
        patched.setattr(here.site.ledger, "many", lost)
        place = await path(here, "kim.doe")
        assert (await post(ann, page, f"{place}/second-factor")).status == 400
    assert [row.key for row in await here.site.ledger.of(PASSKEY, owner=kim.key)] == [b"key"]


@pytest.mark.parametrize("action", ["disable", "edit"])
async def test_the_last_administrator_stays(here: World, ann: Browser, action: str) -> None:
    """Hal of the help desk lets people in, too, and could make no administrator."""
    place = await path(here, "ann")
    if action == "disable":
        page = await act(here, ann, "ann", "disable")
        assert page.status == 409
    else:
        page = await post(ann, await ann.get(f"{place}/edit"), f"{place}/edit", role="auditor", display="Ann")
        assert page.status == 422
    assert "ann is the last one who may do as much with this server" in page.text
    assert (await account(here, "ann")).user.roles == ("admin",)
    assert told(here, "user") == []
    await pages.user(here.site, "bob", roles=["admin"])
    page = await act(here, ann, "hal", "disable")
    assert page.status == 200, "ann can do what hal could"
    page = await act(here, ann, "ann", "disable")
    assert page.path.startswith("/auth/sign-in"), "now there is another, and ann is out"


async def test_who_manages_people_does_not_make_or_take_over_who_may_more(here: World) -> None:
    hal = await signed_in(here, "hal")
    page = await hal.get("/admin/add-user")
    offered = re.findall(r'name="role" value="(\w+)"', page.text)
    assert offered == ["helpdesk", "patient", "practitioner"]
    assert (await post(hal, page, "/admin/add-user", **(NEW | {"role": ["admin"]}))).status == 403
    assert await users.find(here.site.ledger, "new.one") is None
    place = await path(here, "ann")
    page = await hal.get(place)
    assert "are changed by those who may do as much" in page.text
    kim = await path(here, "kim.doe")
    form = (await hal.get(f"{kim}/edit")).form(f"{kim}/edit")
    for action in ("password", "disable", "second-factor", "edit"):
        form.action = f"{place}/{action}"
        form.fields["csrf"] = _csrf(here, hal, form.action)
        assert (await hal.send(form)).status == 403
    own = await path(here, "hal")
    page = await post(hal, await hal.get(f"{own}/edit"), f"{own}/edit", role="admin", display="Hal")
    assert page.status == 403
    assert (await account(here, "hal")).user.roles == ("helpdesk",)


def _csrf(here: World, browser: Browser, path: str) -> str:
    from hilum.oauth.ledger import digest
    from hilum.smart.people import sessions

    return sessions.csrf(here.site, sessions.Session(digest(browser.cookies["hilum"])), path)


async def test_lists_go_on_after_fifty_by_name_and_are_searched(here: World, ann: Browser) -> None:
    for number in range(60):
        await pages.user(here.site, f"Zoo.{number:02}", password="")
    page = await ann.get("/admin/users?q=ZOO")
    names = re.findall(r'<tr><td><a href="[^"]+">([^<]+)<', page.text)
    assert names == [f"Zoo.{number:02}" for number in range(50)]
    (more,) = re.findall(r'href="(/admin/users\?[^"]+)"', page.text)
    assert "zoo.4" not in more.casefold(), "no name but what was typed stands in the address"
    page = await ann.get(more.replace("&amp;", "&"))
    assert re.findall(r'<tr><td><a href="[^"]+">([^<]+)<', page.text) == [f"Zoo.{number}" for number in range(50, 60)]
    page = await ann.get("/admin/users?q=zoo.07")
    assert page.text.count("<tr><td>") == 1
    assert "begins with that" in (await ann.get("/admin/users?q=zoo.077")).text
    assert (await ann.get("/admin/users?after=nothing")).status == 404


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000"])
async def test_who_is_not_there_is_said(ann: Browser, id: str) -> None:
    assert (await ann.get(f"/admin/users/{id}")).status == 404
    assert (await ann.get(f"/admin/users/{id}/edit")).status == 404


async def test_of_two_who_shut_out_each_other_at_once_one_stays(anywhere: World) -> None:
    """On each store: both saw that the other is still there."""
    ledger = anywhere.site.ledger
    one, two = [await pages.user(anywhere.site, name, roles=["admin"]) for name in ("one", "two")]
    plans = [
        (who, structs.replace(who.user, disabled=True), await administrators.kept(ledger, who, out, packaged()))
        for who in (one, two)
        for out in (structs.replace(who.user, disabled=True),)
    ]
    assert all(also for *_, also in plans)
    await users.change(ledger, *plans[0][:2], 0, also=plans[0][2])
    with pytest.raises(Conflict):
        await users.change(ledger, *plans[1][:2], 0, also=plans[1][2])
    with pytest.raises(Conflict, match="two is the last one"):
        await administrators.kept(ledger, two, plans[1][1], packaged())


async def test_names_are_listed_in_order_on_each_store(anywhere: World) -> None:
    for name in ("bea", "Bea.2", "abe", "bed", "bf"):
        await pages.user(anywhere.site, name, password="")
    ledger = anywhere.site.ledger
    assert [one.user.name async for one in users.named(ledger, "be")] == ["bea", "Bea.2", "bed"]
    assert [one.user.name async for one in users.named(ledger, "bea")] == ["bea", "Bea.2"]
    assert [one.user.name async for one in users.named(ledger, "be", "bea")] == ["Bea.2", "bed"]
    assert [one.user.name async for one in users.named(ledger)] == ["abe", "bea", "Bea.2", "bed", "bf", "kim.doe"]
