"""What an operation returns: Parameters, or the bare resource. https://hl7.org/fhir/R4/operations.html#response"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.rest import subset
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response
from hilum.web.fields import Header

if TYPE_CHECKING:
    from hilum.rest.operations.operation import Operation

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Returned:
    """What a handler found: the parameters out, made by `value`, `resource` and `parts`.

    `shown`: the seqs of what it discloses, for the audit. `version`: the version that was read or written.
    `recorded`: a commit tells the audit of it already.
    """

    parameters: tuple[Body, ...]
    shown: tuple[int, ...] = ()
    version: Resource | None = None
    status: int = 200
    headers: tuple[Header, ...] = ()
    recorded: bool = False


def value(name: str, type: str, found: Any) -> Body:
    """A parameter of a data type: `value("result", "boolean", True)`."""
    return {"name": name, f"value{type[:1].upper()}{type[1:]}": found}


def resource(name: str, body: Body) -> Body:
    """A parameter that is a resource."""
    return {"name": name, "resource": body}


def parts(name: str, below: Iterable[Body]) -> Body:
    """A parameter of several parts."""
    return {"name": name, "part": list(below)}


def parameters(found: Iterable[Body]) -> Body:
    """A Parameters resource; without parameters the property is left out, as FHIR's JSON requires."""
    listed = list(found)
    return {"resourceType": "Parameters"} | ({"parameter": listed} if listed else {})


def respond(operation: Operation, request: Request, found: Returned) -> Response:
    """The answer. "If there is only one out parameter, which is a Resource with the parameter name "return"": that."""
    outputs = operation.outputs
    if len(outputs) == 1 and outputs[0].name == "return" and outputs[0].resource:
        (only,) = found.parameters
        body: Body = only["resource"]
        if not request.shown.whole:
            body = subset.subset(body, request.shown)
    else:
        body = parameters(found.parameters)
    headers = [FHIR_JSON, NO_STORE, *found.headers]
    return Response(found.status, headers, json.encode(body), found.version, found.shown, found.recorded)
