"""Read, vread and history. https://hl7.org/fhir/R4/http.html#read

A version is seen or not by what it said itself. What may not be seen is as what never was.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from tests.oracle.leaks.cases import Asking, Case, Pages, statuses
from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.rights import SHARED
from tests.oracle.leaks.world import Version, mark_of

Pairs = tuple[tuple[str, str], ...]


def read(asking: Asking) -> Case:
    """The current version, perhaps under the condition that it is another than one knows."""
    type, id = asking.name((*SHARED, "Binary", "Binary") if asking.maybe(0.2) else ())
    headers: tuple[tuple[str, str], ...] = ()
    current = asking.world.current(type, id)
    known = asking.pick((1, 2, 3)) if asking.maybe(0.2) else 0
    if known:
        headers = (("If-None-Match", f'W/"{known}"'),)
    fresh = 0 if known or current is None or current.body is None else asking.pick((0, 0, 0, -1, 1))
    if fresh and current is not None and current.body is not None:  # asked of what is hidden, too
        at = datetime.fromisoformat(current.body["meta"]["lastUpdated"]).timestamp() // 1 + min(0, fresh)
        headers = (("If-Modified-Since", format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)),)
    shape = _shape(asking, type)
    if type == "Binary":
        headers += _content(asking, shape)
    request = Request(asking.pick(("GET", "GET", "GET", "HEAD")), f"{type}/{id}", shape, headers)
    if not asking.rights.permits(type, "r"):
        return Case("read", request, statuses(403))
    if current is None or not asking.sees("r", current):
        return Case("read", request, statuses(404))
    if current.body is None:
        return Case("read", request, statuses(410))
    if known == current.number or fresh > 0:
        return Case("read", request, statuses(304), timed=bool(fresh))
    return Case("read", request, lambda pages: _is(pages, current), timed=bool(fresh))


def _shape(asking: Asking, type: str) -> Pairs:
    """How much of it, its mark always."""
    mark = "data" if type == "Binary" else "extension"
    return asking.pick(((), (), (), (), (("_elements", mark),), (("_summary", "data"),)))


def _content(asking: Asking, shape: Pairs) -> Pairs:
    """A Binary as the resource, or its content by itself, or the first of it."""
    if shape:
        return ()
    return asking.pick(((), (("Accept", "application/fhir+json"),), (("Accept", "*/*"), ("Range", "bytes=0-0"))))


def vread(asking: Asking) -> Case:
    """One version."""
    type, id = asking.name()
    versions = asking.world.by_name.get((type, id), [])
    number = asking.chance.randint(1, len(versions) + 1)
    headers = _content(asking, ()) if type == "Binary" else ()
    request = Request("GET", f"{type}/{id}/_history/{number}", (), headers)
    wanted = versions[number - 1] if number <= len(versions) else None
    if not asking.rights.permits(type, "r"):
        return Case("vread", request, statuses(403))
    if wanted is None or not asking.sees("r", wanted):
        return Case("vread", request, statuses(404))
    if wanted.body is None:
        return Case("vread", request, statuses(410))
    return Case("vread", request, lambda pages: _is(pages, wanted))


def _is(pages: Pages, version: Version) -> str | None:
    answer = pages[0]
    said = answer.header("content-type")  # an entry of a bundle says none: it is a resource
    whole = said is None or said.startswith("application/fhir+json")
    tag = f'W/"{version.number}"' if whole else f'"{version.number}"'
    if answer.status not in (200, 206) or answer.header("etag") != tag:
        return f"status {answer.status}, {answer.header('etag')}, not version {version.number}"
    mark = mark_of(version.body)
    if whole:
        return None if mark.encode() in answer.body else "another content"
    content = base64.b64decode(mark)  # of a Binary, by itself
    return None if answer.body in (content, content[:1]) else "another content"


def of_instance(asking: Asking) -> Case:
    """The history of one resource."""
    type, id = asking.name()
    when, span, timed = _span(asking)
    query = (("_count", str(asking.pick((1, 2, 50)))), *when)
    request = Request("GET", f"{type}/{id}/_history", query)
    if not asking.rights.permits(type, "r"):
        return Case("history-instance", request, statuses(403))
    seen = [one for one in asking.world.by_name.get((type, id), ()) if asking.sees("r", one)]
    if not seen:
        return Case("history-instance", request, statuses(404))
    if type == "Binary" and not all(asking.rights.allow(asking.world.population, "r", one.says) for one in seen):
        # It lies in a record by what it is bound to, of which its own history knows nothing: all of it, or nothing.
        there = _among(asking, seen, span)
        return Case("history-instance", request, lambda p: None if p[0].status == 404 else _are(p, there), timed=timed)
    return _history(asking, "history-instance", request, seen, "r", span, timed)


def of_type(asking: Asking) -> Case:
    """The history of a type."""
    type, _ = asking.name()
    when, span, timed = _span(asking)
    request = Request("GET", f"{type}/_history", (("_count", str(asking.pick((2, 5, 500)))), *when))
    if not asking.rights.permits(type, "s"):
        return Case("history-type", request, statuses(403))
    seen = [one for one in asking.world.versions if one.step.type == type and _found(asking, one)]
    return _history(asking, "history-type", request, seen, "s", span, timed)


def of_everything(asking: Asking) -> Case:
    """The history of all."""
    when, span, timed = _span(asking)
    request = Request("GET", "_history", (("_count", str(asking.pick((20, 50, 1000)))), *when))
    if not any(asking.rights.permits(type, "s") for type, _ in asking.world.by_name):
        return Case("history-system", request, statuses(200, 403))
    seen = [one for one in asking.world.versions if _found(asking, one)]
    return _history(asking, "history-system", request, seen, "s", span, timed)


Span = tuple[str, int]
"""`_since` or `_at` ("": neither), and the place of the version at whose moment that is."""


def _span(asking: Asking) -> tuple[Pairs, Span, bool]:
    """A moment as a parameter, that of any version, which is in no twin."""
    how = asking.pick(("", "", "", "_since", "_at"))
    versions = asking.world.versions
    place = asking.chance.randrange(len(versions))
    body = versions[place].body
    if not how or body is None:
        return (), ("", 0), False
    return ((how, body["meta"]["lastUpdated"]),), (how, place), True


def _among(asking: Asking, seen: Sequence[Version], span: Span) -> list[Version]:
    """Those of the time."""
    how, place = span
    if not how:
        return list(seen)
    versions = asking.world.versions
    if how == "_since":
        late = {one.key for one in versions[place:]}
        return [one for one in seen if one.key in late]
    current = {one.name: one.key for one in versions[: place + 1]}
    return [one for one in seen if current.get(one.name) == one.key]


def _history(
    asking: Asking, kind: str, request: Request, seen: Sequence[Version], letter: str, span: Span, timed: bool
) -> Case:
    """These versions; and one that a PUT made where nothing was says so, if one may know that nothing was."""
    right = _among(asking, seen, span)

    def made(version: Version) -> bool:
        if version.number == 1 or version.step.method == "POST":
            return True
        last = asking.world.by_name[version.name][version.number - 2]
        return version.step.method == "PUT" and last.body is None and asking.sees(letter, last)

    said = {one.key: "204" if one.body is None else "201" if made(one) else "200" for one in right}

    def expect(pages: Pages) -> str | None:
        wrong = _are(pages, right)
        if wrong is not None:
            return wrong
        found = {
            key: entry["response"]["status"]
            for page in pages
            for key, entry in zip(page.versions, page.entries, strict=True)
        }
        return None if found == said else f"statuses {found}, are {said}"

    return Case(kind, request, expect, timed=timed)


def _found(asking: Asking, version: Version) -> bool:
    return asking.world.sees(asking.rights, "s", version)


def _are(pages: Pages, versions: list[Version]) -> str | None:
    if pages[0].status != 200:
        return f"status {pages[0].status}"
    right = [one.key for one in reversed(versions)]
    found = [key for page in pages for key in page.versions]
    if found != right:
        extra, lacking = sorted(set(found) - set(right)), sorted(set(right) - set(found))
        return f"extra {extra}, lacking {lacking}" if extra or lacking else f"the order is {found}, not {right}"
    return None if pages[0].json.get("total") == len(right) else f"total {pages[0].json.get('total')}, {len(right)}"
