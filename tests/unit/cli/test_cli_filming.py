"""What commands print of a video."""

from __future__ import annotations

import pytest

from hilum.cli.filming import shown
from hilum.video.told import Decided, Told


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
