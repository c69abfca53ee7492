"""Phonetic codes. https://hl7.org/fhir/R4/patient.html#search"""

from __future__ import annotations

import pytest

from hilum.search.sounds import sounds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Smith", ("SM0",)),
        ("Müller", ("MLR",)),
        ("Knight-O'Brien", ("NT", "OBRN")),
        ("Ann Ann", ("AN",)),
        ("12", ()),
        ("", ()),
    ],
)
def test_every_word_has_a_sound_of_its_own(text: str, expected: tuple[str, ...]) -> None:
    assert sounds(text) == expected


def test_what_sounds_alike_has_one_code() -> None:
    assert sounds("Philips") == sounds("Fillips")
    assert sounds("Philips") != sounds("Peters")
