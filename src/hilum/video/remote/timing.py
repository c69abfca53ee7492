"""Captions that a service has made, taken for their times: the words are those of the script, as it was approved.

Whatever a service says there must be what it was told of each scene, all and in its order, as it is read or as it is
spoken; titles, headings and the notice may stand between them. https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from hilum.video.local.captions import Cue, pieces
from hilum.video.local.narration import spoken
from hilum.video.script import Scene, Script
from hilum.video.writing import placeholders

MOST_CUES: Final = 5_000
AFTER: Final = 1.0
"""Seconds that the last may end after the video does: lengths are rounded."""
_FIRST: Final = re.compile(r"WEBVTT(?:[ \t].*)?")
_CLOCK: Final = r"(?:([0-9]{2,4}):)?([0-5][0-9]):([0-5][0-9])\.([0-9]{3})"
_TIMES: Final = re.compile(rf"[ \t]*{_CLOCK}[ \t]+-->[ \t]+{_CLOCK}(?:[ \t].*)?")
_TAG: Final = re.compile(r"<[^<>]*>")
_WORD: Final = re.compile(r"[^\W_]+")

Words = list[str]


class Heard(NamedTuple):
    """A word, and when: as far into its cue as it stands in its text."""

    word: str
    start: float
    end: float


def timed(script: Script, webvtt: str, seconds: float) -> list[Cue] | None:
    """The captions of a script at the times of a service's. None where those can't be read, go on after the video, or
    say anything else.
    """
    theirs = _read(webvtt)
    if not theirs or theirs[-1].end > seconds + AFTER:
        return None
    heard = [one for cue in theirs for one in _heard(cue)]
    path = _path(script, [one.word for one in heard])
    if path is None:
        return None
    spans = zip(script.scenes, path, strict=True)
    return [cue for scene, (at, count, said) in spans for cue in _cues(scene, said, heard[at : at + count])]


def _read(text: str) -> list[Cue] | None:
    """Cues in their order, each ending before the next begins. None: it is no WebVTT, or has no order."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not _FIRST.fullmatch(lines[0]):
        return None
    found: list[Cue] = []
    for block in _blocks(lines):
        at = next((number for number, line in enumerate(block[:2]) if "-->" in line), None)
        if at is None:  # a header, a note, a style, a region
            continue
        times = _TIMES.fullmatch(block[at])
        if times is None or len(found) == MOST_CUES:
            return None
        start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        found.append(Cue("", start, end, html.unescape(_TAG.sub("", " ".join(block[at + 1 :])))))
    if any(one.start >= one.end for one in found) or any(one.start > two.start for one, two in pairwise(found)):
        return None
    ends = [two.start for two in found[1:]] + [inf] * bool(found)
    return [Cue("", one.start, min(one.end, end), one.text) for one, end in zip(found, ends, strict=True)]


def _blocks(lines: Iterable[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return found


def _seconds(parts: Iterable[str | None]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _heard(cue: Cue) -> list[Heard]:
    words = _words(cue.text)
    each = (cue.end - cue.start) / (len(words) or 1)
    return [Heard(word, cue.start + each * at, cue.start + each * (at + 1)) for at, word in enumerate(words)]


def _words(text: str) -> Words:
    return _WORD.findall(text.casefold())


Span = tuple[int, int, str]
"""Of a scene: which word is its first, how many it has, and as which of our texts it is said."""


def _path(script: Script, words: Words) -> list[Span] | None:
    """Where each scene stands; None where there is anything else, or less."""
    told = placeholders(script)
    ways: dict[int, list[Span]] = {0: []}
    """By how many words are read so far: one way to have come there."""

    def passed(*texts: str) -> None:
        for text in texts:
            some = _words(text)
            for at, path in list(ways.items()):
                if some and words[at : at + len(some)] == some:
                    ways.setdefault(at + len(some), path)

    for number, scene in enumerate(script.scenes, 1):
        passed(script.title, script.notice, scene.heading)
        before, ways = ways, {}
        for at, path in before.items():
            for text in (told[f"scene_{number}_text"], told[f"scene_{number}_spoken"]):
                some = _words(text)
                if some and words[at : at + len(some)] == some:
                    ways.setdefault(at + len(some), [*path, (at, len(some), text)])
    passed(script.notice)
    return ways.get(len(words))


def _cues(scene: Scene, said: str, heard: list[Heard]) -> list[Cue]:
    """Its captions: their pieces and words are ours."""
    parts = [(one.id, number, part) for one in scene.sentences for number, part in enumerate(pieces(one.text), 1)]
    at, found = 0, list[Cue]()
    for (id, number, part), own in zip(parts, spoken([part for _, _, part in parts], said), strict=True):
        count = len(_words(own))
        some = heard[at : at + count] or heard[max(0, at - 1) : max(1, at)]  # one without words is seen with others
        found.append(Cue(id if number == 1 else f"{id}-{number}", some[0].start, some[-1].end, part))
        at += count
    return found
