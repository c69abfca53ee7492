"""Patient/$everything."""

from __future__ import annotations

import pytest
from tests.unit.interactions.bodies import Body, observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.everything import everything
from hilum.interactions.update import update
from hilum.problems import Forbidden, Gone, NotFound


def reference(to: str) -> dict[str, str]:
    return {"reference": to}


async def put(door: Door, owner: Principal, body: Body) -> int:
    return (await update(door, owner, body["resourceType"], body["id"], body)).resource.last_updated


async def record(door: Door, owner: Principal) -> None:
    """Patient p with three observations, their practitioner and organization; patient q with one of hers."""
    for name in ("d1", "d2"):
        await put(door, owner, {"resourceType": "Practitioner", "id": name})
    await put(
        door, owner, {"resourceType": "Organization", "id": "org", "name": "x", "partOf": reference("Organization/far")}
    )
    await put(door, owner, {"resourceType": "Organization", "id": "far", "name": "x"})
    await put(door, owner, patient("q", id="q"))
    await put(door, owner, patient("p", id="p", managingOrganization=reference("Organization/org")))
    for i in range(3):
        by = [reference("Practitioner/d1"), reference("Organization/org"), reference("Practitioner/nobody")]
        await put(door, owner, observation("Patient/p", id=f"p{i}", performer=by))
    await put(door, owner, observation("Patient/q", id="q0", performer=[reference("Practitioner/d2")]))
    focus = [reference("Patient/q"), reference("Observation/q0"), reference("Practitioner/d1")]
    await put(door, owner, observation("Patient/p", id="p3", focus=focus))


WHOLE = ["Patient/p", "Observation/p3", "Observation/p2", "Observation/p1", "Observation/p0"]
FURTHER = {"Practitioner/d1", "Organization/org"}


async def pages(door: Door, who: Principal, count: int, **more: object) -> list[list[str]]:
    found: list[list[str]] = []
    after: str | None = None
    while True:
        page = await everything(door, who, "p", count=count, after=after, **more)  # type: ignore[arg-type]
        found.append([f"{resource.type}/{resource.id}" for resource in page.resources])
        if page.next is None:
            return found
        assert len(found) < 50
        after = page.next


async def test_the_patient_then_the_compartment_then_one_step_out(door: Door, owner: Principal) -> None:
    await record(door, owner)
    (page,) = await pages(door, owner, 100)
    assert page[:5] == WHOLE
    assert set(page[5:]) == FURTHER
    assert len(page) == 7


@pytest.mark.parametrize("count", range(1, 9))
async def test_pages_of_any_size_give_the_same_in_the_same_order(door: Door, owner: Principal, count: int) -> None:
    await record(door, owner)
    (whole,) = await pages(door, owner, 100)
    found = await pages(door, owner, count)
    assert [name for page in found for name in page] == whole
    assert all(len(page) <= count for page in found)
    assert all(len(page) == count for page in found[:-1])


async def test_types_and_since(door: Door, owner: Principal) -> None:
    await record(door, owner)
    assert await pages(door, owner, 100, types=("Practitioner",)) == [["Practitioner/d1"]]
    assert await pages(door, owner, 100, types=("Observation",)) == [WHOLE[1:]]
    when = await put(door, owner, observation("Patient/p", id="late"))
    assert await pages(door, owner, 100, since=when) == [["Observation/late"]]


async def test_a_patient_scope_sees_its_compartment_and_no_more(door: Door, owner: Principal) -> None:
    await record(door, owner)
    assert await pages(door, principal("patient/*.rs", "p"), 100) == [WHOLE]
    wider = principal("patient/*.rs system/Practitioner.r", "p")
    assert await pages(door, wider, 3) == [WHOLE[:3], [*WHOLE[3:], "Practitioner/d1"]]
    assert await pages(door, principal("patient/Patient.r", "p"), 100) == [["Patient/p"]]
    narrow = principal("patient/Patient.r patient/Observation.s", "p")
    assert await pages(door, narrow, 100) == [WHOLE]


async def test_of_whom_nothing_may_be_known(door: Door, owner: Principal) -> None:
    await record(door, owner)
    with pytest.raises(NotFound):
        await everything(door, principal("patient/*.rs", "q"), "p")
    with pytest.raises(NotFound):
        await everything(door, owner, "nobody")
    with pytest.raises(Forbidden):
        await everything(door, principal("system/Observation.rs"), "p")
    await delete(door, owner, "Patient", "q")
    with pytest.raises(Gone):
        await everything(door, owner, "q")
