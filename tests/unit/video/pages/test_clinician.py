"""A clinician's pages: the work list, a draft with its sources, edits, decisions and links."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.video.filmed import AMY, BACKEND, CONTENT, DOCTOR, holder
from tests.unit.video.pages.asked import Browser, Here, here

from hilum.video.pages import words
from hilum.video.refusals import REFUSALS

LOOKS = holder("user/Task.rs user/DocumentReference.rs user/Binary.rs", agent="looks", user="looks")


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path, doctor=DOCTOR, amy=AMY, looks=LOOKS, backend=BACKEND) as found:
        yield found


@pytest.fixture
def doctor(clinic: Here) -> Browser:
    return clinic.browser("doctor")


async def form_of(browser: Browser, path: str) -> dict[str, str]:
    """The hidden fields and the texts of a page's form."""
    page = await browser.get(path)
    return {"script": re.findall(r'name="script" value="(\w+)"', page.text)[0]}


async def test_who_is_not_signed_in_is_sent_to_sign_in(clinic: Here) -> None:
    for path in ("/videos", "/videos/x", "/videos/x/video", "/videos/x/approve"):
        answer = await clinic.browser().get(path)
        assert (answer.status, answer.header("location")) == (303, f"/auth/sign-in?next={path}")


async def test_a_patient_is_told_that_these_pages_are_for_staff(clinic: Here) -> None:
    id = await clinic.world.approved()
    for path in ("/videos", f"/videos/{id}", f"/videos/{id}/video", f"/videos/{id}/progress"):
        answer = await clinic.browser("amy").get(path)
        assert (answer.status, "for people who work here" in answer.text) == (403, True)


async def test_what_awaits_approval_comes_first(clinic: Here, doctor: Browser) -> None:
    assert "No video was asked for yet" in (await doctor.get("/videos")).text
    approved, waiting = await clinic.world.approved(), await clinic.world.draft()
    page = (await doctor.get("/videos")).text
    assert re.findall(r'href="/videos/([\w-]{36})"', page) == [waiting, approved]
    assert page.index("Awaiting approval (1)") < page.index(waiting) < page.index("All others")
    assert page.count(">Amy<") == 2


async def test_the_name_is_shown_to_who_may_see_the_patient_alone(clinic: Here) -> None:
    id = await clinic.world.draft()
    looks = clinic.browser("looks")
    for path in ("/videos", f"/videos/{id}"):
        page = await looks.get(path)
        assert (page.status, "Amy</" in page.text.replace("Amy</p>", "")) == (200, False), path
    page = await looks.get(f"/videos/{id}")
    assert "Your role lets you look, and not decide." in page.text
    assert "<textarea" not in page.text
    assert (await looks.post(f"/videos/{id}/approve", {"seen": "1"})).status == 403


async def test_a_draft_is_shown_with_its_script_and_files(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft()
    page = await doctor.get(f"/videos/{id}")
    written = await clinic.world.videos.script(DOCTOR, id)
    for told in ("You had a visit.", "Rest.", 'maxlength="40"', written.digest[:16], "Reading grade"):
        assert told in page.text
    assert "media-src 'self'" in page.header("content-security-policy")
    video = await doctor.get(f"/videos/{id}/video", range="bytes=0-3")
    assert (video.status, await video.content()) == (206, CONTENT[:4])
    assert video.header("cache-control") == "no-store"
    assert (await doctor.get(f"/videos/{id}/secret")).status == 404
    assert (await doctor.get("/videos/none")).status == 404


async def test_advice_is_edited_within_limits_and_rendered_again(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft()
    path = f"/videos/{id}"
    form = await form_of(doctor, path)
    same = await doctor.post(path, form | {"text-why-2": "Rest."})
    assert (same.status, "No sentence was changed" in same.text) == (422, True)
    answer = await doctor.post(path, form | {"text-why-2": "Rest\r\n  well."})
    assert (answer.status, answer.header("location")) == (303, path)
    going = (await doctor.get(path)).text
    assert '<meta http-equiv="refresh"' in going
    await clinic.world.work()
    page = (await doctor.get(path)).text
    assert ">Rest well.</textarea>" in page
    late = await doctor.post(path, form | {"text-why-2": "Sleep."})
    assert (late.status, "Somebody has changed the script since" in late.text) == (422, True)


async def test_an_edit_that_is_refused_says_so_at_its_sentence_and_keeps_the_words(
    clinic: Here, doctor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hilum.video.script import Refused

    def refuses(*words: object) -> object:
        raise Refused("edit-fact", "This states a number.", "why-2")

    id = await clinic.world.draft()
    form = await form_of(doctor, f"/videos/{id}")
    writing = dataclasses.replace(clinic.world.videos._writing, edit=refuses)
    monkeypatch.setattr(clinic.world.videos.deciding, "_writing", writing)
    answer = await doctor.post(f"/videos/{id}", form | {"text-why-2": "Rest 3 days."})
    assert answer.status == 422
    assert '<p class="bad" id="wrong-why-2">This states a number.</p>' in answer.text
    assert 'aria-describedby="limit-why-2 wrong-why-2" aria-invalid="true"' in answer.text
    assert ">Rest 3 days.</textarea>" in answer.text


async def test_an_approval_is_confirmed_and_says_who_and_which(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft()
    path = f"/videos/{id}/approve"
    form = await form_of(doctor, path)
    unseen = await doctor.post(path, form)
    assert (unseen.status, "Confirm that you have watched" in unseen.text) == (422, True)
    assert (await doctor.post(path, form | {"seen": "1", "csrf": "x"})).status == 403
    stale = await doctor.post(path, {"script": "0" * 64, "seen": "1"})
    assert (stale.status, "Nothing was decided" in stale.text) == (422, True)
    assert (await doctor.post(path, form | {"seen": "1"})).status == 303
    page = (await doctor.get(f"/videos/{id}")).text
    assert "<b>Approved</b> by Person doc, " in page
    assert (await doctor.get(path)).status == 409
    decided = [about for _, event, _, about in clinic.world.trail.events if event == "video-decide"]
    assert [one["script"] for one in decided] == [form["script"]]


async def test_a_draft_that_is_outdated_says_so_before_anybody_approves_it(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft()
    path = f"/videos/{id}"
    form = await form_of(doctor, f"{path}/approve")
    assert 'id="outdated"' not in (await doctor.get(path)).text
    await clinic.world.corrected(code={"text": "Fever"})
    page = (await doctor.get(path)).text
    assert ('id="outdated"' in page, f'href="{path}/approve"' in page, f'href="{path}/reject"' in page) == (
        True, False, True,
    )  # fmt: skip
    assert "the scene why (Condition.code.text)" in page
    asking = await doctor.get(f"{path}/approve")
    assert (asking.status, 'id="outdated"' in asking.text, "<button>Approve" in asking.text) == (200, True, False)
    refused = await doctor.post(f"{path}/approve", form | {"seen": "1"})
    assert (refused.status, "reject this video, and ask for a new one" in refused.text) == (409, True)
    assert "Awaiting approval" in (await doctor.get(path)).text


async def test_links_to_what_is_outdated_say_so(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.approved()
    await clinic.world.videos.giving.link(DOCTOR, id)
    page = (await doctor.get(f"/videos/{id}")).text
    assert (">open<" in page, "Make a link" in page) == (True, True)
    await clinic.world.corrected(code={"text": "Fever"})
    page = (await doctor.get(f"/videos/{id}")).text
    assert (">open<" in page, "Make a link" in page, '<span class="bad">outdated</span>' in page) == (
        False, False, True,
    )  # fmt: skip
    form = {"expires_in": "86400", "proof": "birth-date"}
    assert (await doctor.post(f"/videos/{id}/links", form)).status == 409


async def test_the_work_list_says_what_is_outdated(clinic: Here, doctor: Browser) -> None:
    await clinic.world.approved()
    await clinic.world.draft()
    assert "Outdated" not in (await doctor.get("/videos")).text
    await clinic.world.corrected(code={"text": "Fever"})
    await clinic.world.lapsing.turn()
    assert (await doctor.get("/videos")).text.count('<span class="bad">Outdated</span>') == 2


async def test_captions_that_only_follow_reading_are_told_of_before_anybody_approves(
    clinic: Here, doctor: Browser
) -> None:
    in_step = await clinic.world.draft()
    clinic.world.renderer.in_step = False
    by_reading = await clinic.world.draft()
    for id, told in ((in_step, False), (by_reading, True)):
        page, approving = await doctor.get(f"/videos/{id}"), await doctor.get(f"/videos/{id}/approve")
        assert ("timed by how fast people read" in page.text, "how fast people read" in approving.text) == (told, told)
        assert (await clinic.world.videos.look(DOCTOR, id)).in_step is not told


async def test_a_rejection_needs_a_reason(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.draft()
    path = f"/videos/{id}/reject"
    form = await form_of(doctor, path)
    bare = await doctor.post(path, form | {"reason": " "})
    assert (bare.status, "Say why" in bare.text) == (422, True)
    assert (await doctor.post(path, form | {"reason": "The <drug> is another one."})).status == 303
    page = (await doctor.get(f"/videos/{id}")).text
    assert "<b>Rejected</b> by Person doc" in page
    assert "Why: The &lt;drug&gt; is another one." in page
    assert "Nothing of the draft was kept" in page


async def test_a_link_is_shown_once_listed_and_revoked(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.approved()
    path = f"/videos/{id}/links"
    made = await doctor.post(path, {"expires_in": "86400", "proof": "birth-date"})
    (url,) = re.findall(r'value="(https://hilum.test/v/[\w-]{43})"', made.text)
    page = (await doctor.get(f"/videos/{id}")).text
    assert url.rpartition("/")[2] not in page
    assert "0 times" in page
    await clinic.world.videos.watching.prove(url.rpartition("/")[2], "1970-02-03")
    assert "1 time" in (await doctor.get(f"/videos/{id}")).text
    (link,) = await clinic.world.videos.giving.links(DOCTOR, id)
    assert (await doctor.post(f"{path}/{link.id}")).header("location") == f"/videos/{id}#links"
    assert "revoked" in (await doctor.get(f"/videos/{id}")).text
    for form in ({"expires_in": "1", "proof": "birth-date"}, {"expires_in": "86400", "proof": "none"}, {}):
        refused = await doctor.post(path, form)
        assert (refused.status, "Choose how long" in refused.text) == (422, True)


async def test_a_failure_says_why_where_and_what_to_do(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.ask(patient="Patient/cal")
    assert "Waiting to begin" in (await doctor.get(f"/videos/{id}")).text
    await clinic.world.work()
    page = (await doctor.get(f"/videos/{id}")).text
    for told in ("Nothing says what the visit was for.", "Encounter.reasonCode", "Correct the record"):
        assert told in page


async def test_progress_is_told_and_it_can_be_stopped(clinic: Here, doctor: Browser) -> None:
    id = await clinic.world.ask()
    now = json.loads((await doctor.get(f"/videos/{id}/progress")).text)
    assert now == {"state": "Waiting to begin", "percent": None, "over": False}
    assert (await doctor.post(f"/videos/{id}/cancel")).status == 303
    assert "<b>Cancelled</b>" in (await doctor.get(f"/videos/{id}")).text
    assert json.loads((await doctor.get(f"/videos/{id}/progress")).text)["over"] is True
    assert (await doctor.post(f"/videos/{id}/cancel")).status == 303


async def test_each_reason_to_refuse_has_something_to_do() -> None:
    assert all(words.todo(code) for code in REFUSALS)
    assert "Tell the people" in words.todo("no-ffmpeg")


async def test_stylesheet_and_script_are_open(clinic: Here) -> None:
    for name in ("video.css", "video.js"):
        found = await clinic.browser().get(f"/videos/static/{name}")
        assert found.status == 200
        assert (await clinic.browser().get(f"/videos/static/{name}", if_none_match=found.header("etag"))).status == 304
    assert (await clinic.browser().get("/videos/static/none.css")).status == 404
