"""A video from being asked for until a patient watches it, and who may do what on the way."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.video.filmed import AMY, BACKEND, BEN, CONTENT, DOCTOR, OWNER, PATIENT, World, holder, process, world
from tests.unit.video.records import bodies

from hilum.interactions import granting
from hilum.interactions.delete import delete
from hilum.interactions.read import read
from hilum.interactions.search import search
from hilum.interactions.update import update
from hilum.oauth.ledger import VIDEO, VIDEO_LINK
from hilum.problems import Busy, Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from hilum.search.parse import parse_query
from hilum.video import executing
from hilum.video.making import Gathering, Writing
from hilum.video.order import FILES, Failure, Whom, gather_of, id_of
from hilum.video.outdated import OutOfDate
from hilum.video.renderer import Unrendered
from hilum.video.templates import Templates

KEPT = ["document", "making", *FILES]
CODES = "http://terminology.hl7.org/CodeSystem"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def content(here: World, file: Any) -> bytes:
    return b"".join([one async for one in here.videos.chunks(file)])


# --- made -------------------------------------------------------------------------------------------------------------


async def test_what_is_asked_for_is_a_task_at_once_and_then_a_draft_that_awaits_approval(here: World) -> None:
    id = await here.ask()
    assert (await here.videos.get(OWNER, id)).step == "requested"
    await here.work()
    found = await here.videos.get(OWNER, id)
    assert (found.status, found.step, found.patient, found.seconds, found.spoken) == (
        "on-hold", "awaiting-approval", PATIENT, 12.5, True,
    )  # fmt: skip
    assert found.document == f"DocumentReference/{id_of(id, 1, 'document')}"
    assert await here.stands(id) == KEPT
    assert await here.left() == (1, 0, 0)


async def test_its_document_says_what_it_is_made_of_and_that_nobody_has_approved_it(here: World) -> None:
    id = await here.draft()
    body = await here.body("DocumentReference", id_of(id, 1, "document"))
    assert (body["docStatus"], body["status"], "subject" in body) == ("preliminary", "current", False)
    assert body["context"]["sourcePatientInfo"] == {"reference": PATIENT}
    related = [one["reference"] for one in body["context"]["related"]]
    assert related == ["Condition/c1/_history/1", "Patient/amy/_history/1", "Practitioner/doc/_history/1"]
    assert [one["attachment"]["contentType"] for one in body["content"]] == [
        "video/webm", "text/vtt; charset=utf-8", "text/plain; charset=utf-8", "image/png", "application/json",
    ]  # fmt: skip
    assert [one["attachment"]["size"] for one in body["content"]][:2] == [len(CONTENT), len(b"captions")]
    made = await here.body("Provenance", id_of(id, 1, "making"))
    assert [one["what"]["reference"] for one in made["entity"] if one["role"] == "source"] == related


async def test_its_files_are_read_whole_and_in_parts(here: World) -> None:
    id = await here.draft()
    video = await here.videos.file(DOCTOR, id, "video")
    assert video.blob is not None
    assert await content(here, video) == CONTENT
    assert b"".join([one async for one in here.videos.chunks(video, 5, 9)]) == CONTENT[5:9]
    assert await content(here, await here.videos.file(DOCTOR, id, "captions")) == b"captions"
    found = json.loads(await content(here, await here.videos.file(DOCTOR, id, "script")))
    assert found["title"] == "Your visit"


async def test_a_patient_is_named_by_a_number_too(here: World) -> None:
    assert (await here.videos.get(OWNER, await here.ask(patient="4711"))).patient == PATIENT
    assert (await here.videos.get(OWNER, await here.ask(patient="urn:mrn|4711"))).patient == PATIENT
    with pytest.raises(NotFound, match="no such patient"):
        await here.ask(patient="4712")
    with pytest.raises(NotFound, match="an id is written Patient/ID"):
        await here.ask(patient=PATIENT.removeprefix("Patient/"))


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"template": "nothing"}, "template"),
        ({"language": "xx"}, "language"),
        ({"shape": "round"}, "shape"),
        ({"codec": "vp8"}, "codec"),
        ({"renderer": "other"}, "renderer"),
        ({"patient": ""}, "ehr"),
        ({"ehr": "epic"}, "ehr"),
        ({"patient": "", "ehr": "epic"}, "patient"),
        ({"patient": "", "ehr": "other", "whom": Whom("mrn", "1")}, "ehr"),
    ],
)
async def test_what_can_not_be_made_is_refused_at_once(here: World, changes: dict[str, Any], element: str) -> None:
    with pytest.raises(Invalid) as caught:
        await here.ask(**changes)
    assert caught.value.issues[0].expression == element
    assert await here.left() == (0, 0, 0)


async def test_data_that_stops_the_script_is_told_on_the_task_with_its_element(here: World) -> None:
    id = await here.ask(patient="Patient/cal")
    await here.work()
    found = await here.videos.get(OWNER, id)
    assert (found.status, found.step) == ("failed", "failed")
    assert found.reason is not None
    assert (found.reason.code, found.reason.element) == ("reason-missing", "Encounter.reasonCode")
    assert await here.left() == (0, 0, 0)


async def test_a_patient_of_an_ehr_is_gathered_first_once_and_waited_for(here: World) -> None:
    here.gatherer.result = Gathering(False)
    id = await here.ask(patient="", ehr="epic", whom=Whom("mrn", "203701"))
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "gathering"
    assert here.gatherer.given == {gather_of(id): ("epic", "guide", Whom("mrn", "203701"))}
    row = (await here.store.ledger.of(VIDEO))[0]
    assert b"203701" not in row.value
    here.gatherer.result = Gathering(True, PATIENT)
    here.move(executing.LOOK_SECONDS)
    await here.work()
    found = await here.videos.get(OWNER, id)
    assert (found.step, found.patient, found.ehr) == ("awaiting-approval", PATIENT, "epic")


async def test_why_gathering_has_failed_is_told(here: World) -> None:
    here.gatherer.result = Gathering(True, failure=Failure("forbidden", "The EHR does not allow it.", side="theirs"))
    id = await here.ask(patient="", ehr="epic", whom=Whom("mrn", "203701"))
    await here.work()
    reason = (await here.videos.get(OWNER, id)).reason
    assert reason is not None
    assert (reason.code, reason.text) == ("forbidden", "The EHR does not allow it.")


async def test_rendering_is_tried_again_where_that_may_help(here: World) -> None:
    here.renderer.raises = [Unrendered("down", "The service does not answer.", "theirs", again=True)]
    id = await here.ask()
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "waiting"
    here.move(executing.TRIES[0])
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"


async def test_who_renders_may_say_how_long_to_wait_at_least_and_is_given_what_it_held(here: World) -> None:
    here.renderer.raises = [Unrendered("busy", "Later.", "theirs", again=True, wait=1800)]
    here.renderer.holds = "ticket"
    id = await here.ask()
    await here.work()
    here.move(1799)
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "waiting"
    here.move(1)
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"
    assert [job.held for job in here.renderer.jobs] == ["", "ticket"]


async def test_rendering_that_can_not_be_ends_the_video(here: World) -> None:
    here.renderer.raises = [Unrendered("no-codec", "ffmpeg has no such encoder.")]
    id = await here.ask()
    await here.work()
    reason = (await here.videos.get(OWNER, id)).reason
    assert reason is not None
    assert reason.code == "no-codec"
    assert await here.left() == (0, 0, 0)


async def test_an_error_that_nobody_foresaw_is_tried_again_and_tells_its_name_alone(here: World) -> None:
    here.renderer.raises = [ValueError("Amy") for _ in range(9)]
    id = await here.ask()
    for wait in (0, *executing.TRIES):
        here.move(wait)
        await here.work()
    reason = (await here.videos.get(OWNER, id)).reason
    assert reason is not None
    assert (reason.code, "ValueError" in reason.text, "Amy" in reason.text) == ("defect", True, False)


async def test_how_far_rendering_is_stands_on_the_task(here: World) -> None:
    here.renderer.gate = asyncio.Event()
    id = await here.ask()
    work = asyncio.create_task(here.work())
    async for one in here.videos.events(OWNER, id, 0.001):
        if one.progress == 50:
            here.renderer.gate.set()
    await work
    assert (one.step, one.progress) == ("awaiting-approval", None)


async def test_ten_asked_for_at_once_are_made_in_turn(here: World) -> None:
    ids = [await here.ask() for _ in range(10)]
    await here.work()
    assert [(await here.videos.get(OWNER, id)).step for id in ids] == ["awaiting-approval"] * 10
    assert [job.id for job in here.renderer.jobs] == [f"{id}-1" for id in ids]
    assert here.renderer.most == 1


async def test_a_template_may_let_its_videos_go_out_by_themselves_and_it_is_recorded_so(here: World) -> None:
    id = await here.ask(template="free")
    await here.work()
    found = await here.videos.get(OWNER, id)
    assert found.step == "approved"
    assert found.decided is not None
    assert found.decided.by == "template"
    assert "itself" in (await here.body("Provenance", id_of(id, 1, "approval")))["activity"]["text"]


# --- ended ------------------------------------------------------------------------------------------------------------


async def test_who_cancels_ends_the_rendering_and_nothing_stays(here: World) -> None:
    here.renderer.gate = asyncio.Event()
    id = await here.ask()
    await here.working.turn()
    await here.renderer.begun.wait()
    assert (await here.videos.cancel(OWNER, id)).status == "cancelled"
    await here.work()
    assert here.renderer.under_way == 0
    assert await here.stands(id) == []
    assert await here.left() == (0, 0, 0)
    with pytest.raises(Conflict):
        await here.videos.deciding.approve(DOCTOR, id)


async def test_who_renders_elsewhere_is_told_that_nobody_wants_it_any_more(here: World) -> None:
    here.renderer.raises = [Unrendered("busy", "Later.", "theirs", again=True)]
    here.renderer.holds = "ticket"
    id = await here.ask()
    await here.work()
    await here.videos.cancel(OWNER, id)
    await here.work()
    assert here.renderer.cancelled == ["ticket"]
    assert await here.left() == (0, 0, 0)


async def test_a_draft_can_be_cancelled_by_fhir_too_and_is_deleted(here: World) -> None:
    id = await here.draft()
    task = await here.store.read("Task", id)
    assert task is not None
    await update(here.door, OWNER, "Task", id, task.body | {"status": "cancelled"})
    await here.work()
    assert await here.stands(id) == []
    assert (await here.videos.get(OWNER, id)).step == "cancelled"
    assert await here.left() == (0, 0, 0)


async def test_so_it_is_when_its_task_is_deleted(here: World) -> None:
    id = await here.draft()
    await delete(here.door, OWNER, "Task", id)
    await here.work()
    assert await here.stands(id) == []
    assert await here.left() == (0, 0, 0)


async def test_gathering_is_cancelled_with_it(here: World) -> None:
    here.gatherer.result = Gathering(False)
    id = await here.ask(patient="", ehr="epic", whom=Whom("mrn", "1"))
    await here.work()
    await here.videos.cancel(OWNER, id)
    await here.work()
    assert here.gatherer.cancelled == [gather_of(id)]
    assert await here.left() == (0, 0, 0)


async def test_what_is_rejected_is_deleted_and_who_did_so_is_told(here: World) -> None:
    id = await here.draft()
    found = await here.videos.deciding.reject(DOCTOR, id, reason=" Too\tlong.\0 ")
    assert (found.status, found.step) == ("cancelled", "rejected")
    assert found.decided is not None
    assert (found.decided.verdict, found.decided.by, found.decided.reason) == ("rejected", "doc", "Too long.")
    assert found.reason is None, "it has not failed"
    assert (await here.body("Task", id))["statusReason"] == {
        "coding": [{"system": "urn:hilum:video-rejection", "code": "rejected"}], "text": "Too long.",
    }  # fmt: skip
    assert here.trail.events[-1][3]["reason"] == "Too long."
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "rejected"
    assert await here.stands(id) == []
    assert await here.left() == (0, 0, 0)


async def test_a_rejection_may_have_no_reason_and_none_without_end(here: World) -> None:
    id = await here.draft()
    with pytest.raises(Invalid, match="1000 characters"):
        await here.videos.deciding.reject(DOCTOR, id, reason="x" * 1001)
    decided = (await here.videos.deciding.reject(DOCTOR, id)).decided
    assert decided is not None
    assert (decided.verdict, decided.reason) == ("rejected", "")
    assert "statusReason" not in await here.body("Task", id)


async def test_where_references_are_kept_whole_drafts_can_be_deleted_too(tmp_path: Path) -> None:
    async with world(tmp_path, integrity=True) as here:
        id = await here.draft()
        await here.videos.deciding.edit(DOCTOR, id, {"why-2": "Sleep."})
        await here.work()
        await here.videos.deciding.reject(DOCTOR, id)
        assert [await here.stands(id, draft) for draft in (1, 2)] == [[], []]


# --- approved ---------------------------------------------------------------------------------------------------------


async def test_who_approves_which_script_and_when_is_recorded_and_the_record_has_it(here: World) -> None:
    id = await here.draft()
    written = await here.videos.script(DOCTOR, id)
    found = await here.videos.deciding.approve(DOCTOR, id, written.digest)
    assert (found.status, found.step) == ("completed", "approved")
    body = await here.body("DocumentReference", id_of(id, 1, "document"))
    assert (body["docStatus"], body["subject"]) == ("final", {"reference": PATIENT})
    told = await here.body("Provenance", id_of(id, 1, "approval"))
    assert told["agent"][0]["who"]["reference"] == "Practitioner/doc"
    assert told["entity"][0]["what"]["identifier"]["value"] == written.digest
    assert ("doc", "video-decide", 200) in [event[:3] for event in here.trail.events]
    assert await here.left() == (1, 0, 0)


async def test_what_is_approved_is_approved_once(here: World) -> None:
    id = await here.approved()
    for again in (here.videos.deciding.approve, here.videos.deciding.reject):
        with pytest.raises(Conflict):
            await again(DOCTOR, id)
    with pytest.raises(Conflict):
        await here.videos.cancel(OWNER, id)
    with pytest.raises(Conflict):
        await here.videos.deciding.edit(DOCTOR, id, {"why-2": "Sleep."})


async def test_of_two_who_decide_at_once_one_does(here: World) -> None:
    id = await here.draft()
    found = await asyncio.gather(
        here.videos.deciding.approve(DOCTOR, id), here.videos.deciding.reject(DOCTOR, id), return_exceptions=True
    )
    assert [isinstance(one, Conflict) for one in found].count(True) == 1
    step = (await here.videos.get(OWNER, id)).step
    assert step in ("approved", "rejected")
    assert len(await here.stands(id)) == (len(KEPT) + 1 if step == "approved" else 0)


async def test_it_needs_not_wait_for_what_is_rendered(here: World) -> None:
    id = await here.draft()
    here.renderer.gate = asyncio.Event()
    here.renderer.begun.clear()
    await here.ask()
    await here.working.turn()
    await here.renderer.begun.wait()
    assert (await here.videos.deciding.approve(DOCTOR, id)).step == "approved"


async def test_an_edit_is_rendered_as_a_new_draft_in_place_of_the_one_before(here: World) -> None:
    id = await here.draft()
    before = await here.videos.script(DOCTOR, id)
    found = await here.videos.deciding.edit(DOCTOR, id, {"why-2": "Sleep well."}, before.digest)
    assert (found.status, found.step) == ("in-progress", "waiting")
    await here.work()
    after = await here.videos.script(DOCTOR, id)
    assert after.script.scenes[0].sentences[1].text == "Sleep well."
    assert after.digest != before.digest
    assert await here.stands(id, 1) == ["document", "making"]
    assert await here.stands(id, 2) == KEPT
    old = await here.body("DocumentReference", id_of(id, 1, "document"))
    new = await here.body("DocumentReference", id_of(id, 2, "document"))
    assert (old["status"], new["status"]) == ("superseded", "current")
    assert new["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{id_of(id, 1, 'document')}"
    assert (await here.videos.get(OWNER, id)).edited == "doc"
    with pytest.raises(PreconditionFailed):
        await here.videos.deciding.approve(DOCTOR, id, before.digest)
    assert (await here.videos.deciding.approve(DOCTOR, id, after.digest)).step == "approved"


async def test_an_edit_beyond_the_limits_is_refused_with_the_sentence(here: World) -> None:
    id = await here.draft()
    with pytest.raises(Invalid) as caught:
        await here.videos.deciding.edit(DOCTOR, id, {"why-1": "You had none."})
    assert caught.value.issues[0].expression == "why-1"
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"


# --- outdated ---------------------------------------------------------------------------------------------------------


async def test_a_draft_that_the_record_has_left_behind_is_not_approved(here: World) -> None:
    id = await here.draft()
    await here.corrected(code={"text": "Fever"})
    with pytest.raises(
        Conflict, match=r"has changed .*the scene why \(Condition.code.text\).* ask for a new one"
    ) as caught:
        await here.videos.deciding.approve(DOCTOR, id)
    assert "Fever" not in str(caught.value)
    assert "approval" not in await here.stands(id)
    assert "video-decide" not in [event[1] for event in here.trail.events]
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"
    assert (await here.videos.deciding.reject(DOCTOR, id)).step == "rejected"


async def test_nor_one_of_which_there_would_be_no_script_any_more(here: World) -> None:
    id = await here.draft()
    await delete(here.door, OWNER, "Condition", "c1")
    with pytest.raises(Conflict, match="no script") as caught:
        await here.videos.deciding.approve(DOCTOR, id)
    assert caught.value.issues[0].expression == "Encounter.reasonCode"


async def test_versions_that_tell_the_same_do_no_harm(here: World) -> None:
    id = await here.draft()
    await here.corrected(note=[{"text": "Seen again."}])
    assert await here.videos.outdated(DOCTOR, id) is None
    assert (await here.videos.deciding.approve(DOCTOR, id)).step == "approved"


async def test_edited_advice_is_left_out_and_facts_are_not(here: World) -> None:
    id = await here.draft()
    await here.videos.deciding.edit(DOCTOR, id, {"why-2": "Sleep."})
    await here.work()
    assert await here.videos.outdated(DOCTOR, id) is None
    await here.corrected(code={"text": "Fever"})
    with pytest.raises(Conflict, match="has changed"):
        await here.videos.deciding.approve(DOCTOR, id)


@pytest.mark.parametrize("gone", ["template", "patient"])
async def test_what_can_not_be_compared_any_more_is_outdated(
    here: World, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await here.approved()
    url, _ = await here.videos.giving.link(DOCTOR, id)
    proof = await here.videos.watching.prove(url.rpartition("/")[2], "1970-02-03")
    assert proof is not None
    if gone == "template":
        nothing = replace(here.videos._writing, templates=lambda: Templates({}))
        monkeypatch.setattr(here.videos._seeing.author, "_writing", nothing)
    else:
        await delete(here.door, OWNER, "Patient", "amy")
    with pytest.raises(OutOfDate):
        await here.videos.watching.watch(proof)


async def test_what_goes_out_by_itself_does_not_where_the_record_has_changed_meanwhile(here: World) -> None:
    here.renderer.gate = asyncio.Event()
    id = await here.ask(template="free")
    await here.working.turn()
    await here.renderer.begun.wait()
    await here.corrected(code={"text": "Fever"})
    here.renderer.gate.set()
    await here.work()
    found = await here.videos.get(OWNER, id)
    assert found.step == "failed"
    assert found.reason is not None
    assert (found.reason.code, "the scene why" in found.reason.text) == ("outdated", True)
    assert await here.stands(id) == []
    assert await here.left() == (0, 0, 0)


async def test_a_link_shows_no_video_that_is_outdated_and_the_audit_has_it(here: World) -> None:
    id = await here.approved()
    url, standing = await here.videos.giving.link(DOCTOR, id)
    proof = await here.videos.watching.prove(url.rpartition("/")[2], "1970-02-03")
    assert proof is not None
    await here.corrected(code={"text": "Fever"})
    with pytest.raises(OutOfDate) as caught:
        await here.videos.watching.watch(proof)
    assert caught.value.language == "en"
    agent, event, status, about = here.trail.events[-1]
    assert (agent, event, status, about["link"], about["refused"]) == (
        "hilum", "video-watch", 409, standing.id, "outdated",
    )  # fmt: skip
    with pytest.raises(OutOfDate):
        await here.videos.watching.watched_file(proof, "video")
    with pytest.raises(Conflict, match="No link was made"):
        await here.videos.giving.link(DOCTOR, id)
    found = await here.videos.outdated(DOCTOR, id)
    assert found is not None
    assert "Condition.code.text" in found.text
    await here.corrected()
    assert (await here.videos.watching.watch(proof)).video == id


async def test_what_is_corrected_in_a_whole_record_is_found(tmp_path: Path) -> None:
    text = json.dumps(bodies())
    for date, days in (("2026-11-20", -3), ("2026-12-01", 8)):
        text = text.replace(date, f"{datetime.now(UTC) + timedelta(days):%Y-%m-%d}")
    record = json.loads(text)
    allergy = {
        "resourceType": "AllergyIntolerance", "id": "x", "patient": {"reference": "Patient/p1"},
        "clinicalStatus": {"coding": [{"system": f"{CODES}/allergyintolerance-clinical", "code": "active"}]},
        "code": {"text": "Lisinopril"},
    }  # fmt: skip
    async with world(tmp_path, writing=Writing()) as here:

        async def put(body: Any) -> None:
            await update(here.door, OWNER, body["resourceType"], body["id"], body)

        for body in record.values():
            await put(body)
        id = await here.draft(patient="Patient/p1")
        medicine = copy.deepcopy(record["medicine"])
        medicine["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["value"] = 2
        await put(medicine)
        with pytest.raises(Conflict, match=r"the scene medicine-1 \(MedicationRequest.dosageInstruction"):
            await here.videos.deciding.approve(DOCTOR, id)
        await put(record["medicine"])
        await put(allergy)
        with pytest.raises(Conflict, match=r"no script can be written of it now[.] The patient is allergic"):
            await here.videos.deciding.approve(DOCTOR, id)
        await delete(here.door, OWNER, "AllergyIntolerance", "x")
        assert (await here.videos.deciding.approve(DOCTOR, id)).step == "approved"
        assert await here.videos.outdated(DOCTOR, id) is None
        here.move(9 * 86_400)  # the appointment is over
        found = await here.videos.outdated(DOCTOR, id)
        assert found is not None
        assert found.element.endswith(": Appointment.start")


# --- who --------------------------------------------------------------------------------------------------------------


async def test_apps_make_videos_and_people_approve_them(here: World) -> None:
    id = await here.ask(BACKEND)
    await here.work()
    with pytest.raises(Forbidden, match="approved by a person"):
        await here.videos.deciding.approve(BACKEND, id)
    nurse = holder("user/Task.r user/DocumentReference.rs user/Binary.r", roles=("practitioner",))
    assert (await here.videos.get(nurse, id)).step == "awaiting-approval"
    with pytest.raises(Forbidden):
        await here.videos.deciding.approve(nurse, id)
    await here.videos.deciding.approve(DOCTOR, id)
    with pytest.raises(Forbidden):
        await here.videos.giving.link(BACKEND, id)


@pytest.mark.parametrize("scope", ["system/Task.cruds", "patient/*.cruds", "system/Task.cruds system/Patient.rs"])
async def test_who_can_not_read_the_record_has_no_video_made_of_it(here: World, scope: str) -> None:
    with pytest.raises(Forbidden):
        await here.ask(holder(scope, "amy" if "patient/" in scope else None))


async def test_a_patients_app_sees_that_patients_approved_videos_and_nothing_else(here: World) -> None:
    draft, done = await here.draft(), await here.approved()
    assert [one.id for one in (await here.videos.list(AMY)).videos] == [done]
    assert (await here.videos.get(AMY, done)).step == "approved"
    assert await content(here, await here.videos.file(AMY, done, "video")) == CONTENT
    assert (await here.videos.script(AMY, done)).script.title == "Your visit"
    for method in (here.videos.get, here.videos.script, here.videos.cancel):
        with pytest.raises(NotFound):
            await method(AMY, draft)
    with pytest.raises(NotFound):
        await here.videos.file(AMY, draft, "video")


async def test_another_patients_app_sees_nothing_of_it_at_all(here: World) -> None:
    done, draft = await here.approved(), await here.draft()
    assert (await here.videos.list(BEN)).videos == ()
    for id in (done, draft, "nothing"):
        for method in (here.videos.get, here.videos.script):
            with pytest.raises(NotFound, match="or none that this token may see"):
                await method(BEN, id)
        for name in FILES:
            with pytest.raises(NotFound):
                await here.videos.file(BEN, id, name)


async def test_nor_does_fhir_show_a_draft_to_an_app_that_is_bound_to_the_patient(here: World) -> None:
    id = await here.draft()
    for type in ("DocumentReference", "Provenance"):
        page = await search(here.door, AMY, parse_query(type, [], base=here.door.base))
        assert page.resources == ()
    for name in FILES:
        with pytest.raises(NotFound):
            await read(here.door, AMY, "Binary", id_of(id, 1, name))
    await here.videos.deciding.approve(DOCTOR, id)
    assert (await read(here.door, AMY, "Binary", id_of(id, 1, "captions"))).type == "Binary"
    with pytest.raises(NotFound):
        await read(here.door, BEN, "Binary", id_of(id, 1, "captions"))


async def test_who_sees_all_tasks_but_the_documents_of_one_patient_sees_those_videos(here: World) -> None:
    id = await here.draft()
    for patient, sees in (("amy", True), ("ben", False)):
        both = of_both(patient)
        assert [one.id for one in (await here.videos.list(both)).videos] == ([id] if sees else [])
        if not sees:
            with pytest.raises(NotFound):
                await here.videos.get(both, id)


def of_both(patient: str) -> Any:
    return holder("system/Task.rs patient/*.rs", patient)


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [{"reference": "Patient/ben"}, None])
async def test_who_rewrites_whose_a_task_is_sees_and_decides_no_more_by_it(here: World, whose: Any) -> None:
    tasks = holder("system/Task.rus patient/DocumentReference.rus patient/Binary.r", "ben", roles=("practitioner",))
    id = await here.draft()
    body = await here.body("Task", id)
    body.pop("for")
    await update(here.door, tasks, "Task", id, body | ({"for": whose} if whose else {}))
    for trial in (here.videos.get, here.videos.script, here.videos.deciding.approve):
        with pytest.raises(NotFound):
            await trial(tasks, id)
    with pytest.raises(NotFound):
        await here.videos.file(tasks, id, "video")


async def test_a_link_leads_who_proves_the_birth_date_to_the_video_for_an_hour(here: World) -> None:
    id = await here.approved()
    url, standing = await here.videos.giving.link(DOCTOR, id)
    assert url.startswith("https://hilum.test/v/")
    token = url.rpartition("/")[2]
    assert (await here.videos.watching.follow(token)).id == standing.id
    proof = await here.videos.watching.prove(token, "1970-02-03")
    assert proof is not None
    assert (await here.videos.watching.watch(proof)).video == id
    assert await content(here, await here.videos.watching.watched_file(proof, "video")) == CONTENT
    with pytest.raises(NotFound):
        await here.videos.watching.watched_file(proof, "script")
    assert [event[:3] for event in here.trail.events[-2:]] == [
        ("doc", "video-link", 200), ("hilum", "video-watch", 200),
    ]  # fmt: skip
    for wrong in (proof, token[:-1], "x"):
        with pytest.raises(NotFound):
            await here.videos.watching.follow(wrong)
    with pytest.raises(NotFound):
        await here.videos.watching.watch(token)


async def test_the_ledger_has_no_token_and_no_proof(here: World) -> None:
    url, _ = await here.videos.giving.link(DOCTOR, await here.approved())
    token = url.rpartition("/")[2]
    proof = await here.videos.watching.prove(token, "1970-02-03")
    for row in await here.store.ledger.of(VIDEO_LINK):
        for secret in (token, str(proof), "1970"):
            assert secret.encode() not in row.key + row.owner + row.value


async def test_wrong_proofs_are_few_and_right_ones_are_not_counted(here: World) -> None:
    url, standing = await here.videos.giving.link(DOCTOR, id := await here.approved())
    token = url.rpartition("/")[2]
    for _ in range(7):
        assert await here.videos.watching.prove(token, "1970-02-03") is not None
    for wrong in ("1970-02-04", "", "1970", "03.02.1970", "x" * 5000):
        assert await here.videos.watching.prove(token, wrong) is None
    with pytest.raises(NotFound):
        await here.videos.watching.prove(token, "1970-02-03")
    found = await here.videos.giving.link_of(DOCTOR, id, standing.id)
    assert (found.open, found.link.tries, found.link.watched) == (False, 5, 7)


async def test_of_many_proofs_at_once_no_more_are_looked_at(here: World) -> None:
    url, _ = await here.videos.giving.link(DOCTOR, await here.approved())
    token = url.rpartition("/")[2]
    some = (here.videos.watching.prove(token, f"1971-01-{day:02}") for day in range(1, 21))
    found = await asyncio.gather(*some, return_exceptions=True)
    assert len([one for one in found if one is None]) == 5
    assert all(one is None or isinstance(one, NotFound | Busy) for one in found)


async def test_what_is_revoked_leads_nowhere_at_once_also_for_who_watches(here: World) -> None:
    url, standing = await here.videos.giving.link(DOCTOR, id := await here.approved())
    token = url.rpartition("/")[2]
    proof = await here.videos.watching.prove(token, "1970-02-03")
    assert proof is not None
    assert (await here.videos.giving.revoke(DOCTOR, id, standing.id)).revoked
    with pytest.raises(NotFound):
        await here.videos.watching.follow(token)
    with pytest.raises(NotFound):
        await here.videos.watching.watch(proof)
    with pytest.raises(NotFound):
        await here.videos.watching.watched_file(proof, "video")
    with pytest.raises(NotFound):
        await here.videos.giving.revoke(DOCTOR, id, "0" * 24)


@pytest.mark.parametrize("change", [{"status": "entered-in-error"}, {"docStatus": "amended"}, None])
async def test_a_document_that_is_withdrawn_is_shown_by_no_link(here: World, change: Any) -> None:
    id = await here.approved()
    token = (await here.videos.giving.link(DOCTOR, id))[0].rpartition("/")[2]
    proof = await here.videos.watching.prove(token, "1970-02-03")
    assert proof and await here.videos.watching.watch(proof)
    document = id_of(id, 1, "document")
    if change:
        body = await here.body("DocumentReference", document)
        await update(here.door, DOCTOR, "DocumentReference", document, body | change)
    else:
        await delete(here.door, DOCTOR, "DocumentReference", document)
    for trial in (here.videos.watching.watch(proof), here.videos.watching.watched_file(proof, "video")):
        with pytest.raises(NotFound):
            await trial
    with pytest.raises((Conflict, NotFound)):
        await here.videos.giving.link(DOCTOR, id)


async def test_content_that_somebody_has_put_in_place_of_what_was_rendered_is_not_shown(here: World) -> None:
    id = await here.approved()
    proof = await here.videos.watching.prove(
        (await here.videos.giving.link(DOCTOR, id))[0].rpartition("/")[2], "1970-02-03"
    )
    assert proof
    captions = id_of(id, 1, "captions")
    body = await here.body("Binary", captions)
    await update(here.door, DOCTOR, "Binary", captions, body | {"data": "V0VCVlRUCg=="})
    with pytest.raises(NotFound):
        await here.videos.watching.watched_file(proof, "captions")
    with pytest.raises(NotFound):
        await here.videos.file(DOCTOR, id, "captions")
    assert await here.videos.watching.watched_file(proof, "transcript")


async def test_a_link_ends(here: World) -> None:
    here.time[0] -= 120  # the ledger has a clock of its own
    url, _ = await here.videos.giving.link(DOCTOR, await here.approved(), expires_in=60)
    with pytest.raises(NotFound):
        await here.videos.watching.follow(url.rpartition("/")[2])


async def test_who_signs_in_as_the_patient_needs_no_birth_date_and_others_may_not(here: World) -> None:
    url, _ = await here.videos.giving.link(DOCTOR, await here.approved(), proof="sign-in")
    token = url.rpartition("/")[2]
    assert await here.videos.watching.prove(token, "1970-02-03") is None
    assert await here.videos.watching.prove_as(token, BEN) is None
    proof = await here.videos.watching.prove_as(token, AMY)
    assert proof is not None
    assert (await here.videos.watching.watch(proof)).script.first_name == "Amy"


@pytest.mark.parametrize("seconds", [59, 91 * 86_400])
async def test_a_link_holds_for_a_time(here: World, seconds: int) -> None:
    with pytest.raises(Invalid):
        await here.videos.giving.link(DOCTOR, await here.approved(), expires_in=seconds)


async def test_a_birth_date_that_is_no_day_proves_nothing(here: World) -> None:
    id = await here.draft(patient="Patient/ben")
    await here.videos.deciding.approve(DOCTOR, id)
    with pytest.raises(Invalid) as caught:
        await here.videos.giving.link(DOCTOR, id)
    assert caught.value.issues[0].expression == "proof"


async def test_no_link_leads_to_a_draft(here: World) -> None:
    with pytest.raises(Conflict):
        await here.videos.giving.link(DOCTOR, await here.draft())


# --- crashes ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("write", range(1, 14))
async def test_who_is_killed_after_any_write_leaves_a_video_that_is_made_once(tmp_path: Path, write: int) -> None:
    async with world(tmp_path) as here:
        id = await here.ask()
        await killed(here, tmp_path, write, id)
        await here.work()
        assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"
        assert await here.stands(id) == KEPT
        assert await here.left() == (1, 0, 0)
        page = await search(here.door, granting.server(), parse_query("DocumentReference", [], base=here.door.base))
        assert len(page.resources) == 1


async def killed(here: World, folder: Path, write: int, id: str) -> None:
    """Another process begins, and is killed after so many of its writes."""
    _, _, working, _, _ = process(here.store, folder, lambda: here.time[0], here.renderer, here.gatherer)
    left = [write]

    def counting(method: Any) -> Any:
        async def counted(*arguments: Any, **named: Any) -> Any:
            if left[0] == 0:
                await asyncio.Event().wait()
            found = await method(*arguments, **named)
            left[0] -= 1
            return found

        return counted

    ledger, store = here.store.ledger, here.store
    methods = [(ledger, "replace"), (ledger, "add"), (ledger, "many"), (ledger, "remove"), (store, "commit")]
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in methods:
            patch.setattr(owner, name, counting(getattr(owner, name)))
        work = asyncio.create_task(working.turn())
        for _ in range(200):
            await asyncio.sleep(0.005)
            if left[0] == 0:
                break
        await asyncio.sleep(0.01)
        for task in (work, *working._under_way.values()):
            task.cancel()
    some = [work, *working._under_way.values()]
    await asyncio.wait(some, timeout=0.05)
    here.move(60)  # the leases of who is dead have ended


@pytest.mark.parametrize("holds", ["", "ticket"])
async def test_a_rendering_that_hilum_is_stopped_in_the_middle_of_has_all_its_tries_yet(
    here: World, holds: str
) -> None:
    here.renderer.gate, here.renderer.holds = asyncio.Event(), holds
    id = await here.ask()
    for _ in range(2 * len(executing.TRIES)):
        await here.working.turn()
        await here.renderer.begun.wait()
        here.renderer.begun.clear()
        await asyncio.sleep(0)
        await here.working.stop()
        reel = await here.shelf.get(id)
        assert reel is not None
        assert (reel.order.step, reel.order.tries) == ("rendering", 0)
    here.renderer.gate.set()
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"


async def test_one_that_ends_hilum_each_time_is_given_up(here: World) -> None:
    """The count of tries is there before, and nothing else."""
    id = await here.ask()
    here.renderer.raises = [Killed() for _ in range(len(executing.TRIES) + 1)]  # type: ignore[misc]
    await here.work()
    reason = (await here.videos.get(OWNER, id)).reason
    assert reason is not None
    assert (reason.code, len(here.renderer.jobs)) == ("given-up", len(executing.TRIES) + 1)
    assert await here.left() == (0, 0, 0)


async def test_who_is_killed_when_a_decision_is_written_leaves_it_to_others_to_do(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(id: str) -> None:
        """The process ends after the decision was written, and before anything was done."""

    approved, rejected = await here.draft(), await here.draft()
    with monkeypatch.context() as patch:
        patch.setattr(here.videos.deciding, "_here", killed)
        await here.videos.deciding.approve(DOCTOR, approved)
        await here.videos.deciding.reject(DOCTOR, rejected)
    assert "approval" not in await here.stands(approved)
    await here.work()
    assert [(await here.videos.get(OWNER, id)).step for id in (approved, rejected)] == ["approved", "rejected"]
    assert sorted(await here.stands(approved)) == sorted([*KEPT, "approval"])
    assert await here.stands(rejected) == []
    assert await here.left() == (1, 0, 0)


async def test_who_is_killed_when_a_draft_is_kept_keeps_it_once_and_renders_it_once(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await here.ask()

    async def killed(*arguments: Any) -> Any:
        raise Busy("The process ends here.")

    keep = executing.Files.keep

    async def kept(self: Any, *arguments: Any) -> None:
        await keep(self, *arguments)
        monkeypatch.setattr(type(here.shelf), "put", killed)

    monkeypatch.setattr(executing.Files, "keep", kept)
    await here.work()
    assert await here.stands(id) == KEPT
    monkeypatch.undo()
    here.move(60)
    await here.work()
    assert (await here.videos.get(OWNER, id)).step == "awaiting-approval"
    assert len(here.renderer.jobs) == 1
    assert await here.stands(id) == KEPT
