"""What HL7 asks of its own definitions when it publishes them. https://confluence.hl7.org/display/FHIR/Publishing+Requirements

Asked for by `Rules`.
"""

from __future__ import annotations

from typing import Final

from hilum.validation.profiles.extensions import CANONICAL_TYPES
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import dicts

_COMMITTEE: Final = "http://hl7.org/fhir/StructureDefinition/structuredefinition-wg"


def committee(here: Here) -> Found:
    """The committee that owns it."""
    value = here.item.value
    if not here.scope.run.rules.publishing or here.item.kind.name not in CANONICAL_TYPES or here.above is not None:
        return None
    if "hl7.org" not in str(value.get("url")):
        return None
    if any(one.get("url") == _COMMITTEE for one in dicts(value.get("extension"))):
        return None
    return error("business-rule", f"must name the committee that owns it, by the extension {_COMMITTEE}")


def experimental(here: Here) -> Found:
    """What is experimental, where only what is meant for use is wanted."""
    if here.scope.run.rules.experimental or here.item.kind.name not in CANONICAL_TYPES:
        return None
    if here.item.value.get("experimental") is True:
        return error("business-rule", "is experimental, which is not allowed here")
    return None
