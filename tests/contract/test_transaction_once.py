"""Contract: records that are written with a transaction are there when its resources are, once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.door import Door
from hilum.interactions.transaction import Entry, EntryOutcome, Once, Standing, transaction
from hilum.oauth.ledger import DEVICE_RECEIPT, Put
from hilum.problems import Conflict
from hilum.store.interface import Store

BASE = "http://hilum.test/fhir"
WHO = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)
CRITERIA = "identifier=http://hospital.example/mrn|7"


def entry(mrn: str = "7", criteria: str | None = CRITERIA, index: int = 0) -> Entry:
    body = {"resourceType": "Patient", "identifier": [{"system": "http://hospital.example/mrn", "value": mrn}]}
    return Entry("POST", "Patient", body, if_none_exist=criteria, index=index)


def receipt(key: bytes, told: list[Sequence[Standing]] | None = None, value: bytes = b"{}") -> Once:
    def once(standing: Sequence[Standing]) -> Sequence[Put]:
        if told is not None:
            told.append(standing)
        return [Put(DEVICE_RECEIPT, key, value)]

    return once


async def test_the_record_is_there_with_the_resources_and_names_them(store: Store) -> None:
    told: list[Sequence[Standing]] = []
    made = await transaction(Door(store, BASE), WHO, [entry(), entry("8", None, 1)], once=receipt(b"a", told))
    assert await store.ledger.get(DEVICE_RECEIPT, b"a") is not None
    assert [(one.index, one.type, one.id, one.version, one.written, one.created) for one in told[-1]] == [
        (0, "Patient", _id(made[0]), 1, True, True),
        (1, "Patient", _id(made[1]), 1, True, True),
    ]


async def test_a_transaction_that_changes_nothing_writes_its_record(store: Store) -> None:
    (first,) = await transaction(Door(store, BASE), WHO, [entry()])
    told: list[Sequence[Standing]] = []
    (again,) = await transaction(Door(store, BASE), WHO, [entry()], once=receipt(b"a", told))
    assert (again.changed, _id(again)) == (False, _id(first))
    assert await store.ledger.get(DEVICE_RECEIPT, b"a") is not None
    ((standing,),) = told
    assert standing.found is not None
    assert (standing.id, standing.version, standing.written, standing.created) == (_id(first), 1, False, False)


async def test_two_entries_with_the_same_criteria_name_the_same_resource(store: Store) -> None:
    told: list[Sequence[Standing]] = []
    await transaction(Door(store, BASE), WHO, [entry(), entry(index=1)], once=receipt(b"a", told))
    one, other = told[-1]
    assert one.id == other.id
    assert [one.created, other.created] == [True, False]


@pytest.mark.parametrize("criteria", [CRITERIA, None], ids=["conditional", "plain"])
async def test_of_many_that_write_the_same_record_one_is_made(store: Store, other: Store, criteria: str | None) -> None:
    doors = [Door(one, BASE) for one in (store, other)]
    runs = [
        transaction(doors[n % 2], WHO, [entry(criteria=criteria)], once=receipt(b"a", None, b"%d" % n))
        for n in range(12)
    ]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    won = [n for n, one in enumerate(outcomes) if not isinstance(one, BaseException)]
    assert len(won) == 1
    assert {type(one) for one in outcomes if isinstance(one, BaseException)} == {Conflict}
    row = await store.ledger.get(DEVICE_RECEIPT, b"a")
    assert row is not None
    assert row.value == b"%d" % won[0]
    assert (await store.counts()).types == {"Patient": 1}


async def test_of_many_that_change_nothing_one_writes_the_record(store: Store, other: Store) -> None:
    await transaction(Door(store, BASE), WHO, [entry()])
    runs = [transaction(Door((store, other)[n % 2], BASE), WHO, [entry()], once=receipt(b"a")) for n in range(8)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert [type(one) for one in outcomes if isinstance(one, BaseException)] == [Conflict] * 7


async def test_a_record_that_stands_is_a_conflict_and_nothing_is_written(store: Store) -> None:
    await store.ledger.add(Put(DEVICE_RECEIPT, b"a", b"{}"))
    with pytest.raises(Conflict):
        await transaction(Door(store, BASE), WHO, [entry()], once=receipt(b"a"))
    assert (await store.counts()).types == {}


async def test_what_once_raises_refuses_all(store: Store) -> None:
    class No(Exception):
        pass

    def no(standing: Sequence[Standing]) -> Sequence[Put]:
        raise No

    with pytest.raises(No):
        await transaction(Door(store, BASE), WHO, [entry()], once=no)
    assert (await store.counts()).types == {}


def _id(outcome: EntryOutcome) -> str:
    assert outcome.resource is not None
    return outcome.resource.id
