"""User-access brands: what people know this server by, published for apps that let them choose where to connect.

https://hl7.org/fhir/smart-app-launch/brands.html. Brands are Organizations, and their Endpoints, of the guide's
profiles in the store, written by whatever may write them. Without any there is one of the server's name and address.
"""

from __future__ import annotations

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
from hilum.smart.apps import brandrules
from hilum.smart.apps.composing import Compiled, composed
from hilum.store.interface import HistoryQuery
from hilum.web.fields import Header
from hilum.web.message import ANY_ORIGIN, NO_SNIFF, Answer, Asked
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

PATH: Final = "/brands"
TYPES: Final = ("Endpoint", "Organization")
PROFILES: Final = {"Organization": brandrules.BRAND, "Endpoint": brandrules.ENDPOINT}
LOOK_SECONDS: Final = 1.0
MOST: Final = 10_000
"""Brands or endpoints; more would be a directory of a country."""
_KEY: Final = b"brands"
_PAGE: Final = 1000
_ROUNDS: Final = 5


class Edition(Record, frozen=True, omit_defaults=True):
    """What was published last, over all processes: its digest, and since when (microseconds)."""

    digest: str
    at: int


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
