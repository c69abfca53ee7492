"""The device's side of an association, without a wire: what a simulated device says and answers.

ISO/IEEE 11073-20601, 8.4, table E.1 (read from signove/antidote, src/communication/fsm.c, dbb2742, 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, clocks, operations
from hilum.phd.ieee20601.apdu import (
    ASSOCIATION,
    Aare,
    Aarq,
    Abrt,
    Apdu,
    Association,
    Frames,
    Protocol,
    Prst,
    Rlre,
    Rlrq,
    rejected,
    requested,
)
from hilum.phd.ieee20601.attributes import Attributes
from hilum.phd.ieee20601.clocks import TimeInfo
from hilum.phd.ieee20601.codes import (
    MDS,
    PROTOCOL,
    UNKNOWN_PERSON,
    AbortReason,
    Action,
    Attribute,
    ConfigResult,
    Error,
    Event,
    Result,
    TimeCapability,
    Version,
)
from hilum.phd.ieee20601.events import (
    CONFIGURATION,
    CONFIGURATION_RESULT,
    Configuration,
    Fixed,
    Observation,
    Of,
    Scan,
    Variable,
    write_scan,
)
from hilum.phd.ieee20601.metrics import extra, observed
from hilum.phd.ieee20601.operations import (
    Act,
    Acted,
    Changed,
    ConfirmedAct,
    ConfirmedEventReport,
    ConfirmedSet,
    Data,
    EventReport,
    EventReported,
    Failed,
    Get,
    Got,
    Message,
    Set,
)
from hilum.phd.malformed import Malformed
from hilum.phd.reading import NOTHING, Clock, Reading


class State(Enum):
    """Of an agent."""

    UNASSOCIATED = "unassociated"
    ASSOCIATING = "associating"
    WAITING_APPROVAL = "waiting for approval"
    OPERATING = "operating"
    DISASSOCIATING = "disassociating"


@dataclass(frozen=True, slots=True)
class Answered:
    """What follows from an APDU. `send`: one APDU each. `confirmed`: reports that the manager has, by their number."""

    send: tuple[bytes, ...] = ()
    confirmed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading of the object with this handle, and of which of the device's users."""

    handle: int
    reading: Reading
    person: int | None = None


class Agent:
    """A device. `about`: attributes of it, as its maker set them. `clock`: the one that it stamps by; `skew`: by how
    much it goes wrong; `asks`: whether it wants to be set right. `version`: bits of the versions that it speaks.
    """

    def __init__(
        self,
        system_id: bytes,
        configuration: Configuration,
        about: Attributes,
        clock: Clock | None = Clock.ABSOLUTE,
        skew: timedelta = timedelta(),
        asks: bool = False,
        version: int = Version.ONE,
    ) -> None:
        self.system_id, self.configuration, self._about = system_id, configuration, about
        self.clock, self.skew, self._asks, self._version = clock, skew, asks, version
        self.state = State.UNASSOCIATED
        self._frames = Frames()
        self._invoke = 0
        self._open: set[int] = set()

    def time(self, at: datetime) -> datetime:
        """What its clock says when it is `at`."""
        return at + self.skew

    def associate(self) -> bytes:
        """The request that begins it all."""
        self._end()
        self.state = State.ASSOCIATING
        ours = Association(
            self._version, system_id=self.system_id, config=self.configuration.id, requests=1, agent_requests=1
        )
        return apdus.write(requested(ours))

    def release(self) -> bytes:
        """The request that ends it."""
        self.state = State.DISASSOCIATING
        return apdus.write(Rlrq())

    def report(self, measured: Sequence[Measured]) -> bytes:
        """A report to be confirmed, fixed where all values stand in their objects' maps. Raises Malformed."""
        persons = list(dict.fromkeys(one.person for one in measured))
        several = persons != [None]
        of = [[self._observed(one) for one in measured if one.person == person] for person in persons]
        fixed = all(one is not None for found in of for one, _ in found)
        event = {
            (True, False): Event.SCAN_REPORT_FIXED,
            (False, False): Event.SCAN_REPORT_VAR,
            (True, True): Event.SCAN_REPORT_MP_FIXED,
            (False, True): Event.SCAN_REPORT_MP_VAR,
        }[fixed, several]
        scan = Scan(
            tuple(
                Of(_numbered(person) if several else None, tuple(_chosen(one, fixed) for one in found))
                for person, found in zip(persons, of, strict=True)
            )
        )
        return self._invoked(ConfirmedEventReport(MDS, event, write_scan(event, scan)))

    def received(self, data: bytes, at: datetime) -> Answered:
        """What follows from bytes that came. `at`: when, by a right clock."""
        sent: list[bytes] = []
        confirmed: list[int] = []
        try:
            for frame in self._frames.feed(data):
                answered = self._heard(apdus.read(frame), at)
                sent += answered.send
                confirmed += answered.confirmed
        except Malformed:
            self._frames.clear()
            sent += self._abort().send
        return Answered(tuple(sent), tuple(confirmed))

    def disconnected(self) -> None:
        """The transport is gone."""
        self._frames.clear()
        self._end()

    def _end(self) -> None:
        self.state = State.UNASSOCIATED
        self._open.clear()

    def _abort(self) -> Answered:
        self._end()
        return _sending(Abrt(AbortReason.UNDEFINED))

    def _heard(self, apdu: Apdu, at: datetime) -> Answered:
        match self.state, apdu:
            case _, Abrt():
                self._end()
                return Answered()
            case (State.UNASSOCIATED, Rlre()):
                return Answered()
            case ((State.UNASSOCIATED | State.ASSOCIATING), Aarq()):
                self._end()
                return _sending(rejected(Result.REJECTED_PERMANENT))
            case State.ASSOCIATING, Aare(result, protocol):
                return self._associated(result, protocol)
            case State.DISASSOCIATING, Rlre():
                self._end()
                return Answered()
            case State.DISASSOCIATING, Rlrq():
                return _sending(Rlre())
            case ((State.WAITING_APPROVAL | State.OPERATING), Rlrq()):
                self._end()
                return _sending(Rlre())
            case ((State.WAITING_APPROVAL | State.OPERATING), Prst(data)):
                return self._data(operations.read(data), at)
            case State.DISASSOCIATING, Prst():
                return Answered()
        return self._abort()

    def _associated(self, result: int, protocol: Protocol) -> Answered:
        if result not in (Result.ACCEPTED, Result.ACCEPTED_UNKNOWN_CONFIG):
            self._end()
            return Answered()
        if protocol.id != PROTOCOL:
            return self._abort()
        ASSOCIATION.decode(protocol.info, "AARE")
        if result == Result.ACCEPTED:
            self.state = State.OPERATING
            return Answered()
        self.state = State.WAITING_APPROVAL
        info = CONFIGURATION.encode(self.configuration)
        return Answered((self._invoked(ConfirmedEventReport(MDS, Event.CONFIG, info)),))

    def _data(self, data: Data, at: datetime) -> Answered:
        match data.message:
            case EventReported():
                return self._reported(data.invoke, data.message)
            case Get(handle=0):
                return self._answering(data.invoke, Got(MDS, attributes.write(self._now(at))))
            case ConfirmedAct(handle=0, action=Action.SET_TIME | Action.SET_BO_TIME):
                self._set(data.message, at)
                return self._answering(data.invoke, Acted(MDS, data.message.action))
            case ConfirmedSet(handle, changes) if handle in {one.handle for one in self.configuration.objects}:
                return self._answering(data.invoke, Changed(handle, tuple(one.attribute for one in changes)))
            case ConfirmedAct():
                return self._answering(data.invoke, Failed(Error.NO_SUCH_ACTION))
            case Get() | ConfirmedSet() | ConfirmedEventReport() | EventReport():
                return self._answering(data.invoke, Failed(Error.NO_SUCH_OBJECT_INSTANCE))
            case Act() | Set():
                return Answered()
        self._open.discard(data.invoke)
        return Answered()

    def _reported(self, invoke: int, reported: EventReported) -> Answered:
        if invoke not in self._open:
            return self._abort()
        self._open.discard(invoke)
        if reported.event != Event.CONFIG:
            return Answered(confirmed=(invoke,))
        result = CONFIGURATION_RESULT.decode(reported.info, "CONFIG")
        if result.result != ConfigResult.ACCEPTED:
            return _sending_bytes(self.release())
        self.state = State.OPERATING
        return Answered()

    def _now(self, at: datetime) -> Attributes:
        state = TimeCapability(0)
        now: Attributes = {}
        if self.clock is not None:
            now[clocks.NOW[self.clock]] = clocks.stamp(self.clock, self.time(at))
            state = _CAPABLE[self.clock]
            if self._asks:
                state |= TimeCapability.MANAGER_SETS_TIME
        return {
            Attribute.SYS_ID: self.system_id,
            Attribute.DEV_CONFIG_ID: self.configuration.id,
            **self._about,
            Attribute.MDS_TIME_INFO: TimeInfo(state, 0, 0xFFFFFFFF, 100),
            **now,
        }

    def _set(self, act: ConfirmedAct, at: datetime) -> None:
        if act.action == Action.SET_TIME:
            stamp = clocks.SET_TIME.decode(act.info, "SET_TIME").time
            time = stamp.time.replace(tzinfo=at.tzinfo) if stamp and stamp.time else at
        else:
            time = clocks.BASE_OFFSET.decode(act.info, "SET_BO_TIME").time or at
        self.skew, self._asks = time - at, False

    def _observed(self, one: Measured) -> tuple[Fixed | None, Variable]:
        """As a fixed observation, if the object's map has a place for all of it, and as a variable one."""
        described = next((two for two in self.configuration.objects if two.handle == one.handle), None)
        if described is None:
            raise Malformed(f"handle {one.handle}: not in the configuration")
        known = attributes.read(described.attributes)
        said = observed(known, one.reading)
        more = extra(known, one.reading)
        map = known.get(Attribute.ATTRIBUTE_VAL_MAP, ())
        places = {entry.id for entry in map}
        if one.reading.status == NOTHING and Attribute.MSMT_STAT not in places:
            del said[Attribute.MSMT_STAT]
        variable = Variable(one.handle, attributes.write({**said, **more}))
        if more or places != set(said):
            return None, variable
        return Fixed(one.handle, attributes.write_mapped(map, said)), variable

    def _invoked(self, message: Message) -> bytes:
        self._invoke = (self._invoke + 1) & 0xFFFF
        self._open.add(self._invoke)
        return apdus.write(operations.write(Data(self._invoke, message)))

    def _answering(self, invoke: int, message: Message) -> Answered:
        return _sending(operations.write(Data(invoke, message)))


_CAPABLE: Final = {
    Clock.ABSOLUTE: TimeCapability.REAL_TIME_CLOCK | TimeCapability.SET_CLOCK,
    Clock.BASE_OFFSET: TimeCapability.REAL_TIME_CLOCK | TimeCapability.SET_CLOCK | TimeCapability.BASE_OFFSET,
    Clock.RELATIVE: TimeCapability.RELATIVE,
    Clock.HIGH_RESOLUTION: TimeCapability.HIGH_RESOLUTION,
}


def _chosen(one: tuple[Fixed | None, Variable], fixed: bool) -> Observation:
    return one[0] if fixed and one[0] is not None else one[1]


def _numbered(person: int | None) -> int:
    return UNKNOWN_PERSON if person is None else person


def _sending(apdu: Apdu) -> Answered:
    return _sending_bytes(apdus.write(apdu))


def _sending_bytes(data: bytes) -> Answered:
    return Answered(send=(data,))
