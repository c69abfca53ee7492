"""User-access brands: what people know this server by, published for apps that let them choose where to connect.

https://hl7.org/fhir/smart-app-launch/brands.html. Brands are Organizations, and their Endpoints, of the guide's
profiles in the store, written by whatever may write them. Without any there is one of the server's name and address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.fhir import json
from hilum.fhir.resource import Resource, instant
from hilum.interactions import granting
from hilum.interactions import search as searching
from hilum.interactions.permit import permits_for
from hilum.oauth.ledger import SETTING, Put, Record, read, write
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.smart import brandrules
from hilum.smart.brandrules import Wrong
from hilum.smart.message import ANY_ORIGIN, NO_SNIFF, Answer, Asked
from hilum.smart.routing import Route
from hilum.store.interface import HistoryQuery
from hilum.web.fields import Header

if TYPE_CHECKING:
    from hilum.smart.site import Site, SiteSettings

PATH: Final = "/brands"
TYPES: Final = ("Endpoint", "Organization")
PROFILES: Final = {"Organization": brandrules.BRAND, "Endpoint": brandrules.ENDPOINT}
URI: Final = "urn:ietf:rfc:3986"
LOOK_SECONDS: Final = 1.0
MOST: Final = 10_000
"""Brands or endpoints; more would be a directory of a country."""
_KEY: Final = b"brands"
_PAGE: Final = 1000
_ROUNDS: Final = 5

Body = dict[str, Any]


class Edition(Record, frozen=True, omit_defaults=True):
    """What was published last, over all processes: its digest, and since when (microseconds)."""

    digest: str
    at: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """`brands` and `endpoints` as they are published, the primary brand first. `primary` None: it can't be told which
    brand it is. `unfit`: what can't be published, and why. `default`: nothing was written yet.
    """

    brands: tuple[Body, ...]
    endpoints: tuple[Body, ...]
    primary: Body | None
    identifier: dict[str, str] | None = None
    unfit: tuple[tuple[Body, tuple[Wrong, ...]], ...] = ()
    default: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """The bundle as it is sent. `seq`: of the newest version of an Organization or Endpoint that it knows of."""

    seq: int
    compiled: Compiled
    edition: Edition
    raw: bytes

    @property
    def tag(self) -> bytes:
        """A weak ETag: another one for each edition."""
        return b'W/"%d"' % self.edition.at


@dataclass(slots=True)
class Shelf:
    """What this process published last, and when it looked whether that is so still (seconds)."""

    looked: float = float("-inf")
    last: Published | None = None


async def published(site: Site, *, now: bool = False) -> Published:
    """The bundle of this moment, or, without `now`, of a second ago. Raises Busy."""
    shelf = site.brands
    if shelf.last is not None and not now and site.clock() - shelf.looked < LOOK_SECONDS:
        return shelf.last
    looked, seq = site.clock(), await _newest(site)
    if shelf.last is None or shelf.last.seq != seq:
        compiled = composed(await stored(site, "Organization"), await stored(site, "Endpoint"), site.settings)
        shelf.last = await _published(site, compiled, seq)
    shelf.looked = looked
    return shelf.last


async def members(site: Site) -> dict[str, Any]:
    """What discovery says of it: nothing while it can't be told which brand is this server's own. Raises Busy."""
    compiled = (await published(site)).compiled
    if compiled.primary is None or (compiled.identifier is None and len(compiled.brands) > 1):
        return {}
    found: dict[str, Any] = {"user_access_brand_bundle": site.settings.origin + PATH}
    if compiled.identifier is not None:
        found["user_access_brand_identifier"] = compiled.identifier
    return found


async def brands(site: Site, asked: Asked) -> Answer:
    """GET /brands: to everybody, as discovery is. https://hl7.org/fhir/smart-app-launch/brands.html#caching-brand-bundles"""
    found = await published(site)
    headers: list[Header] = [(b"etag", found.tag), (b"cache-control", b"public, max-age=60"), NO_SNIFF, ANY_ORIGIN]
    known = {tag.strip().removeprefix("W/") for tag in asked.header(b"if-none-match").split(",")}
    if known & {found.tag.decode().removeprefix("W/"), "*"}:
        return Answer(304, headers)
    return Answer(200, [(b"content-type", b"application/fhir+json; charset=utf-8"), *headers], found.raw)


async def stored(site: Site, type: str) -> list[Resource]:
    """The resources of the type that say they are of the profile, by id. Raises Busy, TooCostly."""
    pairs = [("_profile", PROFILES[type]), ("_count", str(_PAGE))]

    def understood(registry: Registry) -> Parsed:
        return parse_query(type, pairs, base=site.door.base, registry=registry)

    who = granting.server()
    parsed = await searching.understood(site.door, pairs, understood)
    found: list[Resource] = []
    while True:
        page = await searching.search(site.door, who, parsed)
        found += page.resources
        if page.next is None or len(found) >= MOST:
            return sorted(found, key=lambda one: one.id)
        parsed = structs.replace(parsed, query=structs.replace(parsed.query, after=page.next), kept=False)


def composed(organizations: Sequence[Resource], endpoints: Sequence[Resource], settings: SiteSettings) -> Compiled:
    """What of these is published: what is active and as the profiles have it."""
    fit, unfit = _fit([one.body for one in endpoints if one.body.get("status") == "active"], {})
    reached = {f"Endpoint/{one['id']}": one for one in fit}
    active = [one.body for one in organizations if one.body.get("active", True)]
    shown, wrong = _fit(active, reached)
    if not shown:
        brand, endpoint = default(settings)
        return Compiled((brand,), (endpoint,), brand, brand["identifier"][0], (*unfit, *wrong), default=True)
    primary, identifier = _primary(shown, settings.brand)
    used = sorted({reference for one in shown for reference in _references(one)})
    if primary is not None:  # it names all endpoints of the bundle, as the guide has it
        more = [{"reference": one} for one in used if one not in _references(primary)]
        own = primary | {"endpoint": [*primary.get("endpoint", []), *more], "meta": _unstamped(primary)}
        shown = [own if more else primary, *(one for one in shown if one is not primary)]
        primary = shown[0]
    return Compiled(tuple(shown), tuple(reached[one] for one in used), primary, identifier, (*unfit, *wrong))


def default(settings: SiteSettings) -> tuple[Body, Body]:
    """The brand, and its endpoint, of a server for which nobody has written one."""
    origin, name = settings.origin, settings.organization
    reference = {"reference": "Endpoint/this-server"}
    parts = [
        {"url": "portalName", "valueString": name},
        {"url": "portalUrl", "valueUrl": f"{origin}/auth/account"},
        {"url": "portalEndpoint", "valueReference": reference},
    ]
    brand = {
        "resourceType": "Organization",
        "id": "this-server",
        "meta": {"profile": [brandrules.BRAND]},
        "extension": [{"url": brandrules.PORTAL, "extension": parts}],
        "identifier": [{"system": URI, "value": web_origin(origin)}],
        "active": True,
        "name": name,
        "telecom": [{"system": "url", "value": origin}],
        "endpoint": [reference],
    }
    return brand, endpoint("this-server", settings)


def endpoint(id: str, settings: SiteSettings) -> Body:
    """This server as an Endpoint of a brand."""
    return {
        "resourceType": "Endpoint",
        "id": id,
        "meta": {"profile": [brandrules.ENDPOINT]},
        "extension": [{"url": brandrules.VERSION, "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": dict(brandrules.REST),
        "name": f"FHIR R4 of {settings.organization}",
        "contact": [{"system": "url", "value": settings.origin}],
        "payloadType": [{"coding": [dict(brandrules.NO_PAYLOAD)]}],
        "address": settings.base,
    }


def web_origin(url: str) -> str:
    """What the guide recommends as identifier: where the brand is on the web, without `www.` and path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].removeprefix('www.')}"


def _fit(bodies: list[Body], endpoints: dict[str, Body]) -> tuple[list[Body], list[tuple[Body, tuple[Wrong, ...]]]]:
    fit, unfit = [], []
    for body in bodies:
        wrong = brandrules.of(body)
        if not wrong and body["resourceType"] == "Organization":
            says = "names no active Endpoint that is fit to be published."
            wrong = tuple(Wrong("Organization.endpoint", says) for one in _references(body) if one not in endpoints)[:1]
        if wrong:
            unfit.append((body, wrong))
        else:
            fit.append(body)
    return fit, unfit


def _unstamped(body: Body) -> Body:
    """What is said of a resource that is not shown as it is stored: it is as old as the bundle."""
    return {name: value for name, value in body["meta"].items() if name != "lastUpdated"}


def _references(body: Body) -> list[str]:
    return [one["reference"] for one in body.get("endpoint", [])]


def _primary(shown: Sequence[Body], setting: str) -> tuple[Body | None, dict[str, str] | None]:
    """The brand of this server and the identifier that is no other's: the one of the setting, or the only one that is
    part of no other. None where that can't be told.
    """
    named = [(one, _pair(identifier)) for one in shown for identifier in one.get("identifier", [])]
    if setting:
        found = [(one, pair) for one, pair in named if "|".join(pair) == setting]
        return (found[0][0], _said(found[0][1])) if len(found) == 1 else (None, None)
    ids = {f"Organization/{one['id']}" for one in shown}
    roots = [one for one in shown if one.get("partOf", {}).get("reference") not in ids]
    if len(roots) != 1:
        return None, None
    pairs = [pair for _, pair in named]
    own = next((pair for one, pair in named if one is roots[0] and pairs.count(pair) == 1), None)
    return roots[0], None if own is None else _said(own)


def _pair(identifier: dict[str, Any]) -> tuple[str, str]:
    return str(identifier.get("system", "")), str(identifier["value"])


def _said(pair: tuple[str, str]) -> dict[str, str]:
    return {name: text for name, text in zip(("system", "value"), pair, strict=True) if text}


async def _newest(site: Site) -> int:
    """Of all versions, deletions too; 0: there are none."""
    query = HistoryQuery(TYPES, permits_for(granting.server(), TYPES, "s"), count=1, total=False)
    found = (await site.door.store.history(query)).resources
    return found[0].seq if found else 0


async def _published(site: Site, compiled: Compiled, seq: int) -> Published:
    settings = site.settings
    place = settings.origin + PATH if compiled.default else settings.base
    bodies = (*compiled.brands, *compiled.endpoints)
    content = [compiled.identifier, place, *bodies]
    edition = await _edition(site, sha256(json.encode({"": content})).hexdigest(), seq)
    said = instant(edition.at)
    entries = []
    for body in bodies:
        meta = {"lastUpdated": said} | body["meta"]
        entries.append({"fullUrl": f"{place}/{body['resourceType']}/{body['id']}", "resource": body | {"meta": meta}})
    bundle = {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": said, "profile": [brandrules.BUNDLE]},
        "type": "collection",
        "timestamp": said,
        "entry": entries,
    }
    return Published(seq, compiled, edition, json.encode(bundle))


async def _edition(site: Site, digest: str, seq: int) -> Edition:
    """The edition with this digest: the last one, or a new one, as of the newest change that there is. Raises Busy."""
    for _ in range(_ROUNDS):
        row = await site.ledger.get(SETTING, _KEY)
        last = None if row is None else read(row, Edition)
        if last is not None and last.digest == digest:
            return last
        made = Edition(digest, seq if seq > (last.at if last is not None else 0) else site.now)
        put = Put(SETTING, _KEY, write(made))
        if await (site.ledger.add(put) if row is None else site.ledger.replace(put, row.version)):
            return made
    return made


ROUTES: Final = (Route("GET", PATH, brands, "document"),)
