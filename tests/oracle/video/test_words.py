"""What the checker reads in a sentence."""

from __future__ import annotations

import pytest
from tests.oracle.video.spanish import lent
from tests.oracle.video.supports import weekday
from tests.oracle.video.words import Reading

Keys = set[tuple[object, ...]]


def read(text: str, language: str = "en", *verbatim: str) -> Keys:
    return {weekday(one.key) for one in Reading(text, language, verbatim).facts}


@pytest.mark.parametrize(
    ("text", "language", "stated"),
    [
        ("Take 2.50 mg by mouth 2 times every day.", "en",
         {("dose", "2.50", "mg"), ("route", "oral"), ("often", "2", "1", "d")}),
        ("Tome 2.50 mg por la boca 2 veces cada día.", "es",
         {("dose", "2.50", "mg"), ("route", "oral"), ("often", "2", "1", "d")}),
        ("Take a tablet twice daily.", "en", {("dose", "1", "tablet"), ("often", "2", "1", "d")}),
        ("Tome dos tabletas cada 8 horas.", "es", {("dose", "2", "tablet"), ("often", "1", "8", "h")}),
        ("Use it once every 3 weeks.", "en", {("often", "1", "3", "wk")}),
        ("Tome una vez al día.", "es", {("often", "1", "1", "d")}),
        ("Take it three times a day.", "en", {("often", "3", "1", "d")}),
        ("It is on Monday, November 23, 2026, at 12:05 a.m. UTC.", "en",
         {("date", 2026, 11, 23), ("time", 5, True)}),
        ("Es el lunes 23 de noviembre de 2026, a las 12:30 p. m.", "es",
         {("date", 2026, 11, 23), ("time", 750, False)}),
        ("It is on Tuesday, November 23, 2026.", "en", {("date",)}),
        ("It is on February 30, 2026.", "en", {("date",)}),
        ("It is on 11/23/2026.", "en", {("date",)}),
        ("It is on November 23.", "en", {("date",)}),
        ("Go at 14:30.", "en", {("time", 870, False)}),
        ("Go at 7 pm.", "en", {("time", 1140, False)}),
        ("Call (928) 555-0110.", "en", {("phone", "9285550110")}),
        ("Do not take more than 40 mg in 24 hours.", "en", {("dose", "40", "mg"), ("span", "24", "h")}),
        ("Take it on Monday, 30 minutes before breakfast.", "en",
         {("weekday", 0), ("span", "30", "min"), ("part", "ACM")}),
        ("Tome por la mañana, antes de la cena.", "es", {("part", "MORN"), ("part", "ACV")}),
        ("Take it early in the morning.", "en", {("part", "MORN.early")}),
        ("Take it only when you need it.", "en", {("needed",)}),
        ("Úsela solo cuando la necesite.", "es", {("needed",)}),
        ("Put it on the left knee.", "en", {("side", "left"), ("word", "knee")}),
        ("Parte del cuerpo: rodilla derecha.", "es", {("side", "right"), ("word", "rodilla")}),
        ("Call us right away.", "en", set()),
        ("Ese día le hicieron: preguntas sobre la depresión.", "es", {("word", "preguntas"), ("word", "depresión")}),
        ("Take Warfarin with ibuprofen.", "en", {("drug", "warfarin"), ("drug", "ibuprofen")}),
        ("You saw Dr. Eve Other.", "en", {("name", "dr"), ("name", "other"), ("word", "eve")}),
        ("Take 7.", "en", {("number", "7")}),
        ("Tome once.", "es", {("number", "once")}),
        ('Your prescription says: "Chew it."', "en", {("quote", '"Chew it."')}),
    ],
)  # fmt: skip
def test_a_sentence_states(text: str, language: str, stated: Keys) -> None:
    assert read(text, language) == stated


def test_words_of_the_record_are_taken_out_whole() -> None:
    assert read("You saw Dr. May O'Neal.", "en", "Dr. May O'Neal") == set()
    assert read("You saw Dr. May O'Nealson.", "en", "Dr. May O'Neal") != set()
    assert read('Your prescription says: "Chew 2 well."', "en", "Chew 2 well.") == set()


def test_nothing_is_read_twice() -> None:
    reading = Reading("Take 2 tablets 2 times every day at 8:00 a.m.", "en")
    places = [n for one in reading.facts for n in range(one.start, one.end)]
    assert len(places) == len(set(places))


def test_spanish_names_come_from_the_record_s_words() -> None:
    assert {"presión", "alta"} <= lent(["Essential hypertension"])
    assert not {"diabetes", "derecha"} & lent(["Essential hypertension"])
