"""`$graphql`, at system and instance level. https://hl7.org/fhir/R4/operation-resource-graphql.html

What answers is imported when somebody first asks, on a thread: graphql-core takes a sixth of the time in which a server
starts, and many are never asked.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Final

from hilum.rest.message import Request, Response
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.router import Service

_QUERYING: Final = "hilum.rest.querying"


async def graphql(service: Service, request: Request) -> Response:
    """Run the query; every read and search of it by the token's policy."""
    if _QUERYING not in sys.modules:
        await asyncio.to_thread(import_module, _QUERYING)
    from hilum.rest.querying import queried

    return await queried(service, request)


RESOURCE: Final = Operation(
    code="graphql",
    name="Resource-graphql",
    title="A GraphQL query: reads and searches, and what they refer to.",
    text="By POST the query is the body, as `application/graphql`, or `query`, `operationName` and `variables` in "
    "JSON, as https://graphql.org/learn/serving-over-http/ has it. The answer is GraphQL's, and no resource. See "
    "docs/reference/graphql.md.",
    levels=("system", "instance"),
    parameters=(
        Parameter("query", "string", "The GraphQL document.", 1),
        Parameter("operationName", "string", "Which operation of the document to run."),
        Parameter("variables", "string", "A JSON object."),
        Parameter("result", "Binary", "`application/json`: `data`, or `errors`.", 1, use="out"),
    ),
    hl7=True,
    answer=graphql,
)
