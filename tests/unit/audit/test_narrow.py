"""What a search says of people and resources narrows where is looked: else a year of audit is read for each search."""

from __future__ import annotations

import pytest

from hilum.audit.narrow import Narrow, narrowed
from hilum.audit.settle import key
from hilum.search.parse import parse_query
from hilum.store.segments import AGENT, CLIENT, ENTITY, PATIENT, About

BASE = "http://127.0.0.1/fhir"
ABOUT_17 = (About(PATIENT, key("17")), About(AGENT, key("Patient/17")))


def narrow(*pairs: tuple[str, str]) -> Narrow:
    return narrowed(parse_query("AuditEvent", list(pairs), base=BASE).query.parts[0].clauses)


@pytest.mark.parametrize(
    ("code", "value", "left"),
    [
        ("patient", "Patient/17", Narrow(about=(ABOUT_17,), patients=frozenset({"17"}))),
        ("patient", "17", Narrow(about=(ABOUT_17,), patients=frozenset({"17"}))),
        ("entity", "Patient/17", Narrow(about=(ABOUT_17,), patients=frozenset({"17"}))),
        ("agent", "Patient/17", Narrow(about=(ABOUT_17,), patients=frozenset({"17"}))),
        ("agent", "Practitioner/5", Narrow(about=((About(AGENT, key("Practitioner/5")),),))),
        (
            "entity",
            "Observation/9",
            Narrow(about=((About(ENTITY, key("Observation/9")),),), resources=frozenset({"Observation/9"})),
        ),
        ("entity", "Consent/g", Narrow()),
        ("entity", "Consent/g,Observation/9", Narrow()),
        ("agent-name", "ada", Narrow()),
        ("agent:identifier", "http://127.0.0.1|u", Narrow(about=((About(AGENT, key("u")), About(CLIENT, key("u"))),))),
        ("agent:identifier", "http://127.0.0.1|u,http://127.0.0.1|", Narrow()),
        ("agent:identifier", "u", Narrow()),
        ("agent:identifier", "|http://127.0.0.1", Narrow()),
    ],
)
def test_people_and_resources_are_looked_for_where_they_are_spoken_of(code: str, value: str, left: Narrow) -> None:
    assert narrow((code, value)) == left


def test_times_are_looked_for_between_their_bounds() -> None:
    found = narrow(("date", "ge2026-01-01T00:00:00Z"), ("date", "lt2026-01-02T00:00:00Z"))
    assert (found.low, found.high) == (1_767_225_600_000_000, 1_767_312_000_999_999)  # to the end of that second
