"""FHIR read and vread. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.interactions import read as reading
from hilum.interactions.auditing import OWN_DEFINITION
from hilum.interactions.permit import absent
from hilum.rest import binary, conditions, subset
from hilum.rest.message import ENTRY, FHIR_JSON, NO_STORE, Request, Response
from hilum.rest.operations import defining
from hilum.rest.presentation import PLAIN
from hilum.rest.router import Service


async def read(service: Service, request: Request) -> Response:
    """`GET [type]/[id]`: the current version; 304 when the client has it. https://hl7.org/fhir/R4/http.html#cread"""
    type_, id_ = request.path
    if id_.startswith(OWN_DEFINITION) and type_ == "OperationDefinition":
        return _own_definition(service, request)
    resource = await reading.read(service.door, request.who, type_, id_)
    if type_ == binary.TYPE and request.way != ENTRY and (found := await binary.shown(service, request, resource)):
        return found
    headers = request.headers
    if (b"if-none-match" in headers or b"if-modified-since" in headers) and conditions.unchanged(
        resource, request.header(b"if-none-match"), request.header(b"if-modified-since")
    ):
        return Response(304, [NO_STORE, *conditions.version_headers(resource)], b"", resource, (resource.seq,))
    if request.shown is PLAIN:
        return _answer(resource, resource.raw)
    return await _shown(request, resource)


async def vread(service: Service, request: Request) -> Response:
    """`GET [type]/[id]/_history/[vid]`: that version. https://hl7.org/fhir/R4/http.html#vread"""
    type_, id_, _, version = request.path
    resource = await reading.vread(service.door, request.who, type_, id_, version)
    if type_ == binary.TYPE and request.way != ENTRY and (found := await binary.shown(service, request, resource)):
        return found
    return await _shown(request, resource)


def _own_definition(service: Service, request: Request) -> Response:
    """What the server itself defines."""
    body = defining.own(request.who, request.path[1], service.door.base)
    if body is None:
        raise absent(*request.path)
    if not request.shown.whole:
        body = subset.subset(body, request.shown)
    return Response(200, [FHIR_JSON, NO_STORE], json.encode(body))


async def _shown(request: Request, resource: Resource) -> Response:
    if request.shown.elements:
        subset.check_elements(resource.type, request.shown.elements)
    (content,) = (resource.raw,) if request.shown.whole else await subset.show_all((resource,), request.shown)
    return _answer(resource, content)


def _answer(resource: Resource, content: bytes) -> Response:
    return Response(
        200, [FHIR_JSON, NO_STORE, *conditions.version_headers(resource)], content, resource, (resource.seq,)
    )
