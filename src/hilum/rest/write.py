"""FHIR create, update, patch and delete, plain and conditional. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

from typing import Any

from hilum.fhir import json
from hilum.interactions import create as creating
from hilum.interactions import delete as deleting
from hilum.interactions import patch as patching
from hilum.interactions import update as updating
from hilum.interactions.door import Written
from hilum.problems import Issue, Malformed
from hilum.rest import conditions, media, outcome, receiving
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response
from hilum.rest.prefer import prefer
from hilum.rest.router import Service
from hilum.web import uri
from hilum.web.body import parsed
from hilum.web.fields import Header

_PATCH = media.JSON | {media.JSON_PATCH, media.XML_PATCH}


async def create(service: Service, request: Request) -> Response:
    """`POST [type]`; with If-None-Exist only when nothing matches. https://hl7.org/fhir/R4/http.html#ccreate"""
    conditions.only_new(request.headers)
    type_, criteria = request.path[0], _if_none_exist(request)
    if type_ == receiving.TYPE:
        sent = await receiving.taken(service, request, "c")
        once = () if request.link is None else request.link.spent
        found = await creating.create(
            service.door, request.who, type_, sent.body, criteria, request.size, blob=sent.blob, once=once
        )
        return written(service, request, found)
    body = await _resource(request)
    found = await creating.create(service.door, request.who, type_, body, criteria, request.size)
    return written(service, request, found)


async def update(service: Service, request: Request) -> Response:
    """`PUT [type]/[id]`: a new version, or the first one. https://hl7.org/fhir/R4/http.html#upsert"""
    type_, id_ = request.path
    new = conditions.only_new(request.headers, possible=True)
    match = request.header(b"if-match")
    if type_ == receiving.TYPE:
        sent = await receiving.taken(service, request, "u", id_, match)
        found = await updating.update(
            service.door, request.who, type_, id_, sent.body, match, only_new=new, size=request.size, blob=sent.blob
        )
        return written(service, request, found)
    body = await _resource(request)
    found = await updating.update(service.door, request.who, type_, id_, body, match, only_new=new, size=request.size)
    return written(service, request, found)


async def conditional_update(service: Service, request: Request) -> Response:
    """`PUT [type]?criteria`. https://hl7.org/fhir/R4/http.html#cond-update"""
    new = conditions.only_new(request.headers, possible=True)
    match, wanted, blob = request.header(b"if-match"), _criteria(request), None
    if request.path[0] == receiving.TYPE:
        body, blob = await receiving.taken(service, request, "u")
    else:
        body = await _resource(request)
    found = await updating.conditional_update(
        service.door, request.who, request.path[0], wanted, body, match, only_new=new, size=request.size, blob=blob
    )
    return written(service, request, found)


async def patch(service: Service, request: Request) -> Response:
    """`PATCH [type]/[id]` with a JSON Patch, an XML Patch or a FHIRPath Patch. https://hl7.org/fhir/R4/http.html#patch"""
    type_, id_ = request.path
    conditions.only_new(request.headers)
    steps, match = await _steps(request), request.header(b"if-match")
    return written(service, request, await patching.patch(service.door, request.who, type_, id_, steps, match))


async def conditional_patch(service: Service, request: Request) -> Response:
    """`PATCH [type]?criteria`. https://hl7.org/fhir/R4/http.html#patch"""
    conditions.only_new(request.headers)
    steps, match, wanted = await _steps(request), request.header(b"if-match"), _criteria(request)
    found = await patching.conditional_patch(service.door, request.who, request.path[0], wanted, steps, match)
    return written(service, request, found)


async def delete(service: Service, request: Request) -> Response:
    """`DELETE [type]/[id]`: 204, also when it is gone already. https://hl7.org/fhir/R4/http.html#delete"""
    type_, id_ = request.path
    conditions.only_new(request.headers)
    match = request.header(b"if-match")
    gone = await deleting.delete(service.door, request.who, type_, id_, match)
    headers = conditions.version_headers(gone) if gone is not None else []
    response = _deleted(request, headers, 1 if gone is not None else 0)
    response.version, response.recorded = gone, gone is not None
    return response


async def conditional_delete(service: Service, request: Request) -> Response:
    """`DELETE [type]?criteria`: one match, or with `_multiple=true` all. https://hl7.org/fhir/R4/http.html#3.1.0.7.1

    FHIR lets a server choose between deleting every match and 412. Nobody should lose a ward's records by a criterion
    that was wider than thought, so more than one is only deleted when the request says so.
    """
    conditions.only_new(request.headers)
    multiple = [value for name, value in request.parameters if name == "_multiple"]
    if multiple not in ([], ["true"], ["false"]):
        raise Malformed("_multiple must be true or false, once.")
    request.parameters = [pair for pair in request.parameters if pair[0] != "_multiple"]
    gone = await deleting.conditional_delete(
        service.door, request.who, request.path[0], _criteria(request), multiple == ["true"]
    )
    response = _deleted(request, [], len(gone))
    response.recorded = bool(gone)
    return response


def written(service: Service, request: Request, found: Written, default: str = "representation") -> Response:
    """The answer to a write: 201 or 200, Location, ETag, and what Prefer asks for, else `default`.

    What the token may write but not read is not shown.

    https://hl7.org/fhir/R4/http.html#return
    """
    resource = found.resource
    location = f"{service.door.base}/{resource.type}/{resource.id}/_history/{resource.version}"
    headers: list[Header] = [NO_STORE, (b"location", location.encode()), *conditions.version_headers(resource)]
    returns = prefer(request).returns or default
    body = b""
    if returns == "OperationOutcome":
        said = "Created." if found.created else "Updated." if found.changed else "Nothing had to be changed."
        body = informed(said, found.issues)
    elif returns != "minimal" and found.readable:
        body = resource.raw
    if body:
        headers.append(FHIR_JSON)
    shown = () if found.changed else (resource.seq,)
    return Response(201 if found.created else 200, headers, body, resource, shown, recorded=found.changed)


def informed(text: str, issues: tuple[Issue, ...] = ()) -> bytes:
    """An OperationOutcome that all is well, and of what validation warned."""
    return json.encode(outcome.operation_outcome((Issue("information", "informational", text), *issues)))


def _deleted(request: Request, headers: list[Header], count: int) -> Response:
    if prefer(request).returns == "OperationOutcome":
        return Response(200, [FHIR_JSON, NO_STORE, *headers], informed(f"Deleted: {count}."))
    return Response(204, [NO_STORE, *headers])


def _if_none_exist(request: Request) -> str | None:
    """The header's criteria; names of people reach it as UTF-8, though HTTP headers are Latin-1 by tradition."""
    header = request.headers.get(b"if-none-exist")
    try:
        return None if header is None else header.decode()
    except UnicodeDecodeError:
        raise Malformed("If-None-Exist is not UTF-8; percent-encode what is not ASCII.") from None


async def _resource(request: Request) -> dict[str, Any]:
    media.content(request.headers.get(b"content-type"), media.JSON)
    return await parsed(request.body) if request.resource is None else request.resource


async def _steps(request: Request) -> Any:
    kind = media.content(request.headers.get(b"content-type"), _PATCH)
    if kind == media.JSON_PATCH:
        return patching.parse_json_patch(request.body)
    if kind == media.XML_PATCH:
        return patching.parse_xml_patch(request.body)
    return patching.parse_fhirpath_patch(await _resource(request))


def _criteria(request: Request) -> str:
    if not request.parameters:
        raise Malformed(
            f"{request.method} on a type needs search criteria, such as ?identifier=system|value, or an id in the path."
        )
    return uri.encode(request.parameters)
