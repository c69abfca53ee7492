"""`_text` and `_content`. https://hl7.org/fhir/R4/search.html#text"""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.clauses import AllClause, AnyClause, Clause, NotClause, PhraseClause, TextClause
from hilum.search.limits import TooCostly
from hilum.search.parse import parse_query


def read(name: str, text: str) -> Clause:
    (found,) = parse_query("Condition", [(name, text)]).query.parts[0].clauses
    return found


def phrase(words: str) -> PhraseClause:
    return PhraseClause("text", words)


def text(*values: str) -> TextClause:
    return TextClause("text", values)


@pytest.mark.parametrize(
    ("written", "clause"),
    [
        ("Bone", text("bone")),
        ("bone; LIVER", text("bone liver")),
        ("bone,LIVER tumour", text("bone", "liver tumour")),
        ("bone\\, liver", text("bone liver")),
        ("do not resuscitate", text("do not resuscitate")),
        ("bone OR liver tumour", text("bone", "liver tumour")),
        ("(bone OR liver) and metastases", AllClause((text("metastases"), text("bone", "liver")))),
        ("bone AND NOT liver", AllClause((text("bone"), NotClause(text("liver"))))),
        ("NOT (bone OR NOT liver)", NotClause(AnyClause((text("bone"), NotClause(text("liver")))))),
        ('"Bone, (Marrow)"', phrase("bone marrow")),
        ('"bone"', text("bone")),
        ('old "bone marrow" liver', AllClause((text("old liver"), phrase("bone marrow")))),
        ('"a b","c d"', AnyClause((phrase("a b"), phrase("c d")))),
        ('liver NOT "bone marrow"', AllClause((text("liver"), NotClause(phrase("bone marrow"))))),
        ('"bone OR liver" x', AllClause((text("x"), phrase("bone or liver")))),
        ('"-" x', text("x")),
    ],
)
def test_words_become_this_clause(written: str, clause: Clause) -> None:
    assert read("_text", written) == clause


def test_content_is_asked_of_all_text() -> None:
    assert read("_content", "bone") == TextClause("content", ("bone",))


NONSENSE = ["(", ")", "a)", "(a", "NOT", "a OR", "AND", "-", '"a b', 'a"', "NOT AND", "()", "a,", ",", '""', 'NOT "-"']


@pytest.mark.parametrize("written", NONSENSE)
def test_what_is_no_search_for_words_is_refused(written: str) -> None:
    with pytest.raises(Invalid, match="'_text' takes words, quoted phrases, AND, OR, NOT and parentheses"):
        read("_text", written)


@pytest.mark.parametrize("text", ["a " * 101, "ﷺ" * 40, '"' + "b c " * 60 + '"', "x" * 501, "ß" * 251])
def test_more_or_longer_words_than_an_index_is_asked_for_are_too_costly(text: str) -> None:
    with pytest.raises(TooCostly, match="_content"):
        read("_content", text)


def test_a_word_said_twice_is_asked_for_once() -> None:
    assert read("_text", "bone liver Bone") == TextClause("text", ("bone liver",))
