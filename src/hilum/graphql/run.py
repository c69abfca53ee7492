"""Running a plan: level by level, so that the references of a level are resolved together.

What stands in a resource is taken from it at once; what needs the store (reads, searches, references) is asked for
when everything before it is known. https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from graphql import GraphQLObjectType, SelectionSetNode

from hilum.fhir.resource import Resource
from hilum.fhirpath import Work
from hilum.graphql import limits
from hilum.graphql.errors import Failed
from hilum.graphql.fetch import Ask, Fetch
from hilum.graphql.plan import Field, Items, Plan
from hilum.graphql.schema import object_of
from hilum.graphql.shape import Thing, answer
from hilum.problems import Problem
from hilum.search.limits import TooCostly

_BREATH: Final = 2000
"""So many values are taken before others get their turn: about 2 ms."""


async def run(plan: Plan, fetch: Fetch, instance: Resource | None) -> dict[str, Any]:
    """The data of an operation. `instance`: the resource that the query is about, None at system level.

    Raises Failed, with the place, for what goes wrong at a field.
    """
    work = Work()
    body = {} if instance is None else instance.body
    runner = _Runner(plan, fetch, work)
    root = Thing(body)
    query = plan.document.schema.query_type
    assert isinstance(query, GraphQLObjectType)
    await runner.fill([(root, query, (plan.operation.selection_set,), body)])
    while runner.asks:
        asks, runner.asks = runner.asks, []
        await runner.fill(await runner.answered(asks))
    return answer(root, work)


Job = tuple[Thing, GraphQLObjectType, tuple[SelectionSetNode, ...], dict[str, Any]]


class _Runner:
    def __init__(self, plan: Plan, fetch: Fetch, work: Work) -> None:
        self.plan = plan
        self.fetch = fetch
        self.work = work
        self.asks: list[Ask] = []
        self.values = 0
        self.breath = _BREATH

    async def fill(self, jobs: Sequence[Job]) -> None:
        """Take what stands in the resources; what doesn't, is asked for."""
        for thing, type, selections, root in jobs:
            self._fill(thing, type, selections, root)
            if self.values > self.breath:
                self.breath = self.values + _BREATH
                await asyncio.sleep(0)

    def _fill(
        self, thing: Thing, type: GraphQLObjectType, selections: tuple[SelectionSetNode, ...], root: dict[str, Any]
    ) -> None:
        body = thing.body
        for one in self.plan.fields(type, selections):
            kind = one.meaning.kind
            if kind == "value" or kind == "object" or kind == "any":
                found = body.get(one.meaning.key)
                if found is None:
                    continue
                items: Items = list(enumerate(found)) if one.meaning.many else [(0, found)]
                if one.choose is not None:
                    items = self._chosen(one, items)
                if kind != "value":
                    items = [(n, value and self._object(one, value, root)) for n, value in items]
            elif kind == "type":
                items = [(0, body.get("resourceType"))]
            elif kind == "typename":
                items = [(0, type.name)]
            else:
                items = []
                self.asks.append(Ask(one, items, body, root))
            self.values += len(items)
            if self.values > limits.MOST_VALUES:
                raise TooCostly(f"The answer has more than {limits.MOST_VALUES} values; select fewer fields.")
            thing.found.append((one, items))

    def _chosen(self, one: Field, items: Items) -> Items:
        assert one.choose is not None
        try:
            return one.choose(items, self.work)
        except Problem as problem:
            raise Failed(problem, one.places) from None

    def _object(self, one: Field, value: dict[str, Any], root: dict[str, Any]) -> Thing:
        thing = Thing(value)
        if one.meaning.kind == "any":
            type: Any = object_of(value["resourceType"], self.fetch.registry)
            root = root if one.meaning.key == "contained" else value
        else:
            type = one.type
        self._fill(thing, type, one.selections, root)
        return thing

    # --- what needs the store ----------------------------------------------------------------------------------------

    async def answered(self, asks: list[Ask]) -> list[Job]:
        """Fetch what is asked for; the objects that it makes are still to be filled."""
        jobs: list[Job] = []
        for ask, found in zip(asks, await self.fetch.all(asks, self.plan, self.work), strict=True):
            bodies: Items = [(number, one.body) for number, one in enumerate(found)]
            for number, body in bodies if ask.field.choose is None else self._chosen(ask.field, bodies):
                thing = Thing(body)
                ask.items.append((number, thing))
                jobs.append((thing, found[number].type, ask.field.selections, found[number].root))
        return jobs
