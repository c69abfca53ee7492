"""`_text` and `_content`. https://hl7.org/fhir/R4/search.html#text"""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.parse import parse_query
from hilum.search.query import AllClause, AnyClause, Clause, NotClause, TextClause


def read(name: str, text: str) -> Clause:
    (found,) = parse_query("Condition", [(name, text)]).query.parts[0].clauses
    return found


def text(*values: str) -> TextClause:
    return TextClause("text", values)


@pytest.mark.parametrize(
    ("written", "clause"),
    [
        ("Bone", text("bone")),
        ("bone, LIVER", text("bone liver")),
        ("do not resuscitate", text("do not resuscitate")),
        ("bone OR liver tumour", text("bone", "liver tumour")),
        ("(bone OR liver) and metastases", AllClause((text("metastases"), text("bone", "liver")))),
        ("bone AND NOT liver", AllClause((text("bone"), NotClause(text("liver"))))),
        ("NOT (bone OR NOT liver)", NotClause(AnyClause((text("bone"), NotClause(text("liver")))))),
    ],
)
def test_words_become_this_clause(written: str, clause: Clause) -> None:
    assert read("_text", written) == clause


def test_content_is_asked_of_all_text() -> None:
    assert read("_content", "bone") == TextClause("content", ("bone",))


@pytest.mark.parametrize("written", ["(", ")", "a)", "(a", "NOT", "a OR", "AND", "-", '"a b"', "NOT AND", "()"])
def test_what_is_no_search_for_words_is_refused(written: str) -> None:
    with pytest.raises(Invalid, match="'_text' takes words, AND, OR, NOT and parentheses"):
        read("_text", written)
