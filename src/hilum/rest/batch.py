"""FHIR batch and transaction. https://hl7.org/fhir/R4/http.html#transaction

Both are processed in the order DELETE, POST, PUT and PATCH, GET and HEAD; answers stand in the order of the request.
An entry of a batch goes through the same dispatch as a request of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from hilum.fhir.resource import Resource
from hilum.interactions.door import Door, Written
from hilum.interactions.entries import Entry, EntryOutcome, again, raise_together
from hilum.interactions.permit import visible
from hilum.interactions.transaction import Judge, transaction
from hilum.problems import Invalid, Issue, Malformed, MethodNotAllowed, NotFound, Problem
from hilum.rest import bundle as bundles
from hilum.rest import conditions, media, outcome, router, write
from hilum.rest.conditions import http_date_of
from hilum.rest.entries import Headers, asked, body_and_type, check_names, given, text
from hilum.rest.message import ENTRY, FHIR_JSON, NO_STORE, Request, Response
from hilum.rest.prefer import prefer
from hilum.rest.router import Service
from hilum.web.body import LARGE, parsed

ORDER: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
"""Method -> when; an unknown method comes last, to be refused by the router like any other."""
READS: Final = frozenset({"GET", "HEAD"})
_AT_ONCE: Final = 32
"""Entries of a batch that are under way together, so that their commits share a flush."""


async def bundle(service: Service, request: Request) -> Response:
    """`POST [base]`: a Bundle of type batch or transaction."""
    conditions.only_new(request.headers)
    media.content(request.headers.get(b"content-type"), media.JSON)
    body = await parsed(request.body)
    sizes = _sizes(request.body) if len(request.body) > LARGE else ()
    request.body = b""
    if body.get("resourceType") != "Bundle":
        raise Invalid("What is posted to the base must be a Bundle.", expression="resourceType")
    kind = body.get("type")
    if type(kind) is not str or kind not in _KINDS:
        raise Invalid(_not_processed(kind, service.door.base), expression="Bundle.type")
    request.interaction = kind
    check_names(body, "", "Bundle")
    entries = body.get("entry", [])
    if type(entries) is not list or not all(type(entry) is dict for entry in entries):
        raise Invalid("Bundle.entry must be an array of objects.", expression="Bundle.entry")
    done = await _KINDS[kind](service, request, entries, sizes or [0] * len(entries))
    content = bundles.bundle(f"{kind}-response", done.replies)
    return Response(200, [FHIR_JSON, NO_STORE], content, shown=done.shown, recorded=done.recorded)


_STORED: Final = frozenset(
    ("document", "message", "collection", "searchset", "history", "batch-response", "transaction-response")
)


def _not_processed(kind: object, base: str) -> str:
    """What to do with a Bundle that asks for nothing. https://hl7.org/fhir/R4/http.html#other-bundles"""
    said = "Bundle.type must be batch or transaction."
    if type(kind) is str and kind in _STORED:
        return f"{said} One of type {kind} is not taken apart: to store it as it is, POST it to {base}/Bundle."
    return said


class _Done(NamedTuple):
    """The entries that answer, and for the audit what they disclose and whether a commit tells of all of it."""

    replies: list[bytes]
    shown: tuple[int, ...] = ()
    recorded: bool = False


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Entries(msgspec.Struct):
    entry: list[_Entry] = []


def _sizes(raw: bytes) -> list[int]:
    """How many bytes each entry's resource takes: a large one is worked on in a thread. `raw` is sound JSON."""
    try:
        return [len(memoryview(entry.resource)) for entry in msgspec.json.decode(raw, type=_Entries).entry]
    except msgspec.ValidationError:  # not a Bundle at all, which is said better elsewhere
        return []


async def _batch(service: Service, request: Request, entries: list[dict[str, Any]], sizes: list[int]) -> _Done:
    """Each entry for itself: what fails does not stop the others."""
    base = service.base
    replies, told = [b""] * len(entries), set[tuple[str, str, int]]()
    waiting: list[tuple[int, Request]] = []
    for number, entry in enumerate(entries):
        try:
            one = _request(service, request, entry, f"Bundle.entry[{number}]")
            one.bytes_of_resource = sizes[number]
            waiting.append((number, one))
        except Problem as problem:
            replies[number] = bundles.reply(base, outcome.response(problem), told)
    for turn in range(4):
        phase = [(number, one) for number, one in waiting if ORDER.get(one.method, 3) == turn]
        for begin in range(0, len(phase), _AT_ONCE):
            part = phase[begin : begin + _AT_ONCE]
            done = await asyncio.gather(*(router.answer(service, one) for _, one in part))
            for (number, one), reply in zip(part, done, strict=True):
                replies[number] = _reply(base, one, reply, told)
    return _Done(replies)


async def _transaction(service: Service, request: Request, entries: list[dict[str, Any]], sizes: list[int]) -> _Done:
    """All writes in one commit, then the reads, which are judged before it: one that would fail refuses the whole.

    What only goes wrong in between, since another client deletes what is to be read say, can't undo the commit: then
    the entry has that status within the answer to a transaction that did happen.
    """
    writes: list[Entry] = []
    reads: list[tuple[int, Request]] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries):
        where = f"Bundle.entry[{number}]"
        try:
            if text(asked(entry, where), "method", where) in READS:
                reads.append((number, _known(service, _request(service, request, entry, where), where)))
            else:
                writes.append(_entry(entry, number, where, sizes[number]))
        except Problem as problem:
            problems.append(problem)
    if problems:
        raise Invalid(issues=tuple(issue for problem in problems for issue in problem.issues))
    base = service.base
    replies, told = [b""] * len(entries), set[tuple[str, str, int]]()
    brief = prefer(request).returns in (None, "minimal")
    judge = _judging(service, reads) if reads else None
    outcomes = await transaction(service.door, request.who, writes, judge)
    for found in outcomes:
        if brief and found.method != "DELETE" and found.resource is not None:
            replies[found.index] = bundles.stored(base, 201 if found.created else 200, found.resource)
        else:
            replies[found.index] = bundles.reply(base, await _written(service, request, found), told)
    for number, one in reads:
        replies[number] = _reply(base, one, await router.answer(service, one), told)
    stood = tuple(found.resource.seq for found in outcomes if found.resource is not None and not found.changed)
    return _Done(replies, stood, not reads and not stood and any(found.changed for found in outcomes))


def _judging(service: Service, reads: list[tuple[int, Request]]) -> Judge:
    """Answers the reads on a door that it is shown, and raises what goes wrong with any of them, together."""

    async def judge(door: Door) -> None:
        here = replace(service, door=door)
        problems: list[Problem] = []
        for number, one in reads:
            try:
                await router.understood(here, one)(here, one)
            except Problem as problem:
                where = f"Bundle.entry[{number}].request.url"
                issues = tuple(Issue(i.severity, i.code, i.diagnostics, where) for i in problem.issues)
                problems.append(again(problem, issues))
        raise_together(problems)

    return judge


def _known(service: Service, one: Request, where: str) -> Request:
    """The request, if there is a route for it. Raises Invalid."""
    try:
        service.router.find(one.method, one.path)
    except (NotFound, MethodNotAllowed) as problem:
        raise Invalid(str(problem), expression=f"{where}.request.url") from None
    return one


_KINDS: Final = {"batch": _batch, "transaction": _transaction}


async def _written(service: Service, request: Request, found: EntryOutcome) -> Response:
    """The answer to one write of a transaction; without a resource unless Prefer asks for one."""
    resource = found.resource
    if resource is None or found.method == "DELETE":
        return Response(204, [], b"", resource)
    readable = found.method == "POST" or await _readable(service, request, resource)
    made = Written(resource, found.created, found.changed, readable, found.issues)
    return write.written(service, request, made, "minimal")


async def _readable(service: Service, request: Request, resource: Resource) -> bool:
    allowed = request.who.policy.permits(resource.type, "r")
    return bool(allowed) and await visible(service.door, request.who, allowed, resource)


def _entry(entry: dict[str, Any], number: int, where: str, size: int) -> Entry:
    request = asked(entry, where)
    resource = entry.get("resource")
    if resource is not None and type(resource) is not dict:
        raise Invalid("entry.resource must be an object.", expression=f"{where}.resource")
    return Entry(
        method=text(request, "method", where),
        url=text(request, "url", where),
        body=resource,
        full_url=entry.get("fullUrl") if type(entry.get("fullUrl")) is str else None,
        if_match=given(request, "ifMatch", where),
        if_none_exist=given(request, "ifNoneExist", where),
        if_none_match=given(request, "ifNoneMatch", where),
        if_modified_since=given(request, "ifModifiedSince", where),
        index=number,
        size=size,
    )


def _request(service: Service, outer: Request, entry: dict[str, Any], where: str) -> Request:
    """An entry as a request of its own, by the same person, preferring what the whole request prefers."""
    request = asked(entry, where)
    method = text(request, "method", where)
    path, query = _split(service, method, text(request, "url", where), where)
    headers: Headers = {b"prefer": _preference(outer)}
    for name, header in _CONDITIONS:
        if name in request:
            headers[header] = text(request, name, where).encode("utf-8", "replace")
    since = given(request, "ifModifiedSince", where)
    if since is not None:
        headers[b"if-modified-since"] = http_date_of(since).encode()
    body, resource = body_and_type(entry, headers, where)
    return Request(method, path, query, headers, body, outer.who, resource=resource, way=ENTRY)


_CONDITIONS: Final = (("ifMatch", b"if-match"), ("ifNoneMatch", b"if-none-match"), ("ifNoneExist", b"if-none-exist"))


def _split(service: Service, method: str, url: str, where: str) -> tuple[tuple[str, ...], str]:
    path, _, query = url.removeprefix(service.door.base).partition("?")
    try:
        found = router.path_of(path)
    except Malformed as problem:
        raise Malformed(str(problem), expression=f"{where}.request.url") from None
    if not found and method not in READS:  # a search of everything is a GET
        raise Invalid(
            "The url of an entry can't be the base itself: a batch holds no other.", expression=f"{where}.request.url"
        )
    if found[-1:] == ("$graphql",):
        raise Invalid("A batch can't hold $graphql: what it answers is no resource.", expression=f"{where}.request.url")
    return found, query.encode("utf-8", "replace").decode("latin-1")  # as the bytes of a request line are read


def _preference(outer: Request) -> bytes:
    wanted = prefer(outer)
    return f"return={wanted.returns or 'minimal'}, handling={'lenient' if wanted.lenient else 'strict'}".encode()


def _reply(base: bytes, one: Request, response: Response, told: set[tuple[str, str, int]]) -> bytes:
    """The entry that answers a request; for HEAD without what GET would hold."""
    if one.method == "HEAD" and response.status < 400:
        response.body = b""
    return bundles.reply(base, response, told)
