"""Files and batches of messages: FHS, BHS, messages, BTS, FTS. HL7 v2.6, 2.10.3."""

from __future__ import annotations

from dataclasses import dataclass

from hilum.hl7v2.message import LIMITS, Limits, Message, Segment, lines
from hilum.hl7v2.refused import Condition, Place, Refused


@dataclass(frozen=True, slots=True)
class Batch:
    """`header`, `trailer`: BHS and BTS; both may be missing."""

    messages: tuple[Message, ...]
    header: Segment | None = None
    trailer: Segment | None = None


@dataclass(frozen=True, slots=True)
class File:
    """`header`, `trailer`: FHS and FTS; both may be missing."""

    batches: tuple[Batch, ...]
    header: Segment | None = None
    trailer: Segment | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """Of all batches, in order."""
        return tuple(message for batch in self.batches for message in batch.messages)


def parse_file(raw: bytes, limits: Limits = LIMITS, codec: str | None = None) -> File:
    """A file, a batch, or bare messages one after another. `codec`: as `parse` has it.

    Raises Refused, also where BTS-1 or FTS-1 are wrong.
    """
    segments, codec, told = lines(raw, limits, codec)
    at, end = 0, len(segments)

    def one(name: str) -> Segment | None:
        nonlocal at
        if at < end and segments[at].name == name:
            at += 1
            return segments[at - 1]
        return None

    header, batches = one("FHS"), list[Batch]()
    while at < end and segments[at].name in ("BHS", "MSH"):
        begun, messages = one("BHS"), list[Message]()
        while at < end and segments[at].name == "MSH":
            first = at
            at += 1
            while at < end and segments[at].name not in ("MSH", "BHS", "BTS", "FTS", "FHS"):
                at += 1
            messages.append(Message(segments[first:at], codec, told))
        ended = one("BTS")
        _counted(ended, len(messages))
        batches.append(Batch(tuple(messages), begun, ended))
    trailer = one("FTS")
    _counted(trailer, len(batches))
    if at < end:
        raise Refused(Condition.SEGMENT_SEQUENCE, "a segment that belongs to no message", Place(segments[at].name))
    return File(tuple(batches), header, trailer)


def _counted(trailer: Segment | None, count: int) -> None:
    if trailer is not None and trailer[1] and trailer[1] != str(count):
        raise Refused(
            Condition.DATA_TYPE, f"it counts otherwise than the {count} that are there", Place(trailer.name, 1, 1)
        )
