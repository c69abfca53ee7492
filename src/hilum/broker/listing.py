"""A published list of EHRs' addresses, read: which organization is reached at which FHIR base.

https://hl7.org/fhir/smart-app-launch/brands.html, and the lists that vendors have published since before
(https://open.epic.com/Endpoints/R4, https://github.com/oracle-samples/ignite-endpoints; seen 2026-11): Endpoints that
name their organization, contain it, or refer to it. Pure: bytes in, values out.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urljoin

import msgspec

from hilum.problems import Invalid
from hilum.web.addresses import target

PORTAL: Final = "http://hl7.org/fhir/StructureDefinition/organization-portal"
VERSION: Final = "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version"
_DEEPEST: Final = 10
"""Organizations above one another."""
_LONGEST: Final = 200
_BREAKS: Final = re.compile(r"[\W_]+")


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """An organization at a FHIR base. `words`: what it is found by; `version`: of FHIR, "" where it is not said."""

    name: str
    base: str
    place: str
    version: str
    words: str


class Read(msgspec.Struct, frozen=True):
    """What a list holds. `others`: endpoints that are left out: of other versions of FHIR, not active, no address."""

    listed: tuple[Listed, ...]
    others: int


class _Resource(msgspec.Struct):
    """What matters of an Organization or Endpoint. What has another shape than it should have is as if it were not
    there: lists have been seen with all kinds of it.
    """

    resourceType: Any = None
    id: Any = None
    name: Any = None
    alias: Any = None
    status: Any = None
    active: Any = None
    address: Any = None
    partOf: Any = None
    endpoint: Any = None
    managingOrganization: Any = None
    extension: Any = None
    contained: Any = None


class _Entry(msgspec.Struct):
    fullUrl: Any = None
    resource: _Resource | None = None


class _Bundle(msgspec.Struct):
    resourceType: str
    entry: list[_Entry] = []


_decode: Final = msgspec.json.Decoder(_Bundle).decode


def read(raw: bytes) -> Read:
    """The organizations of a Bundle, each with each base that it is reached at, by name. Raises Invalid."""
    try:
        bundle = _decode(raw.removeprefix(codecs.BOM_UTF8))  # as some programs begin the files that they write
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The list is no Bundle of FHIR JSON: {error}.") from None
    if bundle.resourceType != "Bundle":
        raise Invalid(f"The list is no Bundle, but a resource of type {bundle.resourceType[:64]!r}.")
    there = _There(bundle)
    if not there.endpoints:
        raise Invalid("The list holds no Endpoint: it is not one of FHIR addresses.")
    found = {(one.name, one.base): one for one in there.listed()}
    return Read(tuple(sorted(found.values(), key=lambda one: (one.words, one.base))), there.others)


class _There:
    """The resources of a Bundle, by what they are referred to by."""

    def __init__(self, bundle: _Bundle) -> None:
        self.organizations: dict[str, _Resource] = {}
        self.endpoints: dict[str, _Resource] = {}
        self.others = 0
        for number, entry in enumerate(bundle.entry):
            if entry.resource is not None:
                self._place(entry.resource, _text(entry.fullUrl) or f"urn:entry:{number}")
        self._names = {
            f"{type}/{_text(one.id)}": url
            for type, all in (("Organization", self.organizations), ("Endpoint", self.endpoints))
            for url, one in all.items()
            if "#" not in url
        }

    def _place(self, resource: _Resource, url: str) -> None:
        all = {"Organization": self.organizations, "Endpoint": self.endpoints}.get(_text(resource.resourceType))
        if all is not None:
            all[url] = resource
        for one in _dicts(resource.contained):
            inner = msgspec.convert(one, _Resource, strict=False)
            self._place(inner, f"{url}#{_text(inner.id)}")

    def listed(self) -> Iterator[Listed]:
        bases = {url: base for url, one in self.endpoints.items() if (base := _base(one))}
        self.others = len(self.endpoints) - len(bases)
        named: set[str] = set()
        for url, organization in self.organizations.items():
            if organization.active is False or not _text(organization.name):
                continue
            for place in self._reached(url):
                if place in bases:
                    named.add(place)
                    yield _listed(organization, bases[place], self.endpoints[place])
        for url, base in bases.items():
            endpoint = self.endpoints[url]
            managing = self._found(endpoint.managingOrganization, url, self.organizations)
            if managing is not None and _text(self.organizations[managing].name):
                yield _listed(self.organizations[managing], base, endpoint)
            elif url not in named:  # by its own name, which is the organization's in older lists
                said = endpoint.managingOrganization
                name = _text(said.get("display")) if isinstance(said, dict) else ""
                yield _listed(_Resource(name=name or _text(endpoint.name) or base), base, endpoint)

    def _reached(self, url: str) -> list[str]:
        """The endpoints of an organization, or of the nearest one that it is part of and that has some."""
        for _ in range(_DEEPEST):
            organization = self.organizations[url]
            referred = [
                *_dicts(organization.endpoint),
                *(
                    one.get("valueReference")
                    for portal in _dicts(organization.extension)
                    if portal.get("url") == PORTAL
                    for one in _dicts(portal.get("extension"))
                    if one.get("url") == "portalEndpoint"
                ),
            ]
            found = [place for one in referred if (place := self._found(one, url, self.endpoints)) is not None]
            if found:
                return list(dict.fromkeys(found))
            above = self._found(organization.partOf, url, self.organizations)
            if above is None:
                break
            url = above
        return []

    def _found(self, reference: Any, url: str, among: Mapping[str, _Resource]) -> str | None:
        """What a reference of the resource at `url` leads to. https://hl7.org/fhir/R4/bundle.html#references"""
        text = _text(reference.get("reference")) if isinstance(reference, dict) else ""
        if text.startswith("#"):
            text = url.partition("#")[0] + text
        for one in (text, self._names.get(text, ""), _beside(url, text)):
            if one in among:
                return one
        return None


def normal(text: str) -> str:
    """Text as it is compared: without case, marks and punctuation, its words between single spaces."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return _BREAKS.sub(" ", plain.casefold()).strip()


def find(listed: Iterable[Listed], words: str, most: int) -> list[Listed]:
    """Those with a word for each of these to begin with, the nearest names first."""
    asked = normal(words)
    wanted = [f" {word}" for word in asked.split()]
    found = [one for one in listed if wanted and all(word in one.words for word in wanted)]

    def distance(one: Listed) -> tuple[int, str, str]:
        name = normal(one.name)
        near = 0 if name == asked else 1 if name.startswith(asked) else 2
        near = near if near < 2 or all(word in f" {name}" for word in wanted) else 3
        return near, name, one.base

    return sorted(found, key=distance)[:most]


def _listed(organization: _Resource, base: str, endpoint: _Resource) -> Listed:
    name = _text(organization.name)
    aliases = [_text(one) for one in organization.alias] if isinstance(organization.alias, list) else []
    places = list(dict.fromkeys(filter(None, (_place(one) for one in _dicts(organization.address)))))
    words = normal(" ".join(dict.fromkeys((name, *aliases, *places, _text(endpoint.name)))))
    return Listed(name, base, places[0] if places else "", _version(endpoint), f" {words}")


def _place(address: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (_text(address.get("city")), _text(address.get("state")))))


def _base(endpoint: _Resource) -> str:
    """The base of an active endpoint of R4; "" for others. What says no version is taken for one."""
    base = _text(endpoint.address, 2048).rstrip("/")
    if isinstance(target(base), str) or _text(endpoint.status) not in ("active", ""):
        return ""
    version = _version(endpoint)
    return base if not version or version.startswith("4.0") else ""


def _version(endpoint: _Resource) -> str:
    """The one of R4 where several are said."""
    said = [_text(one.get("valueCode"), 20) for one in _dicts(endpoint.extension) if one.get("url") == VERSION]
    return next((one for one in said if one.startswith("4.0")), said[0] if said else "")


def _beside(url: str, text: str) -> str:
    """A relative reference from a resource at an absolute address: [base]/Type/id."""
    parts = url.rsplit("/", 2)
    if len(parts) != 3 or not text or "://" in text:
        return ""
    try:
        return urljoin(f"{parts[0]}/", text)
    except ValueError:
        return ""


def _text(value: Any, most: int = _LONGEST) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(one if one.isprintable() else " " for one in value[:most]).strip()


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
