"""The one place where the oracle's tests touch hilum: filling a store with a population, and asking it a question."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.oracle.queries import Question
from tests.oracle.records import BASE, Name, Policy

from hilum.access import policy as access
from hilum.access.policy import EVERYTHING, Grant, Principal
from hilum.fhir import json as fhir_json
from hilum.fhir.resource import Resource, draft
from hilum.interactions.door import Door
from hilum.interactions.search import search
from hilum.problems import Forbidden, Invalid
from hilum.search.index import index
from hilum.search.limits import TooCostly
from hilum.search.parse import parse_query
from hilum.search.rows import NO_ROWS
from hilum.store.interface import Audit, Commit, Page, Store, Write
from hilum.store.plan.thresholds import Limits
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

NOW = 1_800_000_000_000_000
"""Microseconds since 1970, for the prefix `ap`."""
MOST = 1000
"""More than any population has: a page of everything."""


def _limited(most: int) -> Limits:
    """Every limit of the planner at `most`; where it has steps, the following ones a little higher."""
    usual = Limits()
    lower: dict[str, Any] = {}
    for one in fields(usual):
        value = getattr(usual, one.name)
        lower[one.name] = tuple(range(most, most + len(value))) if isinstance(value, tuple) else most
    return replace(usual, **lower)


WAYS = (Limits(), _limited(1), _limited(3), _limited(12), replace(Limits(), looks=(1, 2)))
"""Where a plan turns from one way to another: small populations take the ways of large ones when this is tiny.

In the last way everything counts as many, and what is walked is walked as far as it takes.
"""

Body = dict[str, Any]
_AUDIT = Audit(agent="Practitioner/1", client="oracle", interaction="create", token="")


_schemas = itertools.count(1)


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Store]:
    """A new store, `sqlite` or `postgresql` as the fixture's parameter says; it needs `tests.postgres.postgres_url`."""
    store: Store
    if request.param == "sqlite":
        store = await open_sqlite(str(folder / "store.sqlite"))
    else:
        url: str = request.getfixturevalue("postgres_url")
        store = await open_postgres(url, schema=f"oracle_{os.getpid()}_{next(_schemas)}")
    yield store
    await store.close()


@dataclass(frozen=True)
class Answer:
    """What a store said: matches in order, the total if it was asked for, and what came along."""

    matches: tuple[Name, ...]
    total: int | None
    included: frozenset[Name]
    next: str | None = None


@dataclass(frozen=True)
class Refusal:
    """hilum refused, and why. `costly`: it would have taken too much, however right the question."""

    why: str
    costly: bool = False


# --- filling ----------------------------------------------------------------------------------------------------------


async def fill(store: Store, bodies: list[Body], seed: int) -> list[Body]:
    """Commit the population in its order; the resources as the store keeps them.

    Some were something else in an earlier version, and some others were there and are deleted: whatever they said must
    no longer be found.
    """
    chance = random.Random(seed)
    current: dict[Name, Resource] = {}
    alike: dict[str, list[Body]] = {}
    first: list[tuple[Body, str]] = []
    earlier: list[Body] = []
    for body in bodies:
        others = alike.setdefault(body["resourceType"], [])
        # An earlier version says what a resource before it says: it refers to nothing that is yet to be created.
        if others and chance.random() < 0.15:
            first.append((chance.choice(others), body["id"]))
            earlier.append(body)
        else:
            first.append((body, body["id"]))
        others.append(body)
    doomed = [(alike[type][0], "nobody") for type in sorted(alike, reverse=True) if chance.random() < 0.4]
    start = 0
    while start < len(first):
        size = chance.randint(1, 15)
        await _commit(store, current, first[start : start + size])
        start += size
    if doomed:
        await _commit(store, current, doomed)
    gone = [name for name in current if name[1] == "nobody"]
    if gone:
        await store.commit(Commit(tuple(deletion(current[name]) for name in gone), _AUDIT))
    if earlier:
        await _commit(store, current, [(body, body["id"]) for body in earlier])
    return [json.loads(current[body["resourceType"], body["id"]].raw) for body in bodies]


async def _commit(store: Store, current: dict[Name, Resource], group: list[tuple[Body, str]]) -> None:
    writes = tuple(image(body, id, current.get((body["resourceType"], id))) for body, id in group)
    for made in await store.commit(Commit(writes, _AUDIT)):
        current[made.type, made.id] = made


def image(body: Body, id: str, over: Resource | None) -> Write:
    """The write that makes `body` the version after `over`."""
    type = body["resourceType"]
    parsed = fhir_json.parse(json.dumps({**body, "id": id}).encode())
    old = NO_ROWS if over is None or over.deleted else index(type, over.body, id)
    version = 1 if over is None else over.version + 1
    return Write("PUT", type, id, version, draft(parsed, id), index(type, parsed, id), old)


def deletion(over: Resource) -> Write:
    """The write that deletes."""
    return Write("DELETE", over.type, over.id, over.version + 1, None, NO_ROWS, index(over.type, over.body, over.id))


# --- asking -----------------------------------------------------------------------------------------------------------


async def ask(
    store: Store, question: Question, *, count: int = MOST, after: str | None = None, total: bool = True
) -> Answer | Refusal:
    """One page of the answer."""
    pairs = [*question.pairs, ("_count", str(count)), *([("_total", "accurate")] if total else [])]
    try:
        parsed = parse_query(question.type, pairs, base=BASE, compartment=question.compartment, now=NOW, max_count=MOST)
        parsed = msgspec.structs.replace(parsed, query=msgspec.structs.replace(parsed.query, after=after))
        page: Page = await search(Door(store, BASE), _principal(question.policy), parsed)
    except (Forbidden, Invalid) as problem:
        return Refusal(f"{problem.__class__.__name__}: {problem}", isinstance(problem, TooCostly))
    places = page.places or (-1,) * len(page.resources)
    return Answer(
        tuple(
            (one.type, one.id if place < 0 else f"{one.id}#{place}")
            for one, place in zip(page.resources, places, strict=True)
        ),
        page.total,
        frozenset((one.type, one.id) for one in page.included),
        page.next,
    )


def _principal(policy: Policy | None) -> Principal:
    granted = EVERYTHING if policy is None else access.Policy(tuple(_grants(policy)))
    return Principal("Practitioner/1", "oracle", "", granted, 1 << 40)


def _grants(policy: Policy) -> list[Grant]:
    return [
        Grant(type, frozenset("rs"), permit.owners, permit.constraints)
        for type, permits in policy.items()
        for permit in permits
    ]
