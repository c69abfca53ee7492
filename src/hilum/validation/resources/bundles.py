"""Bundles: links, full urls, results of searches, and what belongs to a document or message.

https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/documents.html, https://hl7.org/fhir/R4/messaging.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from hilum.validation.profiles.running import Finding, Found, Scope, error
from hilum.validation.profiles.shapes import RESOURCES, Kind, items, properties
from hilum.validation.profiles.walking import Here, walk
from hilum.validation.resources.lists import dicts, numbered, text
from hilum.validation.resources.uris import absolute

_REST: Final = re.compile(
    r"(?P<base>https?://\S+/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)
_RELATIVE: Final = re.compile(
    r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)
_PAGES: Final = frozenset(("first", "previous", "prev", "next", "last"))
_PAGED: Final = frozenset(("searchset", "history"))
_WITHOUT_URLS: Final = frozenset(("transaction", "transaction-response", "batch", "batch-response"))


class Entry(NamedTuple):
    """An entry that holds a resource."""

    number: int
    url: str | None
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """Type/id."""
        return f"{self.body.get('resourceType')}/{self.body.get('id')}"

    @property
    def base(self) -> str | None:
        """The full url, as far as it can complete a relative reference: a server's must be that of this resource."""
        rest = None if self.url is None else _REST.fullmatch(self.url)
        return self.url if rest is None or f"{rest['type']}/{rest['id']}" == self.name else ""

    @property
    def version(self) -> str | None:
        """meta.versionId."""
        meta = self.body.get("meta")
        return text(meta.get("versionId")) if type(meta) is dict else None


def _entries(bundle: dict[str, Any]) -> list[Entry]:
    entries = bundle.get("entry")
    return [
        Entry(index, text(one.get("fullUrl")), one["resource"])
        for index, one in enumerate(entries if type(entries) is list else ())
        if type(one) is dict and type(one.get("resource")) is dict
    ]


# --- links ------------------------------------------------------------------------------------------------------------


def links(here: Here) -> Found:
    """A relation stands once; pages are those of searches and histories. https://hl7.org/fhir/R4/http.html#paging"""
    bundle = here.item.value
    seen: set[str] = set()
    out: Found = None
    for path, link in numbered(bundle.get("link"), ".link"):
        relation = text(link.get("relation")) or ""
        if (relation == "self" or relation in _PAGES) and relation in seen:
            out = (out or []) + error("invalid", f"is another link with the relation {relation}", path)
        seen.add(relation)
        if relation in _PAGES and bundle.get("type") not in _PAGED:
            text_ = f"has the relation {relation}, which only searches and histories have"
            out = (out or []) + error("invalid", text_, f"{path}.relation")
        url = text(link.get("url"))
        sheet = relation == "stylesheet" and bundle.get("type") == "document" and url is not None and not absolute(url)
        if sheet and not any(url in (one.name, one.url) for one in _entries(bundle)):
            out = (out or []) + error("not-found", "leads to a stylesheet that is not in the document", f"{path}.url")
    return out


# --- full urls --------------------------------------------------------------------------------------------------------


def entries(here: Here) -> Found:
    """Full urls: absolute, there unless the server is to choose them, and with the type and id of the resource."""
    bundle = here.item.value
    out: Found = None
    for path, entry in numbered(bundle.get("entry"), ".entry"):
        wrong = _full_url(bundle, entry)
        if wrong is not None:
            out = (out or []) + error(*wrong, path)
        if "fullUrl" not in entry and bundle.get("type") not in _RESPONSES and type(entry.get("resource")) is dict:
            out = (out or []) + _homeless(here, path, entry["resource"])
    return out


_RESPONSES: Final = frozenset(("transaction-response", "batch-response"))


def _homeless(here: Here, path: str, resource: dict[str, Any]) -> list[Finding]:
    """Relative references in an entry without a full url, which nothing completes."""
    out: list[Finding] = []
    for place in walk(Scope(here.scope.run, resource, here.scope)):
        value = place.item.value
        if place.item.kind.name == "Reference" and type(value) is dict:
            reference = value.get("reference")
            if type(reference) is str and _RELATIVE.fullmatch(reference):
                text_ = "is relative, in an entry without a fullUrl that would complete it"
                out += error("required", text_, f"{path}.resource{place.path}")
    return (
        [*out, *error("required", "must have a fullUrl, since its resource has relative references", path)]
        if out
        else out
    )


def _full_url(bundle: dict[str, Any], entry: dict[str, Any]) -> tuple[str, str] | None:
    url, resource = text(entry.get("fullUrl")), entry.get("resource")
    if url is None:
        if "fullUrl" not in entry and bundle.get("type") not in _WITHOUT_URLS:
            return "required", "must have a fullUrl"
        return None
    if not url:
        return None  # an empty text is told where it stands
    if not absolute(url):
        return "invalid", "must have a fullUrl that is absolute"
    rest = _REST.fullmatch(url)
    if rest is None or rest["type"] not in RESOURCES or type(resource) is not dict:
        return None
    if type(resource.get("id")) is not str:
        return "invalid", "has a fullUrl of a server, but a resource without an id"
    if not url.endswith(f"/{resource.get('resourceType')}/{resource['id']}"):
        return "invalid", "has a fullUrl of a server that does not end in the type and id of its resource"
    return None


# --- searches ---------------------------------------------------------------------------------------------------------


def search_results(here: Here) -> Found:
    """Each result has a resource with an id, of the type that was searched. https://hl7.org/fhir/R4/http.html#search"""
    bundle = here.item.value
    if bundle.get("type") != "searchset":
        return None
    given = numbered(bundle.get("entry"), ".entry")
    types = _searched(bundle)
    out: Found = None
    for path, entry in given:
        resource, search = entry.get("resource"), entry.get("search")
        if type(resource) is not dict:
            out = (out or []) + error("invalid", "must have a resource, as the result of a search", path)
            continue
        mode = search.get("mode") if type(search) is dict else None
        name, at = resource.get("resourceType"), f"{path}.resource"
        if mode in ("match", "include") and "id" not in resource:
            out = (out or []) + error("invalid", "must have an id, as the result of a search", at)
        if mode == "match" and types and name not in types:
            out = (out or []) + error("invalid", "is of a type that was not searched", at)
        if mode == "outcome" and name != "OperationOutcome":
            out = (out or []) + error("invalid", "must be an OperationOutcome, as its mode is outcome", at)
    return out


def _searched(bundle: dict[str, Any]) -> frozenset[str]:
    """The types that the self link searches; empty when it does not say."""
    for link in dicts(bundle.get("link")):
        if link.get("relation") == "self" and type(link.get("url")) is str:
            try:
                address = urlsplit(link["url"])
            except ValueError:  # http://[ is no address
                continue
            named = re.findall(r"(?:^|&)_type=([A-Za-z,]+)", address.query)
            if named:
                return frozenset(named[0].split(","))
            parts = [part for part in address.path.split("/") if part]
            if parts and parts[-1] == "_search":
                parts.pop()
            if parts and parts[-1] in RESOURCES:
                return frozenset((parts[-1],))
    return frozenset()


# --- documents and messages -------------------------------------------------------------------------------------------


def document(here: Here) -> Found:
    """A document begins with its Composition, holds what that refers to, and nothing that has nothing to do with it."""
    bundle = here.item.value
    if bundle.get("type") != "document":
        return None
    first = _first(bundle, "Composition")
    if not isinstance(first, Entry):
        return first
    known = Known(_entries(bundle))
    out = _unresolved(here, first, known, _COMPOSITION)
    linked = _linked(here, known)
    for one in known.entries:
        if one.number not in linked:
            text_ = "can't be reached from the Composition by references, in either direction"
            out = (out or []) + error("informational", text_, f".entry[{one.number}]")
    return out


def message(here: Here) -> Found:
    """A message begins with its MessageHeader, and holds what that is about."""
    bundle = here.item.value
    if bundle.get("type") != "message":
        return None
    first = _first(bundle, "MessageHeader")
    return _unresolved(here, first, Known(_entries(bundle)), ("focus",)) if isinstance(first, Entry) else first


def _first(bundle: dict[str, Any], name: str) -> Entry | Found:
    entries_ = bundle.get("entry")
    if type(entries_) is not list or not entries_:
        return error("invalid", f"must have a first entry with a {name}")
    resource = entries_[0].get("resource") if type(entries_[0]) is dict else None
    if type(resource) is not dict:
        return error("invalid", f"must have a resource, a {name}", ".entry[0]")
    if resource.get("resourceType") != name:
        return error("invalid", f"must be a {name}", ".entry[0].resource")
    return Entry(0, text(entries_[0].get("fullUrl")), resource)


_COMPOSITION: Final = (
    "subject",
    "author",
    "encounter",
    "custodian",
    "attester.party",
    "event.detail",
    "section.author",
    "section.focus",
    "section.entry",
)


def _unresolved(here: Here, first: Entry, known: Known, paths: tuple[str, ...]) -> Found:
    out: Found = None
    for path, reference in _references(first.body, paths):
        found = known.resolved(reference, first.base)
        if len(found) != 1:
            why = "refers to what is not in the Bundle" if not found else "refers to several resources of the Bundle"
            out = (out or []) + error("invalid", why, f".entry[0].resource{path}")
    return out


def _references(body: dict[str, Any], paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The references at those paths, sections at any depth, without those to contained resources."""
    kind = Kind(str(body.get("resourceType")))
    waiting = [("", body, kind, paths)]
    while waiting:
        at, holder, kind, wanted = waiting.pop(0)
        for path in wanted:
            name, _, rest = path.partition(".")
            for one in properties(kind).get(name, ()):
                for item in items(holder, one):
                    if type(item.value) is not dict:
                        continue
                    if rest:
                        waiting.append((at + item.step, item.value, item.kind, (rest,)))
                    elif type(item.value.get("reference")) is str and not item.value["reference"].startswith("#"):
                        yield at + item.step, item.value["reference"]
        if kind == Kind("Composition", "section"):
            waiting += [(at + step, one, kind, wanted) for step, one in numbered(holder.get("section"), ".section")]


class Known:
    """The entries of a Bundle by what references say."""

    def __init__(self, entries_: list[Entry]) -> None:
        self.entries = entries_
        self.by_url: dict[str, list[Entry]] = {}
        self.by_name: dict[str, list[Entry]] = {}
        for one in entries_:
            self.by_name.setdefault(one.name, []).append(one)
            if one.url is not None:
                self.by_url.setdefault(one.url, []).append(one)

    def resolved(self, reference: str, base: str | None) -> list[Entry]:
        """The entries that a reference may mean in one with the full url `base`.

        https://hl7.org/fhir/R4/bundle.html#references: a relative one is completed by the base of that url; without
        any full url it means what has that type and id.
        """
        bare, _, version = reference.partition("/_history/")
        relative = _RELATIVE.fullmatch(bare)
        wanted = bare
        if relative is not None:
            rest = _REST.fullmatch(base or "")
            if rest is None:
                found = self.by_name.get(bare, []) if base is None else []
                return [one for one in found if not version or one.version == version]
            wanted = f"{rest['base']}{bare}"
        found = list(self.by_url.get(wanted, ()))
        if reference != wanted:
            found += self.by_url.get(reference, ())
        return [one for one in found if not version or one.version == version or one.url == reference]


def _linked(here: Here, known: Known) -> set[int]:
    """The entries that references lead to from the first one, or that refer to one of those."""
    to: dict[int, set[int]] = {}
    for entry in known.entries:
        scope = Scope(here.scope.run, entry.body, here.scope, entry.url)
        to[entry.number] = set()
        for place in walk(scope):
            value = place.item.value
            if place.item.kind.name == "Reference" and type(value) is dict and type(value.get("reference")) is str:
                targets = known.resolved(value["reference"], entry.base)
                to[entry.number].update(one.number for one in targets)
    sheets = {link.get("url") for link in dicts(here.item.value.get("link")) if link.get("relation") == "stylesheet"}
    reached = {known.entries[0].number} | {
        one.number for one in known.entries if one.name in sheets or one.url in sheets
    }
    back: dict[int, set[int]] = {}
    for source, targets_ in to.items():
        for target in targets_:
            back.setdefault(target, set()).add(source)
    waiting = list(reached)
    while waiting:
        at = waiting.pop()
        for after in (to.get(at, set()) | back.get(at, set())) - reached:
            reached.add(after)
            waiting.append(after)
    return reached
