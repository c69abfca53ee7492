"""Contrast: 4.5:1 for text, 3:1 for what a drawing means. https://www.w3.org/TR/WCAG21/#contrast-minimum"""

from __future__ import annotations

import pytest

from hilum.video.local import palette
from hilum.video.local.palette import INK, MARK, MOON, PAPER, SOFT, SUN, TONES, WHITE, contrast
from hilum.video.script import CALL, DO, TEACH_BACK, TITLE, WHOM, WHY


def test_contrast_is_as_wcag_has_it() -> None:
    assert contrast((0, 0, 0), WHITE) == pytest.approx(21)
    assert contrast((119, 119, 119), WHITE) == pytest.approx(4.48, abs=0.01)  # #777, known to fail by a hair
    assert contrast(INK, INK) == 1


def test_each_role_has_colours() -> None:
    assert set(TONES) == {TITLE, WHY, DO, CALL, WHOM, TEACH_BACK}


@pytest.mark.parametrize("role", TONES)
def test_text_stands_out_from_every_ground_that_it_is_written_on(role: str) -> None:
    tone = TONES[role]
    pairs = [(INK, PAPER), (SOFT, PAPER), (tone.accent, PAPER), (INK, tone.tint), (SOFT, tone.tint), (MARK, tone.tint)]
    pairs += [(WHITE, tone.accent), (INK, WHITE), (tone.accent, WHITE), (WHITE, MARK)]
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 4.5} == {}


@pytest.mark.parametrize("role", TONES)
def test_what_drawings_mean_stands_out(role: str) -> None:
    tone = TONES[role]
    pairs = [(tone.accent, tone.tint), (MARK, WHITE), (SUN, tone.tint), (MOON, tone.tint), (MARK, tone.tint)]
    assert {pair: contrast(*pair) for pair in pairs if contrast(*pair) < 3} == {}
    assert palette.PLAIN in TONES.values()
