"""What people allowed apps, on the administrators' pages: found, looked at, ended."""

from __future__ import annotations

import re

import pytest
from tests.unit.smart.administering import administering, post, signed_in, told
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import World

from hilum.access.policy import Principal
from hilum.oauth.ledger import GRANT, Grant, Put, read, write
from hilum.smart.people import users
from hilum.smart.tokens.granted import id_of, key_of

ASKED = "launch/patient patient/Observation.rs offline_access"


@pytest.fixture
async def here() -> World:
    found = await administering()
    await found.add("other", name="Other <app>")
    return found


@pytest.fixture
async def ann(here: World) -> Browser:
    return await signed_in(here)


def rows(page: Page) -> list[str]:
    return re.findall(r'href="/admin/consents/([0-9a-f-]{36})"', page.text)


async def allowed(here: World, app: str = "app") -> tuple[str, str]:
    """The id of a new grant of kim.doe about Patient/17, and an access token."""
    here.client = app
    before = {row.key for row in await here.site.ledger.of(GRANT)}
    tokens = await here.tokens(scope=ASKED)
    (new,) = [row.key for row in await here.site.ledger.of(GRANT) if row.key not in before]
    return id_of(new), tokens["access_token"]


async def test_consents_are_found_by_patient_app_and_person(here: World, ann: Browser) -> None:
    one, _ = await allowed(here)
    two, _ = await allowed(here, "other")
    for query, found in (
        ("", [one, two]),
        ("patient=17", [one, two]),
        ("patient=Patient/17&app=other", [two]),
        ("patient=18", []),
        ("patient=1", []),
        ("app=app", [one]),
        ("app=nothing", []),
        ("user=kim.doe", [one, two]),
        ("user=KIM.DOE&app=other", [two]),
        ("user=pat.one", []),
        ("user=kim.doe&patient=18", []),
        ("state=ended", []),
        ("state=all", [one, two]),
    ):
        page = await ann.get(f"/admin/consents?{query}")
        assert (page.status, rows(page)) == (200, found), query
    assert "Other &lt;app&gt;" in (await ann.get("/admin/consents")).text


async def test_what_can_not_be_looked_for_is_said(ann: Browser) -> None:
    for query, said in (("user=nobody", "There is nobody with the user name"), ("patient=a+b", "by the id of its Pat"),
                        ("after=x", "no such place in the list")):  # fmt: skip
        page = await ann.get(f"/admin/consents?{query}")
        assert (page.status, said in page.text) == (422, True), query


async def test_one_is_looked_at_and_ended_at_once(here: World, ann: Browser) -> None:
    id, token = await allowed(here)
    page = await ann.get(f"/admin/consents/{id}")
    for text in ("Growth Chart", "kim.doe", "Patient/17", "test results and measurements", "patient/Observation.rs",
                 "also when nobody is there", "its Consent is active",
                 "&#34;resourceType&#34;: &#34;Consent&#34;"):  # fmt: skip
        assert text in page.text, text
    page = await post(ann, page, f"/admin/consents/{id}/revoke")
    assert "Ended. The app can get nothing more by it." in page.text
    assert not await here.holds(token)
    consent = await here.site.door.store.read("Consent", id)
    assert consent is not None
    assert consent.body["status"] == "inactive"
    assert told(here, "revoke") == [{"grant": id, "client": "app", "by": "administrator"}]
    assert rows(await ann.get("/admin/consents")) == []
    assert rows(await ann.get("/admin/consents?state=ended")) == [id]
    page = await ann.get(f"/admin/consents/{id}")
    assert "End it now" not in page.text


async def test_what_is_over_by_itself_holds_no_more(here: World, ann: Browser) -> None:
    await here.tokens(scope="launch/patient patient/Observation.rs")
    assert len(rows(await ann.get("/admin/consents"))) == 1
    here.move(3700)
    browser = await signed_in(here)
    assert rows(await browser.get("/admin/consents")) == []
    assert len(rows(await browser.get("/admin/consents?state=ended"))) == 1


@pytest.mark.parametrize("id", ["x", "00000000-0000-0000-0000-000000000000", "017f22e2-79b0-7cc3-98c4-dc0c0c07398F"])
async def test_what_is_not_there_is_said(ann: Browser, id: str) -> None:
    assert (await ann.get(f"/admin/consents/{id}")).status == 404


async def test_lists_go_on_after_fifty(here: World, ann: Browser) -> None:
    id, _ = await allowed(here)
    row = await here.site.ledger.get(GRANT, key_of(id))
    kim = await users.find(here.site.ledger, "kim.doe")
    assert row is not None and kim is not None
    for number in range(60):
        value = write(read(row, Grant))
        await here.site.ledger.add(Put(GRANT, b"\xff" * 15 + bytes([number]), value, owner=kim.key, peer=b"app"))
    page = await ann.get("/admin/consents?user=kim.doe")
    assert len(rows(page)) == 50
    (more,) = re.findall(r'href="(/admin/consents\?[^"]+)"', page.text)
    assert len(rows(await ann.get(more.replace("&amp;", "&")))) == 11


async def test_every_look_is_told_with_whose_it_was(here: World, ann: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a search for, and a read of, the Consents themselves, whose patients the audit knows by their versions."""
    id, _ = await allowed(here)
    noted: list[tuple[object, ...]] = []

    def note(who: Principal, *said: object) -> int:
        noted.append((who.roles, said[0], said[1], said[2], said[6]))
        return 0

    monkeypatch.setattr(here.site.trail, "note", note)
    await ann.get("/admin/consents?user=kim.doe")
    await ann.get(f"/admin/consents/{id}")
    consent = await here.site.door.store.read("Consent", id)
    assert consent is not None
    seq = consent.last_updated
    assert noted == [(("admin",), "search-type", "Consent", "", (seq,)), (("admin",), "read", "Consent", id, (seq,))]
