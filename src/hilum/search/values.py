"""One value of a search parameter: separators, escapes, and what it means for each parameter type.

https://hl7.org/fhir/R4/search.html#escaping. No message repeats a value: values are patient data.
"""

from __future__ import annotations

import re

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath.references import local, target_type
from hilum.problems import Invalid, Malformed
from hilum.search.dates import HOLDS, interval
from hilum.search.parameters import Parameter
from hilum.search.query import DateRange, Token
from hilum.search.text import fold

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
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
    parts = [unescape(part) for part in split(text, "|")]
    system = parts[0] if len(parts) == 2 else None
    code = parts[-1] or None
    if len(parts) > 2 or (not system and code is None):
        raise Invalid(f"{_at(parameter)} takes code, system|code, |code or system|; write \\| for a bar in the text.")
    if system is not None and parameter.forms <= {"ContactPoint", "uri", "boolean"}:
        raise Invalid(f"{_at(parameter)} has no systems; give the value without '|'.")
    if parameter.forms == {"boolean"} and code not in ("true", "false"):
        raise Invalid(f"{_at(parameter)} is true or false.")
    exact = Token(system, code)
    if "string" not in parameter.forms or code is None or code.casefold() == code:
        return (exact,)
    folded = Token(system, code.casefold())
    return (folded,) if parameter.forms == {"string"} else (exact, folded)


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
    prefix, rest = (text[:2], text[2:]) if text[:2] in HOLDS else ("eq", text)
    try:
        # A '+' that the client did not percent-encode arrives as a space; dates have no spaces.
        low, high = interval(rest.replace(" ", "+"))
    except Malformed as problem:
        raise Invalid(f"{_at(parameter)}: {problem} Prefixes are {', '.join(HOLDS)}.") from None
    if prefix == "ap" and now is not None:
        gap = abs(now - (low + high) // 2) // 10
        low, high = low - gap, high + gap
    return DateRange(prefix, low, high)


def reference(parameter: Parameter, text: str, target: str | None, base: str) -> tuple[str | None, str] | str:
    """(type, id) of a resource of this server, type None where it may be any; or the url of one elsewhere.

    `target`: the modifier `:[type]`. `base`: the server's own base. https://hl7.org/fhir/R4/search.html#reference
    """
    plain = unescape(text)
    if "Reference" not in parameter.forms and "Extension" not in parameter.forms:
        return plain  # canonical: a name, not an address
    if base and plain.startswith(base + "/") and local(plain[len(base) + 1 :]):
        plain = plain[len(base) + 1 :]
    allowed = (target,) if target else parameter.restrict_to
    if (found := local(plain)) is not None:
        if allowed and found[0] not in allowed:
            raise Invalid(f"{_at(parameter)} is about {allowed[0]} here; found a reference to {found[0]}.")
        return found
    if "://" in plain or plain.startswith("urn:"):
        if allowed and target_type(plain) not in allowed:
            raise Invalid(f"{_at(parameter)} is about {allowed[0]} here; the url does not end in {allowed[0]}/[id].")
        return plain
    if _ID.fullmatch(plain) is None:
        raise Invalid(f"{_at(parameter)} takes [type]/[id], [id] or a url.")
    only = allowed or (parameter.targets if len(parameter.targets) == 1 else (None,))
    return only[0], plain


def resource_type(parameter: Parameter, modifier: str) -> str:
    """The type named by a modifier `:[type]`. Raises Invalid when the parameter can't refer to it."""
    if modifier not in TYPE_NUMBER or (parameter.targets and modifier not in parameter.targets):
        known = ", ".join(parameter.targets) or "any resource type"
        raise Invalid(f"{_at(parameter)} does not know the modifier {modifier[:64]!r}; it refers to {known}.")
    return modifier


def logical_id(text: str) -> str:
    """A value of `_id`. Raises Invalid when no id can look like that."""
    if _ID.fullmatch(text) is None:
        raise Invalid("The search parameter '_id' takes logical ids: 1 to 64 letters, digits, '-' and '.'.")
    return text


def _at(parameter: Parameter) -> str:
    return f"The search parameter {parameter.code!r} of {parameter.base}"
