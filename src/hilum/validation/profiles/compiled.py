"""Profiles, compiled once per state of the definitions: every element definition to the checks that it asks for.

A `Place` checks one value; a `Child` finds the values of one element under an object, counts them, gives each to its
place, and to the slice that it belongs to. What a type profile asks for is looked up when a value is there, so that
profiles may refer to each other in circles.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any, Final

from hilum.validation.profiles.definitions import Definitions
from hilum.validation.profiles.running import DEEPEST, Found, Scope, error, noted, under
from hilum.validation.profiles.shapes import Item, Kind, Property, is_a, items, properties
from hilum.validation.profiles.slicing import Slicing
from hilum.validation.profiles.steps import Step, steps, types
from hilum.validation.profiles.tree import Def, Group, Unusable, least, most, tree

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"


class Profile:
    """One StructureDefinition: its tree, and its places, made when they are asked for."""

    def __init__(self, library: Library, body: dict[str, Any]) -> None:
        self.library = library
        self.body = body
        self.url = str(body.get("url"))
        version = body.get("version")
        self.name = f"{self.url}|{version}" if type(version) is str else self.url
        self.type = str(body.get("type"))
        self.is_type = body.get("derivation") != "constraint"
        snapshot = body.get("snapshot")
        self.tree = tree(snapshot.get("element", []) if type(snapshot) is dict else [])
        self._places: dict[int, Place] = {}
        self._by_path: dict[str, Def] | None = None

    @property
    def root(self) -> Place:
        """The place of the whole resource or value."""
        return self.place(self.tree)

    def place(self, of: Def) -> Place:
        """The place of one definition."""
        found = self._places.get(id(of))
        if found is None:
            found = self._places[id(of)] = Place(self, of)
        return found

    def referred(self, reference: str) -> Def | None:
        """The definition that a contentReference means: `#Questionnaire.item`."""
        if self._by_path is None:
            self._by_path = {}
            waiting = [self.tree]
            while waiting:
                one = waiting.pop()
                for key in (one.element.get("id"), one.element.get("path")):
                    if type(key) is str:
                        self._by_path.setdefault(key, one)
                for group in one.groups.values():
                    waiting += [*group.slices, group.base]
        return self._by_path.get(reference.rpartition("#")[2])


class Library:
    """The compiled profiles of one state of the definitions."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self._profiles: dict[str, Profile | str] = {}

    def profile(self, canonical: str) -> Profile | str:
        """The profile, or why there is none to check by: `unknown`, or what is wrong with it."""
        found = self._profiles.get(canonical)
        if found is None:
            body = self.definitions.structure(canonical)
            try:
                found = "unknown" if body is None else Profile(self, body)
            except Unusable as unusable:
                found = str(unusable)
            self._profiles[canonical] = found
        return found

    def known(self, canonical: str) -> Profile | None:
        """The profile, or None."""
        found = self.profile(canonical)
        return found if isinstance(found, Profile) else None

    def spot(self, canonical: str) -> tuple[Profile, Def] | None:
        """A profile and its root, or the element of it that is named behind `#`. None when there is none."""
        url, _, id_ = canonical.partition("#")
        found = self.known(url)
        if found is None:
            return None
        of = found.referred(id_) if id_ else found.tree
        return None if of is None else (found, of)

    def conforms(self, scope: Scope, item: Item, canonical: str, depth: int = 0) -> tuple[bool | None, Found]:
        """Whether a value conforms to a profile, and what is wrong. None: there is no such profile here.

        A value that is being checked against that profile already does, unless something else is wrong: circles end.
        """
        run = scope.run
        found = self.spot(canonical)
        if found is None:
            return None, None
        key = (id(item.value), id(item.extra), canonical)
        if key in run.conforming:
            return run.conforming[key]
        run.conforming[key] = (True, None)
        profile, of = found
        if of is profile.tree:
            findings = against(profile, scope, item, depth + 1)
        else:
            findings = profile.place(of).check(scope, item, depth + 1)
        result = not any(one.severity == "error" for one in findings or ())
        run.conforming[key] = (result, findings)
        return result, findings

    def base(self, type_: str) -> Profile | None:
        """The definition of a type itself."""
        return self.known(CORE + type_) if "/" not in type_ else self.known(type_)


_libraries: OrderedDict[int, Library] = OrderedDict()
_kept = 4
_lock = Lock()


def library(definitions: Definitions) -> Library:
    """What is compiled of these definitions; the last few are kept."""
    with _lock:
        found = _libraries.get(definitions.generation)
        if found is None:
            found = _libraries[definitions.generation] = Library(definitions)
            while len(_libraries) > _kept:
                _libraries.popitem(last=False)
        else:
            _libraries.move_to_end(definitions.generation)
        return found


class Place:
    """What one element definition asks of one value."""

    __slots__ = ("_children", "_plans", "definition", "label", "profile", "steps")

    def __init__(self, profile: Profile, of: Def) -> None:
        self.profile = profile
        self.definition = of
        self.label = of.label
        self.steps: tuple[Step, ...] = steps(profile, of)
        self._children: tuple[Child, ...] | None = None
        self._plans: dict[Kind, tuple[dict[str, int], tuple[int, ...]]] = {}

    @property
    def children(self) -> tuple[Child, ...]:
        """Compiled when a first value is there."""
        if self._children is None:
            of = self.definition
            reference = of.element.get("contentReference")
            if not of.groups and type(reference) is str:
                of = self.profile.referred(reference) or of
            made = (Child(self.profile, group) for group in of.groups.values() if _asks(group))
            self._children = tuple(child for child in made if not child.idle)
        return self._children

    def _plan(self, kind: Kind) -> tuple[dict[str, int], tuple[int, ...]]:
        """JSON property -> number of the child that it is, under an object of that kind; and those to ask anyway."""
        keys: dict[str, int] = {}
        for number, child in enumerate(self.children):
            for one in child.properties(kind):
                keys[one.key] = number
                if one.primitive:
                    keys[f"_{one.key}"] = number
        plan = keys, tuple(number for number, child in enumerate(self.children) if child.required)
        self._plans[kind] = plan
        return plan

    def check(self, scope: Scope, item: Item, depth: int) -> Found:
        """What is wrong with one value."""
        run = scope.run
        run.step()
        if depth > DEEPEST:
            return noted("warning", "too-costly", "is nested too deeply to be checked against a profile")
        out: Found = None
        for step in self.steps:
            found = step(scope, item, depth)
            if found:
                out = found if out is None else out + found
        children = self.children
        if children:
            holder = item.value if type(item.value) is dict else item.extra
            if type(holder) is dict:
                keys, required = self._plans.get(item.kind) or self._plan(item.kind)
                asked = {keys[key] for key in holder if key in keys}
                asked.update(required)
                for number in sorted(asked):
                    found = children[number].check(scope, holder, item.kind, depth + 1)
                    if found:
                        out = found if out is None else out + found
        return out


def _asks(group: Group) -> bool:
    """The id of an element needs no check, unless a snapshot says something of its own about it."""
    element = group.base.element
    return not (
        group.name == "id"
        and not group.slices
        and not group.base.groups
        and element.get("min", 0) == 0
        and element.get("max") != "0"
        and not any(key.startswith(("fixed", "pattern")) for key in element)
    )


class Child:
    """One element name under an object."""

    __slots__ = ("_keys", "idle", "least", "most", "name", "place", "required", "slicing", "types", "what")

    def __init__(self, profile: Profile, group: Group) -> None:
        self.name = group.name.removesuffix("[x]")
        self.place = profile.place(group.base)
        element = group.base.element
        self.least = least(group.base)
        base = element.get("base")  # what R4 itself allows at most is a rule of R4's
        own = type(base) is not dict or base.get("max") != element.get("max")
        self.most = most(group.base) if own else None
        self.what = f"{group.base.label} (profile {profile.name})"
        self.types = types(group.base, f"{group.base.label}, profile {profile.name}")
        self.slicing = Slicing(profile, group) if group.slices or "slicing" in element else None
        self._keys: dict[Kind, tuple[Property, ...]] = {}
        self.required = bool(self.least) or any(least(one) for one in group.slices)
        below = group.base.groups or "contentReference" in element
        asks = self.required or self.most is not None or self.slicing is not None or self.types is not None
        self.idle = not (asks or below or self.place.steps)

    def properties(self, kind: Kind) -> tuple[Property, ...]:
        """The JSON properties of the element under an object of that kind."""
        found = self._keys.get(kind)
        if found is None:
            found = self._keys[kind] = _properties(kind, self.name)
        return found

    def check(self, scope: Scope, holder: dict[str, Any], kind: Kind, depth: int) -> Found:
        """What is wrong with the values of this element, seen from the object that holds them."""
        values: list[Item] = []
        for one in self.properties(kind):
            if one.key in holder or (one.primitive and f"_{one.key}" in holder):
                values += items(holder, one)
        count = len(values)
        out: Found = None
        if count < self.least:
            out = error("required", f"must have at least {self.least} {self.what}, but has {count}")
        elif self.most is not None and count > self.most:
            out = error("structure", f"may have at most {self.most} {self.what}, but has {count}")
        if values:
            wrong = self.types(values) if self.types is not None else None
            if wrong:
                return (out or []) + wrong
            check = self.place.check
            for item in values:
                found = check(scope, item, depth)
                if found:
                    out = (out or []) + under(item.step, found)
        if self.slicing is not None:
            found = self.slicing.check(scope, values, depth)
            if found:
                out = (out or []) + found
        return out


def _properties(kind: Kind, name: str) -> tuple[Property, ...]:
    known = properties(kind)
    if name in known:
        return known[name]
    for all_ in known.values():  # a choice that an older snapshot names by its one type: valueQuantity
        for one in all_:
            if one.choice and one.key == name:
                return (one,)
    return ()


def against(profile: Profile, scope: Scope, item: Item, depth: int) -> Found:
    """What is wrong with a value by a profile."""
    if not is_a(item.kind, profile.type) and item.kind.name != profile.type:
        return error("structure", f"must be a {profile.type}, as the profile {profile.name} is about that type")
    return profile.root.check(scope, item, depth)
