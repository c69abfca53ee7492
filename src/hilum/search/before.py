"""The index rows of the version before, without indexing it anew: only what an update changed is looked at.

An update changes a telephone number and leaves the rest. Elements at the top of a resource whose stored bytes are equal
have equal rows; those that feed the same parameters are judged together, so that a row that two of them say is not
lost with one. https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from hilum.fhir import json
from hilum.fhir.resource import Draft, Resource
from hilum.fhirpath.paths import Field, Path
from hilum.search.generate import named_by, owners
from hilum.search.index import MAKERS, collect, index
from hilum.search.parameters import R4, Registry, canonical_types
from hilum.search.rows import Rows
from hilum.search.selections import versioned

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_LARGE: Final = 1 << 18
"""Bytes. Of more the version before is indexed whole, in pieces that leave the interpreter to others."""


def before(current: Resource, made: Draft, body: dict[str, Any], rows: Rows, registry: Registry = R4) -> Rows:
    """`index` of the current version, given the version `made` of `body` that follows it and the `rows` of that.

    Neither is a deletion, and both have the same type and id. Bytes are compared, not values: 1.0 is not 1.00 here.
    Kinds of rows that are the same are the very same tuple.
    """
    tail = made.tail_of(current)
    if tail == made.tail:
        return rows
    joined = _joined(current.type, registry.over(current.type))
    if joined.unknown or len(tail) + len(made.tail) > _LARGE:
        return index(current.type, current.body, None, registry)
    was, now = _elements(tail), _elements(made.tail)
    changed = set(joined.always)
    for key in [key for key, raw in now.items() if was.get(key) != raw] + [key for key in was if key not in now]:
        changed |= joined.groups.get(key, _NONE)
    less = collect(current.type, {key: body[key] for key in changed if key in body}, current.id, registry)
    past = {key: json.stored(bytes(was[key])) for key in changed if key in was}
    more = collect(current.type, past, current.id, registry)
    if less == more:
        return rows
    return Rows(
        **{
            name: _swapped(made, getattr(rows, name), getattr(less, name), getattr(more, name))
            for name, made in MAKERS.items()
        }
    )


def _swapped(ordered: Callable[[Any], Any], rows: tuple[Any, ...], less: list[Any], more: list[Any]) -> Any:
    """The rows without `less` and with `more`; the very same tuple where those are equal."""
    return rows if less == more else ordered(set(rows).difference(less).union(more))


def _elements(tail: bytes) -> dict[str, msgspec.Raw]:
    """The elements after id, undecoded, of bytes that begin in the middle of meta, at the end of lastUpdated."""
    return _decode(b'{"meta":{"lastUpdated":"' + tail)


class _Joined(NamedTuple):
    """`groups`: element at the top -> those that share a parameter with it, itself among them.

    `always`: those that are indexed in any case, since something is computed from them. `unknown`:
    some parameter does not tell which elements it looks at.
    """

    groups: dict[str, frozenset[str]]
    always: frozenset[str]
    unknown: bool


_NONE: Final[frozenset[str]] = frozenset()


def _joined(type: str, registry: Registry) -> _Joined:
    found: _Joined | None = registry.made.get(("joined", type))
    if found is None:
        found = registry.made["joined", type] = _join(type, registry)
    return found


def _join(type: str, registry: Registry) -> _Joined:
    feeds: dict[int, set[str]] = {}
    computed: set[str] = set()
    unknown = False
    compartment = owners(type, registry)
    parameters = registry.parameters(type)
    for selection in dict.fromkeys(one for parameter in parameters for one in parameter.selections):
        keys = {_first(leaf.path) for leaf in selection.leaves}
        if selection.expression is not None:
            named = named_by(selection.expression, type)
            unknown |= named is None
            keys = set(named or ())
            if selection.kind == "token":  # false, too, is a value
                computed |= keys
        # All selections that put a resource into a compartment count as one: the compartments are one list.
        for number in selection.numbers:
            feeds.setdefault(-1 if selection.main in compartment else number, set()).update(keys)
    for pairs in dict.fromkeys(one for parameter in parameters for one in parameter.pairs):
        seconds = list(zip(pairs.seconds, pairs.whole, strict=True))
        inner = [leaf.path for some, whole in seconds if not whole for leaf in some]
        above = {_first(leaf.path) for some, whole in seconds if whole for leaf in some}
        first = [leaf.path for leaf in pairs.first]
        below = [] if pairs.absolute else first
        keys = above | ({_first(path) for path in first} if pairs.absolute else set())
        # Within an element of the resource that element is what counts, of the resource itself its parts are.
        keys |= {_first(pairs.context)} if pairs.context.steps else {_first(path) for path in (*inner, *below)}
        feeds.setdefault(pairs.number, set()).update(keys)
    if type in canonical_types():
        feeds[versioned(type)] = {"url", "version"}
    feeds[0] = {"contained"}  # rows of what is contained are under no number of this type
    unknown |= any("" in keys for keys in feeds.values())
    for keys in feeds.values():
        keys |= {f"_{key}" for key in keys}
    groups = _united(feeds.values())
    always = frozenset(key for one in computed for key in groups.get(one, _NONE))
    return _Joined(groups, always, unknown)


def _first(path: Path) -> str:
    """The element at the top of the resource that a path goes through; "" when it does not tell."""
    return path.steps[0].key if path.steps and isinstance(path.steps[0], Field) else ""


def _united(sets: Iterable[set[str]]) -> dict[str, frozenset[str]]:
    """Each key -> the union of all sets that are linked to it by common keys."""
    parts: list[set[str]] = []
    for one in sets:
        linked = [part for part in parts if not part.isdisjoint(one)]
        parts = [part for part in parts if part.isdisjoint(one)] + [one.union(*linked)]
    return {key: frozenset(part) for part in parts for key in part}
