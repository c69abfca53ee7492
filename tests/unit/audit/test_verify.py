"""Whatever is done to the audit behind hilum's back, `hilum audit verify` names it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Principal
from hilum.audit import chain, file
from hilum.audit.anchor import RingSigner
from hilum.audit.settle import Settling
from hilum.audit.trail import Trail
from hilum.audit.verify import Verification
from hilum.interactions import create as creating
from hilum.interactions.door import Door
from hilum.store.interface import Store
from hilum.store.segments import CHECKPOINT, READ_HEADS
from hilum.store.sqlite import open_sqlite

ADA = Principal("ada", "app-1", "jti-1", EVERYTHING, 1 << 62)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Three segments of two frames, three commits, and a file of two frames that is not settled."""
    opened = await open_sqlite(str(tmp_path / "hilum.sqlite"))
    signer = await signer_of(tmp_path, opened)
    trail = Trail(tmp_path / "audit", process=b"12345678")
    trail.start()
    settling = Settling(opened, trail, signer, tmp_path / "audit")
    for number in range(4):
        for _ in range(2):
            await trail.flushed(trail.note(ADA, "read", "Patient", str(number), 1, 200, "", ()))
        if number < 3:
            await creating.create(Door(opened, "http://x/fhir"), ADA, "Patient", {"resourceType": "Patient"})
            await settling.turn()
    yield opened
    await opened.close()


async def signer_of(tmp_path: Path, store: Store) -> RingSigner:
    ring = Keyring(load_or_create(tmp_path / "keys", "sandbox"))
    await ring.prepare(store.ledger)
    return RingSigner(ring)


async def faults(tmp_path: Path, store: Store, since: int = 0) -> list[str]:
    run = Verification(store, await signer_of(tmp_path, store), tmp_path / "audit", since=since)
    return [fault async for fault in run.faults()]


def change(tmp_path: Path, sql: str, *values: Any) -> None:
    db = apsw.Connection(str(tmp_path / "hilum.sqlite"))
    db.execute("PRAGMA foreign_keys = off")
    db.execute(sql, values)
    assert db.changes(), sql
    db.close()


def row(tmp_path: Path, sql: str) -> tuple[Any, ...]:
    db = apsw.Connection(str(tmp_path / "hilum.sqlite"))
    found = db.execute(sql).fetchone()
    db.close()
    assert found is not None
    return found


def altered(tmp_path: Path) -> bytes:
    """The second segment's body, with another id in its first entry and everything else as it was."""
    (body,) = row(tmp_path, "SELECT body FROM audit_segment ORDER BY id LIMIT 1 OFFSET 1")
    raw = b""
    for number, (payload, linked) in enumerate(file.frames(zlib.decompress(body))):
        if number == 0:
            payload = payload.replace(b"Patient", b"Person!")
        raw += file.framed(payload, linked)
    return zlib.compress(raw)


def forged(tmp_path: Path) -> None:
    """The same, every link after it computed anew, in the segment and in the one that follows."""
    linked: bytes | None = None
    for place in (1, 2):
        id, before, body = row(
            tmp_path, f"SELECT id, before, body FROM audit_segment ORDER BY id LIMIT 1 OFFSET {place}"
        )
        start = linked = linked or before
        raw = b""
        for payload, _ in file.frames(zlib.decompress(body)):
            changed = payload.replace(b"Patient", b"Person!")
            linked = chain.link(linked, changed)
            raw += file.framed(changed, linked)
        change(
            tmp_path, "UPDATE audit_segment SET before = ?, after = ?, body = ? WHERE id = ?", start, linked,
            zlib.compress(raw), id,
        )  # fmt: skip


def checkpointed(path: Path) -> None:
    """The first two segments gone, as if they had been pruned."""
    (end, process) = row(path, f"SELECT first + rows, hex(process) FROM audit_segment WHERE id = {SECOND}")
    change(path, f"DELETE FROM audit_segment WHERE id <= {SECOND}")
    change(
        path, "UPDATE audit_anchor SET kind = ? WHERE kind = ? AND CAST(body AS TEXT) LIKE ?", CHECKPOINT, READ_HEADS,
        f'%["{process.lower()}",{end},%',
    )  # fmt: skip


async def test_nothing_is_wrong_with_what_nobody_touched(tmp_path: Path, store: Store) -> None:
    assert await faults(tmp_path, store) == []


SECOND = "(SELECT id FROM audit_segment ORDER BY id LIMIT 1 OFFSET 1)"
LAST = "(SELECT max(id) FROM audit_segment)"
COMMIT = "(SELECT seq FROM audit ORDER BY seq LIMIT 1 OFFSET 1)"
DEEDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a frame altered": (
        lambda path: change(path, f"UPDATE audit_segment SET body = ? WHERE id = {SECOND}", altered(path)),
        "frame 0",
    ),
    "a frame altered and all links after it": (forged, "no anchor seals it"),
    "a segment removed": (
        lambda path: change(path, f"DELETE FROM audit_segment WHERE id = {SECOND}"),
        "entries 2 to 3 before them removed",
    ),
    "the last segment removed": (
        lambda path: change(path, f"DELETE FROM audit_segment WHERE id = {LAST}"),
        "entries 4 to 5 removed",
    ),
    "the body of a segment cut": (
        lambda path: change(
            path, f"UPDATE audit_segment SET body = ? WHERE id = {SECOND}",
            zlib.compress(zlib.decompress(row(path, f"SELECT body FROM audit_segment WHERE id = {SECOND}")[0])[:-5]),
        ),
        "can't be read",
    ),
    "a segment's place altered": (
        lambda path: change(path, f"UPDATE audit_segment SET first = 3 WHERE id = {SECOND}"),
        "entries 2 to 2 before them removed",
    ),
    "since when a segment is altered": (
        lambda path: change(path, f"UPDATE audit_segment SET low = low - 1 WHERE id = {SECOND}"),
        "its times were altered",
    ),
    "until when a segment is altered": (
        lambda path: change(path, f"UPDATE audit_segment SET high = high + 1 WHERE id = {SECOND}"),
        "its times were altered",
    ),
    "whom a segment is found by removed": (
        lambda path: change(path, f"DELETE FROM audit_about WHERE segment = {SECOND} AND what = 1"),
        "what searches find it by was altered",
    ),
    "whom a segment is found by added": (
        lambda path: change(
            path, f"INSERT INTO audit_about SELECT 1, 17, high, id FROM audit_segment WHERE id = {SECOND}"
        ),
        "what searches find it by was altered",
    ),
    "when a segment is found altered": (
        lambda path: change(path, f"UPDATE audit_about SET high = high - 1 WHERE segment = {SECOND} AND what = 1"),
        "what searches find it by was altered",
    ),
    "reads removed, and the anchor after them made a checkpoint": (checkpointed, "of another kind"),
    "a commit's row altered": (
        lambda path: change(path, f"UPDATE audit SET agent = 'bob' WHERE seq = {COMMIT}"), "altered"
    ),
    "a commit's detail altered": (
        lambda path: change(path, f"UPDATE audit SET detail = '{{}}' || ' ' WHERE seq = {COMMIT}"), "altered"
    ),
    "a commit's row removed": (lambda path: change(path, f"DELETE FROM audit WHERE seq = {COMMIT}"), "removed"),
    "the last commit's row removed": (
        lambda path: change(path, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)"),
        "its row was removed",
    ),
    "an anchor's body altered": (
        lambda path: change(path, "UPDATE audit_anchor SET body = CAST(body || ' ' AS BLOB) WHERE n = 2"),
        "anchor 2: altered",
    ),
    "an anchor forged": (
        lambda path: change(
            path, "UPDATE audit_anchor SET signature = (SELECT signature FROM audit_anchor WHERE n = 1) WHERE n = 2"
        ),
        "anchor 2: not signed",
    ),
    "an anchor removed": (lambda path: change(path, "DELETE FROM audit_anchor WHERE n = 2"), "anchor 2: removed"),
    "a version without a row": (
        lambda path: change(path, "DELETE FROM audit WHERE seq = (SELECT min(seq) FROM audit)"),
        "no row tells who made them",
    ),
}  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
async def test_it_is_found(deed: str, tmp_path: Path, store: Store) -> None:
    do, expected = DEEDS[deed]
    do(tmp_path)
    found = await faults(tmp_path, store)
    assert any(expected in fault for fault in found), found


def file_of(tmp_path: Path) -> Path:
    (path,) = [one for one in file.logs(tmp_path / "audit") if file.read(one)]
    return path


async def test_a_file_that_waits_to_be_settled_is_looked_at_too(tmp_path: Path, store: Store) -> None:
    path = file_of(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"Patient", b"Person!", 1))
    assert [f"The audit file {path} was altered: frame 0 does not hold."] == await faults(tmp_path, store)
    first = file.head(b"12345678", 8, b"\0" * 32)
    path.write_bytes(first + raw[len(first) :])
    assert any("can't" in fault or "altered" in fault or "removed" in fault for fault in await faults(tmp_path, store))


async def test_since_takes_chains_up_where_they_come_in(tmp_path: Path, store: Store) -> None:
    change(tmp_path, "UPDATE audit SET agent = 'bob' WHERE seq = (SELECT min(seq) FROM audit)")
    (low,) = row(tmp_path, f"SELECT low FROM audit_segment WHERE id = {SECOND}")
    assert await faults(tmp_path, store) != []
    assert await faults(tmp_path, store, since=low) == []
    change(tmp_path, "UPDATE audit SET agent = 'bob' WHERE seq = (SELECT max(seq) FROM audit)")
    assert await faults(tmp_path, store, since=low) != []
