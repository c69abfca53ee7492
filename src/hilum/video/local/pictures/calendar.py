"""A calendar: the month with the day, or the days of one month, and the first of them in words."""

from __future__ import annotations

from calendar import Calendar
from datetime import date

from hilum.video.local.fonts import face
from hilum.video.local.palette import INK, MARK, WHITE, Tone
from hilum.video.local.pictures.lettering import SMALLEST, label
from hilum.video.local.sheet import Box, Sheet
from hilum.video.local.words import Words
from hilum.video.script import Picture


def days(picture: Picture) -> list[date]:
    """Those that are marked, in order."""
    found = set()
    for mark in picture.marks:
        try:
            found.add(date.fromisoformat(mark.at[:10]))
        except ValueError:  # such as 2026-12: no day, so nothing to mark
            continue
    return sorted(found)


def named(day: date, words: Words) -> str:
    """`Thursday, December 3`."""
    return words.day.format(day=words.days[day.weekday()], month=words.months[day.month - 1], number=day.day)


def draw(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """The month of the first."""
    marked = days(picture)
    if not marked:
        return
    first = marked[0]
    own = {day for day in marked if (day.year, day.month) == (first.year, first.month)}
    weeks = Calendar(words.first).monthdatescalendar(first.year, first.month)
    below = 84.0
    page = Box(box.x, box.y, box.width, box.height - below)
    top = 62.0
    wide, high = (page.width - 16) / 7, (page.height - top - 12) / (len(weeks) + 1)
    with sheet.shapes(page) as pen:
        pen.panel(page, 18, tone.accent)
        pen.area(
            [
                (page.x, page.y + top),
                (page.right, page.y + top),
                (page.right, page.bottom - 20),
                (page.x, page.bottom - 20),
            ],
            WHITE,
        )
        pen.panel(Box(page.x, page.bottom - 60, page.width, 60), 18, WHITE)
        pen.panel(page, 18, None, tone.accent, 4)
        for row, week in enumerate(weeks, 1):
            for column, day in enumerate(week):
                if day in own:
                    pen.disc(_cell(page, top, wide, high, row, column), min(wide, high + 10) * 0.5, MARK)
    name = f"{words.months[first.month - 1].capitalize()} {first.year}"
    label(sheet, Box(page.x, page.y, page.width, top), name, WHITE, tone.accent, largest=40)
    size = min(SMALLEST, round(high * 0.82))
    for column in range(7):
        x, y = _cell(page, top, wide, high, 0, column)
        sheet.write(
            face(size, bold=True),
            (x, y + size * 0.36),
            words.initials[(words.first + column) % 7],
            tone.accent,
            WHITE,
            middle=True,
        )
    for row, week in enumerate(weeks, 1):
        for column, day in enumerate(week):
            if day.month == first.month:
                x, y = _cell(page, top, wide, high, row, column)
                colour, ground = (WHITE, MARK) if day in own else (INK, WHITE)
                sheet.write(
                    face(size, bold=day in own), (x, y + size * 0.36), str(day.day), colour, ground, middle=True
                )
    if len(own) == 1:
        label(sheet, Box(box.x, page.bottom + 8, box.width, below - 8), named(first, words), INK, tone.tint, largest=40)


def _cell(page: Box, top: float, wide: float, high: float, row: int, column: int) -> tuple[float, float]:
    return page.x + 8 + wide * (column + 0.5), page.y + top + 6 + high * (row + 0.5)
