"""Codes that follow a rule instead of a list: languages, MIME types, currencies, units.

https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from hilum.terminology import currencies, grammars


class Rule(NamedTuple):
    """A code system that needs no list. `expected`: the words for what a code must be."""

    system: str
    valid: Callable[[str], bool]
    expected: str


_LANGUAGE: Final = re.compile(
    r"(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4}|[A-Za-z]{5,8})"  # language, perhaps extended
    r"(?:-[A-Za-z]{4})?"  # script
    r"(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"  # region
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"  # variants
    r"(?:-[A-WY-Za-wy-z0-9](?:-[A-Za-z0-9]{2,8})+)*"  # extensions
    r"(?:-[Xx](?:-[A-Za-z0-9]{1,8})+)?"
    r"|[Xx](?:-[A-Za-z0-9]{1,8})+"
    r"|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:BE-FR|BE-NL|CH-DE)"
    r"|en-GB-oed|art-lojban|cel-gaulish|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang)"
)
"""https://www.rfc-editor.org/rfc/rfc5646#section-2.1 (BCP 47): well-formed tags."""

_NAME = r"[A-Za-z0-9!#$&^_.+\-]{1,127}"
_PARAMETER = r"[ \t]*;[ \t]*[^\s;=\"/]+=(?:[^;\"]+|\"[^\"]*\")"
_MIME: Final = re.compile(rf"{_NAME}/(?:{_NAME}|\*)(?:{_PARAMETER}){{0,8}}[ \t]*;?|xml|json|ttl")
"""https://www.rfc-editor.org/rfc/rfc6838#section-4.2 (BCP 13), parameters; FHIR's short names for its formats."""

_WITHDRAWN: Final = """
ANG ATS AZM BEF BYB BYR CSD CUC CYP DEM EEK ESP FIM FRF GHC GRD HRK IEP ITL LTL LUF LVL MGF MRO MTL MZM NLG PTE ROL SDD
SIT SKK SLL SRG STD TMM TRL USS VEB VEF XEU YUM ZMK ZWD ZWL ZWN ZWR
"""
"""Of ISO 4217, list three, what was withdrawn since 1999: bills are kept for decades."""

CURRENCIES: Final = frozenset(one["code"] for one in currencies.code_system()["concept"]) | frozenset(
    _WITHDRAWN.split()
)

_UCUM: Final = "http://unitsofmeasure.org"


_RULES: Final = {
    "http://hl7.org/fhir/ValueSet/all-languages": Rule(
        "urn:ietf:bcp:47", lambda code: _LANGUAGE.fullmatch(code) is not None, "a language tag (BCP 47), such as en-US"
    ),
    "http://hl7.org/fhir/ValueSet/mimetypes": Rule(
        "urn:ietf:bcp:13", lambda code: _MIME.fullmatch(code) is not None, "a MIME type (BCP 13), such as text/plain"
    ),
    "http://hl7.org/fhir/ValueSet/currencies": Rule(
        "urn:iso:std:iso:4217", CURRENCIES.__contains__, "a currency (ISO 4217), such as EUR"
    ),
    "http://hl7.org/fhir/ValueSet/ucum-units": Rule(
        _UCUM, lambda code: bool(grammars.judge(_UCUM, code)), "a unit (UCUM), such as mmol/L"
    ),
}


def rule(url: str) -> Rule | None:
    """The rule of a value set, without its version."""
    return _RULES.get(url)
