"""What is drawn on: an image on which each text is noted that was written, so that a test can look at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from hilum.video.local.fonts import Face
from hilum.video.local.palette import Colour

FINER: Final = 3
"""Shapes are drawn that much larger, then reduced: Pillow's have no smooth edges."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the image."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The edge."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """The centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def inside(self, space: float) -> Box:
        """Less a margin."""
        return Box(self.x + space, self.y + space, self.width - 2 * space, self.height - 2 * space)


@dataclass(frozen=True, slots=True)
class Written:
    """A line of text: where, how large, and in what colours."""

    text: str
    box: Box
    size: int
    colour: Colour
    ground: Colour


class Pen:
    """Draws shapes, smoothly, in the coordinates of the sheet."""

    def __init__(self, layer: Image.Image, origin: Point) -> None:
        self._draw, self._origin = ImageDraw.Draw(layer), origin

    def _at(self, points: Sequence[Point]) -> list[Point]:
        left, top = self._origin
        return [((x - left) * FINER, (y - top) * FINER) for x, y in points]

    def disc(
        self, middle: Point, radius: float, fill: Colour | None, edge: Colour | None = None, wide: float = 0
    ) -> None:
        """A circle."""
        self.oval(Box(middle[0] - radius, middle[1] - radius, 2 * radius, 2 * radius), fill, edge, wide)

    def oval(self, box: Box, fill: Colour | None, edge: Colour | None = None, wide: float = 0) -> None:
        """An ellipse."""
        corners = self._at([(box.x, box.y), (box.right, box.bottom)])
        self._draw.ellipse(corners, fill, edge, round(wide * FINER))

    def panel(self, box: Box, radius: float, fill: Colour | None, edge: Colour | None = None, wide: float = 0) -> None:
        """A rectangle with round corners."""
        corners = self._at([(box.x, box.y), (box.right, box.bottom)])
        self._draw.rounded_rectangle(corners, radius * FINER, fill, edge, round(wide * FINER))

    def limb(self, points: Sequence[Point], wide: float, colour: Colour) -> None:
        """A line with round ends and joints."""
        self._draw.line(self._at(points), colour, round(wide * FINER), joint="curve")
        for point in points:
            self.disc(point, wide / 2, colour)

    def area(self, points: Sequence[Point], fill: Colour) -> None:
        """A polygon."""
        self._draw.polygon(self._at(points), fill)


class Sheet:
    """One image."""

    def __init__(self, size: tuple[int, int], ground: Colour) -> None:
        self.image = Image.new("RGB", size, ground)
        self.written: list[Written] = []

    def copy(self) -> Sheet:
        """With what is on it."""
        made = Sheet.__new__(Sheet)
        made.image, made.written = self.image.copy(), list(self.written)
        return made

    @contextmanager
    def shapes(self, box: Box | None = None) -> Iterator[Pen]:
        """Draws on a part of it, or on all."""
        part = box or Box(0, 0, *self.image.size)
        left, top = max(0, int(part.x)), max(0, int(part.y))
        right, bottom = min(self.image.width, int(part.right) + 1), min(self.image.height, int(part.bottom) + 1)
        size = right - left, bottom - top
        below = self.image.crop((left, top, right, bottom))
        layer = below.resize((size[0] * FINER, size[1] * FINER), Image.Resampling.NEAREST)
        yield Pen(layer, (left, top))
        self.image.paste(layer.resize(size, Image.Resampling.BOX), (left, top))

    def write(self, face: Face, at: Point, text: str, colour: Colour, ground: Colour, *, middle: bool = False) -> None:
        """A line, its base line at `at`; `middle`: around it."""
        width = face.width(text)
        x = at[0] - width / 2 if middle else at[0]
        face.draw(ImageDraw.Draw(self.image), (round(x), round(at[1])), text, colour)
        box = Box(round(x), at[1] - face.ascent, width, face.ascent + face.descent)
        self.written.append(Written(text, box, face.size, colour, ground))
