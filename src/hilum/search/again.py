"""Whole searches that were read before: what polls, and what many people open, asks the same again and again.

A Parsed is a value, so that one can serve many requests. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.search.seen import Seen

LONGEST: Final = 600
"""Characters of the names and values of a search that is remembered."""
MOST: Final = 1024


def read_again(
    type: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    lenient: bool,
    base: str,
    compartment: tuple[str, str] | None,
    now: int,
    max_count: int,
    registry: Registry,
    full_text: bool,
) -> Parsed:
    """`parse_query` of a client's search (`empty`), kept from the second time on. Raises what it raises, each time."""
    length = 0
    for name, value in pairs:
        length += len(name) + len(value)
    asked = (type, tuple(pairs), lenient, base, compartment, now, max_count, registry, full_text)
    if length > LONGEST:
        return _read(*asked)
    kept = _KEPT.get(asked)
    if kept is not None:
        return kept
    found = _read(*asked)
    if _SEEN.met(asked):
        found = replace(found, kept=True)
        if len(_KEPT) >= MOST:
            _KEPT.clear()
        _KEPT[asked] = found
    return found


_KEPT: Final[dict[tuple[Any, ...], Parsed]] = {}
_SEEN: Final = Seen()


def _read(
    type: str | None,
    pairs: tuple[tuple[str, str], ...],
    lenient: bool,
    base: str,
    compartment: tuple[str, str] | None,
    now: int,
    max_count: int,
    registry: Registry,
    full_text: bool,
) -> Parsed:
    return parse_query(
        type,
        pairs,
        lenient=lenient,
        base=base,
        compartment=compartment,
        now=now,
        max_count=max_count,
        registry=registry,
        full_text=full_text,
        empty=True,
    )
