"""`_filter`. https://hl7.org/fhir/R4/search_filter.html"""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.dates import interval
from hilum.search.parameters import lookup
from hilum.search.parse import parse_query
from hilum.search.query import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    DateClause,
    DateRange,
    HierarchyClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NotClause,
    Part,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    ValueSetClause,
)


def n(type: str, code: str) -> tuple[int, ...]:
    return lookup(type, code).numbers


def read(type: str, text: str) -> Clause:
    (found,) = parse_query(type, [("_filter", text)]).query.parts[0].clauses
    return found


def string(code: str, text: str, match: str) -> StringClause:
    return StringClause(n("Patient", code), (text,), match)


def gender(code: str) -> TokenClause:
    return TokenClause(n("Patient", "gender"), (Token(None, code),))


@pytest.mark.parametrize(
    ("type", "text", "clause"),
    [
        ("Patient", 'name co "pet"', string("name", "pet", "contains")),
        ("Patient", 'given eq "Peter Paul"', string("given", "peter paul", "whole")),
        ("Patient", 'given sw "a) and b"', string("given", "a) and b".replace(")", ""), "starts")),
        ("Patient", "given ew er", string("given", "er", "ends")),
        ("Patient", "given ne peter", NotClause(string("given", "peter", "whole"))),
        ("Patient", "gender ne male", NotClause(gender("male"))),
        ("Patient", "birthdate pr false", MissingClause(n("Patient", "birthdate"), missing=True)),
        ("Patient", "birthdate pr true", MissingClause(n("Patient", "birthdate"), missing=False)),
        ("Patient", "_id eq 7", IdClause(("7",))),
        ("Patient", "_lastUpdated po 2000", LastUpdatedClause((DateRange("ap", *interval("2000")),))),
        ("Observation", "date po 2000", DateClause(n("Observation", "date"), (DateRange("ap", *interval("2000")),))),
        ("Observation", "code eq loinc|1", TokenClause(n("Observation", "code"), (Token("http://loinc.org", "1"),))),
        ("Observation", "code in http://v", ValueSetClause(n("Observation", "code"), "http://v")),
        ("Observation", "code ni http://v", NotClause(ValueSetClause(n("Observation", "code"), "http://v"))),
        ("Observation", "code ss s|c", HierarchyClause(n("Observation", "code"), (Token("s", "c"),), below=True)),
        ("Observation", "code sb s|c", HierarchyClause(n("Observation", "code"), (Token("s", "c"),), below=False)),
        (
            "Observation",
            "patient re Patient/7",
            ReferenceClause(n("Observation", "patient"), (("Patient", "7"),)),
        ),
        (
            "Observation",
            'code eq http://loinc.org|1234-5 and patient.name co "peter"',
            AllClause(
                (
                    TokenClause(n("Observation", "code"), (Token("http://loinc.org", "1234-5"),)),
                    ChainClause(
                        n("Observation", "patient"), (Part("Patient", (string("name", "peter", "contains"),)),)
                    ),
                )
            ),
        ),
        (
            "Observation",
            "patient[name co pet].gender eq male",
            ChainClause(
                n("Observation", "patient"),
                (Part("Patient", (AllClause((string("name", "pet", "contains"), gender("male"))),)),),
            ),
        ),
    ],
)
def test_a_filter_becomes_this_clause(type: str, text: str, clause: Clause) -> None:
    assert read(type, text) == clause


def test_and_and_or_are_read_from_left_to_right() -> None:
    a, b, c, d = map(gender, "abcd")
    text = "gender eq a or gender eq b and gender eq c and gender eq d"
    assert read("Patient", text) == AllClause((AnyClause((a, b)), c, d))
    assert read("Patient", text.replace("gender eq b and gender eq c", "(gender eq b and gender eq c)")) == AllClause(
        (AnyClause((a, AllClause((b, c)))), d)
    )
    assert read("Patient", "not(gender eq a) or not ( gender eq b )") == AnyClause((NotClause(a), NotClause(b)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The parameter '_filter' has no value."),
        ("gender", "_filter: expected an operator at character 7."),
        ("gender is male", "_filter: expected one of the operators eq, ne, "),
        ("gender eq", "_filter: expected a value at character 10."),
        ("(gender eq male", "_filter: expected ')' at character 16."),
        ("gender eq male)", "_filter: expected and, or, or the end at character 15."),
        ("gender eq male and", "_filter: expected and, or, or the end at character 16."),
        ('given eq "x', "_filter: expected a JSON string at character 10."),
        ('given eq "\\u0000"', "_filter: expected a JSON string without control characters"),
        ('given eq "\\ud800"', "_filter: expected a JSON string without control characters"),
        (
            "gender co male",
            "_filter: the operator co is not supported for 'gender' of Patient, which is of type token;",
        ),
        ("birthdate eq x", "The search parameter 'birthdate' of Patient: Not a date"),
        ("birthdate pr maybe", "_filter: the operator pr takes true or false."),
        ("nam eq x", "Patient has no search parameter 'nam'. Did you mean name?"),
        ("link[gender eq x] eq y", "_filter: 'link' with brackets must be followed by '.' and another name."),
        ("name.x eq y", "'name' of Patient is of type string; only references lead on."),
    ],
)
def test_what_is_no_filter_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read("Patient", text)
    assert str(refused.value).startswith(message)
