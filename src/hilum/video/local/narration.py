"""When each sentence is said: by the samples of a voice where there is one, else by how fast people read."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from hilum.video.local.captions import Cue, pieces
from hilum.video.local.sound import Sound, Track, pause, track, trimmed
from hilum.video.local.voices import Voice
from hilum.video.renderer import Unrendered
from hilum.video.script import TEACH_BACK, Script, Sentence

LEAD: Final = 0.9
"""Seconds from the start of a scene to its first sentence: the eye finds its way first."""
GAP: Final = 0.6
REST: Final = 1.4
THINKING: Final = 4.0
"""After the question at the end: for an answer."""
EMPTY: Final = 2.0
"""More for a scene without sentences: a heading."""
READING: Final = 13.0
"""Characters a second, some 150 words a minute."""
SHORTEST: Final = 1.6
LONGEST: Final = 15 * 60.0
"""Nobody watches so long; and without an end, who writes a script could fill a disk."""
RATE: Final = 22_050
"""Samples a second of the silence of a script without sentences."""
NEAR: Final = 0.3
"""Seconds from where a pause is expected that it is sought."""

Span = tuple[float, float]
"""Seconds from the start of a sentence."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in time. `scene`, `sentence`: its numbers. `cues`: its captions, from its first sound to its last."""

    scene: int
    sentence: int
    cues: tuple[Cue, ...]

    @property
    def start(self) -> float:
        """Of its first sound."""
        return self.cues[0].start

    @property
    def end(self) -> float:
        """Of its last."""
        return self.cues[-1].end

    def at(self, share: float) -> float:
        """When that share of its letters was said: from cue to cue, and evenly within each."""
        total = sum(len(cue.text) for cue in self.cues) or 1
        left = share * total
        for cue in self.cues:
            if left <= len(cue.text):
                return cue.start + (cue.end - cue.start) * left / max(1, len(cue.text))
            left -= len(cue.text)
        return self.end


@dataclass(frozen=True, slots=True)
class Narration:
    """All. `scenes`: when each begins. `seconds`: how long the whole is."""

    said: tuple[Said, ...]
    scenes: tuple[float, ...]
    seconds: float


async def narrate(script: Script, voice: Voice | None, file: Path, tell: Callable[[float], None]) -> Narration:
    """With a voice: the sound of the whole video is then in `file`. Raises Unrendered."""
    if voice is None:
        return await _timed(script, None, tell)
    some = [text for scene in script.scenes for one in scene.sentences for text in _texts(one, pieces(one.text))]
    async with aclosing(voice.say(some, file.parent)) as sounds:
        first = await anext(sounds, Sound(RATE, array("h")))
        with track(file, first.rate) as made:
            return await _timed(script, _Speech(voice.engine, first, sounds, made), tell)


@dataclass
class _Speech:
    """A voice that says one text after the other. `next`: what comes next; `made`: what all goes into."""

    engine: str
    next: Sound | None
    sounds: AsyncGenerator[Sound, None]
    made: Track

    async def take(self) -> Sound:
        """The next, from its first sound to its last. Raises Unrendered."""
        sound = await anext(self.sounds) if self.next is None else self.next
        self.next = None
        return trimmed(sound)


async def _timed(script: Script, speech: _Speech | None, tell: Callable[[float], None]) -> Narration:
    now, done, count = 0.0, 0, sum(len(scene.sentences) for scene in script.scenes)
    said: list[Said] = []
    scenes: list[float] = []
    for number, scene in enumerate(script.scenes):
        scenes.append(now)
        now += LEAD
        for place, sentence in enumerate(scene.sentences):
            now += GAP if place else 0.0
            parts = pieces(sentence.text)
            if not parts:
                continue
            if speech is not None:
                sound = await _sound(speech)
                speech.made.rest(now)
                spans = await _heard(speech, sentence, parts, sound)
                speech.made.add(sound)
            else:
                spans = _read(parts)
            said.append(Said(number, place, _cues(sentence, parts, now, spans)))
            now += spans[-1][1]
            done += 1
            tell(done / count)
        if now > LONGEST:
            raise Unrendered("too-long", f"The video would take more than the {LONGEST / 60:.0f} minutes that it may.")
        now += (THINKING if scene.role == TEACH_BACK else REST) + (0 if scene.sentences else EMPTY)
    if speech is not None:
        speech.made.rest(now)
    return Narration(tuple(said), tuple(scenes), now)


def _cues(sentence: Sentence, parts: list[str], start: float, spans: list[Span]) -> tuple[Cue, ...]:
    return tuple(
        Cue(sentence.id if not at else f"{sentence.id}-{at + 1}", start + first, start + last, part)
        for at, (part, (first, last)) in enumerate(zip(parts, spans, strict=True))
    )


def _texts(sentence: Sentence, parts: list[str]) -> list[str]:
    """What a voice has to say of a sentence: the whole, and where it has several pieces, each of those that has words,
    to see how long it is beside the others.
    """
    if not parts:
        return []
    return [sentence.spoken or sentence.text, *filter(_words, _own(sentence, parts))]


def _own(sentence: Sentence, parts: list[str]) -> list[str]:
    """Its pieces, as they are spoken; none where there is one alone."""
    if len(parts) == 1:
        return []
    return spoken(parts, sentence.spoken) if sentence.spoken else parts


def _words(text: str) -> bool:
    return any(map(str.isalnum, text))


async def _sound(speech: _Speech) -> Sound:
    sound = await speech.take()
    if sound.rate != speech.made.rate:
        raise Unrendered(
            "voice-failed", f"The speech engine {speech.engine} changed its sampling rate between two sentences."
        )
    if not sound.samples:
        raise Unrendered("voice-failed", f"The speech engine {speech.engine} gave silence for a sentence.")
    return sound


async def _heard(speech: _Speech, sentence: Sentence, parts: list[str], sound: Sound) -> list[Span]:
    """When each piece of a sentence is heard: by how long each is, said alone, the pause is sought in the whole that is
    nearest to there.
    """
    if own := _own(sentence, parts):
        weights = [(await speech.take()).seconds if _words(part) else 0.0 for part in own]
    else:
        weights = [1.0]
    spans, start, before = list[Span](), 0.0, 0.0
    for weight in weights[:-1]:
        before += weight
        end, next_start = pause(sound, sound.seconds * before / (sum(weights) or 1), NEAR)
        end = max(end, start)
        spans.append((start, end))
        start = max(next_start, end)
    return [*spans, (start, max(start, sound.seconds))]


def spoken(parts: list[str], whole: str) -> list[str]:
    """What is said of each piece that is read, where other words are said: parted beside words that are the same."""
    read, said = [word for part in parts for word in part.split()], whole.split()
    steps = SequenceMatcher(None, read, said, autojunk=False).get_opcodes()
    found, start, place = list[str](), 0, 0
    for part in parts[:-1]:
        place += len(part.split())
        _, read_from, read_to, said_from, said_to = next(one for one in steps if one[1] <= place <= one[2])
        share = (place - read_from) / max(1, read_to - read_from)
        end = said_from + round(share * (said_to - said_from))
        found.append(" ".join(said[start:end]))
        start = end
    return [*found, " ".join(said[start:])]


def _read(parts: list[str]) -> list[Span]:
    """For who reads."""
    total = sum(map(len, parts))
    whole, before, spans = max(SHORTEST, total / READING), 0, list[Span]()
    for part in parts:
        start, before = before, before + len(part)
        spans.append((whole * start / total, whole * before / total))
    return spans
