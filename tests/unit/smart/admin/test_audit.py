"""Who saw and did what, on the administrators' pages, with a real trail on both stores."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from msgspec import json
from tests.unit.smart import pages
from tests.unit.smart.administering import post
from tests.unit.smart.deciding import RECORDS, keep
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import BASE, World, world

from hilum.audit.anchor import RingSigner
from hilum.audit.select import Audits
from hilum.audit.settle import Settling
from hilum.audit.trail import Trail
from hilum.interactions.door import Door
from hilum.smart import looking
from hilum.smart.admin import checking
from hilum.smart.people import users
from hilum.smart.people.users import Account
from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

_schemas = itertools.count(1)


@dataclass
class Audited:
    here: World
    settling: Settling
    folder: Path

    async def page(self, query: str = "", name: str = "olga") -> Page:
        """What an auditor sees, of what has come in."""
        browser = Browser(self.here.site)
        await browser.sign_in(name)
        await self.settling.turn()
        return await browser.get(f"/admin/audit{query}")


@pytest.fixture(params=["sqlite", "postgresql"])
async def audited(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Audited]:
    store: Store
    if request.param == "sqlite":
        store = await open_sqlite(str(tmp_path / "store.sqlite"))
    else:
        url = request.getfixturevalue("postgres_url")
        store = await open_postgres(url, schema=f"admin_audit_{next(_schemas)}")
    here = await world(store)
    trail = Trail(tmp_path / "audit")
    trail.start()
    settling = Settling(store, trail, RingSigner(here.site.ring), tmp_path / "audit")
    door = Door(store, BASE, audits=Audits(store, BASE))
    here.site = replace(here.site, door=door, trail=trail, folder=tmp_path / "audit")
    here.browser = Browser(here.site)
    for body in RECORDS[:4]:
        await keep(here, body)
    await pages.user(here.site, "olga", roles=["auditor"])
    yield Audited(here, settling, tmp_path / "audit")
    await here.site.checks.stop()
    await settling.stop()
    await store.close()


def rows(page: Page) -> list[tuple[str, ...]]:
    """Person, app, what, patients, outcome of each row."""
    found = []
    for row in re.findall(r"<tr><td>(.*?)</tr>", page.text, re.DOTALL):
        cells = re.findall(r'data-label="(\w+)"[^>]*>(.*?)</td>', row, re.DOTALL)
        found.append(tuple(unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split())) for _, cell in cells[:5]))
    return found


async def account(of: Audited, name: str = "kim.doe") -> Account:
    found = await users.find(of.here.site.ledger, name)
    assert found is not None
    return found


async def test_what_somebody_read_is_found_by_each_filter(audited: Audited) -> None:
    site = audited.here.site
    kim = await account(audited)
    await looking.read(site, kim, "Patient", "p1")
    await looking.read(site, kim, "Patient", "gone")
    await looking.search(site, kim, "Encounter", [("patient", "p3")])
    await looking.search(site, kim, "Patient", [("name", "Stone")])
    read = ("kim.doe", "hilum", "read Patient/p1", "Patient/p1", "Done")
    missed = ("kim.doe", "hilum", "read Patient/gone", "", "Refused")
    visits = ("kim.doe", "hilum", "search-type Encounter?patient=p3", "Patient/p3", "Done")
    names = ("kim.doe", "hilum", "search-type Patient?name=Stone", "Patient/p2, Patient/p1", "Done")
    for query, found in (
        ("?person=kim.doe", [names, visits, missed, read]),
        (f"?person={kim.id}", [names, visits, missed, read]),
        ("?patient=p1&app=hilum&person=kim.doe", [names, read]),
        ("?patient=Patient/p2&interaction=search-type", [names]),
        ("?interaction=read&outcome=4", [missed]),
        ("?person=kim.doe&since=2099-01-01", []),
        ("?person=kim.doe&until=2020-01-31+12:30", []),
        ("?person=kim.doe&since=2020-01-31T12:30&outcome=0&interaction=read", [read]),
    ):
        page = await audited.page(query)
        assert (page.status, rows(page)) == (200, found), query
    created = rows(await audited.page("?interaction=create&patient=p1"))
    assert [one[2].split()[1] for one in created] == ["Encounter/e1", "Patient/p1"]
    assert rows(await audited.page("?interaction=sign-in&person=olga"))[0][2].startswith("sign-in")


async def test_what_can_not_be_looked_for_is_said(audited: Audited) -> None:
    for query, said in (("?since=yesterday", "A time is a day"), ("?outcome=5", "no such outcome"),
                        ("?interaction=dance", "no such interaction"), ("?patient=a%20b", ""),
                        ("?after=b3RoZXJzOjE", "Begin at its first page")):  # fmt: skip
        page = await audited.page(query)
        assert (page.status, said in page.text) == (422, True), query


async def test_every_look_is_in_the_audit_itself(audited: Audited) -> None:
    await audited.page("?patient=p1")
    page = await audited.page("?person=olga&interaction=search-type")
    assert rows(page)[0][:3] == ("olga", "hilum", "search-type AuditEvent?patient=Patient/p1&_count=50")
    one = re.findall(r'href="(/admin/audit/r-[^"]+)"', page.text)[0]
    browser = Browser(audited.here.site)
    await browser.sign_in("olga")
    shown = await browser.get(one)
    assert (shown.status, "AuditEvent?patient=Patient/p1" in shown.text) == (200, True)
    assert "&#34;resourceType&#34;: &#34;AuditEvent&#34;" in shown.text
    assert (await browser.get("/admin/audit/r-1-0000000000000000-1")).status == 404
    read = rows(await audited.page("?person=olga&interaction=read"))
    assert read[0][2] == f"read AuditEvent/{one.rpartition('/')[2]}"


async def test_pages_go_further_back_and_a_download_has_it_all(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.smart.admin.audit._AT_ONCE", 25)
    site = audited.here.site
    kim = await account(audited)
    for _ in range(60):
        await looking.read(site, kim, "Patient", "p1")
    page = await audited.page("?person=kim.doe&interaction=read")
    assert len(rows(page)) == 50
    (more,) = re.findall(r'href="(/admin/audit\?[^"]+after=[^"]+)"', page.text)
    browser = Browser(site)
    await browser.sign_in("olga")
    page = await browser.get(more.replace("&amp;", "&"))
    assert (len(rows(page)), "Further back" in page.text) == (10, False)
    (link,) = re.findall(r'href="(/admin/audit/download[^"]+)"', page.text)
    answer = (await browser.get(link.replace("&amp;", "&"))).answer
    events = [json.decode(line, type=dict[str, Any]) for line in answer.body.splitlines()]
    assert [one["resourceType"] for one in events] == ["AuditEvent"] * 60
    assert [one["recorded"] for one in events] == sorted((one["recorded"] for one in events), reverse=True)
    assert answer.header(b"content-type") == "application/x-ndjson"
    assert re.fullmatch(r'attachment; filename="audit-\w+\.ndjson"', answer.header(b"content-disposition") or "")
    assert answer.header(b"cache-control") == "no-store"
    monkeypatch.setattr("hilum.smart.admin.audit.MOST", 30)
    answer = (await browser.get(link.replace("&amp;", "&"))).answer
    assert answer.body.splitlines() == [json.encode(one) for one in events[:30]]
    assert (answer.header(b"content-disposition") or "").endswith('-newest-30.ndjson"')
    told = rows(await audited.page("?interaction=audit-export"))
    assert [(one[0], "agent:identifier" in one[2]) for one in told] == [("olga", True)] * 2


async def verified(audited: Audited) -> Page:
    """The page after somebody had it verified."""
    browser = Browser(audited.here.site)
    await browser.sign_in("olga")
    await audited.settling.turn()
    page = await post(browser, await browser.get("/admin/audit"), "/admin/audit/verify")
    assert page.path == "/admin/audit"
    for _ in range(200):
        if not checking.running(audited.here.site, await checking.known(audited.here.site)):
            break
        await asyncio.sleep(0.05)
    return await browser.get("/admin/audit")


async def test_whether_it_is_whole_is_said(audited: Audited) -> None:
    page = await audited.page()
    assert "It was not verified from here yet." in page.text
    page = await verified(audited)
    assert ("<b>Whole</b>" in page.text, "Verified by olga" in page.text) == (True, True), page.text
    check = await checking.known(audited.here.site)
    assert check is not None
    assert (check.many, check.commits, f"<code>{check.newest}</code>" in page.text) == (0, 4, True)
    assert rows(await audited.page("?interaction=audit-verify"))[0][0] == "olga"


async def test_what_was_altered_is_named(audited: Audited) -> None:
    (audited.folder / "0123456789abcdef.log").write_bytes(b"not what hilum writes" * 20)
    page = await verified(audited)
    assert "1 faults. Something was altered or removed." in page.text
    check = await checking.known(audited.here.site)
    assert check is not None
    assert check.faults[0] in unescape(page.text)


async def test_one_verification_runs_at_a_time(audited: Audited) -> None:
    site = audited.here.site
    await checking.begin(site, "ann")
    await checking.begin(site, "bob")
    check = await checking.known(site)
    assert check is not None
    assert check.by == "ann"


async def test_a_server_that_stops_says_that_it_did_not_verify(audited: Audited) -> None:
    site = audited.here.site
    await checking.begin(site, "ann")
    await site.checks.stop()
    page = await audited.page()
    assert "it could not be verified. The server was stopped." in page.text


async def test_a_verification_whose_process_was_killed_does_not_stand_in_the_way(audited: Audited) -> None:
    site = audited.here.site
    await checking.begin(site, "ann")
    for task in asyncio.all_tasks():
        if task.get_name() == "hilum-verify":
            task.cancel()
    assert checking.running(site, await checking.known(site))
    audited.here.move(15 * 60)
    page = await audited.page()
    assert "did not come to its end" in page.text
    await checking.begin(site, "bob")
    check = await checking.known(site)
    assert check is not None
    assert check.by == "bob"
