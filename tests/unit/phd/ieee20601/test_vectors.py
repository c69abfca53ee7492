"""The example exchanges of the standard, byte for byte."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.phd.ieee20601.examples import EXAMPLES, needs_checkout

from hilum.phd.ieee20601 import apdu as apdus
from hilum.phd.ieee20601 import attributes, operations
from hilum.phd.ieee20601.apdu import ASSOCIATION, Aare, Aarq, Abrt, Association, Prst, Rlre, Rlrq
from hilum.phd.ieee20601.codes import Event, Result, System
from hilum.phd.ieee20601.configurations import STANDARD
from hilum.phd.ieee20601.events import CONFIGURATION, CONFIGURATION_RESULT, SCANS, read_scan, write_scan
from hilum.phd.ieee20601.model import Model
from hilum.phd.ieee20601.operations import ConfirmedEventReport, Data, EventReport, EventReported, Get, Got
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Compound, Quantity

CONTRADICTORY = {
    "H221_ID_0190",
    "H221_ID_02BC",
    "pulse_oximeter/pulse_oximeter_buf_scan_report_mp_grouped",
    "scan_report_info_var",
}
"""As they stand in antidote, the lengths of these contradict each other."""


@needs_checkout
@pytest.mark.parametrize("name", sorted(CONTRADICTORY))
def test_an_example_whose_lengths_contradict_each_other_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        _data(name)


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - CONTRADICTORY))
def test_every_example_is_written_as_it_was_read(name: str) -> None:
    apdu = apdus.read(EXAMPLES[name])
    assert apdus.write(apdu) == EXAMPLES[name]
    if isinstance(apdu, Prst):
        data = operations.read(apdu.data)
        assert operations.write(data) == apdu
        _same(data)


def _same(data: Data) -> None:
    """What the data carries, too, down to each attribute."""
    match data.message:
        case (EventReport() | ConfirmedEventReport()) as report if report.event in SCANS:
            assert write_scan(report.event, read_scan(report.event, report.info)) == report.info
        case ConfirmedEventReport(event=Event.CONFIG, info=info):
            configuration = CONFIGURATION.decode(info, "")
            assert CONFIGURATION.encode(configuration) == info
            for one in configuration.objects:
                assert attributes.write(attributes.read(one.attributes)) == one.attributes
        case Got(attributes=got):
            assert attributes.write(attributes.read(got)) == got


def _data(name: str) -> Data:
    apdu = apdus.read(EXAMPLES[name])
    assert isinstance(apdu, Prst)
    return operations.read(apdu.data)


@pytest.mark.parametrize(("name", "number"), [("0190", 0x0190), ("02BC", 0x02BC)])
def test_an_agent_asks_to_associate_with_its_configuration(name: str, number: int) -> None:
    apdu = apdus.read(EXAMPLES[f"H211_ID_{name}"])
    assert isinstance(apdu, Aarq)
    (protocol,) = apdu.protocols
    agent = ASSOCIATION.decode(protocol.info, "")
    assert (protocol.id, agent.config, agent.system_type) == (20601, number, System.AGENT)


def test_a_manager_accepts_an_unknown_configuration() -> None:
    apdu = apdus.read(EXAMPLES["H212"])
    ours = Association(system_type=System.MANAGER, system_id=bytes.fromhex("1122334455667788"))
    assert apdu == apdus.accepted(Result.ACCEPTED_UNKNOWN_CONFIG, ours)
    assert isinstance(apdu, Aare)


def test_releases_and_aborts() -> None:
    assert apdus.read(EXAMPLES["rx_rlrq_normal"]) == Rlrq(0)
    assert apdus.read(EXAMPLES["rx_rlre_normal"]) == Rlre(0)
    assert [apdus.read(bytes.fromhex(f"e6000002000{reason}")) for reason in range(4)] == [Abrt(one) for one in range(4)]


def test_a_manager_asks_for_all_that_a_device_is() -> None:
    assert _data("H232") == Data(0x3456, Get(0))


def test_a_configuration_is_accepted() -> None:
    message = _data("H222").message
    assert isinstance(message, EventReported)
    result = CONFIGURATION_RESULT.decode(message.info, "")
    assert (result.id, result.result) == (0x4000, 0)


@needs_checkout
@pytest.mark.parametrize(
    ("name", "number"), [("weighing_scale/std_config_05DC", 1500), ("pulse_oximeter/pulse_oximeter_noti_config", 401)]
)
def test_a_standard_configuration_is_what_devices_say_it_is(name: str, number: int) -> None:
    message = _data(name).message
    assert isinstance(message, ConfirmedEventReport)
    said = CONFIGURATION.decode(message.info, "")
    ours = STANDARD[number]
    assert said.id == ours.id
    assert [one.handle for one in said.objects] == [one.handle for one in ours.objects]
    for theirs, one in zip(said.objects, ours.objects, strict=True):
        them, us = attributes.read(theirs.attributes), attributes.read(one.attributes)
        # the example's map of 401 names MDC_ATTR_TIME_ABS where antidote's sources have MDC_ATTR_TIME_STAMP_ABS
        differing = {code for code in us if them[code] != us[code]}
        assert differing <= ({2645} if number == 401 else set())
        assert set(them) == set(us)


def test_the_blood_pressure_report_of_the_example() -> None:
    """120/80, mean 100; pulse 60; on 2007-12-06 at 12:10. H.2.4.1 with configuration 700."""
    report = _data("H241_ID_02BC").message
    assert isinstance(report, ConfirmedEventReport)
    (scanned,) = Model(STANDARD[700]).scan(0, report.event, report.info)
    pressure, pulse = scanned.readings
    assert pressure.value == Compound(
        (
            (150021, Quantity(Decimal(120), 266016)),
            (150022, Quantity(Decimal(80), 266016)),
            (150023, Quantity(Decimal(100), 266016)),
        )
    )
    assert (pulse.type, pulse.value) == (149546, Quantity(Decimal("60.0"), 264864))
    assert pulse.stamp is not None
    assert pulse.stamp.reported == "20071206121000.00"
