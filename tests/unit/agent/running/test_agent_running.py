"""Sources read and batches go out, each device for itself, until the program is told to stop."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from tests.unit.agent.queue.samples import CUFF, METER, Way, glucose, many, minutes, taken

from hilum.agent import running
from hilum.agent.batch import Later, Refused, Stored
from hilum.agent.queue import listing, schema
from hilum.agent.queue.durable import Queue
from hilum.agent.running import Sending, source, work
from hilum.agent.source import Full
from hilum.agent.told import status
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Device
from hilum.problems import Misconfigured


class Gives:
    """A source that gives what it is told, and ends."""

    def __init__(self, *given, name="gives", fails=()) -> None:
        self.name, self._given, self._fails = name, given, list(fails)

    async def run(self, sink) -> None:
        if self._fails:
            raise self._fails.pop(0)
        for one in self._given:
            await sink.take(one)


class Waits:
    """A source that never ends."""

    name = "waits"

    async def run(self, sink) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def queue(tmp_path):
    made = Queue(tmp_path, most=5, spare=4096)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(running, "_FIRST", 0.0)
    monkeypatch.setattr(running, "_SLOWEST", 0.0)
    monkeypatch.setattr(running, "_NO_ROOM", 0.0)


def standing(tmp_path):
    return listing.standing(schema.look(tmp_path))


async def once(queue, way, *sources, at_once=4):
    await work(queue, sources, Sending(queue, way, at_once), asyncio.Event(), once=True)


async def test_what_sources_give_is_sent_and_once_ends_when_all_is(queue, tmp_path):
    way = Way()
    await once(queue, way, Gives(many(7)), Gives(many(3, device=CUFF)))
    of = {key: [minutes(batch) for batch in way.sent if batch.device == key] for key in (METER.key, CUFF.key)}
    assert of == {METER.key: [[0, 1, 2, 3, 4], [5, 6]], CUFF.key: [[0, 1, 2]]}
    assert standing(tmp_path).waiting == 0


async def test_a_device_whose_batch_hangs_holds_up_no_other(queue):
    gone, hangs = asyncio.Event(), asyncio.Event()

    class Hangs(Way):
        async def send(self, batch):
            if batch.device == METER.key:
                hangs.set()
                await asyncio.Event().wait()
            if 9 in minutes(batch):
                gone.set()
            return await super().send(batch)

    way = Hangs()
    sends = asyncio.create_task(Sending(queue, way, 2).run())
    await queue.take(many(1))
    await hangs.wait()
    for minute in range(10):
        await queue.take(taken(glucose(minute), device=CUFF))
    await gone.wait()
    assert {batch.device for batch in way.sent} == {CUFF.key}
    sends.cancel()
    await asyncio.gather(sends, return_exceptions=True)


async def test_no_more_batches_are_under_way_than_may_be_and_of_a_device_one(queue):
    under_way, most, three, go = [], [], asyncio.Event(), asyncio.Event()

    class Counts(Way):
        async def send(self, batch):
            under_way.append(batch.device)
            most.append(under_way.count(batch.device))
            if len(under_way) == 3:
                three.set()
            await go.wait()
            under_way.remove(batch.device)
            return await super().send(batch)

    way = Counts()
    devices = [Device(system_id=f"00-00-00-00-00-00-00-0{number}") for number in range(1, 7)]
    running = asyncio.create_task(once(queue, way, *(Gives(many(12, device=device)) for device in devices), at_once=3))
    await three.wait()
    for _ in range(10):  # what would be sent besides goes through the same thread before this
        await queue.next(busy=range(10))
    assert len(under_way) == 3
    go.set()
    await running
    assert sum(len(minutes(batch)) for batch in way.sent) == 72
    assert max(most) == 1


async def test_what_waits_is_sent_when_it_is_due_in_order(queue, monkeypatch):
    from hilum.agent.queue import settling

    monkeypatch.setattr(settling, "_FIRST", 0.01)
    way = Way(lambda batch: Later("cut") if batch.tries < 2 else Stored("{}"))
    await once(queue, way, Gives(many(7)))
    assert [(minutes(batch)[0], batch.tries) for batch in way.sent] == [(0, 0), (0, 1), (0, 2), (5, 0), (5, 1), (5, 2)]


async def test_what_is_refused_stays_behind_and_the_rest_goes(queue, tmp_path):
    await once(queue, Way(lambda batch: Refused("422") if 3 in minutes(batch) else Stored("{}")), Gives(many(8)))
    assert (standing(tmp_path).waiting, standing(tmp_path).dead) == (0, 1)


async def test_a_reading_that_the_far_sides_language_can_not_say_holds_up_nothing(queue, tmp_path):
    def unspeakable(batch):
        if 3 in minutes(batch):
            raise Malformed("a time stamp of a wall clock without a time")
        return Stored("{}")

    await once(queue, Way(unspeakable), Gives(many(8)))
    found = standing(tmp_path)
    assert (found.waiting, found.dead) == (0, 1)


async def test_a_fault_of_a_way_loses_nothing(queue, tmp_path, monkeypatch):
    from hilum.agent.queue import settling

    monkeypatch.setattr(settling, "_FIRST", 0.01)

    def fails(batch):
        if batch.tries == 0:
            raise ZeroDivisionError
        return Stored("{}")

    await once(queue, Way(fails), Gives(many(3)))
    assert standing(tmp_path).waiting == 0


async def test_what_became_of_a_batch_is_noted_again_until_there_is_room(queue, tmp_path, monkeypatch):
    settle, full = queue.settle, [Full("full"), Full("full")]

    async def sometimes(batch, fate):
        if full:
            raise full.pop()
        await settle(batch, fate)

    monkeypatch.setattr(queue, "settle", sometimes)
    way = Way()
    await once(queue, way, Gives(many(3)))
    assert (len(way.sent), standing(tmp_path).waiting) == (1, 0)


async def test_where_the_queue_is_broken_the_program_ends(queue, monkeypatch):
    async def broken(batch, fate):
        raise sqlite3.DatabaseError("malformed")

    monkeypatch.setattr(queue, "settle", broken)
    with pytest.raises(sqlite3.DatabaseError):
        await work(queue, [Gives(many(1)), Waits()], Sending(queue, Way(), 1), asyncio.Event())


async def test_a_source_that_fails_is_begun_anew(queue):
    way = Way()
    await once(queue, way, Gives(many(2), fails=[OSError("unplugged"), Full("full")]))
    assert [minutes(batch) for batch in way.sent] == [[0, 1]]


async def test_a_source_that_will_never_work_stops_no_other_and_is_told_until_the_next_start(queue, tmp_path):
    way = Way()
    await once(queue, way, Gives(name="bad", fails=[Misconfigured("no radio")]), Gives(many(2)))
    assert [minutes(batch) for batch in way.sent] == [[0, 1]]
    assert standing(tmp_path).ailing == (("bad", "no radio"),)
    assert "The source bad does not work: no radio. Mend that, and start the agent anew." in status(tmp_path).stopped
    await queue.begin()
    assert standing(tmp_path).ailing == ()


async def test_where_no_source_will_ever_work_the_program_says_so(queue):
    with pytest.raises(Misconfigured, match="no radio"):
        await work(queue, [Gives(fails=[Misconfigured("no radio")])], Sending(queue, Way(), 1), asyncio.Event())


async def test_told_to_stop_it_lets_what_is_under_way_end(queue, tmp_path):
    stop = asyncio.Event()

    class Stops(Way):
        async def send(self, batch):
            stop.set()
            await asyncio.sleep(0.01)
            return await super().send(batch)

    way = Stops()
    await work(queue, [Waits(), Gives(many(9))], Sending(queue, way, 2), stop)
    assert len(way.sent) == 1
    assert standing(tmp_path).waiting == 9 - len(minutes(way.sent[0]))


async def test_what_does_not_end_is_sent_again_as_the_same_batch(queue, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_PATIENCE", 0.01)
    stop = asyncio.Event()

    class Hangs(Way):
        async def send(self, batch):
            self.sent.append(batch)
            stop.set()
            await asyncio.Event().wait()

    way = Hangs()
    await work(queue, [Gives(many(3))], Sending(queue, way, 2), stop)
    assert (await queue.next()).batch == way.sent[0]


async def test_a_kind_of_source_that_is_not_there_is_named():
    with pytest.raises(Misconfigured, match="no kind carrier_pigeon"):
        source({"kind": "carrier_pigeon"})
    with pytest.raises(Misconfigured, match="no kind"):
        source({"name": "x"})
