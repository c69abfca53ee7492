from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir import json
from hilum.problems import Malformed

SPELLINGS = [
    *("0", "-0", "0.0", "-0.0", "-0.00", "0e0", "-0e0", "0E-5", "0.0000000", "0.0000001", "-0.0000001", "1E-7"),
    *("1.10", "100", "-7", "1e3", "1E3", "1E+3", "1e03", "1.0e2", "1.10e-2", "1e400", "1e999999999999999999"),
    *("123456789012345678.90", "9" * 40, "-" + "9" * 40, "0." + "0" * 5000 + "1"),
    *("1" * 4000, "1" * 4001, "1" * 4300, "1" * 4301, "-" + "1" * 5000),
]


def kept(text: str) -> None:
    """Byte for byte, however the rest is written, and read by `parse` or `stored`; the value is that of the text."""
    compact = b'{"value":%b}' % text.encode()
    spaced = b'{ "value" :\t%b\n, "\\u002d": "-" }' % text.encode()
    assert json.encode(json.parse(compact)) == compact
    assert json.encode(json.stored(compact)) == compact
    assert json.encode(json.parse(spaced)) == b'{"value":%b,"-":"-"}' % text.encode()
    assert json.parse(json.pretty(compact)) == json.stored(compact) == {"value": Decimal(text)}


@pytest.mark.parametrize("text", SPELLINGS, ids=lambda text: str(text)[:20])
def test_numbers_are_written_as_they_were_read(text: str) -> None:
    kept(text)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,17})?", fullmatch=True))
def test_every_decimal_of_r4_is_written_as_it_was_read(text: str) -> None:
    kept(text)


def test_minus_zero_among_others_is_found_wherever_it_stands() -> None:
    for number in (b'{"a":-0}', b'{"a":[-0,1]}', b'{"a":[1,-0]}', b'{"a":-0,"d":"-0x"}', b'{"a":{"b":[{"c":-0}]}}'):
        for space in (b"", b" ", b"\n", b"\r\n", b"\t"):
            raw = number.replace(b"-0", b"-0" + space, 1)
            assert json.encode(json.parse(raw)) == json.encode(json.stored(raw)) == number


@pytest.mark.parametrize("number", ["1E9999999999999999999", "1e-9999999999999999999", "11e999999999999999999"])
def test_a_number_out_of_range_is_called_that(number: str) -> None:
    with pytest.raises(
        Malformed, match=r"^A number in the body is out of range: its exponent has more than 18 digits\.$"
    ):
        json.parse(b'{"value":%b}' % number.encode())


@pytest.mark.parametrize("text", ["NaN", "Infinity", "01", "1.", ".5", "+1", "1e", "--1", "\uff11"])
def test_other_numbers_are_no_json_beside_a_large_one_either(text: str) -> None:
    for raw in (b'{"v":%b}', b'{"w":' + b"1" * 5000 + b',"v":%b}'):
        with pytest.raises(Malformed, match="not valid JSON"):
            json.parse(raw % text.encode())


def test_a_large_number_hides_no_other_fault() -> None:
    large = b'"w":' + b"1" * 5000
    for raw, said in (
        (b"{%b," + large + b"}", "not valid JSON"),
        (b'{"a":"\\ud800",' + large + b"}", "not valid JSON"),
        (b'{"a":"\xff",' + large + b"}", "not valid JSON"),
        (b'{"a":"\x01",' + large + b"}", "not valid JSON"),
        (b'{"a":1,"a":2,' + large + b"}", "'a' appears twice"),
        (b'{"a":-0,"a":-0}', "'a' appears twice"),
        (b"{" + large + b',"v":' + b"[" * 100_000, "nested too deeply"),
    ):
        with pytest.raises(Malformed, match=said):
            json.parse(raw)


def test_a_fraction_is_a_decimal_and_a_whole_number_an_int() -> None:
    assert json.parse(b'{"a":1.10,"b":7}') == {"a": Decimal("1.10"), "b": 7}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a":1,"a":1}', "'a' appears twice"),
        (b'{ "x" : { "b" : 1, "b" : 2 } }', "'b' appears twice"),
        (b'{"a":"1","a":"2","b":"\\u0022\\u0022\\u0022\\u0022"}', "'a' appears twice"),
        (b'{"a":[{"c":1,"d":2,"c":3}]}', "'c' appears twice"),
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b"[1]", "one JSON object"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "a lone surrogate at byte 6"),
        (b'{"a":"\\\\\\ud800x"}', "a lone surrogate at byte 8"),
        (b'{"a":"\\ud83d\\ude00\\ude00"}', "a lone surrogate at byte 18"),
        (b'{"a":"\\ud83d\\ude00', "truncated"),
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
