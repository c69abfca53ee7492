"""What a Reference may lead to. https://hl7.org/fhir/R4/references.html#Reference

The type is known from the reference's url, its `type`, or from the resource where it can be found: contained, in the
same Bundle, or by whoever called. Only what can be found can be held against a profile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hilum.validation.profiles.running import Found, Scope, error, noted, said_type
from hilum.validation.profiles.shapes import RESOURCES, Item, Kind, ancestors
from hilum.validation.profiles.tree import Def

Step = Callable[[Scope, Item, int], Found]

CORE = "http://hl7.org/fhir/StructureDefinition/"


def targets(of: Def, where: str) -> Step | None:
    """The check of an element whose type is a Reference to something, or aggregated somehow."""
    wanted: list[str] = []
    modes: set[str] = set()
    free = False
    for one in of.element.get("type") or ():
        if type(one) is not dict or one.get("code") != "Reference":
            continue
        named = [url for url in one.get("targetProfile") or () if url]
        free = free or not named or f"{CORE}Resource" in named
        wanted += named
        modes.update(mode for mode in one.get("aggregation") or () if type(mode) is str)
    if (free or not wanted) and not modes:
        return None

    def target(scope: Scope, item: Item, depth: int) -> Found:
        value = item.value
        if type(value) is not dict or item.kind.name != "Reference":
            return None
        url = value.get("reference")
        found = scope.find(url) if type(url) is str else None
        out: Found = None
        if modes and found is not None and found[2] not in modes:
            out = error("structure", f"is {found[2]}, but may only be {' or '.join(sorted(modes))} ({where})")
        if free or not wanted:
            return out
        return (out or []) + (_judged(scope, value, found, wanted, depth, where) or []) or None

    return target


def _judged(
    scope: Scope,
    value: dict[str, Any],
    found: tuple[dict[str, Any], Scope, str] | None,
    wanted: list[str],
    depth: int,
    where: str,
) -> Found:
    name = found[0].get("resourceType") if found is not None else said_type(value)
    if type(name) is not str or name not in RESOURCES:
        return None
    library = scope.run.library
    fitting, unknown = [], []
    for url in wanted:
        profile = library.known(url)
        type_ = profile.type if profile is not None else _plain(url)
        if type_ is None:
            unknown.append(url)
        elif type_ in ancestors(name):
            fitting.append(url)
    if not fitting:
        if unknown:
            text = f"can't be checked: {', '.join(unknown)} is not known here ({where})"
            return noted("warning" if found is None else scope.run.rules.unknown_profiles, "not-found", text)
        return error("structure", f"leads to a {name}, which is none of {', '.join(wanted)} ({where})")
    if found is None:
        return None
    body, inside, _ = found
    item = Item("", body, None, Kind(name))
    for url in fitting:
        if _plain(url) is not None or library.conforms(inside, item, url, depth)[0] is not False:
            return None
    text = f"leads to a {name} that conforms to none of {', '.join(fitting)} ({where})"
    return error("structure", text)


def _plain(url: str) -> str | None:
    """The type that a url of R4's own means: a target by type alone."""
    name = url.partition("|")[0].removeprefix(CORE)
    return name if name in RESOURCES or name in ("Resource", "DomainResource") else None
