"""Who asks without a token, over and over: the first of each second are noted, the others counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

NOBODY: Final = "nobody"
"""The agent of a request that nobody's token came with."""
_FIRST: Final = 10
_SECOND: Final = 1_000_000
_ADDRESSES: Final = 10_000


class Noise:
    """How often each address was heard within the present second. Times in microseconds."""

    def __init__(self) -> None:
        self._second = 0
        self._heard: dict[str, int] = {}

    def turns(self, at: int) -> bool:
        """Whether another second has begun, and something is to be told of the last one."""
        return at // _SECOND != self._second and bool(self._heard)

    def drowned(self, address: str, at: int) -> bool:
        """Count it; whether it is one too many to be noted."""
        self._second = at // _SECOND
        if address not in self._heard and len(self._heard) >= _ADDRESSES:
            address = ""  # so many addresses in one second are one crowd
        count = self._heard[address] = self._heard.get(address, 0) + 1
        return count > _FIRST

    def told(self) -> Iterator[tuple[str, int, int]]:
        """(address, how many were not noted, when) of the second that is over; it is forgotten."""
        heard, self._heard = self._heard, {}
        for address, count in heard.items():
            if count > _FIRST:
                yield address, count - _FIRST, self._second * _SECOND
