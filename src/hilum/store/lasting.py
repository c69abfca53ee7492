"""How long what a store remembers of names holds: (type, id) -> rid.

What was created keeps its rid for good; what is only referred to so far gets another one when it is created. So of the
latter nothing is remembered, and of what became the former just now not yet: a search that began before sees the rows
under the number that it had before, and must not look for them under the new one.
"""

from __future__ import annotations

from typing import Final

from hilum.store.clock import microseconds

SETTLED_SECONDS: Final = 120
"""Longer than any search may take."""


def settled() -> int:
    """What was created before this moment (microseconds) is seen so by every search that is under way."""
    return microseconds() - SETTLED_SECONDS * 1_000_000
