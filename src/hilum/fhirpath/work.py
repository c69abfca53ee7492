"""How much one evaluation may do: expressions come from outside (FHIRPath Patch), and a short one can ask for much.

`name.given.select(%context.name.given.select(…))` visits n^k items. Every step counts what it visits, so that the sum
is bounded whatever the expression; 100,000 items take about a tenth of a second.
"""

from __future__ import annotations

from typing import Any, Final

from hilum.problems import Issue, Unprocessable

MOST: Final = 100_000
"""Items that one evaluation visits at most."""
MOST_OF_A_CONDITION: Final = 1_000_000
"""The same for a condition on a resource: expressions that a server chose, on resources as large as there are."""
_TEXT: Final = 256
"""So many characters cost as much as one item."""


class Work:
    """What is left of an allowance; the one thing in an evaluation that changes."""

    __slots__ = ("left",)

    def __init__(self, most: int = MOST) -> None:
        self.left = most

    def spend(self, items: int) -> None:
        """Count items that are about to be visited, or were. Raises Unprocessable (too-costly) when it is enough."""
        self.left -= items
        if self.left < 0:
            text = (
                "The expressions visit too many elements. Select what is meant more directly, or in several requests."
            )
            raise Unprocessable(issues=(Issue("error", "too-costly", text),))

    def read(self, characters: int) -> None:
        """Count a text that is about to be read or written whole."""
        self.spend(1 + characters // _TEXT)

    def look_at(self, value: Any) -> None:
        """Count a value that is looked at whole: texts by their length, the parts of objects and lists too."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            kind = type(item)
            if kind is str:
                self.spend(1 + len(item) // _TEXT)
            elif kind is dict or kind is list:
                self.spend(1 + len(item))
                waiting.extend(item.values() if kind is dict else item)
            else:
                self.spend(1)
