"""An agent's objects, as a manager knows them: from its configuration, and kept up by its reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.phd.ieee20601.attributes import Attributes, EntryMap, HandleMap, Mapped, read, read_mapped
from hilum.phd.ieee20601.codes import MDS, UNKNOWN_PERSON, Attribute, Class
from hilum.phd.ieee20601.events import Configuration, Fixed, Observation, Variable, read_scan
from hilum.phd.ieee20601.mder import Reader
from hilum.phd.ieee20601.metrics import LASTING, Found, ordered, reading, sources
from hilum.phd.ieee20601.segments import Entries, Segment, read_entries
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Reading

METRICS: Final = frozenset({Class.NUMERIC, Class.ENUMERATION, Class.RTSA})
SCANNERS: Final = frozenset({Class.EPISODIC_SCANNER, Class.PERIODIC_SCANNER})


@dataclass(slots=True)
class _Object:
    kind: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Scanned:
    """Of one person: the readings of a report."""

    person: int | None
    readings: tuple[Reading, ...]


class Model:
    """The objects of an association. Each method raises Malformed: the agent contradicts its configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._objects = {MDS: _Object(Class.MDS, {})}
        for one in configuration.objects:
            if one.handle in self._objects:
                raise Malformed(f"configuration: handle {one.handle} is there twice")
            self._objects[one.handle] = _Object(one.kind, read(one.attributes))
        self._segments: dict[tuple[int, int], Attributes] = {}

    @property
    def mds(self) -> Attributes:
        """Attributes of the device itself."""
        return self._objects[MDS].attributes

    def handles(self, *kinds: int) -> list[int]:
        """Of the objects of these classes."""
        return [handle for handle, one in self._objects.items() if one.kind in kinds]

    def scan(self, handle: int, event: int, info: bytes) -> list[Scanned]:
        """The readings of a scan report by `handle`: of each person, those that there are."""
        found = []
        for of in read_scan(event, info).of:
            parts = [part for one in of.observations for part in self._observed(handle, one)]
            person = None if of.person == UNKNOWN_PERSON else of.person
            if parts:
                found.append(Scanned(person, ordered(parts)))
        return found

    def segments(self, store: int, found: tuple[Segment, ...]) -> list[int]:
        """Which segments of a store to ask for: those that aren't empty."""
        wanted = []
        for one in found:
            self._segments[store, one.number] = attributes = read(one.attributes)
            if attributes.get(Attribute.SEG_USAGE_CNT) != 0:
                wanted.append(one.number)
        return wanted

    def stored(self, store: int, entries: Entries) -> Scanned:
        """The readings of some entries of a segment."""
        described = entries.described
        attributes = self._segments.get((store, described.number), {})
        map: EntryMap | None = attributes.get(Attribute.PM_SEG_MAP)
        if map is None:
            raise Malformed(f"segment {described.number}: entries without a map")
        statics = attributes.get(Attribute.PM_SEG_ELEM_STAT_ATTR, ())
        found: list[Found] = []
        for entry in read_entries(entries.data, described.count, map, statics):
            for one in entry:
                base = self._objects.get(one.handle)
                whole = {**(base.attributes if base else {}), **one.attributes}
                if (measured := reading(whole)) is not None:
                    found.append((one.handle, measured, sources(whole)))
        person = attributes.get(Attribute.PM_SEG_PERSON_ID)
        return Scanned(None if person == UNKNOWN_PERSON else person, ordered(found))

    def _observed(self, scanner: int, observation: Observation) -> list[Found]:
        match observation:
            case Variable(handle, attributes):
                return self._said(handle, read(attributes))
            case Fixed(handle, data):
                return self._said(handle, _whole(self._map(handle), data))
        return self._grouped(scanner, observation)

    def _grouped(self, scanner: int, data: bytes) -> list[Found]:
        map: tuple[HandleMap, ...] = self._object(scanner).attributes.get(Attribute.SCAN_HANDLE_ATTR_VAL_MAP, ())
        reader = Reader(data, "grouped observations")
        found = [part for one in map for part in self._said(one.handle, read_mapped(one.map, reader))]
        reader.end()
        return found

    def _said(self, handle: int, said: Attributes) -> list[Found]:
        one = self._object(handle)
        whole = {**one.attributes, **said}
        one.attributes.update(
            said if handle == MDS else {code: value for code, value in said.items() if code in LASTING}
        )
        if one.kind not in METRICS or (measured := reading(whole)) is None:
            return []
        return [(handle, measured, sources(whole))]

    def _map(self, handle: int) -> tuple[Mapped, ...]:
        map: tuple[Mapped, ...] | None = self._object(handle).attributes.get(Attribute.ATTRIBUTE_VAL_MAP)
        if map is None:
            raise Malformed(f"handle {handle}: a fixed observation of an object without a map")
        return map

    def _object(self, handle: int) -> _Object:
        if handle not in self._objects:
            raise Malformed(f"handle {handle}: not in the configuration")
        return self._objects[handle]


def _whole(map: tuple[Mapped, ...], data: bytes) -> Attributes:
    reader = Reader(data, "fixed observation")
    found = read_mapped(map, reader)
    reader.end()
    return found
