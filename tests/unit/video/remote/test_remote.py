"""Videos made by a service elsewhere: the stand-in of examples/ as a process, its faults one by one."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.video.remote.studio import GUARD, SCRIPT, WANTED, Ordered, Studio, changed, studio

from hilum.video.remote import Remote
from hilum.video.remote.checking import steps
from hilum.video.remote.renderer import Pace
from hilum.video.renderer import Unrendered, Wanted

_numbers = itertools.count(1)
ONCE = """
[studio.api]
idempotent = false
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio(tmp_path_factory.mktemp("studio"), "--ffmpeg", "none") as found:
        yield found


@pytest.fixture
def ordered(tmp_path: Path) -> Ordered:
    return Ordered(tmp_path / "job", f"video-{next(_numbers)}")


async def fails(remote: Remote, ordered: Ordered) -> tuple[str, str, bool]:
    with pytest.raises(Unrendered) as caught:
        await ordered.made(remote)
    assert list(ordered.folder.glob("video*")) == []
    return caught.value.code, caught.value.side, caught.value.again


# --- as it should be --------------------------------------------------------------------------------------------------


async def test_a_script_becomes_a_video_with_captions_transcript_and_poster(here: Studio, ordered: Ordered) -> None:
    made = await ordered.made(here.remote())
    assert (made.media_type, made.seconds, made.narrated, made.in_step) == ("video/webm", 2.0, False, False)
    assert made.video.read_bytes()[:4] == b"\x1aE\xdf\xa3"
    captions = made.captions.read_text()
    assert captions.startswith("WEBVTT")
    assert "Take 2.5 mg." in captions
    assert captions.rsplit("--> ", 1)[1][:12] <= "00:00:02.000"
    assert "This is about your visit." in made.transcript.read_text()
    assert made.poster.read_bytes()[:4] == b"\x89PNG"
    assert made.poster.stat().st_size < 500, "the service's own"
    assert ordered.parts == sorted(ordered.parts)
    assert ordered.parts[-1] == 1.0
    assert sorted(path.name for path in ordered.folder.iterdir()) == [
        "captions.vtt", "poster.png", "transcript.txt", "video.webm",
    ]  # fmt: skip


async def test_the_service_is_told_a_first_name_and_sentences_and_nothing_else_of_whom(
    here: Studio, ordered: Ordered
) -> None:
    await ordered.made(here.remote())
    told = here.happened()["data"][-1]
    assert told == {
        "first_name": "Amy", "title": "Your visit", "language": "en",
        "scene_1_heading": "For you, Amy", "scene_1_text": "This is about your visit.",
        "scene_1_spoken": "This is about your visit.",
        "scene_2_heading": "What to do", "scene_2_text": "Take 2.5 mg.", "scene_2_spoken": "Take two and a half.",
    }  # fmt: skip
    assert "4711" not in json.dumps(told)
    assert [json.loads(one).keys() - {"key", "at", "job"} for one in ordered.held] == [set(), set()]
    assert {json.loads(one)["key"] for one in ordered.held} == {ordered.id}


async def test_it_is_let_in_by_basic_too(here: Studio, ordered: Ordered) -> None:
    (here.folder / "basic.secret").write_text(f"1111:{(here.folder / 'studio.secret').read_text()}")
    remote = here.remote(auth="basic", secret="basic.secret")
    assert (await ordered.made(remote)).seconds == 2.0


async def test_with_ffmpeg_it_is_a_video_of_these_scenes_in_the_shape_and_the_captions_are_the_services(
    tmp_path: Path,
) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    wanted = Wanted(msgspec.structs.replace(SCRIPT, language="es"), "tall", "h264")
    (tmp_path / "s").mkdir()
    with studio(tmp_path / "s", "--seconds", "0.6", "--storyboard", "visit-es-tall") as found:
        made = await Ordered(tmp_path / "job", "video-h264", wanted).made(found.remote())
    assert (made.media_type, made.seconds, made.narrated, made.in_step) == ("video/mp4", 1.2, False, True)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(made.video)]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True)
    assert b"720x1280" in said.stderr
    assert made.poster.stat().st_size > 5000, "drawn here, since the service sent none"
    assert "do-1\n00:00:00.600 --> 00:00:01.200\nTake 2.5 mg." in made.captions.read_text()


# --- once -------------------------------------------------------------------------------------------------------------


async def test_after_a_restart_the_same_job_is_gone_on_with(here: Studio, ordered: Ordered) -> None:
    here.goes_wrong("slow")
    before = here.happened()["orders"]
    first = asyncio.create_task(ordered.made(here.remote()))
    await ordered.holding.wait()
    first.cancel()
    await asyncio.wait([first])
    made = await ordered.made(here.remote())
    assert made.seconds == 2.0
    assert (here.happened()["orders"] - before, here.happened()["cancelled"]) == (1, 0)


async def test_an_order_whose_answer_was_lost_is_given_again_under_its_key_and_is_one_job(
    here: Studio, ordered: Ordered
) -> None:
    here.goes_wrong("lost")
    before = here.happened()["orders"]
    assert (await ordered.made(here.remote())).seconds == 2.0
    assert here.happened()["orders"] - before == 1


async def test_a_service_without_keys_is_not_asked_twice_when_an_answer_was_lost(
    here: Studio, ordered: Ordered
) -> None:
    here.goes_wrong("lost")
    before = here.happened()["orders"]
    assert await fails(here.remote(api=ONCE), ordered) == ("perhaps-ordered", "network", False)
    assert await fails(here.remote(api=ONCE), ordered) == ("perhaps-ordered", "network", False)
    assert here.happened()["orders"] - before == 1


async def test_a_service_without_keys_is_asked_again_when_it_has_taken_nothing(here: Studio, ordered: Ordered) -> None:
    here.goes_wrong("429")
    assert (await ordered.made(here.remote(api=ONCE))).seconds == 2.0


async def test_another_draft_is_another_order(here: Studio, ordered: Ordered, tmp_path: Path) -> None:
    await ordered.made(here.remote())
    other = Ordered(tmp_path / "other", f"{ordered.id}-2", held=ordered.held[-1:])
    before = here.happened()["orders"]
    await other.made(here.remote())
    assert here.happened()["orders"] - before == 1


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("faults", [("500", "look-500"), ("look-429",)])
async def test_what_passes_is_waited_for(here: Studio, ordered: Ordered, faults: tuple[str, ...]) -> None:
    here.goes_wrong(*faults)
    assert (await ordered.made(here.remote())).seconds == 2.0
    assert here.happened()["faults"] == []


@pytest.mark.parametrize(
    ("fault", "code", "side", "again"),
    [
        ("failed", "job-failed", "theirs", False),
        ("truncated", "result-cut-off", "theirs", True),
        ("cut", "result-cut-off", "network", True),
        ("gone", "result-gone", "theirs", False),
        ("big", "result-too-big", "theirs", False),
        ("text", "wrong-media", "theirs", False),
    ],
)
async def test_what_comes_to_nothing_says_why(
    here: Studio, ordered: Ordered, fault: str, code: str, side: str, again: bool
) -> None:
    here.goes_wrong(fault)
    assert await fails(here.remote(), ordered) == (code, side, again)


async def test_a_result_that_was_cut_off_is_fetched_again_of_the_same_job(here: Studio, ordered: Ordered) -> None:
    here.goes_wrong("cut")
    before = here.happened()["orders"]
    assert (await fails(here.remote(), ordered))[2]
    assert (await ordered.made(here.remote())).seconds == 2.0
    assert here.happened()["orders"] - before == 1


async def test_a_service_that_goes_on_failing_lets_the_video_wait_and_the_order_stands(
    here: Studio, ordered: Ordered
) -> None:
    here.goes_wrong(*["500"] * 4)
    assert await fails(here.remote(), ordered) == ("their-fault", "theirs", True)
    assert (await ordered.made(here.remote())).seconds == 2.0


async def test_a_wrong_secret_is_ours_to_mend(here: Studio, ordered: Ordered) -> None:
    remote = Remote(changed(here.remote(), secret="another"), GUARD)
    assert await fails(remote, ordered) == ("not-let-in", "ours", False)
    assert ordered.held[-1] == ""


async def test_a_placeholder_that_the_storyboard_has_not_is_named_by_our_name(here: Studio, ordered: Ordered) -> None:
    api = '\n[studio.api.data.names]\ntitle = "Titel"\n'
    with pytest.raises(Unrendered, match=r"It is about: title\.") as caught:
        await ordered.made(here.remote(api=api))
    assert (caught.value.code, caught.value.side) == ("placeholder-unknown", "ours")


async def test_a_service_that_is_not_there_is_tried_later(here: Studio, ordered: Ordered) -> None:
    remote = Remote(changed(here.remote(), base="http://127.0.0.1:1"), GUARD, pace=Pace(0.01, 0.02, 1))
    assert await fails(remote, ordered) == ("not-reached", "network", True)


async def test_an_address_of_ones_own_network_is_not_reached(here: Studio, ordered: Ordered) -> None:
    remote = Remote(changed(here.remote(), base="https://169.254.169.254"), GUARD)
    assert await fails(remote, ordered) == ("not-reached", "ours", False)


async def test_one_that_takes_too_long_is_cancelled_there(here: Studio, ordered: Ordered) -> None:
    here.goes_wrong("stuck")
    before = here.happened()["cancelled"]
    remote = Remote(changed(here.remote(), seconds=0.05), GUARD, pace=Pace(0.02, 0.1))
    assert await fails(remote, ordered) == ("too-slow", "theirs", False)
    assert here.happened()["cancelled"] - before == 1


async def test_a_state_that_no_table_knows_is_not_waited_for(here: Studio, ordered: Ordered) -> None:
    api = '\n[studio.api.look]\npath = "/jobs/{job}"\nstatus = "/status"\nvideo = "/result/video"\n'
    api += 'waiting = []\ndone = ["finished"]\nfailed = []\n'
    assert await fails(here.remote(api=api), ordered) == ("unexpected", "theirs", False)


def test_what_the_service_does_not_make_does_not_fit(here: Studio) -> None:
    remote = here.remote()
    remote.fit(WANTED)
    for wanted, code in (
        (Wanted(SCRIPT, codec="av1"), "no-codec"),
        (Wanted(SCRIPT, "tall"), "no-storyboard"),
        (Wanted(msgspec.structs.replace(SCRIPT, template="procedure")), "no-storyboard"),
    ):
        with pytest.raises(Unrendered) as caught:
            remote.fit(wanted)
        assert caught.value.code == code


async def test_a_script_with_more_scenes_than_a_storyboard_has_is_not_told_in_part(
    here: Studio, ordered: Ordered
) -> None:
    before = here.happened()["orders"]
    remote = here.remote(api="scenes = 1\n")
    remote.fit(Wanted(msgspec.structs.replace(SCRIPT, scenes=(), language="es"), "tall"))
    ordered.wanted = Wanted(msgspec.structs.replace(SCRIPT, language="es"), "tall")
    assert await fails(remote, ordered) == ("too-many-scenes", "ours", False)
    assert here.happened()["orders"] == before


# --- cancelled, checked -----------------------------------------------------------------------------------------------


async def test_who_is_cancelled_tells_the_service(here: Studio, ordered: Ordered) -> None:
    here.goes_wrong("stuck")
    before = here.happened()["cancelled"]
    remote = here.remote()
    render = asyncio.create_task(ordered.made(remote))
    await ordered.holding.wait()
    render.cancel()
    await asyncio.wait([render])
    assert here.happened()["cancelled"] == before
    await remote.cancel(ordered.held[-1])
    await remote.cancel("")
    assert here.happened()["cancelled"] == before + 1
    assert await fails(here.remote(), ordered) == ("job-failed", "theirs", False)


async def test_a_check_asks_for_each_storyboard_and_orders_nothing(here: Studio) -> None:
    before = here.happened()["orders"]
    found = [one async for one in steps(here.remote().service, GUARD)]
    assert [(one.what.split(" (")[0], one.good, one.side) for one in found] == [
        ("storyboard visit-en-wide", True, ""),
        ("storyboard visit-es-tall", False, "ours"),
        ("news of a job", True, ""),
    ]
    assert here.happened()["orders"] == before


async def test_a_check_with_a_wrong_secret_ends_at_once(here: Studio) -> None:
    found = [one async for one in steps(changed(here.remote(), secret="another"), GUARD)]
    assert [(one.good, "secret_file" in one.text) for one in found] == [(False, True)]
