"""FHIR JSON in and out, digits kept. https://hl7.org/fhir/R4/json.html

A JSON number with a fraction or exponent becomes a `Decimal`, so that `1.10` never becomes `1.1`
(https://hl7.org/fhir/R4/datatypes.html#decimal: precision is part of the value). Value and precision are kept, not the
spelling: `1e3` is written `1E+3`, `0.0000001` is written `1E-7`, `0e0` is written `0`. A whole number becomes an int,
so that `-0` is written `0`: the same value, and as precise (`-0.0` keeps its sign).
"""

from __future__ import annotations

import json as _json
from decimal import Decimal
from typing import Any

import msgspec

from hilum.problems import Malformed

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")

encode = _encoder.encode
"""Value to compact UTF-8 JSON bytes; dict order is kept, Decimals keep their digits."""


def pretty(raw: bytes) -> bytes:
    """The same JSON, indented for people (`_pretty=true`)."""
    return msgspec.json.format(raw, indent=2)


def parse(raw: bytes) -> dict[str, Any]:
    """A JSON object from bytes.

    Raises Malformed when the bytes are not UTF-8 JSON, not an object, nested too deep to read, or name a property
    twice (which JSON parsers resolve differently, so that two readers would see two records).
    """
    try:
        body = _decoder.decode(raw)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply to be a FHIR resource.") from None
    except ArithmeticError:  # Decimal's: an exponent of more than 18 digits
        raise Malformed("A number in the body is out of range.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Malformed(f"The body is not valid JSON: {_safe(error)}") from None
    if type(body) is not dict:
        raise Malformed('The body must be one JSON object, such as {"resourceType": "Patient"}.')
    # A dropped duplicate takes its quotes with it, so equal counts prove that there was none, unless escaped quotes
    # make up for it: those are written \" here. Anything doubtful is looked at properly.
    if raw.count(b'"') != encode(body).count(b'"') or b"\\u0022" in raw:
        _refuse_duplicates(raw)
    return body


def stored(raw: bytes) -> dict[str, Any]:
    """A body that hilum wrote itself, and so need not doubt."""
    body: dict[str, Any] = _decoder.decode(raw)
    return body


def _refuse_duplicates(raw: bytes) -> None:
    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen:
                raise Malformed(f"The property {key[:64]!r} appears twice in one JSON object.")
            seen.add(key)

    try:
        _json.loads(raw, object_pairs_hook=pairs, parse_float=_ignore, parse_int=_ignore)
    except RecursionError:
        raise Malformed("The JSON is nested too deeply to be a FHIR resource.") from None


def _ignore(_: str) -> None:
    return None


def _safe(error: Exception) -> str:
    """The parser's text: positions only, since msgspec quotes no content."""
    return str(error).split("\n", 1)[0][:120]
