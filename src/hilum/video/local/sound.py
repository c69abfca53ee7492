"""Speech as samples of 16 bits, and one track put together of it in a file, so that memory stays flat."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

WINDOW: Final = 0.01
"""Seconds over which loudness is looked at, about: whole samples."""
QUIET: Final = 0.02
"""Of the loudest: less is silence."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One channel."""

    rate: int
    samples: array[int]

    @property
    def seconds(self) -> float:
        """How long."""
        return len(self.samples) / self.rate


def read(wav: bytes) -> Sound | None:
    """A WAV of one channel and 16 bits. Engines that write to a pipe can't know its length, and state any: what is
    there counts. None: it is none.
    """
    if len(wav) < 12 or wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        return None
    at, rate = 12, 0
    while at + 8 <= len(wav):
        name, size = wav[at : at + 4], struct.unpack_from("<I", wav, at + 4)[0]
        if name == b"fmt ":
            if size < 16 or at + 24 > len(wav):
                return None
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", wav, at + 8)
            if (kind, channels, bits) != (1, 1, 16):
                return None
        elif name == b"data":
            return Sound(rate, samples(wav[at + 8 : at + 8 + size])) if rate else None
        at += 8 + size + size % 2
    return None


def samples(raw: bytes) -> array[int]:
    """Of 16 bits, little-endian."""
    found = array("h")
    found.frombytes(raw[: len(raw) // 2 * 2])
    if sys.byteorder == "big":
        found.byteswap()
    return found


def step(sound: Sound) -> int:
    """Samples of a window."""
    return max(1, round(sound.rate * WINDOW))


def loudness(sound: Sound) -> list[int]:
    """The largest sample of each window."""
    wide = step(sound)
    parts = (sound.samples[at : at + wide] for at in range(0, len(sound.samples), wide))
    return [max(max(part), -min(part)) for part in parts]


def trimmed(sound: Sound) -> Sound:
    """Without the silence before and after: it begins when something is heard."""
    loud = loudness(sound)
    least = max(loud, default=0) * QUIET
    heard = [at for at, one in enumerate(loud) if one > least]
    if not heard:
        return Sound(sound.rate, array("h"))
    wide = step(sound)
    return Sound(sound.rate, sound.samples[heard[0] * wide : (heard[-1] + 1) * wide])


def pause(sound: Sound, about: float, within: float) -> tuple[float, float]:
    """The quietest moment near another: from where to where it is silent; where it nowhere is, twice its middle."""
    loud, window = loudness(sound), step(sound) / sound.rate
    first, last = max(0, int((about - within) / window)), min(len(loud) - 5, int((about + within) / window))
    if first >= last:
        return about, about
    best = min(range(first, last), key=lambda at: (sum(loud[at : at + 5]), abs(at * window - about))) + 2
    least = max(loud) * QUIET
    if loud[best] > least:
        return best * window, best * window
    start = next((at + 1 for at in range(best, -1, -1) if loud[at] > least), 0)
    end = next((at for at in range(best, len(loud)) if loud[at] > least), len(loud))
    return start * window, end * window


class Track:
    """A WAV file that is being written."""

    def __init__(self, file: BinaryIO, rate: int) -> None:
        self._file, self.rate, self._written = file, rate, 0

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self._written / self.rate

    def add(self, sound: Sound) -> None:
        """At its end."""
        own = sound.samples
        if sys.byteorder == "big":
            own = array("h", own)
            own.byteswap()
        self._file.write(own.tobytes())
        self._written += len(own)

    def rest(self, until: float) -> None:
        """Silence up to a moment."""
        missing = round(until * self.rate) - self._written
        while missing > 0:
            count = min(missing, self.rate)
            self._file.write(bytes(2 * count))
            self._written += count
            missing -= count


@contextmanager
def track(path: Path, rate: int) -> Iterator[Track]:
    """Writes a file; its header says how long it is when all is written."""
    with path.open("wb") as file:
        file.write(bytes(44))
        made = Track(file, rate)
        yield made
        size = int(made.seconds * rate + 0.5) * 2
        file.seek(0)
        file.write(
            struct.pack(
                "<4sI4s4sIHHIIHH4sI",
                b"RIFF",
                36 + size,
                b"WAVE",
                b"fmt ",
                16,
                1,
                1,
                rate,
                2 * rate,
                2,
                16,
                b"data",
                size,
            )
        )
