"""A script in screens: what is seen at one time. Text that does not fit is continued on the next one, never cut.

Where a scene says what to do, its first sentence stands on all of its screens: no dose is seen without its medicine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hilum.video.local.fonts import Face, face, plain
from hilum.video.local.stage import BAR, BETWEEN, LEADING, SIZES_OF_TEXT, Stage, stage
from hilum.video.local.wrapping import wrapped
from hilum.video.renderer import Shape
from hilum.video.script import DO, Scene, Script

MOST: int = 4
"""Sentences on a screen: more are not read, though they would fit."""


@dataclass(frozen=True, slots=True)
class Part:
    """What stands of a sentence on a screen. `sentence`: its number in the scene. `begin`, `end`: of its characters, as
    shares of 1. `again`: it was said on a screen before.
    """

    sentence: int
    lines: tuple[str, ...]
    begin: float = 0.0
    end: float = 1.0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """One. `scene`: its number in the script. `text_size`: of the font."""

    scene: int
    stage: Stage
    text_size: int
    parts: tuple[Part, ...]


def screens(script: Script, shape: Shape) -> tuple[Screen, ...]:
    """All, in order. Raises Unwritable."""
    return tuple(
        screen
        for number, scene in enumerate(script.scenes)
        for screen in _of_scene(number, scene, stage(script, scene, shape))
    )


def _of_scene(number: int, scene: Scene, where: Stage) -> Iterator[Screen]:
    """As few as can be, then as large as can be; but rather more and smaller than one without what it belongs to."""
    texts, kept = [plain(one.text) for one in scene.sentences], scene.role == DO
    tried = [(size, list(_filled(texts, face(size), where, kept))) for size in SIZES_OF_TEXT]
    size, found = min(tried, key=lambda one: (kept and _alone(one[1]), len(one[1])))
    for parts in found:
        yield Screen(number, where, size, parts)


def _alone(found: list[tuple[Part, ...]]) -> int:
    """How many go on without the first sentence."""
    return sum(not parts[0].again for parts in found[1:])


def _filled(texts: list[str], font: Face, where: Stage, kept: bool) -> Iterator[tuple[Part, ...]]:
    """Screens, one after the other."""
    line, gap = font.size * LEADING, font.size * BETWEEN
    most = max(1, int((where.body.height + 0.01) // line))
    screen: list[Part] = []
    used = 0.0
    first: list[str] = []
    for number, text in enumerate(texts):
        lines = wrapped(text, font, where.body.width - BAR)
        first = first or lines
        total = sum(map(len, lines)) or 1
        begin = 0
        if screen and (len(screen) == MOST or used + gap + len(lines) * line > where.body.height):
            yield tuple(screen)  # a sentence stays together where a screen can hold it
            screen, used = [], 0.0
            if kept and len(first) + len(lines) < most:
                screen, used = [Part(0, tuple(first), again=True)], len(first) * line
        while len(lines) - begin > most:
            yield (_part(number, lines, begin, begin + most, total),)
            begin += most
        screen.append(_part(number, lines, begin, len(lines), total))
        used += (gap if used else 0) + (len(lines) - begin) * line
    if screen or not texts:
        yield tuple(screen)


def _part(number: int, lines: list[str], begin: int, end: int, total: int) -> Part:
    before = sum(map(len, lines[:begin]))
    return Part(number, tuple(lines[begin:end]), before / total, (before + sum(map(len, lines[begin:end]))) / total)
