"""Whole searches that were read before: what polls, and what many people open, asks the same again and again.

A Parsed is a value, so that one can serve many requests. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query

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
    """`parse_query` of a client's search (`empty`), once for each. Raises what it raises, each time."""
    length = 0
    for name, value in pairs:
        length += len(name) + len(value)
    read = _kept if length <= LONGEST else _read  # by position: keywords in its key double what a hit costs (0.6 µs)
    return read(type, tuple(pairs), lenient, base, compartment, now, max_count, registry, full_text)


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


@lru_cache(maxsize=MOST)
def _kept(*asked: Any) -> Parsed:
    return replace(_read(*asked), kept=True)
