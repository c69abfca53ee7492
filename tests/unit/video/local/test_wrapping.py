"""Text in lines: all of it, and within their width."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.video.local.fonts import Unwritable, face, plain
from hilum.video.local.wrapping import wrapped

WORDS = st.text("abcdefghijklmnopqrstuvwxyzáéíóúñ0123456789.,/-¿?", min_size=1, max_size=40)


def bare(text: str) -> str:
    return "".join(text.replace("\u00a0", "").split())


@given(st.lists(WORDS, min_size=1, max_size=25).map(" ".join), st.integers(120, 900))
@settings(max_examples=60, deadline=None)
def test_nothing_of_a_text_is_cut_and_no_line_is_too_long(text: str, width: int) -> None:
    font = face(44)
    lines = wrapped(plain(text), font, width)
    assert bare("".join(lines)) == bare(plain(text))
    assert [line for line in lines if font.width(line) > width and len(line) > 1] == []


def test_a_number_and_its_unit_stay_together() -> None:
    font = face(44)
    for width in range(200, 700, 10):
        lines = wrapped("Take 2.5 mg of it at 8:00 a. m. each day", font, width)
        assert "2.5\u00a0mg" in " ".join(lines)
        assert "8:00\u00a0a.\u00a0m." in " ".join(lines) or width < 300


def test_a_long_name_is_parted_at_its_slash_and_gets_no_hyphen() -> None:
    assert wrapped("hydrochlorothiazide/triamterene", face(44), 500) == ["hydrochlorothiazide/", "triamterene"]


def test_letters_that_the_first_font_has_not_come_from_the_second() -> None:
    assert len(face(44).runs("α-Жук")) > 1
    assert len(face(44).runs("María José Nguyễn ¿qué? 10 mg ½")) == 1


@pytest.mark.parametrize("text", ["药", "دواء", "אב", "💊"])
def test_letters_that_no_font_here_has_are_refused(text: str) -> None:
    with pytest.raises(Unwritable):
        face(44).runs(text)


def test_accents_are_drawn_as_one_letter_with_what_they_stand_on() -> None:
    assert plain(unicodedata.normalize("NFD", "José")) == "José"
    assert plain("5 µg") == "5 μg"


def test_what_only_steers_text_is_not_drawn() -> None:
    assert plain(" a\n\tb\u200b\u202ec\u00add ") == "a bcd"
