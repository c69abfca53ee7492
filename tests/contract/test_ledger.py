"""Contract: the records of the authorization server. What is to happen once happens once, over all processes."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

import asyncpg
import pytest
from tests.contract.conftest import DURABLE
from tests.contract.writing import AUDIT, commit, create, patient, put

from hilum.oauth.lease import Leases, offered
from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_REVOKED,
    CODE,
    FRESH,
    GRANT,
    GRANT_REVOKED,
    JTI,
    LEASE,
    NEVER,
    REFRESH,
    REVOKED,
    SESSION,
    TOKEN_REVOKED,
    TRIES,
    USED,
    USERNAME,
    Lost,
    Numbered,
    Put,
    Revoked,
    Row,
    Take,
    Taken,
)
from hilum.problems import VersionChanged
from hilum.store.clock import microseconds
from hilum.store.interface import Commit, Store
from hilum.store.postgres import PostgresStore, ledger
from hilum.store.postgres.connection import Session
from hilum.store.sqlite import SqliteStore

A_MINUTE = 60_000_000


def soon() -> int:
    return microseconds() + A_MINUTE


def past() -> int:
    return microseconds() - 1


def revoked(key: bytes, kind: int = TOKEN_REVOKED, expires: int = NEVER) -> Revoked:
    return Revoked(kind, key, 1_700_000_000, expires)


async def keys(store: Store, kind: int, **by: bytes) -> list[bytes]:
    return [row.key for row in await store.ledger.of(kind, **by)]


async def test_what_was_added_is_there(store: Store) -> None:
    before = microseconds()
    put = Put(SESSION, b"\x00key\xff", b'{"user":"u"}', soon(), b"owner", b"peer")
    assert await store.ledger.add(put)
    row = await store.ledger.get(SESSION, put.key)
    assert row is not None
    assert before <= row.changed <= microseconds()
    assert row == Row(SESSION, put.key, FRESH, b"owner", b"peer", 1, row.changed, put.expires, put.value)
    assert await store.ledger.get(CODE, put.key) is None
    assert await store.ledger.get(SESSION, b"another") is None


async def test_another_process_has_it_at_once(store: Store, other: Store) -> None:
    await store.ledger.add(Put(CLIENT, b"app", b"{}"))
    assert await other.ledger.get(CLIENT, b"app") == await store.ledger.get(CLIENT, b"app")
    await other.ledger.replace(Put(CLIENT, b"app", b'{"a":1}'), 1)
    row = await store.ledger.get(CLIENT, b"app")
    assert row is not None
    assert (row.version, row.value, row.expires) == (2, b'{"a":1}', NEVER)


async def test_a_key_is_added_once(store: Store) -> None:
    assert await store.ledger.add(Put(USERNAME, b"ann", b"1"))
    assert not await store.ledger.add(Put(USERNAME, b"ann", b"2"))
    row = await store.ledger.get(USERNAME, b"ann")
    assert row is not None
    assert row.value == b"1"


async def test_what_has_expired_is_not_shown_and_its_key_stays_taken_until_it_is_swept(store: Store) -> None:
    put = Put(JTI, b"j", b"", past(), b"o", b"p")
    assert await store.ledger.add(put)
    assert await store.ledger.get(JTI, b"j") is None
    assert await keys(store, JTI) == await keys(store, JTI, owner=b"o") == await keys(store, JTI, peer=b"p") == []
    assert not await store.ledger.add(put)
    assert await store.ledger.sweep() == 1
    assert await store.ledger.sweep() == 0
    assert await store.ledger.add(put)


async def test_a_sweep_takes_so_many_at_most_and_nothing_that_is_alive(store: Store) -> None:
    await store.ledger.many([Put(JTI, b"%d" % n, b"", past() - n) for n in range(5)])
    await store.ledger.many([Put(JTI, b"alive", b"", soon()), Put(CLIENT, b"for ever", b"{}")])
    await store.ledger.revoke([revoked(b"t", expires=past()), revoked(b"u", expires=soon())])
    assert [await store.ledger.sweep(2) for _ in range(4)] == [2, 2, 2, 0]
    assert await keys(store, JTI) == [b"alive"]
    assert await keys(store, CLIENT) == [b"for ever"]
    assert [one.revoked.key for one in await store.ledger.revocations(0)] == [b"u"]


async def test_it_is_replaced_only_as_it_was_seen(store: Store) -> None:
    await store.ledger.add(Put(CLIENT, b"app", b"1"))
    new = Put(CLIENT, b"app", b"2", soon(), b"o", b"p", USED)
    assert not await store.ledger.replace(new, 2)
    assert await store.ledger.replace(new, 1)
    assert not await store.ledger.replace(new, 1)
    row = await store.ledger.get(CLIENT, b"app")
    assert row is not None
    assert (row.version, row.value, row.expires, row.owner, row.peer, row.state) == (
        *(2, b"2", new.expires, b"o", b"p", USED),
    )
    assert not await store.ledger.replace(Put(CLIENT, b"none", b""), 1)
    assert await store.ledger.remove(CLIENT, b"app")
    assert not await store.ledger.replace(new, 2)


async def test_what_was_taken_is_used_up(store: Store) -> None:
    await store.ledger.add(Put(CODE, b"c", b"before", soon(), b"grant"))
    first = await store.ledger.take(CODE, b"c", b"after")
    assert (first.first, first.row and (first.row.state, first.row.version, first.row.value, first.row.owner)) == (
        *(True, (USED, 2, b"after", b"grant")),
    )
    assert await store.ledger.take(CODE, b"c", b"again") == Taken(first.row, False)
    assert await store.ledger.get(CODE, b"c") == first.row


async def test_what_is_taken_without_a_value_keeps_its_own(store: Store) -> None:
    await store.ledger.add(Put(CODE, b"c", b"before", soon()))
    taken = await store.ledger.take(CODE, b"c")
    assert taken.row is not None
    assert taken.row.value == b"before"


async def test_nobody_takes_what_is_absent_expired_or_revoked(store: Store) -> None:
    assert await store.ledger.take(CODE, b"none") == Taken(None, False)
    await store.ledger.add(Put(CODE, b"late", b"", past()))
    late = await store.ledger.take(CODE, b"late")
    assert (late.first, late.row and late.row.state) == (False, FRESH)
    await store.ledger.add(Put(CODE, b"revoked", b"", soon()))
    await store.ledger.end(CODE, key=b"revoked")
    ended = await store.ledger.take(CODE, b"revoked")
    assert (ended.first, ended.row and ended.row.state) == (False, REVOKED)


async def test_records_are_listed_by_key_a_page_at_a_time(store: Store) -> None:
    some = [Put(GRANT, bytes([n]), b"", NEVER, b"even" if n % 2 == 0 else b"odd", b"p%d" % (n % 3)) for n in range(9)]
    await store.ledger.many(some[::-1])
    await store.ledger.add(Put(REFRESH, b"else", b"", NEVER, b"even"))
    assert await keys(store, GRANT) == [bytes([n]) for n in range(9)]
    assert [row.key for row in await store.ledger.of(GRANT, after=bytes([3]), limit=2)] == [bytes([4]), bytes([5])]
    assert await keys(store, GRANT, owner=b"even") == [bytes([n]) for n in (0, 2, 4, 6, 8)]
    assert await keys(store, GRANT, owner=b"even", after=bytes([4])) == [bytes([6]), bytes([8])]
    assert await keys(store, GRANT, peer=b"p1") == [bytes([n]) for n in (1, 4, 7)]
    assert await keys(store, GRANT, owner=b"odd", peer=b"p1") == [bytes([1]), bytes([7])]
    assert await keys(store, GRANT, owner=b"nobody") == []


async def test_records_are_listed_by_peer_between_two_of_them(store: Store) -> None:
    peers = [b"a\x00\x01", b"a\x00\x05", b"a\x00\x05k", b"a\x00\xff", b"b\x00\x01"]
    await store.ledger.many([Put(LEASE, b"%d" % (9 - n), b"", peer=peer) for n, peer in enumerate(peers)])
    await store.ledger.add(Put(LEASE, b"expired", b"", past(), peer=b"a\x00\x02"))
    await store.ledger.many([Put(LEASE, b"without", b""), Put(GRANT, b"else", b"", peer=b"a\x00\x02")])

    async def found(after: bytes, until: bytes, limit: int = 200) -> list[bytes]:
        return [row.peer for row in await store.ledger.ranged(LEASE, after, until, limit)]

    assert await found(b"a\x00", b"a\x00\x06") == peers[:3]
    assert await found(b"a\x00", b"a\x00\x05") == peers[:2]
    assert await found(b"a\x00\x01", b"b\xff", 2) == peers[1:3]
    assert await found(b"", b"\xff") == peers
    assert await found(b"c", b"\xff") == []


async def test_of_many_that_wait_those_that_are_due_are_found_the_longest_first(store: Store) -> None:
    leases = Leases(store.ledger, lambda: 1_800_000_000.0)
    some = {b"%03d" % n: 1_800_000_000.0 + n - 3 for n in range(500)}
    await store.ledger.many([offered(key, b"work", at) for key, at in reversed(some.items())])
    assert [key async for key in leases.due(b"work")] == [b"000", b"001", b"002", b"003"]
    held = await leases.take(b"000")
    assert held is not None
    assert [key async for key in leases.due(b"work")] == [b"001", b"002", b"003"]
    assert await held.lay_down()
    assert await leases.hasten(b"400")
    assert sorted([key async for key in leases.due(b"work")][:2]) == [b"000", b"400"]


async def test_records_end_by_key_or_by_owner(store: Store) -> None:
    await store.ledger.many([Put(REFRESH, bytes([n]), b"", NEVER, b"g%d" % (n % 2)) for n in range(6)])
    await store.ledger.add(Put(REFRESH, b"nobody's", b""))
    assert await store.ledger.end(REFRESH, key=bytes([0])) == 1
    assert await store.ledger.end(REFRESH, key=bytes([0])) == 0
    assert await store.ledger.end(REFRESH, key=bytes([1]), owner=b"g0") == 0
    assert await store.ledger.end(REFRESH, owner=b"g0") == 2
    assert await store.ledger.end(GRANT, owner=b"g1") == 0
    states = {row.key: (row.state, row.version) for row in await store.ledger.of(REFRESH)}
    assert states == {bytes([n]): (REVOKED, 2) if n % 2 == 0 else (FRESH, 1) for n in range(6)} | {
        b"nobody's": (FRESH, 1)
    }
    with pytest.raises(ValueError, match="Neither"):
        await store.ledger.end(REFRESH)


async def test_what_is_removed_is_gone(store: Store) -> None:
    await store.ledger.add(Put(SESSION, b"s", b""))
    assert await store.ledger.remove(SESSION, b"s")
    assert not await store.ledger.remove(SESSION, b"s")
    assert await store.ledger.get(SESSION, b"s") is None
    assert await store.ledger.add(Put(SESSION, b"s", b""))


async def test_it_is_removed_only_as_it_was_seen(store: Store) -> None:
    await store.ledger.add(Put(SESSION, b"s", b"1"))
    await store.ledger.replace(Put(SESSION, b"s", b"2"), 1)
    assert not await store.ledger.remove(SESSION, b"s", b"1")
    assert await store.ledger.remove(SESSION, b"s", b"2")
    assert not await store.ledger.remove(SESSION, b"s", b"2")


async def test_many_are_written_together(store: Store) -> None:
    await store.ledger.many(
        [Put(CODE, b"c", b"", soon(), b"g"), Put(GRANT, b"g", b"1"), Put(REFRESH, b"r", b"", owner=b"g")]
    )
    await store.ledger.many(
        [Put(GRANT, b"g", b"2", version=1), Put(REFRESH, b"s", b"", owner=b"g")],
        [Take(CODE, b"c", b"used")],
        [(REFRESH, b"g")],
        [revoked(b"g", GRANT_REVOKED)],
    )
    rows = [
        (await store.ledger.get(kind, key))
        for kind, key in ((CODE, b"c"), (GRANT, b"g"), (REFRESH, b"r"), (REFRESH, b"s"))
    ]
    assert [row and (row.state, row.version, row.value) for row in rows] == [
        *((USED, 2, b"used"), (FRESH, 2, b"2"), (REVOKED, 2, b""), (FRESH, 1, b"")),
    ]
    assert [one.revoked for one in await store.ledger.revocations(0)] == [revoked(b"g", GRANT_REVOKED)]


@pytest.mark.parametrize(
    ("puts", "takes"),
    [
        ([Put(GRANT, b"new", b""), Put(GRANT, b"g", b"taken")], []),
        ([Put(GRANT, b"new", b""), Put(GRANT, b"g", b"", version=7)], []),
        ([Put(GRANT, b"new", b"")], [Take(CODE, b"c"), Take(CODE, b"c")]),
        ([Put(GRANT, b"new", b"")], [Take(CODE, b"c"), Take(CODE, b"none")]),
    ],
)
async def test_where_one_is_lost_nothing_of_all_is_written(store: Store, puts: list[Put], takes: list[Take]) -> None:
    await store.ledger.many([Put(CODE, b"c", b"", soon()), Put(GRANT, b"g", b"1"), Put(REFRESH, b"r", b"", owner=b"g")])
    with pytest.raises(Lost):
        await store.ledger.many(puts, takes, [(REFRESH, b"g")], [revoked(b"g")])
    for kind, key in ((CODE, b"c"), (GRANT, b"g"), (REFRESH, b"r")):
        row = await store.ledger.get(kind, key)
        assert row is not None
        assert (row.state, row.version) == (FRESH, 1)
    assert await store.ledger.get(GRANT, b"new") is None
    assert await store.ledger.revocations(0) == []
    assert await store.ledger.add(Put(GRANT, b"new", b""))


async def test_tries_are_counted_from_the_first_one(store: Store, other: Store) -> None:
    assert [await one.ledger.count(b"ann", 60) for one in (store, other, store)] == [1, 2, 3]
    assert await store.ledger.count(b"bob", 0.05) == 1
    await asyncio.sleep(0.06)
    assert await other.ledger.count(b"bob", 60) == 1
    assert await store.ledger.count(b"bob", 60) == 2
    await store.ledger.remove(TRIES, b"ann")
    assert await store.ledger.count(b"ann", 60) == 1


async def test_tries_at_once_are_all_counted(store: Store, other: Store) -> None:
    counts = await asyncio.gather(*((store, other)[n % 2].ledger.count(b"ann", 60) for n in range(32)))
    assert sorted(counts) == list(range(1, 33))


async def test_revocations_are_numbered_in_order_and_no_number_is_given_twice(store: Store, other: Store) -> None:
    await store.ledger.revoke([revoked(b"a"), revoked(b"b")])
    await other.ledger.revoke([revoked(b"c", expires=past())])
    some = await store.ledger.revocations(0)
    assert [one.revoked.key for one in some] == [b"a", b"b", b"c"]
    assert [one.n for one in some] == sorted({one.n for one in some})
    assert await other.ledger.revocations(some[1].n) == some[2:]
    assert await store.ledger.sweep() == 1
    await store.ledger.revoke([revoked(b"d")])
    (last,) = await store.ledger.revocations(some[1].n)
    assert last == Numbered(last.n, revoked(b"d"))
    assert last.n > some[2].n
    await store.ledger.revoke([])


async def test_what_a_process_revokes_it_is_told_of_when_it_is_durable(store: Store, other: Store) -> None:
    heard: list[Revoked] = []
    shown: list[int] = []

    def hear(some: Sequence[Revoked]) -> None:
        heard.extend(some)

    store.ledger.heed(hear)
    await store.ledger.revoke([revoked(b"a"), revoked(b"b")])
    shown.append(len(heard))
    await store.ledger.many([Put(JTI, b"k", b"")], revokes=[revoked(b"c")])
    shown.append(len(heard))
    with pytest.raises(Lost):
        await store.ledger.many([Put(JTI, b"k", b"")], revokes=[revoked(b"d")])
    await store.commit(Commit((put(patient("F"), "p"),), AUDIT, revokes=(revoked(b"e"),)))
    shown.append(len(heard))
    await store.ledger.many([Put(JTI, b"l", b"")])
    if other is not store:
        await other.ledger.revoke([revoked(b"f")])
    assert [one.key for one in heard] == [b"a", b"b", b"c", b"e"]
    assert shown == [2, 3, 4]


async def test_what_changed_is_told_with_what_ended_and_expired(store: Store) -> None:
    await store.ledger.add(Put(CLIENT, b"old", b""))
    await asyncio.sleep(0.002)
    since = microseconds()
    await store.ledger.add(Put(CLIENT, b"b", b"", past()))
    await asyncio.sleep(0.002)
    await store.ledger.add(Put(CLIENT, b"a", b""))
    await store.ledger.add(Put(SESSION, b"s", b""))
    assert [row.key for row in await store.ledger.changed(CLIENT, since)] == [b"b", b"a"]
    await store.ledger.end(CLIENT, key=b"old")
    changed = await store.ledger.changed(CLIENT, since)
    assert [(row.key, row.state) for row in changed] == [(b"b", FRESH), (b"a", FRESH), (b"old", REVOKED)]
    assert await store.ledger.changed(CLIENT, changed[-1].changed) == changed[-1:]


async def test_of_32_who_take_at_once_one_is_first(store: Store, other: Store) -> None:
    await store.ledger.add(Put(CODE, b"c", b"", soon()))
    taken = await asyncio.gather(*((store, other)[n % 2].ledger.take(CODE, b"c", b"%d" % n) for n in range(32)))
    (winner,) = [n for n, one in enumerate(taken) if one.first]
    assert [one.row.value for one in taken if one.row] == [b"%d" % winner] * 32


async def test_of_32_who_add_or_replace_at_once_one_does(store: Store, other: Store) -> None:
    added = await asyncio.gather(*((store, other)[n % 2].ledger.add(Put(JTI, b"j", b"%d" % n)) for n in range(32)))
    assert sorted(added) == [False] * 31 + [True]
    replaced = await asyncio.gather(
        *((store, other)[n % 2].ledger.replace(Put(JTI, b"j", b"%d" % n), 1) for n in range(32))
    )
    assert sorted(replaced) == [False] * 31 + [True]
    row = await store.ledger.get(JTI, b"j")
    assert row is not None
    assert (row.version, row.value) == (2, b"%d" % replaced.index(True))


async def test_many_that_want_the_same_in_another_order_all_end(store: Store, other: Store) -> None:
    names = [b"%d" % n for n in range(8)]
    await store.ledger.many([Put(CODE, name, b"", soon()) for name in names])

    async def attempt(n: int) -> bool:
        takes = [Take(CODE, name) for name in (names if n % 2 else names[::-1])]
        try:
            await (store, other)[n % 2].ledger.many([Put(JTI, b"%d" % n, b"")], takes)
        except Lost:
            return False
        return True

    done = await asyncio.gather(*map(attempt, range(16)))
    assert sorted(done) == [False] * 15 + [True]
    assert await keys(store, JTI) == [b"%d" % done.index(True)]


async def test_a_commit_revokes_and_ends_the_records_of_a_grant(store: Store) -> None:
    await store.ledger.many(
        [Put(GRANT, b"g", b""), Put(GRANT, b"h", b""), Put(CODE, b"c", b"", soon(), b"g")]
        + [Put(REFRESH, b"r%d" % n, b"", owner=b"g") for n in range(2)]
        + [Put(REFRESH, b"other", b"", owner=b"h"), Put(SESSION, b"s", b"", owner=b"g")]
    )
    some = (revoked(b"g", GRANT_REVOKED), revoked(b"app", CLIENT_REVOKED))
    await store.commit(Commit((put(patient(), "a"),), AUDIT, revokes=some))
    assert [one.revoked for one in await store.ledger.revocations(0)] == list(some)
    ended = [row.key for kind in (GRANT, CODE, REFRESH, SESSION) for row in await store.ledger.of(kind) if row.state]
    assert ended == [b"g", b"c", b"r0", b"r1"]


async def test_a_commit_writes_records_new_ones_and_in_place_of_a_version_or_nothing_at_all(store: Store) -> None:
    await store.ledger.add(Put(JTI, b"k", b"1"))

    async def written(id: str, *puts: Put) -> None:
        await store.commit(Commit((put(patient(), id),), AUDIT, puts=puts))

    await written("a", Put(JTI, b"k", b"2", version=1), Put(JTI, b"new", b"1"))
    for stale in (Put(JTI, b"k", b"3", version=1), Put(JTI, b"k", b"3"), Put(JTI, b"none", b"3", version=1)):
        with pytest.raises(VersionChanged):
            await written("b", Put(JTI, b"other", b"1"), stale)
    assert [(row.key, row.value, row.version) for row in await store.ledger.of(JTI)] == [
        (b"k", b"2", 2),
        (b"new", b"1", 1),
    ]
    assert await store.read("Patient", "b") is None


async def test_a_refused_commit_revokes_nothing(store: Store) -> None:
    first = await create(store, patient(), "a")
    await store.ledger.add(Put(GRANT, b"g", b""))
    stale = put(patient("B"), "a", over=first)
    await store.commit(commit(put(patient("C"), "a", over=first)))
    with pytest.raises(VersionChanged):
        await store.commit(Commit((stale,), AUDIT, revokes=(revoked(b"g", GRANT_REVOKED),)))
    assert await store.ledger.revocations(0) == []
    row = await store.ledger.get(GRANT, b"g")
    assert row is not None
    assert row.state == FRESH
    await create(store, patient(), "after")


async def test_who_follows_revocations_misses_none(store: Store, other: Store) -> None:
    """Many processes' worth of transactions overlap; whoever polls has all of them in the end, in order."""
    stop = asyncio.Event()
    seen: list[Numbered] = []

    async def follow() -> None:
        while True:
            ending = stop.is_set()
            seen.extend(await other.ledger.revocations(seen[-1].n if seen else 0))
            if ending:
                return
            await asyncio.sleep(0)

    async def revoke(n: int) -> None:
        one = (store, other)[n % 2]
        if n % 3 == 0:
            await one.commit(Commit((put(patient(), f"p{n}"),), AUDIT, revokes=(revoked(b"%d" % n),)))
        elif n % 3 == 1:
            await one.ledger.many([Put(JTI, b"%d" % n, b"")], revokes=[revoked(b"%d" % n)])
        else:
            await one.ledger.revoke([revoked(b"%d" % n)])

    following = asyncio.create_task(follow())
    await asyncio.gather(*map(revoke, range(60)))
    stop.set()
    await following
    assert sorted(int(one.revoked.key) for one in seen) == list(range(60))
    assert seen == await store.ledger.revocations(0)


async def test_a_revocation_waits_for_one_that_is_not_committed_yet(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    """Else its greater number would be seen first, and whoever follows would never look for the lower one."""
    guard = postgres.ledger._guard
    transaction = admin.transaction()
    await transaction.start()
    await ledger.note(Session(admin, b""), guard, [revoked(b"first")])
    second = asyncio.create_task(postgres.ledger.revoke([revoked(b"second")]))
    third = asyncio.create_task(postgres.commit(Commit((put(patient(), "a"),), AUDIT, revokes=(revoked(b"third"),))))
    await asyncio.wait((second, third), timeout=0.3)
    assert await postgres.ledger.revocations(0) == []
    await transaction.commit()
    await asyncio.gather(second, third)
    found = [one.revoked.key for one in await postgres.ledger.revocations(0)]
    assert (found[0], set(found[1:])) == (b"first", {b"second", b"third"})


EACH = 200


@pytest.mark.parametrize("opened", DURABLE, indirect=True)
async def test_of_two_processes_that_race_one_takes_and_one_adds(store: Store, request: pytest.FixtureRequest) -> None:
    await store.ledger.many([Put(CODE, b"%d" % n, b"", NEVER) for n in range(EACH)])
    if isinstance(store, SqliteStore):
        place = [store.path]
    else:
        assert isinstance(store, PostgresStore)
        place = [request.getfixturevalue("postgres_url"), store._pool._schema]
    command = [sys.executable, "-m", "tests.contract.racing", str(EACH), *place]
    processes = [await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    said = [json.loads(out) for out, _ in answers]
    for what in ("taken", "added"):
        assert sorted(said[0][what] + said[1][what]) == list(range(EACH))
