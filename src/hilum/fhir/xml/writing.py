"""A body to FHIR XML. https://hl7.org/fhir/R4/xml.html

Elements stand in the order of the definitions, whatever the order of the body's properties. Tabs and line breaks in
values are written as character references, since XML readers take them for spaces otherwise.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from hilum.fhir.json import Number
from hilum.fhir.xml import narrative
from hilum.fhir.xml.tables import FHIR, R4, Dialect, Kind, Slot, Table
from hilum.problems import NotAcceptable

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>'
_UNSAFE: Final = re.compile('[&<>"\\t\\n\\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_NEVER: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPED: Final = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("\t"): "&#9;",
    ord("\n"): "&#10;",
    ord("\r"): "&#13;",
}


class _CanNot(Exception):
    """What can't be written; the path grows while the calls unwind."""

    def __init__(self, text: str, path: str = "") -> None:
        super().__init__(text)
        self.text, self.path = text, path


def encode(body: dict[str, Any], dialect: Dialect = R4, *, pretty: bool = False) -> bytes:
    """The resource as an XML document in UTF-8. `pretty`: indented for people.

    Raises NotAcceptable naming the element that XML can't carry (a character that XML 1.0 has not, a narrative that is
    no XHTML), or that is none of FHIR's.
    """
    out = [_DECLARATION]
    try:
        _resource(out, dialect, body, "\n" if pretty else "", f' xmlns="{FHIR}"')
    except _CanNot as found:
        root = str(body.get("resourceType"))
        path = root + found.path if root in dialect.resources else "Resource"
        raise NotAcceptable(f"{path} can't be written as XML: {found.text}; ask for JSON.", expression=path) from None
    return "".join(out).encode()


def _resource(out: list[str], dialect: Dialect, body: Any, indent: str, space: str = "") -> None:
    """`indent` is what stands before the element: a line break and spaces, or nothing."""
    type_ = body.get("resourceType") if type(body) is dict else None
    if type(type_) is not str or type_ not in dialect.resources:
        raise _CanNot(f"it is no resource of {dialect.version}")
    _object(out, type_, dialect.table(type_), body, indent, space)


def _object(out: list[str], name: str, table: Table, body: Any, indent: str, attributes: str = "") -> None:
    if type(body) is not dict:
        raise _CanNot("it must be an object")
    slots = table.slots
    children: list[tuple[int, Slot]] = []
    last, sorted_ = 0, True
    for key, value in body.items():
        slot = slots.get(key)
        if slot is None:
            if key in table.attributes:
                attributes += f' {key}="{_escaped(value)}"'
                continue
            if key == "resourceType":
                continue
            slot = slots.get(key[1:]) if key[:1] == "_" else None
            if slot is None or slot.kind is not Kind.PRIMITIVE:
                raise _CanNot("it has a property that FHIR does not know")
            if slot.property in body:
                continue
        if value is None:
            continue
        if slot.order < last:
            sorted_ = False
        last = slot.order
        children.append((last, slot))
    if not children:
        out.append(f"{indent}<{name}{attributes}/>")
        return
    if not sorted_:
        children.sort(key=_place)
    out.append(f"{indent}<{name}{attributes}>")
    below = f"{indent}  " if indent else ""
    for _, slot in children:
        try:
            _element(out, slot, body, below)
        except _CanNot as found:
            step = f".{slot.step}"
            raise _CanNot(found.text, step + found.path) from None
    out.append(f"{indent}</{name}>")


def _place(child: tuple[int, Slot]) -> int:
    return child[0]


def _element(out: list[str], slot: Slot, body: dict[str, Any], indent: str) -> None:
    value = body.get(slot.property)
    if slot.kind is Kind.PRIMITIVE:
        extra = body.get(slot.underscored)
        if not slot.many:
            _primitive(out, slot, value, extra, indent)
            return
        values = [] if value is None else value
        extras = [] if extra is None else extra
        if type(values) is not list or type(extras) is not list:
            raise _CanNot("it must be an array")
        for index in range(max(len(values), len(extras))):
            try:
                one = values[index] if index < len(values) else None
                _primitive(out, slot, one, extras[index] if index < len(extras) else None, indent)
            except _CanNot as found:
                raise _CanNot(found.text, f"[{index}]{found.path}") from None
        return
    if not slot.many:
        _one(out, slot, value, indent)
        return
    if type(value) is not list:
        raise _CanNot("it must be an array")
    for index, one in enumerate(value):
        try:
            _one(out, slot, one, indent)
        except _CanNot as found:
            raise _CanNot(found.text, f"[{index}]{found.path}") from None


def _one(out: list[str], slot: Slot, value: Any, indent: str) -> None:
    if slot.kind is Kind.COMPLEX:
        _object(out, slot.property, slot.table, value, indent)
    elif slot.kind is Kind.RESOURCE:
        out.append(f"{indent}<{slot.property}>")
        _resource(out, slot.dialect, value, f"{indent}  " if indent else "")
        out.append(f"{indent}</{slot.property}>")
    elif type(value) is str and narrative.sound(value):
        out.append(indent + value.strip())
    else:
        raise _CanNot("it is no well-formed XHTML")


def _primitive(out: list[str], slot: Slot, value: Any, extra: Any, indent: str) -> None:
    text = "" if value is None else f' value="{_escaped(value)}"'
    if extra is None:
        out.append(f"{indent}<{slot.property}{text}/>")
        return
    if type(extra) is dict and "id" in extra:  # before the value, as elements with elements in them have it
        text = f' id="{_escaped(extra["id"])}"{text}'
        extra = {name: one for name, one in extra.items() if name != "id"}
    _object(out, slot.property, slot.table, extra, indent, text)


def _escaped(value: Any) -> str:
    """A value as it stands in an attribute."""
    if type(value) is str:
        if _UNSAFE.search(value) is None:
            return value
        if _NEVER.search(value):
            raise _CanNot("it holds a character that XML 1.0 has not")
        return value.translate(_ESCAPED)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int or type(value) is Decimal:
        return str(value)
    if type(value) is Number:
        return value.text
    raise _CanNot("it must be a text, a number, true or false")
