"""What the CapabilityStatement says of search, from the tables that searches are read with.

https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from hilum.fhir.definitions import TYPES
from hilum.search.modifiers import modifiers
from hilum.search.parameters import R4, Parameter, Registry

_DEFINITION: Final = "http://hl7.org/fhir/SearchParameter/"

GENERAL: Final[tuple[dict[str, Any], ...]] = (
    {"name": "_content", "definition": f"{_DEFINITION}Resource-content", "type": "string"},
    {"name": "_filter", "definition": f"{_DEFINITION}filter", "type": "special"},
    {"name": "_text", "definition": f"{_DEFINITION}DomainResource-text", "type": "string"},
    {"name": "_list", "type": "special", "documentation": "https://hl7.org/fhir/R4/search.html#list"},
    {"name": "_has", "type": "special", "documentation": "https://hl7.org/fhir/R4/search.html#has"},
    {"name": "_contained", "type": "token", "documentation": "https://hl7.org/fhir/R4/search.html#contained"},
    {"name": "_containedType", "type": "token", "documentation": "https://hl7.org/fhir/R4/search.html#containedType"},
)
"""What is asked of resources of every type, beside the parameters that each of them has."""
_FULL_TEXT: Final = frozenset(("_content", "_text"))


def general(*, full_text: bool) -> list[dict[str, Any]]:
    """What there is of `GENERAL`, and what every type has. `full_text`: whether the words of texts are kept."""
    every = [_parameter(one) for one in R4.parameters("Basic") if one.url.startswith(f"{_DEFINITION}Resource-")]
    return [*every, *(one for one in GENERAL if full_text or one["name"] not in _FULL_TEXT)]


def of_type(type: str, registry: Registry) -> dict[str, Any]:
    """`searchParam`, `searchInclude` and `searchRevInclude` of one resource type."""
    own = registry.parameters(type)
    followed = [f"{type}:{one.code}" for one in own if _leads_on(one)]
    found: dict[str, Any] = {"searchParam": [_parameter(one) for one in own]}
    found["searchInclude"] = ["*", f"{type}:*", *followed] if followed else ["*"]
    if referring := _referring(registry).get(type):
        found["searchRevInclude"] = ["*", *referring]
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
    if known := modifiers(parameter):
        found["documentation"] = f"Modifiers: {', '.join(f':{one}' for one in known)}."
    return found


def _leads_on(parameter: Parameter) -> bool:
    return parameter.type == "reference"


@lru_cache(maxsize=2)
def _referring(registry: Registry) -> dict[str, list[str]]:
    """Resource type -> the parameters, of all types, by which others refer to it."""
    found: dict[str, list[str]] = {}
    for source in TYPES:
        for one in registry.parameters(source):
            if _leads_on(one):
                for target in one.targets or TYPES:
                    found.setdefault(target, []).append(f"{source}:{one.code}")
    return found
