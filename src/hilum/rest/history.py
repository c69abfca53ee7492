"""FHIR history: of an instance, a type, or everything. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from hilum.interactions import history as versions
from hilum.rest import bundle, subset
from hilum.rest.links import CURSOR
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response, seqs
from hilum.rest.paging import links, moment, once, page_size, position
from hilum.rest.router import Service

TAKES = frozenset({"_since", "_at", "_count", CURSOR})


async def history(service: Service, request: Request) -> Response:
    """A page of versions, newest first, deletions among them."""
    given = once(request.parameters)
    cursor = given.pop(CURSOR, None)
    count = page_size(given.get("_count"), service.page)
    since, at = given.get("_since"), given.get("_at")
    asked = list(given.items())
    path = request.path
    type_ = path[0] if path[0] != "_history" else None
    id_ = path[1] if len(path) == 3 else None
    if request.shown.elements and type_ is not None:
        subset.check_elements(type_, request.shown.elements)
    before = position(service, request, asked, cursor)
    page = await versions.history(
        service.door,
        request.who,
        type_,
        id_,
        since=None if since is None else moment("_since", since)[0],
        at=None if at is None else moment("_at", at),
        before=None if before is None else int(before),
        count=count,
    )
    base = service.base
    created = await versions.creations(service.door, request.who, page.resources, "s" if id_ is None else "r")
    contents = await subset.show_all(page.resources, request.shown)
    entries = [
        bundle.version(base, found, content, created=found.last_updated in created)
        for found, content in zip(page.resources, contents, strict=True)
    ]
    found_at = links(service, request, asked, cursor, None if page.next is None else str(page.next))
    return Response(
        200,
        [FHIR_JSON, NO_STORE],
        bundle.bundle("history", entries, found_at, page.total),
        shown=seqs(page.resources),
    )
