"""One GraphQL request: text and variables to data. https://hl7.org/fhir/R4/operation-resource-graphql.html"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from graphql import ExecutionResult, FieldNode, execute_sync

from hilum.fhir.resource import Resource
from hilum.graphql.document import Document, document
from hilum.graphql.errors import refused
from hilum.graphql.fetch import Fetch
from hilum.graphql.plan import Plan, names_only
from hilum.graphql.run import run
from hilum.interactions.read import read
from hilum.problems import Invalid


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as https://graphql.org/learn/serving-over-http/ has it."""

    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    operation: str | None = None


async def answer(fetch: Fetch, asked: Asked, about: tuple[str, str] | None) -> dict[str, Any]:
    """The `data` of the answer. `about`: type and id of the instance, None at system level.

    Raises Refused (not valid), Failed (at a field), TooCostly, Invalid, and what reading the instance raises.
    """
    instance: Resource | None = None
    if about is not None:
        instance = await read(fetch.door, fetch.who, *about)
        fetch.shown.add(instance.seq)
    fetch.registry = (await fetch.door.store.learn()).searchable
    found = await document(asked.query, None if about is None else about[0], fetch.registry)
    operation = found.operation(asked.operation)
    fields = [one for one in operation.selection_set.selections if isinstance(one, FieldNode)]
    if len(fields) == len(operation.selection_set.selections) and names_only(fields):
        return await asyncio.to_thread(_introspect, found, asked)
    if any(one.name.value in ("__schema", "__type") for one in fields):
        raise Invalid("Ask about the schema and for data in separate requests.")
    return await run(Plan(found, operation, asked.variables), fetch, instance)


def _introspect(found: Document, asked: Asked) -> dict[str, Any]:
    """What the definitions say; no resource is looked at."""
    result = execute_sync(
        found.schema, found.source, variable_values=asked.variables, operation_name=asked.operation or None
    )
    assert isinstance(result, ExecutionResult)
    if result.errors:
        raise refused(result.errors)
    return result.data or {}
