"""Read, vread and history. https://hl7.org/fhir/R4/http.html#read

A version is seen or not by what it said itself. What may not be seen is as what never was.
"""

from __future__ import annotations

from tests.oracle.leaks.cases import Asking, Case, Pages, statuses
from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.rights import SHARED
from tests.oracle.leaks.world import Version, mark_of


def read(asking: Asking) -> Case:
    """The current version, perhaps under the condition that it is another than one knows."""
    type, id = asking.name((*SHARED, "Binary", "Binary") if asking.maybe(0.2) else ())
    headers: tuple[tuple[str, str], ...] = ()
    current = asking.world.current(type, id)
    known = asking.pick((1, 2, 3)) if asking.maybe(0.2) else 0
    if known:
        headers = (("If-None-Match", f'W/"{known}"'),)
    request = Request(asking.pick(("GET", "GET", "GET", "HEAD")), f"{type}/{id}", headers=headers)
    if not asking.rights.permits(type, "r"):
        return Case("read", request, statuses(403))
    if current is None or not asking.sees("r", current):
        return Case("read", request, statuses(404))
    if current.body is None:
        return Case("read", request, statuses(410))
    if known == current.number:
        return Case("read", request, statuses(304))
    return Case("read", request, lambda pages: _is(pages, current))


def vread(asking: Asking) -> Case:
    """One version."""
    type, id = asking.name()
    versions = asking.world.by_name.get((type, id), [])
    number = asking.chance.randint(1, len(versions) + 1)
    request = Request("GET", f"{type}/{id}/_history/{number}")
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
    if answer.status != 200 or answer.header("etag") != f'W/"{version.number}"':
        return f"status {answer.status}, {answer.header('etag')}, not version {version.number}"
    return None if mark_of(version.body).encode() in answer.body else "another content"


def of_instance(asking: Asking) -> Case:
    """The history of one resource."""
    type, id = asking.name()
    query = (("_count", str(asking.pick((1, 2, 50)))),)
    request = Request("GET", f"{type}/{id}/_history", query)
    if not asking.rights.permits(type, "r"):
        return Case("history-instance", request, statuses(403))
    seen = [one for one in asking.world.by_name.get((type, id), ()) if asking.sees("r", one)]
    if not seen:
        return Case("history-instance", request, statuses(404))
    if type == "Binary" and not all(asking.rights.allow(asking.world.population, "r", one.says) for one in seen):
        # It lies in a record by what it is bound to, of which its own history knows nothing: all of it, or nothing.
        return Case("history-instance", request, lambda p: None if p[0].status == 404 else _are(p, seen))
    return Case("history-instance", request, lambda pages: _are(pages, seen))


def of_type(asking: Asking) -> Case:
    """The history of a type."""
    type, _ = asking.name()
    request = Request("GET", f"{type}/_history", (("_count", str(asking.pick((2, 5, 500)))),))
    if not asking.rights.permits(type, "s"):
        return Case("history-type", request, statuses(403))
    seen = [one for one in asking.world.versions if one.step.type == type and _found(asking, one)]
    return Case("history-type", request, lambda pages: _are(pages, seen))


def of_everything(asking: Asking) -> Case:
    """The history of all."""
    request = Request("GET", "_history", (("_count", str(asking.pick((20, 50, 1000)))),))
    if not any(asking.rights.permits(type, "s") for type, _ in asking.world.by_name):
        return Case("history-system", request, statuses(200, 403))
    seen = [one for one in asking.world.versions if _found(asking, one)]
    return Case("history-system", request, lambda pages: _are(pages, seen))


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
