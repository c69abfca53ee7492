"""What a speech engine is given to say of numbers."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from hilum.video.local.voices import VOICES
from hilum.video.pronouncing import pronounced


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("es", "Tome 0.125 miligramos.", "Tome 0 punto 1 2 5 miligramos."),
        ("es", "Tome 1.500 mg y .5 mg.", "Tome 1 punto 5 0 0 mg y 0 punto 5 mg."),
        ("en", "Take 2.50 milligrams.", "Take 2 point 5 0 milligrams."),
        ("es", "Use 1,500 unidades o 10,000.", "Use 1500 unidades o 10000."),
        ("es", "Tome 0,125 mg.", "Tome 0,125 mg."),
        ("en", "Take 1-2 tablets every 4 – 6 hours.", "Take 1 to 2 tablets every 4 to 6 hours."),
        ("es", "Tome 1½ tabletas, luego ½ tableta.", "Tome 1 y media tabletas, luego media tableta."),
        ("en", "Call 928-555-0110 on 2-3-2026, see v1.2.3.", "Call 928-555-0110 on 2-3-2026, see v1.2.3."),
        ("en", "Take [[1]] tablet.", "Take [ [1] ] tablet."),
    ],
)
def test_numbers_are_given_so_that_they_are_said_as_written(language: str, text: str, said: str) -> None:
    assert pronounced(text, language) == said


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("digits", ["0.125", "1.500", "12.375", "0.005"])
def test_a_spanish_voice_makes_no_thousands_of_a_decimal(digits: str) -> None:
    def phonemes(text: str) -> str:
        command = ("espeak-ng", "-q", "-x", "-b", "1", "--stdin", "-v", VOICES["es"])
        return subprocess.run(command, input=text, text=True, capture_output=True, check=True).stdout

    thousand = phonemes("mil").strip().strip("'_!,")
    assert thousand in phonemes(digits)  # why it is given otherwise
    assert thousand not in phonemes(pronounced(digits, "es"))
