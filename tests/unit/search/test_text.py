"""The folded form of strings. https://hl7.org/fhir/R4/search.html#string"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search import oracle

from hilum.search.text import fold, later_words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller", "muller"),
        ("MU\u0308LLER", "muller"),
        ("Straße", "strasse"),
        ("Ångström", "angstrom"),
        ("O'Brien", "obrien"),
        ("O’Brien", "obrien"),
        ("Smith-Jones", "smith jones"),
        ("Flat 2,High  St.", "flat 2 high st"),
        (" a\t\n b\u00a0c ", "a b c"),
        ("ﬁne", "fine"),
        ("Ａ１", "a1"),
        ("Ольга", "ольга"),
        ("山田", "山田"),
        ("--", ""),
        ("", ""),
    ],
)
def test_case_accents_punctuation_and_spaces_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x17F)))
def test_folding_agrees_with_a_slow_reading_of_the_specification(text: str) -> None:
    assert fold(text) == oracle.fold(text)


def test_later_words_of_a_family_name_can_be_found_on_their_own() -> None:
    assert later_words("Carreño Quiñones") == ["quinones"]
    assert later_words("Smith-Jones") == ["jones"]
    assert later_words("van der Berg") == ["der berg", "berg"]
    assert later_words("Smith") == []
