"""What was read before is what would be read now."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hilum.problems import Invalid
from hilum.search.again import LONGEST, read_again
from hilum.search.parameters import R4
from hilum.search.parse import parse_query

HOW: dict[str, Any] = {
    "lenient": False,
    "base": "http://h/fhir",
    "compartment": None,
    "now": 0,
    "max_count": 1000,
    "registry": R4,
    "full_text": True,
}


@pytest.mark.parametrize(
    ("type", "pairs", "how"),
    [
        ("Patient", [("name", "a"), ("_count", "3")], {}),
        ("Patient", [("name", "a"), ("_count", "3")], {"max_count": 2}),
        ("Patient", [("name", "a"), ("nothing", "b")], {"lenient": True}),
        ("Patient", [("birthdate", "ap2026")], {"now": 86_400_000_000 * 365 * 60}),
        ("Patient", [("birthdate", "ap2026")], {}),
        ("Observation", [("subject", "http://h/fhir/Patient/1")], {}),
        ("Observation", [("subject", "http://h/fhir/Patient/1")], {"base": "http://other"}),
        ("Observation", [("code", "x")], {"compartment": ("Patient", "1")}),
        ("Observation", [("code", "x" * LONGEST)], {}),
        (None, [("_id", "1"), ("_type", "Patient,Observation")], {}),
    ],
)
def test_it_is_what_it_would_be_now(type: str | None, pairs: list[tuple[str, str]], how: dict[str, Any]) -> None:
    wanted = parse_query(type, pairs, empty=True, **(HOW | how))
    for asked in (pairs, list(pairs), list(pairs)):
        assert replace(read_again(type, asked, **(HOW | how)), kept=False) == wanted


def test_the_same_is_read_once_unless_it_is_long() -> None:
    short, long = [("name", "once")], [("name", "o" * LONGEST)]
    assert not read_again("Patient", short, **HOW).kept  # perhaps it never comes again
    assert read_again("Patient", short, **HOW) is read_again("Patient", list(short), **HOW)
    assert read_again("Patient", long, **HOW) is not read_again("Patient", long, **HOW)


def test_what_is_refused_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Invalid, match="nothing"):
            read_again("Patient", [("nothing", "a")], **HOW)
