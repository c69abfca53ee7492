"""How children grow: the middle child's height, weight and head by age.

Medians, rounded, from the WHO Child Growth Standards (2006, birth to 5 years) and the WHO Growth Reference (2007, 5 to
19 years; weight after 10 from the median body mass index). Facts of https://www.who.int/tools/child-growth-standards.
"""

from __future__ import annotations

from bisect import bisect_right

_MONTHS = (0, 2, 4, 6, 9, 12, 18, 24, 36, 48, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168, 180, 192, 204, 216)

_HEIGHT = {
    "male": (49.9, 58.4, 63.9, 67.6, 72.0, 75.7, 82.3, 87.1, 96.1, 103.3, 110.0, 116.0, 121.7, 127.3, 132.6, 137.8,
             143.1, 149.1, 156.0, 163.2, 169.0, 172.9, 175.2, 176.1),
    "female": (49.1, 57.1, 62.1, 65.7, 70.1, 74.0, 80.7, 85.7, 95.1, 102.7, 109.4, 115.1, 120.8, 126.6, 132.5, 138.6,
               145.0, 151.2, 156.4, 159.8, 161.7, 162.5, 162.9, 163.1),
}  # fmt: skip
_WEIGHT = {
    "male": (3.3, 5.6, 7.0, 7.9, 8.9, 9.6, 10.9, 12.2, 14.3, 16.3, 18.3, 20.5, 22.9, 25.4, 28.1, 31.2, 34.6, 38.9,
             44.3, 50.6, 56.6, 61.3, 64.8, 67.3),
    "female": (3.2, 5.1, 6.4, 7.3, 8.2, 8.9, 10.2, 11.5, 13.9, 16.1, 18.2, 20.2, 22.4, 25.0, 28.2, 31.9, 36.2, 41.2,
               46.0, 50.0, 52.8, 54.7, 55.7, 56.7),
}  # fmt: skip
_HEAD_MONTHS = (0, 2, 4, 6, 9, 12, 18, 24, 36)
_HEAD = {
    "male": (34.5, 39.1, 41.6, 43.3, 45.0, 46.1, 47.4, 48.3, 49.5),
    "female": (33.9, 38.3, 40.6, 42.2, 43.8, 44.9, 46.2, 47.2, 48.5),
}


def height(gender: str, months: float) -> float:
    """Median height in cm; the height at 18 from then on."""
    return _between(_MONTHS, _HEIGHT[gender], months)


def weight(gender: str, months: float) -> float:
    """Median weight in kg, up to 18 years."""
    return _between(_MONTHS, _WEIGHT[gender], months)


def head(gender: str, months: float) -> float:
    """Median head circumference in cm, up to 3 years."""
    return _between(_HEAD_MONTHS, _HEAD[gender], months)


def _between(xs: tuple[int, ...], ys: tuple[float, ...], x: float) -> float:
    if x >= xs[-1]:
        return ys[-1]
    right = max(1, bisect_right(xs, x))
    share = (x - xs[right - 1]) / (xs[right] - xs[right - 1])
    return ys[right - 1] + share * (ys[right] - ys[right - 1])
