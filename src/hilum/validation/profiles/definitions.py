"""Where a profile check finds what profiles are made of. https://hl7.org/fhir/R4/references.html#canonical

A canonical reference may name a version (`http://x/y|1.0`): that one is meant and no other; `1.0` also means the latest
`1.0.x`. Without a version the latest is meant.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BytesIO
from itertools import count
from typing import Any, Final, Protocol

import msgspec

from hilum.problems import Problem

KINDS: Final = ("StructureDefinition", "ValueSet", "CodeSystem")


class Definitions(Protocol):
    """Structures with snapshots, value sets and code systems, by canonical url, perhaps with `|version`.

    `generation` differs whenever an answer may differ, between two Definitions as well: what is compiled from them is
    kept by it.
    """

    @property
    def generation(self) -> int:
        """A number that no other state of the definitions has."""
        ...

    def structure(self, canonical: str) -> dict[str, Any] | None:
        """A StructureDefinition with its snapshot."""
        ...

    def value_set(self, canonical: str) -> dict[str, Any] | None:
        """A ValueSet."""
        ...

    def code_system(self, canonical: str) -> dict[str, Any] | None:
        """A CodeSystem."""
        ...


_generations = count(1)


def generation() -> int:
    """The next number, never given before in this process."""
    return next(_generations)


class Loaded:
    """Definitions in memory: resources that were given, else those of `base`. Files are decoded when asked for."""

    def __init__(self, resources: Iterable[dict[str, Any]] = (), *, base: Definitions | None = None) -> None:
        self._made: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._found: dict[tuple[str, str], dict[str, dict[str, Any] | bytes]] = {}
        self._base = base
        self._generation = generation()
        self.add(resources)

    @property
    def generation(self) -> int:
        """Another number after every addition."""
        return self._generation

    def add(self, resources: Iterable[dict[str, Any]]) -> None:
        """More of them; one with the same url and version takes the place of the one before."""
        for body in resources:
            self._put(str(body.get("resourceType")), body.get("url"), body.get("version"), body)

    def add_package(self, files: Iterable[bytes]) -> None:
        """The JSON files of a package; what is no definition is passed over."""
        for raw in files:
            try:
                head = _head.decode(raw)
            except msgspec.MsgspecError:  # an example that breaks the rules on purpose, or an index
                continue
            self._put(head.kind, head.url, head.version, raw)

    def structure(self, canonical: str) -> dict[str, Any] | None:
        """See Definitions; a snapshot that is missing is made."""
        found = self._get("StructureDefinition", canonical)
        if found is None:
            return self._base.structure(canonical) if self._base is not None else None
        if "snapshot" in found or type(found.get("baseDefinition")) is not str:
            return found
        return self._with_snapshot(found)

    def _with_snapshot(self, body: dict[str, Any]) -> dict[str, Any]:
        from hilum.validation.profiles.snapshot import snapshot

        key = id(body)
        if key not in self._made:
            self._made[key] = (body, body)  # a circle of bases ends here
            above = self.structure(body["baseDefinition"])
            if above is not None and "snapshot" in above:
                with suppress(Problem):  # a differential that makes no sense: whoever asks finds no snapshot
                    self._made[key] = (body, snapshot(body, above, self))
        return self._made[key][1]

    def value_set(self, canonical: str) -> dict[str, Any] | None:
        """See Definitions."""
        found = self._get("ValueSet", canonical)
        return self._base.value_set(canonical) if found is None and self._base is not None else found

    def code_system(self, canonical: str) -> dict[str, Any] | None:
        """See Definitions."""
        found = self._get("CodeSystem", canonical)
        return self._base.code_system(canonical) if found is None and self._base is not None else found

    def urls(self, kind: str) -> list[str]:
        """The urls of a kind that were added here, without versions."""
        return [url for of, url in self._found if of == kind]

    def _put(self, kind: str, url: object, version: object, body: dict[str, Any] | bytes) -> None:
        if kind in KINDS and type(url) is str and url:
            self._found.setdefault((kind, url), {})[version if type(version) is str else ""] = body
            self._generation = generation()

    def _get(self, kind: str, canonical: str) -> dict[str, Any] | None:
        url, version = split(canonical)
        versions = self._found.get((kind, url))
        chosen = None if versions is None else choose(versions, version)
        if versions is None or chosen is None:
            return None
        body = versions[chosen]
        if isinstance(body, bytes):
            body = versions[chosen] = msgspec.json.decode(body, type=dict)
        return body


def split(canonical: str) -> tuple[str, str | None]:
    """Url and version of a canonical reference; what stands behind `#` is a place within it and is left out."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version.partition("#")[0] or None


def choose(versions: Iterable[str], wanted: str | None) -> str | None:
    """Which of the versions is meant: that one, else the latest that begins so, else none; without any, the latest."""
    if wanted is None:
        return max(versions, key=ordered, default=None)
    versions = list(versions)
    if wanted in versions:
        return wanted
    within = [v for v in versions if v.startswith(f"{wanted}.")]
    return max(within, key=ordered, default=None)


_NUMBERS = re.compile(r"[0-9]{1,18}")


def ordered(version: str) -> tuple[list[int], bool, str]:
    """A key that sorts versions as semantic versioning does, roughly: by numbers, a release after its drafts."""
    release, dash, _ = version.partition("-")
    return [int(found) for found in _NUMBERS.findall(release)], not dash, version


class _Head(msgspec.Struct):
    kind: str = msgspec.field(name="resourceType", default="")
    url: str | None = None
    version: str | None = None


_head = msgspec.json.Decoder(_Head)

_LARGEST = 64 * 1024 * 1024  # bytes of one file of a package


def unpack(package: bytes) -> Iterator[bytes]:
    """The JSON files of a package (.tgz, npm layout), examples left out. Raises tarfile.TarError, OSError."""
    with tarfile.open(fileobj=BytesIO(package), mode="r:gz") as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            if member.isfile() and folder == "package" and name.endswith(".json") and member.size <= _LARGEST:
                file = archive.extractfile(member)
                if file is not None:
                    yield file.read()
