"""Reading grades, and the syllables that they count."""

from __future__ import annotations

import pytest

from hilum.video.reading import Counts, counts, grade, huerta, kincaid
from hilum.video.syllables import by_letters, english, spanish

ENGLISH = {
    "the": 1, "medicine": 3, "visit": 2, "doctor": 2, "prescription": 3, "hospital": 3, "called": 1, "needed": 2,
    "tablet": 2, "every": 3, "breathe": 1, "emergency": 4, "people": 2, "area": 3, "don't": 1, "question": 2, "poem": 2,
    "science": 2, "idea": 3, "knees": 1, "used": 1, "wanted": 2, "little": 2, "business": 2, "queue": 1, "hour": 2,
}  # fmt: skip
SPANISH = {
    "casa": 2, "día": 2, "medicina": 4, "cuidado": 3, "guía": 2, "agua": 2, "aire": 2, "veintiséis": 3, "farmacia": 3,
    "corazón": 3, "oído": 3, "cápsula": 3, "después": 2, "ley": 1, "y": 1, "hoy": 1, "yo": 1, "ayer": 2, "queso": 2,
    "pingüino": 3, "siguiente": 3, "ciudad": 2, "viuda": 2, "lluvia": 2, "leer": 2, "poesía": 4, "teoría": 4, "buey": 1,
    "miércoles": 3, "inhalación": 4, "construir": 2, "reloj": 2, "país": 2, "baúl": 2, "Uruguay": 3,
    "limpiáis": 2, "aéreo": 4,
}  # fmt: skip


@pytest.mark.parametrize(("word", "syllables"), ENGLISH.items())
def test_english_syllables_are_those_of_the_dictionary(word: str, syllables: int) -> None:
    assert english(word) == syllables


@pytest.mark.parametrize(("word", "syllables"), SPANISH.items())
def test_spanish_syllables_are_those_that_are_spelled(word: str, syllables: int) -> None:
    assert spanish(word) == syllables


def test_a_word_that_no_dictionary_has_is_counted_by_its_letters() -> None:
    assert english("hilum") == by_letters("hilum") == 2
    assert english("zzz") == 1


def test_the_formula_is_kincaid_s() -> None:
    assert round(kincaid(Counts(sentences=10, words=100, syllables=130)), 2) == 3.65
    assert kincaid(Counts()) == 0


def test_the_spanish_score_becomes_a_school_year() -> None:
    assert round(huerta(Counts(sentences=10, words=100, syllables=211)), 2) == 6.0  # a score of 70.04
    assert huerta(Counts(sentences=50, words=100, syllables=150)) == 3.0
    assert huerta(Counts(sentences=1, words=100, syllables=300)) == 16.0


def test_names_of_drugs_are_not_counted_and_numbers_are_one_syllable() -> None:
    assert counts(["Take Hydrochlorothiazide 12.5 today."], ["hydrochlorothiazide"], english) == (1, 3, 4)


def test_full_stops_of_abbreviations_end_no_sentence() -> None:
    assert counts(["You saw Dr. Walsh at 9:30 a.m. in town."], [], english).sentences == 1
    assert counts(['It says: "Rest. Drink."'], [], english).sentences == 2
    assert counts(["Hello, Amy"], [], english).sentences == 1


def test_plain_words_are_easier_than_those_of_the_trade() -> None:
    plain = ["Take your pill each day.", "Call us if you feel worse."]
    hard = ["Pharmacological intervention necessitates uninterrupted administration of antihypertensive medication."]
    assert grade(plain, "en") < 3
    assert grade(hard, "en") > 20
    assert grade(["Tome su pastilla cada día."], "es") < grade(
        ["Administración ininterrumpida antihipertensiva."], "es"
    )
