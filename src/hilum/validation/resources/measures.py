"""Measure: stratifiers in CQL need a library. https://hl7.org/fhir/R4/measure.html"""

from __future__ import annotations

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import numbered
from hilum.validation.resources.uris import absolute


def libraries(here: Here) -> Found:
    """Each stratifier's criterion in CQL, of a measure without any library that could hold what it names."""
    value = here.item.value
    named = value.get("library")
    if any(absolute(one) or (type(one) is str and one[:1] == "#") for one in (named if type(named) is list else ())):
        return None
    out: Found = None
    for group_path, group in numbered(value.get("group"), ".group"):
        for path, stratifier in numbered(group.get("stratifier"), ".stratifier"):
            for at, one in [("", stratifier), *numbered(stratifier.get("component"), ".component")]:
                criteria = one.get("criteria")
                if type(criteria) is dict and criteria.get("language") in ("text/cql", "text/cql.identifier"):
                    text = "is in CQL, but the measure has no library"
                    out = (out or []) + error("invalid", text, f"{group_path}{path}{at}.criteria")
    return out
