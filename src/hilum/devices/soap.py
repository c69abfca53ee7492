"""PCD-01 as IHE's web service, on the same address: CommunicatePCDData in, its response out. IHE PCD TF-2, 3.1.

What is wrong with the message its acknowledgement says, in a response like any other. What is wrong with the envelope
is a fault, with the status that SOAP's binding to HTTP gives it (https://www.w3.org/TR/soap12-part2/#http-reqbindwaitstate).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import uuid4

from hilum.access.policy import Principal
from hilum.devices.gateway import Outcome
from hilum.devices.hl7v2 import Messages
from hilum.hl7v2 import soap
from hilum.hl7v2.message import parse
from hilum.hl7v2.refused import Refused

MEDIA: Final = "application/soap+xml"
_STATUS: Final = {soap.Code.SENDER: 400, soap.Code.ENCODING: 400}


class Enveloped(NamedTuple):
    """The answer, with the status of HTTP."""

    status: int
    content: bytes
    outcomes: tuple[Outcome, ...] = ()
    refused: tuple[Refused, ...] = ()


def _urn() -> str:
    return uuid4().urn


async def answer(messages: Messages, who: Principal, raw: bytes, message_id: Callable[[], str] = _urn) -> Enveloped:
    """To an envelope. Raises what `Messages.answer` raises."""
    relates_to = ""
    try:
        envelope = soap.parse_request(raw)
        relates_to = envelope.message_id
        found = await messages.answer_one(who, envelope.content, "utf-8")
        acknowledgement = parse(found.content, codec=found.codec)
        content = soap.response(acknowledgement, message_id=message_id(), relates_to=relates_to)
        return Enveloped(found.status, content, found.outcomes, found.refused)
    except soap.Fault as fault:
        status = _STATUS.get(fault.fault, 500)
        return Enveloped(status, soap.fault(fault, message_id=message_id(), relates_to=relates_to), (), (fault,))
