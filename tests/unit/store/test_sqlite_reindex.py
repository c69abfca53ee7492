"""A store of the first layout becomes one of the second: nothing is lost, and a kill in between only delays it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from tests import first_layout
from tests.contract.writing import asking, commit, gone, ids, observation, patient, put, token
from tests.durability.index_truth import differences

from hilum.problems import Misconfigured
from hilum.search.clauses import TextClause
from hilum.store import keyed
from hilum.store.sqlite import open_sqlite, reindex
from hilum.store.sqlite.connection import connect, prepare


async def of_the_first_layout(path: str) -> None:
    """What the first layout knows of a store with a deletion, an update and a mere reference; its index rows left out.

    The migration drops those tables unread.
    """
    store = await open_sqlite(path)
    await store.commit(commit(*(put(patient(f"F{n}", str(n), gender="male"), f"p{n}") for n in range(50))))
    await store.commit(commit(*(put(observation(f"Patient/p{n}"), f"o{n}") for n in range(60))))
    for id, over in (("p3", None), ("p4", patient("Changed", "4"))):
        before = await store.read("Patient", id)
        assert before is not None
        await store.commit(commit(gone(before) if over is None else put(over, id, over=before)))
    await store.close()
    first_layout.sqlite(path)


async def test_an_old_store_is_indexed_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "store.sqlite")
    await of_the_first_layout(path)
    with pytest.raises(Misconfigured, match="has schema 1"):
        await open_sqlite(path)
    store = await open_sqlite(path, migrate=True)
    page = await store.search(asking(token("Patient", "gender", "male"), count=100, total="accurate"))
    assert page.total == 48
    assert ids(await store.search(asking(token("Patient", "identifier", "4", "urn:mrn")))) == ["p4"]
    assert ids(await store.search(asking(TextClause("content", ("changed",))))) == ["p4"]
    await store.close()
    assert differences(path) == []


async def test_systems_that_want_the_same_number_get_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "xxh3_64_intdigest", lambda data, seed: 0)
    path = str(tmp_path / "store.sqlite")
    await of_the_first_layout(path)
    store = await open_sqlite(path, migrate=True)
    assert ids(await store.search(asking(token("Patient", "identifier", "4", "urn:mrn")))) == ["p4"]
    for other in ("http://loinc.org", "http://hl7.org/fhir/administrative-gender"):
        page = await store.search(asking(token("Patient", "identifier", None, other), count=0, total="accurate"))
        assert page.total == 0
    await store.close()
    assert differences(path) == []
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) > 3 AND max(number) = count(*) FROM system").get == 1


async def test_a_kill_in_between_only_delays_it(tmp_path: Path) -> None:
    path = str(tmp_path / "store.sqlite")
    await of_the_first_layout(path)
    db = connect(path)
    prepare(db, "sandbox", migrate=True)
    working = reindex.run(db, step=7)
    assert [next(working) for _ in range(5)] == [7] * 5
    db.close()
    with pytest.raises(Misconfigured, match="not finished"):
        await open_sqlite(path)
    await (await open_sqlite(path, migrate=True)).close()
    assert differences(path) == []


async def test_what_others_write_meanwhile_is_indexed_once(tmp_path: Path) -> None:
    path = str(tmp_path / "store.sqlite")
    store = await open_sqlite(path)
    made = await store.commit(commit(*(put(patient(f"F{n}", str(n)), f"p{n}") for n in range(30))))
    db = connect(path)
    db.execute("INSERT INTO reindex SELECT type, 0 FROM tally")
    working = reindex.run(db, step=10)
    next(working)
    await store.commit(commit(put(patient("New", "x"), "p3", over=made[3]), put(patient("New"), "p25", over=made[25])))
    await store.commit(commit(gone(made[26]), put(patient("Newer"), "new")))
    assert sum(working) == 20
    db.close()
    await store.close()
    assert differences(path) == []
