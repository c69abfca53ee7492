"""Short expressions that ask for much, and data that nobody would write: all bounded. src/hilum/fhirpath/work.py"""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest

from hilum.fhir import json, units
from hilum.fhirpath import Work, condition, locate
from hilum.problems import Invalid, Malformed, Problem, Unprocessable

PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"given": ["Peter"] * 40, "family": "x"}] * 20}
NUMBERS = json.parse(
    b'{"resourceType":"Observation","valueQuantity":{"value":1e999999,"unit":"mg"},"component":[{"valueInteger":'
    + b"9" * 4000
    + b'},{"valueQuantity":{"value":-1e-999999}},{"valueString":"'
    + b"a" * 900_000
    + b'"},{"valueInteger":'
    + b"9" * 9000
    + b'},{"valueQuantity":{"value":1e99999999}},{"valueQuantity":{"value":-1.5e-99999999}},{"valueQuantity":'
    b'{"value":0e99999999}}]}'
)
SECONDS = 4.0
"""Of the processor, however busy the machine is."""


def outcome(expression: str, body: dict[str, Any]) -> type[Problem] | list[Any]:
    before = process_time()
    try:
        found: type[Problem] | list[Any] = [node.value for node in locate(expression, body["resourceType"])(body)]
    except Problem as problem:
        found = type(problem)
    assert process_time() - before < SECONDS
    return found


@pytest.mark.parametrize(
    "expression",
    [
        "'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 8,
        "name.given.aggregate($total & $total & 'x', 'a').length()",
        "name.given.aggregate($total + $total, 'a').length()",
        "1.repeat($this + 1)",
        "1.repeatAll($this)",
        "'a'.repeat($this & $this)",
        "name.given.select(%context.name.given.select(%context.name.given.count()))",
        "name.given.select(%context.name.given).select(%context.name.given)",
        "name.given.sort(%context.name.given.sort().first())",
        "name.given.where(%context.name.given.exists($this = 'x'))",
        "name.given.combine(name.given)" + ".select(%context.name.given)" * 4,
        "name.given.aggregate($total.combine($total), 1).count()",
        "name.given.select(%context.descendants().count()).count()",
        "name.given.select('" + "a" * 5000 + "'.encode('base64')).join().toChars().count()",
    ],
)
def test_what_multiplies_is_too_costly(expression: str) -> None:
    assert outcome(expression, PATIENT) is Unprocessable


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 200 + "1" + ")" * 200,
        "-" * 3000 + "1",
        "name" + ".first()" * 1000,
        "1" + "+1" * 4000,
        "('a'" + "|'a'" * 2000 + ")",
        "name" + ".where(true)" * 800,
        "true" + " and true" * 3000,
        "99999999999",
        "``",
        "1." + "0" * 100,
    ],
)
def test_what_is_too_deep_or_too_long_is_malformed(expression: str) -> None:
    assert outcome(expression, PATIENT) is Malformed


@pytest.mark.parametrize(
    "expression",
    [
        "2.power(1000000)",
        "10.power(999999999).power(99999999)",
        "99999999.9.power(999999.9)",
        "1000000000.exp()",
        "@2014 + 9999999999 years",
        "@2014-01-01T00:00:00 + 9999999999999999999999999999999999999999.9 'ms'",
        "@T10:00 - 99999999999999999999999 hours",
        "1.lowBoundary(29)",
        "1 '10*999999999' = 1 'm'",
        "'a'.matches('(a{1,1000}){1,1000}') and {}",
        "(1 'm').toQuantity('m" + ".m" * 60 + "')",
    ],
)
def test_what_overflows_is_empty_or_invalid(expression: str) -> None:
    units.load()
    assert outcome(expression, PATIENT) in ([], Invalid)


@pytest.mark.parametrize(
    ("operation"),
    [
        "{} + 1", "{} - 1.5", "{} * {}", "{} / 3", "3 / {}", "{} div 7", "{} mod 7", "-{}", "{} = 1.5", "{} ~ 1.5",
        "{} < 1.5",
        "({}).toString().length()", "({}).toDecimal()", "({}).toInteger()", "({}).round(2)", "({}).floor()",
        "({}).abs()",
        "({}).power(100)", "({}).sqrt()", "({}).ln()", "({}).exp()", "({}).log(10)", "({}).lowBoundary()",
        "({}).precision()",
        "({} | 1 | {}).count()", "({}).toQuantity() < 3 'g'", "{} & 'x'", "@2014 + {}", "@T10 - {}", "{} - {}",
        "2.power({})", "{} + 1 '1'", "1 '1' - {}", "2 'm' * {}", "2 'm' / {}",
        "({} | {} * 10).count()", "({}).truncate()", "({}).highBoundary(2)", "({}).toQuantity('m')", "({}).toString()",
        "({}).toBoolean()", "({}).sort()", "({}).min()", "-({})", "({}).convertsToString()", "{} in (1 | 2)",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value",
    [
        "value.value",
        "component[0].value",
        "component[1].value.value",
        "component[3].value",
        "value",
        "component[1].value",
    ],
)
def test_numbers_of_any_size_are_no_trouble(operation: str, value: str) -> None:
    units.load()
    outcome(operation.replace("{}", f"({value})"), NUMBERS)


@pytest.mark.parametrize(
    "function",
    [
        "matches('(a*)*(a*)*b')", "matchesFull('(a?){500}a{500}')", "replace('a', 'bbbbbbbbbb').length()",
        "replaceMatches('a', 'bbbbbbbbbb').length()", "replaceMatches('(a)(a)', '$2$1').length()", "toChars().count()",
        "split('a').count()", "upper().lower().trim().length()", "encode('hex').decode('hex').length()",
        "escape('html').unescape('html').length()", "escape('json').unescape('json').length()", "toInteger()",
        "toDecimal()", "toQuantity()", "toDate()", "toDateTime()", "indexOf('b')", "substring(5).startsWith('a')",
    ],
)  # fmt: skip
def test_long_texts_are_no_trouble(function: str) -> None:
    outcome(f"component[2].value.ofType(string).{function}", NUMBERS)


def test_conditions_share_an_allowance() -> None:
    work = Work(50)
    asked = condition("name.given.all($this.length() > 1)", "Patient")
    with pytest.raises(Unprocessable) as refused:
        asked(PATIENT, resource=PATIENT, work=work)
    assert refused.value.issues[0].code == "too-costly"
    assert asked(PATIENT, resource=PATIENT) is True


def test_a_body_nested_too_deeply_is_too_costly_and_no_error() -> None:
    item: dict[str, Any] = {"linkId": "1"}
    for _ in range(5000):
        item = {"linkId": "1", "item": [item]}
    body = {"resourceType": "Questionnaire", "item": [item]}
    assert outcome("descendants().count()", body) == [10_002]
    assert outcome("(item | item).count()", body) in ([1], Unprocessable)
    assert outcome("item ~ item", body) in ([True], Unprocessable)


def test_numbers_that_nobody_writes_out_are_told_apart() -> None:
    body = json.parse(
        b'{"resourceType":"Observation","component":[{"valueQuantity":{"value":1e99999999}},'
        b'{"valueQuantity":{"value":10e99999998}},{"valueQuantity":{"value":1e99999998}}]}'
    )
    assert outcome("component.value.ofType(Quantity).value.distinct().count()", body) == [2]
