"""Links of a narrative lead to something. https://hl7.org/fhir/R4/narrative.html#id"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here


def resolve(here: Here) -> Found:
    """A link to a fragment: something in the resource has that id. A link to something has an address."""
    value = here.item.value
    if type(value) is not str or "href" not in value:
        return None
    wanted, anchors, empty = _links(value)
    out: Found = None
    if empty:
        out = error("invalid", "has a link with an empty address")
    missing = wanted - anchors
    if missing:
        missing -= _ids(here.scope.body, here)
    if missing:
        out = (out or []) + error("invalid", f"has {len(missing)} links to places that are not in the resource")
    return out


def _links(div: str) -> tuple[set[str], set[str], bool]:
    """Fragments that links lead to, ids and anchors, and whether a link has no address."""
    wanted: set[str] = set()
    anchors: set[str] = set()
    empty = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal empty
        anchors.update(attributes[key] for key in ("id",) if key in attributes)
        if name == "a":
            anchors.update(attributes[key] for key in ("name",) if key in attributes)
            href = attributes.get("href")
            if href == "":
                empty = True
            elif href is not None and href.startswith("#") and href != "#":
                wanted.add(href[1:])

    if not div.lstrip().startswith("<div"):
        return wanted, anchors, empty
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.Parse(div, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return set(), set(), False
    return wanted, anchors, empty


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
