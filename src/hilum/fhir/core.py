"""R4's (4.0.1) own StructureDefinitions, ValueSets and CodeSystems, one by one. https://hl7.org/fhir/R4/definitions.html

Read from `core.bin`, which `scripts/compile_core.py` makes of HL7's core package: two lengths (4 bytes each), the index
and the dictionaries (both by zlib), then every resource deflated by itself, with the dictionary of its type. Opening
takes some milliseconds and 2 MB; a resource is unpacked when it is asked for, in a fraction of a millisecond, and those
asked for last are kept. They are without their prose: nothing that validation, terminology or a snapshot needs is left
out. What was read is shared: don't change it.
"""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from hilum.fhir import json
from hilum.fhir.definitions import FHIR_VERSION

Kind = Literal["StructureDefinition", "ValueSet", "CodeSystem"]

_DICTIONARY: Final = 32768


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a resource is: its own version, and where its bytes begin and how many there are."""

    version: str
    start: int
    length: int


class _File(msgspec.Struct, frozen=True):
    """The file, opened."""

    index: dict[str, dict[str, _Place]]
    dictionaries: dict[str, bytes]
    body: memoryview


@cache
def _file() -> _File:
    data = files("hilum.fhir").joinpath("core.bin").read_bytes()
    first = 8 + int.from_bytes(data[:4], "big")
    second = first + int.from_bytes(data[4:8], "big")
    index = msgspec.json.decode(zlib.decompress(data[8:first]), type=dict[str, dict[str, _Place]])
    packed = zlib.decompress(data[first:second])
    dictionaries = {
        kind: packed[number * _DICTIONARY : (number + 1) * _DICTIONARY].lstrip(b" ")
        for number, kind in enumerate(index)
    }
    return _File(index, dictionaries, memoryview(data)[second:])


def structure(canonical: str) -> dict[str, Any] | None:
    """The StructureDefinition, with its snapshot, of that url (`|4.0.1` may follow); None when R4 has none."""
    return _found("StructureDefinition", canonical)


def value_set(canonical: str) -> dict[str, Any] | None:
    """The ValueSet of that url (its version or R4's may follow); None when R4's package has none."""
    return _found("ValueSet", canonical)


def code_system(canonical: str) -> dict[str, Any] | None:
    """The CodeSystem of that url (its version or R4's may follow); None when R4's package has none."""
    return _found("CodeSystem", canonical)


def urls(kind: Kind) -> tuple[str, ...]:
    """The urls of all of a kind, sorted."""
    return tuple(_file().index[kind])


def version(kind: Kind, url: str) -> str | None:
    """The version of its own that a resource has; None when R4 has none of that url."""
    place = _file().index[kind].get(url)
    return None if place is None else place.version


def _found(kind: Kind, canonical: str) -> dict[str, Any] | None:
    index = _file().index[kind]
    if canonical in index:  # the urls of two code systems of HL7's Version 2 have a bar of their own
        return _unpacked(kind, canonical)
    url, _, asked = canonical.partition("|")
    place = index.get(url)
    if place is None or not (_fits(asked, place.version) or _fits(asked, FHIR_VERSION)):
        return None
    return _unpacked(kind, url)


def _fits(asked: str, version: str) -> bool:
    """`4.0` is any 4.0.x. https://hl7.org/fhir/R4/references.html#canonical"""
    return not asked or asked == version or version.startswith(f"{asked}.")


@lru_cache(maxsize=512)
def _unpacked(kind: Kind, url: str) -> dict[str, Any]:
    file = _file()
    place = file.index[kind][url]
    unpacker = zlib.decompressobj(-15, file.dictionaries[kind])
    raw = unpacker.decompress(file.body[place.start : place.start + place.length]) + unpacker.flush()
    return json.stored(raw)
