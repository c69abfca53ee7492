"""Custom search parameters, through the door, on every store: nothing is missed whatever is written when."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from tests.contract.conftest import DURABLE
from tests.contract.writing import commit, put

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.create import create
from hilum.interactions.defining import tell
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.search import understood
from hilum.interactions.update import update
from hilum.problems import Conflict, Invalid, Unprocessable, VersionChanged
from hilum.search.catalogue import BUILDING, READY
from hilum.search.parse import parse_query
from hilum.store import definitions
from hilum.store.interface import Audit, Commit, Store
from hilum.store.rebuilding import Scope

WHO = Principal("tests", "tests", "", EVERYTHING, 1 << 62)
AUDIT = Audit("tests", "tests", "index")
BASE = "http://h/fhir"
URL = "http://example.org/extension"


def definition(code: str = "tribe", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "name": code,
        "status": "active",
        "description": "A test",
        "code": code,
        "base": ["Patient"],
        "type": "token",
        "expression": f"Patient.extension.where(url='{URL}').value.as(code)",
        **more,
    }


def patient(value: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "extension": [{"url": URL, "valueCode": value}], **more}


async def found(store: Store, **query: str) -> list[str]:
    pairs = [(name.replace("__", ":"), value) for name, value in query.items()]
    await store.learn()
    parsed = parse_query("Patient", pairs, registry=store.catalogue.searchable, default_count=1000)
    return sorted(r.id for r in (await store.search(confine(parsed.query, EVERYTHING))).resources)


async def through(door: Door) -> None:
    while (one := await door.store.proceed()) is not None:
        await tell(door, one, AUDIT)


async def task_of(store: Store) -> dict[str, Any]:
    (one,) = store.catalogue.defined
    found = await store.read("Task", one.task)
    assert found is not None
    return found.body


async def test_a_parameter_is_refused_until_all_of_it_is_indexed(store: Store) -> None:
    door = Door(store, BASE)
    await update(door, WHO, "Patient", "a", patient("x", id="a"))
    await create(door, WHO, "SearchParameter", definition())
    assert (await task_of(store))["status"] == "requested"
    with pytest.raises(Invalid, match=r"'tribe' is being indexed; Task/[0-9a-f-]{36} shows how far it is"):
        await found(store, tribe="x")
    await update(door, WHO, "Patient", "b", patient("x", id="b"))
    await through(door)
    assert await found(store, tribe="x") == ["a", "b"]
    assert await found(store, tribe__missing="true") == []
    assert (await task_of(store))["status"] == "completed"


async def test_a_wildcard_follows_a_parameter_once_all_of_it_is_indexed(store: Store) -> None:
    door = Door(store, BASE)
    own = definition("buddy", type="reference", expression=f"Patient.extension.where(url='{URL}').value.as(Reference)")

    def befriended(name: str) -> dict[str, Any]:
        return {"resourceType": "Patient", "extension": [{"url": URL, "valueReference": {"reference": name}}]}

    await update(door, WHO, "Patient", "a", befriended("Patient/b") | {"id": "a"})
    await create(door, WHO, "SearchParameter", own | {"target": ["Patient"]})
    await update(door, WHO, "Patient", "b", befriended("Patient/a") | {"id": "b"})

    async def brought(**query: str) -> list[str]:
        pairs = list(query.items())
        read = partial(parse_query, "Patient", pairs)
        parsed = await understood(door, pairs, lambda registry: read(registry=registry))
        page = await store.search(confine(parsed.query, EVERYTHING))
        return [one.id for one in page.included]

    wildcards = [{"_include": "*"}, {"_include": "Patient:*"}, {"_revinclude": "*"}, {"_revinclude": "Patient:*"}]
    for id in ("a", "b"):
        assert [await brought(_id=id, **one) for one in wildcards] == [[]] * 4
    await through(door)
    for id, buddy in (("a", "b"), ("b", "a")):
        assert [await brought(_id=id, **one) for one in wildcards] == [[buddy]] * 4


async def test_a_removed_parameter_is_unknown_at_once_and_its_rows_go(store: Store) -> None:
    door = Door(store, BASE)
    await update(door, WHO, "Patient", "a", patient("x", id="a"))
    made = (await create(door, WHO, "SearchParameter", definition())).resource
    await through(door)
    await delete(door, WHO, "SearchParameter", made.id)
    with pytest.raises(Invalid, match="Patient has no search parameter 'tribe'"):
        await found(store, tribe="x")
    await through(door)
    assert (await store.learn()).defined == ()


async def test_what_changed_while_a_parameter_was_gone_is_right_when_it_comes_back(store: Store) -> None:
    door = Door(store, BASE)
    await update(door, WHO, "Patient", "a", patient("old", id="a"))
    body = definition(id="sp")
    await update(door, WHO, "SearchParameter", "sp", body)
    await through(door)
    await update(door, WHO, "SearchParameter", "sp", body | {"status": "retired"})
    await update(door, WHO, "Patient", "a", patient("new", id="a"))
    await update(door, WHO, "SearchParameter", "sp", body)
    await through(door)
    assert (await found(store, tribe="old"), await found(store, tribe="new")) == ([], ["a"])


MANY = 600
"""More than one step indexes."""


async def test_one_that_changes_twice_while_it_is_indexed_leaves_nothing(store: Store) -> None:
    door = Door(store, BASE)
    more = {"language": "de", "maritalStatus": {"coding": [{"code": "M"}]}}
    await store.commit(commit(*(put(patient(f"x{n}", **more), f"p{n}") for n in range(MANY)), to=store))
    tasks, ends = [], []
    for text in (definition()["expression"], "Patient.language", "Patient.maritalStatus"):
        await update(door, WHO, "SearchParameter", "sp", definition(id="sp", expression=text))
        for _ in range(2):  # as far as some rows; a quick store is through with it
            await store.proceed()
        (one,) = (await store.learn()).defined
        tasks.append(one.task)
        ends.append("cancelled" if one.pending else "completed")
    await through(door)
    await tell(door, store.catalogue.defined[0], AUDIT)
    assert len(await found(store, tribe="M")) == MANY
    ended = [task.body["status"] for id in tasks if (task := await store.read("Task", id)) is not None]
    assert ended == [*ends[:2], "completed"]
    assert [step async for step in store.rebuild(Scope(look=True))][-1].wrong == {}


async def test_the_task_of_one_that_goes_before_it_is_indexed_is_cancelled(store: Store) -> None:
    door = Door(store, BASE)
    await update(door, WHO, "SearchParameter", "sp", definition(id="sp"))
    (one,) = store.catalogue.defined
    await delete(door, WHO, "SearchParameter", "sp")
    task = await store.read("Task", one.task)
    assert task is not None
    assert task.body["status"] == "cancelled"


async def test_a_parameter_that_changes_its_expression_is_indexed_anew(store: Store) -> None:
    door = Door(store, BASE)
    await update(door, WHO, "Patient", "a", patient("x", id="a", language="de"))
    body = definition(id="sp")
    await update(door, WHO, "SearchParameter", "sp", body)
    await through(door)
    await update(door, WHO, "SearchParameter", "sp", body | {"expression": "Patient.language"})
    await through(door)
    assert (await found(store, tribe="x"), await found(store, tribe="de")) == ([], ["a"])
    assert await found(store, tribe__missing="true") == []


async def test_a_code_means_one_thing(store: Store) -> None:
    door = Door(store, BASE)
    await create(door, WHO, "SearchParameter", definition())
    with pytest.raises(Unprocessable) as refusal:
        await create(door, WHO, "SearchParameter", definition(url="http://example.org/another"))
    assert [issue.expression for issue in refusal.value.issues] == ["SearchParameter.code"]


async def test_of_two_that_define_the_same_code_at_once_one_is_refused(store: Store, other: Store) -> None:
    bodies = (definition(url="http://example.org/1"), definition(url="http://example.org/2"))
    doors = (Door(store, BASE), Door(other, BASE))
    made = await asyncio.gather(
        *(create(door, WHO, "SearchParameter", body) for door, body in zip(doors, bodies, strict=True)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Unprocessable) for one in made) == 1


async def test_of_many_that_define_the_same_code_in_one_process_one_is_made(store: Store) -> None:
    """Also where they wait for the same turn to be committed."""
    door = Door(store, BASE)
    busy = [store.commit(commit(*(put(patient("x"), f"b{m}-{n}") for n in range(400)), to=store)) for m in range(8)]
    bodies = [definition(url=f"http://example.org/{n}") for n in range(12)]
    made = await asyncio.gather(
        *busy, *(create(door, WHO, "SearchParameter", body) for body in bodies), return_exceptions=True
    )
    assert sum(isinstance(one, Unprocessable) for one in made[len(busy) :]) == len(bodies) - 1
    assert len((await store.learn()).defined) == 1


async def test_a_component_of_a_composite_stays(store: Store) -> None:
    door = Door(store, BASE)
    component = (await create(door, WHO, "SearchParameter", definition())).resource
    parts = [
        {"definition": "http://example.org/SearchParameter/tribe", "expression": "value.as(code)"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "%resource.gender"},
    ]
    more = {"type": "composite", "component": parts, "expression": "Patient.extension"}
    await create(door, WHO, "SearchParameter", definition("both", **more))
    with pytest.raises(Conflict, match="is a composite of it"):
        await delete(door, WHO, "SearchParameter", component.id)


async def test_a_commit_of_an_older_generation_is_refused(store: Store) -> None:
    before = (await store.learn()).generation
    await create(Door(store, BASE), WHO, "SearchParameter", definition())
    with pytest.raises(VersionChanged):
        await store.commit(Commit((), AUDIT, (), before))


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_written_while_indexing_nothing_is_missed(
    store: Store, other: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write and define while a third indexes in tiny steps; then search and bodies agree."""
    for name in ("hilum.store.sqlite.parameters", "hilum.store.postgres.parameters"):
        monkeypatch.setattr(f"{name}.STEP_SECONDS", 0.0)
        monkeypatch.setattr(f"{name}.AT_ONCE", 3)
    dice = random.Random(seed)
    doors = (Door(store, BASE), Door(other, BASE))
    is_: dict[str, str | None] = {}

    async def write(door: Door, id: str) -> None:
        if dice.random() < 0.2:
            await delete(door, WHO, "Patient", id)
            is_[id] = None
        else:
            value = dice.choice("xyz")
            await update(door, WHO, "Patient", id, patient(value, id=id))
            is_[id] = value

    for n in range(40):
        await write(doors[0], f"p{n}")
    ended = False

    async def index_() -> None:
        while not ended:
            if (one := await store.proceed()) is not None:
                await tell(doors[0], one, AUDIT)
            await asyncio.sleep(0)

    async def writes(number: int) -> None:
        for _ in range(60):
            await write(doors[number], f"p{2 * dice.randrange(25) + number}")

    body = definition(id="sp")
    indexing = asyncio.create_task(index_())
    await update(doors[1], WHO, "SearchParameter", "sp", body)
    await asyncio.gather(writes(0), writes(1))
    await update(doors[1], WHO, "SearchParameter", "sp", body | {"status": "retired"})
    await asyncio.gather(writes(0), writes(1))
    await update(doors[0], WHO, "SearchParameter", "sp", body)
    await asyncio.gather(writes(0), writes(1))
    ended = True
    await indexing
    await through(doors[0])
    for value in "xyz":
        assert await found(store, tribe=value) == sorted(id for id, one in is_.items() if one == value)
    assert await found(other, tribe__missing="false") == sorted(id for id, one in is_.items() if one is not None)


async def test_steps_go_on_where_another_process_stopped(
    store: Store, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.name not in DURABLE:
        pytest.skip("it ends with its process")
    for name in ("hilum.store.sqlite.parameters", "hilum.store.postgres.parameters"):
        monkeypatch.setattr(f"{name}.STEP_SECONDS", 0.0)
        monkeypatch.setattr(f"{name}.AT_ONCE", 3)
    door = Door(store, BASE)
    for n in range(12):
        await update(door, WHO, "Patient", f"p{n}", patient("x", id=f"p{n}"))
    await create(door, WHO, "SearchParameter", definition())
    one = None
    while one is None or one.done < 3:
        one = await store.proceed()
    assert (one.state, 3 <= one.done < 12) == (BUILDING, True)
    await store.close()
    store.close = _nothing
    again = await opened()
    one = await again.proceed()
    assert one is not None
    assert one.done > 3
    await through(Door(again, BASE))
    assert [one.state for one in again.catalogue.defined] == [READY]
    assert len(await found(again, tribe="x")) == 12


async def _nothing() -> None:
    """For the fixture, which closes once more what is closed already."""


async def test_a_definition_survives_the_way_into_its_row_and_back(store: Store) -> None:
    await create(Door(store, BASE), WHO, "SearchParameter", definition())
    (one,) = store.catalogue.defined
    assert definitions.of_row(definitions.row_of(one)) == one
