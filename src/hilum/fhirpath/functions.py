"""All FHIRPath functions that hilum has, as a table. https://hl7.org/fhirpath/N1/#functions

A function that is not in the table is refused when the expression is compiled. `is`, `as` and `ofType` take a type and
`defineVariable` a name: the compiler knows them.
"""

from __future__ import annotations

from typing import Final

from hilum.fhirpath.conversions import CONVERSIONS
from hilum.fhirpath.function import Function
from hilum.fhirpath.items import ITEMS
from hilum.fhirpath.mathematics import MATH
from hilum.fhirpath.resources import RESOURCES
from hilum.fhirpath.strings import TEXT

FUNCTIONS: Final[dict[str, Function]] = {**ITEMS, **TEXT, **CONVERSIONS, **MATH, **RESOURCES}
COMPILED: Final = ("as", "defineVariable", "is", "ofType")
"""Functions that the compiler makes itself."""
REFUSED: Final = {
    "elementDefinition": "gives definitions, which hilum does not have as resources here",
    "slice": "needs a profile's slices; use where()",
}
"""Functions of FHIR's that hilum does not have, and why."""
