"""Bytes of a device that say nothing: refused with a reason, never guessed at."""

from __future__ import annotations


class Malformed(Exception):
    """`reason`: what was found and what was expected; no value that was measured. `at`: the offset, in bytes."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        super().__init__(reason if at is None else f"byte {at}: {reason}")
        self.reason, self.at = reason, at
