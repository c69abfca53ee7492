"""How strings are folded for the default string match. https://hl7.org/fhir/R4/search.html#string"""

from __future__ import annotations

from unicodedata import combining, normalize


def fold(value: str) -> str:
    """No case, no accents, single spaces: `"  José  Peña "` becomes `"jose pena"`."""
    if value.isascii():
        return " ".join(value.lower().split())
    plain = "".join(c for c in normalize("NFKD", value.casefold()) if not combining(c))
    return " ".join(normalize("NFC", plain).casefold().split())
