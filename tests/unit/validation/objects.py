"""Every complex value in a resource, with its type: what invariants are about."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tests.shared_data import DATA

from hilum.fhir import definitions
from hilum.fhir import json as fhir_json

Body = dict[str, Any]


class Object(NamedTuple):
    """A value of a type, or of the backbone element at `path` of it, and the resource around."""

    type: str
    path: str
    value: Body
    resource: Body


def objects(body: Body) -> Iterator[Object]:
    """The resource itself, and all that is in it; contained resources and entries as resources of their own."""
    yield from _below(body["resourceType"], "", body, body)


def _below(type_: str, path: str, value: Body, resource: Body) -> Iterator[Object]:
    yield Object(type_, path, value, resource)
    for element in definitions.elements(type_, path):
        for name in element.types or ("",):
            key = element.name + name[:1].upper() + name[1:] if element.choice else element.name
            children = value.get(key)
            for child in children if type(children) is list else [children]:
                if type(child) is not dict:
                    continue
                below = f"{path}.{element.name}".lstrip(".")
                if name == "Resource":
                    yield from objects(child)
                elif not name:
                    yield from _below(type_, element.ref or "", child, resource)
                elif name in ("BackboneElement", "Element") and below in definitions.type_(type_).elements:
                    yield from _below(type_, below, child, resource)
                else:
                    yield from _below(name, "", child, resource)


@cache
def package(step: int = 1) -> tuple[Body, ...]:
    """Resources of the core package, one of `step`; none of the largest."""
    found = []
    with tarfile.open(DATA / "igs" / "hl7.fhir.r4.core.tgz") as archive:
        for number, member in enumerate(archive):
            folder, _, name = member.name.rpartition("/")
            if folder != "package" or not name.endswith(".json") or name in ("package.json", ".index.json"):
                continue
            if number % step == 0 and member.size < 200_000:
                stream = archive.extractfile(member)
                assert stream is not None
                found.append(fhir_json.parse(stream.read()))
    return tuple(found)
