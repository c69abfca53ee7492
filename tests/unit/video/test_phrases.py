"""Phrase tables: each language says the same, with the same slots, and no number of its own."""

from __future__ import annotations

import re

import pytest

from hilum.video import spellings
from hilum.video.phrases import SLOT, Phrases, Told, filled, language, languages
from hilum.video.script import BODY, Citation
from hilum.video.timing import HOURS

FREE = {"named", "placed"}
"""Phrases that only a language other than the record's has more slots for."""
FORMS = {"one", "other"}


def texts(table: Phrases) -> list[str]:
    return [
        text for found in table.phrases.values() for text in ([found] if isinstance(found, str) else found.values())
    ]


def test_all_languages_have_the_same_phrases_with_the_same_slots() -> None:
    english = language("en")
    for table in languages().values():
        assert set(table.phrases) == set(english.phrases)
        for name in set(english.phrases) - FREE:
            assert table.slots(name) == english.slots(name), (table.language, name)


@pytest.mark.parametrize("table", languages().values(), ids=languages())
def test_a_table_is_whole(table: Phrases) -> None:
    assert (len(table.months), len(table.weekdays)) == (12, 7)
    assert set(table.units) == set(spellings.units())
    assert set(table.routes) == set(spellings.routes())
    assert set(table.body) == set(BODY)
    assert set(table.weekday) == {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    assert set(table.when) == set(language("en").when)
    for unit in HOURS:
        assert set(table.phrases[f"every-{unit}"]) == set(table.phrases[f"span-{unit}"]) == FORMS  # type: ignore[arg-type]


@pytest.mark.parametrize("table", languages().values(), ids=languages())
def test_a_phrase_states_no_number_and_has_no_other_brace(table: Phrases) -> None:
    for text in texts(table):
        assert not re.search(r"[0-9{}]", SLOT.sub("", text)), text


def test_a_spoken_unit_is_a_word() -> None:
    for table in languages().values():
        for unit in table.units.values():
            assert len(unit.one) > 2
            assert len(unit.other) > 2


def test_no_two_units_or_routes_are_written_alike() -> None:
    names = [name for known in spellings.units().values() for name in known]
    assert len(names) == len(set(names))
    assert spellings.unit("Tablets") == spellings.unit("TAB") == "TAB"
    assert spellings.unit("furlong") == ""
    assert spellings.route(["26643006"], []) == spellings.route([], ["Oral route"]) == "oral"
    assert spellings.route([], ["no such"]) == "other"


def test_a_slot_that_is_empty_takes_the_space_before_it_along() -> None:
    slots = {"a": Told("x", "y", (Citation("R/1/_history/1", "R.a", 1, "x"),)), "b": ""}
    assert filled("{a} is {b} here {b}.", slots) == Told("x is here.", "y is here.", slots["a"].cites)  # type: ignore[union-attr]


def test_words_of_the_record_are_not_slots() -> None:
    assert filled("{a}", {"a": "{b}"}).text == "{b}"


def test_a_sentence_ends_with_one_full_stop() -> None:
    assert filled("It is at {a}.", {"a": "2 p.m."}).text == "It is at 2 p.m."


def test_a_language_knows_its_own_text() -> None:
    english, spanish = language("en"), language("es")
    assert english.reads("Take 1 tablet by mouth twice a day.")
    assert spanish.reads("Tome 1 tableta por vía oral dos veces al día.")
    assert not english.reads("Tome 1 tableta por vía oral dos veces al día.")
    assert not english.reads("Lisinopril")
