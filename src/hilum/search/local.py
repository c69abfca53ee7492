"""References to what a resource itself contains: `#m1`. https://hl7.org/fhir/R4/references.html#contained

They stand in no index. Where one leads tells the body: the elements that a parameter selects, walked along its paths.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any, NamedTuple

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath.paths import Carries, Equals, Field, RefersTo, Step
from hilum.search.parameters import R4, Registry
from hilum.search.selections import Leaf

_URLS = frozenset(("canonical", "uri"))
Numbers = tuple[int, ...]


class Link(NamedTuple):
    """A local reference: the id that it names, and the leaf by which a parameter selects it."""

    id: str
    leaf: Leaf

    def may_be(self, type: str) -> bool:
        """Whether the parameter is about references to this type."""
        return self.leaf.only in (None, type) and type not in self.leaf.but


def selects(type: str, parameters: Numbers, names: Numbers, registry: Registry = R4) -> tuple[Leaf, ...]:
    """What these numbers (of reference parameters; of those by canonical url) select of a resource type."""
    own = registry.over(type)
    key = ("local", type, parameters, names)
    found: tuple[Leaf, ...] | None = own.made.get(key)
    if found is None:
        if len(own.made) > _MOST:
            return _selected(type, parameters, names, own)
        found = own.made[key] = _selected(type, parameters, names, own)
    return found


_MOST = 20_000
"""So much a registry keeps at most; clauses are made of its own parameters, so there is hardly ever as much."""


def links(
    type: str, body: dict[str, Any], parameters: Numbers, names: Numbers, registry: Registry = R4
) -> Iterator[Link]:
    """The local references by which these numbers lead into the resource itself."""
    for leaf in selects(type, parameters, names, registry):
        for value in _walk(body, leaf.path.steps):
            text = value if leaf.form in _URLS else value.get("reference") if isinstance(value, dict) else None
            if isinstance(text, str) and text[:1] == "#" and len(text) > 1:
                yield Link(text[1:], leaf)


def _selected(type: str, parameters: Container[int], names: Container[int], registry: Registry) -> tuple[Leaf, ...]:
    if type not in TYPE_NUMBER:
        return ()
    found: dict[Leaf, None] = {}
    for parameter in registry.table(type).values():
        if parameter.type != "reference":
            continue
        for one in parameter.selections:
            for leaf in one.leaves:
                if (leaf.form == "reference" and one.main in parameters) or (leaf.form in _URLS and one.whole in names):
                    found[leaf] = None
    return tuple(found)


def _walk(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """The values at the end of the steps."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    match step:
        case Field(key=key, many=many):
            below = value.get(key)
            for one in (below or ()) if many else (below,):
                if one is not None:
                    yield from _walk(one, rest)
        case Equals(key=key, value=wanted):
            if value.get(key) == wanted:
                yield from _walk(value, rest)
        case Carries(url=url):
            if any(one.get("url") == url for one in value.get("extension", ())):
                yield from _walk(value, rest)
        case RefersTo():  # in the midst of a path: nothing local is there
            return
