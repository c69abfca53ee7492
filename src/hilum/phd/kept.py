"""What a device reported as JSON and back, without loss: how queues and receipts keep it.

Each value says what it is: numbers keep their digits, times their offsets. What a later version does not know it
refuses, since a reading that is half understood is none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from hilum.phd.malformed import Malformed
from hilum.phd.number import Special
from hilum.phd.reading import (
    Bits,
    Clock,
    Coded,
    Coincidence,
    Compound,
    Device,
    Quantity,
    Reading,
    Samples,
    Stamp,
    Status,
    Taken,
)

_CLASSES: Final[Mapping[str, type[Any]]] = {
    one.__name__: one for one in (Bits, Coded, Coincidence, Compound, Device, Quantity, Reading, Samples, Stamp, Taken)
}
_IS: Final = "is"
T = TypeVar("T", Taken, Reading)


def write(kept: Taken | Reading) -> str:
    """As JSON."""
    return json.dumps(_plain(kept), ensure_ascii=False, separators=(",", ":"))


def read(text: str) -> Taken:
    """What `write` wrote of it. Raises Malformed."""
    return _read(text, Taken)


def read_reading(text: str) -> Reading:
    """What `write` wrote of one reading. Raises Malformed."""
    return _read(text, Reading)


def _read(text: str, kind: type[T]) -> T:
    try:
        found = _value(json.loads(text))
    except (ValueError, TypeError, KeyError, InvalidOperation, RecursionError):
        raise Malformed("What was kept of a device is not whole, or of a later version") from None
    if not isinstance(found, kind):
        raise Malformed("What was kept is nothing that came of a device")
    return found


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return {_IS: "decimal", "as": str(value)}
        case Special() | Clock():
            return {_IS: type(value).__name__, "as": value.name}
        case Status():
            return {_IS: "Status", "as": int(value)}
        case datetime():
            return {_IS: "time", "as": value.isoformat()}
        case tuple():
            return [_plain(one) for one in value]
        case None | bool() | int() | str():
            return value
    fields = ((field.name, getattr(value, field.name), field.default) for field in dataclasses.fields(value))
    return {_IS: type(value).__name__} | {name: _plain(one) for name, one, default in fields if one != default}


def _value(plain: Any) -> Any:
    match plain:
        case list():
            return tuple(map(_value, plain))
        case {"is": "decimal", "as": str(digits)}:
            return Decimal(digits)
        case {"is": "Special", "as": str(name)}:
            return Special[name]
        case {"is": "Clock", "as": str(name)}:
            return Clock[name]
        case {"is": "Status", "as": int(bits)}:
            return Status(bits)
        case {"is": "time", "as": str(text)}:
            return datetime.fromisoformat(text)
        case {"is": str(name), **fields}:
            return _CLASSES[name](**{str(key): _value(one) for key, one in fields.items()})
        case None | bool() | int() | str():
            return plain
    raise ValueError
