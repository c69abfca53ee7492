"""Obligation profiles: what inherits obligations does so from one, of the same base.

https://hl7.org/fhir/extensions/StructureDefinition-inherit-obligations.html
"""

from __future__ import annotations

from typing import Any, Final

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import dicts, numbered

_INHERITS: Final = tuple(f"http://hl7.org/fhir/{at}StructureDefinition/inherit-obligations" for at in ("", "tools/"))
_FLAG: Final = tuple(f"http://hl7.org/fhir/{at}StructureDefinition/obligation-profile" for at in ("", "tools/"))


def inherited(here: Here) -> Found:
    """Each profile that obligations are inherited from."""
    value = here.item.value
    out: Found = None
    for path, one in numbered(value.get("extension"), ".extension"):
        if one.get("url") not in _INHERITS:
            continue
        url = one.get("valueCanonical")
        if type(url) is not str:
            out = (out or []) + error("invalid", "must name a profile", path)
            continue
        other = here.scope.run.definitions.structure(url)
        if other is None:
            continue
        if not _flagged(other):
            out = (out or []) + error("invalid", "names a profile that is no obligation profile", path)
        elif other.get("baseDefinition") != value.get("baseDefinition"):
            out = (out or []) + error("invalid", "names an obligation profile of another base", path)
    return out


def _flagged(body: dict[str, Any]) -> bool:
    return any(one.get("url") in _FLAG and one.get("valueBoolean") is True for one in dicts(body.get("extension")))
