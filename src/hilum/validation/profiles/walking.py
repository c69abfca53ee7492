"""Every element of a resource, with what is above it: for rules about elements wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hilum.validation.profiles.running import DEEPEST, Scope
from hilum.validation.profiles.shapes import RESOURCES, Item, Kind, Property, ancestors, children


@dataclass(slots=True, eq=False)
class Here:
    """One element. `of` is None for the resource that the walk began with."""

    scope: Scope
    item: Item
    above: Here | None = None
    of: Property | None = None

    @property
    def path(self) -> str:
        """Its FHIRPath below the root: `.name[0].given[1]`."""
        steps = []
        here: Here | None = self
        while here is not None:
            steps.append(here.item.step)
            here = here.above
        return "".join(reversed(steps))

    @property
    def names(self) -> frozenset[str]:
        """All that a definition may call this place: `Patient.contact.name`, `HumanName`."""
        kind = self.item.kind
        found = {f"{kind.name}.{kind.path}" if kind.path else kind.name}
        if self.above is not None and self.of is not None and not (kind.name in RESOURCES and not kind.path):
            endings = {self.of.element, self.of.key}
            if self.of.choice:
                endings.add(f"{self.of.element}[x]")
            found.update(f"{name}.{ending}" for name in self.above.names for ending in endings)
        return frozenset(found)

    def is_called(self, name: str) -> bool:
        """Whether a definition that says `name` means this place: by a type that it specialises, too."""
        for own in self.names:
            if own == name:
                return True
            head, dot, tail = own.partition(".")
            if any(f"{other}{dot}{tail}" == name for other in ancestors(head)):
                return True
        return self.item.kind.path != "" and name in ("BackboneElement", "Element")


def walk(scope: Scope) -> Iterator[Here]:
    """The resource of a scope and everything in it, each before what it holds. What is no FHIR is passed over."""
    name = str(scope.body.get("resourceType"))
    waiting: list[tuple[Here, int]] = [(Here(scope, Item("", scope.body, None, Kind(name))), 0)]
    while waiting:
        here, depth = waiting.pop()
        here.scope.run.step()
        yield here
        if depth > DEEPEST:
            continue
        holder = here.item.value if type(here.item.value) is dict else here.item.extra
        if type(holder) is dict:
            below = [
                (Here(_scope(here, holder, property_, item), item, here, property_), depth + 1)
                for property_, item in children(holder, here.item.kind)
            ]
            waiting += reversed(below)


def _scope(here: Here, holder: dict[str, Any], property_: Property, item: Item) -> Scope:
    if item.kind.path or item.kind.name not in RESOURCES:
        return here.scope
    if property_.element == "contained":
        return Scope(here.scope.run, item.value, here.scope, None, True)
    url = holder.get("fullUrl")
    return Scope(here.scope.run, item.value, here.scope, url if type(url) is str else None)
