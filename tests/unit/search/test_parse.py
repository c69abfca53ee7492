"""A query string to a Query. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid
from hilum.search.dates import interval
from hilum.search.parameters import number
from hilum.search.parse import Parsed, parse_query
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    DateRange,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    Permit,
    Query,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.search.values import split, unescape

BASE = "http://here/fhir"


def p(code: str) -> int:
    return number("Patient", code)


def o(code: str) -> int:
    return number("Observation", code)


@pytest.mark.parametrize(
    ("type", "name", "value", "clause"),
    [
        ("Patient", "gender", "male", TokenClause(p("gender"), (Token(None, "male"),))),
        ("Patient", "gender:not", "a,b", TokenClause(p("gender"), (Token(None, "a"), Token(None, "b")), True)),
        ("Patient", "identifier", "http://s|", TokenClause(p("identifier"), (Token("http://s", None),))),
        ("Patient", "identifier", "|7", TokenClause(p("identifier"), (Token("", "7"),))),
        ("Patient", "identifier", r"a\|b\,c\$d\\|e", TokenClause(p("identifier"), (Token("a|b,c$d\\", "e"),))),
        ("ValueSet", "version", "V1", TokenClause(number("ValueSet", "version"), (Token(None, "v1"),))),
        ("Patient", "name", "Müller,O'Brien", StringClause(p("name"), ("muller", "obrien"))),
        ("Patient", "name:exact", "Müller", StringClause(p("name"), ("Müller",), "exact")),
        ("Patient", "name:contains", "LL", StringClause(p("name"), ("ll",), "contains")),
        ("Patient", "birthdate", "1970", DateClause(p("birthdate"), (DateRange("eq", *interval("1970")),))),
        ("Patient", "birthdate", "ge1970-02", DateClause(p("birthdate"), (DateRange("ge", *interval("1970-02")),))),
        (
            "Observation",
            "date",
            "sa1970-01-01T00:00:00 02:00",  # a plus that was not percent-encoded
            DateClause(o("date"), (DateRange("sa", *interval("1970-01-01T00:00:00+02:00")),)),
        ),
        ("Observation", "patient", "7", ReferenceClause(o("subject"), (("Patient", "7"),))),
        ("Observation", "patient", "Patient/7,8", ReferenceClause(o("subject"), (("Patient", "7"), ("Patient", "8")))),
        (
            "Observation",
            "subject",
            "7",
            ReferenceClause(o("subject"), (("Device", "7"), ("Group", "7"), ("Location", "7"), ("Patient", "7"))),
        ),
        ("List", "item", "7", ReferenceClause(number("List", "item"), ((None, "7"),))),
        ("Observation", "subject:Group", "7", ReferenceClause(o("subject"), (("Group", "7"),))),
        ("Observation", "encounter", "7", ReferenceClause(o("encounter"), (("Encounter", "7"),))),
        ("Observation", "subject", f"{BASE}/Group/7", ReferenceClause(o("subject"), (("Group", "7"),))),
        ("Observation", "subject", "http://other/Group/7", UriClause(o("subject"), ("http://other/Group/7",))),
        ("Observation", "patient", "http://other/Patient/7", UriClause(o("subject"), ("http://other/Patient/7",))),
        ("Observation", "subject", "urn:uuid:1", UriClause(o("subject"), ("urn:uuid:1",))),
        (
            "QuestionnaireResponse",
            "questionnaire",
            r"http://q\|1",
            UriClause(number("QuestionnaireResponse", "questionnaire"), ("http://q|1",)),
        ),
        ("ValueSet", "url", "http://a,http://b", UriClause(number("ValueSet", "url"), ("http://a", "http://b"))),
        ("Patient", "_id", "a,b", IdClause(("a", "b"))),
        ("Patient", "_lastUpdated", "lt1970", LastUpdatedClause((DateRange("lt", *interval("1970")),))),
        ("Patient", "gender:missing", "true", MissingClause(p("gender"), "token", True)),
        ("Observation", "subject:missing", "false", MissingClause(o("subject"), "reference", False)),
        ("Patient", "_profile:missing", "false", MissingClause(p("_profile"), "uri", False)),
        ("Flag", "subject:missing", "true", MissingClause(number("Flag", "subject"), "reference", True)),
    ],
)  # fmt: skip
def test_a_parameter_becomes_this_clause(type: str, name: str, value: str, clause: Clause) -> None:
    parsed = parse_query(type, [(name, value)], base=BASE)
    assert parsed == Parsed(Query((type,), (clause,), ()), ((name, value),))


@pytest.mark.parametrize(
    ("type", "name", "value", "message"),
    [
        ("Patient", "nam", "x", "Patient has no search parameter 'nam'. Did you mean name?"),
        ("Patient", "name", "", "The parameter 'name' has no value."),
        ("Patient", "name", "a,", "The parameter 'name' has an empty alternative between its commas."),
        ("Patient", "name", "-,a", "The search parameter 'name' of Patient needs at least one letter or digit to"),
        ("Patient", "name:exat", "x", "The modifier 'exat' is not supported for 'name' of Patient; did you mean"),
        ("Patient", "name:", "x", "The modifier '' is not supported for 'name' of Patient; those there are: exact,"),
        ("Patient", "gender:in", "x", "The modifier 'in' is not supported for 'gender' of Patient; those there"),
        ("Patient", "_id:missing", "true", "The modifier 'missing' is not supported for '_id' of Patient; those"),
        ("Patient", "identifier", "a|b|c", "The search parameter 'identifier' of Patient takes code, system|code,"),
        ("Patient", "identifier", "|", "The search parameter 'identifier' of Patient takes code, system|code,"),
        ("Patient", "identifier", "a\\b", "A backslash in a search value must be followed by , | $ or another"),
        ("Patient", "phone", "phone|1", "The search parameter 'phone' of Patient has no systems; give the value"),
        ("Patient", "active", "yes", "The search parameter 'active' of Patient is true or false."),
        ("Patient", "gender:missing", "maybe", "gender:missing takes true or false."),
        ("Patient", "birthdate", "xx1970", "The search parameter 'birthdate' of Patient: Not a date: expected"),
        ("Patient", "birthdate", "1970-02-30", "The search parameter 'birthdate' of Patient: Not a date: there is"),
        ("Patient", "_id", "a b", "The search parameter '_id' takes logical ids: 1 to 64 letters, digits, '-' and"),
        ("Observation", "patient", "Group/7", "The search parameter 'patient' of Observation is about Patient"),
        ("Observation", "patient", "urn:uuid:7", "The search parameter 'patient' of Observation is about Patient"),
        ("Observation", "subject:Group", "Patient/7", "The search parameter 'subject' of Observation is about"),
        ("Observation", "subject:Claim", "7", "The search parameter 'subject' of Observation does not know the"),
        ("Observation", "subject:identifier", "7", "The modifier 'identifier' is not supported for 'subject' of"),
        ("Observation", "subject", "Patient/7/8", "The search parameter 'subject' of Observation takes"),
        ("Observation", "subject", "Patient/7,http://other/Patient/8", "'subject' of Observation: one list of"),
        ("Observation", "patient:missing", "true", "The modifier 'missing' is not supported for 'patient' of"),
        ("Observation", "patient.name", "x", "'patient.name' is not supported: chains are not."),
        ("Observation", "subject:Patient.name", "x", "'subject:Patient.name' is not supported: chains are not."),
        ("Observation", "value-quantity", "7", "The search parameter 'value-quantity' of Observation is not"),
        ("Observation", "code-value-quantity", "7", "The search parameter 'code-value-quantity' of Observation is"),
        ("Location", "near", "1|2", "The search parameter 'near' of Location is not supported: special parameters"),
        ("Patient", "_has:Observation:patient:code", "7", "'_has' is not supported."),
        ("Patient", "_include", "Patient:organization", "'_include' is not supported."),
        ("Patient", "_contained", "true", "'_contained' is not supported."),
        ("Patient", "_sort", "name", "_sort takes _lastUpdated, -_lastUpdated; other values are not supported."),
        ("Patient", "_total", "all", "_total takes none, estimate, accurate; other values are not supported."),
        ("Patient", "_count", "-1", "_count takes a whole number, 0 or more."),
        ("Patient", "_count", "x", "_count takes a whole number, 0 or more."),
        ("Patient", "_type", "Patient", "'_type' is for searches on all types."),
        ("Pigeon", "name", "x", "R4 has no resource type 'Pigeon'."),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_name(type: str, name: str, value: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_query(type, [(name, value)], base=BASE)
    assert str(refused.value).startswith(message)


def test_repetition_is_and_while_commas_are_or() -> None:
    query = parse_query("Patient", [("given", "a,b"), ("given", "c")]).query
    assert query.clauses == (StringClause(p("given"), ("a", "b")), StringClause(p("given"), ("c",)))


def test_result_parameters_shape_the_query() -> None:
    pairs = [("_count", "5"), ("_sort", "-_lastUpdated"), ("_total", "accurate"), ("_elements", "id, name")]
    pairs += [("_summary", "true"), ("_format", "json"), ("_contained", "false")]
    permits = ((Permit((("Patient", "1"),)),),)
    assert parse_query("Patient", pairs, permits=permits) == Parsed(
        Query(("Patient",), (), permits, 5, "-updated", None, "accurate"), tuple(pairs), (), "true", ("id", "name")
    )


def test_a_page_is_never_larger_than_the_limit_and_a_count_of_zero_counts() -> None:
    assert parse_query("Patient", [("_count", "99999999")], max_count=100).query.count == 100
    assert parse_query("Patient", [], max_count=100, default_count=7).query.count == 7
    for pair in (("_count", "0"), ("_summary", "count")):
        query = parse_query("Patient", [pair]).query
        assert (query.count, query.total) == (0, "accurate")


def test_a_result_parameter_given_twice_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        parse_query("Patient", [("_count", "1"), ("_count", "2")])
    assert str(refused.value) == "_count may be given once."


def test_lenient_handling_leaves_out_what_it_does_not_know_and_says_so() -> None:
    pairs = [("nam", "x"), ("gender", "male"), ("birthdate", ""), ("_include", "Patient:link"), ("link.name", "x")]
    assert parse_query("Patient", pairs, lenient=True) == Parsed(
        Query(("Patient",), (TokenClause(p("gender"), (Token(None, "male"),)),), ()),
        (("gender", "male"),),
        (
            ("nam", "Patient has no search parameter 'nam'. Did you mean name?"),
            ("birthdate", "The parameter 'birthdate' has no value."),
            ("_include", "'_include' is not supported."),
            ("link.name", "'link.name' is not supported: chains are not."),
        ),
    )


@pytest.mark.parametrize(
    ("name", "value"), [("name:text", "x"), ("birthdate", "x"), ("_query", "q"), ("_sort", "name")]
)
def test_lenient_handling_still_refuses_modifiers_bad_values_and_named_queries(name: str, value: str) -> None:
    with pytest.raises(Invalid):
        parse_query("Patient", [(name, value)], lenient=True)


def test_approximate_dates_widen_by_a_tenth_of_the_gap_to_now() -> None:
    low, high = interval("1970-01-11")
    (clause,) = parse_query("Patient", [("birthdate", "ap1970-01-11")], now=(low + high) // 2 + 1000).query.clauses
    assert clause == DateClause(p("birthdate"), (DateRange("ap", low - 100, high + 100),))


def test_a_search_over_all_types_knows_id_lastupdated_and_type() -> None:
    query = parse_query(None, [("_id", "7"), ("_type", "Patient,Observation")]).query
    assert (query.types, query.clauses) == (("Patient", "Observation"), (IdClause(("7",)),))
    assert parse_query(None, []).query.types == TYPES
    with pytest.raises(Invalid) as refused:
        parse_query(None, [("_tag", "x")])
    assert str(refused.value) == "The search parameter '_tag' is supported in searches on one resource type only."
    with pytest.raises(Invalid) as refused:
        parse_query(None, [("_type", "Patint")])
    assert str(refused.value) == "_type names 'Patint', which is no resource type of R4. Did you mean Patient?"


def test_a_compartment_search_is_held_to_its_owner_and_to_the_types_that_can_be_in_it() -> None:
    query = parse_query("Observation", [("code", "x")], compartment=("Patient", "7")).query
    assert query.clauses == (TokenClause(o("code"), (Token(None, "x"),)), CompartmentClause((("Patient", "7"),)))
    types = parse_query(None, [], compartment=("Encounter", "7")).query.types
    assert {"Encounter", "Observation", "Condition"} <= set(types)
    assert "Patient" not in types


@given(st.lists(st.text(alphabet="ab,|$\\", min_size=1), min_size=1))
def test_escaped_values_come_back_as_they_were(values: list[str]) -> None:
    joined = ",".join("".join("\\" + c if c in ",|$\\" else c for c in value) for value in values)
    assert [unescape(part) for part in split(joined, ",")] == values


@given(st.sampled_from(["identifier", "name", "birthdate", "link", "_profile", "_id", "_lastUpdated"]), st.text())
def test_any_value_is_understood_or_refused_without_being_repeated(name: str, value: str) -> None:
    marked = value + "Zq9"
    try:
        parse_query("Patient", [(name, marked)])
    except Invalid as refused:
        assert "Zq9" not in str(refused)


def many(count: int, stem: str = "a") -> str:
    return ",".join(f"{stem}{n}" for n in range(count))


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Patient", [("identifier", many(1001))]),
        ("Patient", [("_id", many(1001))]),
        ("Patient", [("name", many(51))]),
        ("Patient", [("name:contains", many(51))]),
        ("Patient", [("birthdate", ",".join(["ge2000"] * 51))]),
        ("Patient", [("_lastUpdated", ",".join(["ge2000"] * 51))]),
        ("Patient", [("identifier", many(700))] * 3),
        ("Patient", [("birthdate", "ge2000")] * 101),
        ("Patient", [("nonsense", "x")] * 101),
        ("Patient", [("name", many(50))] * 3),
        ("List", [("item", many(69))]),
        ("Observation", [("subject", many(1000))] * 3),
        (None, [("_id", many(69))]),
    ],
)
def test_more_than_a_query_may_have_is_too_costly(type: str | None, pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as caught:
        parse_query(type, pairs, lenient=True)
    assert [issue.code for issue in caught.value.issues] == ["too-costly"]


@pytest.mark.parametrize(
    ("type", "pairs"),
    [
        ("Patient", [("identifier", many(1000))] * 2),
        ("Patient", [("_id", many(1000))]),
        ("Patient", [("name", many(50)), ("birthdate", ",".join(["ge2000"] * 50))]),
        ("Patient", [("birthdate", "ge2000")] * 100),
        ("List", [("item", many(68))]),
        ("Observation", [("subject", many(1000)), ("subject:Patient", many(1000))]),
        (None, [("_id", many(68))]),
    ],
)
def test_as_much_as_a_query_may_have_is_taken(type: str | None, pairs: list[tuple[str, str]]) -> None:
    assert len(parse_query(type, pairs).query.clauses) == len(pairs)
