"""Contract: a store of schema 2 with data is refused until it is migrated, and then has lost nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests import second_layout
from tests.contract.conftest import DURABLE
from tests.contract.writing import asking, chronicle, commit, create, delete, ids, observation, patient, put
from tests.contract.writing import replace as update

from hilum.oauth.ledger import CLIENT, CLIENT_REVOKED, Put, Revoked
from hilum.problems import Misconfigured
from hilum.search.clauses import Permit
from hilum.store.chain import linked
from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.rebuilding import Scope
from hilum.store.sqlite import open_sqlite

Opening = Callable[[bool], Awaitable[Store]]
TakeBack = Callable[[], Awaitable[None]]


@pytest.fixture(params=DURABLE)
def place(request: pytest.FixtureRequest, tmp_path: Path, schema: str) -> tuple[Opening, TakeBack]:
    """Opens the store, with or without migration; makes it one of schema 2."""
    if request.param == "sqlite":
        path = str(tmp_path / "store.sqlite")

        async def sqlite() -> None:
            second_layout.sqlite(path)

        return lambda migrate: open_sqlite(path, migrate=migrate), sqlite
    url: str = request.getfixturevalue("postgres_url")
    return (
        lambda migrate: open_postgres(url, schema=schema, migrate=migrate),
        lambda: second_layout.postgres(url, schema),
    )


async def test_what_was_referred_to_in_schema_2_gets_its_number_when_it_is_created(
    place: tuple[Opening, TakeBack],
) -> None:
    opening, take_back = place
    store = await opening(False)
    await create(store, observation("Patient/later", focus=[{"reference": "Patient/there"}]), "o")
    await create(store, patient(), "there")
    await store.close()
    await take_back()
    await (await opening(True)).close()
    store = await opening(False)
    await create(store, patient(), "between")
    await create(store, patient(), "later")
    assert ids(await store.search(asking())) == ["later", "between", "there"]
    mine = chronicle("Observation", permits=((Permit((("Patient", "later"),)),),))
    assert ids(await store.history(mine)) == ["o"]
    assert [step async for step in store.rebuild(Scope(look=True))][-1].wrong == {}
    await store.close()


async def test_a_store_of_schema_2_is_migrated_with_all_that_it_holds(place: tuple[Opening, TakeBack]) -> None:
    opening, take_back = place
    store = await opening(False)
    first = await create(store, patient("A", mrn="1"), "a")
    await store.commit(commit(put(observation("Patient/a"), "o"), put(patient("B"), "b")))
    await delete(store, await update(store, first, patient("C", mrn="1")))
    changes = await store.changes(0)
    rows = await store.writes_audited(1 << 62, 0, 10)
    await store.close()
    store = await opening(False)
    assert (await store.changes(0), await store.writes_audited(1 << 62, 0, 10)) == (changes, rows)
    await store.close()
    await take_back()
    with pytest.raises(Misconfigured, match=r"schema 2.*hilum migrate"):
        await opening(False)
    await (await opening(True)).close()
    store = await opening(False)
    assert await store.changes(0) == changes
    assert await store.writes_audited(1 << 62, 0, 10) == [replace(row, detail="") for row in rows]
    assert ids(await store.search(asking())) == ["b"]
    assert [step async for step in store.rebuild(Scope(look=True))][-1].wrong == {}
    assert await store.ledger.add(Put(CLIENT, b"app", b"{}"))
    await store.ledger.revoke([Revoked(CLIENT_REVOKED, b"app", 1, 2)])
    assert (await store.segments.newest(), await store.unaudited(0)) == (None, [])
    new = await create(store, patient("D"), "d")
    (row,) = await store.writes_audited(1 << 62, new.seq, 10)
    assert row.chain == linked(b"", new.seq, 1, row.agent, row.client, row.interaction, row.token, "{}")
    told = await store.ledger.get(CLIENT, b"app"), await store.ledger.revocations(0)
    await store.close()
    store = await opening(False)
    assert (await store.ledger.get(CLIENT, b"app"), await store.ledger.revocations(0)) == told
    await store.close()
