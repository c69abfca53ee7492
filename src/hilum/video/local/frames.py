"""The frames of a video, one after the other, and no more than two pictures of it in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from PIL import Image

from hilum.video.local.drawing import drawn, said
from hilum.video.local.narration import Narration, Said
from hilum.video.local.palette import PAPER
from hilum.video.local.screens import Screen
from hilum.video.script import Script

TURN: Final = 0.48
"""Seconds in which one screen gives way to the next. It is gone before that one comes: no text is seen over another."""
STEP: Final = 0.2
"""Seconds in which one sentence is left and the next one stands out."""


@dataclass(frozen=True, slots=True)
class View:
    """What is seen from a moment on: a screen and the sentence that is being said."""

    start: float
    screen: int
    sentence: int | None


def views(screens: tuple[Screen, ...], narration: Narration) -> list[View]:
    """In order. A sentence stands out from its first sound on; until then, in a new scene, none does."""
    times = {(one.scene, one.sentence): one for one in narration.said}
    found: list[View] = []
    for number, screen in enumerate(screens):
        first = number == 0 or screens[number - 1].scene != screen.scene
        parts = [(part, times.get((screen.scene, part.sentence))) for part in screen.parts if not part.again]
        starts = [(_start(spoken, part.begin), part.sentence) for part, spoken in parts if spoken]
        if first:
            found.append(View(narration.scenes[screen.scene], number, None))
        for start, sentence in starts:
            found.append(View(start, number, sentence))
    return found


def _start(spoken: Said, share: float) -> float:
    return spoken.at(share) if share else spoken.start


def frames(script: Script, screens: tuple[Screen, ...], narration: Narration, rate: int) -> Iterator[bytes]:
    """RGB, row by row."""
    shown = views(screens, narration)
    ends = [view.start for view in shown[1:]] + [narration.seconds]
    base, before, last, sent = None, None, -1, 0
    for view, end in zip(shown, ends, strict=True):
        screen = screens[view.screen]
        turned = view.screen != last
        if base is None or turned:
            base = drawn(script, screen)
        image = said(base, script, screen, view.sentence).image
        until = max(sent, round(end * rate))
        if before is not None:
            way = [before, image]
            if turned:
                same = screens[last].scene == screen.scene
                way.insert(1, base.image if same else Image.new("RGB", image.size, PAPER))
            for frame in _blended(way, min(until - sent, round((TURN if turned else STEP) * rate))):
                yield frame.tobytes()
                sent += 1
        still = image.tobytes()
        while sent < until:
            yield still
            sent += 1
        before, last = image, view.screen


def _blended(way: list[Image.Image], count: int) -> Iterator[Image.Image]:
    """From the first to the last, by those between, without either."""
    for step in range(1, count):
        leg, share = divmod(step / count * (len(way) - 1), 1)
        yield Image.blend(way[int(leg)], way[int(leg) + 1], _eased(share))


def keys(screens: tuple[Screen, ...], narration: Narration) -> list[float]:
    """When each screen has come: a whole picture then has nothing in it of the one before, and one can jump there."""
    shown = views(screens, narration)
    return [one.start + TURN for before, one in pairwise(shown) if one.screen != before.screen]


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)


def count(narration: Narration, rate: int) -> int:
    """How many there are."""
    return round(narration.seconds * rate)
