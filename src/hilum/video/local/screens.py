"""A script in screens: what is seen at one time. Text that does not fit is continued on the next one, never cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hilum.video.local.fonts import Face, face, plain
from hilum.video.local.stage import BAR, BETWEEN, LEADING, SIZES_OF_TEXT, Stage, stage
from hilum.video.local.wrapping import wrapped
from hilum.video.renderer import Shape
from hilum.video.script import Script

MOST: int = 4
"""Sentences on a screen: more are not read, though they would fit."""


@dataclass(frozen=True, slots=True)
class Part:
    """What stands of a sentence on a screen. `sentence`: its number in the scene. `begin`, `end`: of its characters, as
    shares of 1.
    """

    sentence: int
    lines: tuple[str, ...]
    begin: float = 0.0
    end: float = 1.0


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
        for screen in _of_scene(number, [one.text for one in scene.sentences], stage(script, scene, shape))
    )


def _of_scene(number: int, texts: list[str], where: Stage) -> Iterator[Screen]:
    """One screen in the largest size in which all fits; else several, in the smallest."""
    for size in SIZES_OF_TEXT:
        found = list(_filled(texts, face(size), where))
        if len(found) == 1:
            break
    if len(found) > 1:  # as large as they can be in so many screens
        size = next(one for one in SIZES_OF_TEXT if len(list(_filled(texts, face(one), where))) == len(found))
        found = list(_filled(texts, face(size), where))
    for parts in found:
        yield Screen(number, where, size, parts)


def _filled(texts: list[str], font: Face, where: Stage) -> Iterator[tuple[Part, ...]]:
    """Screens, one after the other."""
    line, gap = font.size * LEADING, font.size * BETWEEN
    most = max(1, int((where.body.height + 0.01) // line))
    screen: list[Part] = []
    used = 0.0
    for number, text in enumerate(texts):
        lines = wrapped(plain(text), font, where.body.width - BAR)
        total = sum(map(len, lines)) or 1
        begin = 0
        if screen and (len(screen) == MOST or used + gap + len(lines) * line > where.body.height):
            yield tuple(screen)  # a sentence stays together where a screen can hold it
            screen, used = [], 0.0
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
