"""Index rows the slow way: fhirpathpy selects, and each FHIR type is written down as search.md's tables say.

It shares no code with hilum: expressions and types come from fhirpathpy, dates from datetime, folding from regular
expressions. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fhirpathpy.models import models
from tests.unit.fhirpath.oracle import evaluator

Row = tuple[Any, ...]

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]+)?")
_PARENTS = models["r4"]["type2Parent"]
_CODES = ("code", "id", "uri", "url", "canonical", "oid", "uuid")


def rows(kind: str, expression: str, resource: dict[str, Any]) -> set[Row]:
    """What a parameter of this type and expression says of a resource, each row without its parameter number.

    The system of a `code` is given as `...`: it follows from a binding and not from the resource.
    """
    found: set[Row] = set()
    for part in expression.split(" | "):  # in a union fhirpathpy forgets the types
        for node in evaluator(part, nodes=True)(resource):
            if isinstance(node, bool):
                found.add((None, "true" if node else "false"))
            elif node.data is not None:
                found.update(_WRITERS[kind](node.path, node.data))
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
    if name in ("canonical", "uri"):
        yield (value,)
    elif name == "Reference" and "reference" in value:
        text = value["reference"]
        if (match := _LOCAL.fullmatch(text)) and match[1] in _PARENTS:
            yield match[1], match[2]
        elif not text.startswith("#"):
            yield (text,)


def _uri(name: str, value: Any) -> Iterator[Row]:
    yield (value,)


_WRITERS = {"token": _token, "string": _string, "date": _date, "reference": _reference, "uri": _uri}
