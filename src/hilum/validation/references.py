"""References: their text, and that they aim at what the element allows. https://hl7.org/fhir/R4/references.html

The type comes from the text (Type/id, or a URL that ends so), from Reference.type, or from the resource that is meant,
where it is contained or stands in the same Bundle.
"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.validation.bundles import Entries
from hilum.validation.containers import Container
from hilum.validation.findings import OF_BUNDLE, OF_CONTAINER, Check, Found, ask, joined, one, refused, wrong

_REFERENCE = re.compile(
    r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
    r"|(?:[A-Za-z][A-Za-z0-9+.\-]*:|#|[A-Z][A-Za-z]+\?)[^ \x00-\x1f\ud800-\udfff]*"
)

NO_REFERENCE: Final = "is not a reference: Type/id, an absolute URI, #id or Type?criteria"
"""Told at the Reference, as HL7's validator does."""

_ENDING: Final = re.compile(r"https?://.+/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_TYPES: Final = "http://hl7.org/fhir/StructureDefinition/"


def text(value: Any, _: int) -> Found:
    """Reference.reference: Type/id, an absolute URI, #id or, in a transaction, Type?criteria.

    The type may be one that R4 does not have: published R4 guides refer to later resources.
    """
    if type(value) is str:
        if _REFERENCE.fullmatch(value):
            return None
        return one("value", NO_REFERENCE)
    return wrong(value, "a string")


def aimed(check: Check, targets: tuple[str, ...]) -> Check:
    """The checker of a Reference that may only be to resources of these types; none, or Resource: of any."""
    any_ = not targets or "Resource" in targets
    allowed = frozenset(TYPE_NUMBER) if any_ else frozenset(targets)

    def reference(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if found is None and "type" not in value:
            meant = value.get("reference")
            if meant is None or meant.partition("/")[0] in allowed:
                return None
        if found is not None and refused(found):
            return [one_._replace(path="") if one_.text == NO_REFERENCE else one_ for one_ in found]
        return joined(found, _aim(value, allowed, any_))

    return reference


def _wrong_type(name: str, allowed: frozenset[str]) -> Found:
    shown = sorted(allowed)
    expected = ", ".join(shown[:12]) + (" ..." if len(shown) > 12 else "")
    found = name if name in TYPE_NUMBER else "another type"
    return one("structure", f"must be a reference to {expected}, but is one to {found}")


def _named(meant: Any) -> str | None:
    """The type that the text of a reference names."""
    if type(meant) is not str:
        return None
    match = _ENDING.fullmatch(meant)
    if match is not None:
        return match[1] if match[1] in TYPE_NUMBER else None
    if ":" in meant or meant[:1] == "#":
        return None
    return meant.partition("/")[0].partition("?")[0]


def _aim(value: dict[str, Any], allowed: frozenset[str], any_: bool) -> Found:
    """A reference whose text does not begin with the name of an allowed type, or that names its type."""
    meant, said = value.get("reference"), value.get("type")
    named = _named(meant)
    if type(said) is str:
        short = said.removeprefix(_TYPES)
        if short not in TYPE_NUMBER:
            return (
                None if any_ or ":" in said else one("value", "must name in its type a resource type, such as Patient")
            )
        if named is not None and named != short:
            return one("structure", "has a type that contradicts the one that its reference names")
        named = short
    if named is not None and named not in allowed and not (any_ and named not in TYPE_NUMBER):
        return _wrong_type(named, allowed)
    if type(meant) is not str:
        return None
    if meant[:1] == "#":
        return ask(OF_CONTAINER, lambda around: _contained(around, meant, named, allowed))
    if ":" in meant:
        return ask(OF_BUNDLE, lambda bundle: _entered(bundle, meant, named, allowed))
    return None


def _contained(around: Container, meant: str, named: str | None, allowed: frozenset[str]) -> Found:
    """ref-1: the contained resource is there. `#` alone is the one that contains."""
    found = around.contained.get(meant)
    if found is None:
        return one("invariant", "breaks ref-1: there is no contained resource with this id")
    return _judged(found, named, allowed)


def _entered(bundle: Entries, meant: str, named: str | None, allowed: frozenset[str]) -> Found:
    found = bundle.resolved.get(meant)
    return None if found is None else _judged(found, named, allowed)


def _judged(body: dict[str, Any], named: str | None, allowed: frozenset[str]) -> Found:
    """The type of the resource that is meant."""
    type_ = body.get("resourceType")
    if type(type_) is not str or type_ not in TYPE_NUMBER:
        return None
    if named is not None and named != type_:
        return one("structure", f"leads to a resource of type {type_}, which is not what its type says")
    return None if type_ in allowed else _wrong_type(type_, allowed)
