"""Implementation guides that are loaded: added, listed and removed. docs/adr/0011-guides-are-resources.md

A package's definitions are resources like others: read by REST, searched, seen by terminology. All of a package come
in or none does; to add it again puts in place what differs. Its search parameters are indexed as those of others are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.fhir.definitions import SearchParameter
from hilum.fhir.resource import Resource
from hilum.guides import naming
from hilum.guides.package import DEFINITIONS, Package, Skipped, body
from hilum.interactions.build import findings, image, removal, unchanged
from hilum.interactions.defining import commit, searchable
from hilum.interactions.door import Door
from hilum.interactions.owning import brought
from hilum.interactions.permit import audit, permits
from hilum.interactions.retrying import retrying
from hilum.interactions.shelf import EVERYTHING, Entry, Offered
from hilum.problems import Conflict, Invalid, NotFound
from hilum.search.custom import definition, kin
from hilum.search.parse import parse_query
from hilum.store.interface import Write

CORE: Final = ("hl7.fhir.r4.core", "hl7.fhir.core")
"""What a server of R4 has by itself."""
_AT_ONCE: Final = 64

Body = dict[str, Any]
Tell = Callable[[int, int], None]
"""Called with how many are done of how many."""


@dataclass(frozen=True, slots=True)
class Guide:
    """A package that is loaded. `types`: how many resources it has of each, its own record among them."""

    name: str
    version: str
    title: str
    url: str
    added: int
    types: dict[str, int]
    dependencies: dict[str, str]

    @property
    def label(self) -> str:
        """`name#version`."""
        return f"{self.name}#{self.version}"


@dataclass(slots=True)
class Report:
    """What came of adding a package. The counters are by type.

    `searchable`: by type the search parameters of the package that can be used, of which those that the server had not
    before may have to be indexed first. `missing`: dependencies that are not loaded.
    """

    label: str
    title: str
    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)
    searchable: dict[str, list[str]] = field(default_factory=dict)
    unsearchable: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def add(door: Door, who: Principal, package: Package, tell: Tell = lambda done, of: None) -> Report:
    """Put a package in place. Raises Forbidden, Invalid (R4 itself), Conflict (an id that it needs is taken), Busy."""
    if package.name in CORE:
        raise Invalid(f"{package.label} is what every R4 server is made of: there is nothing to add.")
    for type in sorted(DEFINITIONS):
        for letter in "cu":
            permits(who, type, letter)
    skipped = list(package.skipped)
    bodies = await _bodies(package, skipped, tell)
    skipped.sort(key=lambda one: one.file)

    async def attempt() -> Report:
        return await _added(door, who, package, bodies, skipped)

    report = await retrying(attempt)
    door.shelf.forget()
    there = {guide.label for guide in await guides(door)}
    report.missing = [
        f"{name}#{version}" for name, version in package.dependencies.items() if name not in CORE
        and not _loaded(name, version, there)
    ]  # fmt: skip
    return report


async def _bodies(package: Package, skipped: list[Skipped], tell: Tell) -> dict[tuple[str, str], Body]:
    """The resources by the names that they will have, the record among them."""
    found: dict[tuple[str, str], Body] = {}
    guide: Body | None = None
    names: dict[str, str] = {}
    files = list(package.files.items())
    for begin in range(0, len(files), _AT_ONCE):
        for file, one in await asyncio.to_thread(_judged, files[begin : begin + _AT_ONCE]):
            if isinstance(one, str):
                skipped.append(Skipped(file, one))
                continue
            type, own = one["resourceType"], one.get("id") or file.removesuffix(".json")
            if type == "ImplementationGuide" and guide is None and one.get("packageId") in (None, package.name):
                guide = one
                continue
            id = naming.id_of(package.name, package.version, own)
            if (type, id) in found:
                skipped.append(Skipped(file, f"is a second {type} of the same id"))
                continue
            names[f"{type}/{own}"] = f"{type}/{id}"
            found[type, id] = naming.tagged(one, package.label)
        tell(min(begin + _AT_ONCE, len(files)), len(files))
    record = naming.record(package, guide, names)
    problems = findings("ImplementationGuide", record)
    if problems:  # its own says what R4 does not allow: what package.json says has to do
        record = naming.record(package, None, names)
    found["ImplementationGuide", naming.record_of(package.label)] = naming.tagged(record, package.label, record=True)
    return found


def _judged(files: Iterable[tuple[str, bytes]]) -> list[tuple[str, Body | str]]:
    """Each file's resource, or why it can't come in."""
    out: list[tuple[str, Body | str]] = []
    for file, raw in files:
        found = body(raw)
        if not isinstance(found, str):
            wrong = next((one for one in findings(found["resourceType"], found) if one.severity == "error"), None)
            if wrong is not None:
                found = f"is no valid {found['resourceType']}: {wrong.diagnostics[:300]}"
        out.append((file, found))
    return out


async def _added(
    door: Door, who: Principal, package: Package, bodies: Mapping[tuple[str, str], Body], skipped: list[Skipped]
) -> Report:
    catalogue = door.store.catalogue
    report = Report(package.label, package.title, skipped=skipped)
    current = await _current(door, bodies)
    writes: list[Write] = []
    ahead = list(bodies.items())
    for begin in range(0, len(ahead), _AT_ONCE):
        for write, was in await asyncio.to_thread(
            lambda some: [
                (
                    image(door, "PUT", type, id, one, current.get((type, id)), catalogue.registry, packaged=True),
                    current.get((type, id)),
                )
                for (type, id), one in some
            ],
            ahead[begin : begin + _AT_ONCE],
        ):
            if was is not None and not was.deleted and naming.label_of(was.body) != package.label:
                raise Conflict(
                    f"{write.type}/{write.id} is there already and is not from {package.label}, which needs that id. "
                    "Delete it, or write it under another id; then add the package again."
                )
            if unchanged(write, was):
                report.unchanged[write.type] += 1
                continue
            (report.created if was is None or was.deleted else report.updated)[write.type] += 1
            writes.append(write)
    wanted = {
        id: (found, kin(one))
        for (type, id), one in bodies.items()
        if type == "SearchParameter" and (found := definition(one)) is not None
    }
    stale = [one for one in await _of(door, package.label) if (one.type, one.id) not in bodies]
    for one in stale:
        report.removed[one.type] += 1
        writes.append(removal(permits(who, one.type, "d"), one, catalogue.registry))
    gone = {one.id: None for one in stale if one.type == "SearchParameter"}
    defined, refused = await asyncio.to_thread(searchable, catalogue, wanted, gone)
    usable = sorted({(type, one.code) for id, (one, _) in wanted.items() if not refused.get(id) for type in one.base})
    report.searchable = {type: [code for _, code in some] for type, some in groupby(usable, key=lambda pair: pair[0])}
    report.unsearchable = sorted((wanted[id][0].code, why) for id, why in refused.items() if why)
    if writes:
        await commit(door, catalogue, tuple(writes), audit(who, "transaction"), defined=defined, packaged=True)
    return report


async def _current(door: Door, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Resource]:
    """What is stored under these names, deletions among it."""
    found: dict[tuple[str, str], Resource] = {}
    ahead = list(names)
    for begin in range(0, len(ahead), _AT_ONCE):
        some = await asyncio.gather(*(door.store.read(*name) for name in ahead[begin : begin + _AT_ONCE]))
        found.update(((one.type, one.id), one) for one in some if one is not None)
    return found


async def guides(door: Door) -> list[Guide]:
    """Those that are loaded, by name and version."""
    tagged = await _tagged(door, "ImplementationGuide", f"{naming.RECORD}|")
    found = [_guide(one) for one in tagged if one.id == naming.record_of(naming.label_of(one.body))]
    return sorted(found, key=lambda one: (one.name, one.version))


def _guide(one: Resource) -> Guide:
    name, _, version = naming.label_of(one.body).partition("#")
    types = Counter(each.partition("/")[0] for each in (*naming.listed(one.body), f"{one.type}/{one.id}"))
    depends = {
        str(each["packageId"]): str(each["version"])
        for each in one.body.get("dependsOn", ())
        if "packageId" in each and "version" in each  # of a record that somebody has edited
    }
    title = one.body.get("title") or one.body.get("name", name)
    return Guide(name, version, title, one.body.get("url", ""), one.last_updated, dict(sorted(types.items())), depends)


async def remove(door: Door, who: Principal, name: str, version: str = "", *, force: bool = False) -> list[str]:
    """Remove a package, or all versions of it; their labels.

    Raises NotFound, Conflict (another package depends on it, or a profile of it is required; `force` overrides the
    first), Forbidden, Busy.
    """
    there = await guides(door)
    doomed = _meant(there, name, version)
    labels = {one.label for one in doomed}
    left = {one.label for one in there} - labels
    if not force:
        for one in there:
            for other, wanted in one.dependencies.items():
                if (
                    one.label not in labels
                    and other == name
                    and _loaded(other, wanted, labels)
                    and not _loaded(other, wanted, left)
                ):
                    raise Conflict(
                        f"{one.label} depends on {other}#{wanted}. Remove {one.label} first; `hilum ig remove --force` "
                        "does not ask for that."
                    )

    async def attempt() -> None:
        await _removed(door, who, labels, left)

    await retrying(attempt)
    door.shelf.forget()
    return sorted(labels)


def _meant(there: list[Guide], name: str, version: str) -> list[Guide]:
    """Those of a name, and of a version if that is said. Raises NotFound, saying what there is."""
    found = [one for one in there if one.name == name]
    meant = [one for one in found if version in ("", one.version)]
    if not meant:
        labels = ", ".join(one.label for one in found or there)
        wanted = f"{name}#{version}" if version else name
        raise NotFound(
            f"No package {wanted[:200]} is loaded. "
            + (f"There is: {labels}." if labels else "There is none: `hilum ig add FILE.tgz` adds one.")
        )
    return meant


async def _removed(door: Door, who: Principal, labels: set[str], left: set[str]) -> None:
    catalogue = door.store.catalogue
    gone = [one for label in sorted(labels) for one in await _of(door, label)]
    writes = [removal(permits(who, one.type, "d"), one, catalogue.registry) for one in gone]
    parameters: dict[str, None] = {one.id: None for one in gone if one.type == "SearchParameter"}
    codes = {one.definition.code for one in catalogue.defined if one.id in parameters}
    wanted: dict[str, tuple[SearchParameter, str]] = {}
    if codes:  # another version of the guide may have waited for the same code
        for one in [each for label in sorted(left) for each in await _of(door, label, ("SearchParameter",))]:
            found = definition(one.body)
            if found is not None and found.code in codes:
                wanted[one.id] = (found, kin(one.body))
    defined, _ = await asyncio.to_thread(searchable, catalogue, wanted, parameters)
    await commit(door, catalogue, tuple(writes), audit(who, "transaction"), defined=defined, packaged=True)


async def _of(door: Door, label: str, types: Container[str] = DEFINITIONS) -> list[Resource]:
    """What a package has brought and may take away, of these types: its record, and what that lists."""
    own = brought(await door.store.read("ImplementationGuide", naming.record_of(label)), label)
    found: list[Resource] = []
    for type in sorted({one.partition("/")[0] for one in own} & DEFINITIONS):
        if type in types:
            tagged = await _tagged(door, type, f"{naming.PACKAGE}|{label}")
            found += [one for one in tagged if f"{type}/{one.id}" in own]
    return found


async def _tagged(door: Door, type: str, tag: str) -> list[Resource]:
    """All of a type with a tag: by the server's own authority."""
    parsed = parse_query(type, [("_tag", tag)], lenient=False, base=door.base, full_text=False)
    parts = tuple(replace(one, permits=EVERYTHING) for one in parsed.query.parts)
    query = replace(parsed.query, count=500, parts=parts)
    found: list[Resource] = []
    while True:
        page = await door.store.search(query)
        found += page.resources
        if page.next is None:
            return found
        query = replace(query, after=page.next)


def _loaded(name: str, wanted: str, labels: Iterable[str]) -> bool:
    """Whether a version that a dependency means is among these: `1.0.x` means any of 1.0."""
    for label in labels:
        other, _, version = label.partition("#")
        if other == name and (version == wanted or (wanted[-2:] == ".x" and version.startswith(wanted[:-1]))):
            return True
    return False


async def profiles(door: Door, name: str, version: str = "") -> list[tuple[Guide, list[Body]]]:
    """The profiles and extensions of a package, with snapshots, by title; of each version that is meant.

    Raises NotFound, Busy.
    """
    found = _meant(await guides(door), name, version)
    structures = await door.shelf.definitions(door.store)
    out = []
    for guide in found:
        bodies = []
        for one in await _of(door, guide.label, ("StructureDefinition",)):
            canonical = f"{one.body.get('url', '')}|{one.body.get('version', '')}"
            whole = structures.structure(canonical) or one.body
            bodies.append(whole | {"id": one.id})
        out.append((guide, sorted(bodies, key=lambda body: str(body.get("title") or body.get("name")))))
    return out


async def offered(door: Door) -> Offered:
    """What the guides offer, as of half a second ago at most. Raises Busy."""
    return await door.shelf.offered(lambda: _offered(door))


async def _offered(door: Door) -> Offered:
    """As of now. A profile of several versions is named without one, which means the latest, and with each.

    https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.supportedProfile
    """
    found = await guides(door)
    by_url: dict[str, list[Entry]] = {}
    for entry in (await door.shelf.definitions(door.store)).named("StructureDefinition"):
        if entry.of:
            by_url.setdefault(entry.url, []).append(entry)
    profiles: dict[str, set[str]] = {}
    for url, entries in by_url.items():
        for entry in entries:
            named = {url, f"{url}|{entry.version}"} if len(entries) > 1 and entry.version else {url}
            profiles.setdefault(entry.of, set()).update(named)
    return Offered(
        tuple(sorted(f"{one.url}|{one.version}" for one in found)),
        {type: tuple(sorted(urls)) for type, urls in sorted(profiles.items())},
    )
