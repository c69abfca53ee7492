"""References within a transaction: what stood for an entry becomes its identity on this server.

https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#references
Replaced are references, elements of the types uri, url, oid and uuid, and links in narratives; canonicals are not.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath.references import local
from hilum.fhirpath.types import Type, is_abstract
from hilum.interactions.links import rewritten
from hilum.interactions.places import by_key

Body = dict[str, Any]
Name = tuple[str, str]
_RESTFUL: Final = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_LINK: Final = re.compile(r"""(\b(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""")
_PREFIX: Final = re.compile(r"(?:urn:[a-z]+:|[a-z]+://[^/]*/?)?")
_URI_TYPES: Final = frozenset(("uri", "url", "oid", "uuid"))


def root(full_url: str | None) -> str | None:
    """The server part of a RESTful fullUrl, below which relative references of that entry are looked up."""
    found = _RESTFUL.fullmatch(full_url) if full_url else None
    return found[1] if found and found[2] in TYPE_NUMBER else None


@dataclass(slots=True)
class Links:
    """What fullUrls and conditional references stand for.

    `names`: fullUrl -> (type, id). `versions`: (type, id) -> the version that the transaction makes of it. `resolved`:
    conditional reference -> `Type/id`. Looking up fills `pending` with conditional references that are not resolved
    yet, and `pinned` with identities to whose new version something refers. `prefixes`: how the fullUrls begin.
    """

    base: str
    names: dict[str, Name] = field(default_factory=dict)
    versions: dict[Name, int] = field(default_factory=dict)
    resolved: dict[str, str] = field(default_factory=dict)
    pending: dict[str, None] = field(default_factory=dict)
    pinned: set[Name] = field(default_factory=set)
    prefixes: set[bytes] = field(default_factory=set)

    def body(self, body: Body, server: str | None) -> Body:
        """The body with all links replaced; `server` is the root of its entry's fullUrl."""
        found: Body = rewritten(body, lambda reference: self.reference(reference, server))
        if self.prefixes:
            raw = json.encode(found)  # a look at the bytes costs a tenth of a walk, and nearly always says no
            if any(prefix in raw for prefix in self.prefixes) and _mentions(found, self.names):
                found = self._typed(found, Type(found["resourceType"]))
        return found

    def name(self, full_url: str, name: Name) -> bool:
        """Let a fullUrl mean this identity; False when it means another already."""
        begins = _PREFIX.match(full_url)
        self.prefixes.add(begins[0].encode() if begins else b"")
        return self.names.setdefault(full_url, name) == name

    def reference(self, reference: str, server: str | None = None) -> str:
        """What a Reference.reference becomes; itself when it stands for nothing in this transaction."""
        if reference in self.names:
            return "/".join(self.names[reference])
        if reference.startswith(self.base + "/"):
            reference = reference[len(self.base) + 1 :]
        absolute = f"{server}/{reference}" if server and local(reference) else reference
        if absolute in self.names:
            return "/".join(self.names[absolute])
        plain, history, _ = absolute.partition("/_history/")
        if history and plain in self.names:
            name = self.names[plain]
            self.pinned.add(name)
            return f"{name[0]}/{name[1]}/_history/{self.versions[name]}"
        if is_conditional(reference):
            if reference not in self.resolved:
                self.pending[reference] = None
                return reference
            return self.resolved[reference]
        return reference

    def _uri(self, value: str) -> str:
        return "/".join(self.names[value]) if value in self.names else value

    def _typed(self, value: Body, kind: Type) -> Body:
        """The object with its uris and narrative links replaced; a walk by type, made only where there are any."""
        out = dict(value)
        known = by_key(kind)
        for key, item in value.items():
            if key not in known:
                continue
            child = known[key][1].type
            many = type(item) is list
            parts = [self._one(part, child) for part in (item if many else [item])]
            out[key] = parts if many else parts[0]
        return out

    def _one(self, part: Any, kind: Type) -> Any:
        if type(part) is dict:
            return self._typed(part, Type(part["resourceType"]) if is_abstract(kind) else kind)
        if type(part) is str and kind.name in _URI_TYPES:
            return self._uri(part)
        if type(part) is str and kind.name == "xhtml":
            return _LINK.sub(self._href, part)
        return part

    def _href(self, found: re.Match[str]) -> str:
        quote, link = found[2][0], html.unescape(found[2][1:-1])
        return f"{found[1]}{quote}{self._uri(link)}{quote}" if link in self.names else found[0]


def is_conditional(reference: str) -> bool:
    """Whether a reference is a search: `Patient?identifier=1`."""
    return "?" in reference and reference.partition("?")[0] in TYPE_NUMBER


def _mentions(value: Any, names: dict[str, Name]) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        for part in item.values() if type(item) is dict else item:
            kind = type(part)
            if kind is dict or kind is list:
                waiting.append(part)
            elif kind is str and (part in names or (part.startswith("<div") and _LINK.search(part))):
                return True
    return False


def path_of(value: Any, reference: str, path: str = "") -> str | None:
    """The element path of the first Reference.reference with this text, below a resource: `.subject`."""
    if type(value) is dict:
        if value.get("reference") == reference:
            return path
        parts = ((f"{path}.{key}", item) for key, item in value.items())
    elif type(value) is list:
        parts = ((f"{path}[{i}]", item) for i, item in enumerate(value))
    else:
        return None
    return next((found for where, item in parts if (found := path_of(item, reference, where)) is not None), None)
