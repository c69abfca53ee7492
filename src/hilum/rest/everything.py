"""`Patient/[id]/$everything`. https://hl7.org/fhir/R4/patient-operation-everything.html"""

from __future__ import annotations

from typing import Any

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions import everything as record
from hilum.problems import Malformed
from hilum.rest import bundle, media, subset
from hilum.rest.links import CURSOR
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response
from hilum.rest.paging import links, moment, once, page_size, position
from hilum.rest.router import Service

TAKES = frozenset({"_type", "_since", "_count", CURSOR})


async def everything(service: Service, request: Request) -> Response:
    """A page of the patient's record, the patient first; without `_count` as many as fit on one page."""
    if request.body:
        request.parameters = [*request.parameters, *_posted(request)]
    given = once(request.parameters)
    cursor = given.pop(CURSOR, None)
    asked = list(given.items())
    since, count = given.get("_since"), given.get("_count")
    page = await record.everything(
        service.door,
        request.who,
        request.path[1],
        types=_types(given.get("_type")),
        since=None if since is None else moment("_since", since)[0],
        count=service.page if count is None else max(1, page_size(count, service.page)),
        after=position(service, request, asked, cursor),
    )
    base, shown = service.base, request.shown
    contents = await subset.show_all(page.resources, shown)
    entries = [bundle.match(base, *found) for found in zip(page.resources, contents, strict=True)]
    found_at = links(service, request, asked, cursor, page.next)
    return Response(200, [FHIR_JSON, NO_STORE], bundle.bundle("searchset", entries, found_at, page.total))


def _types(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in TYPE_NUMBER:
            raise Malformed(f"_type names {name[:64]!r}, which is not a resource type of FHIR R4.")
    return names


def _posted(request: Request) -> list[tuple[str, str]]:
    """Parameters.parameter as pairs; a repeated `_type` becomes one list. https://hl7.org/fhir/R4/parameters.html"""
    media.content(request.headers.get(b"content-type"), media.JSON)
    body = json.parse(request.body)
    if body.get("resourceType") != "Parameters":
        raise Malformed("The body of an operation must be a Parameters resource.", expression="Parameters")
    found: dict[str, list[str]] = {}
    for number, part in enumerate(_list(body.get("parameter", []))):
        values = [value for name, value in part.items() if name.startswith("value")]
        name = part.get("name")
        if name not in TAKES or len(values) != 1 or type(values[0]) not in (str, int):
            known = ", ".join(sorted(TAKES - {CURSOR}))
            raise Malformed(
                f"Expected a name among {known} and one value.", expression=f"Parameters.parameter[{number}]"
            )
        found.setdefault(name, []).append(str(values[0]))
    return [(name, ",".join(values)) for name, values in found.items()]


def _list(value: Any) -> list[dict[str, Any]]:
    if type(value) is not list or not all(type(one) is dict for one in value):
        raise Malformed("Parameters.parameter must be an array of objects.", expression="Parameters.parameter")
    return value
