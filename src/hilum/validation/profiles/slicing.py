"""Slicing: which of several definitions an item of a list belongs to. https://hl7.org/fhir/R4/profiling.html#slicing

An item belongs to the first slice all of whose discriminators it passes (discriminators.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.validation.profiles.discriminators import Test, hops, tests
from hilum.validation.profiles.running import Found, Scope, error, under
from hilum.validation.profiles.shapes import Item
from hilum.validation.profiles.tree import Def, Group, least, most

if TYPE_CHECKING:
    from hilum.validation.profiles.compiled import Place, Profile


class _Slice:
    """One slice: its place, how often it may be there, and how its items are known."""

    __slots__ = ("key", "label", "least", "most", "name", "parent", "place", "tests")

    def __init__(self, profile: Profile, of: Def, name: str, found: list[Test] | None) -> None:
        self.name = name
        self.parent = name.rpartition("/")[0]
        self.place: Place = profile.place(of)
        self.least = least(of)
        self.most = most(of)
        self.tests = found
        self.label = f"{of.label}, profile {profile.name}"


class Slicing:
    """The slices of one element."""

    __slots__ = ("_closed", "_end", "_known", "_ordered", "_profile", "_slices", "_what", "group")

    def __init__(self, profile: Profile, group: Group) -> None:
        self.group = group
        self._profile = profile
        self._slices: list[_Slice] | None = None
        slicing = group.base.element.get("slicing")
        slicing = slicing if type(slicing) is dict else {}
        self._closed = slicing.get("rules") == "closed"
        self._end = slicing.get("rules") == "openAtEnd"
        self._ordered = slicing.get("ordered") is True
        self._known = True
        self._what = f"{group.base.label}, profile {profile.name}"

    def _compiled(self) -> list[_Slice]:
        if self._slices is None:
            group, profile = self.group, self._profile
            top = _discriminators(group.base, group.name)
            by_name = {one.slice: one for one in group.slices}
            made: list[_Slice] = []
            for one in group.slices:
                name = one.slice or ""
                parent = by_name.get(name.rpartition("/")[0]) if "/" in name else None
                used = top if parent is None else _discriminators(parent, group.name) or top
                found = None if name.endswith("@default") else _tests(profile, one, used)
                made.append(_Slice(profile, one, name, found))
            # Finer slices first: what a slice's own slices take is theirs, and their parent's.
            self._slices = made
            self._known = bool(top)
        return self._slices

    def check(self, scope: Scope, values_: list[Item], depth: int) -> Found:
        """What is wrong with the items as slices, seen from the object that holds them."""
        slices = self._compiled()
        if not slices and not self._closed:
            return None
        out: Found = None
        counts = [0] * len(slices)
        latest, open_at = -1, None
        for item in values_:
            index, again = self._of(scope, slices, item, depth)
            if again is not None and index is not None:
                text = f"is in slice {slices[index].name} and in slice {slices[again].name} ({self._what})"
                out = (out or []) + under(item.step, error("structure", text))
            if index is None:
                if self._closed and self._known:
                    out = (out or []) + under(
                        item.step, error("structure", f"is in no slice, and the slicing is closed ({self._what})")
                    )
                open_at = item.step
                continue
            own = slices[index]
            if self._end and open_at is not None:
                text = f"is in slice {own.name}, but stands behind items of none ({self._what})"
                out = (out or []) + under(item.step, error("structure", text))
            if self._ordered and index < latest:
                text = f"is in slice {own.name}, which must stand before {slices[latest].name} ({self._what})"
                out = (out or []) + under(item.step, error("structure", text))
            latest = max(latest, index)
            for number, one in enumerate(slices):
                if number == index or (own.name.startswith(f"{one.name}/")):
                    counts[number] += 1
                    found = one.place.check(scope, item, depth)
                    if found:
                        out = (out or []) + under(item.step, found)
        for one, count in zip(slices, counts, strict=True):
            if one.tests is None and one.least and not one.name.endswith("@default"):
                continue
            if count < one.least:
                out = (out or []) + error(
                    "required", f"must have at least {one.least} in slice {one.name}, but has {count} ({one.label})"
                )
            elif one.most is not None and count > one.most:
                out = (out or []) + error(
                    "structure", f"may have at most {one.most} in slice {one.name}, but has {count} ({one.label})"
                )
        return out

    def _of(self, scope: Scope, slices: list[_Slice], item: Item, depth: int) -> tuple[int | None, int | None]:
        """The slice of an item, and another one that it is in as well; the default when it is in none.

        An item of a slice may be in one of that one's own slices, too: then that one is meant.
        """
        found: int | None = None
        again: int | None = None
        default: int | None = None
        for index, one in enumerate(slices):
            if one.name.endswith("@default"):
                default = index
            elif one.tests is None or (one.parent and (found is None or one.parent != slices[found].name)):
                continue
            elif all(test(scope, item, depth) for test in one.tests):
                if found is None or one.parent:
                    found = index
                elif again is None and one.parent == slices[found].parent:
                    again = index
        return (default if found is None else found), again


def _discriminators(of: Def, name: str) -> list[tuple[str, str]]:
    slicing = of.element.get("slicing")
    found = slicing.get("discriminator") if type(slicing) is dict else None
    listed = [
        (one["type"], one["path"])
        for one in (found if type(found) is list else ())
        if type(one) is dict and type(one.get("type")) is str and type(one.get("path")) is str
    ]
    if listed:
        return listed
    if name in ("extension", "modifierExtension"):
        return [("value", "url")]
    return [("type", "$this")] if name.endswith("[x]") else []


def _tests(profile: Profile, of: Def, discriminators: list[tuple[str, str]]) -> list[Test] | None:
    """The tests of a slice; None when no discriminator says how to know it."""
    found: list[Test] = []
    for kind, path in discriminators:
        steps = hops(path)
        own = None if steps is None else tests(profile, of, kind, steps)
        found += own or []
    return found or None
