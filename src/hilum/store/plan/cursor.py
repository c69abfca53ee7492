"""Keyset positions: after which resource, by its sort values and rid, a page goes on."""

from __future__ import annotations

import json
from typing import Any

from hilum.problems import Malformed

Position = tuple[tuple[Any, ...], int]


def write(values: tuple[Any, ...], rid: int) -> str:
    """A position as text. It may hold values of a resource: whoever shows it to a client seals it."""
    return json.dumps([*values, rid], separators=(",", ":"), ensure_ascii=False)


def read(text: str, keys: int) -> Position:
    """The position of a search with so many sort keys. Raises Malformed when it is none of this search."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != keys + 1 or not isinstance(found[-1], int):
        raise Malformed("The position of this page is not one of this search. Begin the search anew.")
    return tuple(found[:-1]), found[-1]
