"""Edits: advice alone, within its length, and no number, dose, drug, day or side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.video.records import script, texts

from hilum.video import templates
from hilum.video.editing import edited
from hilum.video.script import Refused, Script

TEMPLATE = templates.packaged()["after-visit"]


def changed(text: str, id: str = "do-1", language: str = "en") -> Script:
    return edited(script(language=language), {id: text}, TEMPLATE)


def test_advice_is_edited_and_marked_and_nothing_else_moves() -> None:
    before, after = script(), changed("Rest a lot, and drink enough water.")
    assert texts(after, "do") == [
        "Rest a lot, and drink enough water.",
        "Here is how to take your medicines from this visit.",
    ]
    assert after.edited == ("do-1",)
    sentence = next(one for scene in after.scenes for one in scene.sentences if one.id == "do-1")
    assert (sentence.phrase, sentence.cites, sentence.limit) == ("edited", (), 160)
    assert [one for one in texts(before) if one not in texts(after)] == texts(before, "do")[:1]


def test_an_edit_to_the_same_text_is_none() -> None:
    assert changed(texts(script(), "do")[0]) == script()


def test_edits_add_up() -> None:
    twice = edited(changed("Rest a lot."), {"call-1": "Call us if you are worried."}, TEMPLATE)
    assert twice.edited == ("do-1", "call-1")


@pytest.mark.parametrize(
    ("id", "text", "code"),
    [
        ("medicine-1-2", "Take 2 tablets.", "edit-sentence"),
        ("why-1", "You came.", "edit-sentence"),
        ("call-3", "Wait.", "edit-sentence"),
        ("nowhere", "Rest.", "edit-sentence"),
        ("do-1", "", "edit-length"),
        ("do-1", "  ", "edit-length"),
        ("do-1", "Rest. " * 30, "edit-length"),
        ("do-1", "Rest.\nSleep.", "edit-characters"),
        ("do-1", "Rest\u202e.", "edit-characters"),
        ("do-1", "Rest\u200b.", "edit-characters"),
        ("do-1", "Rest for 3 days.", "edit-fact"),
        ("do-1", "Rest for \u0663 days.", "edit-fact"),
        ("do-1", "Rest for three days.", "edit-fact"),
        ("do-1", "Eat ½ of it.", "edit-fact"),
        ("do-1", "Take it twice.", "edit-fact"),
        ("do-1", "Take more tablets.", "edit-fact"),
        ("do-1", "Take your lisinopril.", "edit-fact"),
        ("do-1", "Take ibuprofen.", "edit-fact"),
        ("do-1", "Take Tylenol.", "edit-fact"),
        ("do-1", "Take your ibuprofeno.", "edit-fact"),
        ("do-1", "Take Tylenol if it hurts.", "edit-fact"),
        ("do-1", "Stop your WARFARIN.", "edit-fact"),
        ("do-1", "Ask for empagliflozin.", "edit-fact"),
        ("do-1", "Take thirteen of them.", "edit-fact"),
        ("do-1", "Come back on Monday.", "edit-fact"),
        ("do-1", "Come back on monday.", "edit-fact"),
        ("do-1", "Come back in november.", "edit-fact"),
        ("do-1", "Rest your left knee.", "edit-fact"),
    ],
)
def test_other_edits_are_refused(id: str, text: str, code: str) -> None:
    with pytest.raises(Refused) as found:
        changed(text, id)
    assert (found.value.code, found.value.element) == (code, id)


def test_an_edit_that_is_hard_to_read_is_refused() -> None:
    hard = "Comprehensive rehabilitation necessitates individualized multidisciplinary recommendations."
    with pytest.raises(Refused) as found:
        edited(script(), {"do-1": hard}, replace(TEMPLATE, grade=4))
    assert (found.value.code, found.value.element) == ("grade", "do-1")


@pytest.mark.parametrize("text", ["You may walk.", "Ask a person that you trust.", "Rest, and then march on."])
def test_words_of_every_day_are_no_facts(text: str) -> None:
    assert changed(text).edited == ("do-1",)


def test_right_away_is_no_side() -> None:
    assert changed("Call us right away if it hurts.").edited == ("do-1",)


def test_spanish_edits_are_held_to_spanish_words() -> None:
    for text in ("Descanse mucho.", "Viva con otra persona para servir mejor."):
        assert changed(text, language="es").edited == ("do-1",)
    for text in (
        "Descanse dos días.",
        "Tome una pastilla.",
        "Mueva la rodilla izquierda.",
        "Venga el lunes.",
        "Venga el Lunes.",
        "Tome trece.",
        "Tome ibuprofeno.",
    ):
        with pytest.raises(Refused, match="This states"):
            changed(text, language="es")
