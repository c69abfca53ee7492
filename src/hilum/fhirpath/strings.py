"""Functions on texts. https://hl7.org/fhirpath/N1/#string-manipulation

Regular expressions run in linear time (RE2), since patterns come from outside.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from hilum.fhirpath.function import Function, checked, of_text, of_value
from hilum.fhirpath.nodes import NOTHING, Node, Scope
from hilum.fhirpath.types import BOOLEAN, INTEGER, STRING
from hilum.fhirpath.values import made, single, system
from hilum.fhirpath.work import Work
from hilum.problems import Invalid

_LONGEST_PATTERN: Final = 4_096
_MEMORY: Final = 1 << 22
"""Bytes that one compiled pattern may take."""


def _substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(0, length)]


def _replace(work: Work, text: str, pattern: str, substitution: str) -> str:
    count = text.count(pattern) if pattern else len(text) + 1
    work.read(len(text) + count * len(substitution))
    return text.replace(pattern, substitution)


@lru_cache(maxsize=512)
def _pattern(text: str, flags: str) -> Any:
    """A compiled pattern. Raises Invalid: neither its text nor what it was for is repeated."""
    if len(text) > _LONGEST_PATTERN:
        raise Invalid(f"FHIRPath: a regular expression has more than {_LONGEST_PATTERN:,} characters.")
    if set(flags) - {"i", "m"}:
        raise Invalid("FHIRPath: the flags of a regular expression may be i and m.")
    options = re2.Options()
    options.dot_nl = True
    options.case_sensitive = "i" not in flags
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(f"(?m){text}" if "m" in flags else text, options)
    except (re2.error, UnicodeEncodeError):
        raise Invalid(
            "FHIRPath: a regular expression is none that hilum reads (RE2: no back references, nothing about what "
            "stands before or after)."
        ) from None


def _regular(body: Callable[[Any, str], Any], text: str) -> Any:
    try:
        return body(text, text)
    except UnicodeEncodeError:  # half of a surrogate pair
        raise Invalid("FHIRPath: a text is no Unicode.") from None


def _matches(text: str, pattern: str, flags: str = "") -> bool:
    found = _pattern(pattern, flags)
    return _regular(lambda one, _: found.search(one), text) is not None


def _matches_full(text: str, pattern: str, flags: str = "") -> bool:
    found = _pattern(pattern, flags)
    return _regular(lambda one, _: found.fullmatch(one), text) is not None


_GROUP: Final = re.compile(r"\$(?:\{(\w+)\}|(\d))", re.ASCII)


def _replace_matches(work: Work, text: str, pattern: str, substitution: str, flags: str = "") -> str:
    if not pattern:
        return text
    found = _pattern(pattern, flags)

    def put(match: Any) -> str:
        def group(reference: re.Match[str]) -> str:
            name = reference[1] or reference[2]
            try:
                return match.group(int(name) if name.isdigit() else name) or ""
            except (IndexError, KeyError):
                raise Invalid("FHIRPath: the substitution names a group that the pattern doesn't have.") from None

        new: str = _GROUP.sub(group, substitution) if "$" in substitution else substitution
        work.spend(4)  # what a match costs
        work.read(len(new))
        return new

    replaced: str = _regular(lambda one, _: found.sub(put, one), text)
    return replaced


def _encode(text: str, form: str) -> str | None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Invalid("FHIRPath: a text is no Unicode.") from None
    return _ENCODERS[form](data) if form in _ENCODERS else None


_ENCODERS: Final[dict[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda data: base64.b64encode(data).decode(),
    "urlbase64": lambda data: base64.urlsafe_b64encode(data).decode(),
}
_DECODERS: Final[dict[str, Callable[[str], bytes]]] = {
    "hex": bytes.fromhex,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "urlbase64": lambda text: base64.b64decode(text, altchars=b"-_", validate=True),
}


def _decode(text: str, form: str) -> str | None:
    if form not in _DECODERS:
        return None
    try:
        return _DECODERS[form](text).decode()
    except ValueError:
        raise Invalid(f"FHIRPath: decode() was given a text that is no UTF-8 in {form}.") from None


def _escape(text: str, target: str) -> str | None:
    if target == "html":
        return html.escape(text)
    return json.dumps(text, ensure_ascii=False)[1:-1] if target == "json" else None


def _unescape(text: str, target: str) -> str | None:
    if target == "html":
        return html.unescape(text)
    if target != "json":
        return None
    return _JSON_ESCAPE.sub(_unescaped, text)


_JSON_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_JSON_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _JSON_ESCAPED.get(match[2], match[2])


def _to_chars(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    value = single(nodes, "toChars()")
    if value is None:
        return NOTHING
    scope.work.spend(len(checked(value, "string", "toChars")))
    return [made(character) for character in value]


def _split(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    value, separator = single(nodes, "split()"), single(given[0], "split()")
    if value is None or separator is None:
        return NOTHING
    checked(value, "string", "split")
    checked(separator, "string", "split")
    scope.work.read(len(value))
    scope.work.spend(value.count(separator) if separator else len(value))
    return [made(part) for part in (value.split(separator) if separator else value)]


def _join(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    separator = single(given[0], "join()") if given else ""
    if not nodes:
        return NOTHING
    checked(separator if separator is not None else "", "string", "join")
    parts = [checked(system(node), "string", "join") for node in nodes if node.value is not None]
    scope.work.read(sum(map(len, parts)) + len(separator or "") * len(parts))
    return [made((separator or "").join(parts))]


TEXT: Final[dict[str, Function]] = {
    "startsWith": of_text("startsWith", str.startswith),
    "endsWith": of_text("endsWith", str.endswith),
    "contains": of_text("contains", lambda text, part: part in text),
    "indexOf": of_value("indexOf", str.find, "string", "string", result=INTEGER),
    "lastIndexOf": of_value("lastIndexOf", str.rfind, "string", "string", result=INTEGER),
    "substring": of_value("substring", _substring, "string", "integer", "integer", result=STRING, optional=1),
    "upper": of_value("upper", str.upper, "string", result=STRING),
    "lower": of_value("lower", str.lower, "string", result=STRING),
    "length": of_value("length", len, "string", result=INTEGER),
    "trim": of_value("trim", str.strip, "string", result=STRING),
    "replace": of_value("replace", _replace, "string", "string", "string", result=STRING, counted=True),
    "matches": of_value("matches", _matches, "string", "string", "string", result=BOOLEAN, optional=1),
    "matchesFull": of_value("matchesFull", _matches_full, "string", "string", "string", result=BOOLEAN, optional=1),
    "replaceMatches": of_value(
        "replaceMatches",
        _replace_matches,
        "string",
        "string",
        "string",
        "string",
        result=STRING,
        optional=1,
        counted=True,
    ),
    "encode": of_value("encode", _encode, "string", "string", result=STRING),
    "decode": of_value("decode", _decode, "string", "string", result=STRING),
    "escape": of_value("escape", _escape, "string", "string", result=STRING),
    "unescape": of_value("unescape", _unescape, "string", "string", result=STRING),
    "toChars": Function(result=STRING, plain=_to_chars, takes="string"),
    "split": Function((1, 1), STRING, plain=_split, takes="string"),
    "join": Function((0, 1), STRING, plain=_join, takes="string"),
}
