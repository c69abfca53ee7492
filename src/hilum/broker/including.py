"""What may come along with the matches of a search: the types that its includes name, and no others.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, search_parameters
from hilum.oauth.scopes import Search
from hilum.problems import Invalid

INCLUDE: Final = "_include"
REVINCLUDE: Final = "_revinclude"
_VALUE: Final = re.compile(r"([A-Za-z]+):([A-Za-z0-9-]+)(?::([A-Za-z]+))?")
_ANY: Final = 100
"""A parameter that may lead to more types than these leads to all of them: Reference(Any)."""


def brought(search: Search) -> tuple[str, ...]:
    """The types that these parameters ask for beside the type that is searched. Raises Invalid where one of them does
    not say it.
    """
    return tuple(dict.fromkeys(type for name, value in search for type in _types(name.partition(":")[0], value)))


def _types(name: str, value: str) -> Iterable[str]:
    if name not in (INCLUDE, REVINCLUDE):
        return ()
    found = _VALUE.fullmatch(value)
    if found is None or found[1] not in TYPE_NUMBER or (found[3] or "Patient") not in TYPE_NUMBER:
        raise Invalid(f"names what {name} brings as Type:parameter or Type:parameter:Target, by types of R4.")
    source, parameter, target = found.groups()
    if name == REVINCLUDE:
        return (source,)
    if target:
        return (target,)
    targets = _targets().get((source, parameter), ())
    if not targets or len(targets) > _ANY:
        raise Invalid(f"has {name}={value}, which does not say what it brings: name the type, {value}:Target.")
    return targets


@cache
def _targets() -> dict[tuple[str, str], tuple[str, ...]]:
    return {(type, one.code): one.target for one in search_parameters() for type in one.base}
