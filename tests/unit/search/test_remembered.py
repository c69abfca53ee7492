"""What was read before is the same clause, counts as much, and is refused as often."""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.limits import MOST_INCLUDES, TooCostly
from hilum.search.parse import parse_query
from hilum.search.remembered import LONGEST, MOST

CODE = ("code", "http://loinc.org|8867-4")


def test_a_criterion_that_comes_again_is_the_same_clause() -> None:
    parse_query("Observation", [CODE])
    one = parse_query("Observation", [CODE, ("subject", "Patient/1")]).query.parts[0].clauses
    other = parse_query("Observation", [CODE, ("subject", "Patient/2")]).query.parts[0].clauses
    assert one[0] is other[0]
    assert one[1] != other[1]


def test_what_comes_once_is_not_kept() -> None:
    many = [("subject", f"Patient/once-{n}") for n in range(MOST + 1)]
    parse_query("Observation", [CODE])
    (first,) = parse_query("Observation", [CODE]).query.parts[0].clauses
    for one in many:
        parse_query("Observation", [one])
    (last,) = parse_query("Observation", [CODE]).query.parts[0].clauses
    assert last is first


def test_it_is_of_its_type_and_of_its_value() -> None:
    here, there = (parse_query(type, [("code", "a|b")]).query.parts[0].clauses for type in ("Observation", "Condition"))
    assert here != there
    base = parse_query("Observation", [("subject", "http://a/Patient/1")], base="http://a").query
    assert base != parse_query("Observation", [("subject", "http://a/Patient/1")], base="http://b").query


def test_alternatives_count_as_often_as_they_come() -> None:
    hundred = ("gender", ",".join("a" * 100))
    assert len(hundred[1]) < LONGEST
    parse_query("Patient", [hundred] * 20)
    with pytest.raises(TooCostly, match="too many alternatives together"):
        parse_query("Patient", [hundred] * 21)


def test_includes_count_as_often_as_they_come() -> None:
    one = ("_include", "Observation:subject")
    assert len(parse_query("Observation", [one] * MOST_INCLUDES).query.includes) == MOST_INCLUDES
    with pytest.raises(TooCostly, match="_include"):
        parse_query("Observation", [one] * (MOST_INCLUDES + 1))


def test_what_is_refused_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(Invalid, match="Patient"):
            parse_query("Patient", [("nonsense", "1")])
