"""Pages: how large, from where, and the links between them. https://hl7.org/fhir/R4/http.html#paging"""

from __future__ import annotations

from hilum.problems import Malformed
from hilum.rest.bundle import Link
from hilum.rest.links import CURSOR
from hilum.rest.message import Request
from hilum.rest.router import Service
from hilum.search.dates import interval
from hilum.web import uri

DEFAULT_COUNT = 20


def once(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """Parameters that may each be given once. Raises Malformed."""
    found: dict[str, str] = {}
    for name, value in parameters:
        if name in found:
            raise Malformed(f"{name} may be given once.")
        found[name] = value
    return found


def page_size(text: str | None, most: int) -> int:
    """`_count`: how many entries a page has, at most `most`. Raises Malformed."""
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Malformed("_count must be a whole number, 0 or more.")
    return min(int(text), most)


def moment(name: str, text: str) -> tuple[int, int]:
    """The first and last microsecond of a date, dateTime or instant. Raises Malformed naming the parameter."""
    try:
        # An unescaped + of a time zone arrives as a space: nothing else can be meant by one.
        return interval(text.replace(" ", "+"))
    except Malformed:
        raise Malformed(f"{name} must be a date or an instant, such as 2026-01-31T12:00:00Z.") from None


def links(
    service: Service,
    request: Request,
    asked: list[tuple[str, str]],
    cursor: str | None,
    after: str | None,
    *,
    sealed: bool = False,
) -> list[Link]:
    """The links `self` and, unless `after` is None, `next`. https://hl7.org/fhir/R4/http.html#paging

    `asked`: the parameters that were applied, without the cursor; the cursor holds only together with them, or, where
    they are to be `sealed`, holds them. The first answer to a POST shows them in its `self`, which nobody fetches.
    """
    shown = request.shown.parameters()
    path = get_path(request.path)
    where = "/".join((service.door.base, *path))
    written = uri.encode(asked)
    whole = uri.encode([*asked, *shown]) if shown else written
    query = whole
    if cursor is not None:
        query = uri.encode([*([] if sealed else asked), *shown, (CURSOR, cursor)])
    found = [Link("self", f"{where}?{query}" if query else where)]
    if after is not None:
        if sealed:
            query = uri.encode([*shown, (CURSOR, service.links.seal_search(path, asked, after, request.who.holder))])
        else:
            at = service.links.seal(path, written, after, request.who.holder)  # of letters, digits, - _ = only
            query = f"{whole}{'&' if whole else ''}{CURSOR}={at}"
        found.append(Link("next", f"{where}?{query}"))
    return found


def position(service: Service, request: Request, asked: list[tuple[str, str]], cursor: str | None) -> str | None:
    """The keyset position that a cursor stands for; None without one. Raises Malformed."""
    if cursor is None:
        return None
    return service.links.open(get_path(request.path), uri.encode(asked), cursor, request.who.holder)


def get_path(path: tuple[str, ...]) -> tuple[str, ...]:
    """Where the same search is by GET: the following pages of a POST search are fetched so."""
    return path[:-1] if path[-1:] == ("_search",) else path
