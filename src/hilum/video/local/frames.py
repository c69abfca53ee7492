"""The frames of a video, one after the other, and no more than two pictures of it in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from hilum.video.local.drawing import drawn, said
from hilum.video.local.narration import Narration, Said
from hilum.video.local.screens import Screen
from hilum.video.script import Script

TURN: float = 0.36
"""Seconds in which one screen goes over into the next."""
STEP: float = 0.2
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
    base, before, last = None, None, -1
    sent = 0
    for view, end in zip(shown, ends, strict=True):
        screen = screens[view.screen]
        if base is None or last != view.screen:
            base = drawn(script, screen)
        image = said(base, script, screen, view.sentence).image
        until = max(sent, round(end * rate))
        if before is not None:
            steps = min(until - sent, round((STEP if last == view.screen else TURN) * rate))
            for step in range(1, steps):
                yield Image.blend(before, image, _eased(step / steps)).tobytes()
                sent += 1
        still = image.tobytes()
        while sent < until:
            yield still
            sent += 1
        before, last = image, view.screen


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)


def count(narration: Narration, rate: int) -> int:
    """How many there are."""
    return round(narration.seconds * rate)
