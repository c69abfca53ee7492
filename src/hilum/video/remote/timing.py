"""Captions that a service has made, taken for their times: the words are those of the script, as it was approved.

Whatever a service says there must be the script's sentences, all and in their order, as they are read or as they are
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
from hilum.video.script import Script, Sentence

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
    sentences = (one for scene in script.scenes for one in scene.sentences)
    found = [_cues(sentence, heard[at : at + count]) for sentence, (at, count) in zip(sentences, path, strict=True)]
    return [cue for some in found for cue in some]


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


def _path(script: Script, words: Words) -> list[tuple[int, int]] | None:
    """Where each sentence stands, and how many words it has there; None where there is anything else, or less."""
    ways: dict[int, list[tuple[int, int]]] = {0: []}
    """By how many words are read so far: one way to have come there."""

    def passed(*texts: str) -> None:
        for text in texts:
            some = _words(text)
            for at, path in list(ways.items()):
                if some and words[at : at + len(some)] == some:
                    ways.setdefault(at + len(some), path)

    for scene in script.scenes:
        passed(script.title, script.notice, scene.heading)
        for sentence in scene.sentences:
            before, ways = ways, {}
            for at, path in before.items():
                for text in (sentence.text, sentence.spoken):
                    some = _words(text)
                    if some and words[at : at + len(some)] == some:
                        ways.setdefault(at + len(some), [*path, (at, len(some))])
    passed(script.notice)
    return ways.get(len(words))


def _cues(sentence: Sentence, heard: list[Heard]) -> list[Cue]:
    """Its captions: their pieces and words are ours."""
    parts = pieces(sentence.text)
    own = parts if len(heard) == len(_words(sentence.text)) else spoken(parts, sentence.spoken)
    at, found = 0, list[Cue]()
    for number, (part, said) in enumerate(zip(parts, own, strict=True), 1):
        count = len(_words(said))
        some = heard[at : at + count] or heard[max(0, at - 1) : max(1, at)]  # one without words is seen with others
        id = sentence.id if number == 1 else f"{sentence.id}-{number}"
        found.append(Cue(id, some[0].start, some[-1].end, part))
        at += count
    return found
