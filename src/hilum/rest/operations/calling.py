"""From the table of operations to the routes of the router, and from a request to the handler of one.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hilum.problems import NotSupported
from hilum.rest.message import Request, Response
from hilum.rest.operations import inputs, outputs
from hilum.rest.operations.operation import Operation
from hilum.rest.router import Handler, Route, Service

_WHERE: Final = {
    "system": "",
    "type": "{type}/",
    "instance": "{type}/[id]/",
    "version": "{type}/[id]/_history/[vid]/",
}


def routes(operations: Iterable[Operation]) -> tuple[Route, ...]:
    """Where the operations are, and by which methods."""
    return tuple(route for one in operations for route in _routes(one))


def _routes(operation: Operation) -> list[Route]:
    handler = calling(operation)
    simple = frozenset(one.name for one in operation.inputs if one.simple)
    takes = None if operation.searches or operation.reserved else simple | operation.takes
    types = operation.types or ("[type]",)
    return [
        Route(
            f"{_WHERE[level].replace('{type}', type)}${operation.code}",
            method,
            f"${operation.code}",
            level,
            handler,
            operation.title,
            takes,
            needs=operation.needs,
            large=operation.large,
            operation=operation.name,
            reserved=bool(operation.reserved),
        )
        for level in operation.levels
        for type in (types[:1] if level == "system" else types)
        for method in (("GET", "POST") if operation.by_get and level in operation.gets else ("POST",))
    ]


def calling(operation: Operation) -> Handler:
    """Who answers a request for the operation."""
    if operation.reserved:
        return _reserved(operation)
    if operation.answer is not None:
        return operation.answer
    run = operation.run
    assert run is not None

    async def call(service: Service, request: Request) -> Response:
        found = await run(service, request, await inputs.read(operation, request))
        return found if isinstance(found, Response) else outputs.respond(operation, request, found)

    return call


def _reserved(operation: Operation) -> Handler:
    async def refuse(service: Service, request: Request) -> Response:
        raise NotSupported(f"${operation.code} is not supported: {operation.reserved}")

    return refuse
