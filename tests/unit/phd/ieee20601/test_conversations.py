"""Manager and agent, one against the other, without a wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, clocks, operations, simulated
from hilum.phd.ieee20601.agent import Agent, Measured
from hilum.phd.ieee20601.agent import State as AgentState
from hilum.phd.ieee20601.apdu import Aare, Abrt, Prst, Rlre
from hilum.phd.ieee20601.codes import AbortReason, Attribute, Class, Event, Result
from hilum.phd.ieee20601.configurations import STANDARD, numeric
from hilum.phd.ieee20601.events import Configuration, Object, Of, Scan, Variable, write_scan
from hilum.phd.ieee20601.manager import Heard, Manager, State
from hilum.phd.ieee20601.operations import ConfirmedEventReport, ConfirmedSet, EventReport, Failed
from hilum.phd.number import Number, Special
from hilum.phd.reading import Bits, Clock, Coded, Quantity, Reading, Status, Taken

AT = datetime(2026, 11, 23, 22, 30, 15, 250_000, tzinfo=timezone(timedelta(hours=1)))
US = bytes.fromhex("1122334455667788")
VALUES: dict[str, tuple[Number | Sequence[Number], ...]] = {
    "oximeter": (Decimal(98), Decimal(72)),
    "oximeter-spot": (Decimal(98), Decimal(72)),
    "blood-pressure": ((Decimal(120), Decimal(80), Decimal(100)), Decimal("60.0")),
    "thermometer": (Decimal("37.60"),),
    "scale": (Decimal("70.0"),),
    "glucometer": (Special.NAN,),
}


class Between:
    """What passes between the two; what is taken is kept, and confirmed."""

    def __init__(self, manager: Manager, agent: Agent) -> None:
        self.manager, self.agent = manager, agent
        self.taken: list[Taken] = []
        self.heard: list[Heard] = []
        self.confirmed: list[int] = []
        self.passed: list[bytes] = []

    def to_manager(self, *data: bytes) -> None:
        for one in data:
            self.passed.append(one)
            for heard in self.manager.received(one, AT):
                self.heard.append(heard)
                self.taken += heard.taken
                self.to_agent(*heard.send, *heard.confirm)

    def to_agent(self, *data: bytes) -> None:
        for one in data:
            self.passed.append(one)
            answered = self.agent.received(one, AT)
            self.confirmed += answered.confirmed
            self.to_manager(*answered.send)

    def said(self, kind: type) -> list[object]:
        """Messages of a kind that passed."""
        found = [apdus.read(one) for one in self.passed]
        messages = [operations.read(one.data).message for one in found if isinstance(one, Prst)]
        return [one for one in [*found, *messages] if isinstance(one, kind)]


def _between(name: str, **more: Any) -> Between:
    return Between(Manager(US), simulated.device(name, **more))


@pytest.mark.parametrize("name", simulated.KINDS)
def test_a_device_of_each_standard_configuration_is_read_to_the_last_digit(name: str) -> None:
    between = _between(name)
    agent = between.agent
    between.to_manager(agent.associate())
    assert (between.manager.state, agent.state) == (State.OPERATING, AgentState.OPERATING)
    measured = simulated.measured(agent, AT, *VALUES[name])
    between.to_manager(agent.report(measured))
    (taken,) = between.taken
    assert taken.readings == tuple(one.reading for one in measured)
    assert (taken.received, taken.person) == (AT, None)
    assert len(between.confirmed) == 1
    assert taken.device.system_id == "FE-ED-AB-EE-DE-00-00-01"
    assert (taken.device.manufacturer, taken.device.serial) == ("hilum", "SIM-00000001")
    assert taken.device.specializations == (((8 << 16) | simulated.KINDS[name].specialization, 1),)
    between.to_manager(agent.release())
    assert (between.manager.state, agent.state) == (State.UNASSOCIATED, AgentState.UNASSOCIATED)
    assert between.said(Rlre)
    assert not between.said(Abrt)


def test_what_is_not_kept_is_not_confirmed() -> None:
    between = _between("glucometer")
    between.to_manager(between.agent.associate())
    report = between.agent.report(simulated.measured(between.agent, AT, Decimal(105)))
    (heard,) = between.manager.received(report, AT)
    assert len(heard.taken) == 1
    assert (heard.send, len(heard.confirm)) == ((), 1)


def test_the_device_s_clock_stands_beside_the_gateway_s() -> None:
    between = _between("glucometer", skew=timedelta(minutes=-10))
    between.to_manager(between.agent.associate())
    between.to_manager(between.agent.report(simulated.measured(between.agent, AT, Decimal(105))))
    coincidence = between.taken[0].coincidence
    assert coincidence is not None
    assert coincidence.device is not None
    assert (coincidence.at, coincidence.device.time) == (AT, datetime(2026, 11, 23, 22, 20, 15, 250_000))
    assert coincidence.device.reported == "20261123222015.25"
    assert between.taken[0].readings[0].stamp == coincidence.device


def test_a_device_that_stamps_and_does_not_tell_its_time_has_a_time_fault() -> None:
    between = _between("glucometer")
    measured = simulated.measured(between.agent, AT, Decimal(105))
    between.agent.clock = None
    between.to_manager(between.agent.associate())
    between.to_manager(between.agent.report(measured))
    coincidence = between.taken[0].coincidence
    assert coincidence is not None
    assert (coincidence.device, coincidence.clock) == (None, Clock.ABSOLUTE)


def test_a_device_that_does_not_stamp_has_no_coincidence() -> None:
    between = _between("oximeter")
    between.to_manager(between.agent.associate())
    between.to_manager(between.agent.report(simulated.measured(between.agent, AT, Decimal(98), Decimal(72))))
    assert between.taken[0].coincidence is None


@pytest.mark.parametrize("sets", [True, False])
def test_a_clock_that_asks_to_be_set_is_set_if_the_gateway_may(sets: bool) -> None:
    agent = simulated.device("glucometer", skew=timedelta(minutes=10), asks=True)
    between = Between(Manager(US, sets_clock=sets), agent)
    between.to_manager(agent.associate())
    assert agent.skew == timedelta() if sets else timedelta(minutes=10)
    assert between.manager.state is State.OPERATING


@pytest.mark.parametrize("clock", Clock)
def test_each_clock_stamps_and_tells_its_time(clock: Clock) -> None:
    size = 4 if clock is Clock.RELATIVE else 8
    one = numeric(1, 2 << 16 | 29112, 0xF040, 2130, (Attribute.NU_VAL_OBS_BASIC, 2), (clocks.STAMPS[clock], size))
    agent = Agent(b"12345678", Configuration(0x4000, (one,)), {}, clock=clock, skew=timedelta(minutes=3))
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    measured = simulated.measured(agent, AT, Decimal("5.5"))
    between.to_manager(agent.report(measured))
    (taken,) = between.taken
    stamp = clocks.stamp(clock, AT + timedelta(minutes=3))
    assert taken.readings[0].stamp == stamp
    assert taken.coincidence is not None
    assert (taken.coincidence.clock, taken.coincidence.device) == (clock, stamp)


def test_an_extended_configuration_is_said_once_and_then_known() -> None:
    configuration = Configuration(0x4001, STANDARD[700].objects)
    agent = Agent(b"12345678", configuration, {})
    first = Between(Manager(US), agent)
    first.to_manager(agent.associate())
    assert agent.state is AgentState.OPERATING
    assert len(first.said(ConfirmedEventReport)) == 1
    agent.disconnected()
    again = Between(Manager(US, configurations=first.manager.configurations), agent)
    again.to_manager(agent.associate())
    assert agent.state is AgentState.OPERATING
    assert again.said(ConfirmedEventReport) == []
    other = Agent(b"87654321", configuration, {})
    another = Between(Manager(US, configurations=first.manager.configurations), other)
    another.to_manager(other.associate())
    assert len(another.said(ConfirmedEventReport)) == 1


def test_a_configuration_of_nothing_that_is_measured_is_not_supported() -> None:
    agent = Agent(b"12345678", Configuration(0x4001, (Object(999, 1, ()),)), {})
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    assert (between.manager.state, agent.state) == (State.UNASSOCIATED, AgentState.UNASSOCIATED)


def test_a_standard_configuration_of_another_revision_is_asked_for() -> None:
    agent = Agent(b"12345678", Configuration(3000), {})
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    assert agent.state is AgentState.UNASSOCIATED


def test_persons_are_told_apart() -> None:
    between = _between("scale")
    agent = between.agent
    between.to_manager(agent.associate())
    (one,) = simulated.measured(agent, AT, Decimal("70.0"))
    (two,) = simulated.measured(agent, AT, Decimal("54.5"))
    between.to_manager(agent.report([replace(one, person=1), replace(two, person=2), one]))
    assert [(taken.person, taken.readings) for taken in between.taken] == [
        (1, (one.reading,)),
        (2, (two.reading,)),
        (None, (one.reading,)),
    ]
    assert len(between.confirmed) == 1


def test_what_is_said_of_one_measurement_is_read() -> None:
    """A status, how long, how exact: none of it is in the map, and the report is a variable one."""
    between = _between("glucometer")
    between.to_manager(between.agent.associate())
    (one,) = simulated.measured(between.agent, AT, Decimal(105))
    whole = replace(
        one.reading,
        status=Status.TEST_DATA | Status.EARLY_INDICATION,
        lasting=Decimal(30),
        accuracy=Decimal("0.5"),
        supplemental=(8417740,),
    )
    between.to_manager(between.agent.report([Measured(1, whole)]))
    assert between.taken[0].readings == (whole,)


def test_enumerations_are_codes_bits_and_texts() -> None:
    def one(handle: int, type_: int) -> Object:
        return Object(Class.ENUMERATION, handle, attributes.write({Attribute.ID_TYPE: type_}))

    phd = 128 << 16
    agent = Agent(b"12345678", Configuration(0x4000, tuple(one(i, phd | 29144 + i) for i in (1, 2, 3, 4))), {})
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    readings = (
        Reading(phd | 29145, Coded(phd | 29300)),
        Reading(phd | 29146, Bits(0x8001, 16)),
        Reading(phd | 29147, Bits(0x80000001, 32)),
        Reading(phd | 29148, "after breakfast"),
    )
    between.to_manager(agent.report([Measured(i, reading) for i, reading in enumerate(readings, 1)]))
    assert between.taken[0].readings[:3] == readings[:3]
    assert str(between.taken[0].readings[3].value) == "after breakfast"


def test_a_reading_stands_after_that_which_it_was_made_of() -> None:
    glucose = STANDARD[1700].objects[0]
    context = Object(
        Class.ENUMERATION,
        7,
        attributes.write({Attribute.ID_TYPE: 128 << 16 | 29256, Attribute.SOURCE_HANDLE_REF: 1}),
    )
    agent = Agent(b"12345678", Configuration(0x4000, (context, glucose)), {})
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    meal = Measured(7, Reading(128 << 16 | 29256, Coded(128 << 16 | 29260)))
    value = Measured(1, Reading(2 << 16 | 29112, Quantity(Decimal(105), 264274)))
    between.to_manager(agent.report([meal, value]))
    assert [one.of for one in between.taken[0].readings] == [(), (0,)]
    assert between.taken[0].readings[0] == value.reading


def test_reports_wait_until_the_device_has_said_what_it_is() -> None:
    agent = simulated.device("glucometer")
    manager = Manager(US)
    accepted, asked = manager.received(agent.associate(), AT)
    agent.received(accepted.send[0], AT)
    assert manager.received(agent.report(simulated.measured(agent, AT, Decimal(105))), AT) == ()
    (answer,) = agent.received(asked.send[0], AT).send
    (heard,) = manager.received(answer, AT + timedelta(seconds=1))
    assert heard.taken[0].device.model == "Simulated Glucometer"
    assert heard.taken[0].received == AT
    assert len(heard.confirm) == 1


def test_scanners_are_switched_on() -> None:
    scanner = Object(Class.EPISODIC_SCANNER, 55, attributes.write({Attribute.OP_STAT: 0}))
    agent = Agent(b"12345678", Configuration(0x4000, (*STANDARD[400].objects, scanner)), {})
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    (asked,) = between.said(ConfirmedSet)
    assert isinstance(asked, ConfirmedSet)
    assert asked.handle == 55
    assert between.manager.timeout is None


def test_apdus_may_come_in_pieces_or_together() -> None:
    agent = simulated.device("glucometer")
    manager = Manager(US)
    heard: list[Heard] = []
    for byte in agent.associate():
        heard += manager.received(bytes([byte]), AT)
    assert len(heard) == 2
    assert manager.state is State.OPERATING


def test_a_device_that_may_not_associate_is_told() -> None:
    between = Between(Manager(US, admits=lambda system_id: False), simulated.device("scale"))
    between.to_manager(between.agent.associate())
    (answer,) = between.said(Aare)
    assert isinstance(answer, Aare)
    assert answer.result == Result.REJECTED_UNAUTHORIZED
    assert between.manager.state is State.UNASSOCIATED


@pytest.mark.parametrize(
    ("at", "value", "result"),
    [
        (4, "40000000", Result.REJECTED_UNSUPPORTED_ASSOC_VERSION),
        (12, "5078", Result.REJECTED_NO_COMMON_PROTOCOL),
        (16, "00000001", Result.REJECTED_NO_COMMON_PROTOCOL),
        (20, "4000", Result.REJECTED_NO_COMMON_PARAMETER),
        (22, "40000000", Result.REJECTED_NO_COMMON_PARAMETER),
        (30, "80000000", Result.REJECTED_PERMANENT),
    ],
)
def test_an_association_without_common_ground_is_rejected(at: int, value: str, result: Result) -> None:
    request = bytearray(simulated.device("scale").associate())
    request[at : at + len(value) // 2] = bytes.fromhex(value)
    manager = Manager(US)
    (heard,) = manager.received(bytes(request), AT)
    answer = apdus.read(heard.send[0])
    assert isinstance(answer, Aare)
    assert answer.result == result
    assert manager.state is State.UNASSOCIATED


@pytest.mark.parametrize("version", [0x80000000, 0xC0000000, 0xE0000000, 0xF0000000, 0x20000000])
def test_the_newest_version_that_both_speak_is_chosen(version: int) -> None:
    agent = Agent(b"12345678", STANDARD[1700], {}, version=version)
    heard = Manager(US).received(agent.associate(), AT)
    answer = apdus.read(heard[0].send[0])
    assert isinstance(answer, Aare)
    chosen = apdus.ASSOCIATION.decode(answer.protocol.info, "").protocol_version
    assert chosen == version & -version


def test_malformed_bytes_are_answered_with_abort_and_kept() -> None:
    between = _between("glucometer")
    between.to_manager(between.agent.associate())
    report = bytearray(between.agent.report(simulated.measured(between.agent, AT, Decimal(105))))
    report[-8:] = bytes.fromhex("20071306121000ff")
    (heard,) = between.manager.received(bytes(report), AT)
    assert apdus.read(heard.send[0]) == Abrt(AbortReason.UNDEFINED)
    assert heard.refused is not None
    assert heard.refused.data == bytes(report)
    assert "binary coded decimal" in heard.refused.reason
    assert (heard.taken, heard.confirm) == ((), ())
    assert between.manager.state is State.UNASSOCIATED


def test_an_unknown_apdu_is_answered_with_abort_and_kept() -> None:
    (heard,) = Manager(US).received(bytes.fromhex("e8000002ffff"), AT)
    assert apdus.read(heard.send[0]) == Abrt(AbortReason.UNDEFINED)
    assert heard.refused is not None
    assert heard.refused.data == bytes.fromhex("e8000002ffff")


def test_silence_ends_in_abort() -> None:
    manager = Manager(US)
    assert (manager.timeout, manager.timed_out()) == (None, ())
    manager.received(Agent(b"12345678", Configuration(0x4000), {}).associate(), AT)
    assert manager.timeout == 10
    (heard,) = manager.timed_out()
    assert apdus.read(heard.send[0]) == Abrt(AbortReason.CONFIGURATION_TIMEOUT)
    manager.received(simulated.device("scale").associate(), AT)
    (heard,) = manager.timed_out()
    assert apdus.read(heard.send[0]) == Abrt(AbortReason.RESPONSE_TIMEOUT)


def test_the_manager_releases_in_order() -> None:
    between = _between("scale")
    between.to_manager(between.agent.associate())
    between.to_agent(*between.manager.release().send)
    assert (between.manager.state, between.agent.state) == (State.UNASSOCIATED, AgentState.UNASSOCIATED)


def test_what_a_manager_does_not_have_is_not_there() -> None:
    between = _between("scale")
    between.to_manager(between.agent.associate())
    asked = apdus.write(operations.write(operations.Data(9, operations.Get(0))))
    (heard,) = between.manager.received(asked, AT)
    answer = apdus.read(heard.send[0])
    assert isinstance(answer, Prst)
    assert operations.read(answer.data) == operations.Data(9, Failed(1))


def test_utc_is_a_zone_like_others() -> None:
    between = _between("glucometer")
    between.to_manager(between.agent.associate())
    between.to_manager(between.agent.report(simulated.measured(between.agent, AT.astimezone(UTC), Decimal("18.9"))))
    assert between.taken[0].readings[0].value == Quantity(Decimal("18.9"), 264274)


def test_a_base_offset_clock_is_set_with_the_gateway_s_offset() -> None:
    one = numeric(1, 2 << 16 | 29112, 0xF040, 2130, (Attribute.NU_VAL_OBS_BASIC, 2), (Attribute.TIME_STAMP_BO, 8))
    skew = timedelta(minutes=-7)
    agent = Agent(b"12345678", Configuration(0x4000, (one,)), {}, clock=Clock.BASE_OFFSET, skew=skew, asks=True)
    between = Between(Manager(US), agent)
    between.to_manager(agent.associate())
    assert agent.skew == timedelta()
    between.to_manager(agent.report(simulated.measured(agent, AT, Decimal(105))))
    coincidence = between.taken[0].coincidence
    assert coincidence is not None
    assert coincidence.device is not None
    assert coincidence.device.time == AT
    assert coincidence.device.reported.endswith(".+60")


def test_a_clock_that_was_changed_is_asked_again() -> None:
    """A report of the device itself with Date-Time-Adjustment: what comes after is of another coincidence."""
    between = _between("glucometer")
    agent = between.agent
    between.to_manager(agent.associate())
    between.to_manager(agent.report(simulated.measured(agent, AT, Decimal(105))))
    agent.skew = timedelta(hours=1)
    said = attributes.write({Attribute.TIME_ABS_ADJUST: 360_000})
    info = write_scan(Event.SCAN_REPORT_VAR, Scan((Of(None, (Variable(0, said),)),)))
    report = EventReport(0, Event.SCAN_REPORT_VAR, info)
    between.to_manager(apdus.write(operations.write(operations.Data(99, report))))
    between.to_manager(agent.report(simulated.measured(agent, AT, Decimal(106))))
    first, second = (one.coincidence.device if one.coincidence else None for one in between.taken)
    assert first is not None
    assert second is not None
    assert first.time is not None
    assert second.time == first.time + timedelta(hours=1)


@pytest.mark.parametrize("invoke", [0, 2])
def test_an_answer_to_nothing_that_was_asked_ends_in_abort(invoke: int) -> None:
    manager = Manager(US)
    manager.received(simulated.device("scale").associate(), AT)
    (heard,) = manager.received(apdus.write(operations.write(operations.Data(invoke, operations.Got(0, ())))), AT)
    assert apdus.read(heard.send[0]) == Abrt(AbortReason.UNDEFINED)
    assert heard.refused is not None
    assert heard.refused.reason == "an answer to nothing that was asked"
