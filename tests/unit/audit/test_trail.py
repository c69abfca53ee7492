"""The trail: what is noted is on disk when it says so, in the order of notes, each file readable for itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.audit import chain, file
from hilum.audit.context import ORIGIN, Origin
from hilum.audit.entry import LONGEST_QUERY, Entry, Frame, Who, decode
from hilum.audit.trail import Trail
from hilum.problems import Busy, Damaged

ADA = Principal("ada", "app-1", "jti-1", EVERYTHING, 1 << 62, grant="g-1", user="u-1", roles=("patient",), patient="17")
BOB = Principal("bob", "app-2", "jti-2", EVERYTHING, 1 << 62)
NOBODY = Principal("nobody", "anonymous", "", Policy(()), 1 << 62)


def read(trail: Trail, id: str, who: Principal = ADA) -> int:
    return trail.note(who, "read", "Observation", id, 2, 200, "", (7,))


def frames(path: Path) -> list[Frame]:
    found = file.read(path)
    assert found is not None
    return [decode(payload) for payload in found.payloads]


def entries(path: Path) -> list[Entry]:
    return [one for frame in frames(path) for one in frame.entries]


async def test_an_entry_is_on_disk_when_its_ticket_is_flushed(tmp_path: Path) -> None:
    trail = Trail(tmp_path, clock=lambda: 5_000_000)
    trail.start()
    ORIGIN.set(Origin("req-1", "203.0.113.9"))
    await trail.flushed(read(trail, "5"))
    (path,) = file.logs(tmp_path)
    assert frames(path) == [
        Frame(
            [Who(0, "ada", "app-1", "jti-1", "g-1", "u-1", "", ("patient",), "17")],
            [Entry(5000, 0, "203.0.113.9", "req-1", "read", "Observation", "5", 2, 200, "", (7,))],
        )
    ]
    assert path.stat().st_mode & 0o077 == 0
    await trail.stop()


async def test_those_who_wait_together_share_a_frame_and_come_in_the_order_of_notes(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    tickets = [read(trail, str(number), (ADA, BOB)[number % 2]) for number in range(10)]
    await asyncio.gather(*(trail.flushed(ticket) for ticket in tickets))
    (frame,) = frames(file.logs(tmp_path)[0])
    assert [one.id for one in frame.entries] == [str(number) for number in range(10)]
    assert [one.agent for one in frame.people] == ["ada", "bob"]
    assert [one.who for one in frame.entries] == [0, 1] * 5
    await trail.stop()


async def test_grouped_does_not_wait_but_certain_does(tmp_path: Path) -> None:
    trail = Trail(tmp_path, strict=False, window=60)
    trail.start()
    await trail.flushed(read(trail, "5"))
    (path,) = file.logs(tmp_path)
    assert file.read(path) is None
    await trail.certain(ADA, "sign-in-failed", 401, {"name": "x"})
    assert [(one.interaction, one.status, one.query) for one in entries(path)] == [
        ("read", 200, ""),
        ("sign-in-failed", 401, '{"name":"x"}'),
    ]
    await trail.stop()


async def test_what_waits_is_flushed_at_the_end(tmp_path: Path) -> None:
    trail = Trail(tmp_path, strict=False, window=60)
    trail.start()
    for number in range(5000):
        read(trail, str(number))
    await trail.stop()
    assert [one.id for one in entries(file.logs(tmp_path)[0])] == [str(number) for number in range(5000)]


async def test_a_trail_of_which_nothing_came_leaves_no_file(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    assert await trail.stop() is None
    assert not file.logs(tmp_path)


async def test_files_follow_each_other_in_one_chain_and_each_introduces_its_people(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    await trail.flushed(read(trail, "1"))
    read(trail, "2", BOB)
    closed = await trail.cut()
    assert closed is not None
    await trail.flushed(read(trail, "3"))
    first, second = (file.read(path) for path in file.logs(tmp_path))
    assert first is not None and second is not None
    assert (second.first, second.before) == (first.first + len(first.payloads), first.after)
    for path in file.logs(tmp_path):
        known = {one.number for frame in frames(path) for one in frame.people}
        assert {one.who for one in entries(path)} <= known
    assert [one.id for path in file.logs(tmp_path) for one in entries(path)] == ["1", "2", "3"]
    await trail.stop()


async def test_who_waits_while_a_file_is_cut_is_introduced_in_the_next(tmp_path: Path) -> None:
    trail = Trail(tmp_path, strict=False, window=60)
    trail.start()
    await trail.certain(ADA, "sign-in", 200, {})
    read(trail, "1", BOB)
    assert await trail.cut() is not None
    await trail.stop()
    (_, second) = file.logs(tmp_path)
    assert [one.id for one in entries(second)] == ["1"]
    known = {one.number: one.agent for frame in frames(second) for one in frame.people}
    assert [known[one.who] for one in entries(second)] == ["bob"]


async def test_a_file_with_nothing_in_it_is_not_cut(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    assert await trail.cut() is None
    await trail.stop()


async def test_what_can_not_be_written_is_refused_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.audit.trail._AGAIN_SECONDS", 0.01)
    trail = Trail(tmp_path)
    trail.start()
    await trail.flushed(read(trail, "1"))
    full = True
    real = os.pwrite

    def pwrite(fd: int, content: Any, at: int) -> int:
        if full:
            real(fd, bytes(content)[:40], at)
            raise OSError(28, "No space left on device")
        return real(fd, content, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(Busy):
        await trail.flushed(read(trail, "2"))
    with pytest.raises(Busy):
        await trail.flushed(read(trail, "3"))
    with pytest.raises(Busy):
        await trail.certain(ADA, "token", 200, {})
    full = False
    while True:
        await asyncio.sleep(0.01)
        try:
            await trail.flushed(read(trail, "4"))
            break
        except Busy:
            continue
    found = [one.id for one in entries(file.logs(tmp_path)[0])]
    assert found[:3] == ["1", "2", "3"] and found[-1] == "4"
    await trail.stop()


async def test_while_the_backlog_is_full_everything_is_refused(tmp_path: Path) -> None:
    trail = Trail(tmp_path, strict=False)
    trail.start()
    trail.hold("The backlog is full.")
    with pytest.raises(Busy, match="backlog"):
        await trail.flushed(read(trail, "1"))
    trail.hold("")
    await trail.flushed(read(trail, "2"))
    await trail.stop()


async def test_of_a_long_query_the_begin_and_a_digest_are_kept(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    await trail.flushed(trail.note(ADA, "search-type", "Patient", "", 0, 200, "a" * 5000, ()))
    (one,) = entries(file.logs(tmp_path)[0])
    assert one.query.startswith("a" * LONGEST_QUERY + "... sha256:") and len(one.query) == LONGEST_QUERY + 75
    await trail.stop()


async def test_of_those_without_a_token_ten_a_second_and_address_are_noted_and_the_others_counted(
    tmp_path: Path,
) -> None:
    now = 1_000_000_000
    trail = Trail(tmp_path, clock=lambda: now)
    trail.start()
    ORIGIN.set(Origin("", "203.0.113.9"))
    tickets = [trail.note(NOBODY, "read", "Patient", "1", 0, 401, "", ()) for _ in range(25)]
    ORIGIN.set(Origin("", "203.0.113.10"))
    trail.note(NOBODY, "read", "Patient", "1", 0, 401, "", ())
    for _ in range(12):
        await trail.certain(NOBODY, "sign-in-failed", 401, {})
    now += 1_000_000_000
    await trail.flushed(trail.note(NOBODY, "read", "Patient", "2", 0, 401, "", ()))
    assert tickets[10:] == [0] * 15
    found = entries(file.logs(tmp_path)[0])
    assert [(one.address, one.interaction, one.query) for one in found] == [
        *[("203.0.113.9", "read", "")] * 10,
        ("203.0.113.10", "read", ""),
        *[("203.0.113.10", "sign-in-failed", "{}")] * 12,
        ("203.0.113.9", "unauthenticated", '{"more":15}'),
        ("203.0.113.10", "read", ""),
    ]
    await trail.stop()


async def two_frames(tmp_path: Path) -> Path:
    trail = Trail(tmp_path, process=b"12345678")
    trail.start()
    await trail.flushed(read(trail, "1"))
    await trail.flushed(read(trail, "2"))
    await trail.stop()
    return file.logs(tmp_path)[0]


async def test_a_torn_frame_is_left_out(tmp_path: Path) -> None:
    path = await two_frames(tmp_path)
    whole = file.read(path)
    assert whole is not None
    end = 64 + len(whole.body)
    for cut in range(1, len(file.framed(whole.payloads[1], whole.after))):
        path.write_bytes(path.read_bytes()[: end - cut])
        torn = file.read(path)
        assert torn is not None
        assert torn.payloads == whole.payloads[:1]
        assert torn.after == chain.link(whole.before, whole.payloads[0])


async def test_a_frame_that_was_altered_is_found(tmp_path: Path) -> None:
    path = await two_frames(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[64 + 10] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Damaged, match="frame 0"):
        file.read(path)


async def test_a_file_of_a_process_that_lives_is_not_an_orphan(tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    trail.start()
    await trail.flushed(read(trail, "1"))
    (path,) = file.logs(tmp_path)
    assert file.orphan(path) is None
    left = await trail.stop()
    assert left is not None
    assert file.orphan(path) is None
    left.close()
    found = file.orphan(path)
    assert found is not None
    os.close(found)
