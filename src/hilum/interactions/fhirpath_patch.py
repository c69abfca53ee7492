"""FHIRPath Patch: a Parameters resource to a `Patch`. https://hl7.org/fhir/R4/fhirpatch.html"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hilum.fhir import definitions
from hilum.fhirpath import Node, Work, locate
from hilum.fhirpath.parser import parse
from hilum.fhirpath.types import Property, Type, is_a, is_abstract, properties
from hilum.interactions.patches import Patch, copied
from hilum.interactions.places import Item, Place, by_key, place_of
from hilum.problems import Invalid, Malformed, Unprocessable
from hilum.validation import validate

MOST_OPERATIONS: Final = 10_000
_PARTS: Final = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
"""type -> the parts it needs."""
_TYPES: Final = {"type": "valueCode", "path": "valueString", "name": "valueString"} | dict.fromkeys(
    ("index", "source", "destination"), "valueInteger"
)
_PARAMETER: Final = Type("Parameters", "parameter")


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an operation: typed (`type` and item), or anonymous: parts, each a name and a value."""

    type: Type | None
    item: Item
    parts: tuple[tuple[str, Value], ...] = ()


def parse_fhirpath_patch(body: dict[str, Any]) -> Patch:
    """The Patch of a Parameters resource. Raises Invalid (shape, a part missing) and Malformed (a path's syntax)."""
    if body.get("resourceType") != "Parameters":
        raise Invalid("A FHIRPath Patch must be a Parameters resource.", expression="resourceType")
    issues = validate(body)
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Invalid(issues=tuple(issues))
    parameters = body.get("parameter", [])
    if len(parameters) > MOST_OPERATIONS:
        raise Invalid(f"The patch has more than {MOST_OPERATIONS} operations.", expression="Parameters.parameter")
    return Patch("fhirpath", tuple(_operation(item, f"Parameters.parameter[{i}]") for i, item in enumerate(parameters)))


def _operation(item: dict[str, Any], where: str) -> Callable[[dict[str, Any], Work], dict[str, Any]]:
    if item["name"] != "operation":
        raise Invalid("Every parameter of a FHIRPath Patch must have the name 'operation'.", expression=f"{where}.name")
    parts: dict[str, dict[str, Any]] = {}
    for part in item.get("part", ()):
        if part["name"] in parts:
            raise Invalid(f"The part {part['name'][:64]!r} stands twice in one operation.", expression=where)
        parts[part["name"]] = part
    name = _simple(parts, "type", where)
    if name not in _PARTS:
        raise Invalid(f"The type of an operation must be one of {', '.join(_PARTS)}.", expression=where)
    if surplus := parts.keys() - {"type", *_PARTS[name]}:
        raise Invalid(f"A {name} operation has no part {sorted(surplus)[0][:64]!r}.", expression=where)
    arguments: dict[str, Any] = {
        part: _value(parts, where) if part == "value" else _simple(parts, part, where) for part in _PARTS[name]
    }
    try:
        parse(arguments["path"])
    except Malformed as problem:
        raise Malformed(str(problem), expression=where) from None
    return lambda body, work: _APPLY[name](body, where, work, **arguments)


def _simple(parts: dict[str, dict[str, Any]], name: str, where: str) -> Any:
    key = _TYPES[name]
    value = parts.get(name, {}).get(key)
    if value is None and key == "valueCode":  # seen in clients, and harmless
        value = parts.get(name, {}).get("valueString")
    if value is None:
        raise Invalid(f"The operation needs a part {name!r} with a {key}.", expression=where)
    return value


def _value(parts: dict[str, dict[str, Any]], where: str) -> Value:
    if "value" not in parts:
        raise Invalid("The operation needs a part 'value'.", expression=where)
    return _read(parts["value"], where)


def _read(part: dict[str, Any], where: str) -> Value:
    if "part" in part:
        return Value(None, (None, None), tuple((inner["name"], _read(inner, where)) for inner in part["part"]))
    if "resource" in part:
        return Value(Type(part["resource"]["resourceType"]), (part["resource"], None))
    for found in properties(_PARAMETER)["value"]:
        if found.key in part or "_" + found.key in part:
            return Value(found.type, (part.get(found.key), part.get("_" + found.key)))
    raise Invalid("A value must have a value[x], a resource or parts.", expression=where)


# --- the operations ---------------------------------------------------------------------------------------------------


def _found(body: dict[str, Any], path: str, work: Work) -> list[Node]:
    nodes = locate(path, body["resourceType"])(body, work)
    if any(node.location is None for node in nodes):
        raise Invalid("The path of a patch must select elements, not compute values.")
    return nodes


def _single(body: dict[str, Any], path: str, where: str, work: Work) -> Node:
    nodes = _found(body, path, work)
    if len(nodes) != 1:
        found = "no element" if not nodes else "several elements"
        raise Unprocessable(f"The path of the operation selects {found}; it must select exactly one.", expression=where)
    return nodes[0]


def _add(body: dict[str, Any], where: str, work: Work, path: str, name: str, value: Value) -> dict[str, Any]:
    node = _single(body, path, where, work)
    location = node.location or ()
    owner = node.type
    above: tuple[Place, int] | None = None
    holder = body
    if location:
        above = place_of(body, location)
        holder = above[0].object(above[1])
    kind = _property(owner, name, value, where)
    element = by_key(owner)[kind.key][0]
    place = Place(holder, element, kind, owner, above)
    if not kind.many and any(_place(place, other).items() for other in properties(owner)[element]):
        raise Unprocessable(f"{owner}.{element} exists already and does not repeat; use replace.", expression=where)
    place.append(_item(value, kind.type, where))
    return body


def _insert(body: dict[str, Any], where: str, work: Work, path: str, index: int, value: Value) -> dict[str, Any]:
    place = _list(body, path, where, work)
    kind = _property(place.owner, place.name, value, where)
    items = place.items()
    if not 0 <= index <= len(items):
        raise Unprocessable(f"The index must be 0 to {len(items)}, the length of the list.", expression=where)
    items.insert(index, _item(value, kind.type, where))
    place.put(items)
    return body


def _delete(body: dict[str, Any], where: str, work: Work, path: str) -> dict[str, Any]:
    if not _found(body, path, work):
        return body
    node = _single(body, path, where, work)
    place, index = _below_root(body, node, where)
    items = place.items()
    del items[index]
    place.put(items)
    return body


def _replace(body: dict[str, Any], where: str, work: Work, path: str, value: Value) -> dict[str, Any]:
    node = _single(body, path, where, work)
    place, index = _below_root(body, node, where)
    kind = _property(place.owner, place.name, value, where)
    item = _item(value, kind.type, where)
    if kind.key == place.kind.key:
        items = place.items()
        items[index] = item
        place.put(items)
    else:  # a choice changes its type: valueString becomes valueQuantity
        _place(place, kind).put([item])
        place.put([])
    return body


def _move(body: dict[str, Any], where: str, work: Work, path: str, source: int, destination: int) -> dict[str, Any]:
    place = _list(body, path, where, work)
    items = place.items()
    if not (0 <= source < len(items) and 0 <= destination < len(items)):
        raise Unprocessable(f"Source and destination must be 0 to {len(items) - 1}.", expression=where)
    items.insert(destination, items.pop(source))
    place.put(items)
    return body


_APPLY: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _below_root(body: dict[str, Any], node: Node, where: str) -> tuple[Place, int]:
    if not node.location:
        raise Unprocessable("The path of the operation selects the whole resource.", expression=where)
    return place_of(body, node.location)


def _list(body: dict[str, Any], path: str, where: str, work: Work) -> Place:
    """The one list that all selected elements are in."""
    locations = [node.location or () for node in _found(body, path, work)]
    if not locations:
        raise Unprocessable("The path of the operation selects no element.", expression=where)
    if len({location[:-1] for location in locations}) > 1 or not locations[0] or type(locations[0][-1]) is not int:
        raise Unprocessable("The path of the operation must select the elements of one list.", expression=where)
    return place_of(body, locations[0])[0]


def _place(place: Place, kind: Property) -> Place:
    return Place(place.holder, place.name, kind, place.owner, place.above)


# --- types ------------------------------------------------------------------------------------------------------------


def _property(owner: Type, name: str, value: Value, where: str) -> Property:
    """The property that `name` (an element, or the JSON name of a choice) means for a value of this type."""
    found = properties(owner).get(name, ()) or ((by_key(owner)[name][1],) if name in by_key(owner) else ())
    if not found:
        raise Unprocessable(f"{owner} has no element {name[:64]!r}.", expression=where)
    exact = [kind for kind in found if kind.type == value.type]
    fitting = exact or [kind for kind in found if _fits(value, kind.type)]
    if not fitting:
        raise Unprocessable(f"The value is of the wrong type for {owner}.{name}.", expression=where)
    return fitting[0]


def _fits(value: Value, wanted: Type) -> bool:
    if value.type is None:  # parts don't say of which type a resource is
        return _json_kind(wanted) == "object" and not is_abstract(wanted)
    if is_abstract(wanted):
        return value.type.name in definitions.TYPE_NUMBER
    if _json_kind(wanted) != "object":  # a date is given for a dateTime, a string for a code: the result is validated
        return _json_kind(wanted) == _json_kind(value.type)
    return is_a(value.type, wanted.name) or is_a(wanted, value.type.name)


def _json_kind(type: Type) -> str:
    if type.path:
        return "object"
    if type.name.startswith("System."):
        return "string"
    if definitions.type_(type.name).kind != "primitive-type":
        return "object"
    if type.name == "boolean":
        return "boolean"
    return "number" if is_a(type, "integer") or type.name == "decimal" else "string"


def _item(value: Value, wanted: Type, where: str) -> Item:
    """The value as JSON for an element of this type. Copied: a patch may be applied again, to a newer version."""
    if value.type is not None:
        return copied(value.item[0]), copied(value.item[1])
    holder: dict[str, Any] = {}
    for name, inner in value.parts:
        kind = _property(wanted, name, inner, where)
        place = Place(holder, name, kind, wanted, None)
        if not kind.many and place.items():
            raise Unprocessable(f"{wanted}.{name[:64]} is given twice and does not repeat.", expression=where)
        place.append(_item(inner, kind.type, where))
    return holder, None
