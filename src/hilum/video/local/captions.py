"""Captions, as WebVTT: a cue for each sentence, several for a long one. https://www.w3.org/TR/webvtt1/"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LINE: Final = 42
"""Characters in a line; two lines in a cue."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is read from `start` to `end`, in seconds."""

    id: str
    start: float
    end: float
    text: str


def pieces(text: str) -> list[str]:
    """A sentence in pieces of two lines at the most, each about as long, parted rather after a comma than elsewhere."""
    words = text.split()
    if fits(words):
        return [" ".join(words)] if words else []
    best = min(range(1, len(words)), key=lambda at: _badness(words, at))
    return pieces(" ".join(words[:best])) + pieces(" ".join(words[best:]))


def _badness(words: list[str], at: int) -> float:
    """Of parting before the word `at`: how unequal the halves are, less what a pause in speech there is worth."""
    before, after = len(" ".join(words[:at])), len(" ".join(words[at:]))
    pause = 0.3 if re.search(r"[,;:.!?—–]$", words[at - 1]) else 0.0
    tied = 0.5 if re.fullmatch(r"[\d.,/]+", words[at - 1]) else 0.0  # a number and its unit
    return abs(before - after) / (before + after) - pause + tied


def fits(words: list[str]) -> bool:
    """Whether they stand in two lines."""
    return len(lines(words)) <= 2


def lines(words: list[str]) -> list[str]:
    """Greedily; a word that is more than a line has one of its own."""
    found: list[str] = []
    for word in words:
        if found and len(found[-1]) + 1 + len(word) <= LINE:
            found[-1] += " " + word
        else:
            found.append(word)
    return found


def webvtt(cues: Iterable[Cue]) -> str:
    """The file."""
    blocks = ["WEBVTT"]
    for cue in cues:
        text = "\n".join(lines(cue.text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{cue.id}\n{clock(cue.start)} --> {clock(cue.end)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def clock(seconds: float) -> str:
    """`00:01:02.345`."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"
