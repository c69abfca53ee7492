"""Composite search parameters: values of one and the same element. https://hl7.org/fhir/R4/search.html#composite"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from hilum import fhirpath
from hilum.fhir.definitions import SearchParameter
from hilum.fhirpath.paths import Path, paths
from hilum.fhirpath.types import Type
from hilum.problems import Invalid, Issue, Unprocessable
from hilum.search.selections import Leaf, leaves, number

_SWAPPED: Final = "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship"
"""R4 gives its two components each other's expressions (`code` to the reference, `target` to the token)."""

MOST_PAIRS: Final = 50_000
"""Composite rows of one resource: the square of what is written, so that 100 kilobytes could make a million."""
_RESOURCE: Final = "%resource."


@dataclass(frozen=True, slots=True)
class Pairs:
    """What one composite selects in one kind of element: the rows of `number`.

    `context`: the element. `first`: leaves of tokens, from the resource down when `absolute`, else from the element.
    `seconds`: the leaves of the second value (and of a window's end); their kinds in `kinds`, and in `whole` whether
    they, too, are from the resource down.
    """

    number: int
    context: Path
    absolute: bool
    first: tuple[Leaf, ...]
    kinds: tuple[str, ...]
    seconds: tuple[tuple[Leaf, ...], ...]
    whole: tuple[bool, ...]


def composite(type: str, definition: SearchParameter, kinds: tuple[str, ...]) -> tuple[Pairs, ...]:
    """What a composite parameter selects, given the types of its components; none where one of them is a string.

    A string (`code-value-string`) has no row of its own: its element is the resource, and so it is two parameters of
    which both must hold.
    """
    if "string" in kinds:
        return ()
    texts = [component.expression for component in definition.component]
    if definition.url == _SWAPPED:
        texts.reverse()
    # The code comes first in the row, wherever it stands in the query.
    order = sorted(range(len(kinds)), key=lambda i: (kinds[i] != "token", i))
    found = []
    for context in paths(fhirpath.parse(definition.expression or ""), type):
        first, *rest = (_component(type, context, kinds[i], texts[i]) for i in order)
        if first and all(rest):
            some = tuple(kinds[i] for i in order[1:])
            absolute, *whole = (texts[i].startswith(_RESOURCE) for i in order)
            parts = (";".join(map(str, one)) for one in (first, *rest))
            from_top = ("%" for one in whole if one)  # none in R4, whose numbers stay
            numbered = number(type, "composite", str(context), *parts, *from_top)
            found.append(Pairs(numbered, context, absolute, first, some, tuple(rest), tuple(whole)))
    return tuple(found)


def bounded(made: int, *values: Collection[Any]) -> None:
    """Raises Unprocessable (too-costly) where these values would make too many pairs, of which there are `made`."""
    if made + math.prod(map(len, values)) > MOST_PAIRS:
        text = f"A composite search parameter has more than {MOST_PAIRS:,} combinations of values in the resource."
        raise Unprocessable(issues=(Issue("error", "too-costly", text),))


def apart(type: str, definition: SearchParameter, kinds: tuple[str, ...]) -> tuple[tuple[Leaf, ...], ...]:
    """The leaves of each component, from the resource down, of a composite that has no rows of its own."""
    if "string" not in kinds:
        return ()
    here = Path((), Type(type))
    if paths(fhirpath.parse(definition.expression or ""), type) != (here,):
        raise Invalid(f"The composite {definition.code!r} with a string is supported only of the resource itself.")
    return tuple(
        _component(type, here, kind, c.expression) for kind, c in zip(kinds, definition.component, strict=True)
    )


def _component(type: str, context: Path, kind: str, text: str) -> tuple[Leaf, ...]:
    """The leaves of a component: their paths begin at the element, or at the resource for `%resource`."""
    start = Type(type) if text.startswith(_RESOURCE) else context.type
    # FHIR's own type is meant, and R4 writes the name of FHIRPath's.
    tree = fhirpath.parse(text.removeprefix(_RESOURCE).replace("as(DateTime)", "as(dateTime)"))
    return tuple(leaf for path in paths(tree, start) for leaf in leaves(kind, path))
