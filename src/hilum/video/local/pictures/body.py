"""The outline of a body with a marked place. Which side is which is written beside it, as seen by the patient."""

from __future__ import annotations

from hilum.video.local.palette import INK, MARK, SOFT, WHITE, Tone
from hilum.video.local.pictures.lettering import label, labels
from hilum.video.local.places import BACK, FRONT, spot
from hilum.video.local.sheet import Box, Pen, Sheet
from hilum.video.local.words import Words
from hilum.video.script import Picture


def draw(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """From the front; from behind where all that is marked lies there."""
    spots = [(found, mark.label) for mark in picture.marks if (found := spot(mark.at))]
    view = BACK if spots and all(one.view == BACK for one, _ in spots) else FRONT
    shown = [(one, text) for one, text in spots if one.view == view]
    text = labels(text for _, text in shown)
    room = box
    if text and label(sheet, Box(box.x, box.bottom - 84, box.width, 84), text, INK, tone.tint, largest=40):
        room = Box(box.x, box.y, box.width, box.height - 90)
    if view == BACK and label(
        sheet, Box(box.x, box.y, box.width, 38), words.behind, SOFT, tone.tint, largest=30, bold=False
    ):
        room = Box(room.x, room.y + 42, room.width, room.height - 42)
    x, top, tall = room.middle[0], room.y, room.height
    with sheet.shapes(room) as pen:
        _outline(pen, x, top, tall, tone)
        for one, _ in shown:
            at = (x + one.x * tall, top + one.y * tall)
            pen.disc(at, 25, None, MARK, 4)
            pen.disc(at, 15, MARK, WHITE, 3)
    side = room.width / 2 - 0.235 * tall
    beside = (words.right, words.left) if view == FRONT else (words.left, words.right)
    high = Box(room.x, top + 0.02 * tall, max(side, room.width * 0.32), 0.2 * tall)
    label(sheet, high, beside[0], INK, tone.tint, largest=34, middle=False)
    width = high.width
    label(sheet, Box(room.right - width, high.y, width, high.height), beside[1], INK, tone.tint, largest=34)


def _outline(pen: Pen, x: float, top: float, tall: float, tone: Tone) -> None:
    def at(across: float, down: float) -> tuple[float, float]:
        return x + across * tall, top + down * tall

    skin = tone.shape
    pen.oval(Box(x - 0.048 * tall, top, 0.096 * tall, 0.125 * tall), skin)
    pen.limb([at(0, 0.11), at(0, 0.18)], 0.05 * tall, skin)
    torso = [
        (-0.035, 0.155), (-0.075, 0.172), (-0.115, 0.185), (-0.1, 0.26), (-0.082, 0.35), (-0.08, 0.41), (-0.092, 0.48),
        (-0.09, 0.53), (0.09, 0.53), (0.092, 0.48), (0.08, 0.41), (0.082, 0.35), (0.1, 0.26), (0.115, 0.185),
        (0.075, 0.172), (0.035, 0.155),
    ]  # fmt: skip
    pen.area([at(*point) for point in torso], skin)
    for side in (-1, 1):
        pen.disc(at(side * 0.098, 0.208), 0.036 * tall, skin)
        pen.limb([at(side * 0.108, 0.215), at(side * 0.143, 0.29), at(side * 0.157, 0.345)], 0.05 * tall, skin)
        pen.limb([at(side * 0.157, 0.345), at(side * 0.172, 0.41), at(side * 0.185, 0.47)], 0.04 * tall, skin)
        pen.limb([at(side * 0.187, 0.475), at(side * 0.193, 0.52)], 0.042 * tall, skin)
        pen.limb([at(side * 0.048, 0.51), at(side * 0.051, 0.61), at(side * 0.054, 0.715)], 0.082 * tall, skin)
        pen.limb([at(side * 0.054, 0.715), at(side * 0.056, 0.8), at(side * 0.056, 0.93)], 0.058 * tall, skin)
        pen.limb([at(side * 0.056, 0.945), at(side * 0.076, 0.968)], 0.042 * tall, skin)
