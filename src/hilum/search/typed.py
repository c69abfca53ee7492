"""What people type to find somebody, as search parameters. https://hl7.org/fhir/R4/patient.html#search"""

from __future__ import annotations

import re
from typing import Final

MOST_WORDS: Final = 10
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def asked_for(text: str) -> list[tuple[str, str]]:
    """What staff typed as search parameters: dates of birth, numbers (identifiers), names. All have to fit."""
    found = []
    for word in text.split()[:MOST_WORDS]:
        if _DATE.fullmatch(word):
            found.append(("birthdate", word))
        else:
            number = any(character.isdigit() for character in word)
            found.append(("identifier" if number else "name", escaped(word)))
    return found


def escaped(text: str) -> str:
    """A text as one value of a search parameter. https://hl7.org/fhir/R4/search.html#escaping"""
    return "".join(f"\\{one}" if one in "\\,$|" else one for one in text)
