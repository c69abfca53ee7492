"""Clauses on one resource's rows, in memory. https://hl7.org/fhir/R4/search.html"""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    CompositeClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    ListClause,
    MissingClause,
    NearClause,
    NotClause,
    Part,
    Permit,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TextClause,
    TokenClause,
    UriClause,
)
from hilum.search.index import index
from hilum.search.matches import lies_below, matches, permitted
from hilum.search.parameters import lookup
from hilum.search.rows import DateRow, QuantityRow, ReferenceRow, Rows, StringRow, TermRow, TokenRow, UriRow
from hilum.search.text import fold

UCUM = "http://unitsofmeasure.org"
BP = {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"}]}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "meta": {"profile": ["http://a/p|2.1"]},
    "code": BP,
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2013-01-14",
    "valueQuantity": {"value": 5.4, "system": UCUM, "code": "g", "unit": "grams"},
    "component": [
        {"code": {"coding": [{"code": "a"}]}, "valueCodeableConcept": {"coding": [{"code": "x"}]}},
        {"code": {"coding": [{"code": "b"}]}, "valueCodeableConcept": {"coding": [{"code": "y"}]}},
    ],
}
ROWS_ = index("Observation", OBSERVATION)
DAY = 86_400_000_000
UPDATED = 15_719 * DAY


def n(code: str, type: str = "Observation", role: str = "numbers") -> tuple[int, ...]:
    found: tuple[int, ...] = getattr(lookup(type, code), role)
    return found


def found(clause: Clause) -> bool:
    return matches(clause, ROWS_, id="o1", last_updated=UPDATED)


CODE = TokenClause(n("code"), (Token("http://loinc.org", "8480-6"),))
OTHER = TokenClause(n("code"), (Token(None, "1-1"),))


def quantity(
    prefix: str, value: float, system: str | None = None, code: str | None = None, half: float = 0.05
) -> Clause:
    return QuantityClause(n("value-quantity"), (Amount(prefix, value, value - half, value + half, system, code),))


def composite(first: str, second: str) -> Clause:
    return CompositeClause(n("component-code-value-concept"), (Composite(Token(None, first), Token(None, second)),))


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (CODE, True),
        (OTHER, False),
        (TokenClause(n("combo-code"), (Token(None, "b"),)), True),
        (NotClause(CODE), False),
        (NotClause(OTHER), True),
        (AnyClause((OTHER, CODE)), True),
        (AnyClause((OTHER, OTHER)), False),
        (AnyClause(()), False),
        (AllClause((OTHER, CODE)), False),
        (AllClause((CODE, CODE)), True),
        (AllClause(()), True),
        (TermClause(n("code", role="text"), ("blood pres",)), True),
        (TermClause(n("code", role="text"), ("systolic",)), True),
        (TermClause(n("code", role="text"), ("lood",)), False),
        (TermClause(n("code", role="text"), ("",)), False),
        (DateClause(n("date"), (DateRange("eq", 15_719 * DAY, 15_720 * DAY - 1),)), True),
        (DateClause(n("date"), (DateRange("lt", 15_719 * DAY, 15_720 * DAY - 1),)), False),
        (quantity("eq", 5.4), True),
        (quantity("eq", 5.5), False),
        (quantity("eq", 5.4, UCUM, "g"), True),
        (quantity("eq", 5.4, UCUM, "m"), False),
        (quantity("eq", 5400, UCUM, "mg", 0.5), True),
        (quantity("gt", 5399, UCUM, "mg", 0.5), True),
        (quantity("gt", 5400, UCUM, "mg", 0.5), False),
        (quantity("eq", 5400, "http://other", "mg", 0.5), False),
        (quantity("eq", 5.4, None, "g"), True),
        (quantity("eq", 5.4, None, "grams"), True),
        (quantity("eq", 5.4, None, "mg"), False),
        (ReferenceClause(n("subject"), (("Patient", "p1"),)), True),
        (ReferenceClause(n("patient"), ((None, "p1"),)), True),
        (ReferenceClause(n("subject"), (("Group", "p1"),)), False),
        (UriClause(n("_profile"), ("http://a/p",)), True),
        (UriClause(n("_profile"), ("http://a/p|2.1",)), True),
        (UriClause(n("_profile"), ("http://a",)), False),
        (UriClause(n("_profile", role="whole"), ("http://a",), "below"), True),
        (UriClause(n("_profile", role="whole"), ("http://a/",), "starts"), True),
        (UriClause(n("_profile", role="whole"), ("http",), "starts"), True),
        (UriClause(n("_profile", role="whole"), ("http://b",), "starts"), False),
        (UriClause(n("_profile", role="whole"), ("http://a/p|2",), "below"), True),
        (UriClause(n("_profile", role="whole"), ("http://a/p|1",), "below"), False),
        (composite("a", "x"), True),
        (composite("b", "y"), True),
        (composite("a", "y"), False),
        (IdClause(("o2", "o1")), True),
        (IdClause(("o2",)), False),
        (LastUpdatedClause((DateRange("ge", UPDATED, UPDATED),)), True),
        (LastUpdatedClause((DateRange("gt", UPDATED, UPDATED),)), False),
        (CompartmentClause((("Patient", "p1"),)), True),
        (CompartmentClause((("Patient", "p2"), ("Practitioner", "d"))), False),
        (MissingClause(n("patient"), False), True),
        (MissingClause(n("patient"), True), False),
        (MissingClause(n("performer"), True), True),
        (MissingClause(n("component-code-value-concept"), False), True),
        (MissingClause(n("component-code-value-quantity"), False), False),
    ],
)
def test_an_observation_is_found_or_not(clause: Clause, expected: bool) -> None:
    assert found(clause) is expected


def test_a_composite_of_a_code_and_a_quantity_converts_units() -> None:
    numbers = n("code-value-quantity")

    def asked(code: str, amount: Amount) -> bool:
        return found(CompositeClause(numbers, (Composite(Token("http://loinc.org", code), amount),)))

    assert asked("8480-6", Amount("eq", 5400, 5399.5, 5400.5, UCUM, "mg"))
    assert not asked("8480-6", Amount("eq", 5401, 5400.5, 5401.5, UCUM, "mg"))
    assert not asked("8480-5", Amount("eq", 5400, 5399.5, 5400.5, UCUM, "mg"))


def test_a_window_holds_when_both_of_its_ends_do() -> None:
    coded = {"coding": [{"code": "1"}]}
    rows = index("MolecularSequence", {"referenceSeq": {"chromosome": coded, "windowStart": 10, "windowEnd": 20}})
    numbers = n("chromosome-window-coordinate", "MolecularSequence")

    def asked(low: float, high: float) -> bool:
        ends = (Amount("ge", low, low - 0.5, low + 0.5), Amount("le", high, high - 0.5, high + 0.5))
        clause = CompositeClause(numbers, (Composite(Token(None, "1"), ends),))
        return matches(clause, rows, id="x", last_updated=0)

    assert (asked(10, 20), asked(11, 20), asked(10, 19)) == (True, False, False)


def test_a_related_document_is_matched_by_code_and_target() -> None:
    related = {"code": "replaces", "target": {"reference": "DocumentReference/1"}}
    rows = index("DocumentReference", {"relatesTo": [related]})
    numbers = n("relationship", "DocumentReference")
    for target, expected in ((("DocumentReference", "1"), True), ((None, "1"), True), ((None, "2"), False)):
        clause = CompositeClause(numbers, (Composite(Token(None, "replaces"), target),))
        assert matches(clause, rows, id="x", last_updated=0) is expected


def test_near_is_within_the_distance_on_the_great_circle() -> None:
    rows = index("Location", {"position": {"latitude": 52.52, "longitude": 13.405}})  # Berlin
    numbers = n("near", "Location")

    def near(meters: float) -> bool:
        hamburg = NearClause(numbers, ((53.5511, 9.9937, meters),))
        return matches(hamburg, rows, id="x", last_updated=0)

    assert (near(255_000), near(256_000)) == (False, True)


@pytest.mark.parametrize(
    "clause",
    [ChainClause((1,), (Part("Patient"),)), TextClause("_text", ("a",)), ListClause("1"), NotClause(ListClause("1"))],
)
def test_what_is_not_about_one_resource_is_refused(clause: Clause) -> None:
    with pytest.raises(ValueError, match="is not about the rows of one resource"):
        found(clause)


def test_a_permit_needs_its_owner_and_all_of_its_clauses() -> None:
    def may(*permits: Permit) -> bool:
        return permitted(permits, ROWS_, id="o1", last_updated=UPDATED)

    mine, others = (("Patient", "p1"),), (("Patient", "p2"),)
    assert may(Permit())
    assert may(Permit(mine))
    assert may(Permit(mine, (CODE,)))
    assert may(Permit(others), Permit(None, (CODE,)))
    assert not may()
    assert not may(Permit(others))
    assert not may(Permit(mine, (CODE, OTHER)))
    assert not may(Permit(others, (CODE,)), Permit(mine, (OTHER,)))


@pytest.mark.parametrize(
    ("text", "above", "expected"),
    [
        ("text/xml", "text", True),
        ("textile/x", "text", False),
        ("https://a/b|1.2", "https://a/b|1", True),
        ("https://a/b|12", "https://a/b|1", False),
        ("urn:oid:1.2|3.4", "urn:oid:1.2|3", True),
    ],
)
def test_what_lies_below_a_version_or_a_mime_type(text: str, above: str, expected: bool) -> None:
    assert lies_below(text, above) is expected


# --- against a naive reading ------------------------------------------------------------------------------------------

WORD = st.sampled_from(["", "a", "b", "A", "ab", "ba", "á b"])
MAYBE = st.none() | st.sampled_from(["a", "b"])
NUMBER = st.sampled_from([1, 2])
PLACE = st.tuples(st.sampled_from(["P", "Q"]), st.sampled_from(["1", "2"]))
SPAN = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda pair: (min(pair), max(pair)))
ENDS = st.sampled_from([-inf, 0.0, 1.0, 2.0, 3.0, inf])
INTERVAL = st.tuples(ENDS, ENDS).map(lambda pair: (min(pair), max(pair))).filter(lambda pair: pair[0] < inf > -pair[1])

ROWS = st.builds(
    Rows,
    tokens=st.lists(st.builds(TokenRow, NUMBER, MAYBE, MAYBE), max_size=3).map(tuple),
    strings=st.lists(WORD.map(lambda text: StringRow(1, fold(text), text)), max_size=3).map(tuple),
    terms=st.lists(st.builds(TermRow, NUMBER, WORD.map(fold)), max_size=3).map(tuple),
    dates=st.lists(st.tuples(NUMBER, SPAN).map(lambda t: DateRow(t[0], *t[1])), max_size=3).map(tuple),
    quantities=st.lists(st.tuples(NUMBER, INTERVAL).map(lambda t: QuantityRow(t[0], *t[1])), max_size=3).map(tuple),
    references=st.lists(st.tuples(NUMBER, PLACE).map(lambda t: ReferenceRow(t[0], *t[1])), max_size=3).map(tuple),
    uris=st.lists(st.builds(UriRow, NUMBER, WORD), max_size=3).map(tuple),
)


def holds(clause: Clause, rows: Rows) -> bool:
    return matches(clause, rows, id="x", last_updated=0)


@given(ROWS, st.lists(st.tuples(st.sampled_from([None, "", "a", "b"]), MAYBE), min_size=1, max_size=2))
def test_tokens_match_as_if_each_row_were_written_out(rows: Rows, wanted: list[tuple[str | None, str | None]]) -> None:
    written = {f"{row.system or ''}|{row.code or ''}" for row in rows.tokens if row.parameter == 1}
    systems, codes = ("", "a", "b"), ("", "a", "b")
    accepted = {
        f"{system}|{code}"
        for want_system, want_code in wanted
        for system in (systems if want_system is None else (want_system,))
        for code in (codes if want_code is None else (want_code,))
    }
    clause = TokenClause((1,), tuple(Token(*one) for one in wanted))
    assert holds(clause, rows) is bool(written & accepted)
    assert holds(NotClause(clause), rows) is not bool(written & accepted)


@given(ROWS, WORD, st.sampled_from(["starts", "exact", "contains", "ends", "whole"]))
def test_strings_match_as_slices_of_the_text(rows: Rows, text: str, how: str) -> None:
    folded = fold(text)
    expected = any(
        row.value == text if how == "exact" else folded in {row.folded[i:j] for i, j in ranges(row.folded, how)} - {""}
        for row in rows.strings
    )
    assert holds(StringClause((1,), (text,), how), rows) is expected


def ranges(text: str, how: str) -> list[tuple[int, int]]:
    starts = range(len(text) + 1) if how in ("contains", "ends") else (0,)
    ends = range(len(text) + 1) if how in ("contains", "starts") else (len(text),)
    return [(i, j) for i in starts for j in ends if i <= j]


@given(ROWS, WORD.map(fold))
def test_terms_match_as_the_beginnings_of_word_sequences(rows: Rows, text: str) -> None:
    words = [row.folded.split(" ") for row in rows.terms if row.parameter == 2]
    rests = {" ".join(some[i:]) for some in words for i in range(len(some))}
    assert holds(TermClause((2,), (text,)), rows) is (text != "" and any(rest.startswith(text) for rest in rests))


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
    assert holds(DateClause((1,), (DateRange(prefix, *span),)), rows) is expected


POINTS = [-inf, -9.0, *(i / 4 for i in range(-4, 20)), 9.0, inf]


@given(ROWS, st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]))
def test_quantities_match_as_sets_of_points(rows: Rows, value: float, prefix: str) -> None:
    low, high = value - 0.5, value + 0.5
    tests = {
        "eq": lambda points: all(low <= p < high for p in points),
        "ne": lambda points: any(not low <= p < high for p in points),
        "gt": lambda points: any(p > value for p in points),
        "lt": lambda points: any(p < value for p in points),
        "ge": lambda points: any(p >= value for p in points),
        "le": lambda points: any(p <= value for p in points),
        "sa": lambda points: all(p > value for p in points),
        "eb": lambda points: all(p < value for p in points),
        "ap": lambda points: any(low <= p <= high for p in points),
    }
    spans = [[p for p in POINTS if row.low <= p <= row.high] for row in rows.quantities if row.parameter == 1]
    expected = any(tests[prefix](points) for points in spans)
    assert holds(QuantityClause((1,), (Amount(prefix, value, low, high),)), rows) is expected


@given(
    ROWS, st.lists(st.tuples(st.sampled_from([None, "P", "Q"]), st.sampled_from(["1", "2"])), min_size=1, max_size=2)
)
def test_references_match_by_id_and_if_given_by_type(rows: Rows, wanted: list[tuple[str | None, str]]) -> None:
    there = {f"{row.type}/{row.id}" for row in rows.references if row.parameter == 1}
    accepted = {f"{name}/{id}" for kind, id in wanted for name in (["P", "Q"] if kind is None else [kind])}
    assert holds(ReferenceClause((1,), tuple(wanted)), rows) is bool(there & accepted)


@given(ROWS, WORD)
def test_uris_match_whole(rows: Rows, text: str) -> None:
    there = {row[1] for row in (*rows.uris, *rows.strings) if row.parameter == 1}
    assert holds(UriClause((1,), (text,)), rows) is (text in there)
