"""Links of a narrative lead to something. https://hl7.org/fhir/R4/narrative.html#id"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.parsers import expat

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here

_ADDRESS: Final = re.compile(r"data:[^,]*,[^,]*|(?!data:)[\w;?:@&=+$.,/%\-~#\[\]!'()*|]+")
"""What an address may be made of: letters and digits of any script, and the marks that URIs have."""


def resolve(here: Here) -> Found:
    """A link to a fragment: something in the resource has that id. A link to something has an address."""
    value = here.item.value
    if type(value) is not str or not ("href" in value or "src" in value):
        return None
    wanted, anchors, bad = _links(value)
    out: Found = None
    if bad:
        out = error("invalid", "has a link or an image with an address that is none")
    missing = wanted - anchors
    if missing:
        missing -= _ids(here.scope.body, here)
    if missing:
        out = (out or []) + error("invalid", f"has {len(missing)} links to places that are not in the resource")
    return out


def _links(div: str) -> tuple[set[str], set[str], bool]:
    """Fragments that links lead to, ids and anchors, and whether an address is none."""
    wanted: set[str] = set()
    anchors: set[str] = set()
    bad = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal bad
        anchors.update(attributes[key] for key in ("id",) if key in attributes)
        if name == "a":
            anchors.update(attributes[key] for key in ("name",) if key in attributes)
            href = attributes.get("href")
            if href is not None and href.startswith("#") and href != "#":
                wanted.add(href[1:])
        address = attributes.get({"a": "href", "img": "src"}.get(name, ""))
        if address is not None and not _ADDRESS.fullmatch(address):
            bad = True

    if not div.lstrip().startswith("<div"):
        return wanted, anchors, bad
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.Parse(div, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return set(), set(), False
    return wanted, anchors, bad


def _ids(value: Any, here: Here) -> set[str]:
    """All ids in a resource, those of contained resources and of other narratives as well."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        here.scope.run.step()
        if type(one) is dict:
            if type(one.get("id")) is str:
                found.add(one["id"])
            if type(one.get("div")) is str:
                found |= _links(one["div"])[1]
            waiting += one.values()
        elif type(one) is list:
            waiting += one
    return found
