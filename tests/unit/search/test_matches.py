"""Clauses on one resource's rows, in memory. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parse import parse_query
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    DateRange,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
    UriClause,
)
from hilum.search.rows import DateRow, ReferenceRow, Rows, StringRow, TokenRow, UriRow
from hilum.search.text import fold

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "http://mrn", "value": "1"}, {"value": "2"}],
    "name": [{"family": "Carreño Quiñones", "given": ["Eve"]}, {"given": ["Séverine"]}],
    "gender": "female",
    "birthDate": "2013-01-14",
    "generalPractitioner": [{"reference": "Practitioner/d"}],
    "managingOrganization": {"reference": "http://elsewhere/fhir/Organization/o"},
    "meta": {"profile": ["http://a/p"]},
}
UPDATED = 1_358_157_600_000_000  # 2013-01-14T10:00:00Z


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("identifier", "1", True),
        ("identifier", "http://mrn|1", True),
        ("identifier", "http://mrn|", True),
        ("identifier", "http://mrn|2", False),
        ("identifier", "|2", True),
        ("identifier", "|1", False),
        ("identifier", "7,2", True),
        ("identifier:not", "1", False),
        ("identifier:not", "7,8", True),
        ("identifier:not", "7,2", False),
        ("gender", "female", True),
        ("gender", "FEMALE", False),
        ("gender", "http://hl7.org/fhir/administrative-gender|female", True),
        ("deceased", "false", True),
        ("given", "eve", True),
        ("given", "ve", False),
        ("given:contains", "EVE", True),
        ("given:exact", "Eve", True),
        ("given:exact", "eve", False),
        ("given", "severine", True),
        ("family", "QUIN", True),
        ("family", "carreno quinones", True),
        ("family:exact", "Carreño Quiñones", True),
        ("birthdate", "2013-01", True),
        ("birthdate", "ne2013-01", False),
        ("birthdate", "gt2013-01-13", True),
        ("birthdate", "gt2013-01-14", False),
        ("birthdate", "ge2013-01-14", True),
        ("birthdate", "lt2013-01-14T10:00Z", True),
        ("birthdate", "sa2012,eb2012", True),
        ("general-practitioner", "d", True),
        ("general-practitioner", "Practitioner/d", True),
        ("general-practitioner", "http://here/fhir/Practitioner/d", True),
        ("general-practitioner", "Organization/d", False),
        ("general-practitioner:Organization", "d", False),
        ("organization", "http://elsewhere/fhir/Organization/o", True),
        ("organization", "o", False),
        ("organization:missing", "false", True),
        ("link:missing", "true", True),
        ("gender:missing", "true", False),
        ("death-date:missing", "true", True),
        ("family:missing", "false", True),
        ("_profile", "http://a/p", True),
        ("_profile", "http://a/", False),
        ("_profile:missing", "false", True),
        ("_id", "p1", True),
        ("_id", "p2,p1", True),
        ("_id", "P1", False),
        ("_lastUpdated", "2013-01-14", True),
        ("_lastUpdated", "gt2013-01-14T10:00:00Z", False),
        ("_lastUpdated", "ge2013-01-14T10:00:00Z", True),
    ],
)
def test_a_patient_is_found_or_not(name: str, value: str, expected: bool) -> None:
    query = parse_query("Patient", [(name, value)], base="http://here/fhir").query
    rows = index("Patient", PATIENT)
    assert [matches(c, rows, id="p1", last_updated=UPDATED) for c in query.clauses] == [expected]


def test_a_compartment_is_matched_by_its_owner() -> None:
    rows = index("Patient", PATIENT)
    assert matches(CompartmentClause((("Patient", "p1"),)), rows, id="p1", last_updated=0)
    assert matches(CompartmentClause((("Patient", "x"), ("Practitioner", "d"))), rows, id="p1", last_updated=0)
    assert not matches(CompartmentClause((("Patient", "d"),)), rows, id="p1", last_updated=0)


# --- against a naive reading ------------------------------------------------------------------------------------------

WORD = st.sampled_from(["", "a", "b", "A", "ab", "ba", "á b"])
MAYBE = st.none() | st.sampled_from(["a", "b"])
NUMBER = st.sampled_from([1, 2])
PLACE = st.tuples(st.sampled_from(["P", "Q"]), st.sampled_from(["1", "2"]))
SPAN = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (min(pair), max(pair)))

ROWS = st.builds(
    Rows,
    tokens=st.lists(st.builds(TokenRow, NUMBER, MAYBE, MAYBE), max_size=3).map(tuple),
    strings=st.lists(WORD.map(lambda text: StringRow(1, fold(text), text)), max_size=3).map(tuple),
    dates=st.lists(st.tuples(NUMBER, SPAN).map(lambda t: DateRow(t[0], *t[1])), max_size=3).map(tuple),
    references=st.lists(st.tuples(NUMBER, PLACE).map(lambda t: ReferenceRow(t[0], *t[1])), max_size=3).map(tuple),
    uris=st.lists(st.builds(UriRow, NUMBER, WORD), max_size=3).map(tuple),
)


def holds(clause: Clause, rows: Rows) -> bool:
    return matches(clause, rows, id="x", last_updated=0)


@given(ROWS, st.lists(st.tuples(st.sampled_from([None, "", "a", "b"]), MAYBE), min_size=1, max_size=2), st.booleans())
def test_tokens_match_as_if_each_row_were_written_out(
    rows: Rows, wanted: list[tuple[str | None, str | None]], negated: bool
) -> None:
    written = {f"{row.system or ''}|{row.code or ''}" for row in rows.tokens if row.parameter == 1}
    systems, codes = ("", "a", "b"), ("", "a", "b")
    accepted = {
        f"{system}|{code}"
        for want_system, want_code in wanted
        for system in (systems if want_system is None else (want_system,))
        for code in (codes if want_code is None else (want_code,))
    }
    clause = TokenClause(1, tuple(Token(*one) for one in wanted), negated)
    assert holds(clause, rows) is (bool(written & accepted) is not negated)


@given(ROWS, WORD, st.sampled_from(["starts", "exact", "contains"]))
def test_strings_match_as_slices_of_the_text(rows: Rows, text: str, how: str) -> None:
    folded = fold(text)
    expected = any(
        row.value == text if how == "exact" else folded in {row.folded[i:j] for i, j in ranges(row.folded, how)} - {""}
        for row in rows.strings
    )
    assert holds(StringClause(1, (text,), how), rows) is expected


def ranges(text: str, how: str) -> list[tuple[int, int]]:
    starts = range(len(text) + 1) if how == "contains" else (0,)
    return [(i, j) for i in starts for j in range(i, len(text) + 1)]


@given(ROWS, SPAN, st.sampled_from(["eq", "gt", "lt", "sa", "eb", "ap", "ne"]))
def test_dates_match_as_sets_of_points(rows: Rows, span: tuple[int, int], prefix: str) -> None:
    value = set(range(span[0], span[1] + 1))
    tests = {
        "eq": lambda points: points <= value,
        "ne": lambda points: not points <= value,
        "gt": lambda points: max(points) > max(value),
        "lt": lambda points: min(points) < min(value),
        "sa": lambda points: min(points) > max(value),
        "eb": lambda points: max(points) < min(value),
        "ap": lambda points: bool(points & value),
    }
    expected = any(tests[prefix](set(range(row.low, row.high + 1))) for row in rows.dates if row.parameter == 1)
    assert holds(DateClause(1, (DateRange(prefix, *span),)), rows) is expected


@given(
    ROWS, st.lists(st.tuples(st.sampled_from([None, "P", "Q"]), st.sampled_from(["1", "2"])), min_size=1, max_size=2)
)
def test_references_match_by_id_and_if_given_by_type(rows: Rows, wanted: list[tuple[str | None, str]]) -> None:
    there = {f"{row.type}/{row.id}" for row in rows.references if row.parameter == 1}
    accepted = {f"{name}/{id}" for kind, id in wanted for name in (["P", "Q"] if kind is None else [kind])}
    assert holds(ReferenceClause(1, tuple(wanted)), rows) is bool(there & accepted)


@given(ROWS, WORD)
def test_uris_match_whole(rows: Rows, text: str) -> None:
    assert holds(UriClause(1, (text,)), rows) is (UriRow(1, text) in rows.uris)
