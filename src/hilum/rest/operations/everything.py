"""`Patient/[id]/$everything`, `Patient/$everything` and `Encounter/[id]/$everything`.

https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.interactions import everything as record
from hilum.interactions.everything import Asked, Place
from hilum.problems import Issue, Malformed
from hilum.rest import bundle, outcome, subset
from hilum.rest.bundle import Link
from hilum.rest.links import CURSOR
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response, seqs
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.paging import links, moment, once, page_size, position
from hilum.rest.router import Service
from hilum.search.dates import MAX_DATE, MIN_DATE
from hilum.web import uri

_BETWEEN = "\x1f"
"""What stands between the parts of a position in the records of several patients."""


async def everything(service: Service, request: Request, inputs: Inputs) -> Response:
    """A page of the record of a patient or an encounter, which comes first; without `_count` as many as fit on one."""
    given, cursor = _given(inputs)
    asked = list(given.items())
    page = await record.everything(
        service.door,
        request.who,
        request.path[1],
        _asked(given),
        type=request.path[0],
        count=_count(service, given),
        after=position(service, request, asked, cursor),
    )
    found_at = links(service, request, asked, cursor, page.next)
    return await _answer(service, request, page.resources, (page.withheld, page.outside), found_at)


async def everyone(service: Service, request: Request, inputs: Inputs) -> Response:
    """A page of the records of all patients, one after the other."""
    given, cursor = _given(inputs)
    place: Place | None = None
    if cursor is not None:
        if given:
            raise Malformed(f"This {CURSOR} holds all parameters: follow the links of a Bundle unchanged.")
        pairs, at = service.links.open_search(request.path, cursor, request.who.holder)
        request.asked = uri.encode(pairs)  # for the audit
        given = dict(pairs)
        patient, following, after = at.split(_BETWEEN, 2)
        place = Place(patient, after if patient else None, following[1:] if following else None)
    page = await record.everyone(service.door, request.who, _asked(given), count=_count(service, given), place=place)
    found_at = links(service, request, list(given.items()), cursor, None, sealed=True)
    if page.next is not None:
        found_at.append(_next(service, request, list(given.items()), page.next))
    return await _answer(service, request, page.resources, (page.withheld, page.outside), found_at)


def _next(service: Service, request: Request, asked: list[tuple[str, str]], place: Place) -> Link:
    following = "" if place.following is None else f"+{place.following}"
    at = _BETWEEN.join((place.patient, following, place.after or ""))
    sealed = service.links.seal_search(request.path, asked, at, request.who.holder)
    query = uri.encode([*request.shown.parameters(), (CURSOR, sealed)])
    return Link("next", f"{service.door.base}/{'/'.join(request.path)}?{query}")


async def _answer(
    service: Service,
    request: Request,
    resources: Sequence[Resource],
    left_out: tuple[tuple[str, ...], tuple[str, ...]],
    found_at: list[Link],
) -> Response:
    base = service.base
    contents = await subset.show_all(resources, request.shown)
    entries = [bundle.match(base, *found) for found in zip(resources, contents, strict=True)]
    said = tuple(
        Issue("warning", "suppressed", text.format(", ".join(types)))
        for text, types in zip(_LEFT_OUT, left_out, strict=True)
        if types
    )
    if said:
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % json.encode(outcome.operation_outcome(said)))
    return Response(200, [FHIR_JSON, NO_STORE], bundle.bundle("searchset", entries, found_at), shown=seqs(resources))


_LEFT_OUT = (
    "The record is not complete: no scope of the token lets these types be searched ('s'): {}.",
    "The record is not complete: it refers to resources outside of the compartment that no scope of the "
    "token lets be read ('r'): {}.",
)


def _asked(given: dict[str, str]) -> Asked:
    since, start, end = given.get("_since"), given.get("start"), given.get("end")
    period = None
    if start is not None or end is not None:
        low = MIN_DATE if start is None else moment("start", start)[0]
        high = MAX_DATE if end is None else moment("end", end)[1]
        if low > high:
            raise Malformed("start is after end.")
        period = (low, high)
    return Asked(_types(given.get("_type")), None if since is None else moment("_since", since)[0], period)


def _count(service: Service, given: dict[str, str]) -> int:
    count = given.get("_count")
    return service.page if count is None else max(1, page_size(count, service.page))


def _given(inputs: Inputs) -> tuple[dict[str, str], str | None]:
    """The parameters, a repeated `_type` as one list, and the cursor of a following page."""
    types = [value for name, value in inputs.asked if name == "_type"]
    given = once([pair for pair in inputs.asked if pair[0] != "_type"])
    cursor = once(list(inputs.beside)).get(CURSOR)
    return given | {"_type": ",".join(types)} if types else given, cursor


def _types(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in TYPE_NUMBER:
            raise Malformed(f"_type names {name[:64]!r}, which is not a resource type of FHIR R4.")
    return names


async def _run(service: Service, request: Request, inputs: Inputs) -> Response:
    return await (everyone if len(request.path) == 2 else everything)(service, request, inputs)


_PERIOD: Final = (
    Parameter("start", "date", "Only care at this date or later (care dates, not record dates)."),
    Parameter("end", "date", "Only care at this date or earlier."),
)
_PAGED: Final = (
    Parameter("_since", "instant", "Only what was last updated then or later."),
    Parameter("_type", "code", "Only resources of these types; several may be given, with commas between.", max="*"),
    Parameter("_count", "integer", "How many resources a page has; the link `next` leads to the following one."),
    Parameter("return", "Bundle", "A searchset; what was left out for want of a scope is named in it.", 1, use="out"),
)

PATIENT: Final = Operation(
    code="everything",
    name="Patient-everything",
    title="The patient and all of their record; of the type: of all patients that the token may see.",
    text="The patient, what is in the patient's compartment, newest first, and what those refer to one step out: "
    "practitioners, organizations, locations, medications, Binaries of attachments. What the token may not see is left "
    "out, and its types are named.",
    levels=("instance", "type"),
    types=("Patient",),
    parameters=(*_PERIOD, *_PAGED),
    hl7=True,
    needs="r",
    takes=frozenset({CURSOR}),
    run=_run,
)

ENCOUNTER: Final = Operation(
    code="everything",
    name="Encounter-everything",
    title="The encounter and all that belongs to it.",
    text="The encounter, what is in its compartment, newest first, what else in the patient's record refers to it "
    "(immunizations, medication statements), and what those refer to one step out: the patient, conditions, "
    "practitioners, locations, Binaries of attachments; nothing of another patient. What the token may not see is left "
    "out, and its types are named.",
    levels=("instance",),
    types=("Encounter",),
    parameters=_PAGED,
    hl7=True,
    needs="r",
    takes=frozenset({CURSOR}),
    run=everything,
)
