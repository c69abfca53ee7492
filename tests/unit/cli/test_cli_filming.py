"""What commands print of a video, and what somebody sees who waits for one in a terminal."""

from __future__ import annotations

import pytest

from hilum.cli.filming import shown, waited
from hilum.video.told import Decided, Told


def told(status: str, step: str, progress: int | None = None) -> Told:
    return Told("0", status, step, 1, "after-visit", "en", progress=progress)


def test_the_line_ends_as_far_as_rendering_went(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    with waited() as show:
        show(told("in-progress", "rendering", 97))
        show(told("on-hold", "awaiting-approval"))
    said = capsys.readouterr().err
    assert "rendering" in said
    assert " 97%" in said
    assert " 0%" not in said.partition(" 97%")[2]


def test_elsewhere_each_step_is_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with waited() as show:
        for status, step, progress in (
            ("requested", "requested", None),
            ("in-progress", "rendering", 0),
            ("in-progress", "rendering", 50),
            ("on-hold", "awaiting-approval", None),
        ):
            show(told(status, step, progress))
    assert capsys.readouterr().err.splitlines() == ["waiting for its turn", "rendering"]


def test_why_a_video_was_rejected_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    decided = Decided("rejected", "kim", "2026-11-23T10:00:00.000000Z", "The drug is another one.")
    shown(Told("v1", "cancelled", "rejected", 3, "after-visit", "en", decided=decided))
    lines = capsys.readouterr().out.splitlines()
    assert "decided   rejected by kim at 2026-11-23T10:00:00" in lines
    assert "because   The drug is another one." in lines
    assert not [line for line in lines if line.startswith("captions")]


def test_captions_that_only_follow_reading_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    shown(Told("v1", "on-hold", "awaiting-approval", 3, "after-visit", "en", seconds=12.5, spoken=True, in_step=False))
    assert "captions  timed by how fast people read" in capsys.readouterr().out
