"""FHIR 3.0 (STU3) at the edge: what comes in is made FHIR 4.0, what goes out is made FHIR 3.0; behind it all is 4.0.

https://hl7.org/fhir/R4/http.html#version-parameter
"""

from __future__ import annotations

from typing import Any, Final

from hilum import versions
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Invalid, Issue, NotAcceptable, Unprocessable
from hilum.rest import outcome
from hilum.rest.message import Request
from hilum.versions import Refused

dialect = versions.xml_of_r3

_ANSWERS: Final = frozenset({"batch-response", "transaction-response"})
_NOT: Final = frozenset({"patch", "$graphql"})


def possible(request: Request) -> None:
    """Raises NotAcceptable for what can't be had in FHIR 3.0, before anything is done."""
    if request.interaction in _NOT:
        raise NotAcceptable(f"{request.interaction} is by the elements of FHIR 4.0: it is not possible in FHIR 3.0.")
    for type_ in request.path[:1] + request.path[2:3]:
        if type_ in TYPE_NUMBER and type_ not in versions.TYPES:
            raise NotAcceptable(
                f"{type_} can't be converted to FHIR 3.0; these can: {', '.join(sorted(versions.TYPES))}."
            )


def asked(request: Request, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters of a search in the names of FHIR 4.0, which all are taken as well."""
    types = [name for name in request.path[:1] + request.path[2:3] if name in TYPE_NUMBER]
    return versions.renamed(types[-1], pairs) if types else pairs


def taken(body: dict[str, Any]) -> dict[str, Any]:
    """A body in FHIR 3.0 as one in FHIR 4.0. Raises Invalid, and Unprocessable for what would be lost."""
    try:
        return versions.up(body)
    except Refused as refused:
        path = refused.path
        said = f"{path}: {refused.text}."
        raise (Invalid if refused.wrong else Unprocessable)(said, expression=path) from None


def shown(body: dict[str, Any]) -> dict[str, Any]:
    """A body in FHIR 4.0 as one in FHIR 3.0. Raises NotAcceptable for what would be lost.

    The answer to a Bundle tells of what was done: there an outcome stands for a resource that can't be shown.
    """
    try:
        if body.get("resourceType") == "Bundle" and body.get("type") in _ANSWERS and "entry" in body:
            body = {**body, "entry": [_answer(entry) for entry in body["entry"]]}
        return versions.down(body)
    except Refused as refused:
        raise NotAcceptable(f"{refused.path}: {refused.text}.", expression=refused.path) from None


def _answer(entry: dict[str, Any]) -> dict[str, Any]:
    resource = entry.get("resource")
    if resource is None:
        return entry
    try:
        versions.down(resource)
    except Refused as refused:
        said = f"The resource can't be shown in FHIR 3.0: {refused.path}: {refused.text}."
        told = outcome.operation_outcome((Issue("warning", "not-supported", said, refused.path),))
        rest = {name: value for name, value in entry.items() if name not in ("resource", "fullUrl")}
        return {**rest, "response": {**entry.get("response", {}), "outcome": told}}
    return entry


def capabilities(body: dict[str, Any]) -> dict[str, Any]:
    """The CapabilityStatement of the server as a server of FHIR 3.0, still in the words of FHIR 4.0."""
    served = [
        {**rest, "resource": [one for one in rest.get("resource", ()) if one["type"] in versions.TYPES]}
        for rest in body.get("rest", ())
    ]
    out = {**body, "fhirVersion": "3.0.2"} | ({"rest": served} if served else {})
    out.pop("patchFormat", None)
    return out
