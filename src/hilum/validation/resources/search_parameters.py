"""SearchParameter: what it derives from, and its components. https://hl7.org/fhir/R4/searchparameter.html"""

from __future__ import annotations

from typing import Final

from hilum.fhir import definitions
from hilum.fhirpath import compile
from hilum.problems import Problem
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.capability_statements import known

NAMES: Final = frozenset(definitions.names())


def derived(here: Here) -> Found:
    """A parameter derived from another one is of its type, and about some of its resources."""
    value = here.item.value
    url = value.get("derivedFrom")
    master = known().get(url.partition("|")[0]) if type(url) is str else None
    if master is None:
        return None
    out: Found = None
    base = value.get("base")
    if "Resource" not in master.base:
        for name in base if type(base) is list else ():
            if type(name) is str and name not in master.base:
                out = (out or []) + error("business-rule", f"is about types that {master.url} is not about")
    if type(value.get("type")) is str and value["type"] != master.type:
        out = (out or []) + error(
            "business-rule", f"has another type than {master.url}, which is of type {master.type}"
        )
    return out


def expression(here: Here) -> Found:
    """Its expression makes sense for one of its types at least."""
    value = here.item.value
    given, base = value.get("expression"), value.get("base")
    types = [name for name in (base if type(base) is list else ()) if name in NAMES]
    if type(given) is not str or not types:
        return None
    told = ""
    for name in types:
        try:
            compile(given, name)
        except Problem as problem:
            told = told or str(problem)
        else:
            return None
    return error("invalid", f"makes no sense for what the parameter is about: {told}", ".expression")


def composite(here: Here) -> Found:
    """A composite has two components or more."""
    value = here.item.value
    component = value.get("component")
    if value.get("type") == "composite" and (type(component) is not list or len(component) < 2):
        return error("business-rule", "is a composite, and so must have two components or more")
    return None
