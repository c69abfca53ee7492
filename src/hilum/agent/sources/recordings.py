"""What a device once sent, read as if it were here: an IEEE 11073-20601 stream, recorded on its side of the wire.

Our side of the conversation is had anew. Its questions have numbers of their own, so each recorded answer is taken as
one to the question that is open; what was recorded by another manager is read, too, as far as it asked the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import operations
from hilum.phd.ieee20601.apdu import Frames, Prst
from hilum.phd.ieee20601.manager import Manager, State
from hilum.phd.ieee20601.operations import Acted, Changed, ConfirmedAct, ConfirmedSet, Failed, Get, Got, Rejected
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Taken

_ANSWERS: Final = (Got, Acted, Changed, Failed, Rejected)
_QUESTIONS: Final = (Get, ConfirmedAct, ConfirmedSet)


@dataclass(frozen=True, slots=True)
class Found:
    """What was there. `wrong`: why that is not all of it; "": it is."""

    taken: tuple[Taken, ...] = ()
    wrong: str = ""


def replay(data: bytes, at: datetime, system_id: bytes) -> Found:
    """All that a recording holds. `at`: when it was recorded, by the gateway's clock: the device's clock is judged by
    it."""
    manager, frames, asked = Manager(system_id, sets_clock=False), Frames(), 0
    taken: list[Taken] = []
    wrong = ""
    try:
        for frame in frames.feed(data):
            for heard in manager.received(_answering(frame, asked), at):
                taken += heard.taken
                wrong = wrong or (heard.refused.reason if heard.refused else "")
                asked = _asked((*heard.send, *heard.confirm), asked)
    except Malformed as error:
        wrong = wrong or str(error)
    if frames.clear() and not wrong:
        wrong = "it ends in the middle of an APDU"
    if not (taken or wrong):
        told = "the device never said what it is" if manager.state is State.OPERATING else "no association"
        wrong = f"nothing was measured in it: {told}"
    return Found(tuple(taken), wrong)


def _answering(frame: bytes, asked: int) -> bytes:
    """The frame; an answer has the number of the question."""
    apdu = apdus.read(frame)
    if not isinstance(apdu, Prst):
        return frame
    data = operations.read(apdu.data)
    if not isinstance(data.message, _ANSWERS):
        return frame
    return apdus.write(operations.write(replace(data, invoke=asked)))


def _asked(sent: Sequence[bytes], before: int) -> int:
    """The number of the question that is open now."""
    for one in sent:
        apdu = apdus.read(one)
        if isinstance(apdu, Prst) and isinstance((data := operations.read(apdu.data)).message, _QUESTIONS):
            before = data.invoke
    return before
