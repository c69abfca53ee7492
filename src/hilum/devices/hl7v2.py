"""HL7 v2 at the gateway: PCD-01 in, one by one or in batches, acknowledgements out. HL7 v2.6, 2.9 and 2.10.3.

    it was                                                  the answer (enhanced mode, where MSH-15 alone asks)
    ------------------------------------------------------  ------------------------------------------------------------
    stored                                                  AA (CA)
    held until somebody says whose it is                    AA (CA), with an ERR of severity W (table 0516)
    not as the profile has it, or of no use to FHIR         AE (CE), with an ERR that says where
    of another type, event, version or processing id        AR (CR), with an ERR that says where
    of a device that was revoked, or not allowed            AR (CR), "Unknown key identifier" (table 0357)
    another message under the same MSH-3, MSH-4 and MSH-10  AE (CE), "Duplicate key identifier" (table 0357)

It is given once the commit is durable, and the same message gets the same answer to the byte. A held one is accepted:
the sender is to forget it. HTTP has an answer in any case, so it is the application's where MSH-16 asks for it or where
nobody asks. What may be tried again (Busy) is nobody's fault, and raised: HTTP says 503, and MQTT waits.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

from hilum.access.policy import Principal
from hilum.devices import pcd01
from hilum.devices.gateway import Name, Outcome
from hilum.hl7v2 import pcd01 as profile
from hilum.hl7v2.ack import Stage, acknowledge, enhanced, wanted
from hilum.hl7v2.batch import Batch, File, parse_file
from hilum.hl7v2.delimiters import Delimiters
from hilum.hl7v2.message import USUAL, Message, Segment, built, components, joined, parse
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.phd.malformed import Malformed
from hilum.problems import Busy, Damaged, Forbidden, Misconfigured, Problem, Spoiled, Throttled

SYSTEM: Final = "urn:hilum:hl7v2"
"""Of what messages are known by: MSH-3, MSH-4 and MSH-10 in place of Bundle.identifier."""

_IDS: Final = UUID("4c0c5c8e-2f0b-5a57-8a0e-3f4f8e3f5d10")
"""Of the bundles that are made of messages; ours, by chance."""
_LONGEST: Final = 1000
"""Characters of MSH-3, MSH-4 and MSH-10 together, which are kept for as long as a receipt is."""
_LARGE: Final = 1 << 18
"""Bytes: longer ones are read in a thread."""
OURS: Final = (Busy, Throttled, Damaged, Spoiled, Misconfigured)
"""What no sender can mend: no acknowledgement says it."""
_ECHOED: Final = (3, 4, 5, 6, 10, 11, 12, 18)
"""What an answer repeats, also in XML, which has no control characters."""
_TIMES: Final = (7, 8)
"""MSH-7 and MSH-8: a message that is sent again may have a new time, and is the same."""


def _control_id() -> str:
    """20 characters, as many as MSH-10 may have."""
    return secrets.token_hex(10)


class Takes(Protocol):
    """`hilum.devices.gateway.take` of one gateway."""

    async def __call__(
        self, who: Principal, bundle: Mapping[str, Any], *, name: Name, content: bytes, ack: Callable[[str], str]
    ) -> Outcome:
        """As that has it."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """`content`: acknowledgements, in the character set of what came. `status`: of HTTP: 202 where all is held, 403
    where the one message is of nobody who may send it, else 200, whatever the acknowledgements say. `outcomes`: of the
    messages that were taken. `refused`: what was wrong with the others.
    """

    content: bytes
    codec: str
    status: int = 200
    outcomes: tuple[Outcome, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Messages:
    """`origin`: of this server. `clock`: seconds since 1970. `control_id`: of answers to what was refused."""

    take: Takes
    origin: str
    environment: str
    clock: Callable[[], float] = time.time
    control_id: Callable[[], str] = _control_id

    async def answer(self, who: Principal, raw: bytes) -> Answer:
        """To a message, a batch or a file. Raises Busy, Throttled, Damaged, Misconfigured."""
        try:
            file = await asyncio.to_thread(parse_file, raw) if len(raw) > _LARGE else parse_file(raw)
        except Refused as refused:
            return self._unread(raw, refused)
        answered = [[await self._one(who, message) for message in batch.messages] for batch in file.batches]
        flat = [one for batch in answered for one in batch]
        text = self._together(file, [[one.text for one in batch] for batch in answered])
        return _answer(text, file.messages[0].codec if file.messages else "ascii", flat)

    async def answer_one(self, who: Principal, raw: bytes, codec: str) -> Answer:
        """To a single message whose character set the transport tells. Raises the same."""
        try:
            message = parse(raw, codec=codec)
        except Refused as refused:
            return self._unread(raw, refused)
        one = await self._one(who, message)
        return _answer(one.text, codec, [one])

    async def _one(self, who: Principal, message: Message) -> _Answered:
        try:
            name = _name(message)
            id = uuid5(_IDS, name.value).urn
            read = partial(_bundle, message, self.origin, self.environment, id)
            large = len(message.segments) > _LARGE >> 8
            bundle, content = await asyncio.to_thread(read) if large else read()
            at = datetime.fromtimestamp(self.clock(), UTC)
            outcome = await self.take(
                who, bundle, name=name, content=content, ack=partial(accepted, message, at, self.control_id())
            )
        except OURS:
            raise
        except Problem as problem:
            refused = as_refused(problem)
            rejected = isinstance(problem, Forbidden)
            return _Answered(_text(self._refusal(message, refused, rejected)), None, refused, 403 if rejected else 200)
        return _Answered(outcome.receipt.ack, outcome, None, 202 if outcome.receipt.held else 200)

    def _refusal(self, message: Message | None, refused: Refused, rejected: bool = False) -> Message:
        stage = Stage.APPLICATION if message is None else asked(message, True)
        at = datetime.fromtimestamp(self.clock(), UTC)
        return acknowledge(message, (refused,), at=at, control_id=self.control_id(), stage=stage, rejected=rejected)

    def _unread(self, raw: bytes, refused: Refused) -> Answer:
        answer = self._refusal(_header(raw), refused)
        return Answer(answer.write(), answer.codec, 200, (), (refused,))

    def _together(self, file: File, answers: list[list[str]]) -> str:
        """In the shape of what came: each header that was there is answered with one."""
        made = [self._of_batch(batch, texts) for batch, texts in zip(file.batches, answers, strict=True)]
        if file.header is None:
            return "".join(made)
        return self._enclosed(file.header, "FTS", len(made), made)

    def _of_batch(self, batch: Batch, texts: list[str]) -> str:
        return "".join(texts) if batch.header is None else self._enclosed(batch.header, "BTS", len(texts), texts)

    def _enclosed(self, header: Segment, trailer: str, count: int, texts: list[str]) -> str:
        """BHS-12 and FHS-12: the control id of what is answered. HL7 v2.6, 2.15.2 and 2.15.7."""
        fields = [header.field(5), header.field(6), header.field(3), header.field(4)]
        at = datetime.fromtimestamp(self.clock(), UTC)
        begun = Segment.of(
            header.name, *fields, f"{at:%Y%m%d%H%M%S}+0000", "", "", "", self.control_id(), header[11],
            delimiters=header.delimiters,
        )  # fmt: skip
        ended = Segment.of(trailer, str(count), delimiters=header.delimiters)
        return f"{begun}\r{''.join(texts)}{ended}\r"


@dataclass(frozen=True, slots=True)
class _Answered:
    text: str
    outcome: Outcome | None
    refused: Refused | None = None
    status: int = 200


def _answer(text: str, codec: str, answered: Sequence[_Answered]) -> Answer:
    statuses = {one.status for one in answered}
    return Answer(
        text.encode(codec),
        codec,
        statuses.pop() if len(statuses) == 1 else 200,
        tuple(one.outcome for one in answered if one.outcome is not None),
        tuple(one.refused for one in answered if one.refused is not None),
    )


def accepted(message: Message, at: datetime, control_id: str, held: str) -> str:
    """The acknowledgement of a message that was taken. `held`: why it waits, "" where it does not."""
    answer = acknowledge(message, at=at, control_id=control_id, stage=asked(message, False))
    if held:
        condition = components(str(int(Condition.ACCEPTED)), "Message accepted", "HL70357")
        own = components("HELD", "Held until it is known whose it is", "L")
        note = Segment.of("ERR", "", "", condition, "W", own, "", "", held, delimiters=answer.delimiters)
        answer = built(*answer.segments, note, codec=answer.codec)
    return _text(answer)


def asked(message: Message, refused: bool) -> Stage:
    """Which of the two answers a sender gets that waits for one."""
    for stage in (Stage.APPLICATION, Stage.COMMIT):
        if wanted(message, stage, refused):
            return stage
    commit = enhanced(message) and message["MSH"][16] in ("", "NE") and message["MSH"][15] not in ("", "NE")
    return Stage.COMMIT if commit else Stage.APPLICATION


def as_refused(problem: Problem) -> Refused:
    """What went wrong, as ERR says it; never as an internal error, which senders try again."""
    if isinstance(problem, Refused):
        return problem
    if any(issue.expression == "Bundle.identifier" for issue in problem.issues):
        why = "another message came before with this control id of this sender"
        return Refused(Condition.DUPLICATE_KEY, why, Place("MSH", 1, 10))
    told = (f"{one.expression}: {one.diagnostics}" if one.expression else one.diagnostics for one in problem.issues)
    condition = Condition.UNKNOWN_KEY if isinstance(problem, Forbidden) else Condition.DATA_TYPE
    return Refused(condition, "; ".join(told).encode("ascii", "replace").decode())


def _name(message: Message) -> Name:
    """By what it is known. Raises Refused."""
    header = message["MSH"]
    if not header[10]:
        raise Refused(Condition.REQUIRED_FIELD, "it is required", Place("MSH", 1, 10))
    for number in _ECHOED:
        if not all(text.isprintable() for one in header.field(number) for component in one for text in component):
            raise Refused(Condition.DATA_TYPE, "a control character", Place("MSH", 1, number))
    value = "|".join(joined(header.field(number), USUAL) for number in (3, 4, 10))
    if len(value) > _LONGEST:
        raise Refused(Condition.DATA_TYPE, f"over {_LONGEST} characters with MSH-3 and MSH-4", Place("MSH", 1, 10))
    return Name(SYSTEM, value)


def _bundle(message: Message, origin: str, environment: str, id: str) -> tuple[dict[str, Any], bytes]:
    """The bundle, and the SHA-256 of what was said, however its lines end. Raises Refused."""
    upload = profile.read(message)
    if environment == "production" and upload.processing != "P":
        why = "expected P: this is the environment production, and training and debugging are not for it"
        raise Refused(Condition.UNSUPPORTED_PROCESSING, why, Place("MSH", 1, 11))
    header, *others = message.segments
    raw = tuple("" if number in _TIMES else text for number, text in enumerate(header.raw, 1))
    said = "\r".join(map(str, (replace(header, raw=raw), *others)))
    try:
        return pcd01.transaction(upload, origin, id), sha256(said.encode()).digest()
    except Malformed as malformed:
        raise Refused(Condition.DATA_TYPE, malformed.reason, Place("OBX")) from None


def _header(raw: bytes) -> Message | None:
    """The header of a message that can't be read otherwise, in ASCII; None where it has none either."""
    line = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b"\r").split(b"\r", 1)[0]
    try:
        message = parse(line.decode("ascii", "replace").replace("\ufffd", "?").encode(), codec="ascii")
    except Refused:
        return None
    header = message.segments[0]
    fields = tuple("" if number == 18 else text for number, text in enumerate(header.raw, 1))
    return built(replace(header, raw=fields, delimiters=_whole(header.delimiters)), codec="ascii")


def _whole(signs: Delimiters) -> Delimiters:
    """With all that an answer needs."""
    return signs if signs.escape and signs.subcomponent else USUAL


def _text(message: Message) -> str:
    return message.write().decode(message.codec)
