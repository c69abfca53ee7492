"""All FHIRPath functions that hilum has, as a table. https://hl7.org/fhirpath/N1/#functions

A function that is not in the table is refused when the expression is compiled. `is`, `as` and `ofType` take a type and
`defineVariable` a name: the compiler knows them.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, Final

from hilum.fhirpath.conversions import CONVERSIONS
from hilum.fhirpath.function import Function
from hilum.fhirpath.items import ITEMS
from hilum.fhirpath.mathematics import MATH
from hilum.fhirpath.resources import RESOURCES
from hilum.fhirpath.strings import TEXT
from hilum.fhirpath.syntax import Call, Expression, TypeOperation

FUNCTIONS: Final[dict[str, Function]] = {**ITEMS, **TEXT, **CONVERSIONS, **MATH, **RESOURCES}
COMPILED: Final = ("as", "defineVariable", "is", "ofType")
"""Functions that the compiler makes itself."""
REFUSED: Final = {
    "elementDefinition": "gives definitions, which hilum does not have as resources here",
    "slice": "needs a profile's slices; use where()",
}
"""Functions of FHIR's that hilum does not have, and why."""


def outside(tree: Expression) -> frozenset[str]:
    """The functions of an expression whose answers depend on more than the resource: on the time, other resources,
    terminology, profiles. `resolve() is Patient` does not: the text of the reference says it.
    """
    found: set[str] = set()
    waiting: list[Any] = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += part
            continue
        if not is_dataclass(part):
            continue
        match part:
            case (
                TypeOperation(operator="is", operand=Call(name="resolve") as call)
                | Call(name="is", source=Call(name="resolve") as call)
            ):
                waiting.append(call.source)
                continue
            case Call(name=name) if name in FUNCTIONS and FUNCTIONS[name].outside:
                found.add(name)
        waiting += [getattr(part, one.name) for one in fields(part)]
    return frozenset(found)
