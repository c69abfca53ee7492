"""The benchmark of videos: what it makes, and what the page says of it."""

from __future__ import annotations

from bench import documents, video
from bench.video import Figures, Row, missed, script, section

WIDE = Row("wide", "vp9", 61.0, True, 12.2, 10.0, 20.0, 90.0, 240.0)
FOUND = Figures("2026-11-23T12:00:00+00:00", {"cores": 2, "cpu": "A processor"}, 0.2, [WIDE])


def test_a_script_has_as_many_scenes_as_are_asked_for_and_all_kinds_of_pictures() -> None:
    assert len(script(9).scenes) == 11
    assert {one.picture.kind for one in script(6).scenes} == {
        "body", "calendar", "clock", "heart", "phone", "pill", "question",
    }  # fmt: skip


def test_the_page_has_a_line_for_each_video() -> None:
    text = section(FOUND)
    assert "| wide | vp9 | 61 | 12.2 | 5.0 | 10.0 | 1.22 | 20.0 | 90 | 240 |" in text
    assert "narrated by espeak-ng" in text and "none of these does" in text
    assert section(FOUND) in documents.page(None, None, videos=FOUND)
    assert "Not measured yet" in section(None)


def test_what_takes_longer_than_it_may_is_said() -> None:
    slow = Row("tall", "vp9", 60.0, False, 75.0, None, 20.0, 90.0, 240.0)
    found = Figures(FOUND.date, FOUND.machine, 0.2, [WIDE, slow])
    assert missed(found) == ["tall took 75 s for 60 s"]
    assert "longer: tall took 75 s for 60 s" in section(found) and "silent" in section(found)


def test_what_is_kept_is_read_again(tmp_path) -> None:
    assert video.saved(tmp_path) is None
    video.save(FOUND, tmp_path)
    assert video.saved(tmp_path) == FOUND
