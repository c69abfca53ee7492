"""References that lead somewhere, where it is asked that they do. https://hl7.org/fhir/R4/references.html"""

from __future__ import annotations

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here


def resolve(here: Here) -> Found:
    """A relative reference that nothing here answers to."""
    if not here.scope.run.rules.must_resolve:
        return None
    url = here.item.value.get("reference")
    if type(url) is not str or not url or ":" in url or "?" in url:
        return None
    return None if here.scope.find(url) is not None else error("structure", "leads to nothing that can be found")
