"""One value of a search parameter: separators, escapes, and what it means for each parameter type.

https://hl7.org/fhir/R4/search.html#escaping. No message repeats a value: values are patient data.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from math import isfinite
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath.references import local, target_type
from hilum.problems import Invalid, Malformed
from hilum.search.alternatives import Amount, DateRange, Token
from hilum.search.canonicals import canonical
from hilum.search.dates import PREFIXES, interval
from hilum.search.parameters import Parameter
from hilum.search.selections import MIME
from hilum.search.text import base, fold

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_WEB: Final = ("http://", "https://")
_NUMBER = re.compile(r"[+-]?(\d+(?:\.\d+)?|\.\d+)(?:([eE])[+-]?\d{1,3})?", re.ASCII)
_EXACT: Final = Context(prec=800)
"""Enough digits for every number that _MOST_DIGITS lets in: 100 digits, times 10 to the power of at most 999."""
_MOST_DIGITS: Final = 100
_NEAR: Final = (50.0, "km")
"""How far `near` reaches when no distance is given."""
_METERS: Final = {
    "m": 1.0,
    "km": 1000.0,
    "cm": 0.01,
    "[mi_i]": 1609.344,
    "[mi_us]": 6336000 / 3937,
    "[nmi_i]": 1852.0,
    "[ft_i]": 0.3048,
    "[yd_i]": 0.9144,
}
"""UCUM code -> meters. https://ucum.org/ucum (the us mile is 5280 feet of 1200/3937 m)"""
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash precedes; the parts keep their escapes."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, i = [], 0, 0
    while i < len(text):
        if text[i] == "\\":
            i += 1
        elif text[i] == separator:
            parts.append(text[start:i])
            start = i + 1
        i += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""`\,` `\|` `\$` `\\` as the characters that they stand for. Raises Invalid for any other backslash."""

    def one(match: re.Match[str]) -> str:
        if match[1] not in (",", "|", "$", "\\"):
            raise Invalid("A backslash in a search value must be followed by , | $ or another backslash.")
        return match[1]

    return _ESCAPE.sub(one, text) if "\\" in text else text


def token(parameter: Parameter, text: str) -> tuple[Token, ...]:
    """`code`, `system|code`, `|code` or `system|`. https://hl7.org/fhir/R4/search.html#token

    Two tokens where the parameter selects both codes, whose case matters, and strings, whose case does not.
    """
    exact = identifier(parameter, text)
    system, code = exact.system, exact.code
    if system is not None and parameter.forms <= {"ContactPoint", "uri", "boolean"}:
        raise Invalid(f"{_at(parameter)} has no systems; give the value without '|'.")
    if parameter.forms == {"boolean"} and code not in ("true", "false"):
        raise Invalid(f"{_at(parameter)} is true or false.")
    if "string" not in parameter.forms or code is None or code.casefold() == code:
        return (exact,)
    folded = Token(system, code.casefold())
    return (folded,) if parameter.forms == {"string"} else (exact, folded)


def identifier(parameter: Parameter, text: str) -> Token:
    """`value`, `system|value`, `|value` or `system|` as they stand: what `:identifier` of a reference takes."""
    parts = [unescape(part) for part in split(text, "|")]
    system = parts[0] if len(parts) == 2 else None
    code = parts[-1] or None
    if len(parts) > 2 or (not system and code is None):
        raise Invalid(f"{_at(parameter)} takes code, system|code, |code or system|; write \\| for a bar in the text.")
    return Token(system, code)


def string(parameter: Parameter, text: str, how: str) -> str:
    """The text, folded unless it must match exactly. https://hl7.org/fhir/R4/search.html#string"""
    plain = unescape(text)
    if how == "exact":
        return plain
    folded = fold(plain)
    if not folded:
        raise Invalid(f"{_at(parameter)} needs at least one letter or digit to search for.")
    return folded


def date(parameter: Parameter, text: str, now: int | None) -> DateRange:
    """A prefix and a date. https://hl7.org/fhir/R4/search.html#date

    `ap` is widened by a tenth of the gap to `now`, as the specification recommends, when `now` is given.
    """
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    try:
        # A '+' that the client did not percent-encode arrives as a space; dates have no spaces.
        low, high = interval(rest.replace(" ", "+"))
    except Malformed as problem:
        raise Invalid(f"{_at(parameter)}: {problem} Prefixes are {', '.join(PREFIXES)}.") from None
    if prefix == "ap" and now is not None:
        gap = abs(now - (low + high) // 2) // 10
        low, high = low - gap, high + gap
    return DateRange(prefix, low, high)


def reference(parameter: Parameter, text: str, target: str | None, base: str) -> tuple[str | None, str] | str:
    """(type, id) of a resource of this server, type None where it may be any; or the url of one elsewhere.

    `target`: the modifier `:[type]`. `base`: the server's own base. https://hl7.org/fhir/R4/search.html#reference
    """
    plain = unescape(text)
    if canonical(parameter):
        return plain  # a name, not an address
    if base and plain.startswith(base + "/") and local(plain[len(base) + 1 :]):
        plain = plain[len(base) + 1 :]
    allowed = (target,) if target else parameter.restrict_to
    if (found := local(plain)) is not None:
        if allowed and found[0] not in allowed:
            raise Invalid(f"{_at(parameter)} is about {' or '.join(allowed)} here; found a reference to {found[0]}.")
        return found
    if "://" in plain or plain.startswith("urn:"):
        if allowed and target_type(plain) not in allowed:
            ends = " or ".join(f"{name}/[id]" for name in allowed)
            raise Invalid(f"{_at(parameter)} is about {' or '.join(allowed)} here; the url does not end in {ends}.")
        return plain
    if _ID.fullmatch(plain) is None:
        raise Invalid(f"{_at(parameter)} takes [type]/[id], [id] or a url.")
    only = allowed or parameter.targets
    return (only[0] if len(only) == 1 else None), plain


def resource_type(parameter: Parameter, modifier: str) -> str:
    """The type named by a modifier `:[type]`. Raises Invalid when the parameter can't refer to it."""
    if modifier not in TYPE_NUMBER or (parameter.targets and modifier not in parameter.targets):
        known = ", ".join(parameter.targets) or "any resource type"
        raise Invalid(f"{_at(parameter)} does not know the modifier {modifier[:64]!r}; it refers to {known}.")
    return modifier


def logical_id(parameter: Parameter, text: str) -> str:
    """A value of `_id`, perhaps with the type that is searched, `Patient/[id]`. Raises Invalid when it is no id."""
    return _an_id("_id", text.removeprefix(f"{parameter.base}/"))


def list_id(text: str) -> str:
    """A value of `_list`, the id of a List, perhaps as `List/[id]`. https://hl7.org/fhir/R4/search.html#list"""
    return _an_id("_list", text.removeprefix("List/"))


def _an_id(code: str, text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise Invalid(f"The search parameter {code!r} takes logical ids: 1 to 64 letters, digits, '-' and '.'.")
    return text


def of_type(parameter: Parameter, text: str) -> Token:
    """`:of-type`: `system|code|value`, all three. https://hl7.org/fhir/R4/search.html#token"""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise Invalid(f"{_at(parameter)} with ':of-type' takes system|code|value, all three.")
    return Token(f"{parts[0]}|{parts[1]}", parts[2])


def concept(parameter: Parameter, text: str) -> Token:
    """`system|code`, for what needs to know the code system. https://hl7.org/fhir/R4/codesystem.html#subsumption"""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 2 or not all(parts):
        raise Invalid(f"{_at(parameter)} with ':above' or ':below' takes system|code, both.")
    return Token(parts[0], parts[1])


def amounts(parameter: Parameter, text: str) -> tuple[Amount, ...]:
    """A prefix, a number and perhaps a unit: `5.4`, `le5.4|system|code`, `5.4||code`, `5.4|system|`.

    `5.4|mg` is not in the specification: some servers take its second part for the system, some for the unit. No
    system looks like a unit, so that it is both. https://hl7.org/fhir/R4/search.html#number and
    https://hl7.org/fhir/R4/search.html#quantity
    """
    parts = [unescape(part) for part in split(text, "|")]
    if parameter.type == "number" and len(parts) > 1:
        raise Invalid(f"{_at(parameter)} is a number without a unit; give the value without '|'.")
    if len(parts) > 3 or (len(parts) == 2 and not parts[1]):
        raise Invalid(f"{_at(parameter)} takes a number, number|system|code or number||code.")
    ends = _number(parameter, parts[0])
    if len(parts) == 2:
        return Amount(*ends, parts[1], None), Amount(*ends, None, parts[1])
    _, system, code = parts if len(parts) == 3 else (None, None, None)
    return (Amount(*ends, system or None, code or None),)


def _number(parameter: Parameter, text: str) -> tuple[str, float, float, float]:
    """Prefix, value, and the range that its digits imply: 100 is [99.5, 100.5), 1.0e2 and 1e2 are [95, 105).

    For `ap` the range is a tenth of the value to both sides. https://hl7.org/fhir/R4/search.html#prefix
    """
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    # A '+' that the client did not percent-encode arrives as a space; numbers have no spaces.
    rest = rest.replace(" ", "+")
    found = _NUMBER.fullmatch(rest) if len(rest) <= _MOST_DIGITS else None
    if found is None:
        raise Invalid(
            f"{_at(parameter)}: not a number; expected digits such as 100, 5.40 or 1.2e-3, of at most {_MOST_DIGITS} "
            f"characters. Prefixes are {', '.join(PREFIXES)}."
        )
    value = Decimal(rest)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # Only infinities and NaN have none; the pattern lets neither in.
    if found[2] and len(found[1]) == 1:
        exponent -= 1  # one digit and an exponent (1e2) stands for two (1.0e2), as the specification's example says
    half = _EXACT.scaleb(Decimal(5), exponent - 1)
    if prefix == "ap" and value:
        half = _EXACT.scaleb(abs(value), -1)
    ends = float(value), float(_EXACT.subtract(value, half)), float(_EXACT.add(value, half))
    if not all(map(isfinite, ends)):
        raise Invalid(f"{_at(parameter)}: the number is too large; its size must stay below 1e308.")
    return (prefix, *ends)


def near(parameter: Parameter, text: str) -> tuple[float, float, float]:
    """`latitude|longitude`, `|distance`, `|unit` as (latitude, longitude, meters). https://hl7.org/fhir/R4/location.html#search

    Without a distance it reaches 50 km; without a unit the distance is in km. Units are UCUM codes.
    """
    parts = [unescape(part) for part in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise Invalid(f"{_at(parameter)} takes latitude|longitude, then perhaps |distance and |unit.")
    if any(part[:2] in PREFIXES for part in parts):
        raise Invalid(f"{_at(parameter)} takes no prefixes.")
    latitude, longitude = (_number(parameter, part)[1] for part in parts[:2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise Invalid(f"{_at(parameter)} takes a latitude from -90 to 90 and a longitude from -180 to 180, in degrees.")
    distance = _number(parameter, parts[2])[1] if len(parts) > 2 and parts[2] else _NEAR[0]
    unit = parts[3] if len(parts) > 3 and parts[3] else _NEAR[1]
    if distance < 0 or unit not in _METERS:
        raise Invalid(f"{_at(parameter)} takes a distance of 0 or more in one of the units {', '.join(_METERS)}.")
    return latitude, longitude, distance * _METERS[unit]


def above(parameter: Parameter, text: str) -> tuple[str, ...]:
    """The urls with which one begins, itself first: `http://ab`, `http://a`, `http://`."""
    url = web(parameter, text)
    return tuple(url[:end] for end in range(len(url), url.find("://") + 2, -1)) if "://" in url else (url,)


def web(parameter: Parameter, text: str) -> str:
    """A url of the web, or how one begins: what lies above or below another has no meaning for urns.

    https://hl7.org/fhir/R4/search.html#uri: "the :above and :below modifiers only apply to URLs"
    """
    url = unescape(text)
    if not url.startswith(_WEB) and not any(scheme.startswith(url) for scheme in _WEB):
        raise Invalid(f"{_at(parameter)} with ':above' or ':below' takes urls that begin with http:// or https://.")
    if "|" in url:
        raise Invalid(
            f"{_at(parameter)} with ':above' or ':below' takes urls without a version; "
            f"{parameter.code}=[url]|[version] asks for one."
        )
    return url


def mime(parameter: Parameter, text: str) -> str:
    """The base part of a MIME type, `text/xml`, or its beginning, `text` or `text/`: what `:below` takes."""
    found = base(unescape(text).removeprefix(f"{MIME}|")).removesuffix("/")
    if ";" in text or not found:
        raise Invalid(f"{_at(parameter)} with ':below' takes the base part of a MIME type, such as text/xml or text.")
    return found


def _at(parameter: Parameter) -> str:
    return f"The search parameter {parameter.code!r} of {parameter.base}"
