"""Contract: a copy made while others write holds whole commits, all acknowledged before it began, and opens."""

from __future__ import annotations

import asyncio
import json
import os
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.conftest import DURABLE
from tests.contract.test_parameters import BASE, WHO, definition, through
from tests.contract.test_parameters import patient as with_tribe
from tests.contract.test_segments import ANN, EVER, firsts, kept, segment
from tests.contract.writing import (
    asking,
    chronicle,
    commit,
    create,
    ids,
    mrn,
    observation,
    patient,
    put,
    replace,
    token,
)

from hilum.access.confine import confine
from hilum.interactions.create import create as create_
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_REVOKED,
    CODE,
    EHR_TOKEN,
    FRESH,
    GRANT,
    KEY,
    NEVER,
    REFRESH,
    REVOKED,
    SESSION,
    SIGN_IN,
    TOKEN_REVOKED,
    USER,
    Put,
    Revoked,
)
from hilum.problems import Misconfigured
from hilum.search.clauses import Permit
from hilum.search.parse import parse_query
from hilum.store.interface import Store
from hilum.store.postgres import open_postgres, restore_postgres
from hilum.store.rebuilding import Scope
from hilum.store.sqlite import open_sqlite, restore_sqlite

pytestmark = pytest.mark.parametrize("opened", DURABLE, indirect=True)

Restore = Callable[[str], Awaitable[Store]]


def _schema(tmp_path: Path) -> str:
    return f"restored_{abs(hash(str(tmp_path)))}"


@pytest.fixture
def restored(store: Store, request: pytest.FixtureRequest, tmp_path: Path) -> Restore:
    """Restores a copy into a new place and opens it there."""
    if store.name == "sqlite":
        target = str(tmp_path / "restored.sqlite")

        async def sqlite(copy: str) -> Store:
            restore_sqlite(copy, target)
            return await open_sqlite(target)

        return sqlite
    url: str = request.getfixturevalue("postgres_url")
    schema = _schema(tmp_path)

    async def postgres(copy: str) -> Store:
        await restore_postgres(url, copy, schema=schema)
        return await open_postgres(url, schema=schema)

    return postgres


async def test_a_copy_knows_what_was_referred_to_before_it_was_there(
    store: Store, restored: Restore, tmp_path: Path
) -> None:
    made = await create(store, observation("Patient/a"), "o")
    await create(store, observation("Patient/b"), "x")
    await create(store, patient(), "a")
    copy = str(tmp_path / "copy")
    assert [step async for step in store.backup(copy)]
    again = await restored(copy)
    try:
        for id in ("c", "b"):
            await create(again, patient(), id)
        assert ids(await again.search(asking())) == ["b", "c", "a"]
        for id, of in (("o", "a"), ("x", "b")):
            owned = chronicle("Observation", permits=((Permit((("Patient", of),)),),))
            assert ids(await again.history(owned)) == [id]
        assert await again.placed(made.type, made.id) == (made, (("Patient", "a"),))
        assert [step async for step in again.rebuild(Scope(look=True))][-1].wrong == {}
    finally:
        await again.close()


async def test_a_copy_restores_to_the_same_store(store: Store, restored: Restore, tmp_path: Path) -> None:
    first = await create(store, patient("A", mrn="1"), "a")
    second = await replace(store, first, patient("B", mrn="1"))
    third = await create(store, observation("Patient/a"), "o")
    copy = str(tmp_path / "copy")
    progress = [step async for step in store.backup(copy)]
    assert progress[-1][0] == progress[-1][1]
    assert oct(os.stat(copy).st_mode & 0o777) == "0o600"
    later = await create(store, patient("C", mrn="2"), "c")
    again = await restored(copy)
    try:
        assert list(await again.changes(0)) == [first, second, third]
        assert (await again.history(chronicle("Patient", id="a"))).resources == (second, first)
        assert ids(await again.search(asking(mrn("1")))) == ["a"]
        assert await again.placed(third.type, third.id) == (third, (("Patient", "a"),))
        new = await create(again, patient("C", mrn="2"), "c")
        assert new.seq > third.seq
        assert list(await again.changes(third.seq)) == [new]
        assert (await replace(again, second, patient("D"))).version == 3
    finally:
        await again.close()
    assert await store.read("Patient", "c") == later


async def test_search_parameters_and_keys_come_along(store: Store, restored: Restore, tmp_path: Path) -> None:
    door = Door(store, BASE)
    await create_(door, WHO, "SearchParameter", definition())
    await through(door)
    await update(door, WHO, "Patient", "a", with_tribe("red", id="a", identifier=[{"system": "urn:a", "value": "1"}]))
    await update(door, WHO, "Patient", "b", with_tribe("red", id="b", identifier=[{"system": "urn:b", "value": "1"}]))
    copy = str(tmp_path / "copy")
    async for _ in store.backup(copy):
        pass
    again = await restored(copy)
    try:
        await again.learn()
        assert again.catalogue.defined == store.catalogue.defined
        parsed = parse_query("Patient", [("tribe", "red")], registry=again.catalogue.searchable)
        assert sorted(ids(await again.search(confine(parsed.query, WHO.policy)))) == ["a", "b"]
        assert ids(await again.search(asking(token("Patient", "identifier", "1", "urn:a")))) == ["a"]
        assert [step async for step in again.rebuild(Scope(look=True))][-1].wrong == {}
    finally:
        await again.close()


async def test_a_copy_made_under_writes_holds_whole_commits(store: Store, restored: Restore, tmp_path: Path) -> None:
    heads = [await create(store, patient("v0"), f"p{n}") for n in range(5)]
    acknowledged = 0
    some, stop = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        nonlocal acknowledged, heads
        while not stop.is_set():
            heads = list(
                await store.commit(commit(*(put(patient(f"v{acknowledged + 1}"), r.id, over=r) for r in heads)))
            )
            acknowledged += 1
            if acknowledged == 5:
                some.set()

    writer = asyncio.create_task(write())
    await asyncio.wait_for(some.wait(), 60)
    before, copy = acknowledged, str(tmp_path / "copy")
    async for _ in store.backup(copy):
        pass
    stop.set()
    await writer
    again = await restored(copy)
    try:
        page = await again.search(asking())
        (family,) = {r.body["name"][0]["family"] for r in page.resources}
        assert len(page.resources) == 5
        assert before <= int(family[1:]) <= acknowledged
        assert len(await again.changes(0)) == 5 * (int(family[1:]) + 1)
    finally:
        await again.close()


async def test_records_and_the_trail_come_along_and_whoever_was_signed_in_is_not(
    store: Store, restored: Restore, tmp_path: Path
) -> None:
    """What was revoked or used up after the copy was made is not known to it."""
    stay, end = (CLIENT, USER, GRANT, KEY), (SESSION, CODE, REFRESH, EHR_TOKEN, SIGN_IN)
    await store.ledger.many([Put(kind, b"k%d" % kind, b"v", owner=b"o") for kind in stay + end])
    await store.ledger.revoke([Revoked(TOKEN_REVOKED, b"jti", 1, NEVER), Revoked(TOKEN_REVOKED, b"spent", 1, 1)])
    await store.ledger.sweep()
    await create(store, patient(), "a")
    for first in (0, 10):
        await kept(store, (segment(first), (ANN,)))
    copy = str(tmp_path / "copy")
    async for _ in store.backup(copy):
        pass
    before = int(time.time())
    again = await restored(copy)
    try:
        rows = {kind: await again.ledger.of(kind, owner=b"o") for kind in stay + end}
        assert {kind: [(row.key, row.value) for row in some] for kind, some in rows.items()} == {
            kind: [(b"k%d" % kind, b"v")] for kind in stay + end
        }
        states = {kind: some[0].state for kind, some in rows.items()}
        assert states == dict.fromkeys(stay, FRESH) | dict.fromkeys(end, REVOKED)
        was, app = await again.ledger.revocations(0)
        assert [was] == await store.ledger.revocations(0)
        assert (app.revoked.kind, app.revoked.key, app.n > was.n + 1) == (CLIENT_REVOKED, b"k%d" % CLIENT, True)
        assert before <= app.revoked.before <= time.time()
        assert app.revoked.expires > (time.time() + 23 * 3600) * 1_000_000
        assert await again.segments.following(0) == await store.segments.following(0)
        assert await again.segments.anchors(0) == await store.segments.anchors(0)
        assert await firsts(again, *EVER, (ANN,)) == [10, 0]
        assert await again.writes_audited(1 << 62, 0, 10) == await store.writes_audited(1 << 62, 0, 10)
        await kept(again, (segment(20), (ANN,)))
    finally:
        await again.close()


async def test_nothing_is_restored_over_apps_and_accounts(
    store: Store, restored: Restore, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if store.name == "sqlite":
        pytest.skip("a file is replaced as a whole, with --force alone")
    copy = str(tmp_path / "copy")
    async for _ in store.backup(copy):
        pass
    target = await open_postgres(request.getfixturevalue("postgres_url"), schema=_schema(tmp_path))
    await target.ledger.add(Put(KEY, b"id:1", b"{}"))
    await target.ledger.add(Put(USER, b"u", b"{}"))
    with pytest.raises(Misconfigured, match="holds apps or accounts"):
        await restored(copy)
    await target.ledger.remove(USER, b"u")
    await (await restored(copy)).close()
    assert await target.ledger.get(KEY, b"id:1") is None
    await target.close()


async def test_a_copy_of_another_schema_is_told_as_that_and_not_as_damaged(store: Store, tmp_path: Path) -> None:
    """It has not the parts that were added since."""
    if store.name == "sqlite":
        pytest.skip("a file is migrated beside the store")
    async for _ in store.backup(str(tmp_path / "copy")):
        pass
    older = tmp_path / "older"
    with zipfile.ZipFile(tmp_path / "copy") as archive, zipfile.ZipFile(older, "w") as less:
        for name in archive.namelist():
            if name == "hilum.json":
                less.writestr(name, json.dumps(json.loads(archive.read(name)) | {"schema": 3}))
            elif name != "former":
                less.writestr(name, archive.read(name))
    with pytest.raises(Misconfigured, match=r"older has schema 3, this hilum 6\. Restore with the hilum that made it"):
        await restore_postgres("postgresql://nobody@127.0.0.1:1/none", str(older), schema="none")


async def test_a_copy_never_overwrites_a_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_text("mine")
    with pytest.raises(Misconfigured):
        async for _ in store.backup(str(path)):
            pass
    assert path.read_text() == "mine"


async def test_what_is_no_copy_is_refused(store: Store, restored: Restore, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"PK\x03\x04 not really" * 100)
    with pytest.raises(Misconfigured):
        await restored(str(path))


async def test_half_a_copy_is_refused_and_nothing_is_restored(store: Store, restored: Restore, tmp_path: Path) -> None:
    for n in range(20):
        await create(store, patient("Family" * 50, mrn=f"{n}"), f"p{n}")
    path = tmp_path / "copy"
    async for _ in store.backup(str(path)):
        pass
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Misconfigured):
        await restored(str(path))
    path.write_bytes(whole)
    again = await restored(str(path))
    try:
        assert len(await again.changes(0)) == 20
    finally:
        await again.close()
