"""Acknowledgements: MSA and ERR, in original and in enhanced mode. HL7 v2.6, 2.9.2 and 2.9.3, tables 0008 and 0155.

Original mode answers once: AA, AE or AR. Enhanced mode (MSH-15 or MSH-16 is there) answers at once whether the message
is safe (CA, CE, CR, as MSH-15 asks) and after it was processed what came of it (AA, AE, AR, as MSH-16 asks).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Final

from hilum.hl7v2.delimiters import Delimiters
from hilum.hl7v2.message import USUAL, Field, Message, Segment, built, components
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.hl7v2.times import exact

_ASKED: Final = {"AL": (True, True), "NE": (False, False), "ER": (False, True), "SU": (True, False)}
"""Table 0155 -> whether success, whether failure is told."""

_TEXTS: Final = {
    Condition.ACCEPTED: "Message accepted",
    Condition.SEGMENT_SEQUENCE: "Segment sequence error",
    Condition.REQUIRED_FIELD: "Required field missing",
    Condition.DATA_TYPE: "Data type error",
    Condition.TABLE_VALUE: "Table value not found",
    Condition.UNSUPPORTED_MESSAGE: "Unsupported message type",
    Condition.UNSUPPORTED_EVENT: "Unsupported event code",
    Condition.UNSUPPORTED_PROCESSING: "Unsupported processing id",
    Condition.UNSUPPORTED_VERSION: "Unsupported version id",
    Condition.UNKNOWN_KEY: "Unknown key identifier",
    Condition.DUPLICATE_KEY: "Duplicate key identifier",
    Condition.LOCKED: "Application record locked",
    Condition.INTERNAL: "Application internal error",
}


class Stage(Enum):
    """Which of the two answers: the first letter of MSA-1."""

    COMMIT = "C"
    APPLICATION = "A"


def enhanced(message: Message) -> bool:
    """Whether the sender speaks enhanced mode."""
    return bool(message["MSH"][15] or message["MSH"][16])


def wanted(message: Message, stage: Stage, refused: bool) -> bool:
    """Whether the sender wants this answer. Of original mode: the application's, always."""
    if not enhanced(message):
        return stage is Stage.APPLICATION
    asked = message["MSH"][15 if stage is Stage.COMMIT else 16]
    return _ASKED.get(asked, (False, False))[refused]


def acknowledge(
    message: Message | None,
    errors: Sequence[Refused] = (),
    *,
    at: datetime,
    control_id: str,
    stage: Stage = Stage.APPLICATION,
    rejected: bool = False,
) -> Message:
    """The answer to a message; to one that couldn't be read at all, None. `control_id`: of the answer.

    AA (CA) where nothing is wrong; AR (CR) where its type, event, processing id or version isn't taken, it couldn't be
    read, or it is `rejected` for what has nothing to do with what it says; AE (CE) otherwise.
    """
    asked = Message(()) if message is None else message
    header = asked["MSH"]
    signs = asked.delimiters if asked.delimiters.escape and asked.delimiters.subcomponent else USUAL
    rejected = rejected or message is None or any(error.condition.rejects for error in errors)
    code = "A" if not errors else "R" if rejected else "E"
    codec = "utf-8" if message is None else message.codec
    charset = components("UNICODE UTF-8") if codec == "utf-8" else header.field(18)
    fields: list[str | Field] = [
        header.field(5),
        header.field(6),
        header.field(3),
        header.field(4),
        str(exact(at)),
        "",
        components("ACK", header[9, 2], "ACK"),
        control_id,
        header.field(11) or "P",
        header[12] or "2.6",
        *[""] * 5,
        charset,
    ]
    return built(
        Segment.of("MSH", *fields, delimiters=signs),
        Segment.of("MSA", f"{stage.value}{code}", header[10], delimiters=signs),
        *(_err(error, signs) for error in errors),
        codec=codec,
    )


def acknowledged(answer: Message) -> tuple[str, str, tuple[tuple[Condition | None, Place | None], ...]]:
    """Of an answer: MSA-1, MSA-2, and of each ERR its condition and its place. Raises Refused: it is no answer."""
    said = answer["MSA"]
    if said[1] not in ("AA", "AE", "AR", "CA", "CE", "CR"):
        raise Refused(Condition.TABLE_VALUE, "expected one of table 0008", Place("MSA", 1, 1))
    return said[1], said[2], tuple((_condition(error[3]), _place(error)) for error in answer.all("ERR"))


def _err(error: Refused, signs: Delimiters) -> Segment:
    return Segment.of(
        "ERR",
        "",
        () if error.at is None else _erl(error.at),
        components(str(int(error.condition)), _TEXTS[error.condition], "HL70357"),
        "E",
        "",
        "",
        error.why,
        delimiters=signs,
    )


def _erl(place: Place) -> Field:
    numbers = (place.sequence, place.field, place.repetition, place.component, place.subcomponent)
    texts = [place.segment, *("" if number is None else str(number) for number in numbers)]
    while not texts[-1]:
        texts.pop()
    return components(*texts)


def _place(error: Segment) -> Place | None:
    if not error[2]:
        return None
    numbers = [int(error[2, n]) if re.fullmatch("[0-9]{1,6}", error[2, n]) else None for n in range(2, 7)]
    return Place(error[2, 1], numbers[0] or 1, *numbers[1:])


def _condition(code: str) -> Condition | None:
    return next((one for one in Condition if str(int(one)) == code), None)
