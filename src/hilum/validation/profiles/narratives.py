"""What a profile asks of narratives: where each part of it comes from, and in which languages it is.

https://hl7.org/fhir/extensions/StructureDefinition-narrative-source-control.html,
https://hl7.org/fhir/extensions/StructureDefinition-narrative-language-control.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from xml.parsers import expat

from hilum.validation.profiles.running import Found, Scope, error, noted
from hilum.validation.profiles.shapes import Item
from hilum.validation.profiles.tree import Def

Step = Callable[[Scope, Item, int], Found]

SOURCE: Final = "http://hl7.org/fhir/StructureDefinition/narrative-source-control"
LANGUAGE: Final = "http://hl7.org/fhir/StructureDefinition/narrative-language-control"
_SOURCES: Final = frozenset(("generated", "boilerplate", "original"))
_SEVERITIES: Final = {"error": "error", "warning": "warning", "information": "information", "hint": "information"}


class _Part(NamedTuple):
    """What stands directly under the div: `name` is "" for text."""

    name: str
    classes: frozenset[str]
    language: str | None


def controlled(of: Def, where: str) -> Step | None:
    """The check of a Narrative that its definition asks for; None when it asks for nothing."""
    source = [_code(one) for one in _dicts(of.element.get("extension")) if one.get("url") == SOURCE]
    languages = [_code(one) for one in _dicts(of.element.get("extension")) if one.get("url") == LANGUAGE]
    severity = _SEVERITIES.get(source[0]) if source else None
    if severity is None and not languages:
        return None

    def narrative(scope: Scope, item: Item, _: int) -> Found:
        div = item.value.get("div") if type(item.value) is dict else None
        if type(div) is not str:
            return None
        parts = list(_parts(div))
        out: Found = None
        if severity is not None and any(not one.classes & _SOURCES for one in parts):
            text = f"has parts whose class does not say their source: generated, boilerplate or original ({where})"
            out = noted(severity, "business-rule", text)
        there = {one.language for one in parts if one.name == "div" and one.language is not None}
        for wanted in languages:
            wrong = _language(wanted, there, scope.body.get("language"))
            if wrong is not None:
                out = (out or []) + error("business-rule", f"{wrong} ({where})")
        return out

    return narrative


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _code(extension: dict[str, Any]) -> str:
    return str(extension.get("valueCode"))


def _language(wanted: str, there: set[str], own: Any) -> str | None:
    if wanted == "_no":
        return "must have no parts by language" if there else None
    if wanted == "_yes":
        return None if there else "must have parts by language"
    if not there:
        return None
    if wanted == "_resource":
        return None if own is None or own in there else "must have a part in the language of the resource"
    return None if wanted in there else f"must have a part in {wanted}"


def _parts(div: str) -> Iterator[_Part]:
    found: list[_Part] = []
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if depth == 1:
            found.append(_Part(name, frozenset(attributes.get("class", "").split()), attributes.get("xml:lang")))
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def text(data: str) -> None:
        if depth == 1 and not data.isspace():
            found.append(_Part("", frozenset(), None))

    if div.lstrip().startswith("<div"):
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
        try:
            parser.Parse(div, True)
        except (expat.ExpatError, UnicodeEncodeError):
            return  # told where it stands
    yield from found
