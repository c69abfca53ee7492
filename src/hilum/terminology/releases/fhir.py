"""FHIR files with definitions of codes: JSON, XML (a resource or a Bundle) and NDJSON, gzipped or zipped; packages.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from hilum.fhir import json, xml
from hilum.problems import Invalid, Misconfigured, Problem
from hilum.terminology.releases.files import Tick

TYPES: Final = ("CodeSystem", "ValueSet", "ConceptMap", "NamingSystem")
_PLAIN: Final = (".json", ".ndjson", ".xml")
SUFFIXES: Final = (*_PLAIN, ".tgz", ".tar.gz", *(f"{one}.gz" for one in _PLAIN))
Body = dict[str, Any]


def read(path: Path, tick: Tick = lambda _: None) -> Iterator[tuple[str, Body]]:
    """Each CodeSystem, ValueSet, ConceptMap and NamingSystem, with where it stands; others are passed over."""
    name = path.name.lower()
    try:
        if name.endswith((".tgz", ".tar.gz")):
            yield from _package(path, tick)
            return
        if name.endswith(".zip"):
            yield from _zipped(path, tick)
            return
        with gzip.open(path, "rb") if name.endswith(".gz") else path.open("rb") as file:
            yield from _file(path.name, file, tick)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise Misconfigured(f"{path} can't be read ({type(error).__name__}).") from None


def _file(name: str, file: IO[bytes] | gzip.GzipFile, tick: Tick) -> Iterator[tuple[str, Body]]:
    if ".ndjson" in name.lower():
        for number, line in enumerate(file, 1):
            tick(len(line))
            if line.strip():
                yield from _of(f"{name}, line {number}", line)
    else:
        raw = file.read()
        tick(len(raw))
        yield from _of(name, raw)


def _zipped(path: Path, tick: Tick) -> Iterator[tuple[str, Body]]:
    """As HL7 publishes definitions: definitions.json.zip, definitions.xml.zip."""
    with zipfile.ZipFile(path) as archive:
        for one in sorted(archive.infolist(), key=lambda one: one.filename):
            last = one.filename.rpartition("/")[2]
            if last.lower().endswith(_PLAIN) and last[0] != "." and "__MACOSX" not in one.filename:
                with archive.open(one) as file:
                    yield from _file(f"{path.name}, {one.filename}", file, tick)


def _package(path: Path, tick: Tick) -> Iterator[tuple[str, Body]]:
    with tarfile.open(path, "r:gz") as package:
        for member in package:
            parts = member.name.split("/")
            if not member.isfile() or not member.name.endswith(".json") or len(parts) != 2 or parts[1][0] == ".":
                continue
            if parts[1] == "package.json":
                continue
            file = package.extractfile(member)
            if file is not None:
                raw = file.read()
                tick(len(raw))
                yield from _of(f"{path.name}, {member.name}", raw)


def _of(where: str, raw: bytes) -> Iterator[tuple[str, Body]]:
    try:
        body = xml.parse(raw) if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else json.parse(raw)
    except Problem as problem:
        raise Invalid(f"{where}: {problem}") from None
    if not isinstance(body, dict):
        raise Invalid(f"{where}: there is no resource.")
    if body.get("resourceType") == "Bundle":
        for number, entry in enumerate(body.get("entry", ())):
            one = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(one, dict) and one.get("resourceType") in TYPES:
                yield f"{where}, entry {number}", one
    elif body.get("resourceType") in TYPES:
        yield where, body
