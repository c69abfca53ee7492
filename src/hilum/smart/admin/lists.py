"""Long lists of records, a page at a time, and how many there are of them, as far as it is worth counting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, TypeVar

from hilum.access.ledger import Ledger
from hilum.oauth.ledger import FRESH

PAGE: Final = 50
"""Rows on a page."""
COUNTED: Final = 1000
"""Records that are counted; beyond that it is enough to know that there are more."""

T = TypeVar("T")


async def page(rows: AsyncIterator[T]) -> tuple[list[T], bool]:
    """The first rows, and whether more follow."""
    found: list[T] = []
    async for row in rows:
        if len(found) == PAGE:
            return found, True
        found.append(row)
    return found, False


async def many(ledger: Ledger, kind: int) -> str:
    """How many records of a kind there are that were not revoked: `17`, `more than 1,000`."""
    rows = await ledger.of(kind, limit=COUNTED + 1)
    found = sum(row.state == FRESH for row in rows[:COUNTED])
    return f"{found:,}" if len(rows) <= COUNTED else f"more than {found:,}"


def lines(text: str) -> tuple[str, ...]:
    """What stands in the lines of a field, each once."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
