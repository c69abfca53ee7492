"""`Composition/$document`. https://hl7.org/fhir/R4/composition-operation-document.html"""

from __future__ import annotations

import time
from typing import Final

from hilum.fhir import json
from hilum.fhir.resource import instant
from hilum.interactions import create as creating
from hilum.interactions import document as documents
from hilum.interactions.build import apart
from hilum.problems import Malformed, MethodNotAllowed
from hilum.rest import subset
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response, seqs
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.router import Service
from hilum.web.fields import Header


async def document(service: Service, request: Request, inputs: Inputs) -> Response:
    """The document; with `persist` it is stored as a Bundle, too."""
    persist = bool(inputs.flag("persist"))
    if persist and request.method != "POST":
        raise MethodNotAllowed("persist=true stores something: ask by POST.", ("POST",))
    id = _id(service, request, inputs)
    found = await documents.document(service.door, request.who, id)
    size = sum(len(one.raw) for one in found.resources)
    raw = await apart(size, found.raw, service.door.base, instant(time.time_ns() // 1000))
    headers: list[Header] = [FHIR_JSON, NO_STORE]
    shown = seqs(found.resources)
    if persist:
        body = await apart(size, json.parse, raw)
        stored = (await creating.create(service.door, request.who, "Bundle", body, size=len(raw))).resource
        location = f"{service.door.base}/Bundle/{stored.id}/_history/{stored.version}"
        headers.append((b"location", location.encode()))
        raw = stored.raw
        shown = (*shown, stored.seq)
    if not request.shown.whole:
        raw = json.encode(subset.subset(json.parse(raw), request.shown))
    return Response(200, headers, raw, shown=shown)


def _id(service: Service, request: Request, inputs: Inputs) -> str:
    """Whose document: of the path, or the parameter `id`, which may be a URL of this server."""
    given = inputs.text("id")
    if len(request.path) == 3:
        if given is not None:
            raise Malformed("id is for $document of the type; here the path says it.", expression=inputs.place("id"))
        return request.path[1]
    if given is None:
        raise Malformed("id is missing: which Composition?")
    id = given.removeprefix(f"{service.door.base}/").removeprefix("Composition/")
    if "/" in id:
        raise Malformed("id must name a Composition of this server.", expression=inputs.place("id"))
    return id


COMPOSITION: Final = Operation(
    code="document",
    name="Composition-document",
    title="A Composition and what it refers to as a document.",
    text="The Bundle has an identifier of its own, the Composition first, then all that it refers to, and what those "
    "refer to as far as the token may read it and it is of the same patient or of none. If something that the "
    "Composition itself refers to is not there, may not be read, or is on another server, the answer is 422 and names "
    "the element: a document holds all of it. The security labels of the Bundle are all that are on what it holds. At "
    "most 2000 resources or 64 MB.",
    levels=("instance", "type"),
    types=("Composition",),
    parameters=(
        Parameter("id", "uri", "Of the type: the Composition, by its id or its URL on this server."),
        Parameter("persist", "boolean", "Whether to store the document, at the Location in the answer; by POST only."),
        Parameter("return", "Bundle", "The document.", 1, use="out"),
    ),
    hl7=True,
    needs="r",
    run=document,
)
