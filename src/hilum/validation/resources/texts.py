"""Texts that could be taken for HTML. https://hl7.org/fhir/R4/security.html#narrative

Both rules are asked for by `Rules`: a text about HTML is no fault by itself.
"""

from __future__ import annotations

import re
from typing import Final

from hilum.validation.profiles.running import Found, noted
from hilum.validation.profiles.walking import Here

_TAG: Final = re.compile(r"<(?:!--|/?[A-Za-z][A-Za-z0-9]*+(?=[\s/>]))")
_ANY_TAG: Final = re.compile(r"<(?=[A-Za-z/!])")


def plain(here: Here) -> Found:
    """A string that holds what a browser would take for an element."""
    severity = here.scope.run.rules.html_in_strings
    if severity is not None and type(here.item.value) is str and _TAG.search(here.item.value):
        return noted(severity, "invalid", "holds what looks like HTML, which is not allowed for security")
    return None


def markdown(here: Here) -> Found:
    """Markdown with HTML in it, which whoever shows it will escape."""
    severity = here.scope.run.rules.html_in_markdown
    if severity is not None and type(here.item.value) is str and _ANY_TAG.search(here.item.value):
        return noted(severity, "invalid", "holds what looks like an HTML tag")
    return None
