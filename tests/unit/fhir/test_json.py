from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir import json
from hilum.problems import Malformed


@pytest.mark.parametrize("text", ["1.10", "0.0", "-0.00", "1E+3", "123456789012345678.90", "1E-7", "100"])
def test_numbers_keep_their_digits(text: str) -> None:
    raw = b'{"value":%b}' % text.encode()
    assert json.encode(json.parse(raw)) == raw


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("1e3", "1E+3"),
        ("1.0e2", "1.0E+2"),
        ("0.0000001", "1E-7"),
        ("0E-5", "0.00000"),
        ("-0.0", "-0.0"),
        ("-0e0", "-0"),
        ("0e0", "0"),
        ("-0", "0"),
        ("1e400", "1E+400"),
    ],
)
def test_numbers_keep_value_and_precision_however_they_are_spelled(sent: str, written: str) -> None:
    assert json.encode(json.parse(b'{"value":%b}' % sent.encode())) == b'{"value":%b}' % written.encode()
    before, after = Decimal(sent), Decimal(written)
    assert (before, before.as_tuple().exponent) == (after, after.as_tuple().exponent)


@pytest.mark.parametrize("number", ["1E9999999999999999999", "1e-9999999999999999999"])
def test_a_number_out_of_range_is_called_that(number: str) -> None:
    with pytest.raises(Malformed, match=r"^A number in the body is out of range\.$"):
        json.parse(b'{"value":%b}' % number.encode())


def test_a_fraction_is_a_decimal_and_a_whole_number_an_int() -> None:
    assert json.parse(b'{"a":1.10,"b":7}') == {"a": Decimal("1.10"), "b": 7}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a":1,"a":1}', "'a' appears twice"),
        (b'{ "x" : { "b" : 1, "b" : 2 } }', "'b' appears twice"),
        (b'{"a":"1","a":"2","b":"\\u0022\\u0022\\u0022\\u0022"}', "'a' appears twice"),
        (b'{"a":[{"c":1,"d":2,"c":3}]}', "'c' appears twice"),
        (b"", "not valid JSON"),
        (b"[1]", "one JSON object"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":1}x', "not valid JSON"),
        (b'{"a":"\x01"}', "not valid JSON"),
        (b'{"a":' * 10_000, "nested too deeply"),
    ],
)
def test_what_is_not_one_unambiguous_json_object_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(Malformed) as raised:
        json.parse(raw)
    assert said in str(raised.value)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abc"\\é', max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text('abcdé"', max_size=4), _values, max_size=5))
def test_what_was_encoded_parses_to_the_same_value(value: dict[str, object]) -> None:
    assert json.parse(json.encode(value)) == value
    assert json.parse(json.pretty(json.encode(value))) == value


@given(st.dictionaries(st.text('abc"', min_size=1, max_size=3), st.text('"x', max_size=5), min_size=1), st.data())
def test_a_doubled_property_is_always_found(value: dict[str, str], data: st.DataObject) -> None:
    twice = data.draw(st.sampled_from(sorted(value)))
    escaped = data.draw(st.booleans())
    parts = [*value.items(), (twice, data.draw(st.text('"x', max_size=5)))]
    members = b",".join(json.encode(name) + b":" + json.encode(text) for name, text in parts)
    raw = b"{" + (members.replace(b'\\"', b"\\u0022") if escaped else members) + b"}"
    with pytest.raises(Malformed):
        json.parse(raw)
