"""The arguments of a search in GraphQL to the parameters of a search. https://hl7.org/fhir/R4/graphql.html#searching"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.graphql.types import codes, refers
from hilum.problems import Invalid
from hilum.search.parameters import R4, Parameter, Registry

Pairs = list[tuple[str, str]]

_COMMA: Final = re.compile(r"(?<!\\),")
_AS_IT_IS: Final = frozenset(("_filter", "_text", "_content", "_list"))
_NOT_ASKED: Final = frozenset(("_count", "fhirpath", "_reference", "cursor", "_cursor"))


def pairs(type: str, given: dict[str, Any], registry: Registry = R4) -> Pairs:
    """Parameters and values, as a query string would have them, `_count` aside.

    An array is a list of alternatives; a comma in a value is part of it: "the composite syntax (multiple arguments
    separated by comma) is not used". Raises Invalid for null in an array.
    """
    names = codes(type, registry)
    found: Pairs = []
    for name, values in given.items():
        if name in _NOT_ASKED:
            continue
        if any(value is None for value in values):
            raise Invalid(f"The argument {name} has null among its values.")
        if name in _AS_IT_IS:
            found += [(name, value) for value in values]
        elif name == "_sort":
            found.append((name, ",".join(_key(value, names) for value in values)))
        else:
            found.append((names[name], ",".join(_COMMA.sub(r"\\,", value) for value in values)))
    return found


def _key(text: str, names: dict[str, str]) -> str:
    """One key of `_sort`, with `_` for `-` in the name of its parameter, too."""
    name = text.removeprefix("-")
    return text[: len(text) - len(name)] + names.get(name, name)


def reference_parameter(type: str, name: str, registry: Registry = R4) -> Parameter:
    """The parameter that `_reference` names. Raises Invalid."""
    names, table = codes(type, registry), registry.table(type)
    code = names.get(name, name)
    found = table.get(code)
    if code in registry.waiting(type):
        raise Invalid(registry.why_not(type, code))
    if found is None or not refers(found):
        known = ", ".join(sorted(key for key, code in names.items() if code in table and refers(table[code])))
        raise Invalid(f"_reference of {type} takes one of its search parameters of type reference: {known}.")
    return found
