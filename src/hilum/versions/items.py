"""The values of an element, whatever its property is called and whether or not it is a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hilum.versions.schema import BACKBONE, Body, Element, is_primitive


class Item(NamedTuple):
    """One value of an element: its type, the JSON value, and of a primitive its id and extensions."""

    type: str
    value: Any
    extra: Body | None = None


Items = list[Item]


class Unfit(Exception):
    """What is in an element has not the shape that its definition says; the text says which."""


def taken(body: Body, element: Element, types: Iterable[str]) -> Items:
    """The values of an element in a body, of these types. Raises Unfit."""
    found: Items = []
    for type_ in types:
        name = element.property(type_)
        value, extra = body.get(name), body.get(f"_{name}") if is_primitive(type_) else None
        if value is None and extra is None:
            continue
        if element.many:
            values = _list(value)
            extras = _list(extra)
            extras += [None] * (len(values) - len(extras))
            values += [None] * (len(extras) - len(values))
            found += [Item(type_, one, more) for one, more in zip(values, extras, strict=True)]
        else:
            if isinstance(value, list) or isinstance(extra, list):
                raise Unfit("may have one value, and no array")
            found.append(Item(type_, value, extra))
    for item in found:
        if not is_primitive(item.type) and not isinstance(item.value, dict):
            raise Unfit("must be an object")
        if item.extra is not None and not isinstance(item.extra, dict):
            raise Unfit("must have an object beside its value")
    return found


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unfit("must be an array")
    return list(value)


def put(body: Body, element: Element, items: Items) -> None:
    """Set an element of a body; `items` fit it, which `fitting` sees to."""
    if not items:
        return
    name = element.property(items[0].type)
    if not element.many:
        item = items[0]
        if item.value is not None:
            body[name] = item.value
        if item.extra is not None:
            body[f"_{name}"] = item.extra
        return
    if any(item.value is not None for item in items):
        body[name] = [item.value for item in items]
    if any(item.extra is not None for item in items):
        body[f"_{name}"] = [item.extra for item in items]


def fitting(items: Items, element: Element) -> Items:
    """As much of the values as an element can hold, in its own types; primitives that are written alike pass."""
    found = []
    for item in items:
        type_ = _as(item.type, element)
        if type_ is not None:
            found.append(item._replace(type=type_))
    if element.choice and found:
        found = [item for item in found if item.type == found[0].type]
    return found if element.many else found[:1]


def _as(type_: str, element: Element) -> str | None:
    if type_ in element.types:
        return type_
    if element.choice or not is_primitive(type_) or not is_primitive(element.types[0]):
        return None
    return element.types[0] if _written(type_) == _written(element.types[0]) else None


_WRITTEN = {"boolean": "boolean", **dict.fromkeys(("integer", "positiveInt", "unsignedInt", "decimal"), "number")}


def _written(type_: str) -> str:
    return _WRITTEN.get(type_, "string")


def same(one: Iterable[Item], other: Iterable[Item]) -> bool:
    """Whether two lists of values are the same, be a primitive called one type or another that is written alike."""
    ones, others = list(one), list(other)
    return len(ones) == len(others) and all(
        a.value == b.value and type(a.value) is type(b.value) and a.extra == b.extra and _alike(a.type, b.type)
        for a, b in zip(ones, others, strict=True)
    )


def _alike(one: str, other: str) -> bool:
    return one == other or (is_primitive(one) and is_primitive(other) and _written(one) == _written(other))


UNKNOWN: Body = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
"""What stands for a value that one version demands and the other does not have."""


def absent(element: Element) -> Items:
    """The value that says that there is none, for an element that must have one; nothing where it can't say so."""
    type_ = element.types[0]
    if type_ in (BACKBONE, "Resource", "Narrative", "Extension", "xhtml"):
        return []
    return [Item(type_, None, dict(UNKNOWN)) if is_primitive(type_) else Item(type_, dict(UNKNOWN))]


def is_absent(items: Items) -> bool:
    """Whether this is such a value."""
    return len(items) == 1 and (items[0].value == UNKNOWN or (items[0].value is None and items[0].extra == UNKNOWN))
