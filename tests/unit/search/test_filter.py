"""`_filter`. https://hl7.org/fhir/R4/search_filter.html"""

from __future__ import annotations

from itertools import product

import pytest

from hilum.problems import Invalid
from hilum.search.alternatives import Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompositeClause,
    DateClause,
    HierarchyClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NotClause,
    Part,
    ReferenceClause,
    StringClause,
    TokenClause,
    UnequalClause,
    UriClause,
    ValueSetClause,
)
from hilum.search.dates import interval
from hilum.search.parameters import lookup
from hilum.search.parse import parse_query


def n(type: str, code: str) -> tuple[int, ...]:
    return lookup(type, code).numbers


def read(type: str, text: str) -> Clause:
    (found,) = parse_query(type, [("_filter", text)]).query.parts[0].clauses
    return found


def string(code: str, text: str, match: str) -> StringClause:
    return StringClause(n("Patient", code), (text,), match)


def gender(code: str) -> TokenClause:
    return TokenClause(n("Patient", "gender"), cases(code))


def cases(code: str, system: str | None = None) -> tuple[Token, ...]:
    """The code as it is written, and in every other case."""
    some = ["".join(one) for one in product(*(sorted({c.lower(), c.upper()}) for c in code))]
    return tuple(Token(system, one) for one in dict.fromkeys((code, *some)))


@pytest.mark.parametrize(
    ("type", "text", "clause"),
    [
        ("Patient", 'name co "pet"', string("name", "pet", "contains")),
        ("Patient", 'given eq "Peter Paul"', string("given", "peter paul", "whole")),
        ("Patient", 'given sw "a) and b"', string("given", "a) and b".replace(")", ""), "starts")),
        ("Patient", "given ew er", string("given", "er", "ends")),
        *(
            ("Patient", f"given {order} Peter", string("given", "peter", order))
            for order in ("ne", "gt", "lt", "ge", "le")
        ),
        ("Patient", "family ne berg", StringClause(n("Patient", "family")[:1], ("berg",), "ne")),
        ("Patient", "gender ne male", UnequalClause(n("Patient", "gender"), cases("male"))),
        ("Patient", "active eq TRUE", TokenClause(n("Patient", "active"), cases("true"))),
        ("Patient", "_id ne 7", NotClause(IdClause(("7",)))),
        (
            "Observation",
            "status ne Entered-in-error",
            UnequalClause(
                n("Observation", "status"),
                tuple(
                    Token(None, one)
                    for one in (
                        "Entered-in-error",
                        "entered-in-error",
                        "ENTERED-IN-ERROR",
                        "Entered-In-Error",
                    )
                ),
            ),
        ),
        (
            "ValueSet",
            "url ne http://a",
            AllClause(
                (
                    NotClause(UriClause(n("ValueSet", "url"), ("http://a",))),
                    MissingClause(n("ValueSet", "url"), missing=False),
                )
            ),
        ),
        (
            "Observation",
            "date co 2000-01",
            DateClause(n("Observation", "date"), (DateRange("co", *interval("2000-01")),), True),
        ),
        (
            "Group",
            "characteristic[code eq s|1].value eq s|2",
            CompositeClause(n("Group", "characteristic-value"), (Composite(Token("s", "1"), Token("s", "2")),)),
        ),
        (
            "DocumentReference",
            "relatesTo[target re DocumentReference/x].code eq 1",
            CompositeClause(
                n("DocumentReference", "relationship"), (Composite(Token(None, "1"), ("DocumentReference", "x")),)
            ),
        ),
        (
            "DocumentReference",
            "relatesTo[code eq 1 or code eq 2].target re DocumentReference/x",
            AnyClause(
                tuple(
                    CompositeClause(
                        n("DocumentReference", "relationship"),
                        (Composite(Token(None, code), ("DocumentReference", "x")),),
                    )
                    for code in "12"
                )
            ),
        ),
        ("Patient", "birthdate pr false", MissingClause(n("Patient", "birthdate"), missing=True)),
        ("Patient", "birthdate pr true", MissingClause(n("Patient", "birthdate"), missing=False)),
        ("Patient", "_id eq 7", IdClause(("7",))),
        ("Patient", "_lastUpdated po 2000", LastUpdatedClause((DateRange("ap", *interval("2000")),))),
        (
            "Observation",
            "date po 2000",
            DateClause(n("Observation", "date"), (DateRange("ap", *interval("2000")),), True),
        ),
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
        ("_profile ne x", "_filter: the operator ne is not supported for '_profile' of Patient,"),
        ("phonetic co x", "_filter: the operator co is not supported for 'phonetic' of Patient,"),
    ],
)
def test_what_is_no_filter_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read("Patient", text)
    assert str(refused.value).startswith(message)


def test_a_code_that_its_value_set_writes_in_mixed_case_is_found_in_any() -> None:
    clause = read("CompartmentDefinition", "resource eq medicationrequest")
    assert isinstance(clause, TokenClause)
    assert Token(None, "MedicationRequest") in clause.values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "characteristic[value pr true].code eq x",
            "_filter: 'value' in brackets, or after them, takes the operator eq.",
        ),
        ("characteristic[code eq x].name eq y", "_filter: 'characteristic' has code and value; found 'name'."),
        ("characteristic[code eq x].code eq y", "_filter: one of characteristic and value belongs into the brackets,"),
        ("characteristic[not (code eq x)].value eq y", "_filter: the brackets of 'characteristic' take a test,"),
    ],
)
def test_of_one_element_two_different_tests_are_asked(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        read("Group", text)
    assert str(refused.value).startswith(message)
