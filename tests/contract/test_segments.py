"""Contract: the audit trail. Who wrote, in chains; what was read, in segments; anchors, each linked to the last."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import asyncpg
import pytest
from tests.contract.writing import AUDIT, commit, create, delete, observation, patient, put
from tests.contract.writing import replace as update

from hilum.oauth.ledger import GRANT, GRANT_REVOKED, NEVER, Put, Revoked
from hilum.store.chain import linked
from hilum.store.interface import Audit, Commit, Store
from hilum.store.postgres import PostgresStore
from hilum.store.segments import (
    AGENT,
    CHECKPOINT,
    PATIENT,
    READ_HEADS,
    WRITE_HEADS,
    About,
    Anchor,
    Cut,
    Head,
    Seal,
    Segment,
    Version,
    WriteAudited,
)

ANN, BEN, DOCTOR = About(PATIENT, 7), About(PATIENT, -9), About(AGENT, 1 << 62)
EVER = (0, 1 << 61)


def after(previous: Anchor | None, kind: int, body: bytes) -> Anchor:
    """The next anchor, as `hilum.audit` makes it but for a true signature."""
    link = previous.digest if previous else b""
    return Anchor((previous.n if previous else 0) + 1, 5, kind, body, link, sha256(link + body).digest(), b"sig", "k1")


def sealing(body: bytes, kind: int = READ_HEADS) -> Seal:
    return lambda previous: after(previous, kind, body)


def segment(first: int = 0, rows: int = 10, low: int = 100, high: int = 200, process: bytes = b"process1") -> Segment:
    return Segment(process, first, rows, low, high, b"before", b"after%d" % first, b"\x00frames %d" % first)


async def kept(store: Store, *some: tuple[Segment, tuple[About, ...]]) -> None:
    for one, about in some:
        assert await store.segments.put(one, about, sealing(b"%d" % one.first)) is not None


async def firsts(store: Store, low: int, high: int, *about: tuple[About, ...]) -> list[int]:
    return [one.first for one in await store.segments.between(low, high, about)]


async def rows(store: Store) -> list[WriteAudited]:
    return await store.writes_audited(1 << 62, 0, 1000, oldest_first=True)


async def test_a_segment_comes_back_as_it_was(store: Store, other: Store) -> None:
    anchor = await store.segments.put(segment(), (ANN, DOCTOR), sealing(b"heads"))
    assert anchor == Anchor(1, 5, READ_HEADS, b"heads", b"", sha256(b"heads").digest(), b"sig", "k1")
    assert await store.segments.newest() == anchor
    assert await other.segments.anchors(0) == [anchor]
    (found,) = await other.segments.following(0)
    assert found == replace(segment(), id=found.id)
    assert await store.segments.between(*EVER) == [found]
    assert await store.segments.following(found.id) == []


async def test_what_is_settled_twice_is_kept_once(store: Store) -> None:
    """A process was killed between the commit and the cut of its file."""
    await kept(store, (segment(), (ANN,)))
    assert await store.segments.put(replace(segment(), rows=99), (BEN,), sealing(b"again")) is None
    assert [one.rows for one in await store.segments.following(0)] == [10]
    assert len(await store.segments.anchors(0)) == 1
    assert await firsts(store, *EVER, (BEN,)) == []
    await kept(store, (segment(process=b"process2"), ()))


async def test_where_no_anchor_can_be_made_nothing_is_kept(store: Store) -> None:
    def refuse(previous: Anchor | None) -> Anchor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.segments.put(segment(), (ANN,), refuse)
    assert await store.segments.following(0) == []
    assert await firsts(store, *EVER, (ANN,)) == []
    await kept(store, (segment(), (ANN,)))


async def test_segments_are_found_by_time_and_by_whom_they_speak_of(store: Store) -> None:
    await kept(
        store,
        (segment(0, low=100, high=200), (ANN, DOCTOR)),
        (segment(10, low=200, high=300), (BEN, DOCTOR)),
        (segment(20, low=300, high=400), (ANN,)),
        (segment(0, low=150, high=350, process=b"process2"), (ANN, BEN)),
    )
    assert [one.low for one in await store.segments.between(*EVER)] == [300, 150, 200, 100]
    assert await firsts(store, 0, 99) == []
    assert await firsts(store, 0, 100) == [0]
    assert await firsts(store, 301, 360) == [20, 0]
    assert await firsts(store, 401, 500) == []
    assert await firsts(store, *EVER, (ANN,)) == [20, 0, 0]
    assert await firsts(store, *EVER, (DOCTOR,)) == [10, 0]
    assert await firsts(store, *EVER, (ANN, DOCTOR)) == [20, 0, 10, 0]
    assert [one.low for one in await store.segments.between(*EVER, ((ANN,), (BEN, DOCTOR)))] == [150, 100]
    assert await firsts(store, 0, 140, (ANN,), (DOCTOR,)) == [0]
    assert await firsts(store, *EVER, (About(PATIENT, 1),)) == []
    assert await firsts(store, *EVER, ()) == []


@pytest.mark.parametrize("about", [(), ((ANN,),), ((ANN, DOCTOR), (DOCTOR,))])
async def test_pages_of_segments_hold_each_one_once(store: Store, about: tuple[tuple[About, ...], ...]) -> None:
    await kept(store, *((segment(n, high=200 + n // 3), (ANN, DOCTOR)) for n in range(10)))
    found: list[Segment] = []
    while page := await store.segments.between(
        *EVER, about, before=(found[-1].high, found[-1].id) if found else None, limit=4
    ):
        found += page
    assert [one.first for one in found] == list(range(9, -1, -1))
    paged = [*await store.segments.following(0, 6), *await store.segments.following(found[4].id, 6)]
    assert [one.first for one in paged] == list(range(10))
    assert [one.n for one in await store.segments.anchors(3, 4)] == [4, 5, 6, 7]


async def test_anchors_of_all_processes_are_one_chain(store: Store, other: Store) -> None:
    async def settle(n: int) -> None:
        one = (store, other)[n % 2].segments
        if n % 3:
            await one.put(segment(n // 2, process=b"process%d" % (n % 2)), (ANN,), sealing(b"%d" % n))
        else:
            await one.anchor(sealing(b"%d" % n, WRITE_HEADS))

    await asyncio.gather(*map(settle, range(30)))
    anchors = await store.segments.anchors(0)
    assert [one.n for one in anchors] == list(range(1, 31))
    assert sorted(int(one.body) for one in anchors) == list(range(30))
    assert all(one.kind == (WRITE_HEADS if int(one.body) % 3 == 0 else READ_HEADS) for one in anchors)
    assert all(two.previous == one.digest for one, two in pairwise(anchors))


async def test_a_commit_s_row_tells_who_and_which_versions(store: Store) -> None:
    (made,) = await store.commit(
        Commit((put(patient(), "a"),), Audit("Patient/ä", "app", "create", "jti", '{"ip":"::1"}'))
    )
    two = await store.commit(commit(put(patient("B"), "a", over=made), put(observation("Patient/a"), "o")))
    gone = await delete(store, two[0])
    newest = await store.writes_audited(1 << 62, 0, 10)
    assert [(one.seq, one.writes) for one in newest] == [(gone.seq, 1), (two[0].seq, 2), (made.seq, 1)]
    assert [one.versions for one in newest] == [
        (Version(gone.seq, "Patient", "a", 3, "DELETE"),),
        (Version(two[0].seq, "Patient", "a", 2, "PUT"), Version(two[1].seq, "Observation", "o", 1, "PUT")),
        (Version(made.seq, "Patient", "a", 1, "PUT"),),
    ]
    last = newest[-1]
    assert (last.agent, last.client, last.interaction, last.token, last.detail) == (
        *("Patient/ä", "app", "create", "jti", '{"ip":"::1"}'),
    )
    assert newest[0].detail == AUDIT.detail == "{}"
    assert await rows(store) == newest[::-1]
    assert await store.writes_audited(gone.seq, two[0].seq, 10) == newest[1:2]
    assert await store.writes_audited(1 << 62, 0, 2) == newest[:2]
    assert await store.writes_audited(1 << 62, 0, 2, oldest_first=True) == newest[:0:-1]


async def test_every_row_is_linked_to_the_one_before_it_of_its_process(store: Store, other: Store) -> None:
    """By the same formula on every store: it is what `hilum audit verify` computes."""
    texts = ("", "a:b,", "Patient/ä", "\x1f", "日本", '{"q":"\\u0000"}')

    async def write(n: int) -> None:
        audit = Audit(texts[n % 6], texts[(n + 1) % 6], texts[(n + 2) % 6], texts[(n + 3) % 6], f'{{"n":{n},"t":"ß"}}')
        await (store, other)[n % 2].commit(Commit((put(patient(), f"a{n}"), put(patient(), f"b{n}")), audit))

    await asyncio.gather(*map(write, range(24)))
    links: dict[bytes, bytes] = {}
    found = await rows(store)
    for one in found:
        fields = (one.agent, one.client, one.interaction, one.token, one.detail)
        links[one.process] = linked(links.get(one.process, b""), one.seq, one.writes, *fields)
        assert links[one.process] == one.chain
    assert len(found) == 24
    assert sum(len(one.versions) for one in found) == 48
    heads = await store.segments.heads(0)
    assert {head.process: head.link for head in heads} == links
    assert await store.segments.heads(max(one.seq for one in found)) == []
    last = max(heads, key=lambda head: head.at)
    assert await store.segments.heads(last.at - 1) == [last]


async def test_a_refused_commit_leaves_no_gap_in_the_chain(store: Store) -> None:
    first = await create(store, patient(), "a")
    await update(store, first, patient("B"))
    for n in range(3):
        outcomes = await asyncio.gather(
            create(store, patient(), f"x{n}"), update(store, first, patient("C")), return_exceptions=True
        )
        assert isinstance(outcomes[1], Exception)
    links: dict[bytes, bytes] = {}
    for one in await rows(store):
        fields = (one.agent, one.client, one.interaction, one.token, one.detail)
        links[one.process] = linked(links.get(one.process, b""), one.seq, one.writes, *fields)
        assert links[one.process] == one.chain


async def test_a_commit_that_is_tried_again_after_a_deadlock_is_linked_once(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    await create(postgres, patient(), "before")
    await postgres.ledger.add(Put(GRANT, b"g", b""))
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("UPDATE ledger SET version = version + 1")
    revokes = (Revoked(GRANT_REVOKED, b"g", 1, NEVER),)
    writing = asyncio.create_task(postgres.commit(Commit((put(patient(), "a"),), AUDIT, revokes=revokes)))
    await asyncio.wait((writing,), timeout=0.3)  # it holds the lock of those who write alone, and waits for the record
    await admin.execute("SELECT pg_advisory_xact_lock(1751741805, $1::integer)", postgres.ledger._guard)
    await transaction.commit()
    await writing
    link = b""
    for one in await rows(postgres):
        link = linked(link, one.seq, one.writes, one.agent, one.client, one.interaction, one.token, one.detail)
        assert one.chain == link
    assert len(await postgres.ledger.revocations(0)) == 1


async def test_compartments_of_many_versions(store: Store) -> None:
    ann = await create(store, patient(), "ann")
    about = await create(store, observation("Patient/ann"), "o")
    nobody = await create(store, observation(), "n")
    moved = await update(store, about, observation("Patient/ben"))
    gone = await delete(store, moved)
    seqs = [ann.seq, about.seq, nobody.seq, moved.seq, gone.seq, 5]
    found = await store.compartments_of(seqs)
    assert found == {
        ann.seq: (("Patient", "ann"),),
        about.seq: (("Patient", "ann"),),
        moved.seq: (("Patient", "ben"),),
        gone.seq: (("Patient", "ben"),),
    }
    assert await store.compartments_of([]) == {}
    for one in (ann, about, nobody, moved, gone):
        assert await store.placed(one.type, one.id, one.version) == (one, found.get(one.seq, ()))


async def test_what_is_pruned_is_in_its_checkpoint(store: Store) -> None:
    made = [await create(store, patient(), f"p{n}") for n in range(4)]
    audited = await rows(store)
    before = made[2].seq
    await kept(
        store,
        (segment(0, high=before - 20), (ANN,)),
        (segment(10, high=before - 10), (ANN,)),
        (segment(20, high=before), (ANN,)),
        (segment(30, high=before - 5), (ANN,)),  # its clock went back: what comes after what is kept is kept
        (segment(0, high=before - 1, process=b"process2"), (BEN,)),
    )
    cuts: list[Cut] = []

    def seal(previous: Anchor | None, cut: Cut) -> Anchor:
        cuts.append(cut)
        return after(previous, CHECKPOINT, b"pruned")

    anchor = await store.segments.prune(before, seal)
    assert anchor is not None
    assert (anchor.n, anchor.kind) == (6, CHECKPOINT)
    assert await store.segments.newest() == anchor
    (cut,) = cuts
    assert (cut.before, cut.segments, cut.rows) == (before, 3, 2)
    assert cut.reads == (Head(b"process1", 20, b"after10"), Head(b"process2", 10, b"after0"))
    gone = {one.process: Head(one.process, one.seq, one.chain) for one in audited[:2]}
    assert set(cut.writes) == set(gone.values())
    assert [one.first for one in await store.segments.following(0)] == [20, 30]
    assert await firsts(store, *EVER, (BEN,)) == []
    assert await firsts(store, *EVER, (ANN,)) == [20, 30]
    assert await rows(store) == audited[2:]
    assert await store.unaudited(0) == [made[0].seq, made[1].seq]
    assert await store.segments.prune(before, seal) is None
    assert len(cuts) == 1
    assert len(await store.segments.anchors(0)) == 6


async def test_every_version_is_audited(store: Store) -> None:
    first = await create(store, patient(), "a")
    await store.commit(commit(*(put(patient(), f"p{n}") for n in range(5))))
    await delete(store, await update(store, first, patient("B")))
    assert await store.unaudited(0) == []

    def seal(previous: Anchor | None, cut: Cut) -> Anchor:
        return after(previous, CHECKPOINT, b"")

    await store.segments.prune(1 << 60, seal)
    changes = [one.seq for one in await store.changes(0)]
    assert await store.unaudited(0) == changes
    assert await store.unaudited(changes[2], 3) == changes[3:6]
