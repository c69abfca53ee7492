"""Code systems that are rules, not lists: whether a code is one. https://hl7.org/fhir/R4/terminologies-systems.html

UCUM, BCP 47 (languages), BCP 13 (MIME types), ISO 3166 (countries and their parts), time zones and URIs. What a rule
says is that a code is well formed and, where there is a short registry, that its parts are in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import available_timezones

from hilum.fhir import core

UCUM: Final = "http://unitsofmeasure.org"
BCP47: Final = "urn:ietf:bcp:47"
BCP13: Final = "urn:ietf:bcp:13"
COUNTRIES: Final = "urn:iso:std:iso:3166"
SUBDIVISIONS: Final = "urn:iso:std:iso:3166:-2"
ZONES: Final = "https://www.iana.org/time-zones"
URIS: Final = "urn:ietf:rfc:3986"

_LONGEST: Final = 256
_TWO_LETTERS: Final = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw
ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_LANGUAGES: Final = frozenset(_TWO_LETTERS.split())
"""ISO 639-1; of the thousands of three-letter codes only the form is looked at."""
_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?P<region>[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+",
    re.IGNORECASE,
)
"""RFC 5646, section 2.1."""
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&\-^_.+]{0,126}"
_MIME: Final = re.compile(rf"{_NAME}/(?:{_NAME}|\*)(?:\s*;\s*{_NAME}=(?:[^\s;\"]+|\"[^\"]*\"))*")
"""RFC 6838, section 4.2, with the parameters of RFC 2045."""
_PART: Final = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
_THREE: Final = re.compile(r"[A-Z]{3}|[0-9]{3}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s\"<>\\^`{|}]+")


def judge(system: str, code: str) -> bool | None:
    """Whether the code is one of the system; None: the system is no rule that is known here."""
    rule = _RULES.get(system)
    if rule is None:
        return None
    return len(code) <= _LONGEST and rule(code)


def known(system: str) -> bool:
    """Whether the system is a rule."""
    return system in _RULES


def systems() -> tuple[str, ...]:
    """The systems that are rules."""
    return tuple(_RULES)


@lru_cache(maxsize=4096)
def _ucum(code: str) -> bool:
    from lark.exceptions import LarkError

    if any(not 33 <= ord(one) <= 126 for one in code):
        return False
    try:
        _parser().parse(code)
    except (LarkError, ValueError):
        return False
    return True


def loaded(system: str) -> bool:
    """Whether `judge` answers at once: the grammar of units takes half a second to load."""
    return system != UCUM or _parser.cache_info().currsize > 0


@cache
def _parser() -> Any:
    from ucumvert.parser import get_ucum_parser

    return get_ucum_parser()


def _language(code: str) -> bool:
    found = _TAG.fullmatch(code)
    if found is None:
        return False
    language, region = (found["language"] or "").split("-")[0].lower(), found["region"]
    if len(language) == 2 and language not in _LANGUAGES:
        return False
    return region is None or region.isdigit() or region.upper() in countries()


@cache
def countries() -> frozenset[str]:
    """The codes of ISO 3166-1 with two letters."""
    body = core.value_set("http://hl7.org/fhir/ValueSet/iso3166-1-2") or {}
    return frozenset(one["code"] for include in body["compose"]["include"] for one in include["concept"])


def _country(code: str) -> bool:
    """Of the codes with three letters and the numbers R4 lists none: only the form is looked at."""
    return code in countries() or _THREE.fullmatch(code) is not None


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _subdivision(code: str) -> bool:
    found = _PART.fullmatch(code)
    return found is not None and found[1] in countries()


_RULES: Final[dict[str, Callable[[str], bool]]] = {
    UCUM: _ucum,
    BCP47: _language,
    BCP13: lambda code: _MIME.fullmatch(code) is not None,
    COUNTRIES: _country,
    SUBDIVISIONS: _subdivision,
    ZONES: lambda code: code in _zones(),
    URIS: lambda code: _URI.fullmatch(code) is not None,
}
