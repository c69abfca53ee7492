"""Discriminators: how the items of a slice are known. https://hl7.org/fhir/R4/profiling.html#discriminator

A discriminator is compiled twice: what it means in a definition (a fixed value, a pattern, a type, a profile, whether
it is there) becomes a test; where it leads in a resource becomes a walk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.validation.profiles import codes, contained_sets, values
from hilum.validation.profiles.element_types import profiles_of, type_codes
from hilum.validation.profiles.running import Scope
from hilum.validation.profiles.shapes import RESOURCES, Item, Kind, ancestors, is_a, items, properties
from hilum.validation.profiles.tree import Def, least

if TYPE_CHECKING:
    from hilum.validation.profiles.compiled import Profile

Test = Callable[[Scope, Item, int], bool]

CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_STEP = re.compile(
    r"\s*(?:(?P<call>resolve|ofType|as|extension)\(\s*'?(?P<argument>[^')]*)'?\s*\)|(?P<name>\$this|[A-Za-z_][\w-]*)(?:\[x\])?)\s*(?:\.|$)"
)


class Hop(NamedTuple):
    """One step of a discriminator's path: an element's name, or a function with its argument."""

    name: str
    argument: str = ""


def hops(path: str) -> tuple[Hop, ...] | None:
    """The steps of a discriminator's path; None when it is none that discriminators may have."""
    found: list[Hop] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        at = match.end()
        if match["call"]:
            name = "ofType" if match["call"] == "as" else match["call"]
            found.append(Hop(f"{name}()", match["argument"]))
        elif match["name"] != "$this":
            found.append(Hop(match["name"]))
    return tuple(found)


class Spot(NamedTuple):
    """A definition in a profile, as seen by a discriminator; `only` is the type that ofType() left."""

    profile: Profile
    of: Def
    only: str | None = None


# --- in the resource -------------------------------------------------------------------------------------------------


def walk(scope: Scope, item: Item, path: tuple[Hop, ...]) -> list[tuple[Scope, Item]]:
    """The values that the path leads to from an item."""
    found = [(scope, item)]
    for hop in path:
        found = [after for inside, one in found for after in _hop(inside, one, hop)]
        if not found:
            break
    return found


def _hop(scope: Scope, item: Item, hop: Hop) -> list[tuple[Scope, Item]]:
    scope.run.step()
    if hop.name == "ofType()":
        return [(scope, item)] if is_a(item.kind, hop.argument) else []
    if hop.name == "resolve()":
        url = item.value.get("reference") if type(item.value) is dict else item.value
        target = scope.find(url) if type(url) is str else None
        if target is None:
            return []
        body, inside, _ = target
        return [(inside, Item("", body, None, Kind(str(body.get("resourceType")))))]
    holder = item.value if type(item.value) is dict else item.extra
    if type(holder) is not dict:
        return []
    if hop.name == "extension()":
        extensions = holder.get("extension")
        return [
            (scope, Item("", one, None, Kind("Extension")))
            for one in (extensions if type(extensions) is list else ())
            if type(one) is dict and one.get("url") == hop.argument
        ]
    inside = scope
    if item.kind.name in RESOURCES and not item.kind.path and item.value is not scope.body:
        inside = scope.inside(item.value)
    return [(inside, one) for property_ in properties(item.kind).get(hop.name, ()) for one in items(holder, property_)]


# --- in the definitions ----------------------------------------------------------------------------------------------


def lead(spots: list[Spot], hop: Hop, depth: int = 0) -> list[Spot]:
    """The definitions that one step leads to. More than one where a type has several profiles."""
    return [after for spot in spots for after in _led(spot, hop, depth)]


def _led(spot: Spot, hop: Hop, depth: int) -> list[Spot]:
    profile, of, only = spot
    library = profile.library
    if depth > 6:
        return []
    if hop.name == "ofType()":
        return [Spot(profile, of, hop.argument)]
    types = [one for one in of.element.get("type") or () if type(one) is dict and type(one.get("code")) is str]
    if only is not None:
        types = [one for one in types if one["code"] == only] or [{"code": only}]
    if hop.name == "resolve()":
        urls = [url for one in types for url in one.get("targetProfile") or () if type(url) is str]
        return [Spot(*target) for target in map(library.spot, urls) if target is not None]
    groups = of.groups
    if not groups and type(of.element.get("contentReference")) is str:
        meant = profile.referred(str(of.element["contentReference"]))
        groups = meant.groups if meant is not None else groups
    if hop.name == "extension()":
        group = groups.get("extension")
        for slice_ in group.slices if group is not None else ():
            if hop.argument in extension_urls(profile, slice_):
                return [Spot(profile, slice_)]
        defined = library.known(hop.argument)
        return [Spot(defined, defined.tree)] if defined is not None and defined.type == "Extension" else []
    group = groups.get(hop.name) or groups.get(f"{hop.name}[x]")
    out: list[Spot] = []
    if group is not None:
        # The discriminator's element may itself be sliced: then its slices tell what some of its items must be.
        out = [*(Spot(profile, one) for one in group.slices if least(one) > 0), Spot(profile, group.base)]
    named = [url for one in types for url in profiles_of(one)]
    profiles = [library.spot(url) for url in named]
    if not any(profiles) and not out:
        bases = [library.base(one["code"]) for one in types[:1]]
        if "." not in str(of.element.get("path")) and not types and not profile.is_type:
            bases = [library.base(profile.type)]
        profiles = [None if one is None else (one, one.tree) for one in bases]
    for other in profiles:
        if other is not None and other[1] is not of:
            out += _led(Spot(*other), hop, depth + 1)
    return out


def extension_urls(profile: Profile, of: Def) -> list[str]:
    """The urls that an extension's definition can have: fixed, or those of its profiles."""
    group = of.groups.get("url")
    fixed = group.base.element.get("fixedUri") if group is not None else None
    if type(fixed) is str:
        return [fixed]
    return [
        url.partition("|")[0]
        for one in of.element.get("type") or ()
        if type(one) is dict
        for url in one.get("profile") or ()
        if type(url) is str
    ]


# --- what a discriminator tests --------------------------------------------------------------------------------------


def tests(profile: Profile, of: Def, kind: str, path: tuple[Hop, ...]) -> list[Test] | None:
    """The tests of one discriminator in one slice; None when the slice says nothing about it."""
    if kind in ("value", "pattern"):
        if path == (Hop("url"),):
            urls = extension_urls(profile, of)
            if urls and str(of.element.get("path")).rpartition(".")[2] in ("extension", "modifierExtension"):
                return [_is_url(frozenset(urls))]
        return _valued(profile, of, path)
    spots = [Spot(profile, of)]
    for hop in path:
        spots = lead(spots, hop)
    if kind == "exists":
        return _existing(spots, path)
    if kind == "type":
        return _typed(spots, path)
    if kind == "profile":
        return _profiled(spots, path, profile, of)
    return None


def _is_url(urls: frozenset[str]) -> Test:
    def is_url(_: Scope, item: Item, __: int) -> bool:
        return type(item.value) is dict and item.value.get("url") in urls

    return is_url


def _anywhere(path: tuple[Hop, ...], good: Callable[[Scope, Item, int], bool]) -> Test:
    def anywhere(scope: Scope, item: Item, depth: int) -> bool:
        return any(good(inside, one, depth) for inside, one in walk(scope, item, path))

    return anywhere


def _valued(profile: Profile, of: Def, path: tuple[Hop, ...]) -> list[Test] | None:
    """By the fixed value or the pattern at the end of the path, or by that of something on the way."""
    spots = [Spot(profile, of)]
    for length in range(len(path) + 1):
        rest = path[length:]
        for spot in spots:
            found = _by_value(spot, path[:length], rest)
            if found is not None:
                return [found]
        if rest:
            spots = lead(spots, rest[0])
    for spot in spots:
        absent = spot.of.element.get("max") == "0"
        if absent:
            return [lambda scope, item, _: not walk(scope, item, path)]
        inner = _within(spot, path, 0)
        if inner:
            bound = [_anywhere(path, _in_set(*one, doubtful=True)) for one in map(_bound, spots) if one is not None]
            return inner + bound[:1]
    for spot in spots:
        one = _bound(spot)
        if one is not None:
            return [_anywhere(path, _in_set(*one))]
    return None


def _bound(spot: Spot) -> tuple[str, dict[str, Any] | None] | None:
    """The value set that a definition requires, and that resource, where the profile contains it."""
    binding = spot.of.element.get("binding")
    if type(binding) is dict and binding.get("strength") == "required" and type(binding.get("valueSet")) is str:
        url = binding["valueSet"]
        return url, contained_sets.contained(spot.profile.body, url) if url.startswith("#") else None
    return None


def _in_set(url: str, own: dict[str, Any] | None, doubtful: bool = False) -> Test:
    """`doubtful`: whether it passes where nobody can say, since something else tells the slice too."""

    def in_set(scope: Scope, item: Item, _: int) -> bool:
        found = codes.member(scope, item, url, own)
        return found is True or (doubtful and found is None)

    return in_set


def _by_value(spot: Spot, before: tuple[Hop, ...], rest: tuple[Hop, ...]) -> Test | None:
    for key, expected in spot.of.element.items():
        exact = key.startswith("fixed") and len(key) > 5
        if not exact and not (key.startswith("pattern") and len(key) > 7):
            continue
        if not rest:
            return _anywhere(before, _equals([expected], exact))
        parts = _parts(expected, rest)
        if parts:
            return _anywhere((*before, *rest), _equals(parts, False))
    return None


def _equals(parts: list[Any], exact: bool) -> Test:
    test = values.same if exact else values.matches

    def equals(_: Scope, item: Item, __: int) -> bool:
        return any(test(item.value, one) for one in parts)

    return equals


def _parts(value: Any, rest: tuple[Hop, ...]) -> list[Any]:
    """What lies at the end of a path in a fixed value or pattern."""
    found = [value]
    for hop in rest:
        after: list[Any] = []
        for one in found:
            part = one.get(hop.name) if type(one) is dict else None
            after += part if type(part) is list else [] if part is None else [part]
        found = after
    return found


def _within(spot: Spot, path: tuple[Hop, ...], depth: int) -> list[Test]:
    """By what the definition fixes below the end of the path: code -> code.coding.code."""
    found: list[Test] = []
    if depth > 3:
        return found
    for group in spot.of.groups.values():
        hop = Hop(group.name.removesuffix("[x]"))
        for one in (group.base, *(s for s in group.slices if least(s) > 0)):
            below = Spot(spot.profile, one)
            test = _by_value(below, (*path, hop), ())
            found += [test] if test is not None else _within(below, (*path, hop), depth + 1)
    return found


def _existing(spots: list[Spot], path: tuple[Hop, ...]) -> list[Test] | None:
    for spot in spots:
        if spot.of.element.get("max") == "0":
            return [lambda scope, item, _: not walk(scope, item, path)]
        if least(spot.of) > 0:
            return [lambda scope, item, _: bool(walk(scope, item, path))]
    return None


def _typed(spots: list[Spot], path: tuple[Hop, ...]) -> list[Test] | None:
    allowed: set[str] = set()
    for spot in spots:
        if spot.only is not None:
            allowed.add(spot.only)
        elif "." in str(spot.of.element.get("path")):
            allowed.update(type_codes(spot.of.element))
        else:
            allowed.add(spot.profile.type)
    if not allowed or allowed & {"Resource", "Element"}:
        return None
    return [_anywhere(path, lambda _, item, __: bool(allowed.intersection(ancestors(item.kind.name))))]


def _profiled(spots: list[Spot], path: tuple[Hop, ...], profile: Profile, of: Def) -> list[Test] | None:
    if path and path[-1].name == "resolve()":
        holders = [Spot(profile, of)]
        for hop in path[:-1]:
            holders = lead(holders, hop)
        key, spots = "targetProfile", holders
    else:
        key = "profile"
    wanted = [
        url
        for spot in spots
        for one in spot.of.element.get("type") or ()
        if type(one) is dict
        for url in (profiles_of(one) if key == "profile" else one.get(key) or ())
        if type(url) is str
    ]
    if not wanted:
        return None

    def conforming(scope: Scope, item: Item, depth: int) -> bool:
        return any(scope.run.library.conforms(scope, item, url, depth + 1)[0] is True for url in wanted)

    return [_anywhere(path, conforming)]
