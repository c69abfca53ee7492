"""SMART resource scopes, read by hand. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html

`patient/Observation.rs?category=laboratory`, `system/*.read`. What is no sound resource scope grants nothing.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
"""https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources"""


class Scope(NamedTuple):
    """`level`: patient, user or system; `type`: a type or `*`; `letters` of `cruds`; `search`: (name, value) pairs."""

    level: str
    type: str
    letters: frozenset[str]
    search: tuple[tuple[str, str], ...] = ()


def read(text: str) -> list[Scope]:
    """The resource scopes among words separated by spaces."""
    return [one for word in text.split() if (one := _one(word)) is not None]


def _one(word: str) -> Scope | None:
    plain, question, query = word.partition("?")
    level, slash, rest = plain.partition("/")
    type, dot, letters = rest.partition(".")
    if level not in ("patient", "user", "system") or not (slash and dot and type and letters):
        return None
    if letters in VERSION_1 and question:
        return None  # search parameters are of version 2
    letters = VERSION_1.get(letters, letters)
    if "".join(letter for letter in "cruds" if letter in letters) != letters:
        return None
    pairs: list[tuple[str, str]] = []
    for part in query.split("&") if question else ():
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            return None
        pairs.append((unquote(name), unquote(value)))
    return Scope(level, type, frozenset(letters), tuple(pairs))
