"""The types of an element, and the profiles that they name. https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.type"""

from __future__ import annotations

from typing import Any, Final

SYSTEM: Final = "http://hl7.org/fhirpath/System."
_TYPE: Final = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


def type_codes(element: Any) -> list[str]:
    """The types of an element, as FHIR names them."""
    found = []
    for one in _dicts(element.get("type")):
        code = one.get("code")
        if type(code) is str:
            if code.startswith(SYSTEM):
                said = [
                    e.get("valueUrl") or e.get("valueUri")
                    for e in _dicts(one.get("extension"))
                    if e.get("url") == _TYPE
                ]
                code = str(said[0]) if said and said[0] else code.removeprefix(SYSTEM).lower()
            found.append(code.removeprefix("http://hl7.org/fhir/StructureDefinition/"))
    return found


ELEMENT_OF: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element"


def profiles_of(type_: dict[str, Any]) -> list[str]:
    """The profiles of a type; where one element of a profile is meant, its id follows: `url#Composition.section:a`."""
    named, extras = type_.get("profile"), type_.get("_profile")
    found = []
    for index, url in enumerate(named if type(named) is list else ()):
        if type(url) is not str or not url:
            continue
        extra = extras[index] if type(extras) is list and index < len(extras) else None
        for extension in (extra.get("extension") or ()) if type(extra) is dict else ():
            if type(extension) is dict and extension.get("url") == ELEMENT_OF:
                url = f"{url}#{extension.get('valueString')}"
        found.append(url)
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []
