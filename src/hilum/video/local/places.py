"""Places on the outline of a body: what `Mark.at` of a picture `body` may say.

A place is a part, with `left-` or `right-` before it where there are two: `left-knee`. Sides are the patient's own.
From the front, as one sees somebody who faces us, the patient's right is on the left of the picture; from behind it is
on the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FRONT: Final = "front"
BACK: Final = "back"
LEFT: Final = "left"
RIGHT: Final = "right"


@dataclass(frozen=True, slots=True)
class Place:
    """`across`: away from the middle line, `down`: from the top of the head; both in heights of the body."""

    across: float
    down: float
    view: str = FRONT


MIDDLE: Final = {
    "head": Place(0, 0.065),
    "face": Place(0, 0.075),
    "mouth": Place(0, 0.1),
    "nose": Place(0, 0.08),
    "throat": Place(0, 0.152),
    "neck": Place(0, 0.152),
    "chest": Place(0, 0.25),
    "heart": Place(0.022, 0.255),
    "abdomen": Place(0, 0.385),
    "belly": Place(0, 0.385),
    "stomach": Place(0.015, 0.345),
    "pelvis": Place(0, 0.465),
    "groin": Place(0, 0.5),
    "back": Place(0, 0.29, BACK),
    "upper-back": Place(0, 0.24, BACK),
    "lower-back": Place(0, 0.41, BACK),
    "spine": Place(0, 0.33, BACK),
    "buttocks": Place(0, 0.49, BACK),
}
"""In the middle, or where there is one only; `across` is then towards the patient's left."""
PAIRED: Final = {
    "eye": Place(0.019, 0.058),
    "ear": Place(0.047, 0.067),
    "breast": Place(0.05, 0.265),
    "lung": Place(0.045, 0.25),
    "kidney": Place(0.04, 0.37, BACK),
    "shoulder": Place(0.105, 0.2),
    "arm": Place(0.125, 0.27),
    "upper-arm": Place(0.125, 0.27),
    "elbow": Place(0.139, 0.335),
    "forearm": Place(0.157, 0.403),
    "wrist": Place(0.175, 0.47),
    "hand": Place(0.186, 0.515),
    "hip": Place(0.065, 0.475),
    "buttock": Place(0.045, 0.49, BACK),
    "leg": Place(0.052, 0.62),
    "thigh": Place(0.052, 0.6),
    "knee": Place(0.054, 0.715),
    "calf": Place(0.056, 0.8, BACK),
    "shin": Place(0.056, 0.81),
    "ankle": Place(0.056, 0.91),
    "heel": Place(0.056, 0.955, BACK),
    "foot": Place(0.066, 0.955),
}
"""On both sides."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a mark is in the picture. `x`: to the right of the picture's middle line."""

    x: float
    y: float
    view: str


def spot(at: str) -> Spot | None:
    """None where the outline has no such place, or where one of two is meant and which is not said."""
    words = at.strip().lower().replace("_", "-").replace(" ", "-").split("-")
    sides = [word for word in words if word in (LEFT, RIGHT)]
    part = "-".join(word for word in words if word not in (LEFT, RIGHT))
    if len(sides) > 1:
        return None
    place = PAIRED.get(part)
    side = sides[0] if sides else ""
    if place is None:
        place = MIDDLE.get(part)
        if place is None:
            return None
        if side:  # `right-chest`, `left-abdomen`: off the middle line
            place = Place(0.045, place.down, place.view)
        side = side or LEFT
    if not side:
        return None
    mirrored = (side == RIGHT) == (place.view == FRONT)
    return Spot(-place.across if mirrored else place.across, place.down, place.view)
