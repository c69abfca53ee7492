"""Patients whom somebody who is signed in may see: found for pages, and noted as every other access."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hilum.fhir.naming import name
from hilum.fhirpath.references import local
from hilum.interactions import search as searching
from hilum.problems import Forbidden
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.store.interface import Page
from hilum.video.pages.desk import Desk, SignedIn
from hilum.video.sources import PATIENT
from hilum.web import uri

NOBODY = Page((), None)


async def found(desk: Desk, here: SignedIn, wanted: Sequence[tuple[str, str]]) -> Page:
    """Those whom these search parameters find; nobody for who may see none. Raises Invalid, TooCostly, Busy."""

    def understood(registry: Registry) -> Parsed:
        return parse_query(PATIENT, wanted, base=desk.door.base, registry=registry)

    try:
        page = await searching.search(desk.door, here.who, await searching.understood(desk.door, wanted, understood))
    except Forbidden:
        return NOBODY
    shown = tuple(one.seq for one in page.resources)
    ticket = desk.trail.note(here.who, "search-type", PATIENT, "", 0, 200, uri.encode(list(wanted)), shown)
    await desk.trail.flushed(ticket)
    return page


async def called(desk: Desk, here: SignedIn, references: Iterable[str]) -> dict[str, str]:
    """The names of those of these patients whom this person may see. Raises Busy."""
    ids = [whose[1] for one in dict.fromkeys(references) if (whose := local(one)) and whose[0] == PATIENT]
    if not ids:
        return {}
    page = await found(desk, here, [("_id", ",".join(ids)), ("_count", str(len(ids)))])
    return {f"{PATIENT}/{one.id}": name(one.body) or "No name" for one in page.resources}
