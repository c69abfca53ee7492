"""The queue keeps what devices gave until the far side has it: once, in order, and never half."""

from __future__ import annotations

import random
import sqlite3
import stat

import pytest
from tests.unit.agent.queue.samples import (
    AT,
    CUFF,
    GLUCOSE,
    METER,
    Clocked,
    glucose,
    many,
    minutes,
    taken,
)

from hilum.agent.batch import Held, Later, Refused, Stopped, Stored
from hilum.agent.queue import listing, putting, schema
from hilum.agent.queue.durable import Queue
from hilum.agent.source import Full
from hilum.phd.reading import Clock, Coincidence, Reading, Stamp, Status, Taken
from hilum.problems import Misconfigured


@pytest.fixture
def clock() -> Clocked:
    return Clocked()


@pytest.fixture
async def queue(tmp_path, clock):
    made = Queue(tmp_path, most=4, clock=clock, chance=random.Random(8), spare=4096)
    yield made
    await made.close()


def look(tmp_path):
    return schema.look(tmp_path)


async def drained(queue) -> list:
    """All batches, in order, each stored at once."""
    found = []
    while (batch := (await queue.next()).batch) is not None:
        found.append(batch)
        await queue.settle(batch, Stored("{}"))
    return found


async def test_what_was_taken_comes_out_as_it_went_in(queue):
    given = taken(
        glucose(1), coincidence=Coincidence(AT, Stamp(Clock.ABSOLUTE, "x", None)), battery=80, person=2, device=CUFF
    )
    await queue.take(given)
    found = (await queue.next()).batch
    assert (found.taken, found.device, found.person, found.tries, found.done) == ((given,), CUFF.key, 2, 0, {})
    assert found.id.startswith("urn:uuid:")


async def test_a_batch_is_formed_once_and_is_the_same_each_time_also_after_a_restart(queue, tmp_path, clock):
    await queue.take(many(3))
    first = (await queue.next()).batch
    await queue.take(many(1, start=3))
    again = Queue(tmp_path, most=4, clock=clock)
    assert (await again.next()).batch == first
    await again.close()


async def test_a_batch_holds_as_many_readings_as_it_may_in_the_order_in_which_they_came(queue):
    await queue.take(many(6))
    await queue.take(many(3, start=6))
    assert [minutes(batch) for batch in await drained(queue)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


async def test_readings_that_belong_together_stay_in_one_batch_and_still_refer_to_each_other(queue):
    readings = [glucose(minute) for minute in range(3)]
    await queue.take(taken(*readings, glucose(3), glucose(4, of=(3,)), glucose(5, of=(3,))))
    first, second = await drained(queue)
    assert minutes(first) == [0, 1, 2]
    assert [one.of for one in second.taken[0].readings] == [(), (0,), (0,)]


async def test_readings_of_one_user_of_a_device_are_not_in_a_batch_with_those_of_another(queue):
    await queue.take(taken(glucose(1), person=1))
    await queue.take(taken(glucose(2), person=2))
    await queue.take(taken(glucose(3), person=2))
    assert [(batch.person, minutes(batch)) for batch in await drained(queue)] == [(1, [1]), (2, [2, 3])]


async def test_the_battery_is_told_once_of_what_is_parted(queue):
    await queue.take(taken(*many(9).readings, battery=55))
    assert [batch.taken[0].battery for batch in await drained(queue)] == [55, None, None]


async def test_what_a_device_sends_again_is_not_queued_again_not_even_after_it_was_sent(queue):
    await queue.take(many(2))
    await drained(queue)
    await queue.take(many(3))
    assert [minutes(batch) for batch in await drained(queue)] == [[2]]


SAME = glucose(1)
OTHERS = {
    "another value": (glucose(1, "98.0"), METER, None),
    "another time": (glucose(2), METER, None),
    "its final, after an estimate": (glucose(1, status=Status.EARLY_INDICATION), METER, None),
    "another supplement": (glucose(1, supplemental=(8455148,)), METER, None),
    "another device": (SAME, CUFF, None),
    "another user": (SAME, METER, 1),
}


@pytest.mark.parametrize("which", sorted(OTHERS))
async def test_what_differs_is_queued_although_much_is_the_same(queue, which):
    reading, device, person = OTHERS[which]
    await queue.take(taken(SAME))
    await queue.take(taken(reading, device=device, person=person))
    assert sum(len(minutes(batch)) for batch in await drained(queue)) == 2


ALWAYS_NEW = {
    "no stamp": None,
    "ticks, which begin anew": Stamp(Clock.RELATIVE, "12345", ticks=12345),
    "a date that the device does not know": Stamp(Clock.ABSOLUTE, "00001101080000.00"),
}


@pytest.mark.parametrize("which", sorted(ALWAYS_NEW))
async def test_without_a_time_nothing_is_taken_for_the_same(queue, which):
    reading = Reading(GLUCOSE, SAME.value, ALWAYS_NEW[which])
    for _ in range(2):
        await queue.take(taken(reading))
    assert [len(batch.taken) for batch in await drained(queue)] == [2]


async def test_a_known_reading_goes_again_beside_a_new_one_that_belongs_to_it(queue):
    await queue.take(taken(glucose(1)))
    await drained(queue)
    await queue.take(taken(glucose(1), glucose(2, of=(0,)), glucose(1)))
    (found,) = await drained(queue)
    assert minutes(found) == [1, 2]
    assert found.taken[0].readings[1].of == (0,)


async def test_of_each_device_one_batch_is_under_way_and_devices_take_turns(queue):
    await queue.take(many(5))
    await queue.take(many(5, device=CUFF))
    first = await queue.next()
    second = await queue.next(busy=(first.row,), after=first.row)
    assert {first.batch.device, second.batch.device} == {METER.key, CUFF.key}
    assert await queue.next(busy=(first.row, second.row)) == await queue.next(busy=(second.row, first.row))
    assert (await queue.next(busy=(first.row, second.row))).batch is None
    assert (await queue.next(after=first.row)).batch == second.batch


async def test_a_device_whose_batch_waits_holds_up_no_other_and_keeps_its_order(queue, clock):
    await queue.take(many(5))
    first = await queue.next()
    await queue.settle(first.batch, Later("no connection"))
    await queue.take(many(1, device=CUFF))
    assert (await queue.next()).batch.device == CUFF.key
    busy = (await queue.next()).row
    waits = await queue.next(busy=(busy,))
    assert waits.batch is None
    clock.now = waits.due
    again = (await queue.next(busy=(busy,))).batch
    assert (again.id, again.tries, again.taken) == (first.batch.id, 1, first.batch.taken)


async def test_the_wait_grows_by_chance_is_bounded_and_outlasts_a_restart(queue, clock, tmp_path):
    await queue.take(many(1))
    batch, waits = (await queue.next()).batch, []
    for _ in range(12):
        await queue.settle(batch, Later("no connection"))
        due = (await queue.next()).due
        waits.append(due - clock.now)
        clock.now = due
    assert all(low <= wait <= 2 * low for low, wait in zip((1, 2, 4, 8, 16, 32, 64, 128), waits, strict=False))
    assert all(150 <= wait <= 300 for wait in waits[8:])
    await queue.settle(batch, Later("busy"))
    due = (await queue.next()).due
    again = Queue(tmp_path, clock=clock)
    assert (await again.next()).due == due
    await again.close()


async def test_the_far_side_may_ask_for_more_time_but_not_for_ever(queue, clock):
    await queue.take(many(1))
    batch = (await queue.next()).batch
    for asked, waits in ((1000.0, 1000.0), (1e9, 3600.0)):
        await queue.settle(batch, Later("429", asked))
        assert (await queue.next()).due == clock.now + waits
    clock.now -= 400 * 86400
    assert (await queue.next()).batch.id == batch.id, "the clock was set back: a wait of a year is none"


async def test_a_refused_batch_is_halved_until_the_reading_that_is_refused_stands_alone(queue, tmp_path):
    await queue.take(taken(*many(4).readings, battery=9))
    sent = []
    while (batch := (await queue.next()).batch) is not None:
        sent.append(minutes(batch))
        await queue.settle(batch, Refused("422: unit") if 2 in minutes(batch) else Stored("{}"))
    assert sent == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [3]]
    (dead,) = listing.batches(look(tmp_path))
    assert (dead.state, dead.readings, dead.why) == ("dead", 1, "422: unit")


async def test_halves_keep_together_what_belongs_together_and_tell_the_battery_once(queue):
    await queue.take(taken(glucose(0), glucose(1, of=(0,)), glucose(2), glucose(3, of=(2,)), battery=9))
    await queue.settle((await queue.next()).batch, Refused("422"))
    first, second = await drained(queue)
    assert [minutes(first), minutes(second)] == [[0, 1], [2, 3]]
    assert [first.taken[0].battery, second.taken[0].battery] == [9, None]
    assert second.taken[0].readings[1].of == (0,)
    assert first.id != second.id


async def test_where_the_far_side_takes_nothing_nothing_becomes_a_dead_letter(queue, clock, tmp_path):
    await queue.take(many(1))
    batch = (await queue.next()).batch
    for _ in range(9):
        await queue.settle(batch, Stopped("401: the key is not known"))
    (kept,) = listing.batches(look(tmp_path))
    assert (kept.state, kept.tries) == ("stopped", 9)
    assert 450 <= kept.again - clock.now <= 900
    await queue.unstop()
    assert (await queue.next()).batch.id == batch.id


async def test_a_held_batch_is_delivered_and_its_receipt_says_why_it_waits_there(queue, tmp_path):
    await queue.take(many(2))
    await queue.settle((await queue.next()).batch, Held('{"id":"r1"}', "nobody has said whose it is"))
    standing = listing.standing(look(tmp_path))
    assert (standing.waiting, standing.dead) == (0, 0)
    assert (standing.last.readings, standing.last.held) == (2, "nobody has said whose it is")


async def test_what_was_created_of_a_batch_is_known_when_it_goes_again(queue):
    await queue.take(many(2))
    batch = (await queue.next()).batch
    await queue.note(batch.id, "entry", "Observation/1")
    await queue.note("urn:uuid:dropped", "entry", "Observation/2")
    assert (await queue.next()).batch.done == {"entry": "Observation/1"}


async def test_nothing_is_left_of_what_was_sent_but_digests_contacts_and_receipts(queue, tmp_path):
    await queue.take(many(9))
    batch = (await queue.next()).batch
    await queue.note(batch.id, "entry", "Observation/1")
    await drained(queue)
    db = look(tmp_path)
    counts = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetchall()}  # fmt: skip
    assert counts == {
        "device": 1, "taken": 0, "reading": 0, "batch": 0, "made": 0, "seen": 9, "receipt": 3, "malformed": 0,
        "ailing": 0,
    }  # fmt: skip


async def test_at_its_bound_nothing_is_taken_and_again_when_some_was_sent(tmp_path):
    queue = Queue(tmp_path, bytes=1 << 20, most=100, spare=4096)
    kept = 0
    with pytest.raises(Full, match="bound"):
        while True:
            await queue.take(many(200, start=kept))
            kept += 200
    assert sum(len(minutes(batch)) for batch in await drained(queue)) == kept
    await queue.take(many(1, start=kept))
    assert [minutes(batch) for batch in await drained(queue)] == [[kept]]
    await queue.close()


async def test_bytes_that_say_nothing_are_kept_the_oldest_go_and_repetitions_are_counted(queue, tmp_path, monkeypatch):
    monkeypatch.setattr(putting, "MALFORMED", 3)
    monkeypatch.setattr(putting, "LONGEST", 4)
    for data in (b"a", b"b", b"b", b"cc", b"dddddd"):
        await queue.refuse("ble", "meter", data, "too short")
    found = [(one.data, one.times, one.why) for one in listing.unread(look(tmp_path), show=True)]
    assert found == [("64646464", 1, "too short"), ("6363", 1, "too short"), ("62", 2, "too short")]
    monkeypatch.setattr(putting, "MALFORMED_BYTES", 5)
    await queue.refuse("ble", "meter", b"ee", "too short")
    assert [one.bytes for one in listing.unread(look(tmp_path))] == [2]


async def test_a_contact_without_a_reading_is_told(queue, tmp_path, clock):
    await queue.seen(CUFF, 40)
    clock.now += 10
    await queue.seen(CUFF)
    await queue.seen(METER)
    await queue.seen(METER, 99)
    found = {one.key: (one.name, one.at, one.battery) for one in listing.standing(look(tmp_path)).devices}
    assert found == {CUFF.key: ("Cuff", clock.now - 10, 40), METER.key: ("Acme Gluco 1", clock.now, 99)}


async def test_a_dropped_batch_is_gone_and_a_retried_one_is_due_whatever_became_of_it(queue, tmp_path):
    await queue.take(many(1))
    await queue.take(many(1, device=CUFF))
    for _ in range(2):
        await queue.settle((await queue.next()).batch, Refused("422"))
    db = schema.connect(tmp_path)
    first, second = listing.dead(db)
    with schema.writing(db):
        assert (listing.drop(db, [first, "urn:uuid:none"]), listing.retry(db, [second])) == (1, 1)
    db.close()
    found = (await queue.next()).batch
    assert (found.id, found.device, found.tries) == (second, CUFF.key, 0)
    await queue.take(many(1))
    assert len(await drained(queue)) == 1, "what a person dropped does not come back with the device"


async def test_what_a_later_version_kept_is_a_dead_letter_and_holds_up_nothing(queue, tmp_path):
    await queue.take(many(1))
    batch = (await queue.next()).batch
    await queue.take(many(1, start=5))
    db = sqlite3.connect(tmp_path / schema.NAME)
    db.execute('UPDATE reading SET body = \'{"is":"Later"}\' WHERE batch = ?', (batch.id,))
    db.commit()
    db.close()
    assert minutes((await queue.next()).batch) == [5]
    assert listing.batches(look(tmp_path), show=True)[0].state == "dead"


async def test_the_queue_is_for_its_owner_alone(queue, tmp_path):
    await queue.take(many(1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("queue.sqlite*")}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("content", [b"no database at all" * 99, b""], ids=["another file", "empty"])
async def test_a_file_that_is_no_queue_is_left_alone(tmp_path, content):
    (tmp_path / schema.NAME).write_bytes(content)
    if content:
        with pytest.raises(Misconfigured, match="is no queue"):
            Queue(tmp_path, spare=4096)
        assert (tmp_path / schema.NAME).read_bytes() == content
    else:
        assert schema.look(tmp_path) is None


async def test_a_queue_of_another_version_is_not_touched(tmp_path):
    db = sqlite3.connect(tmp_path / schema.NAME)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(Misconfigured, match="another version"):
        Queue(tmp_path, spare=4096)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_each_reading_is_delivered_once_or_dead(tmp_path, clock, seed):
    chance = random.Random(seed)
    queue = Queue(tmp_path, most=5, clock=clock, chance=chance, spare=4096)
    given, delivered, refused = set(), [], set()
    for step in range(150):
        if step < 100 and chance.random() < 0.6:
            device = chance.choice((METER, CUFF))
            start = chance.randrange(300)
            some = [glucose(start + at, of=(0,) if at and chance.random() < 0.3 else ()) for at in range(3)]
            given |= {(device.key, start + at) for at in range(3)}
            await queue.take(Taken(device, AT, tuple(some)))
        found = await queue.next()
        if found.batch is None:
            clock.now = found.due or clock.now
            continue
        batch = found.batch
        of = {(batch.device, minute) for minute in minutes(batch)}
        if any(minute % 37 == 0 for _, minute in of):
            await queue.settle(batch, Refused("422"))
        elif chance.random() < 0.3:
            await queue.settle(batch, Later("cut"))
        else:
            delivered += of
            await queue.settle(batch, Stored("{}"))
    while (found := await queue.next()).batch or found.due:
        if found.batch is None:
            clock.now = found.due
            continue
        of = {(found.batch.device, minute) for minute in minutes(found.batch)}
        bad = any(minute % 37 == 0 for _, minute in of)
        delivered += [] if bad else of
        await queue.settle(found.batch, Refused("422") if bad else Stored("{}"))
    db = schema.connect(tmp_path)
    with schema.writing(db):
        listing.retry(db)
    db.close()
    while (batch := (await queue.next()).batch) is not None:
        refused |= {(batch.device, minute) for minute in minutes(batch)}
        await queue.settle(batch, Stored("{}"))
    assert set(delivered) | refused == given
    assert all(
        minute % 37 == 0 or any(near % 37 == 0 for near in range(minute - 2, minute + 3)) for _, minute in refused
    )
    await queue.close()
