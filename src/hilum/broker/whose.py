"""Whose resource it is, by what it says itself: a search of one patient may answer with another's.

A type is about whom its search parameter `patient` (else `subject`) finds: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from hilum.fhir.definitions import search_parameters
from hilum.fhirpath.references import local, target_type

Resource = Mapping[str, Any]
Name = tuple[str, str]

_PATH: Final = re.compile(r"(?P<type>[A-Za-z]+)\.(?P<path>[a-z][A-Za-z]*(?:\.[a-z][A-Za-z]*)*)(?:\.where\(.*\))?")


@cache
def _parameters() -> dict[Name, str]:
    found = search_parameters()
    return {(type, one.code): one.expression for one in found if one.expression for type in one.base}


@cache
def paths(type: str) -> tuple[tuple[str, ...], ...]:
    """Where a type says which patients it is about, as names of elements; () for types that are about none."""
    expression = _parameters().get((type, "patient")) or _parameters().get((type, "subject")) or ""
    found = (_PATH.fullmatch(one.strip()) for one in expression.split("|"))
    return tuple(tuple(one["path"].split(".")) for one in found if one and one["type"] == type)


UNCLEAR: Final = "?"
"""Somebody, or something, that is not named by a URL: an identifier, a contained resource, a name only."""


def subjects(resource: Resource, base: str) -> set[str]:
    """The patients that a resource is about: ids of the EHR at `base`, absolute URLs of those elsewhere, UNCLEAR."""
    found: set[str] = set()
    for path in paths(resource["resourceType"]):
        for one in _at(resource, path):
            text = one.get("reference") if isinstance(one, Mapping) else None
            name = named(text, base) if type(text) is str else None
            if name is not None:
                if name[0] == "Patient":
                    found.add(name[1])
            elif type(text) is str and target_type(text):
                if target_type(text) == "Patient":
                    found.add(text)
            else:
                found.add(UNCLEAR)
    return found


def named(reference: str, base: str) -> Name | None:
    """(type, id) of a resource of the EHR at `base`, a version left off; None for everything else."""
    return local(reference.removeprefix(f"{base}/"))


def _at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands there; lists are gone through."""
    if isinstance(value, list):
        for one in value:
            yield from _at(one, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _at(value[path[0]], path[1:])
