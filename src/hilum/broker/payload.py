"""What is delivered: named fields, each a FHIRPath over what was gathered, typed and validated; nothing else goes out.

A template is a table of a recipe, read once, and refused with the place of what is wrong with it:

    [payload.fields]
    first_name = { from = "Patient", path = "name.where(use = 'official').given.first()", type = "string" }
    visits = { from = "Appointment", path = "where(status = 'booked')", many = true, fields.start.type = "dateTime" }

A field is required unless it says otherwise. Paths that lead to identifiers (an MRN) are refused unless the table says
`identifiers = true`. https://hl7.org/fhirpath/N1/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from hilum.fhir import definitions, json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath import Node, Surroundings, Work, locate, parse, static_types
from hilum.fhirpath.syntax import Call, Member
from hilum.fhirpath.types import Type, kind
from hilum.fhirpath.values import json as as_json
from hilum.problems import Misconfigured, Problem

MOST_BYTES: Final = 1 << 20
"""Of a payload."""
LONGEST_TEXT: Final = 4096
MOST_ITEMS: Final = 1000
WORK: Final = 2_000_000
"""Elements that all fields together visit at most."""
DEEPEST: Final = 4

TYPES: Final = {
    "boolean": "boolean",
    "integer": "integer",
    "decimal": "decimal integer",
    "string": "string",
    "code": "string",
    "date": "date string",
    "dateTime": "datetime date string",
    "instant": "datetime string",
    "time": "time string",
}
"""What a field may be -> the System types that its path may lead to. R4's own pattern of the type holds for texts."""

TELLING: Final = frozenset(("identifier", "id", "fullUrl", "reference", "div"))
"""Elements that name a patient to whoever knows the numbers, or hold text that may."""
ANYTHING: Final = frozenset(("children", "descendants"))
"""Functions that lead to them without naming them."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TABLE: Final = frozenset(("fields", "identifiers"))
_KNOWN: Final[Mapping[str, type]] = {
    "from": str, "path": str, "type": str, "required": bool, "many": bool, "max": int, "most": int, "fields": dict,
}  # fmt: skip


class Unfit(Exception):
    """What was gathered does not make the payload. `field`: whose; the text is ours, without a value."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"payload.{field}: {text}" if field else f"payload: {text}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Field:
    """`source`: the type of the resources that `path` is evaluated on, each; `Bundle`: on all at once; "": on the item
    of the field around. `type` "": an object of `fields`. `longest`: characters of a text; `most`: items.
    """

    name: str
    source: str
    path: str
    type: str
    required: bool = True
    many: bool = False
    longest: int = LONGEST_TEXT
    most: int = MOST_ITEMS
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """The fields of a payload in their order."""

    fields: tuple[Field, ...]


def read(table: Mapping[str, Any], where: str) -> Template:
    """A template, checked against R4. `where`: the file and table, for messages. Raises Misconfigured."""
    unknown = sorted(table.keys() - _TABLE)
    if unknown:
        raise Misconfigured(f"{where}: {unknown[0]!r} is not known; expected `fields`, and perhaps `identifiers`.")
    identifiers = table.get("identifiers", False)
    some = table.get("fields")
    if not isinstance(identifiers, bool):
        raise Misconfigured(f"{where}: identifiers is true or false.")
    if not isinstance(some, Mapping) or not some:
        raise Misconfigured(f"{where}: there are no fields. Name what is to be delivered, such as first_name.")
    return Template(tuple(_field(name, one, f"{where}.fields", identifiers, None) for name, one in some.items()))


def _field(name: str, table: Any, above: str, identifiers: bool, item: Type | None, depth: int = 1) -> Field:
    """`item`: the type of the items of the field around; None: there is none."""
    where = f"{above}.{name}"
    if not _NAME.fullmatch(name):
        raise Misconfigured(f"{above}: the name {name[:64]!r} of a field has to be of letters, digits and '_'.")
    if not isinstance(table, Mapping):
        raise Misconfigured(f'{where}: a field is a table, such as {{ from = "Patient", path = "birthDate" }}.')
    for key, value in table.items():
        expected = _KNOWN.get(key)
        if expected is None:
            raise Misconfigured(f"{where}: {key!r} is not known; expected {', '.join(_KNOWN)}.")
        if type(value) is not expected and not (expected is dict and isinstance(value, Mapping)):
            raise Misconfigured(f"{where}.{key}: expected {_WORDS[expected]}.")
    source = _source(table, where, item)
    path = table.get("path", name if item is not None else "")
    on = item or Type(source)
    found = _types(path, on, where, identifiers)
    made = Field(
        name,
        "" if item is not None else source,
        path,
        table.get("type", "" if "fields" in table else "string"),
        table.get("required", True),
        table.get("many", False),
        table.get("max", LONGEST_TEXT),
        table.get("most", MOST_ITEMS),
        _inner(table, where, identifiers, found, depth),
    )
    _suits(made, found, where)
    return made


_WORDS: Final = {str: "a text", bool: "true or false", int: "a whole number", dict: "a table"}


def _source(table: Mapping[str, Any], where: str, item: Type | None) -> str:
    if item is not None:
        if "from" in table:
            raise Misconfigured(f"{where}.from: a field within another one is about the items of that.")
        return ""
    if not table.get("path"):
        raise Misconfigured(f"{where}.path: it is missing: the FHIRPath of what is meant.")
    source: str = table.get("from", "Bundle")
    if source not in TYPE_NUMBER:
        raise Misconfigured(f"{where}.from: {source[:64]!r} is no resource type of R4.")
    return source


def _types(path: str, on: Type, where: str, identifiers: bool) -> frozenset[Type] | None:
    """What the path can lead to; None: only the data can tell."""
    try:
        tree = parse(path)
        locate(path, on.name, on.path)
        found = static_types(path, on.name, on.path)
    except Problem as problem:
        raise Misconfigured(f"{where}.path: {problem}") from None
    if not identifiers and (name := next(_telling(tree), None)):
        raise Misconfigured(
            f"{where}.path: it uses `{name}`, which may tell the receiver who the patient is (an MRN). If that is "
            "meant, say `identifiers = true` beside `fields`."
        )
    return found


def _telling(tree: object) -> Iterator[str]:
    """Names in an expression that lead to identifiers."""
    if (isinstance(tree, Member) and tree.name in TELLING) or (isinstance(tree, Call) and tree.name in ANYTHING):
        yield tree.name
    if isinstance(tree, tuple):
        for part in tree:
            yield from _telling(part)
    elif is_dataclass(tree):
        for one in fields(tree):
            yield from _telling(getattr(tree, one.name))


def _inner(
    table: Mapping[str, Any], where: str, identifiers: bool, found: frozenset[Type] | None, depth: int
) -> tuple[Field, ...]:
    some = table.get("fields")
    if some is None:
        return ()
    if depth == DEEPEST:
        raise Misconfigured(f"{where}.fields: fields are nested {DEEPEST} deep at most.")
    if not some or "type" in table:
        raise Misconfigured(f"{where}: a field has a type, or fields of its own.")
    if found is None or len(found) != 1:
        raise Misconfigured(f"{where}.path: with `fields` it has to lead to elements of one type, such as Appointment.")
    (item,) = found
    return tuple(_field(name, one, f"{where}.fields", identifiers, item, depth + 1) for name, one in some.items())


def _suits(field: Field, found: frozenset[Type] | None, where: str) -> None:
    if field.longest < 1 or field.most < 1:
        raise Misconfigured(f"{where}: max and most are 1 or more.")
    if field.fields:
        return
    if field.type not in TYPES:
        raise Misconfigured(f"{where}.type: {field.type[:32]!r} is none of {', '.join(TYPES)}.")
    wrong = [one for one in found or () if kind(one) not in TYPES[field.type].split()]
    if found and len(wrong) == len(found):
        raise Misconfigured(f"{where}.path: it leads to {wrong[0]}, which is no {field.type}.")


def fill(template: Template, bundle: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The payload of what was gathered, a Bundle. `now`: what today() and now() say. Raises Unfit."""
    resources = [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]
    around = Surroundings(resolve=_resolver(bundle), now=now)
    filling = _Filling(bundle, resources, Work(WORK), around)
    filled = filling.object(template.fields, None, "")
    if len(json.encode(filled)) > MOST_BYTES:
        raise Unfit("", f"it has more than {MOST_BYTES} bytes. Ask for less, or limit fields by `most`.")
    return filled


def _resolver(bundle: Mapping[str, Any]) -> Callable[[str], dict[str, Any] | None]:
    """Of references among the resources of a Bundle."""
    there: dict[str, dict[str, Any]] = {}
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource")
        if resource is not None:
            there[f"{resource['resourceType']}/{resource.get('id', '')}"] = resource
            if "fullUrl" in entry:
                there[entry["fullUrl"]] = resource
    return there.get


@dataclass(frozen=True, slots=True)
class _Filling:
    bundle: dict[str, Any]
    resources: list[dict[str, Any]]
    work: Work
    around: Surroundings

    def object(self, some: tuple[Field, ...], item: Node | None, above: str) -> dict[str, Any]:
        found = ((one.name, self.value(one, item, f"{above}{one.name}")) for one in some)
        return {name: value for name, value in found if value is not None}

    def value(self, field: Field, item: Node | None, name: str) -> Any:
        nodes = self.nodes(field, item, name)
        if not nodes and not field.many:
            if field.required:
                raise Unfit(name, "nothing was found, and it is required.")
            return None
        if len(nodes) > (field.most if field.many else 1):
            most = f"{field.most} at most are expected" if field.many else "one is expected: is `.first()` meant?"
            raise Unfit(name, f"{len(nodes)} items were found, and {most}.")
        if field.many and field.required and not nodes:
            raise Unfit(name, "nothing was found, and it is required.")
        values = [self.one(field, node, name) for node in nodes]
        return values if field.many else values[0]

    def nodes(self, field: Field, item: Node | None, name: str) -> list[Node]:
        if item is not None:
            places = [(item.value, item.type)]
        elif field.source == "Bundle":
            places = [(self.bundle, Type("Bundle"))]
        else:
            places = [(one, Type(field.source)) for one in self.resources if one["resourceType"] == field.source]
        try:
            return [
                node
                for body, type_ in places
                for node in locate(field.path, type_.name, type_.path)(body, self.work, self.around)
                if node.value is not None
            ]
        except Problem as problem:  # of the expression, never of the data
            raise Unfit(name, str(problem)) from None

    def one(self, field: Field, node: Node, name: str) -> Any:
        if field.fields:
            return self.object(field.fields, node, f"{name}.")
        value = as_json(node.value)
        if not _is(value, field.type):
            raise Unfit(name, f"what was found is no {field.type}.")
        if type(value) is str and len(value) > field.longest:
            raise Unfit(name, f"a text of {len(value)} characters was found, and {field.longest} at most are expected.")
        return value


def _is(value: Any, type_: str) -> bool:
    if type_ == "boolean":
        return type(value) is bool
    if type_ == "integer":
        return type(value) is int
    if type_ == "decimal":
        return isinstance(value, int | Decimal) and type(value) is not bool
    return type(value) is str and _pattern(type_).fullmatch(value) is not None


@lru_cache(maxsize=16)
def _pattern(type_: str) -> re.Pattern[str]:
    """R4's own, of a text of this type."""
    return re.compile(definitions.type_(type_).regex or ".+", re.DOTALL)
