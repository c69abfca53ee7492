"""Where a plan turns from one way to another, and where it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.problems import Issue, Unprocessable
from hilum.store.sql import Part

FEW: Final = 20
"""Up to so many values become an arm and a condition each; more are handed over as one list."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a plan turns from one way to another. The results don't depend on them; tests make them tiny.

    `few`: up to so many values become an arm and a condition each; more are handed over as one list. `looks`: how far
    a count looks before it says 'many': if all clauses are many at first, it looks further. `hopes`: how many rows are
    walked in the hope of a full page, at first and then, before a clause that is many, but fewer, is collected (the
    first for a page of 20; more, up to the last, for a longer one); `far`: how far is counted then. `walk`: how many
    entries of a sort index are walked before all that matches is collected instead. `codes`: up to so many different
    codes of a parameter are walked one by one. `beside`: up to so many codes of a system are walked side by side,
    newest first. `sure`: up to so many an estimate is exact.
    """

    few: int = FEW
    looks: tuple[int, int] = (200, 2000)
    hopes: tuple[int, int] = (500, 3000)
    far: int = 50_000
    walk: int = 30_000
    codes: int = 3000
    beside: int = 100
    sure: int = 5000

    @property
    def look(self) -> int:
        """From so many rows on a clause is many."""
        return self.looks[-1]

    def hope(self, wanted: int) -> int:
        """How many rows are walked at first for so many."""
        return min(self.hopes[0] * max(1, wanted // 20), max(self.hopes))


LIMITS = Limits()


def too_costly(text: str) -> Unprocessable:
    """The answer to a search that would take more than one may."""
    return Unprocessable(issues=(Issue("error", "too-costly", text),))


def too_long(part: Part) -> Unprocessable:
    """The answer to a search of which one statement would take more values than a statement may have."""
    return too_costly(f"A part of the search comes to {len(part.values):,} values. Use fewer or narrower parameters.")
