"""PyPI fhirpathpy as a second opinion on search expressions; it shares no code with hilum.

Four things of R4's search expressions it does not do, so they are put in other words for it:
- `resolve() is T` is not implemented: a pattern on the text of the reference, as hilum means it;
- `hasExtension(url)`, which no specification defines: given to it as a function;
- `(a.b as T)` on several items is an error to it (as FHIRPath says, against R4's own use): `a.b.ofType(T)`;
- a path that begins with the abstract type `Resource` gives nothing: the prefix is left out.

It changes what it is given (`_given` beside a null), so it gets copies, and `has_null` names the resources that it
can't do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

_RESOLVES = re.compile(r"resolve\(\) is (\w+)")
_AS = re.compile(r"\(([\w.]+) as (\w+)\)")


def _has_extension(items: list[Any], url: str) -> bool:
    return any(extension.get("url") == url for item in items for extension in item.get("extension", []))


_OPTIONS = {"userInvocationTable": {"hasExtension": {"fn": _has_extension, "arity": {1: ["String"]}}}}


@cache
def evaluator(expression: str, *, nodes: bool = False) -> Callable[[dict[str, Any]], list[Any]]:
    """A function from a resource to what the expression selects; with `nodes` to fhirpathpy's typed nodes."""
    said = _RESOLVES.sub(r"reference.matches('(.*/)?\1/[A-Za-z0-9.-]+(/_history/.*)?$')", expression)
    said = _AS.sub(r"\1.ofType(\2)", said).replace("Resource.", "")
    options = {**_OPTIONS, "returnRawData": True} if nodes else _OPTIONS
    evaluate = fhirpathpy.compile(said, models["r4"], options)
    return lambda resource: evaluate(deepcopy(resource))


def has_null(value: Any) -> bool:
    """Whether an array of primitives has an element without a value (only with extensions)."""
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    return isinstance(value, list) and any(one is None or has_null(one) for one in value)
