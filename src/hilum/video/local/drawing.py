"""Draws a screen. What stays while it is shown is drawn once; each sentence is then shown as it is said."""

from __future__ import annotations

from typing import Final

from hilum.video.local.fonts import face
from hilum.video.local.palette import INK, LINE, PAPER, PLAIN, SOFT, TONES, WHITE, Colour, Tone
from hilum.video.local.pictures import KINDS
from hilum.video.local.screens import Screen
from hilum.video.local.sheet import Box, Sheet
from hilum.video.local.stage import BAR, BETWEEN, LEADING, SIZE_OF_NOTICE, Stage
from hilum.video.local.words import words
from hilum.video.script import TITLE, Script

BAND: Final = 14
"""Height of the one at the top, in the colour of what the scene is for."""


def drawn(script: Script, screen: Screen) -> Sheet:
    """The screen without its sentences."""
    scene = script.scenes[screen.scene]
    tone = TONES.get(scene.role, PLAIN)
    title = scene.role == TITLE
    where = screen.stage
    ground = tone.accent if title else PAPER
    sheet = Sheet(where.size, ground)
    if title:
        _rounds(sheet, tone)
    else:
        sheet.image.paste(tone.accent, (0, 0, where.size[0], BAND))
    bar = Box(where.head.x, where.head.bottom - 18, 96, 8)
    with sheet.shapes(bar) as pen:
        pen.panel(bar, 4, tone.tint if title else tone.accent)
    if where.card:
        with sheet.shapes(where.card) as pen:
            pen.panel(where.card, 32, tone.tint)
        KINDS[scene.picture.kind](sheet, where.card.inside(24), scene.picture, tone, words(script.language))
    _heading(sheet, where, WHITE if title else tone.accent, ground)
    _foot(sheet, script, screen, tone, title)
    return sheet


def said(base: Sheet, script: Script, screen: Screen, sentence: int | None) -> Sheet:
    """With its sentences: the one that is being said stands out, where there is one."""
    scene = script.scenes[screen.scene]
    tone = TONES.get(scene.role, PLAIN)
    title = scene.role == TITLE
    sheet, font, body = base.copy(), face(screen.text_size), screen.stage.body
    step = screen.text_size * LEADING
    tall = sum(len(part.lines) for part in screen.parts) * step
    tall += max(0, len(screen.parts) - 1) * screen.text_size * BETWEEN
    y = body.y + (0 if screen.stage.shape == "tall" or title else min(30.0, max(0.0, (body.height - tall) * 0.25)))
    for part in screen.parts:
        own = part.sentence == sentence
        height = len(part.lines) * step
        if own and not title:
            with sheet.shapes(Box(body.x, y, 12, height)) as pen:
                pen.panel(Box(body.x, y + step * 0.1, 8, height - step * 0.2), 4, tone.accent)
        colour = WHITE if title else INK if own or sentence is None else SOFT
        for line in part.lines:
            sheet.write(
                font, (body.x + (0 if title else BAR), y + font.ascent), line, colour, tone.accent if title else PAPER
            )
            y += step
        y += screen.text_size * BETWEEN
    return sheet


def _rounds(sheet: Sheet, tone: Tone) -> None:
    """Two large, quiet ones, behind a title."""
    wide, high = sheet.image.size
    with sheet.shapes() as pen:
        pen.disc((wide * 0.93, high * 0.1), high * 0.42, _between(tone.accent, WHITE, 0.07))
        pen.disc((wide * 0.02, high), high * 0.3, _between(tone.accent, WHITE, 0.05))


def _heading(sheet: Sheet, where: Stage, colour: Colour, ground: Colour) -> None:
    font = face(where.heading_size, bold=True)
    y = where.head.y + font.ascent
    for line in where.heading:
        sheet.write(font, (where.head.x, y), line, colour, ground)
        y += where.heading_size * 1.14


def _foot(sheet: Sheet, script: Script, screen: Screen, tone: Tone, title: bool) -> None:
    """The notice, and how many scenes there are and which one this is."""
    where = screen.stage
    ground = tone.accent if title else PAPER
    count = len(script.scenes)
    gap = min(26.0, (180 if where.shape == "wide" else 560) / max(1, count))
    wide = where.shape == "wide"
    middle = where.foot.y + where.foot.height / 2 if wide else where.foot.bottom - 36
    last = where.size[0] - where.margin - 7 if wide else (where.size[0] + (count - 1) * gap) / 2
    with sheet.shapes(where.foot) as pen:
        for number in range(count):
            at = (last - (count - 1 - number) * gap, middle)
            here = number == screen.scene
            done = WHITE if title else tone.accent
            pen.disc(
                at,
                min(8, gap * 0.36) if here else min(5, gap * 0.24),
                done if here else (tone.shape if title else LINE),
            )
    font = face(SIZE_OF_NOTICE)
    tall = len(where.notice) * SIZE_OF_NOTICE * LEADING
    y = (middle - tall / 2 if wide else where.foot.y + 8) + font.ascent
    for line in where.notice:
        sheet.write(font, (where.margin, y), line, WHITE if title else SOFT, ground)
        y += SIZE_OF_NOTICE * LEADING


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
