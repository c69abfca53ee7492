"""Contract: what the trail noted and what was committed comes back as AuditEvents, the same from every store."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Open

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Grant, Policy, Principal
from hilum.audit import file
from hilum.audit.anchor import RingSigner
from hilum.audit.context import ORIGIN, Origin
from hilum.audit.event import id_of
from hilum.audit.export import export, prune
from hilum.audit.narrow import Narrow
from hilum.audit.select import Audits
from hilum.audit.settle import Settling
from hilum.audit.trail import Trail
from hilum.audit.verify import Expected, Verification
from hilum.interactions import create as creating
from hilum.interactions import read as reading
from hilum.interactions import search as searching
from hilum.interactions.auditing import refuse_own
from hilum.interactions.door import Door
from hilum.problems import Conflict, Invalid, MethodNotAllowed, NotFound, Unprocessable
from hilum.search.parse import parse_query
from hilum.store.interface import Page, Store

BASE = "http://127.0.0.1:8080/fhir"
ADA = Principal(
    "ada", "app-1", "jti-1", EVERYTHING, 1 << 62, grant="g-1", user="u-1", fhir_user="Practitioner/5", roles=("doctor",)
)
PAT = Principal("pat", "app-2", "jti-2", EVERYTHING, 1 << 62, user="u-2", fhir_user="Patient/17", patient="17")
AUDITOR = Principal("eve", "app-3", "jti-3", Policy((Grant("AuditEvent", frozenset("rsc")),)), 1 << 62)
ANYTHING = replace(AUDITOR, policy=Policy((Grant("*", frozenset("cruds")),)))
Pairs = Sequence[tuple[str, str]]


class Site:
    """A store, a trail beside it, and what stands on both."""

    def __init__(self, store: Store, folder: Path, ring: Keyring) -> None:
        self.store, self.folder = store, folder
        self.signer = RingSigner(ring)
        self.audits = Audits(store, BASE)
        self.door = Door(store, BASE, audits=self.audits)
        self.begin()

    def begin(self) -> None:
        self.trail = Trail(self.folder / "audit")
        self.settling = Settling(self.store, self.trail, self.signer, self.folder / "audit")
        self.trail.start()

    async def search(self, pairs: Pairs, who: Principal = AUDITOR, after: str | None = None) -> Page:
        parsed = parse_query("AuditEvent", pairs, base=BASE)
        if after is not None:
            import msgspec

            query = msgspec.structs.replace(parsed.query, after=after)
            parsed = msgspec.structs.replace(parsed, query=query)
        return await searching.search(self.door, who, parsed)

    async def all(self, pairs: Pairs, count: int = 3) -> list[dict[str, Any]]:
        """All pages."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = await self.search([*pairs, ("_count", str(count))], after=after)
            assert len(page.resources) <= count
            found += [one.body for one in page.resources]
            if page.next is None:
                return found
            after = page.next

    async def verified(self, expected: Expected | None = None) -> tuple[list[str], Verification]:
        run = Verification(self.store, self.signer, self.folder / "audit", expected=expected)
        return [fault async for fault in run.faults()], run


async def fill(site: Site) -> None:
    """Two patients, three observations, and some who look at them."""
    ORIGIN.set(Origin("req-1", "203.0.113.9"))
    for name in ("Ada", "Bob"):
        person = {"resourceType": "Patient", "name": [{"text": name}]}
        patient = (await creating.create(site.door, ADA, "Patient", person)).resource
        for _ in range(2 if name == "Ada" else 1):
            body = {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "subject": {"reference": f"Patient/{patient.id}"},
            }
            one = (await creating.create(site.door, ADA, "Observation", body)).resource
            site.trail.note(ADA, "read", "Observation", one.id, 1, 200, "", (one.seq,))
            site.trail.note(PAT, "search-type", "Observation", "", 0, 200, "code=x&_count=2", (one.seq,))
        await site.settling.turn()
        site.trail.note(ADA, "read", "Patient", patient.id, 1, 200, "", (patient.seq,))
        site.trail.note(PAT, "read", "Patient", patient.id, 0, 404, "", ())
        site.trail.note(ADA, "history-instance", "Patient", patient.id, 0, 200, "", (patient.seq,))
    await site.trail.certain(ADA, "sign-in", 200, {"factors": "pwd"})
    await site.settling.turn()


@pytest.fixture
async def site(opened: Open, tmp_path: Path) -> Site:
    ring = Keyring(load_or_create(tmp_path / "keys", "sandbox"))
    store = await opened()
    await ring.prepare(store.ledger)
    return Site(store, tmp_path, ring)


SEARCHES: tuple[list[tuple[str, str]], ...] = (
    [],
    [("action", "R")],
    [("action", "C")],
    [("outcome", "4")],
    [("agent", "Practitioner/5")],
    [("agent", "Patient/17")],
    [("patient", "Patient/17")],
    [("agent-name", "ada")],
    [("address", "203.0.113.9")],
    [("type", "http://terminology.hl7.org/CodeSystem/audit-event-type|rest")],
    [("subtype", "search-type,history-instance")],
    [("policy", "urn:ietf:params:oauth:jti:jti-2"), ("action", "E")],
    [("entity", "Consent/g-1"), ("action", "R")],
    [("date", "gt2999")],
    [("date", "ge2020"), ("date", "lt2999"), ("outcome:not", "0")],
)  # fmt: skip


async def test_every_search_finds_what_looking_at_all_events_finds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(site)
    everything = await site.all([], count=100)
    assert len(everything) == 5 + 6 + 6 + 1
    assert [one["recorded"] for one in everything] == sorted((one["recorded"] for one in everything), reverse=True)
    names = {
        one["what"]["reference"].split("/_history")[0]
        for event in everything
        for one in event.get("entity", [])
        if "reference" in one.get("what", {})
    }
    named = [[(code, name)] for name in sorted(names) for code in ("entity", "patient")]
    within = [[("date", f"le{everything[9]['recorded']}")], [("date", f"gt{everything[9]['recorded']}")]]
    ids = [[("_id", ",".join(one["id"] for one in everything[3:8]))]]
    agents = {
        (one["who"]["identifier"].get("system", ""), one["who"]["identifier"]["value"])
        for event in everything
        for one in event["agent"]
    }
    by = [[("agent:identifier", f"{system}|{value}")] for system, value in sorted(agents)]
    assert len(by) > 4
    for pairs in (*SEARCHES, *named, *by, *within, *ids):
        if pairs[:1] and pairs[0][0] == "patient" and not pairs[0][1].startswith("Patient/"):
            continue
        found = await site.all(pairs)
        with monkeypatch.context() as patched:
            patched.setattr("hilum.audit.select.narrowed", lambda clauses: Narrow())
            assert found == await site.all(pairs, count=100), pairs
        page = await site.search([*pairs, ("_total", "accurate"), ("_count", "1")])
        assert page.total == len(found), pairs
    await site.settling.stop()


async def test_events_of_several_processes_come_in_the_order_of_their_times(site: Site) -> None:
    """Each of which has its own segments, that overlap."""
    await site.settling.stop()
    for process in range(3):
        times = iter([1_000, *(1_000_000 * (10 * number + process + 1) for number in range(5))])
        trail = Trail(site.folder / "audit", clock=lambda times=times: next(times))
        settling = Settling(site.store, trail, site.signer, site.folder / "audit")
        trail.start()
        for _ in range(5):
            trail.note(ADA, "read", "Patient", "1", 1, 200, "", ())
        await settling.stop()
    found = [one["recorded"] for one in await site.all([("entity", "Patient/1")], count=4)]
    assert len(found) == 15
    assert found == sorted(found, reverse=True)


async def test_a_page_for_which_there_is_no_time_leads_on(site: Site) -> None:
    await fill(site)
    everything = await site.all([], count=100)
    hurried = Audits(site.store, BASE, seconds=0.0)
    with pytest.raises(Unprocessable):
        await hurried.search((), count=10)
    with pytest.raises(Unprocessable):
        await hurried.count(())
    found: list[str] = []
    after: str | None = None
    steps = iter(range(1, 10_000))
    while True:  # time for a few events each
        ticks = iter(range(10_000))
        slow = Audits(
            site.store, BASE, seconds=float(next(steps) % 4 + 1), clock=lambda ticks=ticks: float(next(ticks))
        )
        page = await slow.search((), count=3, after=after)
        found += [one.id for one in page.resources]
        if page.next is None:
            break
        after = page.next
    assert found == [one["id"] for one in everything]
    await site.settling.stop()


async def test_each_event_is_read_by_its_id_and_belongs_to_the_server(site: Site) -> None:
    await fill(site)
    for event in await site.all([]):
        found = await reading.read(site.door, AUDITOR, "AuditEvent", event["id"])
        assert found.body == event
        assert (await reading.vread(site.door, AUDITOR, "AuditEvent", event["id"], "1")).body == event
        with pytest.raises(MethodNotAllowed):
            refuse_own("AuditEvent", event["id"])
        named = id_of(event["id"])
        assert named is not None
        moved = str(named._replace(number=named.number + 99))
        with pytest.raises(NotFound):
            await reading.read(site.door, AUDITOR, "AuditEvent", moved)
    await site.settling.stop()


async def test_a_scope_for_everything_does_not_show_the_server_s_own_log(site: Site) -> None:
    await fill(site)
    (event, *_) = await site.all([])
    assert (await site.search([], who=ANYTHING)).resources == ()
    with pytest.raises(NotFound):
        await reading.read(site.door, ANYTHING, "AuditEvent", event["id"])
    await site.settling.stop()


async def test_what_others_sent_follows_after_hilum_s_own(site: Site) -> None:
    await fill(site)
    sent = {
        "resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "x"}},
    }
    for _ in range(4):
        await creating.create(site.door, AUDITOR, "AuditEvent", sent)
    found = await site.all([], count=3)
    assert [one["recorded"] == "2026-01-01T00:00:00Z" for one in found] == [False] * 22 + [True] * 4
    page = await site.search([("_total", "accurate"), ("_count", "2")])
    assert page.total == 26
    assert (await site.search([("_summary", "count"), ("_total", "accurate"), ("_count", "0")])).total == 26
    await site.settling.stop()


@pytest.mark.parametrize(
    "pairs",
    [
        [("_sort", "date")],
        [("_sort", "outcome")],
        [("_include", "AuditEvent:agent")],
        [("agent:Practitioner.name", "x")],
        [("_has:Provenance:entity:_id", "x")],
        [("_text", "x")],
    ],
    ids=lambda pairs: pairs[0][0],
)
async def test_what_can_not_be_asked_of_them_is_refused(site: Site, pairs: Pairs) -> None:
    await fill(site)
    everywhere = Policy((*AUDITOR.policy.grants, *ANYTHING.policy.grants))
    with pytest.raises(Invalid):
        await site.search(pairs, who=replace(AUDITOR, policy=everywhere))
    await site.settling.stop()


async def test_a_crash_between_commit_and_unlink_leaves_no_doubles(site: Site) -> None:
    await fill(site)
    await site.trail.flushed(site.trail.note(ADA, "read", "Patient", "1", 1, 200, "", ()))
    (path,) = file.logs(site.folder / "audit")
    copy = site.folder / "copy"
    shutil.copy(path, copy)
    await site.settling.stop()
    assert not file.logs(site.folder / "audit")
    before = await site.all([])
    shutil.copy(copy, path)
    site.begin()
    await site.settling.turn()
    assert [one for one in file.logs(site.folder / "audit") if one == path] == []
    assert await site.all([]) == before
    assert (await site.verified())[0] == []
    await site.settling.stop()


async def test_files_of_a_killed_process_are_settled_by_the_next(site: Site) -> None:
    await fill(site)
    await site.trail.flushed(site.trail.note(PAT, "read", "Patient", "left", 0, 404, "", ()))
    killed = site.trail
    site.begin()
    os.close(killed._file._file)  # what the kernel does when its process ends
    await site.settling.turn()
    found = await site.all([("entity", "Patient/left")])
    assert len(found) == 1
    assert (await site.verified())[0] == []
    await site.settling.stop()


async def test_files_that_others_leave_are_settled_by_one_that_runs_already(site: Site) -> None:
    settling = Settling(site.store, site.trail, site.signer, site.folder / "audit", seconds=0.001)
    settling.start()
    while not settling._turns:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    other = Trail(site.folder / "audit")
    other.start()
    await other.flushed(other.note(PAT, "read", "Patient", "left", 0, 404, "", ()))
    os.close(other._file._file)  # what the kernel does when its process ends
    async with asyncio.timeout(60):
        while not await site.all([("entity", "Patient/left")]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await settling.stop()
    assert (await site.verified())[0] == []


async def test_verify_finds_nothing_wrong_with_what_nobody_touched(site: Site) -> None:
    await fill(site)
    await site.trail.flushed(site.trail.note(ADA, "read", "Patient", "1", 1, 200, "", ()))
    faults, run = await site.verified()
    assert faults == []
    assert (run.seen.entries, run.seen.commits, run.seen.files) == (13, 5, 1)
    assert run.seen.newest is not None
    assert (await site.verified(run.seen.newest))[0] == []
    n, _ = run.seen.newest
    assert (await site.verified(Expected(n, b"x")))[0] == [f"anchor {n}: another one than was expected"]
    assert (await site.verified(Expected(n + 1, b"x")))[0] == [f"anchor {n + 1}: removed, and what came after it"]
    await site.settling.stop()


async def test_what_is_exported_can_be_pruned_and_the_chain_goes_on_from_the_checkpoint(site: Site) -> None:
    await fill(site)
    events = await site.all([])
    end = (await site.store.counts()).seq + 10_000_000_000
    made = await export(site.store, site.signer, BASE, site.folder / "archive", end)
    manifest = made.manifest
    assert (manifest.events, manifest.commits) == (18, 5)
    (name,) = [name for name in manifest.files if "ndjson" in name]
    with gzip.open(site.folder / "archive" / name) as stream:
        lines = [json.loads(line) for line in stream]
    assert sorted(lines, key=lambda one: one["id"]) == sorted(events, key=lambda one: one["id"])
    anchor = await prune(site.store, site.signer, end, f"sha256:{made.digest}", manifest)
    assert anchor is not None
    assert await site.all([]) == []
    assert (await site.verified())[0] == []
    await creating.create(site.door, ADA, "Patient", {"resourceType": "Patient"})
    await site.trail.flushed(site.trail.note(ADA, "read", "Patient", "1", 1, 200, "", ()))
    await site.settling.turn()
    assert len(await site.all([])) == 2
    assert (await site.verified())[0] == []
    assert await prune(site.store, site.signer, 1, "nothing is that old") is None
    await site.settling.stop()


async def test_what_came_in_after_the_export_is_not_pruned(site: Site) -> None:
    await fill(site)
    end = (await site.store.counts()).seq + 10_000_000_000
    made = await export(site.store, site.signer, BASE, site.folder / "archive", end)
    await site.trail.flushed(site.trail.note(ADA, "read", "Patient", "late", 1, 200, "", ()))
    await site.settling.turn()
    with pytest.raises(Conflict):
        await prune(site.store, site.signer, end, "x", made.manifest)
    assert len(await site.all([])) == 19
    await site.settling.stop()
