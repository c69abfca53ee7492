"""Speech engines: programs that work offline, read a text from their standard input, and write sound to their output.

The text never stands among a program's arguments, which everybody on the machine can see. One line, one engine:

espeak-ng  https://github.com/espeak-ng/espeak-ng/blob/master/src/espeak-ng.1.ronn
piper      https://github.com/OHF-Voice/piper1-gpl, and before it https://github.com/rhasspy/piper
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hilum.video.local.processes import NotStarted, answer
from hilum.video.local.sound import Sound, read, samples
from hilum.video.local.words import primary
from hilum.video.renderer import Unrendered

ESPEAK: Final = ("espeak-ng", "-b", "1", "-s", "145", "-g", "3", "--stdin", "--stdout", "-v")
"""UTF-8; 145 words a minute, with some more space between them: slower than it would speak by itself."""
PIPER: Final = ("piper", "--output-raw", "--length-scale", "1.1", "--model")
VOICES: Final = {"en": "en-us", "es": "es-419"}
"""Of espeak-ng, by language."""
LONGEST: Final = 30.0
"""Seconds that an engine has for a sentence, as much again for each 100 characters: piper reads its model each time."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One that is installed. `rate`: of samples, where they come bare; 0: they come as a WAV file."""

    engine: str
    command: tuple[str, ...]
    rate: int = 0

    async def say(self, text: str) -> Sound:
        """A text as sound. Raises Unrendered."""
        try:
            code, out = await answer(self.command, text.encode() + b"\n", LONGEST * (1 + len(text) / 100))
        except TimeoutError:
            raise Unrendered(
                "voice-stuck", f"The speech engine {self.engine} did not end, and was ended.", again=True
            ) from None
        except NotStarted:
            raise Unrendered("voice-failed", f"The speech engine {self.engine} can't be started.") from None
        sound = (Sound(self.rate, samples(out)) if self.rate else read(out)) if code == 0 else None
        if sound is None:
            raise Unrendered(
                "voice-failed", f"The speech engine {self.engine} ended with {code} and gave no sound.", again=code < 0
            )
        return sound


def voice(language: str, models: Mapping[str, Path]) -> Voice | None:
    """piper where a model was set for the language; else espeak-ng where it is installed; else none. Raises Unrendered
    where what was set is not there.
    """
    spoken = primary(language)
    if model := models.get(spoken):
        return _piper(spoken, model)
    program = shutil.which(ESPEAK[0])
    if program and spoken in VOICES:
        return Voice("espeak-ng", (program, *ESPEAK[1:], VOICES[spoken]))
    return None


def _piper(language: str, model: Path) -> Voice:
    program = shutil.which(PIPER[0])
    if program is None:
        raise Unrendered(
            "no-voice",
            f"A voice of piper is set for “{language}”, but the program piper is not in PATH: pip install piper-tts.",
        )
    try:
        rate = int(json.loads(Path(f"{model}.json").read_bytes())["audio"]["sample_rate"])
    except (OSError, ValueError, LookupError, TypeError):
        raise Unrendered(
            "no-voice",
            f"The voice of piper that is set for “{language}” has no {model.name}.json beside it.",
        ) from None
    if not model.is_file():
        raise Unrendered("no-voice", f"The voice of piper that is set for “{language}”, {model.name}, is not there.")
    return Voice("piper", (program, *PIPER[1:], str(model)), rate)
