"""What the CapabilityStatement says of search, from the tables that searches are read with.

https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.resource.searchParam
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from hilum.fhir.definitions import TYPES
from hilum.search import values
from hilum.search.clauses import modifiers
from hilum.search.parameters import Parameter, Registry

_DEFINITION: Final = "http://hl7.org/fhir/SearchParameter/"

GENERAL: Final[tuple[dict[str, Any], ...]] = (
    {"name": "_content", "definition": f"{_DEFINITION}Resource-content", "type": "string"},
    {"name": "_filter", "definition": f"{_DEFINITION}filter", "type": "special"},
    {"name": "_text", "definition": f"{_DEFINITION}DomainResource-text", "type": "string"},
    {"name": "_list", "type": "special", "documentation": "https://hl7.org/fhir/R4/search.html#list"},
    {"name": "_has", "type": "special", "documentation": "https://hl7.org/fhir/R4/search.html#has"},
)
"""What is asked of resources of every type, beside their own parameters."""
_FULL_TEXT: Final = frozenset(("_content", "_text"))


def general(*, full_text: bool) -> list[dict[str, Any]]:
    """What of `GENERAL` there is. `full_text`: whether the words of texts are kept."""
    return [one for one in GENERAL if full_text or one["name"] not in _FULL_TEXT]


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
    return parameter.type == "reference" and not values.canonical(parameter)


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
