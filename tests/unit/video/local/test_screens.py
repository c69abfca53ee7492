"""Screens: the whole script stands on them, large, and inside the frame."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.video.local.played import LONG_SENTENCE, WHOLE, scene, script
from tests.unit.video.local.test_wrapping import WORDS, bare

from hilum.video.local.drawing import drawn, said
from hilum.video.local.fonts import plain
from hilum.video.local.screens import screens
from hilum.video.renderer import Shape
from hilum.video.script import DO, Script

SHAPES: list[Shape] = ["wide", "tall"]
SENTENCES = st.lists(st.lists(WORDS, min_size=1, max_size=30).map(" ".join), min_size=1, max_size=7)


def shown(of: Script, shape: Shape) -> list[list[str]]:
    """What is seen of each sentence of each scene, over all screens."""
    found: dict[tuple[int, int], str] = defaultdict(str)
    for screen in screens(of, shape):
        for part in screen.parts:
            if part.again:
                continue
            found[screen.scene, part.sentence] += "".join(part.lines)
    return [[bare(found[at, number]) for number, _ in enumerate(one.sentences)] for at, one in enumerate(of.scenes)]


@given(SENTENCES, st.sampled_from(SHAPES), st.sampled_from(["", "pill"]))
@settings(max_examples=25, deadline=None)
def test_all_text_is_seen_large_enough_and_none_is_cut(texts: list[str], shape: Shape, kind: str) -> None:
    of = script(scene(DO, "A heading of some length for it", *texts, kind=kind))
    assert shown(of, shape) == [[bare(plain(text)) for text in texts]]
    for screen in screens(of, shape):
        assert screen.text_size >= 42
        height = sum(len(part.lines) for part in screen.parts) * screen.text_size * 1.26
        assert height <= screen.stage.body.height + 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_every_text_lies_inside_the_frame_and_on_no_other_and_the_notice_is_among_them(shape: Shape) -> None:
    for screen in screens(WHOLE, shape):
        sheet = said(drawn(WHOLE, screen), WHOLE, screen, None)
        assert WHOLE.notice in " ".join(one.text for one in sheet.written).replace("\u00a0", " ")
        wide, high = sheet.image.size
        for one in sheet.written:
            assert one.size >= 26
            assert one.box.x >= 0 and one.box.right <= wide and one.box.y >= 0 and one.box.bottom <= high, one
        for number, one in enumerate(sheet.written):
            for other in sheet.written[number + 1 :]:
                middle = one.box.y + one.box.height / 2
                apart = one.box.right <= other.box.x or other.box.right <= one.box.x
                assert apart or not other.box.y + 8 < middle < other.box.bottom - 8, (one, other)


def test_parts_of_a_sentence_on_several_screens_follow_each_other() -> None:
    of = script(scene(DO, "Long", " ".join([LONG_SENTENCE] * 4)))
    parts = [part for screen in screens(of, "wide") for part in screen.parts]
    assert len(parts) > 1
    assert [part.begin for part in parts[1:]] == [part.end for part in parts[:-1]]
    assert (parts[0].begin, parts[-1].end) == (0, 1)


def test_a_heading_that_leaves_no_room_for_text_takes_that_of_the_picture() -> None:
    of = script(scene(DO, "A heading of very many words " * 8, "Text.", kind="pill"))
    (screen,) = screens(of, "tall")
    assert screen.stage.card is None and screen.stage.body.height > 220


def test_what_to_do_is_never_seen_without_what_it_is_done_with() -> None:
    texts = (
        "Your medicine is Atorvastatin 20 mg tablet.",
        "It is for: High cholesterol.",
        "Take 1 tablet by mouth once every day.",
    )
    of = script(
        scene(
            DO,
            "Your medicine",
            *texts,
            "Your prescription says: Take 1 tablet by mouth once a day at bedtime, with a glass of water.",
            kind="pill",
        )
    )
    found = screens(of, "wide")
    assert len(found) > 1
    for screen in found:
        assert bare("".join(screen.parts[0].lines)) == bare(texts[0])
    assert [screen.parts[0].again for screen in found] == [False] + [True] * (len(found) - 1)


def test_a_scene_without_sentences_is_one_screen() -> None:
    (screen,) = screens(script(scene(DO, "Only a heading")), "wide")
    assert screen.parts == ()
