"""The times of a service's captions: taken where they say what the script does, and its words never."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.video.local.played import LONG_SENTENCE
from tests.unit.video.remote.studio import SCRIPT

from hilum.video.local.captions import Cue, webvtt
from hilum.video.remote.timing import timed
from hilum.video.script import Script, Sentence

FITTING = """WEBVTT - made by a studio

NOTE Nobody reads this.

STYLE
::cue { color: lime }

1
00:00.500 --> 00:01.500 line:0 align:start
<v Anna>This is about
your <b>visit</b>.

00:00:02.000 --> 00:00:03.250
Take 2.5 mg.
"""


def cues(text: str, seconds: float = 5.0, script: Script = SCRIPT) -> list[tuple[str, float, float, str]] | None:
    found = timed(script, text, seconds)
    return None if found is None else [(one.id, one.start, one.end, one.text) for one in found]


def of(*said: tuple[float, float, str]) -> str:
    return webvtt(Cue(str(number), *one) for number, one in enumerate(said))


def saying(*texts: str) -> Script:
    """Of one scene, with these sentences."""
    scene = SCRIPT.scenes[0]
    own = tuple(Sentence(f"s-{number}", text, "tried") for number, text in enumerate(texts))
    return msgspec.structs.replace(SCRIPT, scenes=(msgspec.structs.replace(scene, sentences=own),))


def test_each_sentence_is_captioned_when_the_service_says_it() -> None:
    expected = [("title-1", 0.5, 1.5, "This is about your visit."), ("do-1", 2.0, 3.25, "Take 2.5 mg.")]
    assert cues(FITTING) == expected
    assert cues(FITTING.replace("\n", "\r\n")) == expected
    assert cues("\n".join(line for line in FITTING.split("\n") if not line.startswith("NOTE"))) == expected


def test_what_is_spoken_may_be_what_the_captions_say_and_is_shown_as_it_is_read() -> None:
    text = of((0.0, 1.0, "THIS IS ABOUT YOUR VISIT"), (1.0, 2.0, "Take two and a half!"))
    assert cues(text) == [("title-1", 0.0, 1.0, "This is about your visit."), ("do-1", 1.0, 2.0, "Take 2.5 mg.")]


def test_titles_and_headings_may_stand_between_them() -> None:
    text = of((0.0, 1.0, "Your visit"), (1.0, 2.0, "For you, Amy"), (2.0, 3.0, "This is about your visit."),
              (3.0, 4.0, "What to do: take 2.5 mg."))  # fmt: skip
    found = cues(text)
    assert found is not None
    assert [one[:3] for one in found] == [("title-1", 2.0, 3.0), ("do-1", pytest.approx(3 + 3 / 7), 4.0)]


def test_a_sentence_over_several_cues_and_several_in_one_are_found_by_their_words() -> None:
    script = saying("One two three four.", "Five six.", "Seven.")
    text = of((0.0, 1.0, "One two"), (1.0, 2.0, "three four. Five six."), (4.0, 5.0, "Seven."))
    assert cues(text, script=script) == [
        ("s-0", 0.0, 1.5, "One two three four."), ("s-1", 1.5, 2.0, "Five six."), ("s-2", 4.0, 5.0, "Seven."),
    ]  # fmt: skip


def test_a_long_sentence_is_parted_as_ours_are() -> None:
    found = cues(of((1.0, 11.0, LONG_SENTENCE)), 12.0, saying(LONG_SENTENCE))
    assert found is not None
    assert " ".join(text for *_, text in found) == LONG_SENTENCE
    assert [id for id, *_ in found] == ["s-0", "s-0-2", "s-0-3"]
    assert (found[0][1], found[-1][2]) == (1.0, pytest.approx(11.0))
    assert all(one[2] == pytest.approx(two[1]) for one, two in pairwise(found))


def test_where_cues_lie_over_each_other_one_ends_when_the_next_begins() -> None:
    text = of((0.0, 3.0, "This is about your visit."), (2.0, 4.0, "Take 2.5 mg."))
    found = cues(text)
    assert found is not None
    assert [one[1:3] for one in found] == [(0.0, 2.0), (2.0, 4.0)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!doctype html>",
        "WEBVTTX\n\n00:00.000 --> 00:01.000\nThis is about your visit. Take 2.5 mg.",
        "WEBVTT",
        FITTING.replace("2.5", "25"),
        FITTING.replace("Take", "Do not take"),
        FITTING.replace("Take 2.5 mg.", ""),
        FITTING + "\n00:04.000 --> 00:04.500\nBuy more of it.\n",
        FITTING.replace("00:01.500", "00:00.500"),
        FITTING.replace("00:00:02.000", "00:00.100"),
        FITTING.replace("00:00:03.250", "soon"),
        FITTING.replace("00:00:03.250", "99:00:03.250"),
        FITTING.replace("00:00:03.250", "00:00:61.250"),
        of((0.0, 1.0, "Take 2.5 mg."), (1.0, 2.0, "This is about your visit.")),
        "WEBVTT\n\n" + "00:00.000 --> 00:01.000\n\n" * 5_001,
    ],
)  # fmt: skip
def test_what_is_not_whole_says_anything_else_or_has_no_order_is_not_taken(text: str) -> None:
    assert cues(text) is None


def test_no_word_of_theirs_comes_in() -> None:
    hostile = FITTING.replace("<v Anna>", "<script>alert(1)</script>".replace("alert(1)", ""))
    found = timed(SCRIPT, hostile, 5.0)
    assert found is not None
    assert "script" not in webvtt(found)


@given(st.text(alphabet="WEBVT-> 0123456789:.\n<>&;abc", max_size=200))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    for one in (text, f"WEBVTT\n\n{text}"):
        assert timed(SCRIPT, one, 5.0) is None
