"""Index rows the slow way: fhirpathpy selects, and each FHIR type is written down as search.md's tables say.

It shares no code with hilum: expressions and types come from fhirpathpy, dates from datetime, folding from regular
expressions. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from fhirpathpy.models import models
from jellyfish import metaphone
from tests.unit.fhirpath.oracle import evaluator

Row = tuple[Any, ...]

_RESTRICTED = re.compile(r"\.where\(resolve\(\) is (\w+)\)")
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]+)?")
_PARENTS = models["r4"]["type2Parent"]
_CODES = ("code", "id", "uri", "url", "canonical", "oid", "uuid")


def rows(kind: str, expression: str, resource: dict[str, Any]) -> set[Row]:
    """What a parameter of this type and expression says of a resource, each row without its parameter number.

    The system of a `code` is given as `...`: it follows from a binding and not from the resource.
    """
    found: set[Row] = set()
    if resource["resourceType"] == "Location" and kind == "special":
        return set(_near("", resource["position"])) if "position" in resource else found
    for part in expression.split(" | "):  # in a union fhirpathpy forgets the types
        if kind == "identifier":  # which target is meant, it says itself
            part, about = _RESTRICTED.sub("", part), _RESTRICTED.search(part)
        for node in evaluator(part, nodes=True)(resource):
            if isinstance(node, bool):
                found.add((None, "true" if node else "false"))
            elif node.data is not None and kind == "identifier":
                found.update(_identifier(node.path, node.data, about[1] if about else None))
            elif node.data is not None:
                found.update(_WRITERS[kind](node.path, node.data))
    return found


def composites(
    context: str, components: list[tuple[str, str]], resource: dict[str, Any], errata: dict[str, str]
) -> set[Row]:
    """What a composite of these (kind, expression) says: (system, code, second) or, for a window, (..., start, end)."""
    found: set[Row] = set()
    type = resource["resourceType"]
    components = sorted(components, key=lambda one: one[0] != "token")
    for part in context.split(" | "):
        if part.split(".")[0] != type:
            continue
        count = 1 if part == type else len(evaluator(part)(resource))
        for i in range(count):
            here = part if part == type else f"{part}[{i}]"
            sets = []
            for kind, text in components:
                told = [errata.get(one, one) for one in text.split(" | ")]
                full = " | ".join(
                    one.replace("%resource", type) if one.startswith("%") else f"{here}.{one}" for one in told
                )
                sets.append(rows(kind, full, resource))
            if any(len(row) == 1 for one in sets for row in one):  # a reference to elsewhere
                sets = [{row for row in one if len(row) > 1} for one in sets]
            found.update((*row[0], *row[1:]) for row in product(*sets))
    return found


def _token(name: str, value: Any) -> Iterator[Row]:
    if name == "CodeableConcept":
        for coding in value.get("coding", []):
            yield from _token("Coding", coding)
    elif name in ("Coding", "Identifier"):
        pair = (value.get("system"), value.get("code" if name == "Coding" else "value"))
        if pair != (None, None):
            yield pair
    elif name == "ContactPoint":
        if "value" in value:
            yield None, value["value"]
    elif name == "boolean":
        yield None, "true" if value else "false"
    elif name == "string":
        yield None, value.casefold()
    elif name in _CODES:
        yield ... if name == "code" else None, value
    elif name == "Extension":
        for key in value:
            if key.startswith("value"):
                yield from _token(
                    key[5:] if key[5:] in ("CodeableConcept", "Coding", "Identifier") else "id", value[key]
                )


def _string(name: str, value: Any) -> Iterator[Row]:
    parts: list[str] = []
    if name in ("string", "markdown"):
        parts = [value]
    elif name == "HumanName":
        parts = [*value.get("given", []), *value.get("prefix", []), *value.get("suffix", [])]
        parts += [value[key] for key in ("text", "family") if key in value]
    elif name == "Address":
        keys = ("text", "city", "district", "state", "postalCode", "country")
        parts = [*value.get("line", []), *(value[key] for key in keys if key in value)]
    for part in parts:
        if part is not None:
            yield fold(part), part


def fold(text: str) -> str:
    """No accents, no case, no punctuation, single spaces."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in ("Mn", "Mc", "Me"))
    plain = re.sub(r"['’‘ʼ.]", "", plain.casefold())
    plain = "".join(" " if unicodedata.category(c).startswith("P") else c for c in plain)
    return re.sub(r"\s+", " ", plain).strip()


def _date(name: str, value: Any) -> Iterator[Row]:
    if name in ("date", "dateTime", "instant"):
        yield span(value)
    elif name == "Period" and value.keys() & {"start", "end"}:
        yield (
            span(value["start"])[0] if "start" in value else -(2**62),
            span(value["end"])[1] if "end" in value else 2**62,
        )
    elif name == "Timing":
        spans = [span(event) for event in value.get("event", [])]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        spans += list(_date("Period", bounds)) if bounds else []
        if spans:
            yield min(low for low, _ in spans), max(high for _, high in spans)


def span(text: str) -> tuple[int, int]:
    """First and last microsecond since 1970 UTC."""
    if len(text) == 4:
        first, after = datetime(int(text), 1, 1), datetime(int(text) + 1, 1, 1)
    elif len(text) == 7:
        first = datetime.strptime(text, "%Y-%m")
        after = (first + timedelta(days=31)).replace(day=1)
    elif len(text) == 10:
        first = datetime.fromisoformat(text)
        after = first + timedelta(days=1)
    else:
        first = datetime.fromisoformat(text)
        fraction = re.search(r"\.(\d+)", text)
        clock = re.search(r"T\d\d:\d\d(:\d\d)?", text)
        assert clock is not None
        width = timedelta(microseconds=10 ** (6 - min(len(fraction[1]), 6))) if fraction else timedelta(seconds=1)
        after = first + (width if clock[1] else timedelta(minutes=1))
    zone = first.tzinfo or UTC
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    low, high = ((t.replace(tzinfo=zone) - epoch) // timedelta(microseconds=1) for t in (first, after))
    return low, high - 1


def _reference(name: str, value: Any) -> Iterator[Row]:
    if isinstance(value, dict) and "resourceType" in value:
        if "id" in value:
            yield value["resourceType"], value["id"]
    elif name in ("canonical", "uri"):
        yield from _uri(name, value)
    elif name == "Reference" and "reference" in value:
        text = value["reference"]
        if (match := _LOCAL.fullmatch(text)) and match[1] in _PARENTS:
            yield match[1], match[2]
        elif not text.startswith("#"):
            yield (text,)


def _uri(name: str, value: Any) -> Iterator[Row]:
    yield (value,)
    if name == "canonical" and "|" in value:
        yield (value[: value.index("|")],)


def _whole(name: str, value: Any) -> Iterator[Row]:
    if name == "code":  # a MIME type
        base = value.split(";")[0].strip().lower()
        yield base, base
    elif isinstance(value, str):
        for (text,) in _uri(name, value):
            yield text, value


def _identifier(name: str, value: Any, about: str | None) -> Iterator[Row]:
    """Of a Reference, if it may be about that; (None, None) where it names nothing else."""
    if name == "Reference":
        names = re.findall(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]+(?:/_history/.*)?$", value.get("reference", ""))
        said = names[0] if names else value.get("type")
        if about is None or said in (about, None):
            found = list(_token("Identifier", value.get("identifier", {})))
            yield from found or ([(None, None)] if value.get("reference", "#").startswith("#") else [])


def _text(name: str, value: Any) -> Iterator[Row]:
    texts: list[str | None] = []
    if name == "CodeableConcept":
        texts = [value.get("text"), *(coding.get("display") for coding in value.get("coding", []))]
    elif name == "Coding":
        texts = [value.get("display")]
    elif name == "Identifier":
        texts = [value.get("type", {}).get("text")]
    for text in texts:
        if text is not None and fold(text):
            yield (fold(text),)


def _of_type(name: str, value: Any) -> Iterator[Row]:
    if name == "Identifier" and "value" in value:
        for coding in value.get("type", {}).get("coding", []):
            if "code" in coding:
                yield f"{coding.get('system', '')}|{coding['code']}", value["value"]


def _number(name: str, value: Any) -> Iterator[Row]:
    for row in _quantity(name, value):
        yield *row[:2], None, None, None


def _quantity(name: str, value: Any) -> Iterator[Row]:
    if not isinstance(value, dict):
        yield float(value), float(value), None, None, None
    elif name == "Money":
        if "value" in value:
            currency = value.get("currency")
            yield float(value["value"]), float(value["value"]), currency and "urn:iso:std:iso:4217", currency, None
    elif name == "Range":
        ends = [value.get("low", {}), value.get("high", {})]
        if any("value" in end for end in ends):
            unit = next((end for end in ends if end.keys() - {"value"}), {})
            limits = [float(end.get("value", open)) for end, open in zip(ends, ("-inf", "inf"), strict=True)]
            yield *limits, unit.get("system"), unit.get("code"), unit.get("unit")
    elif name == "SampledData":
        limits = {"L": float(value.get("lowerLimit", "-inf")), "U": float(value.get("upperLimit", "inf"))}
        start, by = float(value["origin"]["value"]), float(value.get("factor", 1))
        points = [
            limits[p] if p in limits else start + by * float(p) for p in value.get("data", "").split() if p != "E"
        ]
        unit = value["origin"]
        if points:
            yield min(points), max(points), unit.get("system"), unit.get("code"), unit.get("unit")
    elif "value" in value:
        low = high = float(value["value"])
        if "<" in value.get("comparator", ""):
            low = float("-inf")
        elif ">" in value.get("comparator", ""):
            high = float("inf")
        yield low, high, value.get("system"), value.get("code"), value.get("unit")


def _near(name: str, value: Any) -> Iterator[Row]:
    if value.keys() >= {"latitude", "longitude"}:
        yield float(value["latitude"]), float(value["longitude"])


def _phonetic(name: str, value: Any) -> Iterator[Row]:
    texts = [value] if isinstance(value, str) else [value.get("text"), value.get("family"), *value.get("given", [])]
    for text in texts:
        for word in fold(text or "").split():
            if sound := metaphone(word).replace(" ", ""):
                yield None, sound


_WRITERS = {
    "token": _token,
    "string": _string,
    "date": _date,
    "reference": _reference,
    "uri": _uri,
    "number": _number,
    "quantity": _quantity,
    "phonetic": _phonetic,
    "text": _text,
    "of_type": _of_type,
    "whole": _whole,
}
