"""References: conditional ones, and those that lead somewhere. https://hl7.org/fhir/R4/references.html"""

from __future__ import annotations

import re
from typing import Final

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here

_QUERY: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9.:-]*=[^&=]*(?:&[_a-zA-Z][_a-zA-Z0-9.:-]*=[^&=]*)*")


def resolve(here: Here) -> Found:
    """A conditional reference has a query; a relative one, where that is asked for, leads to something here."""
    url = here.item.value.get("reference")
    if type(url) is not str or not url or ":" in url:
        return None
    if "?" in url:
        query = url.partition("?")[2]
        return None if _QUERY.fullmatch(query) else error("invalid", "is conditional, with a query that is none")
    if not here.scope.run.rules.must_resolve:
        return None
    return None if here.scope.find(url) is not None else error("structure", "leads to nothing that can be found")
