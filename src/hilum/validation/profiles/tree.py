"""A snapshot as a tree: elements with their children and their slices. https://hl7.org/fhir/R4/profiling.html#snapshot

A snapshot is a flat list in which order and paths say what belongs where; ids say it again, but are often wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Element = Mapping[str, Any]

MOST_ELEMENTS: Final = 20_000
"""More than any published profile has ten times over."""


class Unusable(Exception):
    """A definition that nothing can be checked by. The text says why."""


@dataclass(slots=True, eq=False)
class Def:
    """One element definition. `label` is its path with the slices on the way: `Patient.identifier:mrn.system`."""

    element: Element
    label: str
    slice: str | None = None
    groups: dict[str, Group] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Group:
    """All definitions of one element name: that of every item, and those of its slices by name, in order."""

    name: str
    base: Def
    slices: list[Def] = field(default_factory=list)


def tree(elements: list[Element]) -> Def:
    """The root of a snapshot. Raises Unusable when the list is none."""
    if type(elements) is not list or not elements or len(elements) > MOST_ELEMENTS:
        raise Unusable("has no snapshot that could be used")
    for element in elements:
        path = element.get("path") if isinstance(element, Mapping) else None
        if type(path) is not str or not path or path.count(".") > 40:
            raise Unusable("has a snapshot with an element without a path")
    elements = [sound(element) for element in elements]
    root = Def(elements[0], str(elements[0]["path"]))
    above: list[tuple[str, Def]] = [(str(elements[0]["path"]), root)]
    for element in elements[1:]:
        path = str(element["path"])
        parent, _, name = path.rpartition(".")
        while above and above[-1][0] != parent:
            above.pop()
        if not above:
            raise Unusable(f"has a snapshot whose elements are out of order at {path}")
        above.append((path, _placed(above[-1][1], name, element)))
    return root


def sound(element: Element) -> Element:
    """The element without what is of another JSON type than it must be: definitions come from outside."""
    kept: dict[str, Any] = {
        key: value for key, value in element.items() if type(value) is _SHAPES.get(key, type(value))
    }
    for name in ("type", "constraint", "extension"):
        if name in kept:
            kept[name] = _dicts(kept[name])
    if "type" in kept:
        kept["type"] = [_type(one) for one in kept["type"] if type(one.get("code")) is str]
    binding = kept.get("binding")
    if binding is not None:
        kept["binding"] = binding | {key: _dicts(binding.get(key)) for key in ("extension", "additional")}
    return kept


_SHAPES: Final = {
    "type": list,
    "constraint": list,
    "extension": list,
    "binding": dict,
    "slicing": dict,
    "min": int,
    "max": str,
    "sliceName": str,
    "contentReference": str,
    "maxLength": int,
}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _type(type_: dict[str, Any]) -> dict[str, Any]:
    made = {**type_, "extension": _dicts(type_.get("extension"))}
    for name in ("profile", "targetProfile", "aggregation"):
        value = made.pop(name, None)
        if type(value) is list:  # places are kept: `_profile` stands beside them
            made[name] = [one if type(one) is str else "" for one in value]
    return made


def _placed(parent: Def, name: str, element: Element) -> Def:
    slice_ = element.get("sliceName")
    slice_ = slice_ if type(slice_) is str and slice_ else None
    group = parent.groups.get(name)
    if group is None:
        found = Def(element, f"{parent.label}.{name}" + (f":{slice_}" if slice_ else ""), slice_)
        if slice_ is not None:  # slices without the element that they slice: each stands for itself
            bare = {key: element[key] for key in ("path", "base", "type") if key in element}
            group = parent.groups[name] = Group(name, Def({**bare, "min": 0, "max": "*"}, f"{parent.label}.{name}"))
            group.slices.append(found)
        else:
            parent.groups[name] = Group(name, found)
        return found
    found = Def(element, f"{parent.label}.{name}:{slice_ or len(group.slices)}", slice_ or str(len(group.slices)))
    group.slices.append(found)
    return found


def least(of: Def) -> int:
    """How many of it there must be."""
    number = of.element.get("min")
    return number if type(number) is int else 0


def most(of: Def) -> int | None:
    """How many of it there may be; None: any number."""
    number = of.element.get("max")
    return int(number) if type(number) is str and number.isascii() and number.isdigit() else None
