"""What somebody sees who waits for a video in a terminal."""

from __future__ import annotations

import pytest

from hilum.cli.filming import waited
from hilum.video.told import Told


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
