"""Batch and transaction: each entry is what it is alone. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from tests.oracle.leaks import reading, searching, writing
from tests.oracle.leaks.cases import Asking, Case, Pages
from tests.oracle.leaks.requests import Answer, Request

_READS: tuple[Callable[[Asking], Case], ...] = (
    reading.read,
    reading.vread,
    reading.of_type,
    searching.of_identifier,
    searching.by_name,
    searching.search,
)
_WRITES: tuple[Callable[[Asking], Case], ...] = (
    writing.create,
    writing.conditional_create,
    writing.update,
    writing.conditional_update,
    writing.delete,
    writing.conditional_delete,
)


def _entry(request: Request) -> dict[str, Any]:
    """An entry that asks the same."""
    query = urlencode(request.query)
    url = quote(request.path, safe="/$*_-.") + (f"?{query}" if query else "")
    found: dict[str, Any] = {"request": {"method": request.method, "url": url}}
    names = {"If-Match": "ifMatch", "If-None-Exist": "ifNoneExist", "If-None-Match": "ifNoneMatch"}
    for name, value in request.headers:
        if name == "If-Modified-Since":
            found["request"]["ifModifiedSince"] = parsedate_to_datetime(value).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif name in names:  # an entry is answered by the resource in any case
            found["request"][names[name]] = value
    if request.body is not None:
        found["resource"] = request.body
    return found


def _answers(answer: Answer) -> list[Answer]:
    """Each entry's, as if it had been alone."""
    found = []
    for one in answer.json.get("entry", []):
        response = one["response"]
        body = one.get("resource", response.get("outcome"))
        headers = tuple((name, response[name]) for name in ("etag", "location") if name in response)
        found.append(Answer(int(response["status"][:3]), headers, b"" if body is None else _raw(body)))
    return found


def _raw(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _alone(asking: Asking, makers: tuple[Callable[[Asking], Case], ...]) -> Case:
    """A case that an entry can be: by GET or a write, on one page."""
    while True:
        case = asking.pick(makers)(asking)
        plain = case.request.method in ("GET", "PUT", "DELETE", "POST") and not case.request.form
        said = {name for name, _ in case.request.headers}
        if plain and "Prefer" not in said and _one_page(case.request) and _fits(case.request, said):
            return case


def _fits(request: Request, said: set[str]) -> bool:
    """A transaction's PUT takes no If-None-Match."""
    return request.method == "GET" or "If-None-Match" not in said


def _one_page(request: Request) -> bool:
    count = dict(request.query).get("_count")
    return count is None or int(count) in (0, 500, 1000)


def batch(asking: Asking) -> Case:
    """Some reads, each for itself; who may do nothing at all need not send any."""
    cases = [_alone(asking, _READS) for _ in range(asking.pick((2, 3, 5)))]
    body = {"resourceType": "Bundle", "type": "batch", "entry": [_entry(one.request) for one in cases]}

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return None if pages[0].status == 403 and not asking.rights.grants else f"status {pages[0].status}"
        answers = _answers(pages[0])
        for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
            if wrong := case.expect([answer]):
                return f"entry {number} ({case.request}): {wrong}"
        return None

    return Case("batch", Request("POST", "", body=body), expect, timed=any(one.timed for one in cases))


def batch_of_writes(asking: Asking) -> Case:
    """One write, for itself."""
    return _written(asking, "batch")


def transaction(asking: Asking) -> Case:
    """One write, alone, or some reads."""
    if asking.maybe(0.6):
        return _written(asking, "transaction")
    cases = [_alone(asking, _READS) for _ in range(asking.pick((1, 2)))]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(one.request) for one in cases]}

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:  # one is refused: then each is asked alone elsewhere
            return None if pages[0].status < 500 else f"status {pages[0].status}"
        for case, answer in zip(cases, _answers(pages[0]), strict=True):
            if wrong := case.expect([answer]):
                return f"{case.request}: {wrong}"
        return None

    return Case("transaction", Request("POST", "", body=body), expect, timed=any(one.timed for one in cases))


def _written(asking: Asking, kind: str) -> Case:
    case = _alone(asking, _WRITES)
    body = {"resourceType": "Bundle", "type": kind, "entry": [_entry(case.request)]}

    def expect(pages: Pages) -> str | None:
        answer = pages[0]
        if answer.status == 200:
            return case.expect([_answers(answer)[0]])
        if answer.status == 403 and not asking.rights.grants:
            return None
        if kind == "batch" or answer.status >= 500:
            return f"status {answer.status}"
        return f"status {answer.status}: {answer.body[:200]!r}, must be done" if _fine(case) else None

    return Case(f"{kind}: {case.kind}", Request("POST", "", body=body), expect, case.writes)


def _fine(case: Case) -> bool:
    """Whether this write is to be done, perhaps to no effect."""
    return bool(case.writes) or any(case.expect([Answer(status, (), b"")]) is None for status in (200, 204))


def several(asking: Asking) -> Case:
    """Some writes at once, of different types: one that may not be refuses all."""
    cases: dict[str, Case] = {}
    for _ in range(asking.pick((2, 3, 4))):
        case = _alone(asking, (writing.create, writing.update, writing.update, writing.delete))
        cases.setdefault(case.request.path.partition("/")[0], case)
    some = list(cases.values())
    entries = [_entry(one.request) for one in some]
    kind = " ".join(("transaction of several:", *(one.kind for one in some)))
    fine = all(map(_fine, some))

    def expect(pages: Pages) -> str | None:
        answer = pages[0]
        if answer.status != 200:
            return f"status {answer.status}: {answer.body[:200]!r}, must be done" if fine else writing.failed(pages)
        for case, one in zip(some, _answers(answer), strict=True):
            if wrong := case.expect([one]):
                return f"{case.request}: {wrong}"
        return None

    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    writes = tuple(write for one in some for write in one.writes) if fine else ()
    return Case(kind, Request("POST", "", body=body), expect, writes)


def conditional_reference(asking: Asking) -> Case:
    """A transaction's reference by criteria: what may not be searched for is not found."""
    type = asking.pick(("Observation", "Communication", "DocumentReference"))
    body = asking.maker.make(type)
    pairs = (("identifier", asking.pick(("v1", "v2", "v3", "urn:leak|v4"))),)
    body["subject"] = {"reference": f"Patient?{urlencode(pairs)}"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "POST", "url": type}, "resource": body}],
    }
    request = Request("POST", "", body=bundle)
    if not asking.rights.permits(type, "c"):
        return Case("conditional reference", request, writing.failed)
    found = writing.found_by(asking, "Patient", pairs)
    if found is None or len(found) != 1:
        return Case("conditional reference", request, writing.failed)
    after = body | {"subject": {"reference": "/".join(found[0])}}
    if not writing.may_hold(asking, "c", type, "new", after, None):
        return Case("conditional reference", request, writing.failed)
    writes = (writing.Write("POST", type, None, writing.plain(after)),)

    def expect(pages: Pages) -> str | None:
        return None if pages[0].status == 200 else f"status {pages[0].status}: {pages[0].body[:200]!r}"

    return Case("conditional reference", request, expect, writes)
