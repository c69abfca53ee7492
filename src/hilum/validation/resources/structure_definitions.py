"""StructureDefinition: type, base, contexts, and what element definitions may say of their types.

https://hl7.org/fhir/R4/structuredefinition.html, https://hl7.org/fhir/R4/elementdefinition.html#invs
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hilum.fhir import definitions
from hilum.fhirpath import condition, parse
from hilum.problems import Problem
from hilum.validation.profiles.codes import ERRATA
from hilum.validation.profiles.element_types import type_codes
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.shapes import Kind, is_a, properties
from hilum.validation.profiles.snapshot import snapshot
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import dicts, numbered, text
from hilum.validation.resources.uris import absolute

_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
_R4: Final = frozenset(definitions.names())

_QUANTITIES: Final = ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Count", "Distance", "Duration")
_NUMBERS: Final = ("integer", "integer64", "decimal", "positiveInt", "unsignedInt")
_MOMENTS: Final = ("date", "dateTime", "instant", "time")
_TEXTS: Final = ("string", "code", "uri", "url", "oid", "uuid")

BINDABLE: Final = frozenset(
    (*_TEXTS, "Coding", "CodeableConcept", "CodeableReference", "Range", "Extension", *_QUANTITIES)
)
WITH_LENGTH: Final = frozenset((*_TEXTS, "canonical", "id", "markdown", "base64Binary", *_NUMBERS, *_MOMENTS))
WITH_RANGE: Final = frozenset((*_NUMBERS, *_MOMENTS, "Money", *_QUANTITIES))
_ALL: Final = frozenset(("Element", "BackboneElement", "Resource", "*"))


def type_(here: Here) -> Found:
    """`type` is one of R4's, or has a namespace: then it is a logical model."""
    value = here.item.value
    name, kind, derivation = text(value.get("type")), value.get("kind"), value.get("derivation")
    if name is None:
        return None
    if absolute(name):
        return None if kind == "logical" else error("invalid", "is a URL, as only types of logical models are", ".type")
    if name not in _R4:
        return error("invalid", "is no type that FHIR defines: other types must have a namespace", ".type")
    if value.get("url") != f"{_CORE}{name}" and derivation != "constraint":
        return error("invalid", "is a type of FHIR's: other definitions can only constrain it", ".type")
    return None


def base(here: Here) -> Found:
    """A constraint is of its base's type and kind, a specialization of another type; the differential fits the base."""
    value = here.item.value
    url = text(value.get("baseDefinition"))
    above = here.scope.run.definitions.structure(url) if url is not None else None
    if above is None:
        return None
    derivation = value.get("derivation")
    if derivation is None:
        return error("not-found", "must have a derivation, as it has a base")
    if derivation == "specialization":
        if value.get("type") == above.get("type"):
            return error("not-found", "must not have the type of the base that it specialises")
        return None
    if derivation != "constraint":
        return None
    if value.get("type") != above.get("type"):
        return error("not-found", "must have the type of the base that it constrains")
    if value.get("kind") != above.get("kind") and value.get("kind") is not None:
        return error("not-found", "must be of the kind that its base is of")
    if "differential" not in value or "snapshot" not in above:
        return None
    try:
        snapshot({key: part for key, part in value.items() if key != "snapshot"}, above, here.scope.run.definitions)
    except Problem as problem:
        return error("exception", f"has a differential that does not fit its base: {problem}")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return error("exception", "has a differential that does not fit its base")
    return _widened(value, above)


def _widened(value: dict[str, Any], above: dict[str, Any]) -> Found:
    """Where the differential allows what the base does not. https://hl7.org/fhir/R4/profiling.html#cardinality"""
    bases = {str(one.get("path")): one for one in dicts(above["snapshot"].get("element")) if "sliceName" not in one}
    out: Found = None
    for path, one in numbered(value["differential"].get("element"), ".differential.element"):
        was = bases.get(str(one.get("path")))
        if was is None or ":" in str(one.get("id")).rpartition(".")[0]:
            continue
        for wrong in _wider(one, was):
            out = (out or []) + error("business-rule", wrong, path)
    return out


def _wider(one: dict[str, Any], was: dict[str, Any]) -> Iterator[str]:
    least, lowest, most, highest = (of.get(key) for key in ("min", "max") for of in (one, was))
    if type(least) is int and type(lowest) is int and least < lowest and "sliceName" not in one:
        yield f"must have a min of {lowest} at least, as its base has"
    if type(most) is str and type(highest) is str and _count(most) > _count(highest):
        yield f"must have a max of {highest} at most, as its base has"
    allowed = type_codes(was)
    for code in type_codes(one) if allowed and not _ALL & set(allowed) else ():
        if code in _R4 and not any(is_a(Kind(code), name) for name in allowed):
            yield f"must be of the types that its base allows, and {code} is none of them: {', '.join(allowed[:12])}"
    said, before = one.get("binding"), was.get("binding")
    if type(said) is dict and type(before) is dict and said.get("strength") not in (None, "required"):
        known = (str(was.get("path")), str(before.get("valueSet")))
        if ERRATA.get(known, before.get("strength")) == "required":
            yield "must have a required binding, as its base has"


def _count(most: str) -> float:
    return int(most) if most.isascii() and most.isdigit() and len(most) < 10 else float("inf")


def contexts(here: Here) -> Found:
    """Only extensions have a context, and their url is the one that the elements with it have."""
    value = here.item.value
    out: Found = None
    if value.get("type") != "Extension":
        for key in ("context", "contextInvariant"):
            held = value.get(key)
            for index in range(len(held) if type(held) is list else 0):
                out = (out or []) + error("invalid", "must not be there: only extensions have it", f".{key}[{index}]")
        return out
    listed = value.get("snapshot") or value.get("differential")
    if value.get("derivation") != "constraint" or type(listed) is not dict:
        return None
    for one in dicts(listed.get("element")):
        if (
            one.get("path") == "Extension.url"
            and type(one.get("fixedUri")) is str
            and one["fixedUri"] != value.get("url")
        ):
            return error("invalid", "is an extension whose url is fixed to another one than its own")
    return None


def elements(here: Here) -> Found:
    """Each element: its path, and what it says beside its types."""
    value = here.item.value
    name = text(value.get("type"))
    tail = name.rpartition("/")[2] if name else None
    types, keys = _known_types(here, value), _keys(here, value)
    out: Found = None
    for view in ("differential", "snapshot"):
        listed = value.get(view)
        for path, one in numbered(listed.get("element") if type(listed) is dict else None, f".{view}.element"):
            here.scope.run.step()
            for code, wrong, below in (*_element(one, tail, view, types), *_constraints(one, view, keys)):
                out = (out or []) + error(code, wrong, path + below)
    return out


def _keys(here: Here, value: dict[str, Any]) -> dict[str, str]:
    """Key -> expression of the constraints that the base has."""
    url = text(value.get("baseDefinition"))
    above = here.scope.run.definitions.structure(url) if url is not None else None
    listed = above.get("snapshot") if above is not None else None
    return {
        str(constraint.get("key")): str(constraint["expression"])
        for one in dicts(listed.get("element") if type(listed) is dict else None)
        for constraint in dicts(one.get("constraint"))
        if "expression" in constraint
    }


def _single(path: str) -> bool:
    """Whether R4 has an element at that path that neither repeats nor is a choice."""
    parent, _, name = path.rpartition(".")
    kind = _kind(parent)
    found = properties(kind).get(name, ()) if kind is not None else ()
    return len(found) == 1 and not found[0].many and not found[0].choice


def _kind(path: str) -> Kind | None:
    """The type of the element at a path of R4's; None when that can't be told."""
    head, *steps = path.split(".")
    kind = Kind(head) if head in _R4 else None
    for step in steps:
        found = properties(kind).get(step.removesuffix("[x]"), ()) if kind is not None else ()
        kind = found[0].kind if len(found) == 1 else None
    return None if kind is None or kind.name in ("Resource", "DomainResource") else kind


def _constraints(one: dict[str, Any], view: str, keys: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Expressions are FHIRPath, and the same key is the same constraint everywhere."""
    kind = _kind(str(one.get("path")))
    for index, constraint in enumerate(dicts(one.get("constraint"))):
        expression, key = text(constraint.get("expression")), text(constraint.get("key"))
        if expression is None:
            continue
        try:
            if kind is None or view == "snapshot":
                parse(expression)
            else:
                condition(expression, kind.name, kind.path)
        except Problem as problem:
            yield "invalid", f"has an expression that makes no sense: {problem}", f".constraint[{index}]"
        if view == "differential" and key is not None and keys.setdefault(key, expression) != expression:
            yield "invalid", f"has the key {key}, which another constraint has already", f".constraint[{index}]"


def _known_types(here: Here, value: dict[str, Any]) -> dict[str, list[str]]:
    """Path -> types, by the base: what a differential does not repeat."""
    found: dict[str, list[str]] = {}
    url = text(value.get("baseDefinition"))
    above = here.scope.run.definitions.structure(url) if url is not None else None
    for body in (above, value):
        listed = body.get("snapshot") if body is not None else None
        for one in dicts(listed.get("element") if type(listed) is dict else None):
            codes = type_codes(one)
            if codes and type(one.get("path")) is str:
                found.setdefault(one["path"], codes)
    return found


def _element(
    one: dict[str, Any], type_name: str | None, view: str, types: dict[str, list[str]]
) -> Iterator[tuple[str, str, str]]:
    path = text(one.get("path"))
    if path is None:
        return
    if type_name is not None and path != type_name and not path.startswith(f"{type_name}."):
        yield "not-found", "must have a path that begins with the type of the structure", ""
        return
    if view == "differential" and "." not in path and "slicing" in one:
        yield "invalid", "must not be sliced: it is the root", ""
    if "slicing" in one and "." in path and _single(path):
        yield "not-found", "must not be there: the element is there once, in one type", ".slicing"
    codes = type_codes(one) or types.get(path, [])
    allowed = set(codes)
    if not codes or allowed & _ALL or "." not in path or not allowed <= _R4:
        return
    if "binding" in one and not allowed & BINDABLE:
        yield "business-rule", f"has a binding, but its types are not coded: {', '.join(codes)}", ""
    if "maxLength" in one and not allowed & WITH_LENGTH:
        yield "business-rule", f"has a maxLength, but its types have no length: {', '.join(codes)}", ""
    for key in one:
        for word in ("fixed", "pattern", "defaultValue"):
            if key.startswith(word) and key[len(word) :][:1].isupper() and view == "snapshot":
                said = key[len(word) :]
                if not any(said.lower() == code.lower() for code in codes):
                    yield "exception", f"must be of one of the element's types: {', '.join(codes)}", f".{word}"
        for word in ("minValue", "maxValue"):
            if key.startswith(word) and not allowed & WITH_RANGE:
                yield "business-rule", f"has a {word}, but its types have no range: {', '.join(codes)}", ""
