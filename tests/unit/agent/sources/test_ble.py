"""Both sides are bumble's stack: each reading here went through advertising, ATT and GATT as packets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from bumble.link import LocalLink
from tests.unit.agent.sources.ble_air import NOW, Shelf, bluetooth, planned

from hilum.agent.simulating.kinds import KINDS, peripheral
from hilum.agent.simulating.peripheral import Trait
from hilum.agent.simulating.records import Record
from hilum.agent.simulating.trying import trying
from hilum.agent.source import Full
from hilum.agent.sources.ble.transport import Gone, Unpaired
from hilum.agent.sources.ble.visit import How
from hilum.phd import codes
from hilum.phd.gatt import glucose, record_access, thermometer
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.record_access import Operator, Procedure
from hilum.phd.reading import Coded, Compound, Quantity, Status
from hilum.phd.times import effective

GLUCOSE = glucose.glucose_type(glucose.Sample.CAPILLARY_WHOLE_BLOOD)


@asynccontextmanager
async def near(kind, plan, *, without=None, instead=None, early=None, date=None, **more):
    """A peripheral that is switched on, its records, and the source."""
    air = LocalLink()
    one = peripheral(kind, air, plan)
    one.have({place: Trait(lambda data=data: data) for place, data in (instead or {}).items()})
    if without is not None:
        del one.traits[without]
    if early is not None:
        one.have({(0x1809, thermometer.INTERMEDIATE_UUID): Trait(notifies=True, says=[early])})
    if date is not None:
        one.have({(0x1809, DateTime.UUID): Trait(lambda: date)})
    stored = [trait.write.__self__ for place, trait in one.traits.items() if place[1] == record_access.UUID]
    await one.switch_on()
    try:
        yield one, stored[0] if stored else None, bluetooth(air, **more)
    finally:
        await one.switch_off()


async def test_a_glucometer_gives_all_that_it_stored_with_the_digits_that_it_has():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, stored, source):
        assert await source.once(shelf) == len(shelf.readings)

    assert shelf.values(GLUCOSE) == ["5.4", "18.9", "7.8", "6.1"]
    assert {one.value.unit for one in shelf.readings if one.type == GLUCOSE} == {codes.DIM_MILLI_MOLE_PER_L}
    assert [one.record for one in shelf.readings if one.type == GLUCOSE] == [1, 2, 3, 4]
    assert [(one.procedure, one.operator) for one in stored.requests] == [(Procedure.REPORT, Operator.ALL)]


async def test_a_context_belongs_to_its_measurement():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, _, source):
        await source.once(shelf)

    (taken,) = shelf.taken
    meals = [one for one in taken.readings if one.type == codes.CTXT_GLU_MEAL]
    assert [one.value for one in meals] == [
        Coded(codes.CTXT_GLU_MEAL_FASTING),
        Coded(codes.CTXT_GLU_MEAL_POSTPRANDIAL),
    ]
    assert [taken.readings[one.of[0]].record for one in meals] == [1, 4]


async def test_the_device_says_which_it_is_and_how_full_its_battery_is():
    shelf = Shelf()
    async with near("glucometer", planned(unit=258)) as (one, _, source):
        await source.once(shelf)

    ((device, battery),) = shelf.contacts
    assert (device.key, device.manufacturer, device.serial) == ("FE-ED-AB-EE-DF-01-01-02", "hilum", "SIM-01-00258")
    assert (device.transport, device.address, device.specializations) == ("bluetooth", one.address, ((528401, 1),))
    assert (battery, shelf.taken[0].battery, shelf.taken[0].device) == (83, 83, device)


@pytest.mark.parametrize("minutes", [-600, 0, 600])
async def test_a_clock_that_is_wrong_is_known_to_be(minutes):
    shelf = Shelf()
    async with near("glucometer", planned(skew=timedelta(minutes=minutes))) as (_, _, source):
        await source.once(shelf)

    (taken,) = shelf.taken
    last = taken.readings[-2]
    assert last.stamp.time == (NOW + timedelta(minutes=minutes - 1)).replace(tzinfo=None)
    assert effective(last, taken.received, taken.coincidence).start == NOW - timedelta(minutes=1)


async def test_the_second_time_only_what_is_new_is_asked_for():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, stored, source):
        await source.once(shelf)
        new = glucose.Measurement(5, DateTime.of(NOW), 0, glucose.Concentration(Decimal("0.0063"), *_CAPILLARY))
        stored.records.append(Record(5, ((new.UUID, new.encode()),)))
        await source.once(shelf)

    assert [(one.operator, one.operands) for one in stored.requests] == [(Operator.ALL, ()), (Operator.FROM, (4,))]
    assert shelf.values(GLUCOSE)[4:] == ["6.1", "6.3"]


async def test_a_meter_that_began_to_count_anew_is_asked_for_all():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, stored, source):
        await source.once(shelf)
        stored.records[:] = [replace(one, said=stored.records[0].said) for one in stored.records[:1]]
        await source.once(shelf)

    assert [one.operator for one in stored.requests] == [Operator.ALL, Operator.FROM, Operator.ALL]
    assert shelf.values(GLUCOSE)[4:] == ["5.4"]


async def test_a_malformed_record_is_kept_with_its_reason_once_and_stops_nothing():
    shelf = Shelf()
    async with near("glucometer", planned(number=5, malformed=frozenset({1, 4}))) as (_, stored, source):
        await source.once(shelf)
        stored.records[4:] = [replace(stored.records[1], number=5)]
        await source.once(shelf)

    assert shelf.values(GLUCOSE) == ["5.4", "7.8", "6.1", "6.1"]
    assert len(shelf.refused) == 2
    del shelf.refused[1]
    ((source_name, device, data, why),) = shelf.refused
    assert (source_name, device) == ("ble", "FE-ED-AB-EE-DF-01-00-01")
    assert data == stored.records[1].said[0][1]
    assert why.startswith("0x2a18: ") and "Glucose Measurement" in why


async def test_of_a_report_that_breaks_off_nothing_is_lost_and_half_a_pair_is_left_for_later():
    shelf = Shelf()
    async with near("glucometer", planned(number=8, breaks_after=5)) as (_, _, source):
        with pytest.raises(Gone):
            await source.once(shelf)
        first = shelf.values(GLUCOSE)
        await source.once(shelf)

    assert first == ["5.4", "18.9", "7.8", "6.1", "9.3"]
    assert shelf.values(GLUCOSE)[5:] == ["5.4", "18.9", "7.8", "6.1", "9.3", "4.7", "6.6", "8.2"]


async def test_a_measurement_whose_context_is_lost_with_the_connection_is_not_taken_yet():
    shelf = Shelf()
    async with near("glucometer", planned(number=4, breaks_after=4)) as (_, stored, source):
        whole = stored.records[3]
        stored.records[3] = Record(4, whole.said[:1])
        stored.records.append(Record(5, ()))
        with pytest.raises(Gone):
            await source.once(shelf)

    assert [one.record for one in shelf.readings if one.type == GLUCOSE] == [1, 2, 3]


async def test_a_measurement_whose_context_the_meter_does_not_have_is_taken_without():
    shelf = Shelf()
    async with near("glucometer", planned(number=1)) as (_, stored, source):
        stored.records[0] = Record(1, stored.records[0].said[:1])
        await source.once(shelf)

    assert shelf.values(GLUCOSE) == ["5.4"]
    assert codes.CTXT_GLU_MEAL not in {one.type for one in shelf.readings}


async def test_what_was_taken_is_deleted_only_where_that_is_wished_for():
    shelf = Shelf()
    async with near("glucometer", planned(), how=How(delete=True)) as (_, stored, source):
        await source.once(shelf)

    assert stored.records == []
    assert [one.procedure for one in stored.requests] == [Procedure.REPORT, Procedure.COUNT, Procedure.DELETE]
    assert shelf.values(GLUCOSE) == ["5.4", "18.9", "7.8", "6.1"]


async def test_nothing_is_deleted_while_a_record_is_malformed():
    async with near("glucometer", planned(malformed=frozenset({2})), how=How(delete=True)) as (_, stored, source):
        await source.once(Shelf())

    assert [one.number for one in stored.records] == [1, 2, 3, 4]


async def test_nothing_is_deleted_that_there_is_no_room_for():
    async with near("glucometer", planned(), how=How(delete=True)) as (_, stored, source):
        with pytest.raises(Full):
            await source.once(Shelf(room=0))

    assert [one.procedure for one in stored.requests] == [Procedure.REPORT]


async def test_an_indication_is_confirmed_once_it_is_kept():
    confirmed = []
    async with near("thermometer", planned()) as (one, _, source):
        shelf = Shelf(before=lambda: confirmed.append(one.confirmed))
        await source.once(shelf)

    assert confirmed == [0, 1, 2, 3]
    assert shelf.values(codes.TEMP_EAR) == ["36.6", "37.6", "38.2", "36.9"]


async def test_what_there_was_no_room_for_is_not_confirmed_and_comes_again():
    shelf = Shelf(room=2)
    async with near("thermometer", planned()) as (one, _, source):
        with pytest.raises(Full):
            await source.once(shelf)
        shelf.room = 10
        await source.once(shelf)

    assert shelf.values(codes.TEMP_EAR) == ["36.6", "37.6", "38.2", "36.9"]
    assert one.visits == 2


async def test_a_malformed_indication_is_confirmed_so_that_the_next_can_come():
    shelf = Shelf()
    async with near("thermometer", planned(malformed=frozenset({0}))) as (_, _, source):
        await source.once(shelf)

    assert shelf.values(codes.TEMP_EAR) == ["37.6", "38.2", "36.9"]
    assert len(shelf.refused) == 1


async def test_a_cuff_tells_its_users_apart():
    shelf = Shelf()
    async with near("blood-pressure", planned()) as (_, _, source):
        await source.once(shelf)

    assert [taken.person for taken in shelf.taken] == [1, 2, 1, 2]
    pressure = shelf.taken[0].readings[0]
    assert pressure.type == codes.PRESS_BLD_NONINV
    assert pressure.value == Compound(
        (
            (codes.PRESS_BLD_NONINV_SYS, Quantity(Decimal(128), codes.DIM_MMHG)),
            (codes.PRESS_BLD_NONINV_DIA, Quantity(Decimal(82), codes.DIM_MMHG)),
            (codes.PRESS_BLD_NONINV_MEAN, Quantity(Decimal(97), codes.DIM_MMHG)),
        )
    )


async def test_a_scale_gives_weight_and_the_two_halves_of_a_body_composition():
    shelf = Shelf()
    async with near("scale", planned(number=1)) as (_, _, source):
        await source.once(shelf)

    assert {taken.person for taken in shelf.taken} == {1}
    assert shelf.values(codes.MASS_BODY_ACTUAL) == ["74.500", "74.500"]
    assert shelf.values(codes.BODY_FAT) == ["21.4"]
    assert shelf.values(codes.BODY_WATER) == ["41.205"]
    assert {one.stamp.time for one in shelf.readings} == {(NOW - timedelta(minutes=1)).replace(tzinfo=None)}
    (device, _) = shelf.contacts[0]
    assert device.specializations == ((528404, 1), (528399, 1))


async def test_an_oximeter_gives_what_it_stored_and_what_it_measures():
    shelf = Shelf()
    async with near("oximeter", planned()) as (_, _, source):
        await source.once(shelf)

    stored = [one for one in shelf.readings if one.stamp is not None and one.type == codes.PULS_OXIM_SAT_O2]
    assert [str(one.value.value) for one in stored] == ["97", "96", "98", "94"]
    assert len([one for one in shelf.readings if one.stamp is None and one.type == codes.PULS_OXIM_SAT_O2]) == 3


async def test_a_stored_spot_check_is_confirmed_once_it_is_kept():
    kept = []
    async with near("oximeter", planned()) as (one, _, source):
        shelf = Shelf(before=lambda: kept.append(one.confirmed))
        await source.once(shelf)

    stored = [at for at, taken in zip(kept, shelf.taken, strict=True) if any(r.stamp for r in taken.readings)]
    assert stored == [0, 1, 2, 3]


async def test_a_belt_gives_each_beat_until_it_is_taken_off():
    shelf = Shelf()
    async with near("heart-rate", planned()) as (_, _, source):
        await source.once(shelf)

    assert shelf.values(codes.ECG_HEART_RATE) == ["68", "69", "70", "71"]
    assert all(one.stamp is None for one in shelf.readings)


async def test_a_glucose_sensor_is_told_the_time_and_then_knows_when_its_session_began():
    shelf = Shelf()
    async with near("cgm", planned()) as (_, _, source):
        await source.once(shelf)

    values = [one for one in shelf.readings if one.type == codes.CONC_GLU_ISF]
    assert [one.record for one in values] == [0, 5, 10, 15]
    began = (NOW - timedelta(minutes=20)).replace(tzinfo=None)
    assert [one.stamp.time for one in values] == [began + timedelta(minutes=5 * at) for at in range(4)]


async def test_a_sensor_value_whose_crc_is_of_something_else_is_refused():
    shelf = Shelf()
    async with near("cgm", planned(malformed=frozenset({2}))) as (_, _, source):
        await source.once(shelf)

    assert [one.record for one in shelf.readings if one.type == codes.CONC_GLU_ISF] == [0, 5, 15]
    assert len(shelf.refused) == 1


async def test_a_device_that_asks_for_pairing_is_told_of_with_what_to_do():
    async with near("glucometer", planned(encrypted=True)) as (one, _, source):
        with pytest.raises(Unpaired, match=f"bluetoothctl pair {one.address}"):
            await source.once(Shelf())


async def test_with_pair_the_link_is_encrypted_and_the_device_talks():
    shelf = Shelf()
    async with near("glucometer", planned(encrypted=True), pair=True) as (_, _, source):
        await source.once(shelf)

    assert shelf.values(GLUCOSE) == ["5.4", "18.9", "7.8", "6.1"]


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_each_kind_can_be_tried_without_a_radio(kind):
    shelf = Shelf()
    assert await trying(kind, planned(), shelf, quiet=0.3) == len(shelf.readings) > 0
    assert shelf.refused == []


_CAPILLARY = (glucose.Unit.MOL_PER_L, glucose.Sample.CAPILLARY_WHOLE_BLOOD, glucose.Location.FINGER)


async def test_what_a_device_says_while_it_still_measures_is_taken_where_that_is_wished_for():
    early = thermometer.Measurement(Decimal("35.1"), thermometer.Unit.CELSIUS, None, thermometer.Site.EAR)
    found = []
    for wished in (False, True):
        shelf = Shelf()
        how = How(estimates=wished, quiet=0.3)
        async with near("thermometer", planned(number=1), how=how, early=early.encode()) as (_, _, source):
            await source.once(shelf)
        found.append([(str(one.value.value), one.status) for one in shelf.readings])

    assert found == [[("36.6", Status(0))], [("35.1", Status.EARLY_INDICATION), ("36.6", Status(0))]]


async def test_a_device_that_does_not_tell_its_time_has_a_time_fault():
    shelf = Shelf()
    async with near("glucometer", planned(), without=(0x1805, 0x2A2B)) as (_, _, source):
        await source.once(shelf)

    (taken,) = shelf.taken
    assert (taken.coincidence.device, taken.coincidence.at) == (None, NOW)


async def test_date_time_tells_the_time_where_there_is_no_current_time():
    shelf = Shelf()
    said = DateTime.of(NOW + timedelta(hours=2)).encode()
    async with near("thermometer", planned(), without=(0x1805, 0x2A2B), date=said) as (_, _, source):
        await source.once(shelf)

    assert shelf.taken[0].coincidence.device.time == (NOW + timedelta(hours=2)).replace(tzinfo=None)


async def test_a_meter_that_says_that_its_clock_is_wrong_is_believed_for_those_records():
    shelf = Shelf()
    async with near("glucometer", planned(number=2)) as (_, stored, source):
        record = glucose.Measurement.decode(stored.records[1].said[0][1])
        fault = replace(record, annunciation=glucose.Annunciation.TIME_FAULT)
        stored.records[1] = Record(2, ((fault.UUID, fault.encode()),))
        await source.once(shelf)

    assert [taken.coincidence.device is None for taken in shelf.taken] == [False, True]


async def test_a_meter_that_cannot_ask_by_number_is_asked_for_all():
    shelf = Shelf()
    async with near("glucometer", planned()) as (_, stored, source):
        await source.once(shelf)
        stored.operators = {Operator.ALL}
        await source.once(shelf)

    assert [one.operator for one in stored.requests] == [Operator.ALL, Operator.FROM, Operator.ALL]
    assert len(shelf.values(GLUCOSE)) == 8


async def test_near_the_end_of_its_numbers_a_meter_is_asked_for_all():
    shelf = Shelf()
    async with near("glucometer", planned(number=1)) as (_, stored, source):
        last = glucose.Measurement(65001, DateTime.of(NOW), 0, glucose.Concentration(Decimal("0.0063"), *_CAPILLARY))
        stored.records = [Record(65001, ((last.UUID, last.encode()),))]
        await source.once(shelf)
        await source.once(shelf)

    assert [one.operator for one in stored.requests] == [Operator.ALL, Operator.ALL]


async def test_a_device_that_is_not_what_its_text_says_is_read_all_the_same():
    shelf = Shelf()
    async with near("glucometer", planned(), instead={(0x180A, 0x2A29): b"\xff\xfe", (0x180F, 0x2A19): b"\x65"}) as (
        _,
        _,
        source,
    ):
        await source.once(shelf)

    ((device, battery),) = shelf.contacts
    assert (device.manufacturer, battery) == ("", None)
    assert [why.split(":")[0] for *_, why in shelf.refused] == ["0x2a29", "0x2a19"]
    assert len(shelf.values(GLUCOSE)) == 4
