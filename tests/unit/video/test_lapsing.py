"""Videos that the record leaves behind are marked: by what is committed, and by the days that go by."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.video.filmed import AMY, AMY_RECORD, BACKEND, BEN, DOCTOR, OWNER, PATIENT, World, holder, process, world
from tests.unit.video.records import bodies

from hilum.access.tokens import CLI
from hilum.interactions import granting
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.read import read
from hilum.interactions.search import search
from hilum.interactions.update import update
from hilum.oauth.ledger import CURSOR
from hilum.problems import NotFound
from hilum.search.parse import parse_query
from hilum.video import lapsing
from hilum.video.making import Writing
from hilum.video.order import FILES, id_of
from hilum.video.outdated import CHANGED, OutOfDate


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def look(here: World) -> None:
    while await here.lapsing.turn():
        pass


async def status(here: World, id: str) -> str:
    return str((await here.body("DocumentReference", id_of(id, 1, "document")))["status"])


async def marked(here: World, id: str) -> bool:
    return (await here.videos.get(OWNER, id)).outdated is not None


async def followed(here: World) -> None:
    """All are compared, and by the clock not again today."""
    await look(here)
    here.lapsing._all = here.time[0] + 86_400


async def test_what_is_committed_marks_what_it_leaves_behind_with_where_and_no_values(here: World) -> None:
    draft, done = await here.draft(), await here.approved()
    await followed(here)
    assert not await marked(here, done)
    await here.corrected(code={"text": "Fever"})
    await look(here)
    for id in (draft, done):
        one = await here.videos.get(OWNER, id)
        assert one.outdated is not None
        assert (one.outdated.code, "the scene why (Condition.code.text)" in one.outdated.text) == ("outdated", True)
        assert "Fever" not in str(await here.body("Task", id))
    assert (await here.videos.get(OWNER, draft)).step == "awaiting-approval"
    assert [one.outdated is not None for one in (await here.videos.list(OWNER)).videos] == [True, True]


async def test_the_document_of_one_that_is_given_out_is_superseded_in_a_version_of_its_own(here: World) -> None:
    id = await here.approved()
    await followed(here)
    before = await here.body("DocumentReference", id_of(id, 1, "document"))
    await here.corrected(code={"text": "Fever"})
    await look(here)
    found = await read(here.door, AMY, "DocumentReference", id_of(id, 1, "document"))
    assert found.version == 3
    left = {name: one for name, one in found.body.items() if name not in ("meta", "status")}
    assert left == {name: one for name, one in before.items() if name not in ("meta", "status")}
    assert (found.body["status"], found.body["docStatus"]) == ("superseded", "final")
    current = parse_query("DocumentReference", [("patient", PATIENT), ("status", "current")], base=here.door.base)
    assert (await search(here.door, AMY, current)).resources == ()
    await here.corrected()
    await look(here)
    assert (await status(here, id), await marked(here, id)) == ("current", False)
    assert (await here.videos.file(AMY, id, "video")).size > 0


async def test_a_draft_lies_in_nobodys_record_and_its_document_stays_as_it_is(here: World) -> None:
    id = await here.draft()
    await here.corrected(code={"text": "Fever"})
    await look(here)
    assert (await marked(here, id), await status(here, id)) == (True, "current")


MINTED = holder("patient/*.rs", "amy", agent="owner", client=CLI)
"""By the owner of the data directory, to try out a patient's app."""


@pytest.mark.parametrize("who", [AMY, BACKEND, MINTED])
async def test_nobody_but_who_works_here_gets_by_the_api_what_is_outdated(here: World, who: Any) -> None:
    id = await here.approved()
    await followed(here)
    await here.corrected(code={"text": "Fever"})
    for name in FILES:  # at once, before anybody has marked it
        with pytest.raises(OutOfDate, match=r"has changed.*Ask for a new one"):
            await here.videos.file(who, id, name)
        assert (await here.videos.file(DOCTOR, id, name)).size > 0
    with pytest.raises(OutOfDate):
        await here.videos.script(who, id)
    agent, event, code, about = here.trail.events[-1]
    assert (agent, event, code, about["video"], about["refused"]) == (who.agent, "video-watch", 409, id, "outdated")
    await look(here)
    (one,) = (await here.videos.list(who)).videos
    assert (one.id, one.outdated is not None) == (id, True)


async def test_an_app_that_is_bound_to_the_patient_is_told_no_more_than_that(here: World) -> None:
    id = await here.approved()
    await here.corrected(code={"text": "Fever"})
    await look(here)
    one = await here.videos.get(AMY, id)
    assert one.outdated is not None
    assert (one.outdated.text, one.outdated.element) == (CHANGED, "")


async def test_its_links_say_so_and_are_not_revoked(here: World) -> None:
    id = await here.approved()
    _, link = await here.videos.giving.link(DOCTOR, id)
    assert not (await here.videos.giving.link_of(DOCTOR, id, link.id)).outdated
    await here.corrected(code={"text": "Fever"})
    await look(here)
    (found,) = await here.videos.giving.links(DOCTOR, id)
    assert (found.open, found.outdated) == (True, True)
    assert (await here.videos.giving.link_of(DOCTOR, id, link.id)).outdated


async def test_so_does_what_is_new_deleted_or_of_somebody_else_now(tmp_path: Path) -> None:
    async with world(tmp_path, writing=Writing()) as here:
        record = dated(bodies())
        for body in record.values():
            await update(here.door, OWNER, body["resourceType"], body["id"], body)
        id = await here.draft(patient="Patient/p1")
        await here.videos.deciding.approve(DOCTOR, id)
        await followed(here)
        second = copy.deepcopy(record["medicine"]) | {
            "id": "m0", "medicationCodeableConcept": {"text": "Metformin 500 mg tablet"}
        }  # fmt: skip
        place = copy.deepcopy(record["place"]) | {"telecom": [{"system": "phone", "value": "+1-928-555-0111"}]}
        other = copy.deepcopy(record["medicine"]) | {"subject": {"reference": "Patient/ben"}}
        for type, name, body in (
            ("MedicationRequest", "m0", second),
            ("Location", record["place"]["id"], place),
            ("MedicationRequest", record["medicine"]["id"], other),
        ):
            before = next((one for one in record.values() if (one["resourceType"], one["id"]) == (type, name)), None)
            await update(here.door, OWNER, type, name, body)
            await look(here)
            assert await marked(here, id), type
            if before is None:
                await delete(here.door, OWNER, type, name)
            else:
                await update(here.door, OWNER, type, name, before)
            await look(here)
            assert not await marked(here, id), type


async def test_days_that_go_by_are_seen_too(tmp_path: Path) -> None:
    async with world(tmp_path, writing=Writing()) as here:
        for body in dated(bodies()).values():
            await update(here.door, OWNER, body["resourceType"], body["id"], body)
        id = await here.draft(patient="Patient/p1")
        await here.videos.deciding.approve(DOCTOR, id)
        await look(here)
        assert not await marked(here, id)
        here.move(lapsing.ALL_SECONDS - 1)
        await look(here)
        here.move(9 * 86_400)  # the appointment is over
        await look(here)
        one = await here.videos.get(DOCTOR, id)
        assert one.outdated is not None
        assert one.outdated.element.endswith(": Appointment.start")
        assert await status(here, id) == "superseded"


async def test_what_changes_while_it_is_rendered_marks_the_draft(here: World) -> None:
    await here.draft(patient="Patient/ben")  # so that there is one to follow for
    id = await here.ask()
    here.renderer.begun.clear()
    here.renderer.gate = gate = asyncio.Event()
    await here.working.turn()
    await here.renderer.begun.wait()
    await followed(here)
    await here.corrected(code={"text": "Fever"})
    await look(here)
    gate.set()
    await here.work()
    assert not await marked(here, id)
    await look(here)
    assert await marked(here, id)


async def test_a_video_is_not_approved_with_the_mark_of_a_record_that_it_agrees_with_again(here: World) -> None:
    id = await here.draft()
    await here.corrected(code={"text": "Fever"})
    await look(here)
    await here.corrected()
    assert (await here.videos.deciding.approve(DOCTOR, id)).outdated is None


async def test_what_is_compared_and_found_the_same_is_written_nowhere(here: World) -> None:
    id = await here.approved()
    await followed(here)
    seq = (await here.store.counts()).seq
    await here.corrected(note=[{"text": "Seen again."}])
    await look(here)
    assert [one.type for one in await here.store.changes(seq)] == ["Condition"]
    await here.corrected(code={"text": "Fever"})
    await look(here)
    changed = [one.type for one in await here.store.changes(seq)]
    assert changed == ["Condition", "Condition", "Task", "DocumentReference"]
    assert await marked(here, id)


async def test_where_there_is_no_video_nothing_is_read(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def changes(*_: Any) -> Any:
        raise AssertionError("read")

    await look(here)
    with monkeypatch.context() as patched:
        patched.setattr(here.store, "changes", changes)
        await create(here.door, granting.server(), "Condition", {k: v for k, v in AMY_RECORD[2].items() if k != "id"})
        await look(here)
    id = await here.approved()
    await followed(here)
    await here.corrected(code={"text": "Fever"})
    await look(here)
    assert await marked(here, id)


@pytest.mark.parametrize("write", range(4))
async def test_who_is_killed_while_marking_leaves_it_to_others(tmp_path: Path, write: int) -> None:
    async with world(tmp_path) as here:
        id = await here.approved()
        await followed(here)
        await here.corrected(code={"text": "Fever"})

        class Killed(BaseException):
            pass

        left = write
        store, shelf = here.store, here.lapsing._shelf
        commit, put = store.commit, shelf.put

        async def one(verb: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return await verb(*arguments, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(type(store), "commit", lambda _, *a, **o: one(commit, *a, **o))
            patched.setattr(type(shelf), "put", lambda _, *a, **o: one(put, *a, **o))
            if write < 3:
                with pytest.raises(Killed):
                    await look(here)
            else:
                await look(here)
        _, _, _, other, _ = process(here.store, tmp_path, lambda: here.time[0] + 3600, here.renderer, here.gatherer)
        while await other.turn():
            pass
        assert (await marked(here, id), await status(here, id)) == (True, "superseded")
        order = (await here.shelf.get(id)).order  # type: ignore[union-attr]
        assert order.outdated is not None


async def test_one_that_can_not_be_compared_keeps_no_other_from_being_marked(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = sorted([await here.approved(), await here.approved()])
    await followed(here)
    await here.corrected(code={"text": "Fever"})
    script = here.lapsing._shelf.script

    def broken(reel: Any) -> Any:
        if reel.id == first:
            raise ValueError("broken")
        return script(reel)

    monkeypatch.setattr(here.lapsing._shelf, "script", broken)
    await look(here)
    assert [await marked(here, id) for id in (first, other)] == [False, True]


async def test_the_videos_of_another_patient_are_left_alone(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    amys = await here.approved()
    bens = await here.draft(patient="Patient/ben")
    await followed(here)
    await look(here)
    seen = []
    compare = here.lapsing.compare

    async def noted(id: str) -> None:
        seen.append(id)
        await compare(id)

    monkeypatch.setattr(here.lapsing, "compare", noted)
    await here.corrected(code={"text": "Fever"})
    await look(here)
    assert set(seen) == {amys}
    assert bens not in seen


async def test_another_patients_app_is_told_nothing_of_it(here: World) -> None:
    id = await here.approved()
    await here.corrected(code={"text": "Fever"})
    await look(here)
    with pytest.raises(NotFound):
        await here.videos.file(BEN, id, "video")
    assert (await here.videos.list(BEN)).videos == ()


async def test_it_follows_from_where_it_was_and_one_process_does(here: World) -> None:
    await here.approved()
    await look(here)
    assert here.lapsing._feed.ours
    _, _, _, other, _ = process(here.store, here.folder, lambda: here.time[0], here.renderer, here.gatherer)
    await other.turn()
    assert not other._feed.ours
    assert await here.store.ledger.get(CURSOR, lapsing.NAME.encode()) is not None


def dated(record: Any) -> Any:
    """With the days of the visit and of the appointment laid around today."""
    text = json.dumps(record)
    for date, days in (("2026-11-20", -3), ("2026-12-01", 8)):
        text = text.replace(date, f"{datetime.now(UTC) + timedelta(days):%Y-%m-%d}")
    return json.loads(text)
