"""docs/reference/fhirpath.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.test_fhirpath import DEPARTURES

from hilum.fhirpath import parser, work
from hilum.fhirpath.functions import COMPILED, FUNCTIONS, REFUSED
from hilum.fhirpath.strings import _LONGEST_PATTERN

PAGE = (Path(__file__).parents[3] / "docs/reference/fhirpath.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_page_lists_the_functions_that_there_are_and_no_others() -> None:
    table = "\n".join(line for line in section("Functions").splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(\w+)`", table)) == {*FUNCTIONS, *COMPILED}
    for name in REFUSED:
        assert f"`{name}()`" in section("Functions")


def test_the_page_lists_the_operators() -> None:
    assert set(re.findall(r"`([^`…]+)`", section("Operators"))) == set(parser._PRECEDENCE)


def test_the_page_lists_the_departures_from_the_official_suite() -> None:
    assert set(re.findall(r"`(\w+\d|testDollarOrderNotAllowed)`", section("Departures"))) == set(DEPARTURES)


def test_the_page_says_the_limits() -> None:
    limits = section("Limits")
    for number in (parser.LONGEST, parser.DEPTH, work.MOST, work.MOST_OF_A_CONDITION, _LONGEST_PATTERN):
        assert f"{number:,}" in limits
