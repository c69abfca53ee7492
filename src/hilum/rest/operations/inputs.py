"""What an operation is given, read by its declaration: names, how often, which types.

https://hl7.org/fhir/R4/operations.html#request, https://hl7.org/fhir/R4/parameters.html

From the URL, and by POST from a Parameters resource, from a form, or from the one resource that the operation is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hilum.fhir import json
from hilum.fhir.definitions import type_
from hilum.interactions.build import apart
from hilum.problems import Invalid, Malformed
from hilum.rest import media
from hilum.rest.links import CURSOR
from hilum.rest.message import Request
from hilum.rest.prefer import prefer
from hilum.search.dates import interval
from hilum.validation import validate
from hilum.web import uri
from hilum.web.body import parsed

if TYPE_CHECKING:
    from hilum.rest.operations.operation import Operation, Parameter

BODIES: Final = media.JSON | {media.FORM}


@dataclass(frozen=True, slots=True)
class Inputs:
    """Values by the names of their parameters, each of the type that was declared.

    A boolean is a bool, whole numbers are ints, a decimal is a Decimal, other primitive types are texts; data types and
    resources are as their JSON; what has parts is Inputs. `asked`: the simple ones as pairs, for links and the audit.
    `beside`: search parameters that are not declared, as pairs (`Operation.searches`).
    """

    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asked: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def each(self, name: str) -> tuple[Any, ...]:
        """All values of a parameter."""
        return self.values.get(name, ())

    def value(self, name: str) -> Any:
        """The value of a parameter that is given once at most; None without it."""
        return next(iter(self.values.get(name, ())), None)

    def text(self, name: str) -> str | None:
        """The same, of a type that is a text."""
        found: str | None = self.value(name)
        return found

    def number(self, name: str) -> int | None:
        """The same, of a whole number."""
        found: int | None = self.value(name)
        return found

    def flag(self, name: str) -> bool | None:
        """The same, of a boolean."""
        found: bool | None = self.value(name)
        return found

    def body(self, name: str) -> dict[str, Any] | None:
        """The same, of a data type or a resource."""
        found: dict[str, Any] | None = self.value(name)
        return found

    def parts(self, name: str) -> tuple[Inputs, ...]:
        """All values of a parameter that has parts."""
        return self.values.get(name, ())

    def place(self, name: str, number: int = 0) -> str:
        """Where a value stood, `Parameters.parameter[2]`, for who has something to say about it; else its name."""
        places = self.places.get(name, ())
        return places[number] if number < len(places) else name


@dataclass(slots=True)
class _Found:
    """What is being read."""

    lenient: bool
    values: dict[str, list[Any]] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    beside: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, value: Any, place: str) -> None:
        self.values.setdefault(name, []).append(value)
        self.places.setdefault(name, []).append(place)

    def whole(self, declared: Iterable[Parameter], where: str = "") -> Inputs:
        """All of it, once the numbers fit. Raises Malformed."""
        for one in declared:
            given = self.places.get(one.name, [])
            place = where or None
            if len(given) < one.min:
                least = f"{one.min} times" if one.min > 1 else "missing"
                said = f"needed {least}" if one.min > 1 else f"{least}: {one.text}"
                raise Malformed(f"{one.name} is {said}", expression=place)
            if one.max != "*" and len(given) > int(one.max):
                expression = given[int(one.max)] if given[int(one.max)] != one.name else None
                many = "once" if one.max == "1" else f"{one.max} times"
                raise Malformed(f"{one.name} may be given {many}.", expression=expression)
        values = {name: tuple(found) for name, found in self.values.items()}
        places = {name: tuple(found) for name, found in self.places.items()}
        return Inputs(values, places, tuple(self.asked), tuple(self.beside))


async def read(operation: Operation, request: Request) -> Inputs:
    """What the request gives the operation; `request.asked` tells the audit. Raises Malformed, Invalid."""
    found = _Found(prefer(request).lenient)
    declared = {one.name: one for one in operation.inputs}
    pairs = request.parameters
    body: dict[str, Any] | None = None
    if request.resource is not None:
        body = request.resource
    elif request.body and request.method == "POST":
        if media.content(request.headers.get(b"content-type"), BODIES) == media.FORM:
            pairs = [*pairs, *uri.pairs(request.body.decode("latin-1"), "form")]
        else:
            body = await parsed(request.body)
    for name, value in pairs:
        _take_pair(operation, declared, found, name, value)
    if body is not None:
        bare = operation.bare
        given = body.get("resourceType") == "Parameters" and (bare is None or bare.type != "Parameters")
        if given and not (bare is not None and _itself(request, declared, body)):
            await apart(request.size, _check, body)
            _take_parameters(operation, declared, found, body)
        elif bare is not None:
            found.add(bare.name, _resource(bare, body, bare.name), bare.name)
        else:
            raise Malformed("The body of an operation must be a Parameters resource.", expression="Parameters")
    if request.body or request.resource is not None:
        request.asked = uri.encode([*found.asked, *found.beside])
    return found.whole(operation.inputs)


def _itself(request: Request, declared: Mapping[str, Parameter], body: dict[str, Any]) -> bool:
    """Whether Parameters are what the operation is about, not what it is given: at Parameters/$validate, where none of
    the operation's own parameters is in them.
    """
    listed = body.get("parameter")
    parts = listed if type(listed) is list else [] if listed is None else [listed]
    named = any(type(one) is dict and type(one.get("name")) is str and one["name"] in declared for one in parts)
    return request.path[0] == "Parameters" and not named and (len(request.path) == 2 or bool(parts))


def _take_pair(operation: Operation, declared: Mapping[str, Parameter], found: _Found, name: str, value: str) -> None:
    """One parameter of a URL or a form."""
    one = declared.get(name)
    if one is None or not one.simple:
        if operation.searches or name in operation.takes:
            found.beside.append((name, value))
        elif not found.lenient:
            raise Malformed(_unknown(operation, name, simple=True))
        return
    found.add(name, simple(one, value, None), name)
    found.asked.append((name, value))


def _take_parameters(
    operation: Operation, declared: Mapping[str, Parameter], found: _Found, body: dict[str, Any]
) -> None:
    for number, part in enumerate(body.get("parameter", [])):
        place = f"Parameters.parameter[{number}]"
        one = declared.get(part["name"])
        if one is not None:
            found.add(one.name, _value(one, part, place, found), place)
        elif operation.searches and part["name"] != CURSOR:
            found.beside.append((part["name"], _text(part, place)))
        elif not found.lenient:
            raise Malformed(_unknown(operation, part["name"]), expression=f"{place}.name")


def _check(body: dict[str, Any]) -> None:
    """Raises Invalid unless the Parameters are sound; resources in them are judged by who asked for them."""
    listed = body.get("parameter")
    if type(listed) is list:
        body = body | {"parameter": [_without_resource(one) for one in listed]}
    issues = tuple(one for one in validate(body) if one.severity in ("error", "fatal"))
    if issues:
        raise Invalid(issues=issues)


_STUB: Final = {"resourceType": "Parameters"}


def _without_resource(part: Any) -> Any:
    if type(part) is not dict:
        return part
    found = dict(part)
    if type(found.get("resource")) is dict:
        found["resource"] = _STUB
    if type(found.get("part")) is list:
        found["part"] = [_without_resource(one) for one in found["part"]]
    return found


def _value(one: Parameter, part: dict[str, Any], place: str, found: _Found) -> Any:
    """The value of one parameter of Parameters, as it was declared. Raises Malformed naming the place."""
    if one.parts:
        return _parts(one, part, place, found.lenient)
    if one.resource:
        resource = part.get("resource")
        if type(resource) is not dict:
            raise Malformed(f"{one.name} must be a resource.", expression=place)
        return _resource(one, resource, f"{place}.resource")
    if one.simple:
        text = _text(part, place)
        value = simple(one, text, place)
        found.asked.append((one.name, text))
        return value
    spelled = [name for name in part if name[:5] == "value"]
    if one.type == "Element":
        if len(spelled) != 1:
            raise Malformed(f"{one.name} must have one value[x].", expression=place)
        return {spelled[0]: part[spelled[0]]}
    wanted = f"value{one.type[:1].upper()}{one.type[1:]}"
    if spelled != [wanted]:
        raise Malformed(f"{one.name} must be a {one.type}: {wanted}.", expression=place)
    return part[wanted]


def _parts(one: Parameter, part: dict[str, Any], place: str, lenient: bool) -> Inputs:
    declared = {below.name: below for below in one.parts}
    inner = _Found(lenient)
    for number, below in enumerate(part.get("part", [])):
        where = f"{place}.part[{number}]"
        known = declared.get(below["name"])
        if known is not None:
            inner.add(known.name, _value(known, below, where, inner), where)
        elif not lenient:
            names = ", ".join(declared)
            raise Malformed(f"{one.name} has no part of this name; it has: {names}.", expression=f"{where}.name")
    return inner.whole(one.parts, place)


def _resource(one: Parameter, body: dict[str, Any], place: str) -> dict[str, Any]:
    if one.type not in ("Resource", body.get("resourceType")):
        raise Malformed(f"{one.name} must be a {one.type}.", expression=place)
    return body


def _text(part: dict[str, Any], place: str) -> str:
    """A primitive value as it would stand in a URL, however its type was spelled: clients differ in that."""
    spelled = [name for name in part if name[:5] == "value"]
    value = part[spelled[0]] if len(spelled) == 1 else None
    if type(value) is bool:
        return "true" if value else "false"
    if not isinstance(value, str | int | Decimal):
        raise Malformed("Expected one value of a primitive type.", expression=place)
    return value if isinstance(value, str) else json.encode(value).decode()


def simple(one: Parameter, text: str, place: str | None) -> Any:
    """The value of a primitive type from its text. Raises Malformed naming the parameter."""
    try:
        return _READ.get(one.type, _of(one.type))(text)
    except (ValueError, KeyError, ArithmeticError, Malformed):
        example = _EXAMPLES.get(one.type, f"as FHIR writes the type {one.type}")
        raise Malformed(f"{one.name} must be {example}.", expression=place) from None


def _unknown(operation: Operation, name: str, *, simple: bool = False) -> str:
    names = [one.name for one in operation.inputs if one.simple or not simple]
    known = ", ".join(sorted(names)) or "none beside the general ones"
    return f"The parameter {name[:64]!r} is not known to ${operation.code}; known here: {known}."


# --- primitive types --------------------------------------------------------------------------------------------------


def _date(text: str) -> str:
    """Any date or time: who says a year where a day is meant says enough."""
    text = text.replace(" ", "+")  # the + of a time zone, unescaped in a URL: nothing else can be meant by a space
    interval(text)
    return text


def _whole(low: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _INTEGER(text) or not low <= int(text) < 1 << 31:
            raise ValueError
        return int(text)

    return read


_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,10}").fullmatch


@cache
def _of(name: str) -> Callable[[str], str]:
    matches = re.compile(type_(name).regex or r"[ \r\n\t\S]+").fullmatch

    def read(text: str) -> str:
        if not text or not matches(text):
            raise ValueError
        return text

    return read


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "boolean": {"true": True, "false": False}.__getitem__,
    "integer": _whole(-(1 << 31)),
    "unsignedInt": _whole(0),
    "positiveInt": _whole(1),
    "decimal": json.number,
    "date": _date,
    "dateTime": _date,
    "instant": _date,
}
_EXAMPLES: Final = {
    "boolean": "true or false",
    "integer": "a whole number",
    "unsignedInt": "a whole number, 0 or more",
    "positiveInt": "a whole number, 1 or more",
    "decimal": "a number",
    "date": "a date or an instant, such as 2026-01-31T12:00:00Z",
    "dateTime": "a date or an instant, such as 2026-01-31T12:00:00Z",
    "instant": "a date or an instant, such as 2026-01-31T12:00:00Z",
}
