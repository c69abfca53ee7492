"""Record Access Control Point, 0x2A52: asking for what a device stored. Glucose Service 1.0.1; CGM Service 1.0.2.

A collector writes a `Request`; the device indicates `Count` or `Outcome`, after it has notified what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.wire import Reader, Writer
from hilum.phd.malformed import Malformed

UUID: Final = 0x2A52
_NAME: Final = "Record Access Control Point"


class Procedure(IntEnum):
    """Op Code."""

    REPORT = 1
    DELETE = 2
    ABORT = 3
    COUNT = 4
    COUNTED = 5
    RESPONSE = 6


class Operator(IntEnum):
    """Which records."""

    NONE = 0
    ALL = 1
    UP_TO = 2
    FROM = 3
    BETWEEN = 4
    FIRST = 5
    LAST = 6


class Filter(IntEnum):
    """What records are told apart by. `NUMBER`: of a glucose meter the sequence number, of a CGM the time offset."""

    NUMBER = 1
    TIME = 2


class Result(IntEnum):
    """Response Code."""

    SUCCESS = 1
    PROCEDURE_NOT_SUPPORTED = 2
    INVALID_OPERATOR = 3
    OPERATOR_NOT_SUPPORTED = 4
    INVALID_OPERAND = 5
    NO_RECORDS = 6
    ABORT_UNSUCCESSFUL = 7
    NOT_COMPLETED = 8
    OPERAND_NOT_SUPPORTED = 9


_ARGUMENTS: Final = {Operator.UP_TO: 1, Operator.FROM: 1, Operator.BETWEEN: 2}
_REQUESTS: Final = frozenset({Procedure.REPORT, Procedure.DELETE, Procedure.ABORT, Procedure.COUNT})


@dataclass(frozen=True, slots=True)
class Request:
    """`operands`: one of UP_TO and FROM, two of BETWEEN (both are meant too), none of others."""

    UUID: ClassVar[int] = UUID

    procedure: Procedure
    operator: Operator = Operator.ALL
    operands: tuple[int, ...] | tuple[DateTime, ...] = ()

    @property
    def filter(self) -> Filter | None:
        """What its operands are. None: it has none."""
        if not self.operands:
            return None
        return Filter.TIME if isinstance(self.operands[0], DateTime) else Filter.NUMBER

    def encode(self) -> bytes:
        """Raises Malformed: the operands are not those of its operator, or it is no request."""
        if self.procedure not in _REQUESTS or len(self.operands) != _ARGUMENTS.get(self.operator, 0):
            raise Malformed(f"{_NAME}: {self.procedure.name} {self.operator.name} with {len(self.operands)} operands")
        writer = Writer().uint(self.procedure, 1).uint(self.operator, 1)
        if self.filter is not None:
            writer.uint(self.filter, 1)
        for operand in self.operands:
            _ = writer.time(operand) if isinstance(operand, DateTime) else writer.uint(operand, 2)
        return writer.done()


@dataclass(frozen=True, slots=True)
class Count:
    """How many records there are."""

    UUID: ClassVar[int] = UUID

    number: int

    def encode(self) -> bytes:
        """Raises Malformed."""
        return Writer().uint(Procedure.COUNTED, 1).uint(Operator.NONE, 1).uint(self.number, 2).done()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a procedure ended. `request`: its op code, as sent, for it may be one that nobody knows."""

    UUID: ClassVar[int] = UUID

    request: int
    result: Result

    def encode(self) -> bytes:
        """Raises Malformed."""
        writer = Writer().uint(Procedure.RESPONSE, 1).uint(Operator.NONE, 1)
        return writer.uint(self.request, 1).uint(self.result, 1).done()


def decode(data: bytes) -> Request | Count | Outcome:
    """What was written or indicated. Raises Malformed."""
    reader = Reader(data, _NAME)
    procedure, operator = reader.code(Procedure), reader.code(Operator)
    found: Request | Count | Outcome
    if procedure in _REQUESTS:
        found = Request(procedure, operator, _operands(reader, _ARGUMENTS.get(operator, 0)))
    elif operator is not Operator.NONE:
        raise reader.refuse(f"{procedure.name} with the operator {operator.name}", 1)
    elif procedure is Procedure.COUNTED:
        found = Count(reader.uint(2))
    else:
        found = Outcome(reader.uint(1), reader.code(Result))
    reader.end()
    return found


def _operands(reader: Reader, number: int) -> tuple[int, ...] | tuple[DateTime, ...]:
    if not number:
        return ()
    if reader.code(Filter) is Filter.TIME:
        return tuple(reader.time() for _ in range(number))
    return tuple(reader.uint(2) for _ in range(number))
