"""Speech engines: programs that work offline, and read what they say from their standard input.

A text never stands among a program's arguments, which everybody on the machine can see.

espeak-ng  a text, a run: it is there at once, and writes sound to its output
           https://github.com/espeak-ng/espeak-ng/blob/master/src/espeak-ng.1.ronn
piper      all texts in one run, a line each, since it takes seconds to read its model; for each line a file, named
           by its clock, which all of its versions do alike: https://github.com/OHF-Voice/piper1-gpl, and before it
           https://github.com/rhasspy/piper
"""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from hilum.video.local.processes import NotStarted, answer
from hilum.video.local.sound import Sound, read
from hilum.video.local.words import primary
from hilum.video.pronouncing import pronounced
from hilum.video.renderer import Unrendered

ESPEAK: Final = ("espeak-ng", "-b", "1", "-s", "145", "-g", "3", "--stdin", "--stdout", "-v")
"""UTF-8; 145 words a minute, with some more space between them: slower than it would speak by itself."""
PIPER: Final = ("piper", "--length-scale", "1.1", "--model")
FILES: Final = "--output_dir"
"""Of piper: the spelling that all of its versions know."""
VOICES: Final = {"en": "en-us", "es": "es-419"}
"""Of espeak-ng, by language."""
LONGEST: Final = 30.0
"""Seconds that a run of an engine has in any case, and as much again for each 100 bytes that it is to say."""


@dataclass(frozen=True, slots=True)
class Voice(ABC):
    """One that is installed. `command`: the program and its arguments, but for where files go. `language`: of the
    texts.
    """

    engine: ClassVar[str]
    command: tuple[str, ...]
    language: str = "en"

    @abstractmethod
    def say(self, texts: Sequence[str], folder: Path) -> AsyncGenerator[Sound, None]:
        """Texts as sounds, one after the other. `folder`: for files on the way. Raises Unrendered."""

    def _line(self, text: str) -> str:
        """A text as the program reads it."""
        return " ".join(pronounced(text, self.language).split()) + "\n"

    async def _run(self, given: str, *more: str) -> bytes:
        """What the program writes to its output. Raises Unrendered."""
        raw = given.encode()
        try:
            code, out = await answer((*self.command, *more), raw, LONGEST * (1 + len(raw) / 100))
        except TimeoutError:
            raise Unrendered(
                "voice-stuck", f"The speech engine {self.engine} did not end, and was ended.", again=True
            ) from None
        except NotStarted:
            raise Unrendered("voice-failed", f"The speech engine {self.engine} can't be started.") from None
        if code:
            raise self._failed(f"ended with {code} and gave no sound", again=code < 0)
        return out

    def _failed(self, how: str, *, again: bool = False) -> Unrendered:
        return Unrendered("voice-failed", f"The speech engine {self.engine} {how}.", again=again)


class Espeak(Voice):
    """espeak-ng."""

    engine = "espeak-ng"

    async def say(self, texts: Sequence[str], folder: Path) -> AsyncGenerator[Sound, None]:
        """A run for each."""
        for text in texts:
            sound = read(await self._run(self._line(text)))
            if sound is None:
                raise self._failed("ended with 0 and gave no sound")
            yield sound


class Piper(Voice):
    """piper, with a model."""

    engine = "piper"

    async def say(self, texts: Sequence[str], folder: Path) -> AsyncGenerator[Sound, None]:
        """One run for all."""
        out = folder / self.engine
        out.mkdir()
        try:
            await self._run("".join(map(self._line, texts)), FILES, str(out))
            made = sorted(out.iterdir(), key=lambda path: (len(path.stem), path.stem))  # by their numbers
            if len(made) != len(texts):
                raise self._failed(f"made {len(made)} files of {len(texts)} lines")
            for path in made:
                sound = read(await asyncio.to_thread(path.read_bytes))
                path.unlink()
                if sound is None:
                    raise self._failed("made a file without sound")
                yield sound
        finally:
            shutil.rmtree(out, ignore_errors=True)


def voice(language: str, models: Mapping[str, Path]) -> Voice | None:
    """piper where a model was set for the language; else espeak-ng where it is installed; else none. Raises Unrendered
    where what was set is not there.
    """
    spoken = primary(language)
    if model := models.get(spoken):
        return _piper(spoken, model)
    program = shutil.which(ESPEAK[0])
    if program and spoken in VOICES:
        return Espeak((program, *ESPEAK[1:], VOICES[spoken]), spoken)
    return None


def _piper(language: str, model: Path) -> Voice:
    program = shutil.which(PIPER[0])
    if program is None:
        raise Unrendered(
            "no-voice",
            f"A voice of piper is set for “{language}”, but the program piper is not in PATH: pip install piper-tts.",
        )
    if not Path(f"{model}.json").is_file():
        raise Unrendered(
            "no-voice",
            f"The voice of piper that is set for “{language}” has no {model.name}.json beside it.",
        )
    if not model.is_file():
        raise Unrendered("no-voice", f"The voice of piper that is set for “{language}”, {model.name}, is not there.")
    return Piper((program, *PIPER[1:], str(model)), language)
