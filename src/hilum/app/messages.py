"""HL7 v2 at the edge: a message by its media type, in an envelope or bare, and its answer as it came.

    application/hl7-v2, x-application/hl7-v2+er7, text/plain   a message, a batch or a file (`hilum.devices.hl7v2`)
    application/soap+xml                                       CommunicatePCDData, SOAP 1.2 (`hilum.devices.soap`)

The status is 200 (held: 202) where there is an acknowledgement, whatever it says; but 403 for who may not send it.
MSH-18 says the character set, no header does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hilum.access.policy import Principal
from hilum.devices import soap
from hilum.devices.gateway import Outcome
from hilum.devices.hl7v2 import Messages
from hilum.hl7v2.refused import Refused
from hilum.interactions.permit import permits
from hilum.problems import UnsupportedMediaType
from hilum.rest.message import NO_STORE, Response

ER7: Final = ("application/hl7-v2", "x-application/hl7-v2+er7", "application/hl7-v2+er7", "text/plain")
_CHARSETS: Final = {"ascii": "us-ascii"} | {f"iso8859-{part}": f"iso-8859-{part}" for part in range(1, 16)}


def media(who: Principal, headers: Mapping[bytes, bytes]) -> str:
    """How it comes, before it is read. Raises UnsupportedMediaType, Forbidden."""
    said = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if said not in (*ER7, soap.MEDIA):
        raise UnsupportedMediaType(f"HL7 v2 comes as {', '.join(ER7)}, or, in SOAP 1.2, as {soap.MEDIA}.")
    permits(who, "Observation", "c")
    return said


async def answer(messages: Messages, who: Principal, said: str, content: bytes) -> Response:
    """To what came so. Raises Busy and the like: nothing is acknowledged."""
    if said == soap.MEDIA:
        done = await soap.answer(messages, who, content)
        return _response(done.status, f"{said}; charset=utf-8", done.content, done.outcomes, done.refused)
    found = await messages.answer(who, content)
    type = f"{said}; charset={_CHARSETS.get(found.codec, found.codec)}"
    return _response(found.status, type, found.content, found.outcomes, found.refused)


def _response(
    status: int, type: str, content: bytes, outcomes: Sequence[Outcome], refused: Sequence[Refused]
) -> Response:
    return Response(
        status,
        [(b"content-type", type.encode()), NO_STORE],
        content,
        shown=tuple(seq for one in outcomes for seq in one.shown),
        recorded=not refused and bool(outcomes) and all(one.recorded for one in outcomes),
    )
