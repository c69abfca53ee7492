"""CapabilityStatement: search parameters are of the types that their definitions say.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from functools import cache

from hilum.fhir import definitions
from hilum.fhir.definitions import SearchParameter
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import numbered


@cache
def known() -> dict[str, SearchParameter]:
    """R4's own search parameters by url."""
    return {one.url: one for one in definitions.search_parameters()}


def search_parameters(here: Here) -> Found:
    """Those that name a definition of R4's."""
    out: Found = None
    for rest_path, rest in numbered(here.item.value.get("rest"), ".rest"):
        for path, resource in numbered(rest.get("resource"), ".resource"):
            for at, one in numbered(resource.get("searchParam"), ".searchParam"):
                url = one.get("definition")
                definition = known().get(url.partition("|")[0]) if type(url) is str else None
                if definition is not None and type(one.get("type")) is str and one["type"] != definition.type:
                    text = f"has another type than its definition, which is of type {definition.type}"
                    out = (out or []) + error("invalid", text, rest_path + path + at)
    return out
