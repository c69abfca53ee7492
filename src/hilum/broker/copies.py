"""A resource of another EHR as a copy here: its id, where it came from, and what its links mean now.

The id is made of the connection, the type and the id there, so that what is gathered again is the same resource here.
References to what is here too become relative; all other links become absolute, since a relative one would now mean
something of ours, and perhaps of another patient. https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

import html
import re
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urljoin

from hilum.broker.connection import Connection
from hilum.broker.whose import Name, Resource, named
from hilum.fhir import json
from hilum.guides.naming import untagged

Body = dict[str, Any]

_BYTES: Final = 20
"""160 bits of SHA-256, 32 letters: two of 10^12 resources have the same with a chance of 10^-24."""


def id_of(connection: Connection, type: str, id: str) -> str:
    """The id here. That of the same connection to another base is another: who changes a base has another EHR."""
    place = (connection.environment, connection.name, connection.base, type, id)
    return b32encode(sha256(json.encode(place)).digest()[:_BYTES]).decode().lower()


def source_of(base: str, name: Name) -> str:
    """Where it stands there: what `meta.source` of a copy says. https://hl7.org/fhir/R4/resource-definitions.html#Meta.source"""
    return f"{base}/{name[0]}/{name[1]}"


def origin(body: Resource, base: str) -> Name | None:
    """(type, id) there, by what a copy says; None for what is no copy of this EHR's."""
    meta = body.get("meta")
    source = meta.get("source") if isinstance(meta, Mapping) else None
    if not isinstance(source, str) or not source.startswith(f"{base}/"):
        return None
    return named(source, base)


def copy(resource: Resource, base: str, here: Mapping[Name, str]) -> Body:
    """The body under its id here. `here`: the ids of what is here, too, by what it is called there.

    Versions and times of the EHR are its own, and are left out; so are marks of packages of ours.
    """
    name = resource["resourceType"], resource["id"]
    links = _Links(base, here)
    said = resource.get("meta")
    meta = {key: value for key, value in said.items() if key not in _STAMPS} if isinstance(said, Mapping) else {}
    body = {key: links.walk(value, key) for key, value in resource.items()}
    return untagged(body | {"id": here[name], "meta": meta | {"source": source_of(base, name)}}, None)


def links(resource: Resource, base: str) -> set[str]:
    """All that a resource links to, as it is written there."""
    found = _Links(base, None)
    found.walk(resource, "")
    return found.met


def meant(text: str, base: str) -> str:
    """A link as it is understood from anywhere."""
    if _SCHEME.match(text):
        return text
    try:
        return urljoin(f"{base}/", text)
    except ValueError:
        return text


_STAMPS: Final = frozenset(("versionId", "lastUpdated", "_versionId", "_lastUpdated", "_source"))
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:|#|$")
_LINK: Final = re.compile(r"""(\b(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""")
_EXTENSIONS: Final = frozenset(("extension", "modifierExtension"))
_NESTED: Final = (dict, list)


class _Links:
    """What becomes of references, of the URLs of attachments, and of the links in narratives. `met`: all of them.
    `here` None: they are met only, and stay as they are.
    """

    def __init__(self, base: str, here: Mapping[Name, str] | None) -> None:
        self._base, self._here = base, here
        self.met: set[str] = set()

    def walk(self, value: Any, key: str) -> Any:
        """The value of this property."""
        if isinstance(value, list):
            return [self.walk(one, key) if isinstance(one, _NESTED) else one for one in value]
        if not isinstance(value, dict):
            return value
        made = {}
        for name, one in value.items():
            if isinstance(one, _NESTED):
                made[name] = self.walk(one, name)
            elif type(one) is not str:
                made[name] = one
            elif name == "reference" or (name == "url" and key not in _EXTENSIONS):
                made[name] = self._link(one)
            elif name == "div":
                made[name] = _LINK.sub(self._href, one)
            else:
                made[name] = one
        return made

    def _link(self, text: str) -> str:
        """A version is left out of what is here: the numbers of versions are ours."""
        self.met.add(text)
        if self._here is None:
            return text
        name = named(text, self._base)
        if name is not None and name in self._here:
            return f"{name[0]}/{self._here[name]}"
        if name is not None and "/." not in text and not _SCHEME.match(text):  # nothing in it to resolve
            return f"{self._base}/{text}"
        return meant(text, self._base)

    def _href(self, found: re.Match[str]) -> str:
        old = html.unescape(found[2][1:-1])
        new = self._link(old)
        return found[0] if new == old else f'{found[1]}"{html.escape(new)}"'
