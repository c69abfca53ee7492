"""SMART scopes, versions 1 and 2, as values. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html

`patient/Observation.rs`, `patient/Observation.rs?category=laboratory`, `system/*.cruds`, `user/*.read`. What is not
understood is no error: it grants nothing. Version 1 maps as the clause on backwards compatibility says, and is written
back as it was asked for. Whether a type exists, and whether a search parameter can limit anything, is judged where the
types are known (`hilum.access.granting`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote_to_bytes

LETTERS: Final = "cruds"
"""In the order in which a scope has them. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources"""
_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_WORDS: Final = {frozenset(letters): word for word, letters in _V1.items()}
_SCOPE: Final = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|c?r?u?d?s?)(\?.*)?", re.DOTALL)
_RESOURCE: Final = re.compile(r"(patient|user|system)/")
_WISH: Final = re.compile(r"launch/([a-z]+)(?:\?role=(\S+))?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN: Final = "".join(chr(one) for one in range(0x21, 0x7F) if chr(one) not in '"\\%&')
"""What stands for itself in a value: scope tokens (RFC 6749, 3.3) take neither quotes nor backslashes."""

LONGEST: Final = 16 * 1024
"""Characters of a `scope` value: one for each type, level and category has a quarter of them."""
MOST_LIMITED: Final = 100
"""Scopes with search parameters in one `scope` value: judging them takes time, and anyone can ask."""
MOST_PAIRS: Final = 10
MOST_TEXT: Final = 1000
"""Search parameters of one scope, and their characters as written."""

INTROSPECT: Final = "__introspect"
"""Tokens of others may be looked at (RFC 7662)."""
FLAGS: Final = ("launch", "openid", "fhirUser", "profile", "online_access", "offline_access", INTROSPECT)
"""The scopes that are single words."""

Search = tuple[tuple[str, str], ...]
"""Search parameters as decoded (name, value) pairs."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One resource scope. `level`: patient, user or system; `type`: a type or `*`; `interactions`: of `cruds`.

    `search`: only what all these parameters find. `v1`: it was asked for as `read`, `write` or `*`.
    """

    level: str
    type: str
    interactions: frozenset[str]
    search: Search = ()
    v1: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """`launch/patient`: context that an app asks for; `type` in lower case, `role` the URI that says what for."""

    type: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a `scope` parameter says, in its order, without doubles and without what is not understood.

    `flags`: those of `FLAGS` that it names.
    """

    resources: tuple[Scope, ...] = ()
    wishes: tuple[Wish, ...] = ()
    flags: frozenset[str] = frozenset()


def resource_scope(text: str) -> Scope | None:
    """The resource scope that `text` is; None for another kind of scope and for one that grants nothing.

    Nothing is granted by letters out of order (`.dus`), by unknown words, and by search parameters that have no name or
    no value: to grant such a scope without them would widen what was asked for.
    """
    found = _SCOPE.fullmatch(text)
    if found is None or found[3] == "":
        return None
    search: Search | None = ()
    if found[4] is not None:
        search = None if found[3] in _V1 else pairs(found[4][1:])  # version 1 has no parameters
    if search is None:
        return None
    return Scope(found[1], found[2], frozenset(_V1.get(found[3], found[3])), search, found[3] in _V1)


def pairs(text: str) -> Search | None:
    """Search parameters as they stand after `?`, percent-encoding undone once; None when they can't be understood, or
    are more than a scope may have.
    """
    if _BROKEN.search(text) or len(text) > MOST_TEXT or text.count("&") >= MOST_PAIRS:
        return None
    found: list[tuple[str, str]] = []
    for part in text.split("&"):
        name, _, value = part.partition("=")
        try:
            pair = unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
        except UnicodeError:
            return None
        if not all(pair) or any(_CONTROL.search(one) for one in pair):
            return None
        found.append(pair)
    return tuple(dict.fromkeys(found))


def parse(scope: str) -> tuple[Scope, ...]:
    """The resource scopes of a space-separated `scope` value (RFC 6749, 3.3), in its order, without doubles.

    Of those with search parameters the first `MOST_LIMITED`.
    """
    all = (resource_scope(text) for text in scope.split(" "))
    found = tuple(dict.fromkeys(item for item in all if item is not None))
    beyond = frozenset([item for item in found if item.search][MOST_LIMITED:])
    return tuple(item for item in found if item not in beyond) if beyond else found


def asked(scope: str) -> Asked:
    """All that a space-separated `scope` value says."""
    words = scope.split(" ")
    wishes = (_WISH.fullmatch(text) for text in words)
    return Asked(
        parse(scope),
        tuple(dict.fromkeys(Wish(found[1], found[2] or "") for found in wishes if found is not None)),
        frozenset(FLAGS).intersection(words),
    )


def part(one: Scope, by: Scope) -> Scope | None:
    """What both allow: the same level, the narrower type, common letters, the search parameters of both; or None."""
    if one.level != by.level or (one.type != by.type and "*" not in (one.type, by.type)):
        return None
    letters = one.interactions & by.interactions
    if not letters:
        return None
    type = by.type if one.type == "*" else one.type
    return Scope(one.level, type, letters, tuple(dict.fromkeys((*one.search, *by.search))), one.v1)


def parts(one: Scope, by: Iterable[Scope]) -> tuple[Scope, ...]:
    """The parts of a scope that single ones of `by` allow, without those that lie within another part."""
    return widest(shared for other in by if (shared := part(one, other)) is not None)


def widest(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Those that do not lie within another one; of equals the first.

    One lies only within others of its type and level or of `*`: only those are compared, since anyone can ask for many.
    """
    found = tuple(dict.fromkeys(scopes))
    if len(found) < 2:
        return found
    kept: dict[tuple[str, str], list[Scope]] = {}
    for one in found:
        near = kept.setdefault((one.level, one.type), [])
        if not any(within(one, other) for other in near):
            near[:] = [*(other for other in near if not within(other, one)), one]
    left = {
        one
        for (level, _), some in kept.items()
        for one in some
        if one.type == "*" or not any(within(one, other) for other in kept.get((level, "*"), ()))
    }
    return tuple(one for one in found if one in left)


def within(one: Scope, other: Scope) -> bool:
    """Whether whatever `one` allows, `other` allows as well, going by what they say."""
    return (
        one.level == other.level
        and other.type in ("*", one.type)
        and one.interactions <= other.interactions
        and set(other.search) <= set(one.search)
    )


def covered(one: Scope, by: Iterable[Scope]) -> Scope | None:
    """The part of a scope that a single one of `by` allows, the widest where there are several; None: no part.

    It is the scope itself exactly where that is allowed whole.
    """
    return max(
        parts(one, by),
        key=lambda each: (each == one, each.type == "*", len(each.interactions), -len(each.search)),
        default=None,
    )


def written(scopes: Iterable[Scope]) -> str:
    """Resource scopes as a `scope` value, in their order; what was asked for in words of version 1 is written so."""
    return " ".join(dict.fromkeys(map(_text, scopes)))


def text(granted: Asked) -> str:
    """All of it as a `scope` value: words, then launch context, then resources."""
    words = [flag for flag in FLAGS if flag in granted.flags]
    wishes = [f"launch/{one.type}" + (f"?role={one.role}" if one.role else "") for one in granted.wishes]
    return " ".join([*words, *wishes, *dict.fromkeys(map(_text, granted.resources))])


def _text(scope: Scope) -> str:
    word = _WORDS.get(scope.interactions) if scope.v1 and not scope.search else None
    letters = word or "".join(letter for letter in LETTERS if letter in scope.interactions)
    search = "&".join(f"{quote(name, _NAME)}={quote(value, _PLAIN)}" for name, value in scope.search)
    return f"{scope.level}/{scope.type}.{letters}" + (f"?{search}" if search else "")


_NAME: Final = _PLAIN.replace("=", "")


def refusal(text: str) -> str | None:
    """Why this one scope would grant nothing, in words for who asked for it; None when it is sound."""
    if not _RESOURCE.match(text) or resource_scope(text) is not None:
        return None
    found = _SCOPE.fullmatch(text)
    if found is not None and found[3] != "":
        return (
            f"The search parameters of the scope {text!r} are not understood. Expected letters of 'cruds', '?' and "
            "name=value, joined by '&': for example patient/Observation.rs?category=laboratory."
        )
    return (
        f"The scope {text!r} is not understood. Expected patient/, user/ or system/, then a resource type or *, "
        "a dot, and letters of 'cruds' in this order (or read, write, *): for example patient/Observation.rs."
    )
