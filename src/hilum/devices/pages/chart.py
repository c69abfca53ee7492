"""A chart of readings: where its points, lines and ticks are. The template draws them (SVG 1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from hilum.devices.pages.readings import Series

WIDTH: Final = 360
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 12, 34
MARKS: Final = ("circle", "square", "triangle", "diamond")
"""By which parts are told apart, besides colours."""
SIGNS: Final = ("●", "■", "▲", "◆")
_STEPS: Final = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))
_MOST: Final = 5


class Point(NamedTuple):
    """`estimate`: drawn hollow."""

    x: float
    y: float
    title: str
    estimate: bool


class Tick(NamedTuple):
    """A place on an axis."""

    place: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Line:
    """One part of a panel, in the order of time. `mark`: one of `MARKS`, `sign`: the same as a character."""

    name: str
    mark: str
    sign: str
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        """As `polyline` has it."""
        return " ".join(f"{one.x:g},{one.y:g}" for one in self.points)


@dataclass(frozen=True, slots=True)
class Chart:
    """`left`, `right`, `top`, `bottom`: of the field in which lines are."""

    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def chart(series: Series) -> Chart | None:
    """None where nothing of it can be drawn."""
    drawn = [
        (one, value)
        for one in reversed(series.readings)
        for value in one.values
        if one.at is not None and value.number is not None
    ]
    times = [one.at for one, _ in drawn if one.at is not None]
    numbers = [value.number for _, value in drawn if value.number is not None]
    if not times:
        return None
    first, last = min(times), max(times)
    steps = list(_steps(min(numbers), max(numbers)))
    low, high = steps[0], steps[-1]
    span = (last - first).total_seconds()

    def x(at: datetime) -> float:
        part = (at - first).total_seconds() / span if span else 0.5
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def y(number: Decimal) -> float:
        return round(HEIGHT - _BOTTOM - float((number - low) / (high - low)) * (HEIGHT - _TOP - _BOTTOM), 1)

    lines = []
    for place, part in enumerate(series.parts):
        points = tuple(
            Point(x(one.at), y(value.number), f"{one.time}: {value.text} {series.kind.unit}".strip(), one.estimate)
            for one, value in drawn
            if value.part == part and one.at is not None and value.number is not None
        )
        lines.append(Line(part, MARKS[place % len(MARKS)], SIGNS[place % len(SIGNS)], points))
    up = tuple(Tick(y(step), f"{step:f}", "end") for step in steps)
    return Chart(tuple(lines), tuple(_days(first, last, x)), up)


def _steps(low: Decimal, high: Decimal) -> Iterator[Decimal]:
    """Round numbers from one that is not above the least to one that is not below the greatest, and one apart."""
    if low == high:
        low, high = low - max(abs(low) / 10, Decimal(1)), high + max(abs(high) / 10, Decimal(1))
    raw = (high - low) / (_MOST - 1)
    size = Decimal(1).scaleb(raw.adjusted())
    step = next(size * one for one in _STEPS if size * one >= raw)
    at = (low / step).to_integral_value(ROUND_FLOOR) * step
    end = (high / step).to_integral_value(ROUND_CEILING) * step
    while at <= end:
        yield _plain(at)
        at += step


def _plain(number: Decimal) -> Decimal:
    """Without an exponent and without zeros that say nothing."""
    found = number.normalize()
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def _days(first: datetime, last: datetime, x: object) -> Iterator[Tick]:
    """Both ends, told by what tells them apart."""
    assert callable(x)
    one, other = first.astimezone(UTC), last.astimezone(UTC)
    form = "%H:%M" if one.date() == other.date() else "%Y-%m-%d" if other - one > timedelta(days=360) else "%b %d"
    if one == other:
        yield Tick(x(first), f"{one:%Y-%m-%d %H:%M}")
        return
    yield Tick(x(first), one.strftime(form), "start")
    yield Tick(x(last), other.strftime(form), "end")
