"""What was met before: only what comes again is worth keeping. What never does would push out what does."""

from __future__ import annotations

from array import array
from collections.abc import Hashable
from typing import Final

_MOST: Final = 8192


class Seen:
    """Of the last some thousand values, whether each was met before: by their hashes, so that none of them is held.

    Each hash has one place, which it shares with others: the later one takes it, and the earlier counts as new again.
    Two values of the same hash count as one: that may keep what never comes again, and does no other harm.
    """

    def __init__(self) -> None:
        self._hashes = array("q", bytes(8 * _MOST))

    def met(self, value: Hashable) -> bool:
        """Whether it was met before. Now it is."""
        found = hash(value)
        place = found % _MOST
        if self._hashes[place] == found:
            return True
        self._hashes[place] = found
        return False
