"""Where an element stands in FHIR JSON, and how to change it there. https://hl7.org/fhir/R4/json.html#primitive

A primitive is two properties, `birthDate` and `_birthDate`, and a list of primitives two arrays that run in parallel. A
`Place` shows both as one list of (value, extra) items, writes them back in step, and drops what became empty, because
FHIR's JSON has no empty objects and arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hilum.fhirpath.types import Property, Type, is_abstract, properties

Item = tuple[Any, dict[str, Any] | None]
Location = tuple[str | int, ...]


@cache
def by_key(type: Type) -> dict[str, tuple[str, Property]]:
    """JSON property -> element name and Property, for everything directly under a value of this type."""
    return {found.key: (name, found) for name, all_ in properties(type).items() for found in all_}


@dataclass(slots=True)
class Place:
    """The property `kind.key` of one object, `above` being the place of that object (None at the root)."""

    holder: dict[str, Any]
    name: str
    kind: Property
    owner: Type
    above: tuple[Place, int] | None

    def items(self) -> list[Item]:
        """The values with their extras; one at most unless the element repeats."""
        key = self.kind.key
        value, extra = self.holder.get(key), self.holder.get("_" + key)
        if not self.kind.many:
            return [] if value is None and extra is None else [(value, extra)]
        values, extras = value or [], extra or []
        length = max(len(values), len(extras))
        return [(values[i] if i < len(values) else None, extras[i] if i < len(extras) else None) for i in range(length)]

    def append(self, item: Item) -> None:
        """One more item, at the end; without a look at the others, so that a thousand cost a thousand times one."""
        names = (self.kind.key, "_" + self.kind.key)
        if not self.kind.many or item == (None, None):
            self.put([*self.items(), item])
            return
        length = max(len(self.holder.get(name) or ()) for name in names)
        for name, part in zip(names, item, strict=True):
            column = self.holder.get(name) or []
            if column or part is not None:
                column += [None] * (length - len(column))
                column.append(part)
                self.holder[name] = column

    def put(self, items: list[Item]) -> None:
        """Write the items back; an object that is empty now is removed from the place above, and so on."""
        key = self.kind.key
        for name, column in ((key, 0), ("_" + key, 1)):
            column_items = [item[column] for item in items]
            if any(part is not None for part in column_items):
                self.holder[name] = column_items if self.kind.many else column_items[0]
            else:
                self.holder.pop(name, None)
        if not self.holder and self.above is not None:
            place, index = self.above
            siblings = place.items()
            value, extra = siblings[index]
            if value is self.holder:
                value = None
            if extra is self.holder:
                extra = None
            if value is None and extra is None:
                del siblings[index]
            else:
                siblings[index] = (value, extra)
            place.put(siblings)

    def object(self, index: int) -> dict[str, Any]:
        """The object at this index: of a primitive its extra, made when there is none."""
        items = self.items()
        value, extra = items[index]
        if type(value) is dict:
            return value
        if extra is None:
            items[index] = (value, extra := {})
            self.put(items)
        return extra

    def type_of(self, index: int) -> Type:
        """The type of the item: of a contained resource its own."""
        if is_abstract(self.kind.type):
            return Type(self.items()[index][0]["resourceType"])
        return self.kind.type


def place_of(body: dict[str, Any], location: Location) -> tuple[Place, int]:
    """The place of the element at `location` (property names and array positions), and its index there."""
    holder, owner = body, Type(body["resourceType"])
    above: tuple[Place, int] | None = None
    keys = [i for i, part in enumerate(location) if type(part) is str]
    for i in keys:
        after = location[i + 1] if i + 1 < len(location) else None
        index = after if type(after) is int else 0
        name, kind = by_key(owner)[str(location[i])]
        place = Place(holder, name, kind, owner, above)
        if i != keys[-1]:
            holder, owner, above = place.object(index), place.type_of(index), (place, index)
    return place, index
