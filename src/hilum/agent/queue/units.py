"""What stays together, and what is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hilum.phd.kept import write
from hilum.phd.reading import Reading, Stamp, Taken

_BYTES: Final = 16


def parts(readings: Sequence[Reading]) -> list[int]:
    """Of each reading the position of the first one that it stays together with: those that it is `of`, theirs, and
    all that are of the same. Its own, where it stands alone.
    """
    first = list(range(len(readings)))

    def root(position: int) -> int:
        while first[position] != position:
            position = first[position]
        return position

    for position, reading in enumerate(readings):
        for of in reading.of:
            if of < len(first):
                low, high = sorted((root(of), root(position)))
                first[high] = low
    return [root(position) for position in range(len(readings))]


def digest(taken: Taken, reading: Reading) -> bytes | None:
    """The same for what a device sends again, and another one for all else: an estimate and what it becomes differ in
    their status. None of what has no stamp, or one that names no time of the calendar (ticks begin anew, and a date
    that the device does not know is every day's): it is always new.
    """
    stamp = reading.stamp
    if stamp is None or stamp.time is None:
        return None
    told = replace(reading, stamp=Stamp(stamp.clock, stamp.reported), of=(), record=None, accuracy=None)
    person = "" if taken.person is None else str(taken.person)
    return hashlib.sha256("\n".join((taken.device.key, person, write(told))).encode()).digest()[:_BYTES]
