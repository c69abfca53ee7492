"""What is special to SQLite: the bounded log, groups of commits, migrations, restore."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from msgspec import structs
from tests.contract.writing import asking, commit, observation, patient, put
from tests.durability.index_truth import differences

from hilum.problems import Busy, CriteriaChanged, Misconfigured, VersionChanged
from hilum.search.clauses import IdClause
from hilum.store import migrations
from hilum.store.interface import Resolves
from hilum.store.sqlite import open_sqlite, restore_sqlite
from hilum.store.sqlite.checkpoint import LIMIT, PAGE
from hilum.store.sqlite.connection import connect, prepare
from hilum.store.sqlite.soundness import examine


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "hilum.sqlite")


async def test_check_finds_what_is_of_a_number_that_was_given_up(path: str) -> None:
    store = await open_sqlite(path)
    await store.commit(commit(put(observation("Patient/p"), "o")))
    await store.commit(commit(put(patient(), "p")))
    await store.close()
    assert [fault for step in examine(path) for fault in step.faults] == []
    db = connect(path)
    db.execute("UPDATE reference SET target = (SELECT was FROM former)")
    db.execute("UPDATE compartment SET owner = (SELECT was FROM former)")
    db.execute("INSERT INTO former VALUES (1, 2, 0)")
    db.close()
    faults = [fault.split(":")[0] for step in examine(path) for fault in step.faults]
    assert sorted(set(faults)) == ["compartment", "former", "reference"]


async def test_the_log_stays_bounded_under_a_steady_load(path: str) -> None:
    store = await open_sqlite(path)
    filler = "x" * 20_000
    largest = written = 0
    for start in range(0, 8000, 16):
        bodies = [patient(extension=[{"url": "urn:x", "valueString": filler}]) for _ in range(16)]
        await asyncio.gather(*(store.commit(commit(put(b, f"p{start + k}"))) for k, b in enumerate(bodies)))
        written += 16 * len(filler)
        largest = max(largest, os.path.getsize(path + "-wal"))
    assert written > 3 * LIMIT * PAGE
    assert largest < 2.5 * LIMIT * PAGE
    await store.close()
    assert not os.path.exists(path + "-wal")


async def test_one_refused_commit_of_a_group_takes_nothing_of_the_others_with_it(path: str) -> None:
    """The refused ones intern the same unseen references as the good ones: what they learned must be forgotten."""
    store = await open_sqlite(path)
    never = Resolves(asking(IdClause(("nobody",))), ("nobody",))
    jobs = []
    for k in range(40):
        body = observation(f"Patient/unseen-{k // 4}")
        given = (never,) if k % 2 == 0 else ()
        version = put(body, f"o{k}")
        if k % 4 == 1:
            jobs.append(store.commit(commit(put(patient(), f"unseen-{k // 4}"), version)))
        else:
            jobs.append(store.commit(commit(version, given=given)))
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    refused = [k for k, outcome in enumerate(outcomes) if isinstance(outcome, CriteriaChanged)]
    assert refused == list(range(0, 40, 2))
    assert not [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, CriteriaChanged)]
    await store.close()
    assert differences(path) == []


async def test_a_late_refusal_undoes_what_its_commit_had_written(path: str) -> None:
    store = await open_sqlite(path)
    await store.commit(commit(put(patient(), "a")))
    with pytest.raises(VersionChanged):
        await store.commit(commit(put(observation("Patient/new"), "o"), put(patient("Other"), "a")))
    assert await store.read("Observation", "o") is None
    await store.close()
    assert differences(path) == []


async def test_a_store_of_another_environment_is_refused(path: str) -> None:
    await (await open_sqlite(path, environment="sandbox")).close()
    with pytest.raises(Misconfigured, match="belongs to the environment 'sandbox'"):
        await open_sqlite(path, environment="production")


async def test_a_store_of_a_newer_hilum_is_refused(path: str) -> None:
    await (await open_sqlite(path)).close()
    db = apsw.Connection(path)
    db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    with pytest.raises(Misconfigured, match="Install a newer hilum"):
        await open_sqlite(path)


async def test_what_is_no_database_is_refused(path: str) -> None:
    Path(path).parent.mkdir()
    Path(path).write_bytes(b"these are no pages" * 1000)
    with pytest.raises(Misconfigured, match="no SQLite database"):
        await open_sqlite(path)


async def test_a_migration_runs_once_under_a_store_of_before_that_loses_nothing_and_then_writes_nothing(
    path: str,
) -> None:
    store = await open_sqlite(path)
    await store.commit(commit(put(patient("Before"), "a")))
    steps = migrations.steps("sqlite")
    steps += (migrations.Step(len(steps) + 1, "extra", "CREATE TABLE extra(x); INSERT INTO extra VALUES (1)"),)
    other = connect(path)
    with pytest.raises(Misconfigured, match="Run `hilum migrate`"):
        prepare(other, "sandbox", migrate=False, steps=steps)
    during = (store.commit(commit(put(patient(), f"during-{k}"))) for k in range(50))
    writing = asyncio.gather(*during, return_exceptions=True)
    await asyncio.to_thread(prepare, other, "sandbox", migrate=True, steps=steps)
    await asyncio.to_thread(prepare, other, "sandbox", migrate=True, steps=steps)
    ended = await writing
    refused = [one for one in ended if isinstance(one, BaseException)]
    assert {type(one) for one in refused} <= {Busy}
    with pytest.raises(Busy, match="Restart it with the new version"):
        await store.commit(commit(put(patient("After"), "b")))
    assert other.execute("SELECT count(*) FROM extra").fetchone() == (1,)
    there = other.execute("SELECT count(*) FROM resource WHERE shape > 0").fetchone()
    assert there == (1 + len(ended) - len(refused),)
    other.close()
    await store.close()


async def test_a_failing_migration_leaves_the_store_as_it_was(path: str) -> None:
    await (await open_sqlite(path)).close()
    broken = migrations.Step(2, "broken", "CREATE TABLE half(x); SELECT nonsense FROM nowhere")
    db = connect(path)
    with pytest.raises(apsw.SQLError):
        prepare(db, "sandbox", migrate=True, steps=(*migrations.steps("sqlite"), broken))
    assert db.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall() == []
    prepare(db, "sandbox", migrate=False)
    db.close()


async def test_a_backup_taken_while_writing_is_one_moment_and_restores(path: str, tmp_path: Path) -> None:
    store = await open_sqlite(path)
    for k in range(100):
        await store.commit(commit(put(patient(), f"a{k}"), put(observation(f"Patient/a{k}"), f"o{k}")))
    copy = str(tmp_path / "copy.sqlite")
    stop = asyncio.Event()

    async def write() -> int:
        k = 0
        while not stop.is_set():
            await store.commit(commit(put(patient(), f"b{k}"), put(observation(f"Patient/b{k}"), f"q{k}")))
            k += 1
        return k

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    async for done, pages in store.backup(copy):
        assert 0 <= done <= pages
    stop.set()
    assert await writing > 0
    with pytest.raises(Misconfigured, match="in use"):
        restore_sqlite(copy, path)
    assert list(tmp_path.rglob("*.part*")) == []
    await store.close()
    assert differences(copy) == []
    restore_sqlite(copy, path)
    again = await open_sqlite(path)
    counts = (await again.counts()).types
    assert counts["Patient"] == counts["Observation"] >= 100
    await again.close()


async def test_a_backup_that_is_given_up_leaves_no_half_of_it(path: str, tmp_path: Path) -> None:
    store = await open_sqlite(path)
    for k in range(3):
        await store.commit(commit(*(put(patient(), f"{k}-{n}") for n in range(3000))))
    copying = store.backup(str(tmp_path / "copy.sqlite"))
    done, pages = await anext(copying)
    assert done <= pages
    assert list(tmp_path.glob("copy.sqlite.part")) != []
    await copying.aclose()  # type: ignore[attr-defined]
    gc.collect()
    assert list(tmp_path.glob("copy.sqlite*")) == []
    await store.close()


def test_a_damaged_backup_is_refused_and_the_store_kept(path: str, tmp_path: Path) -> None:
    asyncio.run(_make(path))
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(Path(path).read_bytes()[:-4096])
    with pytest.raises(Misconfigured, match="not a whole hilum store"):
        restore_sqlite(str(copy), path)
    assert differences(path) == []


async def _make(path: str) -> None:
    store = await open_sqlite(path)
    await store.commit(commit(put(patient(), "a")))
    await store.close()


async def test_a_waiting_process_gets_its_turn_under_a_bulk_load(path: str) -> None:
    """Fifty small writes of another process get through while this one writes without a pause."""
    store = await open_sqlite(path)
    script = (
        "import asyncio, sys\n"
        "from hilum.store.sqlite import open_sqlite\n"
        "from tests.contract.writing import commit, patient, put\n"
        "async def main():\n"
        "    store = await open_sqlite(sys.argv[1])\n"
        "    for k in range(50): await store.commit(commit(put(patient(), f'other-{k}')))\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, path)
    rounds = 0
    while other.returncode is None and rounds < 4000:
        await asyncio.gather(*(store.commit(commit(put(patient(), f"bulk-{rounds}-{k}"))) for k in range(32)))
        rounds += 1
    assert await other.wait() == 0
    assert 0 < rounds < 4000
    await store.close()


async def test_a_file_locked_by_a_stranger_makes_busy_and_the_next_write_works(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.store.sqlite.connection.WAIT_MS", 100)
    store = await open_sqlite(path)
    stranger = apsw.Connection(path)
    stranger.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(
        *(store.commit(commit(put(patient(), f"a{k}"))) for k in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Busy] * 3
    stranger.execute("ROLLBACK")
    await store.commit(commit(put(patient(), "a1")))
    await store.check()
    assert (await store.counts()).types == {"Patient": 1}
    stranger.close()
    await store.close()


async def test_a_defect_in_one_commit_of_a_group_is_its_own(path: str) -> None:
    store = await open_sqlite(path)
    broken = replace(put(patient(), "broken"), method="NONSENSE")
    outcomes = await asyncio.gather(
        *(store.commit(commit(broken if k == 7 else put(patient(), f"a{k}"))) for k in range(20)),
        return_exceptions=True,
    )
    assert [k for k, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [7]
    await store.close()
    assert differences(path) == []


async def test_after_closing_a_commit_is_refused_and_not_forgotten(path: str) -> None:
    store = await open_sqlite(path)
    late = [asyncio.ensure_future(store.commit(commit(put(patient(), f"a{k}")))) for k in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert [len(await one) for one in late] == [1] * 5
    with pytest.raises(Busy):
        await asyncio.wait_for(store.commit(commit(put(patient(), "late"))), 5)


async def test_a_stale_write_among_commits_that_are_applied_together_fails_alone(path: str) -> None:
    store = await open_sqlite(path)
    made = [(await store.commit(commit(put(patient(f"A{k}"), f"p{k}"))))[0] for k in range(8)]
    stale = structs.replace(made[3], version=2)
    jobs = [commit(put(patient(f"B{k}", mrn=f"{k}"), f"p{k}", over=stale if k == 3 else made[k])) for k in range(8)]
    jobs[5] = commit(*jobs[5].writes, put(observation("Patient/unseen"), "o"))
    outcomes = await asyncio.gather(*(store.commit(job) for job in jobs), return_exceptions=True)
    assert [k for k, outcome in enumerate(outcomes) if isinstance(outcome, VersionChanged)] == [3]
    found = [await store.read("Patient", f"p{k}") for k in range(8)]
    assert [one.version for one in found if one is not None] == [2, 2, 2, 1, 2, 2, 2, 2]
    seqs = [v.seq for outcome in outcomes if not isinstance(outcome, BaseException) for v in outcome]
    assert seqs == sorted(set(seqs))
    assert (await store.counts()).types == {"Patient": 8, "Observation": 1}
    await store.close()
    assert differences(path) == []
    audits = list(apsw.Connection(path).execute("SELECT seq, writes FROM audit WHERE id > 8 ORDER BY id"))
    assert audits == [(outcome[0].seq, len(outcome)) for outcome in outcomes if not isinstance(outcome, BaseException)]


async def test_commits_of_one_moment_to_one_resource_are_decided_in_their_order(path: str) -> None:
    store = await open_sqlite(path)
    first = commit(put(patient("A"), "p"))
    one = (await store.commit(first))[0]
    second, third = put(patient("B"), "p", over=one), put(patient("C"), "p", over=structs.replace(one, version=2))
    other = commit(put(patient("D"), "q"))
    outcomes = await asyncio.gather(
        *(store.commit(job) for job in (commit(second), other, commit(third), first)), return_exceptions=True
    )
    assert [o if isinstance(o, BaseException) else o[0].version for o in outcomes[:3]] == [2, 1, 3]
    assert isinstance(outcomes[3], VersionChanged)
    await store.close()


async def test_what_was_handed_in_before_the_store_closes_is_committed(path: str) -> None:
    store = await open_sqlite(path)
    waiting = [asyncio.ensure_future(store.commit(commit(put(patient(), f"p{k}")))) for k in range(100)]
    await asyncio.sleep(0)  # they have handed in, and nothing more
    await store.close()
    assert [(await one)[0].id for one in waiting] == [f"p{k}" for k in range(100)]


async def test_of_two_commits_of_one_moment_that_make_the_same_version_one_wins(path: str) -> None:
    store = await open_sqlite(path)
    one = (await store.commit(commit(put(patient("A"), "p"))))[0]
    rivals = [commit(put(patient(name), "p", over=one)) for name in "BC"] + [
        commit(put(patient(name), "new")) for name in "DE"
    ]
    outcomes = await asyncio.gather(*(store.commit(job) for job in rivals), return_exceptions=True)
    assert [isinstance(outcome, VersionChanged) for outcome in outcomes] == [False, True, False, True]
    found = [await store.read("Patient", id) for id in ("p", "new")]
    assert [one.body["name"][0]["family"] for one in found if one is not None] == ["B", "D"]
    await store.close()
    assert differences(path) == []
