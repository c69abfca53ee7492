"""Bodies of any version, made by its definitions: legal in shape, with codes of both versions and of none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from hilum.versions.items import Item, put
from hilum.versions.schema import BACKBONE, Element, Place, Schema, is_primitive

CODES = [
    *("active", "completed", "not-done", "suspended", "on-hold", "stopped", "aborted", "unknown", "entered-in-error"),
    *(
        "y",
        "n",
        "relapse",
        "recurrence",
        "unconfirmed",
        "has-member",
        "sequel-to",
        "old",
        "order",
        "reflex-order",
        "no",
    ),
    *("HEAD", "GET", "special", "string", "not-taken", "cancelled", "checked-in", "waitlist", "pending"),
]
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "decimal": st.sampled_from([Decimal("1.10"), Decimal("-0.5"), 3]),
    "integer": st.integers(-3, 3),
    "positiveInt": st.integers(1, 3),
    "unsignedInt": st.integers(0, 3),
    "date": st.just("2020-01-01"),
    "dateTime": st.just("2020-01-01"),
    "instant": st.just("2020-01-01T00:00:00Z"),
    "time": st.just("12:00:00"),
    "code": st.sampled_from(CODES),
    "base64Binary": st.just("AAAA"),
    "xhtml": st.just('<div xmlns="http://www.w3.org/1999/xhtml">x</div>'),
}
TEXT = st.sampled_from(["a", "b", "http://example.org/x", "Encounter/1", "EpisodeOfCare/1"])
SYSTEM = "http://terminology.hl7.org/CodeSystem/"
SYSTEMS = [SYSTEM + name for name in ("condition-clinical", "condition-ver-status", "allergyintolerance-clinical")]
_NOT_MADE = frozenset({"contained", "modifierExtension"})


@st.composite
def bodies(draw: DrawFn, schema: Schema, type_: str) -> dict[str, Any]:
    """A resource."""
    return {"resourceType": type_, **_object(draw, schema, (type_, ""), 2)}


def _object(draw: DrawFn, schema: Schema, place: Place, depth: int) -> dict[str, Any]:
    elements = [one for name, one in schema.elements(place).items() if name not in _NOT_MADE]
    if depth == 0:
        elements = [one for one in elements if is_primitive(one.types[0]) or one.required]
    wanted = [one for one in elements if one.required]
    wanted += draw(st.lists(st.sampled_from(elements), max_size=4, unique=True)) if elements else []
    out: dict[str, Any] = {}
    for element in dict.fromkeys(wanted):
        if element.name == "extension" and place[0] == "Extension":
            continue
        if element.name != "extension" or depth > 1:
            type_ = draw(st.sampled_from([one for one in element.types if one != "Resource"] or [""]))
            if type_ and not (depth == 0 and type_ == "Extension"):
                count = draw(st.integers(1, 2)) if element.many else 1
                put(out, element, [_item(draw, schema, element, type_, depth) for _ in range(count)])
    if place == ("Coding", "") and draw(st.booleans()):
        out |= {"system": draw(st.sampled_from(SYSTEMS)), "code": draw(st.sampled_from(CODES))}
    return out or (
        {"url": "http://x"} if place[0] == "Extension" else {"id": "x"} if "id" in schema.elements(place) else {}
    )


def _item(draw: DrawFn, schema: Schema, element: Element, type_: str, depth: int) -> Item:
    if is_primitive(type_):
        value = draw(PRIMITIVES.get(type_, TEXT))
        is_attribute = element.name in ("id", "url", "div")
        extra = {"id": "e"} if not is_attribute and draw(st.integers(0, 9)) == 0 else None
        return Item(type_, value, extra)
    place = element.places[element.types.index(type_)]
    assert place is not None or type_ == BACKBONE
    return Item(type_, _object(draw, schema, place or (type_, ""), max(depth - 1, 0)))
