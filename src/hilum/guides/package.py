"""A FHIR package: a gzipped tar in the layout of npm, read with distrust. https://hl7.org/fhir/packages.html

Nothing is ever written to disk under a name from inside. What counts are the JSON files of `package/` itself: examples
lie in folders below it. The bounds are for what nobody packs by accident: HL7's terminology has 4,100 files and 54 MB.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

import msgspec

from hilum.fhir import json
from hilum.problems import Invalid, Malformed, Problem, TooLarge

MOST_FILES: Final = 50_000
MOST_BYTES: Final = 512 * 1024 * 1024
"""Of everything in it, unpacked."""
LARGEST: Final = 32 * 1024 * 1024
"""One file of it, unpacked."""
LONGEST_HEADER: Final = 1 << 12
"""Bytes of a long name, or of what pax says of a file: as long as a path may be. HL7's packages have none."""
MOST_HEADERS: Final = 1 << 30
"""Of all of those the sum of the squares: tarfile looks for `\\d+ hdrcharset=`, 12 s in 64 KB of digits (2026-11)."""

DEFINITIONS: Final = frozenset((
    "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition",
    "ConceptMap", "EventDefinition", "ExampleScenario", "GraphDefinition", "ImplementationGuide", "Library", "Measure",
    "MessageDefinition", "NamingSystem", "ObservationDefinition", "OperationDefinition", "PlanDefinition",
    "Questionnaire", "SearchParameter", "SpecimenDefinition", "StructureDefinition", "StructureMap",
    "TerminologyCapabilities", "TestScript", "ValueSet",
))  # fmt: skip
"""The types that a server takes from a package. Others are examples, whatever folder they lie in."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_R4: Final = "4.0"
_RELEASES: Final = {"1.0": "DSTU2", "3.0": "STU3", "4.1": "R4B", "4.3": "R4B", "5.0": "R5", "6.0": "R6"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that did not come in, and why."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says of itself, and its definitions by file name, still as bytes."""

    name: str
    version: str
    canonical: str
    title: str
    dependencies: dict[str, str]
    files: dict[str, bytes] = field(repr=False)
    skipped: tuple[Skipped, ...] = ()

    @property
    def label(self) -> str:
        """`hl7.fhir.us.core#7.0.0`."""
        return f"{self.name}#{self.version}"


class _Manifest(msgspec.Struct, rename={"older": "fhir-version-list"}):
    name: str
    version: str
    canonical: str = ""
    url: str = ""
    title: str = ""
    dependencies: dict[str, str] | None = None
    fhirVersions: list[str] | None = None
    fhirVersion: str | list[str] | None = None
    older: list[str] | None = None


class _Head(msgspec.Struct):
    resourceType: str = ""


_head = msgspec.json.Decoder(_Head)


def read(stream: BinaryIO) -> Package:
    """The package in a .tgz. Raises Malformed (it is none), Invalid (not for R4), TooLarge."""
    try:
        return _read(stream)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise Malformed(f"This is no package: a gzipped tar is expected ({type(error).__name__}).") from None


class _Archive(tarfile.TarFile):
    members: list[tarfile.TarInfo]
    headers = 0


class _Member(tarfile.TarInfo):
    """A member whose headers have bounds: tarfile reads them whole, one within another, before it tells of any."""

    _HEADERS: Final = frozenset(
        (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
    )

    def _proc_member(self, archive: _Archive) -> tarfile.TarInfo:
        if self.type in self._HEADERS:
            archive.headers += self.size**2
            if not 0 <= self.size <= LONGEST_HEADER or archive.headers > MOST_HEADERS:
                raise TooLarge("The package has a header that is too long.")
        if self.type == tarfile.GNUTYPE_SPARSE:  # its map may go on for ever
            raise Malformed("The package has a sparse file.")
        made: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return made

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise Malformed("The package has a sparse file.")


def _read(stream: BinaryIO) -> Package:
    manifest: _Manifest | None = None
    files: dict[str, bytes] = {}
    skipped: list[Skipped] = []
    count = total = 0
    with (
        gzip.GzipFile(fileobj=stream) as plain,
        _Archive.open(fileobj=plain, mode="r|", tarinfo=_Member) as archive,
    ):
        for member in archive:
            archive.members.clear()  # each keeps what pax says of all
            count, total = count + 1, plain.tell() + member.size  # headers count, too
            if count > MOST_FILES or total > MOST_BYTES or member.size > LARGEST:
                raise TooLarge(
                    f"The package is too large: {MOST_FILES:,} files, {MOST_BYTES >> 20} MB in all and "
                    f"{LARGEST >> 20} MB each are the most."
                )
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
                raise Malformed(f"The package names a file outside of it: {member.name[:100]!r}.")
            if len(path.parts) != 2 or path.parts[0] != "package" or path.suffix != ".json" or path.name[:1] == ".":
                continue
            if not member.isfile():
                skipped.append(Skipped(path.name, "is a link, not a file"))
                continue
            found = archive.extractfile(member)
            raw = found.read() if found is not None else b""
            if path.name == "package.json":
                manifest = _manifest(raw)
            elif path.name in files:
                skipped.append(Skipped(path.name, "is in the package twice; the first one counts"))
            elif why := _unfit(raw):
                skipped.append(Skipped(path.name, why))
            else:
                files[path.name] = raw
        while rest := len(plain.read(1 << 16)):  # to the end: only there gzip says whether anything was lost
            total += rest
            if total > MOST_BYTES:
                raise TooLarge("There is more behind the package than in it.")
    if manifest is None:
        raise Malformed("This is no FHIR package: package/package.json is missing.")
    _for_r4(manifest)
    return Package(
        manifest.name,
        manifest.version,
        manifest.canonical or manifest.url,
        manifest.title or manifest.name,
        dict(sorted((manifest.dependencies or {}).items())),
        dict(sorted(files.items())),
        tuple(sorted(skipped, key=lambda one: one.file)),
    )


def _unfit(raw: bytes) -> str:
    """Why a file is left out; "" when it is not."""
    try:
        type = _head.decode(raw).resourceType
    except msgspec.MsgspecError:
        return "is no JSON object"
    if not type:
        return "is no FHIR resource"
    if type not in DEFINITIONS:
        return f"is no definition, but an example or an aid ({type[:40]})"
    return ""


def _manifest(raw: bytes) -> _Manifest:
    try:
        found = msgspec.json.decode(raw, type=_Manifest)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Malformed(f"package.json can't be read: {str(error)[:120]}") from None
    if not _NAME.fullmatch(found.name):
        raise Malformed("The name in package.json is none: letters, digits, dots, - and _ are expected.")
    if not _VERSION.fullmatch(found.version):
        raise Malformed("The version in package.json is none: such as 6.1.0 or 2.0.0-ballot is expected.")
    return found


def _for_r4(manifest: _Manifest) -> None:
    single = manifest.fhirVersion
    said = manifest.fhirVersions or ([single] if isinstance(single, str) else single) or manifest.older or []
    if not said and "hl7.fhir.r4.core" in (manifest.dependencies or {}):
        return
    if not said:
        raise Invalid(f"{manifest.name}#{manifest.version} does not say which FHIR version it is for (fhirVersions).")
    if any(one == _R4 or one.startswith(f"{_R4}.") for one in said):
        return
    names = ", ".join(f"{_RELEASES.get('.'.join(one.split('.')[:2]), 'FHIR')} ({one[:20]})" for one in said[:4])
    raise Invalid(f"{manifest.name}#{manifest.version} is for {names}; this server is FHIR R4 (4.0.1).")


def body(raw: bytes) -> dict[str, Any] | str:
    """A file's resource, or why it can't be taken."""
    try:
        return json.parse(raw)
    except Problem as problem:
        return str(problem)
