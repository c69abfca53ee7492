"""What stands under a value of a base type: JSON properties, their elements and types. https://hl7.org/fhir/R4/json.html"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from hilum.fhir import definitions


class Kind(NamedTuple):
    """A type, or the backbone element at `path` of it: ("Patient", "contact")."""

    name: str
    path: str = ""


class Property(NamedTuple):
    """One JSON property: `element` is its name without `[x]`; `choice` has one property per type."""

    key: str
    element: str
    kind: Kind
    many: bool
    primitive: bool
    choice: bool


class Item(NamedTuple):
    """One value of an element: `step` is what its place adds to the path, `extra` the `_name` side of a primitive."""

    step: str
    value: Any
    extra: Any
    kind: Kind


RESOURCES: Final = frozenset(definitions.TYPES)


@cache
def properties(kind: Kind) -> dict[str, tuple[Property, ...]]:
    """Element name -> properties. Empty for a type that R4 does not have."""
    try:
        type_ = definitions.type_(kind.name)
        elements = type_.elements[kind.path]
    except KeyError:
        return {}
    found: dict[str, tuple[Property, ...]] = {}
    for element in elements:
        path = f"{kind.path}.{element.name}" if kind.path else element.name
        if element.ref is not None:
            meant = [(element.name, Kind(kind.name, element.ref))]
        elif path in type_.elements:
            meant = [(element.name, Kind(kind.name, path))]
        else:
            meant = [(element.name + (t[:1].upper() + t[1:] if element.choice else ""), Kind(t)) for t in element.types]
        found[element.name] = tuple(
            Property(key, element.name, of, element.many, of.name[:1].islower(), element.choice) for key, of in meant
        )
    return found


@cache
def by_key(kind: Kind) -> dict[str, Property]:
    """JSON property -> what it is."""
    return {one.key: one for all_ in properties(kind).values() for one in all_}


@cache
def ancestors(name: str) -> tuple[str, ...]:
    """A type and what it specialises, nearest first: code, string, Element."""
    found = [name]
    try:
        while base := definitions.type_(name).base:
            name = base
            found.append(name)
    except KeyError:
        pass
    return tuple(found)


def is_a(kind: Kind, name: str) -> bool:
    """Whether a value of this kind is one of the type `name`."""
    if kind.path:
        return name in ("BackboneElement", "Element")
    return name in ancestors(kind.name)


def real(kind: Kind, value: Any) -> Kind:
    """The kind at run time: a resource says itself what it is."""
    if kind.name in ("Resource", "DomainResource") and type(value) is dict:
        name = value.get("resourceType")
        if type(name) is str and name in RESOURCES:
            return Kind(name)
    return kind


def items(holder: dict[str, Any], one: Property) -> Iterator[Item]:
    """The values of a property with their extras, those of a list side by side. Skips what is no FHIR at all."""
    value = holder.get(one.key)
    extra = holder.get(f"_{one.key}") if one.primitive else None
    if value is None and extra is None:
        return
    step = f".{one.element}"
    if not one.many:
        if type(value) is not list:
            yield Item(step, value, extra, real(one.kind, value))
        return
    values = value if type(value) is list else []
    extras = extra if type(extra) is list else []
    for index in range(max(len(values), len(extras))):
        item = values[index] if index < len(values) else None
        beside = extras[index] if index < len(extras) else None
        if item is not None or beside is not None:
            yield Item(f"{step}[{index}]", item, beside, real(one.kind, item))


def children(holder: dict[str, Any], kind: Kind) -> Iterator[tuple[Property, Item]]:
    """Everything directly under an object, in its own order."""
    known = by_key(kind)
    seen: set[str] = set()
    for name in holder:
        one = known.get(name) or known.get(name[1:] if name[:1] == "_" else "")
        if one is not None and one.key not in seen:
            seen.add(one.key)
            for item in items(holder, one):
                yield one, item
