"""The gateway's side of an association, without a wire: bytes in, bytes to send and what was taken out.

ISO/IEEE 11073-20601, 8.4, table E.2 (read from signove/antidote, src/communication/fsm.c, dbb2742, 2026-11-23): the
numbers beside the table are its rows. What the agent awaits a confirmation of is confirmed only once it is kept: that
answer stands in `Heard.confirm`, and is for the one who keeps it to send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, clocks, mds, operations, segments
from hilum.phd.ieee20601.apdu import (
    ASSOCIATION,
    Aare,
    Aarq,
    Abrt,
    Apdu,
    Association,
    Ava,
    Frames,
    Prst,
    Rlre,
    Rlrq,
    accepted,
    rejected,
)
from hilum.phd.ieee20601.codes import (
    ASSOCIATION_1,
    MDER,
    MDS,
    NOMENCLATURE_1,
    PROTOCOL,
    AbortReason,
    Action,
    Attribute,
    Class,
    ConfigResult,
    Error,
    Event,
    Result,
    System,
    TimeCapability,
    Version,
)
from hilum.phd.ieee20601.configurations import STANDARD, STANDARD_MOST
from hilum.phd.ieee20601.events import (
    CONFIGURATION,
    CONFIGURATION_RESULT,
    SCANS,
    Configuration,
    ConfigurationResult,
)
from hilum.phd.ieee20601.model import METRICS, SCANNERS, Model, Scanned
from hilum.phd.ieee20601.operations import (
    Act,
    Acted,
    Change,
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
    Rejected,
    Set,
)
from hilum.phd.ieee20601.segments import DESCRIBED, ENTRIES, SEGMENTS, TRANSFER, Described, Status
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Coincidence, Device, Taken


class State(Enum):
    """Of a manager. Checking a configuration takes no time here, and is no state."""

    UNASSOCIATED = "unassociated"
    WAITING_FOR_CONFIG = "waiting for configuration"
    OPERATING = "operating"
    DISASSOCIATING = "disassociating"


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that say nothing, to be kept for who wants to look at them."""

    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What follows from an APDU. Each of `send` and `confirm` is one APDU.

    `send`: at once. `confirm`: once `taken` is kept, and never before; what isn't kept is not confirmed, and the agent
    sends it again.
    """

    send: tuple[bytes, ...] = ()
    taken: tuple[Taken, ...] = ()
    confirm: tuple[bytes, ...] = ()
    refused: Refused | None = None


CONFIGURATION_SECONDS: Final = 10.0
RESPONSE_SECONDS: Final = 3.0
TRANSFER_SECONDS: Final = 30.0
"""Between two events of a segment. The agent may state less (Transfer-Timeout); a slow one is not cut off."""
_HELD_MOST: Final = 64
"""Reports that wait until the device has said what it is."""
_ANY: Final = Device()
_ENABLED: Final = (1).to_bytes(2, "big")
_VERSIONS: Final = (Version.FOUR, Version.THREE, Version.TWO, Version.ONE)
_RETURNS: Final[dict[type[Message], type[Message]]] = {Get: Got, ConfirmedAct: Acted, ConfirmedSet: Changed}


class Manager:
    """One transport's manager. `configurations`: what agents said of extended configurations, by (system id, number);
    it is added to, and worth keeping: an agent that is known need not say it again.

    `base`: what the transport knows of the device. `admits`: whether a system id may associate. `sets_clock`: whether
    to set the clock of a device that asks for it.
    """

    def __init__(
        self,
        system_id: bytes,
        base: Device = _ANY,
        configurations: Mapping[tuple[str, int], Configuration] | None = None,
        admits: Callable[[str], bool] = lambda _: True,
        sets_clock: bool = True,
    ) -> None:
        self._system_id, self._base, self._admits, self._sets_clock = system_id, base, admits, sets_clock
        self.configurations = dict(configurations or {})
        self._frames = Frames()
        self._invoke = 0
        self._reset()

    def _reset(self) -> None:
        """No association."""
        self.state = State.UNASSOCIATED
        self._agent = Association()
        self._model = Model(Configuration(0))
        self._coincidences: dict[Clock, Coincidence] = {}
        self._known = self._clock_set = False
        self._held: list[tuple[Data, datetime]] = []
        self._todo: deque[Message] = deque()
        self._awaited: Data | None = None
        self._transfer: tuple[int, int] | None = None

    @property
    def device(self) -> Device:
        """What is known of it by now."""
        named: dict[int, object] = {Attribute.SYS_ID: self._agent.system_id} if any(self._agent.system_id) else {}
        return mds.device(self._base, {**named, **self._model.mds})

    @property
    def timeout(self) -> float | None:
        """Seconds after which `timed_out` is to be called, if nothing comes."""
        if self.state is State.WAITING_FOR_CONFIG:
            return CONFIGURATION_SECONDS
        if self.state is State.DISASSOCIATING or self._awaited:
            return RESPONSE_SECONDS
        return TRANSFER_SECONDS if self._transfer else None

    def timed_out(self) -> tuple[Heard, ...]:
        """Rows 4: the agent keeps silent where it must not."""
        if self.timeout is None:
            return ()
        waiting = self.state is State.WAITING_FOR_CONFIG
        return (self.abort(AbortReason.CONFIGURATION_TIMEOUT if waiting else AbortReason.RESPONSE_TIMEOUT),)

    def disconnected(self) -> None:
        """Rows 2."""
        self._frames.clear()
        self._reset()

    def release(self) -> Heard:
        """Rows 6: ends the association in order."""
        if self.state in (State.UNASSOCIATED, State.DISASSOCIATING):
            return Heard()
        self._reset()
        self.state = State.DISASSOCIATING
        return _sending(Rlrq())

    def abort(self, reason: AbortReason = AbortReason.UNDEFINED) -> Heard:
        """Rows 7."""
        self._reset()
        return _sending(Abrt(reason))

    def received(self, data: bytes, at: datetime) -> tuple[Heard, ...]:
        """What follows from bytes that came. `at`: when, by the gateway's clock, with an offset to UTC."""
        heard: list[Heard] = []
        try:
            for frame in self._frames.feed(data):
                heard += self._framed(frame, at)
        except Malformed as error:
            heard.append(self._refuse(self._frames.clear(), str(error)))
        return tuple(heard)

    def _framed(self, frame: bytes, at: datetime) -> list[Heard]:
        try:
            apdu = apdus.read(frame)
            return _TABLE[self.state][type(apdu)](self, apdu, at)
        except Malformed as error:
            return [self._refuse(frame, str(error))]

    def _refuse(self, data: bytes, reason: str) -> Heard:
        aborted = self.abort()
        return Heard(send=aborted.send, refused=Refused(data, reason))

    # Association

    def _associate(self, apdu: Apdu, at: datetime) -> list[Heard]:
        assert isinstance(apdu, Aarq)
        if not apdu.version & ASSOCIATION_1:
            return [_sending(rejected(Result.REJECTED_UNSUPPORTED_ASSOC_VERSION))]
        info = next((one.info for one in apdu.protocols if one.id == PROTOCOL), None)
        if info is None:
            return [_sending(rejected(Result.REJECTED_NO_COMMON_PROTOCOL))]
        agent = ASSOCIATION.decode(info, "AARQ")
        version = next((one for one in _VERSIONS if agent.protocol_version & one), None)
        if version is None:
            return [_sending(rejected(Result.REJECTED_NO_COMMON_PROTOCOL))]
        if not (agent.encoding_rules & MDER and agent.nomenclature_version & NOMENCLATURE_1):
            return [_sending(rejected(Result.REJECTED_NO_COMMON_PARAMETER))]
        if not agent.system_type & System.AGENT or len(agent.system_id) != 8:
            return [_sending(rejected(Result.REJECTED_PERMANENT))]
        if not self._admits(mds.system_id(agent.system_id)):
            return [_sending(rejected(Result.REJECTED_UNAUTHORIZED))]
        self._reset()
        self._agent = agent
        ours = Association(version, system_type=System.MANAGER, system_id=self._system_id)
        configuration = self._configuration(agent.config)
        if configuration is None:
            self.state = State.WAITING_FOR_CONFIG
            return [_sending(accepted(Result.ACCEPTED_UNKNOWN_CONFIG, ours))]
        return [_sending(accepted(Result.ACCEPTED, ours)), self._operate(configuration)]

    def _configuration(self, number: int) -> Configuration | None:
        return STANDARD.get(number) or self.configurations.get((mds.system_id(self._agent.system_id), number))

    def _operate(self, configuration: Configuration) -> Heard:
        self._model = Model(configuration)
        self.state = State.OPERATING
        self._todo.append(Get(MDS))
        return Heard(send=self._next())

    def _released(self, _: Apdu, __: datetime) -> list[Heard]:
        self._reset()
        return [_sending(Rlre())]

    def _answer_release(self, _: Apdu, __: datetime) -> list[Heard]:
        return [_sending(Rlre())]

    def _ended(self, _: Apdu, __: datetime) -> list[Heard]:
        self._reset()
        return []

    def _ignored(self, _: Apdu, __: datetime) -> list[Heard]:
        return []

    def _unexpected(self, apdu: Apdu, _: datetime) -> list[Heard]:
        return [self._refuse(apdus.write(apdu), f"{type(apdu).__name__.upper()} while {self.state.value}")]

    # Configuration

    def _configuring(self, apdu: Apdu, at: datetime) -> list[Heard]:
        data = _data(apdu)
        match data.message:
            case ConfirmedEventReport(handle=handle, event=Event.CONFIG, info=info):
                return self._configure(data.invoke, handle, CONFIGURATION.decode(info, "CONFIG"))
            case EventReport() | ConfirmedEventReport() | Get() | Set() | ConfirmedSet() | Act() | ConfirmedAct():
                return [self._failing(data.invoke, Error.NO_SUCH_OBJECT_INSTANCE)]
        raise Malformed("an answer to nothing that was asked")

    def _configure(self, invoke: int, handle: int, configuration: Configuration) -> list[Heard]:
        number = configuration.id
        if number <= STANDARD_MOST and not configuration.objects:
            known = self._configuration(number)
            result = ConfigResult.STANDARD_UNKNOWN if known is None else ConfigResult.ACCEPTED
            configuration = known or configuration
        else:
            Model(configuration)
            usable = any(one.kind in METRICS or one.kind == Class.PM_STORE for one in configuration.objects)
            result = ConfigResult.ACCEPTED if usable else ConfigResult.UNSUPPORTED
        info = CONFIGURATION_RESULT.encode(ConfigurationResult(number, result))
        answer = Heard(send=(_wire(Data(invoke, EventReported(handle, Event.CONFIG, info))),))
        if result is not ConfigResult.ACCEPTED:
            return [answer]
        if number > STANDARD_MOST:
            self.configurations[mds.system_id(self._agent.system_id), number] = configuration
        return [answer, self._operate(configuration)]

    # Operation

    def _operating(self, apdu: Apdu, at: datetime) -> list[Heard]:
        data = _data(apdu)
        match data.message:
            case EventReport() | ConfirmedEventReport():
                if self._known:
                    return [self._reported(data, at)]
                if len(self._held) == _HELD_MOST:
                    return [self.abort(AbortReason.BUFFER_OVERFLOW)]
                self._held.append((data, at))
                return []
            case Get() | Set() | ConfirmedSet() | Act() | ConfirmedAct():
                return [self._failing(data.invoke, Error.NO_SUCH_OBJECT_INSTANCE)]
        return self._returned(data, at)

    def _returned(self, data: Data, at: datetime) -> list[Heard]:
        """Row 8.26."""
        asked, self._awaited = self._awaited, None
        if asked is None or asked.invoke != data.invoke:
            raise Malformed("an answer to nothing that was asked")
        message = data.message
        if not isinstance(message, Failed | Rejected | _RETURNS[type(asked.message)]):
            raise Malformed("an answer of another kind than the question")
        match asked.message, message:
            case Get(), _:
                if isinstance(message, Got):
                    self._model.mds.update(attributes.read(message.attributes))
                return self._described(at)
            case ConfirmedAct(action=Action.SET_TIME | Action.SET_BO_TIME), _:
                self._todo.appendleft(Get(MDS))
            case ConfirmedAct(store, Action.SEG_GET_INFO), Acted(info=info):
                for number in self._model.segments(store, SEGMENTS.decode(info, "SEG_GET_INFO")):
                    self._todo.append(ConfirmedAct(store, Action.SEG_TRIG_XFER, number.to_bytes(2, "big")))
            case ConfirmedAct(store, Action.SEG_TRIG_XFER), Acted(info=info):
                answer = TRANSFER.decode(info, "SEG_TRIG_XFER")
                self._transfer = (store, answer.number) if answer.result == 0 else None
        return [Heard(send=self._next())]

    def _described(self, at: datetime) -> list[Heard]:
        """The device said what it is: a clock that asks to be set is set; what waited for it is taken."""
        asks = TimeCapability.SET_CLOCK | TimeCapability.MANAGER_SETS_TIME
        can = mds.capabilities(self._model.mds)
        if self._sets_clock and not self._clock_set and can & asks == asks:
            self._clock_set = True
            self._todo.appendleft(_setting(can, at))
            return [Heard(send=self._next())]
        self._tell_time(at)
        first, self._known = not self._known, True
        if first:
            for handle in self._model.handles(*SCANNERS):
                change = Change(0, Ava(Attribute.OP_STAT, _ENABLED))
                self._todo.append(ConfirmedSet(handle, (change,)))
            for handle in self._model.handles(Class.PM_STORE):
                self._todo.append(ConfirmedAct(handle, Action.SEG_GET_INFO, segments.ALL))
        held, self._held = self._held, []
        heard = [Heard(send=self._next())]
        for data, came in held:
            try:
                heard.append(self._reported(data, came))
            except Malformed as error:
                heard.append(self._refuse(_wire(data), str(error)))
                break
        return [one for one in heard if one != Heard()]

    def _tell_time(self, at: datetime) -> None:
        self._coincidences = mds.coincidences(self._model.mds, at, f"{at:%Y%m%d%H%M%S%f}")

    def _reported(self, data: Data, at: datetime) -> Heard:
        report = data.message
        assert isinstance(report, EventReport | ConfirmedEventReport)
        info, after = b"", False
        if report.event == Event.SEGMENT_DATA:
            entries = ENTRIES.decode(report.info, "SEGMENT_DATA")
            scanned = [self._model.stored(report.handle, entries)]
            info = DESCRIBED.encode(self._confirmed(report.handle, entries.described))
            after = self._transfer is None
        elif report.event in SCANS:
            before = {code: self._model.mds.get(code) for code in _TIMES}
            scanned = self._model.scan(report.handle, report.event, report.info)
            self._timed(before, at)
            after = True
        else:
            return Heard(
                send=self._failing(data.invoke, Error.NO_SUCH_ACTION).send,
                refused=Refused(_wire(data), f"unknown event {report.event}"),
            )
        taken = tuple(self._taken(one, at) for one in scanned if one.readings)
        more = self._next() if after else ()
        if isinstance(report, EventReport):
            return Heard(more, taken)
        answer = _wire(Data(data.invoke, EventReported(report.handle, report.event, info)))
        return Heard((), taken, (answer, *more))

    def _confirmed(self, store: int, described: Described) -> Described:
        over = described.status & (Status.LAST | Status.AGENT_ABORT)
        if over and self._transfer == (store, described.number):
            self._transfer = None
        confirmed = described.status | Status.CONFIRMED
        return Described(described.number, described.index, described.count, confirmed)

    def _timed(self, before: dict[Attribute, object], at: datetime) -> None:
        """A report may say the device's time anew, or that its clock was set: then it is asked."""
        now = {code: self._model.mds.get(code) for code in _TIMES}
        if now == before:
            return
        if now[Attribute.TIME_ABS_ADJUST] != before[Attribute.TIME_ABS_ADJUST]:
            self._todo.append(Get(MDS))
        self._tell_time(at)

    def _taken(self, scanned: Scanned, at: datetime) -> Taken:
        stamp = next((one.stamp for one in scanned.readings if one.stamp is not None), None)
        return Taken(
            device=self.device,
            received=at,
            readings=scanned.readings,
            coincidence=self._coincidences.get(stamp.clock) if stamp else None,
            battery=mds.battery(self._model.mds),
            person=scanned.person,
        )

    def _dropped(self, apdu: Apdu, _: datetime) -> list[Heard]:
        """Rows 9.21 and 9.26."""
        data = _data(apdu)
        if isinstance(data.message, EventReported | Got | Changed | Acted | Failed | Rejected):
            raise Malformed("an answer while disassociating")
        return []

    def _failing(self, invoke: int, error: Error) -> Heard:
        return Heard(send=(_wire(Data(invoke, Failed(error))),))

    def _next(self) -> tuple[bytes, ...]:
        """The next question, if none is open."""
        if self._awaited or self._transfer or not self._todo:
            return ()
        self._invoke = (self._invoke + 1) & 0xFFFF
        self._awaited = Data(self._invoke, self._todo.popleft())
        return (_wire(self._awaited),)


_TIMES: Final = (*clocks.NOW.values(), Attribute.TIME_ABS_ADJUST)
_Step = Callable[[Manager, Apdu, datetime], list[Heard]]
_M: Final = Manager
_TABLE: Final[dict[State, dict[type[Apdu], _Step]]] = {
    State.UNASSOCIATED: {
        Aarq: _M._associate,  # 2.8 to 2.11
        Aare: _M._unexpected,  # 2.12
        Rlrq: _M._unexpected,  # 2.16
        Rlre: _M._ignored,  # 2.17
        Abrt: _M._ignored,  # 2.18
        Prst: _M._unexpected,  # 2.19
    },
    State.WAITING_FOR_CONFIG: {
        Aarq: _M._unexpected,  # 6.8
        Aare: _M._unexpected,  # 6.12
        Rlrq: _M._released,  # 6.16
        Rlre: _M._unexpected,  # 6.17
        Abrt: _M._ended,  # 6.18
        Prst: _M._configuring,  # 6.24 to 6.26, 7.31, 7.32
    },
    State.OPERATING: {
        Aarq: _M._unexpected,  # 8.8
        Aare: _M._unexpected,  # 8.12
        Rlrq: _M._released,  # 8.16
        Rlre: _M._unexpected,  # 8.17
        Abrt: _M._ended,  # 8.18
        Prst: _M._operating,  # 8.21, 8.26
    },
    State.DISASSOCIATING: {
        Aarq: _M._unexpected,  # 9.8
        Aare: _M._unexpected,  # 9.12
        Rlrq: _M._answer_release,  # 9.16
        Rlre: _M._ended,  # 9.17
        Abrt: _M._ended,  # 9.18
        Prst: _M._dropped,  # 9.21, 9.26
    },
}
"""State -> APDU -> what is done."""


def _sending(apdu: Apdu) -> Heard:
    return Heard(send=(apdus.write(apdu),))


def _wire(data: Data) -> bytes:
    return apdus.write(operations.write(data))


def _data(apdu: Apdu) -> Data:
    assert isinstance(apdu, Prst)
    return operations.read(apdu.data)


def _setting(can: TimeCapability, at: datetime) -> ConfirmedAct:
    if can & TimeCapability.BASE_OFFSET:
        return ConfirmedAct(MDS, Action.SET_BO_TIME, clocks.BASE_OFFSET.encode(clocks.base_offset(at)))
    return ConfirmedAct(MDS, Action.SET_TIME, clocks.SET_TIME.encode(clocks.SetTime(clocks.absolute(at))))
