"""FHIR search: of a type, of everything, or within a compartment; by GET or by form. https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

import time
from typing import Any, Final

from msgspec.structs import replace

from hilum.fhir import definitions, json
from hilum.interactions import search as searching
from hilum.problems import Issue, Malformed, NotFound
from hilum.rest import bundle, media, outcome, presentation, stu3, subset
from hilum.rest.links import CURSOR
from hilum.rest.matches import matches
from hilum.rest.message import FHIR_JSON, NO_STORE, Request, Response, seqs
from hilum.rest.paging import get_path, links, position
from hilum.rest.prefer import prefer
from hilum.rest.router import Service
from hilum.search import results
from hilum.search.again import read_again
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed
from hilum.store.plan.told import lines as told
from hilum.web import uri

_FORM = frozenset({media.FORM})
_DAY = 86_400_000_000
_NOT_TOLD: Final = (
    "Prefer: explain is for tokens that may search all resources of all types, "
    "since a plan counts what it finds before a scope narrows it."
)


async def search(service: Service, request: Request) -> Response:
    """A page of what matches, newest created first unless `_sort` says otherwise."""
    said = _take_form(request) if request.body else request.query
    type_, compartment = _where(request.path)
    if compartment is not None:
        said = f"{type_ or '*'}?{said}"  # for the audit, which is told of the compartment's owner
    request.asked = said
    cursors = [value for name, value in request.parameters if name == CURSOR]
    if len(cursors) > 1:
        raise Malformed(f"{CURSOR} may be given once.")
    shown = request.shown
    pairs = [pair for pair in request.parameters if pair[0] != CURSOR] if cursors else request.parameters
    cursor = cursors[0] if cursors else None
    after = None
    sealed = request.method == "POST"
    if cursor is not None and service.links.holds_search(cursor):
        if any(value for _, value in pairs):
            raise Malformed(f"This {CURSOR} holds all parameters: follow the links of a Bundle unchanged.")
        pairs, after = service.links.open_search(get_path(request.path), cursor, request.who.holder)
        request.asked = f"{said}&{uri.encode(pairs)}"  # for the audit, which is to tell what was asked
        sealed = True
    preferred = prefer(request)
    shaped = [] if shown.whole else [pair for pair in shown.parameters() if pair[0] in ("_summary", "_elements")]
    wanted = [*pairs, *shaped] if shaped else pairs

    def read(registry: Registry) -> Parsed:
        return read_again(
            type_,
            wanted,
            lenient=preferred.lenient,
            base=service.door.base,
            compartment=compartment,
            now=today(),
            max_count=service.page,
            registry=registry,
            full_text=service.door.store.full_text,
        )

    parsed = await searching.understood(service.door, wanted, read)
    contained = parsed.query.contained
    if shown.elements and type_ is not None and (contained is None or contained.apart):
        subset.check_elements(type_, shown.elements)  # what contains may be of any type
    asked = [pair for pair in parsed.applied if pair not in shaped] if shaped else list(parsed.applied)
    if cursor is not None:
        if after is None:
            after = position(service, request, asked, cursor)
        parsed = replace(parsed, query=replace(parsed.query, after=after), kept=False)
    notes: list[dict[str, Any]] | None = None
    if preferred.explain:
        page, notes = await searching.explain(service.door, request.who, parsed)
    else:
        page = await searching.search(service.door, request.who, parsed)
    base = service.base
    entries = await matches(base, page, shown)
    if page.included:
        beside = (
            shown._replace(elements=()) if shown.elements else shown
        )  # "The list of elements does not apply to included resources."
        contents = await subset.show_all(page.included, beside)
        entries += bundle.matches(base, page.included, contents, b"include")
    if parsed.ignored:
        entries.append(ignored(parsed.ignored))
    if preferred.explain:
        entries.append(_explained(notes))
    found_at = links(service, request, asked, cursor, page.next if parsed.query.count else None, sealed=sealed)
    total = page.total
    if total is None and cursor is None and page.next is None and ("_total", "none") not in pairs:
        total = len(page.resources)  # one page holds everything, so that nothing is left to count
    return Response(
        200,
        [FHIR_JSON, NO_STORE],
        bundle.bundle("searchset", entries, found_at, total),
        shown=seqs((*page.resources, *page.included) if page.included else page.resources),
    )


def today() -> int:
    """The begin of the day in microseconds, for the prefix `ap`: the same for all pages of a search."""
    return time.time_ns() // 1000 // _DAY * _DAY


def asked_at(url: str) -> tuple[str | None, tuple[str, str] | None, list[tuple[str, str]]]:
    """A search as it stands in a URL below the base, `Patient/17/Observation?code=x`: type, compartment, parameters.

    Raises Malformed, NotFound, Invalid when the path names no resource type.
    """
    path, _, query = url.encode().decode("latin-1").partition("?")
    type_, compartment = _where(uri.path(b"/" + path.strip("/").encode("latin-1")))
    if type_ is not None:
        results.resource_type("The search", type_)
    return type_, compartment, uri.pairs(query)


def _take_form(request: Request) -> str:
    """`POST _search`: the form's parameters count together with those of the URL. Both, as they came."""
    media.content(request.headers.get(b"content-type"), _FORM)
    posted = request.body.decode("latin-1")
    said = request.asked = f"{request.query}&{posted}" if request.query else posted
    form = uri.pairs(posted, "form")
    request.shown, more = presentation.general([*request.shown.parameters(), *form])
    request.form = media.negotiate(request.headers.get(b"accept"), request.shown.format)
    if request.form.version == "3.0":
        more = stu3.asked(request, more)
    request.parameters = [*request.parameters, *more]
    return said


def _where(path: tuple[str, ...]) -> tuple[str | None, tuple[str, str] | None]:
    """(type, None for all of them; compartment). https://hl7.org/fhir/R4/http.html#vsearch"""
    path = get_path(path)
    if len(path) == 3:
        owner, id_, type_ = path
        if owner not in definitions.compartments():
            known = ", ".join(definitions.compartments())
            raise NotFound(f"{owner} is not a compartment; {known} are.")
        return None if type_ == "*" else type_, (owner, id_)
    return (path[0] if path else None), None


def ignored(ignored: tuple[tuple[str, str], ...]) -> bytes:
    """The entry that says what was passed over under `Prefer: handling=lenient`."""
    return _outcome(*[Issue("warning", "not-supported", f"Ignored: {why}") for _, why in ignored])


def _explained(notes: list[dict[str, Any]] | None) -> bytes:
    """The entry that tells how the search was done, under `Prefer: explain`."""
    if notes is None:
        return _outcome(Issue("warning", "suppressed", _NOT_TOLD))
    return _outcome(*[Issue("information", "informational", line) for line in told(notes)])


def _outcome(*issues: Issue) -> bytes:
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % json.encode(outcome.operation_outcome(issues))
