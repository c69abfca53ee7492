"""Keyset positions: after which resource, by its sort values and rid, a page goes on."""

from __future__ import annotations

import json
from typing import Any, Final

from hilum.problems import Malformed

Position = tuple[tuple[Any, ...], int]
Moment = tuple[Any, ...]
"""What a store calls a state of it: the number of a version, and what else it takes. See `Dialect.moment`."""
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)  # `json.dumps` makes one each time
_TAIL: Final = 128
"""What follows the values is as long as this, or a multiple of it."""
NO_MOMENT: Final = "The position of this page is not one of this store. Begin the search anew."


def write(values: tuple[Any, ...], rid: int, moment: Moment = ()) -> str:
    """A position as text. It may hold values of a resource: whoever shows it to a client seals it.

    `moment`: as of when what follows is in order, where that may change. Its length tells nothing but that of the
    values: whether there is a moment, and how large its numbers are, goes by how much is stored, hidden or not.
    """
    if not values and not moment:
        return f"[{rid}]"
    text = _ENCODER.encode([*values, rid, list(moment)] if moment else [*values, rid])
    return text + " " * ((len(_ENCODER.encode(values)) - len(text)) % _TAIL)


def read(text: str, keys: int) -> Position:
    """The position of a search with so many sort keys. Raises Malformed when it is none of this search."""
    return parted(text, keys)[0]


def parted(text: str, keys: int) -> tuple[Position, Moment]:
    """The position and the moment (empty: none, as in links that older versions made). Raises Malformed."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    moment: Any = found.pop() if isinstance(found, list) and found and isinstance(found[-1], list) else []
    if not isinstance(found, list) or len(found) != keys + 1 or not isinstance(found[-1], int):
        raise Malformed("The position of this page is not one of this search. Begin the search anew.")
    return (tuple(found[:-1]), found[-1]), tuple(moment)
