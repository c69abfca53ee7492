"""Extensions: their urls, R4's own ones, and modifiers. https://hl7.org/fhir/R4/extensibility.html

Of R4's own extensions this room knows whether they are modifiers and which types their value has; whether they stand
where they may, and what is in them, says their profile (validation/profiles). A modifier extension changes what
its element means, so that one which nobody knows is refused.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from hilum.fhir import definitions
from hilum.validation.findings import OF_CALLER, Caller, Check, Found, ask, one, refused
from hilum.versions import KNOWN_MODIFIERS


class _Own(NamedTuple):
    """An extension of R4. `values`: the property that its value may stand in."""

    values: frozenset[str]
    modifier: bool


@cache
def _own() -> dict[str, _Own]:
    found = {}
    for url, extension in definitions.extensions().items():
        values = frozenset("value" + name[:1].upper() + name[1:] for name in extension.types)
        found[url] = _Own(values, extension.modifier)
    return found


UNKNOWN_MODIFIER: Final = "is a modifier extension that is not known here"

_PLAIN: Final[set[str]] = set()
"""Urls seen that need no further look where no modifier is meant: one set for all elements, so that it stays small."""
_KEPT, _SHORT = 4096, 256
_SCHEMES: Final = ("http://", "https://", "urn:")


def known(check: Check, *, modifier: bool, inner: bool, thorough: bool = False) -> Check:
    """The checker of an extension. `inner`: one within an extension, whose url is a name."""
    own = _own()
    plain = frozenset() if modifier or inner or thorough else _PLAIN

    def extension(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if type(value) is not dict:
            return found
        url = value.get("url")
        if type(url) is not str or url in plain or (found is not None and refused(found)):
            return found
        one_ = own.get(url)
        if one_ is None:
            more = _unknown(url, modifier=modifier, inner=inner, thorough=thorough)
            if more is None and plain is _PLAIN and len(_PLAIN) < _KEPT and len(url) < _SHORT:
                _PLAIN.add(url)
        else:
            more = _known(value, one_, modifier=modifier)
        return found if more is None else (found or []) + more

    return extension


def _unknown(url: str, *, modifier: bool, inner: bool, thorough: bool) -> Found:
    if inner:
        return None
    if not url.startswith(_SCHEMES) and ":" not in url:
        return one("structure", "must have an absolute url, such as http://example.org/x: it is the extension's name")
    if modifier:
        return ask(OF_CALLER, lambda caller: _unknown_modifier(url, caller))
    if thorough:
        told = one("extension", "is an extension that is not known here", severity="information")
        return ask(OF_CALLER, lambda caller: None if url in caller.extensions else told)
    return None


def _unknown_modifier(url: str, caller: Caller) -> Found:
    if url in KNOWN_MODIFIERS or url in caller.extensions:
        return None
    return one("extension", f"{UNKNOWN_MODIFIER}, so that its element can't be understood")


def _known(value: dict[str, Any], own: _Own, *, modifier: bool) -> Found:
    if own.modifier != modifier:
        other = "modifierExtension" if own.modifier else "extension"
        return one("extension", f"must be a {other}, by its definition")
    names = [name for name in value if name[:5] == "value" or name[:6] == "_value"]
    for name in names:
        if not own.values:
            return one("extension", "has a value, but must consist of extensions, by its definition", ".value")
        if name.removeprefix("_") not in own.values:
            expected = " or ".join(sorted(own.values))
            return one("extension", f"must be {expected}, by the extension's definition", ".value")
    return None
