"""Functions and operators, by the examples of the specification and at their edges. https://hl7.org/fhirpath/N1/"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.fhirpath import compile, locate
from hilum.fhirpath.conversions import text
from hilum.fhirpath.values import system
from hilum.problems import Invalid, Malformed, Problem

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
    ],
    "birthDate": "1974-12-25",
    "multipleBirthInteger": 2,
    "extension": [
        {
            "url": "http://a/weight",
            "valueQuantity": {"value": 70, "unit": "kg", "code": "kg", "system": "http://unitsofmeasure.org"},
        },
        {"url": "http://a/odd", "valueQuantity": {"value": 3}},
    ],
}


def said(expression: str) -> list[str]:
    """What it comes to, as toString() writes it."""
    return [str(text(system(node))) for node in locate(expression, "Patient")(PATIENT)]


STRINGS = {
    "'abcdefg'.indexOf('bc')": "1",
    "'abcdefg'.indexOf('x')": "-1",
    "'abcabc'.lastIndexOf('bc')": "4",
    "'abcdefg'.substring(3)": "defg",
    "'abcdefg'.substring(1, 2)": "bc",
    "'abcdefg'.substring(6, 2)": "g",
    "'abcdefg'.substring(7, 1)": "",
    "'abcdefg'.substring(2, -1).length()": "0",
    "'abc'.upper() & 'DEF'.lower()": "ABCdef",
    "'abcdefg'.replace('cde', '123')": "ab123fg",
    "'abcdefg'.replace('cde', '')": "abfg",
    "'abc'.replace('', 'x')": "xaxbxcx",
    "'N8000123123'.matches('^N[0-9]{8}$')": "false",
    "'N8000123123'.matchesFull('N[0-9]{10}')": "true",
    "'first\\nsecond'.matches('^SECOND', 'im')": "true",
    "'first\\nsecond'.matches('^second')": "false",
    "'a\\nb'.matches('a.b')": "true",
    "'11/30/1972'.replaceMatches('\\\\b(?<month>\\\\d{1,2})/(?<day>\\\\d{1,2})/(?<year>\\\\d{2,4})\\\\b',"
    " '${day}-${month}-${year}')": "30-11-1972",
    "'abc'.replaceMatches('(b)', '[$1]')": "a[b]c",
    "'\u00e9'.length()": "1",
    "'abc'.toChars().count()": "3",
    "('A' | 'B').join('-')": "A-B",
    "('A' | 'B').join()": "AB",
    "'A,B'.split(',').last()": "B",
    "'abc'.split('').count()": "3",
    "'  a '.trim()": "a",
    "'<'.escape('html')": "&lt;",
    "'\"'.escape('json')": '\\"',
    "'a'.encode('nothing')": "",
    "name.given.first().startsWith('P')": "true",
    "'ab' ~ 'A B'": "false",
    "'a b' ~ 'A\\tb'": "true",
    "'' & {}": "''",
    "'a' + {}": "",
    "name[0].given.join(' ') & ' ' & name[0].family": "Peter James Chalmers",
    "birthDate & '!'": "1974-12-25!",
}
NUMBERS = {
    "2 + 3 * 4": "14",
    "5 / 2": "2.5",
    "1 / 3": "0.3333333333333333333333333333333333",
    "0.1 + 0.2 = 0.3": "true",
    "7 div 2": "3",
    "-7 div 2": "-3",
    "-7 mod 2": "-1",
    "5.5 div 0.7": "7",
    "5.5 mod 0.7": "0.6",
    "1 / 0": "",
    "1 div 0": "",
    "1 mod 0": "",
    "-(3 - 5)": "2",
    "9999999999 * 9999999999": "",
    "1.0.type().name": "Decimal",
    "(-5).abs()": "5",
    "1.1.ceiling()": "2",
    "(-1.1).floor()": "-2",
    "(-1.9).truncate()": "-1",
    "2.5.round()": "3",
    "3.14159.round(2)": "3.14",
    "(3.7 'mg').floor()": "3 'mg'",
    "0.exp()": "1",
    "1.ln()": "0",
    "1000.log(10)": "3",
    "81.sqrt()": "9",
    "(-1).sqrt()": "",
    "2.power(10)": "1024",
    "2.power(-1)": "0.5",
    "2.5.power(2)": "6.25",
    "2.power(64)": "",
    "(1 | 2 | 3).sum()": "6",
    "(1 | 2 | 4).avg().round(2)": "2.33",
    "(3 | 1 | 2).min()": "1",
    "(@2012-12-31 | @2013-01-01).max()": "2013-01-01",
    "{}.sum()": "",
    "1.587.lowBoundary(2)": "1.58",
    "(-1.587).highBoundary(0)": "-1",
    "1.58700.precision()": "5",
    "1 < 1.5": "true",
    "1.10 = 1.1": "true",
    "0.67 ~ 2 / 3": "true",
    "1 ~ 1.0": "true",
    "multipleBirth * 3": "6",
}
QUANTITIES = {
    "1 'cm' = 10.0 'mm'": "true",
    "1 'cm' = 1 'm'": "false",
    "1 'cm' = 1 's'": "",
    "23 'Cel' = 73.4 '[degF]'": "true",
    "1 hour = 3600 's'": "true",
    "1 year = 1 'a'": "",
    "1 year ~ 1 'a'": "true",
    "1 year ~ 12 'mo'": "true",
    "1 year = 12 months": "true",
    "1 year ~ 11 months": "true",
    "7 days = 1 'wk'": "true",
    "10 seconds > 1 's'": "true",
    "6 months > 1 year": "false",
    "1 'no such unit' = 1 'no such unit'": "true",
    "1 'no such unit' = 1 'other'": "",
    "2.1 'cm' ~ 21 'mm'": "true",
    "1 '[in_i]' ~ 2.5 'cm'": "true",
    "3 'm' + 3 'cm'": "303 'cm'",
    "3 'cm' - 3 'm'": "-297 'cm'",
    "2 + 2 'cm'": "",
    "2 + 2 '1'": "4 '1'",
    "2 minutes + 60 seconds": "180 seconds",
    "60 's' + 2 minutes": "180 seconds",
    "1 'wk' + 2 days": "9 days",
    "1 year + 12 months": "",
    "12 'cm' * 3 'cm' = 36 'cm2'": "true",
    "3 * 2 'cm'": "6 'cm'",
    "12 days * 45 'm'": "",
    "120 'm' / 60 's'": "2 'm/s'",
    "60 / 1 's'": "60 '/s'",
    "12 'cm2' / 3 'cm' = 4 'cm'": "true",
    "1 'm' / 0 's'": "",
    "37 'Cel' * 2 'm'": "",
    "52 'cm'.toQuantity('m')": "0.52 'm'",
    "1 'wk'.toQuantity('d')": "7 'd'",
    "45.toQuantity('m')": "",
    "24 'm'.toQuantity('kg')": "",
    "7 days.toQuantity('wk')": "1 'wk'",
    "'4 days'.toQuantity()": "4 days",
    "'10 \\'mm[Hg]\\''.toQuantity()": "10 'mm[Hg]'",
    "'10 mm'.toQuantity()": "",
    "extension('http://a/weight').value > 69000 'g'": "true",
    "extension('http://a/weight').value = 70 'kg'": "true",
    "extension('http://a/odd').value = 3": "true",
    "1 'cm'.comparable(1 '[in_i]')": "true",
    "1 'cm'.comparable(1 's')": "false",
    "(4 'g').value": "4",
    "(4 'g').unit": "g",
}
TIMES = {
    "@2012 = @2012-01": "",
    "@2012 != @2013-01": "true",
    "@2012-01-01T10:30:31.0 = @2012-01-01T10:30:31": "true",
    "@2012-01 ~ @2012": "false",
    "@2017-11-05T01:30:00.0-04:00 = @2017-11-05T00:30:00.0-05:00": "true",
    "@2017-11-05T01:30Z < @2017-11-07T01:30": "true",
    "@2017-11-05T01:30Z < @2017-11-05T05:30": "",
    "@2017-11-05T01:30Z = @2017-11-05T01:30": "",
    "@9999-12-31T23:59:59-14:00 = @9999-12-31T23:59:59Z": "false",
    "@9999-12-31T23:59:59-14:00 > @9999-12-31T23:59:59Z": "true",
    "@T10:30 < @T10:31": "true",
    "@2012 = @T10": "false",
    "birthDate = @1974-12-25": "true",
    "birthDate < @1974-12-25T00:00:00Z": "",
    "birthDate < @1974-12-28T00:00:00Z": "true",
    "@1973-12-25 + 7.9 days": "1974-01-01",
    "@2019-03-01 + 24 months": "2021-03-01",
    "@2026-01-31 + 1 month": "2026-02-28",
    "@2024-02-29 + 1 year": "2025-02-28",
    "@1973-12-25T00:00:00.000+10:00 + 42.53 seconds": "1973-12-25T00:00:42.530+10:00",
    "@2026-01-01T13:00:00 + 30 minutes": "2026-01-01T13:30:00",
    "@T23:30:00 + 1 hour": "00:30:00",
    "@T01:00:00 + 48 hour": "01:00:00",
    "@T00:30:00 - 1 hour": "23:30:00",
    "@2014 + 24 months": "2016",
    "@2014 + 23 months": "2015",
    "@2016 + 365 days": "2017",
    "@2014 + 11 months": "2014",
    "@2026-02 + 5 weeks": "2026-03",
    "@2026-02 + 4 weeks": "2026-02",
    "@2014 - 24 months": "2012",
    "@2014 - 1 month": "2014",
    "@2026-02 - 1 day": "2026-02",
    "@2019-03-01 - 24 months": "2017-03-01",
    "@9999-12-31 + 1 day": "",
    "@0001-01-01 - 1 year": "",
    "@2014-01-01T08.highBoundary(17)": "2014-01-01T08:59:59.999-12:00",
    "@2014-02.highBoundary()": "2014-02-28",
    "@2014-02.lowBoundary(5)": "",
    "@T10:30.highBoundary()": "10:30:59.999",
    "@2014-01-05T10:30:00.000.precision()": "17",
    "@2014-01-05T10:30:00.000+01:00.timezoneOffsetOf()": "1",
    "@2014-01-05T10:30:07.123.millisecondOf()": "123",
    "@2014-01-05T10:30.minuteOf()": "30",
    "@2014-01-05.hourOf()": "",
    "@2014-01-05T10:30.dateOf()": "2014-01-05",
    "@2014-01-05T10:30.timeOf()": "10:30",
    "birthDate.yearOf()": "1974",
    "@2014-02-03T10:00Z.toDate()": "2014-02-03",
    "'2014-02-30'.toDate()": "",
    "'2014-02-30'.convertsToDate()": "false",
    "'2014'.toDateTime()": "2014",
    "'24:00'.toTime()": "",
    "@2014.toDateTime() is DateTime": "true",
}
CONVERSIONS = {
    "'true'.toBoolean()": "true",
    "'N'.toBoolean()": "false",
    "'maybe'.toBoolean()": "",
    "'+7'.toInteger()": "7",
    "'2147483648'.toInteger()": "",
    "'2147483648'.toLong()": "2147483648",
    "'1.5'.toInteger()": "",
    "'-1.50'.toDecimal()": "-1.50",
    "'1e3'.toDecimal()": "",
    "true.toString()": "true",
    "name.first().convertsToString()": "false",
    "active.toInteger()": "1",
    "birthDate.toString().length()": "10",
    "{}.toString()": "",
    "active.getValue() is System.Boolean": "true",
    "active is System.Boolean": "false",
    "name.hasValue()": "false",
    "name.given.value.join('')": "PeterJamesJim",
    "birthDate.value is System.Date": "true",
    "active.hasValue()": "true",
}
ITEMS = {
    "(1 | 2 | 3).where($this > 1).count()": "2",
    "(5 | 6 | 7).where($index = 1)": "6",
    "name.all(given.exists())": "true",
    "{}.all(false)": "true",
    "(true | false).allTrue()": "false",
    "(true | false).anyFalse()": "true",
    "(1 | 2).subsetOf(1 | 2 | 3)": "true",
    "(1 | 2).supersetOf({})": "true",
    "(1 | 1.0 | 2).count()": "2",
    "(1 'g' | 1000 'mg' | 1 's').count()": "2",
    "(@2012 | @2012-01 | @2012).count()": "2",
    "1.combine(1).isDistinct()": "false",
    "(1 | 2 | 3).exclude(2).sum()": "4",
    "(1 | 2 | 3).intersect(3 | 4)": "3",
    "(1 | 2 | 3).tail().first()": "2",
    "(1 | 2 | 3).skip(-1).count()": "3",
    "(1 | 2 | 3).take(-1).count()": "0",
    "(1 | 2 | 3)[5]": "",
    "1 in (1.0 | 2)": "true",
    "{} in (1 | 2)": "",
    "1 in {}": "false",
    "(1 | 2) contains 3": "false",
    "(1 | 2 | 3).aggregate($total + $this, 0)": "6",
    "(3 | 1 | 2).sort().first()": "1",
    "(3 | 1 | 2).sort($this desc).first()": "3",
    "(3 | 1 | 2).sort($this asc).first()": "1",
    "name.sort(family).first().use": "usual",
    "name.sort(family desc).first().use": "official",
    "name.sort(-family).first().use": "usual",
    "coalesce(name.where(use = 'old'), name[1]).use": "usual",
    "iif(active, 'yes', 'no')": "yes",
    "iif({}, 'yes')": "",
    "repeat(name).count()": "2",
    "name.repeatAll(given).count()": "3",
    "name.defineVariable('n', name[1].given).select(%n & 'my').first()": "Jimmy",
    "name.defineVariable('n').given.count() + name.defineVariable('n').given.count()": "6",
    "name.select(defineVariable('g', use).select(%g)).join('-')": "official-usual",
    "children().count()": "7",
    "descendants().where($this = 'Jim').count()": "1",
    "active.type().namespace & active.type().name": "FHIRboolean",
    "name.first().type().baseType": "FHIR.Element",
    "name.trace('names').count()": "2",
    "%`us-zip`": "[0-9]{5}(-[0-9]{4}){0,1}",
    "%sct": "http://snomed.info/sct",
    "%`ext-x`": "http://hl7.org/fhir/StructureDefinition/x",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (expression, expected)
        for table in (STRINGS, NUMBERS, QUANTITIES, TIMES, CONVERSIONS, ITEMS)
        for expression, expected in table.items()
    ],
)
def test_an_expression_comes_to(expression: str, expected: str) -> None:
    assert said(expression) == ([] if expected == "" else [expected.strip("'") if expected == "''" else expected])


def test_what_was_computed_leaves_as_json() -> None:
    assert compile("birthDate + 1 day", "Patient")(PATIENT) == ["1974-12-26"]
    assert compile("3 'mg' | active | name[1].given", "Patient")(PATIENT) == [
        {"value": 3, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
        True,
        "Jim",
    ]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 + 'a'", "FHIRPath: an integer + a text is nothing that can be computed."),
        ("1 < 'a'", "FHIRPath: an integer can't be compared with a text."),
        ("1 < @2014", "FHIRPath: an integer can't be compared with a date."),
        ("@T10 < @2014", "FHIRPath: a time can't be compared with a date."),
        ("@2014-01-01 + 1 'a'", "FHIRPath: a quantity of that unit can't be added to a date."),
        ("@T10 + 1 day", "FHIRPath: a quantity of that unit can't be added to a time."),
        ("-'a'", "FHIRPath: a text has no negative."),
        ("name.given & 'x'", "FHIRPath: several items were found where an operator or function takes one."),
        ("name.given.upper()", "FHIRPath: several items were found where an operator or function takes one."),
        ("name.upper()", "FHIRPath: upper() takes a string, and can't be called on HumanName."),
        ("active.substring(1)", "FHIRPath: substring() takes a string, and can't be called on boolean."),
        ("'a'.substring('b')", "FHIRPath: substring() takes an integer, and was given a text."),
        (
            "'a'.matches('(')",
            "FHIRPath: a regular expression is none that hilum reads (RE2: no back references, nothing"
            " about what stands before or after).",
        ),
        ("'a'.matches('a', 'x')", "FHIRPath: the flags of a regular expression may be i and m."),
        ("1.round(-1)", "FHIRPath: round() takes a number of digits that is not negative."),
        ("iif('a', 1)", "FHIRPath: the criterion of iif() must be a boolean."),
        ("(1 | 2).iif(true, 1)", "FHIRPath: iif() was called on several items; use select(iif(…))."),
        ("(1 | true).allTrue()", "FHIRPath: allTrue() takes booleans."),
        ("(1 | 'a').sort()", "FHIRPath: a text can't be compared with an integer."),
        ("defineVariable('a').defineVariable('a')", "FHIRPath: defineVariable() defines a variable that there is."),
        ("defineVariable('context')", "FHIRPath: defineVariable() can't change a variable that there is."),
        (
            "slice('a', 'b')",
            "FHIRPath: the function slice() is not supported: it needs a profile's slices; use where().",
        ),
        ("name.where()", "FHIRPath: where() takes 1 to 1 arguments, found 0."),
    ],
)
def test_what_can_not_be_is_refused(expression: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        locate(expression, "Patient")(PATIENT)
    assert str(refused.value) == message


@pytest.mark.parametrize("expression", ["@2014-13", "@2014-02-30", "@T24", "@2014-01-01T25", "@2014-01-01T00:00+15:00"])
def test_a_literal_that_is_no_date_is_malformed(expression: str) -> None:
    with pytest.raises(Malformed):
        locate(expression, "Patient")


def test_messages_do_not_repeat_what_is_in_the_data() -> None:
    for expression in ("name.given + 'x'", "birthDate + name[0].family", "name[0].family < 3", "-name[0].family"):
        with pytest.raises(Problem) as refused:
            locate(expression, "Patient")(PATIENT)
        assert not {"Peter", "Chalmers", "1974"} & set(str(refused.value).replace(".", " ").split())
