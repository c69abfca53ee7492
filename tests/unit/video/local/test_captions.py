"""WebVTT, and the transcript."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.video.local.played import LONG_SENTENCE, scene, script

from hilum.video.local.captions import LINE, Cue, clock, lines, pieces, webvtt
from hilum.video.local.transcript import transcript
from hilum.video.script import DO, TITLE

TEXTS = st.lists(st.text("abcdefgáñ.,;12", min_size=1, max_size=18), min_size=1, max_size=60).map(" ".join)


@given(TEXTS)
def test_pieces_are_the_whole_sentence_each_in_two_lines_of_42(text: str) -> None:
    found = pieces(text)
    assert " ".join(found) == text
    for piece in found:
        assert len(lines(piece.split())) <= 2
        assert max(map(len, lines(piece.split()))) <= LINE


def test_a_sentence_is_parted_rather_after_a_comma() -> None:
    assert [piece[-1] for piece in pieces(LONG_SENTENCE)] == [",", ",", "."]


def test_a_number_and_its_unit_are_in_one_piece() -> None:
    text = "Each one of these is taken with a full glass of water and is a dose of 250 mg of the medicine for you"
    assert any("250 mg" in piece for piece in pieces(text))


def test_a_word_longer_than_a_line_has_a_line_of_its_own() -> None:
    assert pieces("a " + "b" * 50) == ["a " + "b" * 50]


def test_nothing_has_no_pieces() -> None:
    assert pieces("  ") == []


def test_the_file() -> None:
    cues = [Cue("a", 0.9, 2.5, "Less <than> 5 & more."), Cue("b", 3661.0, 3662.0005, LONG_SENTENCE[:60])]
    assert webvtt(cues) == (
        "WEBVTT\n\n"
        "a\n00:00:00.900 --> 00:00:02.500\nLess &lt;than&gt; 5 &amp; more.\n\n"
        "b\n01:01:01.000 --> 01:01:02.000\nWash the skin of your right knee with soap\non the day before,\n".replace(
            "\non the day before,", "\n" + LONG_SENTENCE[43:60].strip()
        )
    )


def test_times_round_to_the_millisecond() -> None:
    assert clock(59.9996) == "00:01:00.000"


def test_the_transcript_has_headings_sentences_pictures_and_the_notice() -> None:
    of = script(
        scene(TITLE, "Rosa, here is your guide", "It is short.", kind="heart"),
        scene(DO, "When", "Take 10 mg.", "Take it at 8:00 AM."),
        notice="Not reviewed.",
    )
    assert transcript(of) == (
        "After your visit\n================\n\nNot reviewed.\n\n"
        "Rosa, here is your guide\n------------------------\n\nIt is short.\n\n[Picture: A heart.]\n\n"
        "When\n----\n\nTake 10 mg.\n\nTake it at 8:00 AM.\n"
    )
