"""FHIR JSON in and out, numbers as they were spelled. https://hl7.org/fhir/R4/json.html

Precision is part of a decimal's value (https://hl7.org/fhir/R4/datatypes.html#decimal), so a JSON number with a
fraction or exponent becomes a `Decimal` and never a float: `1.10` stays `1.10`. Where Decimal would write it in other
words (`1e3` as `1E+3`), and where a whole number is no int of ours (`-0`, thousands of digits), it becomes a `Number`,
a Decimal that remembers its spelling. What is written is, byte for byte, what was read.
"""

from __future__ import annotations

import json as _json
import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from hilum.problems import Malformed

MOST_DIGITS: Final = 4000
"""Of a whole number as an int; Python reads 4300 at most, since its conversion takes quadratic time."""


class Number(Decimal):
    """A JSON number whose `text` is not how Decimal, or int, would write it; equal to others by value."""

    __slots__ = ("text",)
    text: str


def number(text: str) -> Decimal:
    """The value of a JSON number, which keeps its spelling. Raises ArithmeticError: an exponent of over 18 digits."""
    value = Decimal(text)
    return value if str(value) == text else _spelled(text)


def _spelled(text: str) -> Number:
    value = Number(text)
    value.text = text
    return value


def _whole(text: str) -> int | Number:
    return _spelled(text) if text == "-0" or len(text) > MOST_DIGITS else int(text)


def numeral(text: str) -> int | Decimal | None:
    """What `parse` makes of this text of a number; None when JSON has no such number, or can't read it."""
    if not _NUMERAL.fullmatch(text):
        return None
    if text.isdigit() or (text[0] == "-" and text[1:].isdigit()):
        return _whole(text)
    try:
        return number(text)
    except ArithmeticError:
        return None


_NUMERAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _as_sent(value: Any) -> msgspec.Raw:
    if type(value) is Number:
        return msgspec.Raw(value.text.encode())
    raise TypeError(f"{type(value).__name__} is nothing that JSON has.")


_decoder = msgspec.json.Decoder(float_hook=number)
_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_as_sent)

encode = _encoder.encode
"""Value to compact UTF-8 JSON bytes; dict order is kept, numbers keep their spelling."""


def pretty(raw: bytes) -> bytes:
    """The same JSON, indented for people (`_pretty=true`)."""
    return msgspec.json.format(raw, indent=2)


def parse(raw: bytes) -> dict[str, Any]:
    """A JSON object from bytes.

    Raises Malformed when the bytes are not UTF-8 JSON, not an object, nested too deep to read, or name a property
    twice (which JSON parsers resolve differently, so that two readers would see two records).
    """
    try:
        try:
            body: dict[str, Any] = _decoder.decode(raw)
        except msgspec.ValidationError:  # valid JSON, with a whole number of more than 4300 digits
            body = _slowly(raw)
        if type(body) is not dict:
            raise Malformed('The body must be one JSON object, such as {"resourceType": "Patient"}.')
        written = encode(body)
        if raw != written:
            # A dropped duplicate takes its quotes with it, so equal counts prove that there was none, unless escaped
            # quotes make up for it: those are written \" here. What is doubtful is looked at properly.
            if raw.count(b'"') != written.count(b'"') or b"\\u0022" in raw:
                _refuse_duplicates(raw)
            if _minus_zero(raw):
                body = _slowly(raw)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply to be a FHIR resource.") from None
    except ArithmeticError:  # Decimal's
        raise Malformed("A number in the body is out of range: its exponent has more than 18 digits.") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise Malformed(_why(raw, error)) from None
    return body


def stored(raw: bytes) -> dict[str, Any]:
    """A body that hilum wrote itself, and so need not doubt."""
    if _minus_zero(raw):
        return _slowly(raw)
    try:
        body: dict[str, Any] = _decoder.decode(raw)
    except msgspec.ValidationError:
        return _slowly(raw)
    return body


_minus_zero: Final = re.compile(rb"-0[,\]}\s]").search
"""Whether there may be a number -0, which msgspec reads as 0. Dates have another digit there."""


def _slowly(raw: bytes) -> dict[str, Any]:
    """By the standard library, which shows the text of whole numbers too, in five times as long."""
    body: dict[str, Any] = _json.loads(raw.decode(), parse_float=number, parse_int=_whole, parse_constant=_constant)
    return body


def _refuse_duplicates(raw: bytes) -> None:
    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                raise Malformed(f"The property {key[:64]!r} appears twice in one JSON object.")
            seen.add(key)

    _json.loads(raw, object_pairs_hook=pairs, parse_float=_ignore, parse_int=_ignore)


def _ignore(_: str) -> None:
    return None


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in JSON text: a pair of surrogates, half of one alone, or any other."""


def _why(raw: bytes, error: Exception) -> str:
    """What is wrong with bytes that can't be read. msgspec's own words name positions and quote no content."""
    if not raw.strip():
        return 'The body is empty: expected one JSON object, such as {"resourceType": "Patient"}.'
    said = str(error).split("\n", 1)[0][:120]
    if isinstance(error, msgspec.DecodeError | UnicodeEncodeError):
        lone = next((found for found in _ESCAPE.finditer(raw) if found["lone"]), None)
        if lone is not None:  # msgspec says that the input was truncated
            return (
                f"The body is not valid JSON: a lone surrogate at byte {lone.start()} (\\uD800 to \\uDFFF are halves "
                "of a character and come in pairs)."
            )
    return f"The body is not valid JSON: {said}"
