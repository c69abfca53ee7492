"""FHIRPath text to tokens: the lexical rules of fhirpath.g4. https://hl7.org/fhirpath/N1/grammar.html"""

from __future__ import annotations

import re
from typing import NamedTuple

from hilum.problems import Malformed

_DATE = r"\d{4}(?:-\d\d(?:-\d\d)?)?"
_TIME = r"\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"
_ZONE = r"(?:Z|[+-]\d\d:\d\d)"

_RULES = {
    "space": r"(?:[ \r\n\t]|/\*.*?\*/|//[^\r\n]*)+",
    "datetime": rf"@{_DATE}T(?:{_TIME}{_ZONE}?)?",
    "date": rf"@{_DATE}",
    "time": rf"@T{_TIME}",
    "number": r"\d+(?:\.\d+)?",
    "string": r"'(?:\\.|[^'\\])*'",
    "delimited": r"`(?:\\.|[^`\\])*`",
    "variable": r"\$(?:this|index|total)\b",
    "identifier": r"[A-Za-z_][A-Za-z0-9_]*",
    "symbol": r"<=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}%]",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{rule})" for kind, rule in _RULES.items()), re.ASCII | re.DOTALL)

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPED = {"`": "`", "'": "'", '"': '"', "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """`kind` is a rule's name, or "end". `text` is unescaped for strings and delimited identifiers."""

    kind: str
    text: str
    position: int


def tokens(expression: str) -> list[Token]:
    """All tokens but white space and comments, then one of kind "end". Raises Malformed, naming the position."""
    found: list[Token] = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise Malformed(f"FHIRPath: no token begins at position {position + 1} of the expression.")
        kind, text = match.lastgroup or "", match.group()
        if kind in ("string", "delimited"):
            text = _unescape(text[1:-1], position)
        if kind != "space":
            found.append(Token(kind, text, position))
        position = match.end()
    found.append(Token("end", "", position))
    return found


def _unescape(text: str, position: int) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        code, letter = match.groups()
        if code:
            return chr(int(code, 16))
        if letter not in _ESCAPED:
            raise Malformed(f"FHIRPath: unknown escape in the text at position {position + 1} of the expression.")
        return _ESCAPED[letter]

    return _ESCAPE.sub(one, text)
