"""What is wrong with a message, and where: the one error of this package. HL7 v2.6, 2.15.5 (ERR), table 0357."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hilum.problems import Invalid


class Condition(IntEnum):
    """Message error condition codes. Table 0357."""

    ACCEPTED = 0
    SEGMENT_SEQUENCE = 100
    REQUIRED_FIELD = 101
    DATA_TYPE = 102
    TABLE_VALUE = 103
    UNSUPPORTED_MESSAGE = 200
    UNSUPPORTED_EVENT = 201
    UNSUPPORTED_PROCESSING = 202
    UNSUPPORTED_VERSION = 203
    UNKNOWN_KEY = 204
    DUPLICATE_KEY = 205
    LOCKED = 206
    INTERNAL = 207

    @property
    def rejects(self) -> bool:
        """Whether nothing of such a message can be processed, so that it is AR and not AE (2.9.2.2)."""
        return 200 <= self <= 203


@dataclass(frozen=True, slots=True)
class Place:
    """ERR-2, ERL: a segment, which one of its name, a field, a repetition, a component, a subcomponent; from 1 on."""

    segment: str
    sequence: int = 1
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        told = f"{self.segment}[{self.sequence}]"
        for sign, number in (
            ("-", self.field),
            ("~", self.repetition),
            (".", self.component),
            (".", self.subcomponent),
        ):
            told += "" if number is None else f"{sign}{number}"
        return told


class Refused(Invalid):
    """A message, or a part of it, that isn't taken. `why` never holds what was sent but codes and names of types."""

    def __init__(self, condition: Condition, why: str, at: Place | None = None) -> None:
        text = why if at is None else f"{at}: {why}"
        super().__init__(text)
        self.condition, self.why, self.at = condition, why, at
