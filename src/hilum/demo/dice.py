"""Chance, made from one seed, with the same outcome on every machine and Python.

Only `random.Random.random()` is promised to keep its sequence over Python versions
(https://docs.python.org/3/library/random.html#notes-on-reproducibility), so everything is built from it, and only
from + - * /, whose results IEEE 754 fixes to the last bit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A stream of chance that belongs to one seed text."""

    def __init__(self, seed: str) -> None:
        self.unit = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True that often (0 to 1)."""
        return self.unit() < probability

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.unit() * (high - low + 1))

    def between(self, low: float, high: float) -> float:
        """A number, evenly spread."""
        return low + self.unit() * (high - low)

    def around(self, middle: float, spread: float) -> float:
        """A number near `middle`: a bell with standard deviation `spread`, never further away than 3.5 of them."""
        four = self.unit() + self.unit() + self.unit() + self.unit()
        return middle + (four - 2.0) * 1.7320508 * spread

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[int(self.unit() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of them, each as often as its weight says."""
        left = self.unit() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def day(self, low: date, high: date) -> date:
        """A day, both ends included; `low` where the interval is empty."""
        return low + timedelta(days=self.number(0, max(0, (high - low).days)))
