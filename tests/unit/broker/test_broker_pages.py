"""The broker's pages as a browser gets them: headers, cookies, limits, and whose forms and orders count."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from msgspec import structs
from tests.unit.broker.launched import ORIGIN, at
from tests.unit.broker.ordered import World, world
from tests.unit.broker.strict import Strict, running

from hilum.audit.recording import Silent
from hilum.broker.far import Failed
from hilum.broker.grants import sign_in_of
from hilum.broker.pages.desk import Desk
from hilum.broker.pages.pages import pages, serves
from hilum.broker.recipes import Recipe, Recipes
from hilum.broker.shown import SIGN_IN
from hilum.problems import Invalid
from hilum.web.limits import Limits
from hilum.web.message import Answer
from hilum.web.pages import Pages

FORM = {b"content-type": b"application/x-www-form-urlencoded"}
OURS = {b"sec-fetch-site": b"same-origin", b"origin": ORIGIN.encode()}
VIDEO = Recipe("video", "For a video", ("mrn", "launch"), (), payload={"fields": {"first_name": {}}})
HELD = Recipe("held", "Held only", ("launch",), (), store="none")
PLAIN = Recipe("plain", "Kept only", ("launch",), ())
BY_NUMBER = Recipe("numbers", "By number", ("mrn",), ())


@dataclass
class Noted(Silent):
    events: list[tuple[str, str, int, dict[str, str]]] = field(default_factory=list)

    async def certain(self, who: Any, event: str, status: int, about: Any) -> None:
        self.events.append((who.user, event, status, dict(about)))


@dataclass
class Tab:
    """A browser, as far as cookies go."""

    pages: Pages
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path, {}, b"")

    async def post(self, path: str, headers: dict[bytes, bytes] = OURS, **form: str) -> Answer:
        return await self._ask("POST", path, {**FORM, **headers}, urlencode(form).encode())

    async def signs_in(self, ehr: Strict) -> None:
        gone = await self.get("/connect/lake")
        assert gone.status == 303
        back = urlsplit(ehr.agreed(gone.header(b"location") or ""))
        arrived = await self.get(f"{back.path}?{back.query}")
        assert (arrived.status, arrived.header(b"location")) == (303, "/gather")

    async def _ask(self, method: str, url: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
        path, _, query = url.partition("?")
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()
        sent = {**headers, b"cookie": cookie, b"content-length": b"%d" % len(body)}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        answer, _ = await self.pages.respond(method, path.encode(), query.encode(), sent, receive, "192.0.2.7")
        for name, value in answer.headers:
            if name == b"set-cookie":
                key, _, kept = value.decode().partition(";")[0].partition("=")
                self.cookies[key] = kept
        return answer


@dataclass
class Here:
    ehr: Strict
    orders: World
    desk: Desk
    trail: Noted

    def tab(self) -> Tab:
        return Tab(pages(self.desk))


@asynccontextmanager
async def standing(folder: Path, *recipes: Recipe) -> AsyncIterator[Here]:
    names = tuple(one.name for one in recipes)
    async with running() as ehr, world(folder / "orders") as orders:
        where = await at(folder, ehr, registered={"recipes": names, "title": "Lake & <Hill>"})
        trail = Noted()
        desk = Desk(
            where.launching,
            orders.orders,
            orders.destinations,
            lambda: Recipes({one.name: one for one in recipes}),
            orders.door,
            "Videos",
            trail,
            Limits(lambda: 0.0),
        )
        yield Here(ehr, orders, desk, trail)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    (tmp_path / "orders").mkdir()
    async with standing(tmp_path, VIDEO, HELD, PLAIN, BY_NUMBER) as found:
        yield found


def token(page: Answer) -> str:
    (found,) = re.findall(r'name="sign_in" value="([0-9a-f]{64})"', page.body.decode())
    return str(found)


@pytest.mark.parametrize(
    ("path", "query", "ours"),
    [
        (b"/launch", b"iss=x", True),
        (b"/launch", b"launch=y&iss=x", True),
        (b"/launch/lake", b"iss=", True),
        (b"/launch", b"", False),
        (b"/launch", b"miss=x&a=iss=1", False),
        (b"/launch/17", b"launch=x", False),
        (b"/launched", b"iss=x", False),
        (b"/connect/lake", b"", True),
        (b"/callback/lake", b"", True),
        (b"/gather", b"", True),
        (b"/gather/lake/17", b"", True),
        (b"/gathered", b"", False),
        (b"/connect", b"next=/gather", True),
        (b"/connected", b"", False),
    ],
)
def test_what_is_the_brokers(path: bytes, query: bytes, ours: bool) -> None:
    assert serves(path, query) is ours


async def test_who_does_not_know_where_to_sign_in_chooses_among_the_ehrs_for_people(here: Here) -> None:
    tab, connections = here.tab(), here.desk.launching.parties.connections
    lake = await connections.get("lake")
    robot = {"grants": ("client_credentials",), "system_scopes": "system/*.rs", "user_scopes": ""}
    public: dict[str, Any] = {"method": "none", "secret": ""}
    for other in (
        public | {"name": "arm", "title": ""},
        public | {"name": "mill", "disabled": True},
        robot | {"name": "robot", "method": "private_key_jwt", "secret": ""},
    ):
        await connections.add(structs.replace(lake, **other))
    page = await tab.get("/connect?next=/gather/lake%3Fa%3Db")
    links = re.findall(r'href="(/connect[^"]+)" aria-label="([^"]+)"', page.body.decode())
    assert (page.status, links) == (
        200,
        [
            ("/connect/arm?next=/gather/lake?a%3Db", "Sign in at arm"),
            ("/connect/lake?next=/gather/lake?a%3Db", "Sign in at Lake &amp; &lt;Hill&gt;"),
        ],
    )
    assert lake.base not in page.body.decode()
    await tab.signs_in(here.ehr)
    assert b'<a href="/gather/lake">You are signed in here</a>' in (await tab.get("/connect")).body


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", ""])
async def test_the_list_of_ehrs_takes_nobody_elsewhere(here: Here, next: str) -> None:
    assert b'href="/connect/lake"' in (await here.tab().get(f"/connect?next={next}")).body


async def test_where_there_is_no_ehr_for_people_the_list_says_so(here: Here) -> None:
    connections = here.desk.launching.parties.connections
    await connections.replace(structs.replace(await connections.get("lake"), disabled=True))
    page = await here.tab().get("/connect")
    assert (page.status, b"There is nowhere to sign in" in page.body) == (200, True)


async def test_who_signed_in_sees_what_may_be_gathered_and_orders_it(here: Here) -> None:
    tab = here.tab()
    await tab.signs_in(here.ehr)
    page = await tab.get("/gather/lake")
    text = page.body.decode()
    assert page.status == 200
    assert "Lake &amp; &lt;Hill&gt;" in text and "For a video" in text and "first name" in text
    assert "By number" not in text  # nobody who signs in names a number
    sent = await tab.post("/gather/lake", sign_in=token(page), recipe="video", deliver_to="video")
    assert sent.status == 303
    path = sent.header(b"location") or ""
    id = path.removeprefix("/gather/lake/")
    task = await here.orders.task(id)
    who = f"lake: {here.ehr.base}/Practitioner/dr"
    assert task["requester"]["identifier"]["value"] == who
    assert task["groupIdentifier"] == {"system": SIGN_IN, "value": token(page)}
    assert here.trail.events == [(who, "ehr-sign-in", 200, {"ehr": "lake", "environment": "sandbox"})]
    shown = await tab.get(path)
    assert (shown.status, b'http-equiv="refresh"' in shown.body) == (200, True)
    assert (await tab.post(path)).header(b"location") == path
    stopped = (await tab.get(path)).body
    assert b"Stopped" in stopped and b'http-equiv="refresh"' not in stopped
    listed = (await tab.get("/gather/lake")).body.decode()
    assert path in listed


async def test_nobody_else_sees_the_order_be_it_of_the_same_user(here: Here) -> None:
    tab, other = here.tab(), here.tab()
    await tab.signs_in(here.ehr)
    await other.signs_in(here.ehr)
    page = await tab.get("/gather/lake")
    path = (await tab.post("/gather/lake", sign_in=token(page), recipe="video")).header(b"location") or ""
    assert ((await other.get(path)).status, (await other.post(path)).status) == (404, 404)
    assert path not in (await other.get("/gather/lake")).body.decode()
    assert (await here.tab().get(path)).status == 403
    await tab.post("/gather")  # signed out
    assert (await tab.get(path)).status == 403


@pytest.mark.parametrize("over", [True, False])
async def test_who_signs_out_is_forgotten_here_and_at_the_ehr_when_no_order_needs_it(here: Here, over: bool) -> None:
    here.ehr.metadata = {"revocation_endpoint": f"{here.ehr.origin}/oauth2/revoke"}
    tab = here.tab()
    await tab.signs_in(here.ehr)
    page = await tab.get("/gather/lake")
    assert (await tab.post("/gather/lake", sign_in=token(page), recipe="plain")).status == 303
    if over:
        await here.orders.work()
    answer = await tab.post("/gather")
    assert (answer.status, tab.cookies["__Host-hilum-ehr"]) == (303, "")
    await here.desk.launching.ending.close()
    assert [hint for hint, _ in here.ehr.revoked] == (["refresh_token", "access_token"] if over else [])
    assert len(await here.desk.launching.grants.of("lake")) == (0 if over else 1)


@pytest.mark.parametrize("over", [True, False])
async def test_a_sign_in_that_another_one_replaces_is_ended_as_one_that_is_left(here: Here, over: bool) -> None:
    here.ehr.metadata = {"revocation_endpoint": f"{here.ehr.origin}/oauth2/revoke"}
    tab, another, grants = here.tab(), here.tab(), here.desk.launching.grants
    await another.signs_in(here.ehr)
    await tab.signs_in(here.ehr)
    page = await tab.get("/gather/lake")
    assert (await tab.post("/gather/lake", sign_in=token(page), recipe="plain")).status == 303
    if over:
        await here.orders.work()
    before = {sign_in_of(one.id): grants.opened(one) for one in await grants.of("lake")}
    await tab.signs_in(here.ehr)
    await here.desk.launching.ending.close()
    pair = before[token(page)]
    assert here.ehr.revoked == ([("refresh_token", pair.refresh), ("access_token", pair.access)] if over else [])
    left = {sign_in_of(one.id) for one in await grants.of("lake")}
    assert (token(page) in left, len(left)) == (not over, 2 if over else 3)
    assert {token(await one.get("/gather/lake")) for one in (tab, another)} <= left


async def test_pages_of_a_sign_in_are_framed_by_its_ehr_alone_and_others_by_nobody(here: Here) -> None:
    tab = here.tab()
    nobody = await tab.get("/gather")
    assert nobody.header(b"x-frame-options") == "DENY"
    assert "frame-ancestors 'none'" in (nobody.header(b"content-security-policy") or "")
    await tab.signs_in(here.ehr)
    page = await tab.get("/gather/lake")
    assert page.header(b"x-frame-options") is None
    parts = (page.header(b"content-security-policy") or "").split("; ")
    assert f"frame-ancestors 'self' {here.ehr.origin}" in parts
    assert page.header(b"referrer-policy") == "same-origin"  # with none, browsers hide a form's origin, too
    assert all(name.startswith("__Host-") for name in tab.cookies)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"origin": b"https://evil.example"},
        {b"origin": b"null"},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"none"},
        {b"sec-fetch-site": b"cross-site", b"origin": ORIGIN.encode()},
        {b"sec-fetch-site": b"same-origin", b"origin": b"https://evil.example"},
    ],
)
async def test_a_form_of_another_page_orders_nothing(here: Here, headers: dict[bytes, bytes]) -> None:
    tab = here.tab()
    await tab.signs_in(here.ehr)
    form = {"sign_in": token(await tab.get("/gather/lake")), "recipe": "video"}
    assert (await tab.post("/gather/lake", headers, **form)).status == 403
    assert await here.orders.left() == (0, 0)
    assert (await tab.post("/gather", headers)).status == 403
    assert (await tab.get("/gather/lake")).status == 200


@pytest.mark.parametrize(
    ("form", "status", "says"),
    [
        ({"recipe": "plain", "deliver_to": "video"}, 422, "says nothing of what would be sent"),
        ({}, 422, "Choose what is to be gathered"),
        ({"recipe": "numbers"}, 422, "Choose what is to be gathered"),
        ({"recipe": "held"}, 422, "Choose where it is sent to"),
        ({"recipe": "held", "deliver_to": "video"}, 422, "sent on"),
        ({"recipe": "video", "deliver_to": "nowhere"}, 422, "There is no destination"),
        ({"recipe": "video", "sign_in": "0" * 64}, 409, "signed in at this EHR again"),
    ],
)
async def test_what_can_not_be_ordered_is_told(here: Here, form: dict[str, str], status: int, says: str) -> None:
    tab = here.tab()
    await tab.signs_in(here.ehr)
    form = {"sign_in": token(await tab.get("/gather/lake")), **form}
    answer = await tab.post("/gather/lake", **form)
    assert (answer.status, says in answer.body.decode()) == (status, True), answer.body.decode()
    assert await here.orders.left() == (0, 0)


async def test_who_asks_too_often_from_one_address_waits(here: Here) -> None:
    answers = [await here.tab().get("/connect/lake") for _ in range(11)]
    assert [one.status for one in answers] == [303] * 10 + [429]
    assert answers[-1].header(b"retry-after") == "1"
    assert (await here.tab().get("/callback/lake?state=x")).status == 429
    assert (await here.tab().get(f"/launch?iss={here.ehr.base}&launch=x")).status == 429


async def test_a_sign_in_that_was_refused_is_audited_and_told_in_our_words(here: Here) -> None:
    tab = here.tab()
    gone = await tab.get("/connect/lake")
    state = dict(one.split("=", 1) for one in urlsplit(gone.header(b"location") or "").query.split("&"))["state"]
    answer = await tab.get(f"/callback/lake?state={state}&error=access_denied&error_description=MRN+4711&iss={ORIGIN}")
    assert answer.status in (403, 502)
    assert b"4711" not in answer.body
    ((user, event, status, about),) = here.trail.events
    assert (user, event, status, about["ehr"]) == ("", "ehr-sign-in-failed", 403, "lake")


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (Failed("unreachable", "The EHR was not reached."), 502, "The EHR was not reached."),
        (Failed("throttled", "Later."), 503, "Later."),
        (Invalid("Not so."), 400, "Not so."),
        (RuntimeError("MRN 4711"), 500, "Their log has it under the number"),
    ],
)
async def test_whatever_goes_wrong_is_a_page(here: Here, raised: Exception, status: int, says: str) -> None:
    class Broken:
        async def connection(self, name: str) -> Any:
            raise raised

    desk = replace(here.desk, launching=replace(here.desk.launching, parties=_parties(here, Broken())))
    answer = await Tab(pages(desk)).get("/connect/lake")
    assert (answer.status, says in answer.body.decode(), b"4711" in answer.body) == (status, True, False)


def _parties(here: Here, broken: Any) -> Any:
    broken.connections = here.desk.launching.parties.connections
    return broken


async def test_without_a_patient_nothing_can_be_gathered(here: Here) -> None:
    tab = here.tab()
    await tab.signs_in(here.ehr)
    (id,) = await here.desk.launching.sessions.grants(
        {b"cookie": "; ".join(f"{name}={value}" for name, value in tab.cookies.items()).encode()}
    )
    kept = await here.desk.launching.grants.get(id)
    assert await here.desk.launching.grants.replace(kept, patient="")
    assert structs.asdict(kept.grant)["patient"]
    page = (await tab.get("/gather/lake")).body.decode()
    assert "did not say which patient" in page and "Gather now" not in page
