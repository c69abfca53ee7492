"""FHIR XML to JSON, for reading the test cases of others. https://hl7.org/fhir/R4/xml.html

Not hilum.fhir.xml, so that the cases do not depend on what they are to judge; it knows as much as they use.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as Xml

from hilum.fhirpath.types import Type, is_a
from hilum.interactions.places import by_key

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def resource(element: Xml.Element) -> dict[str, Any]:
    name = element.tag.removeprefix(FHIR)
    return {"resourceType": name, **_object(element, Type(name))}


def _object(element: Xml.Element, kind: Type) -> dict[str, Any]:
    out: dict[str, Any] = {name: value for name, value in element.attrib.items() if name in ("id", "url")}
    for child in element:
        if child.tag == f"{XHTML}div":
            out["div"] = xhtml(child)
            continue
        key = child.tag.removeprefix(FHIR)
        found = by_key(kind)[key][1]
        value, extra = _value(child, found.type)
        if not found.many:
            if value is not None:
                out[key] = value
            if extra:
                out["_" + key] = extra
            continue
        values, extras = out.setdefault(key, []), out.setdefault("_" + key, [])
        values.append(value)
        extras.append(extra or None)
    return {key: value for key, value in out.items() if not (type(value) is list and not any(value))}


def _value(element: Xml.Element, kind: Type) -> tuple[Any, dict[str, Any]]:
    if kind.name == "Resource":
        return resource(element[0]), {}
    if not kind.path and kind.name[0].islower():
        text = element.get("value")
        return (None if text is None else _primitive(text, kind)), _object(element, kind)
    return _object(element, kind), {}


def _primitive(text: str, kind: Type) -> Any:
    if kind.name == "boolean":
        return text == "true"
    if is_a(kind, "integer"):
        return int(text)
    return Decimal(text) if kind.name == "decimal" else text


def xhtml(element: Xml.Element) -> str:
    """The narrative as text, written one way, so that equal narratives are equal texts."""
    text = Xml.tostring(element, encoding="unicode")
    text = text.replace("html:", "").replace("xmlns:html", "xmlns").replace("ns0:", "").replace("xmlns:ns0", "xmlns")
    return re.sub(r"\s*\n\s*", "\n", text)
