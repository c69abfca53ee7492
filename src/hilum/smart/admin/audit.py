"""Who saw and did what: found, read, downloaded. A look at it is a search for AuditEvents, and audited as one."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from msgspec import json, structs

from hilum.access.seal import secret
from hilum.interactions import read as reading
from hilum.interactions import search as searching
from hilum.problems import Forbidden, Gone, Invalid, Malformed, NotFound, Unprocessable
from hilum.search.parse import Parsed, parse_query
from hilum.search.typed import escaped
from hilum.smart.admin import checking, events, lists
from hilum.smart.admin.gate import Admin, admin
from hilum.smart.apps import clients
from hilum.smart.people import users
from hilum.web import uri
from hilum.web.message import NO_SNIFF, NO_STORE, Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.fhir.resource import Resource
    from hilum.search.parameters import Registry
    from hilum.smart.site import Site

NAME: Final = "audit"
PATH: Final = "/admin/audit"
DOWNLOAD: Final = f"{PATH}/download"
VERIFY: Final = f"{PATH}/verify"
MOST: Final = 10_000
"""Events in a download: `hilum audit export` writes all that there are."""
SECONDS: Final = 20
"""How long a download is looked for."""
_AT_ONCE: Final = 500
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?Z?")


class Filter(NamedTuple):
    """As it was typed. `since`, `until`: days, or days and times, UTC."""

    since: str = ""
    until: str = ""
    person: str = ""
    patient: str = ""
    app: str = ""
    outcome: str = ""
    interaction: str = ""

    @property
    def query(self) -> str:
        """The same as a query string."""
        return urlencode([(name, value) for name, value in self._asdict().items() if value])


def filter_of(form: Form) -> Filter:
    """Raises OAuthError: something is given twice."""
    return Filter(*(form.get(name).strip()[:200] for name in Filter._fields))


async def pairs(site: Site, wanted: Filter) -> list[tuple[str, str]]:
    """The filter as search parameters. Raises Invalid naming what can't be looked for."""
    found = [
        ("date", f"{prefix}{_time(text)}") for prefix, text in (("ge", wanted.since), ("le", wanted.until)) if text
    ]
    if wanted.person:
        account = await users.find(site.ledger, wanted.person)
        name = account.id if account is not None else wanted.person
        found.append(("agent:identifier", f"{escaped(site.settings.origin)}|{escaped(name)}"))
    if wanted.app:
        system = f"{site.settings.origin}/clients"
        found.append(("agent:identifier", f"{escaped(system)}|{escaped(wanted.app)}"))
    if wanted.patient:
        id = wanted.patient.removeprefix("Patient/")
        found.append(("patient", f"Patient/{escaped(id)}"))
    if wanted.outcome:
        if wanted.outcome not in events.OUTCOMES:
            raise Invalid("There is no such outcome.")
        found.append(("outcome", wanted.outcome))
    if wanted.interaction:
        if wanted.interaction not in events.KNOWN:
            raise Invalid("There is no such interaction.")
        found.append(("subtype", events.KNOWN[wanted.interaction]))
    return found


def _time(text: str) -> str:
    found = _TIME.fullmatch(text)
    if found is None:
        raise Invalid("A time is a day, or a day and a time (UTC): 2026-01-31, or 2026-01-31 14:30.")
    day, minute, seconds = found.groups()
    return day if minute is None else f"{day}T{minute}{seconds or ':00'}Z"


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/audit"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    wanted, message = filter_of(asked.query), ""
    resources: tuple[Resource, ...] = ()
    next = None
    try:
        after = _opened(site, asked.query.get("after"))
        resources, next = await _search(site, who, await pairs(site, wanted), lists.PAGE, after)
    except (Invalid, Malformed, Unprocessable) as problem:
        message = str(problem)
    rows = [events.row(one.body, site.settings.origin) for one in resources]
    check = await checking.known(site)
    more = "" if next is None else f"{PATH}?{wanted.query}&after={_sealed(site, next)}".replace("?&", "?")
    return who.page(
        "admin-audit.html", 422 if message else 200, rows=rows, wanted=wanted, message=message, more=more,
        people=await _people(site, rows), apps=await _apps(site, rows), interactions=events.INTERACTIONS,
        outcomes=events.OUTCOMES, download=f"{DOWNLOAD}?{wanted.query}", most=MOST, verify=VERIFY,
        csrf=who.csrf(VERIFY), check=check, running=checking.running(site, check), can_verify=site.folder is not None,
        first="after" not in asked.query,
    )  # fmt: skip


async def show(site: Site, asked: Asked, id: str) -> Answer:
    """GET /admin/audit/{id}"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    try:
        found = await reading.read(site.door, who.principal, "AuditEvent", id)
    except (NotFound, Gone, Forbidden):
        raise NotFound("There is no such event. What happened just now comes in within five seconds.") from None
    await site.trail.flushed(site.trail.note(who.principal, "read", "AuditEvent", id, 1, 200, "", ()))
    row = events.row(found.body, site.settings.origin)
    return who.page(
        "admin-event.html", row=row, people=await _people(site, [row]), apps=await _apps(site, [row]),
        body=json.format(json.encode(found.body), indent=2).decode(),
    )  # fmt: skip


async def download(site: Site, asked: Asked) -> Answer:
    """GET /admin/audit/download: what the filter finds, newest first, as NDJSON of AuditEvents."""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    wanted = filter_of(asked.query)
    query = await pairs(site, wanted)
    await who.tell("audit-export", {"to": "download", "query": uri.encode(query)})
    found: list[bytes] = []
    after, ends, whole = None, site.clock() + SECONDS, False
    while len(found) < MOST and site.clock() < ends and not whole:
        resources, after = await _search(site, who, query, min(_AT_ONCE, MOST - len(found)), after)
        found += [json.encode(one.body) for one in resources]
        whole = after is None
    now = datetime.fromtimestamp(site.clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"audit-{now}{'' if whole else f'-newest-{len(found)}'}.ndjson"
    headers = [
        (b"content-type", b"application/x-ndjson"),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        NO_STORE,
        NO_SNIFF,
    ]
    return Answer(200, headers, b"".join(one + b"\n" for one in found))


async def verify(site: Site, asked: Asked) -> Answer:
    """POST /admin/audit/verify: begin to, beside requests."""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    await who.tell("audit-verify", {})
    await checking.begin(site, who.visitor.account.user.name)
    return see_other(PATH)


async def _search(
    site: Site, who: Admin, query: list[tuple[str, str]], count: int, after: str | None
) -> tuple[tuple[Resource, ...], str | None]:
    """A page, newest first, and where the next one begins. Raises Invalid, Unprocessable, Busy."""
    wanted = [*query, ("_count", str(count))]

    def understood(registry: Registry) -> Parsed:
        return parse_query("AuditEvent", wanted, base=site.door.base, registry=registry)

    parsed = await searching.understood(site.door, wanted, understood)
    parsed = structs.replace(parsed, query=structs.replace(parsed.query, after=after), kept=False)
    page = await searching.search(site.door, who.principal, parsed)
    found = tuple(page.resources)
    shown = tuple(one.last_updated for one in found)
    await site.trail.flushed(
        site.trail.note(who.principal, "search-type", "AuditEvent", "", 0, 200, uri.encode(wanted), shown)
    )
    return found, page.next


async def _people(site: Site, rows: list[events.Row]) -> dict[str, str]:
    """The names of those who have accounts, by id."""
    found = {}
    for id in dict.fromkeys(row.person for row in rows):
        try:
            account = await users.get(site.ledger, id)
        except ValueError:
            continue
        if account is not None:
            found[id] = account.user.name
    return found


async def _apps(site: Site, rows: list[events.Row]) -> dict[str, str]:
    found = {}
    for id in dict.fromkeys(row.app for row in rows):
        client = await clients.get(site.ledger, id)
        if client is not None:
            found[id] = client.client.name
    return found


def _sealed(site: Site, place: str) -> str:
    """A place in a search, as a link may have it: it is one of ours when it comes back."""
    return urlsafe_b64encode(_mac(site, place) + place.encode()).rstrip(b"=").decode()


def _opened(site: Site, text: str) -> str | None:
    """Raises Invalid."""
    if not text:
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        place = raw[_MAC:].decode()
    except ValueError:
        place, raw = "", b""
    if not hmac.compare_digest(raw[:_MAC], _mac(site, place)):
        raise Invalid("This link does not lead into the list. Begin at its first page.")
    return place


_MAC: Final = 16


def _mac(site: Site, place: str) -> bytes:
    return hmac.digest(secret(site.ring.root, "admin pages"), place.encode(), sha256)[:_MAC]


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", DOWNLOAD, download),
    Route("POST", VERIFY, verify),
    Route("GET", f"{PATH}/{{id}}", show),
)
