"""`_summary` and `_elements`: part of a resource, marked as such. https://hl7.org/fhir/R4/search.html#summary

What belongs to the summary form is read from the definitions (ElementDefinition.isSummary), nested elements too.
Mandatory elements stay, and so does modifierExtension: leaving it out would change what the rest means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from hilum.fhir import definitions, json
from hilum.fhir.resource import Resource
from hilum.problems import Malformed
from hilum.rest.presentation import Presentation

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

_ALWAYS = frozenset({"resourceType", "id", "meta", "modifierExtension"})
_WHOLE = frozenset({"Resource", "Extension"})
"""Kept or dropped as they are: a contained or entry resource has its own definition, an Extension its own meaning."""


class _Part(NamedTuple):
    """What to keep of one property: all of it (`type` None), or what the definition at type + path says."""

    type: str | None = None
    path: str = ""


_LARGE = 1 << 18
"""Bytes of resources: to take more apart than that is work for a thread."""


async def show_all(resources: Sequence[Resource], presentation: Presentation) -> list[bytes]:
    """The bytes to serve of each, as `show`; deletions have none."""
    if presentation.whole:
        return [resource.raw for resource in resources]
    if sum(len(resource.raw) for resource in resources) > _LARGE:
        return await asyncio.to_thread(_shown, resources, presentation)
    return _shown(resources, presentation)


def _shown(resources: Sequence[Resource], presentation: Presentation) -> list[bytes]:
    return [b"" if resource.deleted else show(resource, presentation) for resource in resources]


def show(resource: Resource, presentation: Presentation) -> bytes:
    """The bytes to serve: the stored ones, unless only a part is asked for."""
    if presentation.whole:
        return resource.raw
    return json.encode(subset(resource.body, presentation))


def subset(body: dict[str, Any], presentation: Presentation) -> dict[str, Any]:
    """A part of a resource with the tag SUBSETTED. https://hl7.org/fhir/R4/search.html#elements"""
    type_ = body["resourceType"]
    if presentation.summary == "true":
        kept = _summary(body, type_, "")
    elif presentation.summary == "text":
        kept = _only(body, _mandatory(type_) | {"text"})
    elif presentation.summary == "data":
        kept = {name: value for name, value in body.items() if name != "text"}
    else:
        kept = body
    if presentation.elements:
        kept = _only(kept, _mandatory(type_) | _properties(type_, presentation.elements))
    meta = dict(body.get("meta", {}))
    meta["tag"] = [*(tag for tag in meta.get("tag", ()) if tag != SUBSETTED), SUBSETTED]
    out: dict[str, Any] = {"resourceType": type_}
    if "id" in body:
        out["id"] = body["id"]
    return out | {"meta": meta} | {name: value for name, value in kept.items() if name != "meta"}


def check_elements(type_: str, names: tuple[str, ...]) -> None:
    """Raises Malformed when `_elements` names something that resources of this type don't have."""
    known = {name for element in definitions.elements(type_) for name in (element.name, *_spellings(element))}
    for name in names:
        if name not in known:
            raise Malformed(f"_elements names {name[:64]!r}, which {type_} does not have at its top level.")


def _only(body: dict[str, Any], names: frozenset[str] | set[str]) -> dict[str, Any]:
    keep = names | _ALWAYS
    return {name: value for name, value in body.items() if name.removeprefix("_") in keep}


@cache
def _mandatory(type_: str) -> frozenset[str]:
    return _names(element for element in definitions.elements(type_) if element.min)


def _properties(type_: str, names: tuple[str, ...]) -> frozenset[str]:
    """`value` stands for all of value[x], `valueQuantity` for that one alone."""
    wanted = frozenset(names)
    whole = _names(element for element in definitions.elements(type_) if element.name in wanted)
    spelled = (name for element in definitions.elements(type_) for name in _spellings(element))
    return whole | wanted.intersection(spelled)


def _names(elements: Any) -> frozenset[str]:
    return frozenset(name for element in elements for name in _spellings(element))


def _spellings(element: definitions.Element) -> list[str]:
    """The JSON properties of an element: one, or for value[x] one per type."""
    if not element.choice:
        return [element.name]
    return [element.name + type_[:1].upper() + type_[1:] for type_ in element.types]


@cache
def _summary_parts(type_: str, path: str) -> dict[str, _Part]:
    """Property -> what the summary form keeps of it, at one place of the definitions."""
    parts: dict[str, _Part] = {}
    below = definitions.type_(type_).elements
    for element in definitions.elements(type_, path):
        if not (element.summary or element.min or element.name in _ALWAYS):
            continue
        here = f"{path}.{element.name}" if path else element.name
        for spelling, name in zip(_spellings(element), element.types or ("",), strict=False):
            if element.ref is not None:
                part = _Part(type_, element.ref)
            elif here in below:
                part = _Part(type_, here)
            elif name in _WHOLE or definitions.type_(name).kind != "complex-type":
                part = _Part()
            else:
                part = _Part(name)
            parts[spelling] = part
    return parts


def _summary(body: dict[str, Any], type_: str, path: str) -> dict[str, Any]:
    parts = _summary_parts(type_, path)
    out: dict[str, Any] = {}
    for name, value in body.items():
        part = parts.get(name.removeprefix("_"))
        if part is None:
            continue
        if part.type is None or name[:1] == "_":
            out[name] = value
        elif type(value) is list:
            found = [_summary(one, part.type, part.path) for one in value]
            if all(found):
                out[name] = found
        else:
            one = _summary(value, part.type, part.path)
            if one:
                out[name] = one
    return out
