"""Formats and ranges of the primitive types, against tables and against the specification's own regexes."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir import definitions
from hilum.validation.findings import one
from hilum.validation.primitives import CHECKS, LONGEST_STRING, days

GOOD: dict[str, list[Any]] = {
    "base64Binary": ["AA==", "QUJD", "QUJD\nQUJD", " QUI= ", "+/+/"],
    "boolean": [True, False],
    "canonical": ["http://example.org/vs|1.0#x", "urn:uuid:0"],
    "code": ["final", "a b", "<=", "tab\there", "CHEST\xa0", "ü"],
    "date": ["2020", "2020-02", "2020-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": [
        *("2020", "2020-02", "2020-02-29", "2020-02-29T23:59:59Z", "2015-06-30T23:59:60Z"),
        *("2020-02-29T00:00:00.123456789+14:00", "2020-02-29T00:00:00-11:30"),
    ],
    "decimal": [0, -1, Decimal("1.10"), Decimal("1E+30"), 10**30],
    "id": ["a", "A-1.b", "x" * 64],
    "instant": ["2020-02-29T23:59:59Z", "2020-02-29T23:59:59.1+00:00"],
    "integer": [0, -(2**31), 2**31 - 1],
    "markdown": ["# x\n\ny", "\xa0", "𝔘"],
    "oid": ["urn:oid:1.2.840.113619", "urn:oid:0.0"],
    "positiveInt": [1, 2**31 - 1],
    "string": ["x", " x ", "\t\r\n", "é\u200d", "x" * LONGEST_STRING],
    "time": ["00:00:00", "23:59:60", "12:00:00.5"],
    "unsignedInt": [0, 2**31 - 1],
    "uri": ["http://loinc.org", "urn:oid:1.2", "#x", "x/y?z", "http://exämple.org"],
    "url": ["mailto:a@example.org"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
}

BAD: dict[str, list[Any]] = {
    "base64Binary": ["", "A", "AAA", "====", "QUJD!", "AA==AA==", "QUJD=", "QUJD==", "QUJD====", "é===", 1],
    "boolean": ["true", 0, 1, "False"],
    "canonical": ["", "a b", 1],
    "code": ["", " a", "a ", "a  b", "a\x00", "\ud800", 1, True],
    "date": [
        *("", "0000", "20", "2020-13", "2020-00", "2020-1-1", "2020-02-30", "2021-02-29", "1900-02-29", "2020-04-31"),
        *("2020-01-32", "2020-02-29T00:00:00Z", "2020-02-29\n", "２０２０", "20200229", 2020),
    ],
    "dateTime": [
        *(
            "2020-02-29T23:59:59",
            "2020-02-29T23:59Z",
            "2020-02-29T24:00:00Z",
            "2020-02-30T00:00:00Z",
            "2020-02-29 10:00",
        ),
        *("2020-02-29T10:00:00z", "2020-02-29T10:00:00+14:01", "2020-02-29T10:00:00.Z", "2020-02-29T10:61:00Z", None),
    ],
    "decimal": ["1.0", True, None, 1.5j],
    "id": ["", "x" * 65, "a_b", "a/b", "a b", "a\n", 1],
    "instant": ["2020", "2020-02-29", "2020-02-29T23:59:59", "2021-02-29T00:00:00Z"],
    "integer": [2**31, -(2**31) - 1, Decimal("1.0"), "1", True],
    "markdown": ["", "\x0b", 1],
    "oid": ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:1"],
    "positiveInt": [0, -1, 2**31, True],
    "string": ["", "\x00", "a\x08", "\x1f", "\ud83d", "x" * (LONGEST_STRING + 1), 1, False, [], {}],
    "time": ["24:00:00", "10:00", "10:00:00Z", "1:00:00"],
    "unsignedInt": [-1, 2**31, Decimal("0.5")],
    "uri": ["", " ", "a b", "a\tb", "a\n", "\ud800", None],
    "url": ["", "http://a b"],
    "uuid": ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:1"],
}


def test_every_primitive_type_but_xhtml_has_a_checker_and_both_tables() -> None:
    names = {n for n in definitions.names() if definitions.type_(n).kind == "primitive-type"} - {"xhtml"}
    assert set(CHECKS) == set(GOOD) == set(BAD) == names


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in GOOD.items() for v in values])
def test_legal_values_have_no_findings(name: str, value: object) -> None:
    assert CHECKS[name](value, 0) is None
    assert CHECKS[name](value, 0) is None  # and again, when dates are remembered


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BAD.items() for v in values])
def test_illegal_values_are_one_finding_that_does_not_repeat_the_value(name: str, value: object) -> None:
    found = CHECKS[name](value, 0)
    assert found is not None and len(found) == 1
    path, code, text, severity, _ = found[0]
    assert severity == "error"
    assert path == ""
    assert code in ("value", "structure", "too-long")
    assert not (isinstance(value, str) and len(value) > 4 and value in text)


def test_a_wrong_json_type_says_what_is_there_and_what_should_be() -> None:
    assert CHECKS["string"](5, 0) == one("structure", "must be a string, but is a number")
    assert CHECKS["boolean"]("true", 0) == one("structure", "must be true or false, but is a string")
    assert CHECKS["integer"](True, 0) == one("structure", "must be a whole number, but is true or false")
    assert CHECKS["date"]([], 0) == one("structure", "must be a string, but is an array")
    assert CHECKS["code"](None, 0) == one("structure", "is null: leave the property out instead")


def test_more_dates_than_are_remembered_still_pass_and_fail_rightly() -> None:
    check = CHECKS["date"]
    for year in range(1, 9999):
        assert check(f"{year:04}-02-28", 0) is None
        assert (check(f"{year:04}-02-29", 0) is None) == (days(year, 2) == 29)


def test_the_calendar_is_gregorian() -> None:
    assert [days(2021, month) for month in range(1, 13)] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert [days(year, 2) for year in (1900, 2000, 2004, 2100)] == [28, 29, 29, 28]


_NEAR_DATES = st.from_regex(
    r"[0-9]{3,4}(-[0-9]{2}(-[0-3][0-9](T[0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,3})?)?(Z|[+-][01][0-9]:[0-9]{2})?)?)?)?",
    fullmatch=True,
)
_NEAR_CODES = st.text(st.sampled_from(list("aB1-. \t\n_/:urnoid0129{}")), max_size=12)


@pytest.mark.parametrize("name", ["date", "dateTime", "instant", "time"])
@given(text=_NEAR_DATES | st.from_regex(r"[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]+)?Z?", fullmatch=True))
def test_dates_and_times_follow_the_regex_of_the_specification_and_the_calendar(name: str, text: str) -> None:
    regex = definitions.type_(name).regex
    assert regex is not None
    match = re.match(r"(\d{4})-(\d\d)-(\d\d)", text)
    real = match is None or int(match[3]) <= (days(int(match[1]), int(match[2])) if 1 <= int(match[2]) <= 12 else 31)
    assert (CHECKS[name](text, 0) is None) == bool(re.fullmatch(regex, text) and real)


@pytest.mark.parametrize("name", ["code", "id", "oid", "uri", "url", "canonical", "uuid", "string", "markdown"])
@given(text=_NEAR_CODES)
def test_other_formats_follow_the_regex_of_the_specification(name: str, text: str) -> None:
    regex = definitions.type_(name).regex
    assert regex is not None
    # The specification's \S* lets a uri be empty; its text (and JSON's rule on empty values) does not.
    assert (CHECKS[name](text, 0) is None) == bool(text and re.fullmatch(regex, text))
