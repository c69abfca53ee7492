"""HL7's FHIRPath tests for R4: hilum answers right or refuses what it does not have; it never answers wrong.

hilum has the part of FHIRPath that search and patch need, so most tests are refused, all of them at compile time.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any
from xml.etree import ElementTree

from tests.shared_data import DATA, needs_data

from hilum.fhir import json
from hilum.fhirpath import compile, parse
from hilum.problems import Invalid, Malformed

SUITE = DATA / "fhirpath-r4"

DEPARTURES = {
    # Output written as a literal; other tests of the suite give the bare text.
    "testExtractBirthDate",
    # A path that begins with another type is an error to the suite's strict mode; R4's search expressions are unions
    # of such paths, and those of other types are empty.
    "testSimpleWithWrongContext",
    # `as` on several items: R4's search expressions do it (Group.characteristic.value).
    "testFHIRPathAsFunction21",
}


@cache
def resource(name: str) -> dict[str, Any]:
    return json.parse((SUITE / "input" / name.replace(".xml", ".json")).read_bytes())


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def verdict(test: ElementTree.Element) -> str:
    """`right`, `wrong`, or `refused`, which is right where the suite expects an error."""
    expression = test.find("expression")
    assert expression is not None
    body = resource(test.get("inputfile") or "patient-example.xml")
    invalid = expression.get("invalid") is not None
    try:
        evaluate = compile(expression.text or "", body["resourceType"])
    except (Invalid, Malformed):
        return "right" if invalid else "refused"
    try:
        found = evaluate(body)
    except Invalid:
        return "right" if invalid else "wrong"
    expected = [output.text or "" for output in test.findall("output")]
    if test.get("predicate") == "true":
        found = [bool(found) and found[0] is not False]
    return "right" if not invalid and list(map(text, found)) == expected else "wrong"


def cases() -> list[ElementTree.Element]:
    found = ElementTree.parse(SUITE / "tests-fhir-r4.xml").getroot().iter("test")
    names = {path.name for path in (SUITE / "input").glob("*.json")}
    return [t for t in found if (t.get("inputfile") or "patient-example.xml").replace(".xml", ".json") in names]


@needs_data
def test_no_test_of_the_suite_is_answered_wrong() -> None:
    verdicts = {test.get("name"): verdict(test) for test in cases()}
    assert {name for name, found in verdicts.items() if found == "wrong"} == DEPARTURES
    count = Counter(verdicts.values())
    assert count["right"] >= 260, count


@needs_data
def test_the_parser_reads_every_expression_that_the_grammar_allows() -> None:
    refused = set()
    for test in cases():
        expression = test.find("expression")
        assert expression is not None
        try:
            parse(expression.text or "")
        except Malformed:
            refused.add(test.get("name"))
    # Two open comments, and two times with a zone, which the grammar does not have.
    assert refused == {"testComment7", "testComment8", "testLiteralTimeUTC", "testLiteralTimeTimezoneOffset"}
