"""R4's types as GraphQL types, each made when it is first asked for. https://hl7.org/fhir/R4/graphql.html#fields

All of R4 would be 1,000 types with a million arguments; a query names a few. So `fields` and the map of types are
mappings that know all their names and make what is looked up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, ItemsView, Iterable, Iterator, ValuesView
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    GraphQLUnionType,
)

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhirpath.types import Property, Type, properties
from hilum.search.canonicals import canonical
from hilum.search.parameters import R4, Parameter, Registry

Built = TypeVar("Built")

FHIR: Final = "fhir"
"""Under this name, the `extensions` of an object type hold its FHIR Type, and those of a field its Meaning."""

BUILT_IN: Final = {
    "boolean": GraphQLBoolean,
    "string": GraphQLString,
    "integer": GraphQLInt,
    "positiveInt": GraphQLInt,
    "unsignedInt": GraphQLInt,
    "id": GraphQLID,
}
"""Primitive types that GraphQL has itself."""
NUMBERS: Final = frozenset(("_count", "_offset"))
SWITCHES: Final = frozenset(("optional", "if", "includeDeprecated"))
"""The arguments that are no texts, by name: of type Int and Boolean."""
_ASKED_OF_ALL: Final = ("_filter", "_text", "_content", "_list")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a field does. `kind`: `value` (a JSON property as it is), `object` (its members are selected), `any` (an
    object whose resourceType tells its type), `type` (the resourceType), `resource` (what a reference leads to),
    `read`, `list` or `connection` (of resources of `type`).

    `key`: the JSON property. `many`: it is an array. `targets`: what a reference may lead to, empty: anything.
    `type`: the name of what is collected, so that unlike things are not flattened into one list.
    """

    kind: str
    key: str = ""
    many: bool = False
    type: str = ""
    targets: tuple[str, ...] = ()


class Lazy(dict[str, Built]):
    """A mapping that knows its names and makes what is looked up."""

    def __init__(self, names: Iterable[str], make: Callable[[str], Built]) -> None:
        super().__init__()
        self._names = dict.fromkeys(names)
        self._make = make

    def __missing__(self, name: str) -> Built:
        if name not in self._names:
            raise KeyError(name)
        with _lock:
            if not super().__contains__(name):
                self[name] = self._make(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value, made if need be."""
        return self[name] if name in self._names else default

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def keys(self) -> Any:
        """The names, without making anything."""
        return self._names.keys()

    def items(self) -> ItemsView[str, Built]:  # type: ignore[override]  # dict's own class of view can't be made
        """All of it, made."""
        return {name: self[name] for name in self._names}.items()

    def values(self) -> ValuesView[Built]:  # type: ignore[override]  # as above
        """All of it, made."""
        return {name: self[name] for name in self._names}.values()


_lock: Final = threading.RLock()
"""Documents are validated in threads: a type must not be made twice."""


class Object(GraphQLObjectType):
    """An object type of lazy fields."""

    def __init__(
        self,
        name: str,
        names: Callable[[], Iterable[str]],
        make: Callable[[str], GraphQLField],
        fhir: Type | None = None,
        interfaces: Callable[[], list[GraphQLInterfaceType]] = list,
    ) -> None:
        super().__init__(name, {}, interfaces=interfaces, extensions={FHIR: fhir})
        self._lazy = names, make

    @cached_property
    def fields(self) -> dict[str, GraphQLField]:
        """Field name -> field."""
        names, make = self._lazy
        return Lazy(names(), make)


def name_of(type: Type) -> str:
    """The name of the GraphQL type: `Patient`, `PatientContact`."""
    return type.name + "".join(part[0].upper() + part[1:] for part in type.path.split(".") if part)


def field(meaning: Meaning, type: GraphQLOutputType, args: dict[str, GraphQLArgument] | None = None) -> GraphQLField:
    """A field with its Meaning."""
    return GraphQLField(GraphQLList(type) if meaning.many else type, args, extensions={FHIR: meaning})


def meaning(field: GraphQLField) -> Meaning:
    """What a field does."""
    found: Meaning = field.extensions[FHIR]
    return found


class Types:
    """The types of all queries, with the arguments for the search parameters of a registry."""

    def __init__(self, registry: Registry = R4) -> None:
        self.registry = registry
        self.resource = GraphQLInterfaceType("Resource", self._common)
        self.reference = GraphQLInterfaceType("Reference", self._reference_fields)
        self._made: dict[str, GraphQLNamedType] = {}
        self._arguments: dict[str, dict[str, GraphQLArgument]] = {}

    def once(self, name: str, make: Callable[[], GraphQLNamedType]) -> Any:
        """The type of this name, made once."""
        with _lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    # --- types -------------------------------------------------------------------------------------------------------

    def scalar(self, name: str) -> GraphQLScalarType:
        """A primitive type: GraphQL's own where it has it, else one named as in FHIR."""
        found = BUILT_IN.get(name)
        if found is not None:
            return found
        url = f"https://hl7.org/fhir/R4/datatypes.html#{name}"
        scalar: GraphQLScalarType = self.once(name, lambda: GraphQLScalarType(name, specified_by_url=url))
        return scalar

    def object(self, type: Type) -> Object:
        """A resource, complex type or backbone element. A primitive type: what `_birthDate` has."""
        name = "Element" if _primitive(type) else name_of(type)
        if name == "Reference":
            return self.referring(())
        at = Type("Element") if _primitive(type) else type
        is_resource = at.name in TYPE_NUMBER and not at.path
        interfaces = (lambda: [self.resource]) if is_resource else list
        made: Object = self.once(
            name, lambda: Object(name, lambda: self._names(at), lambda one: self._field(at, one), at, interfaces)
        )
        return made

    def referring(self, targets: tuple[str, ...]) -> Object:
        """The Reference to one of these types; to anything when there is none. Each is a `Reference`."""
        name = "ReferenceTo" + ("Or".join(targets) or "Any")
        at = Type("Reference")

        def make(one: str) -> GraphQLField:
            if one != "resource":
                return self._field(at, one)
            args = {"optional": GraphQLArgument(GraphQLBoolean), "type": GraphQLArgument(GraphQLString)}
            return field(Meaning("resource", type="Resource", targets=targets), self.one_of(targets), args)

        made: Object = self.once(
            name, lambda: Object(name, lambda: [*self._names(at), "resource"], make, at, lambda: [self.reference])
        )
        return made

    def one_of(self, targets: tuple[str, ...]) -> Object | GraphQLUnionType | GraphQLInterfaceType:
        """What such a reference leads to."""
        if not targets:
            return self.resource
        if len(targets) == 1:
            return self.object(Type(targets[0]))
        name = "Or".join(targets)
        made: GraphQLUnionType = self.once(
            name, lambda: GraphQLUnionType(name, lambda: [self.object(Type(one)) for one in targets])
        )
        return made

    def connection(self, type: str) -> Object:
        """A page of a search. https://hl7.org/fhir/R4/graphql.html#searching"""
        made: Object = self.once(
            f"{type}Connection",
            lambda: Object(f"{type}Connection", lambda: _CONNECTION, lambda one: self._connection_field(type, one)),
        )
        return made

    def query(self) -> Object:
        """Where a query at system level begins."""
        names = [name for type in TYPES for name in (type, f"{type}List", f"{type}Connection")]
        made: Object = self.once("Query", lambda: Object("Query", lambda: names, self._root))
        return made

    # --- fields ------------------------------------------------------------------------------------------------------

    def _common(self) -> dict[str, GraphQLField]:
        found = {name: self._field(Type("Resource"), name) for name in ("id", "meta", "implicitRules", "language")}
        return {"resourceType": _RESOURCE_TYPE, **found}

    def _reference_fields(self) -> dict[str, GraphQLField]:
        at = Type("Reference")
        return {name: self._field(at, name) for name in self._names(at)}

    def _names(self, type: Type) -> list[str]:
        found: list[str] = []
        for one in _of(type):
            found.append(one)
            if _primitive(_of(type)[one].type):
                found.append("_" + one)
        if type.name in TYPE_NUMBER and not type.path:
            found.append("resourceType")
            for source in _referring().get(type.name, ()):
                found += [f"{source}List", f"{source}Connection"]
        return found

    def _field(self, type: Type, name: str) -> GraphQLField:
        if name == "resourceType":
            return _RESOURCE_TYPE
        found = _of(type).get(name.removeprefix("_"))
        if found is None:  # no element of a resource begins with another resource's name
            return self._collection(name, nested=True)
        at = found.type
        if name[0] == "_":
            return field(Meaning("object", name, found.many, "Element"), self.object(at))
        if _primitive(at):
            return field(Meaning("value", name, found.many, at.name), self.scalar(at.name))
        if at.name in ("Resource", "DomainResource"):
            return field(Meaning("any", name, found.many, "Resource"), self.resource, self._filters(Type("Resource")))
        if at == Type("Reference"):
            # a list of targets that holds Resource is any
            targets = found.element.targets
            targets = () if not set(targets) <= TYPE_NUMBER.keys() else tuple(dict.fromkeys(targets))
            made = self.referring(targets)
        else:
            made = self.object(at)
        return field(Meaning("object", name, found.many, name_of(at)), made, self._filters(at))

    def _filters(self, type: Type) -> dict[str, GraphQLArgument]:
        """The arguments of a field that is an object: its own primitive fields, and the general ones."""
        key = name_of(type)
        if key not in self._arguments:
            own = [one.key for one in _of(type).values() if _primitive(one.type)]
            found = {one: GraphQLArgument(GraphQLString) for one in (*own, "fhirpath")}
            self._arguments[key] = found | {one: GraphQLArgument(GraphQLInt) for one in ("_offset", "_count")}
        return self._arguments[key]

    def _root(self, name: str) -> GraphQLField:
        if name not in TYPE_NUMBER:
            return self._collection(name, nested=False)
        args = {"id": GraphQLArgument(GraphQLID), "_id": GraphQLArgument(GraphQLID)}
        return field(Meaning("read", type=name), self.object(Type(name)), args)

    def _collection(self, name: str, nested: bool) -> GraphQLField:
        """`ConditionList` and `ConditionConnection`, within a resource with `_reference`."""
        type = name.removesuffix("List").removesuffix("Connection")
        kind = "list" if name == type + "List" else "connection"
        args = dict(self._search(type))
        if nested:
            args["_reference"] = GraphQLArgument(GraphQLNonNull(GraphQLString))
        elif kind == "connection":
            args |= {"cursor": GraphQLArgument(GraphQLString), "_cursor": GraphQLArgument(GraphQLString)}
        if kind == "list":
            return field(Meaning("list", many=True, type=type), self.object(Type(type)), args)
        return field(Meaning("connection", type=f"{type}Connection"), self.connection(type), args)

    def _search(self, type: str) -> dict[str, GraphQLArgument]:
        """The arguments of a search: its parameters with `_` for `-`, each a value or a list of alternatives."""
        key = f"{type}?"
        if key not in self._arguments:
            names = [*codes(type, self.registry), *_ASKED_OF_ALL, "_sort"]
            found = {name: GraphQLArgument(GraphQLList(GraphQLString)) for name in names}
            found["_count"] = GraphQLArgument(GraphQLInt)
            found["fhirpath"] = GraphQLArgument(GraphQLString)
            self._arguments[key] = found
        return self._arguments[key]

    def _connection_field(self, type: str, name: str) -> GraphQLField:
        if name in ("count", "offset", "pagesize"):
            return field(Meaning("value", name, type="integer"), GraphQLInt)
        if name != "edges":
            return field(Meaning("value", name, type="string"), GraphQLString)
        return field(Meaning("object", name, True, f"{type}Edge"), self.edge(type))

    def edge(self, type: str) -> Object:
        """One match of a connection."""

        def make(name: str) -> GraphQLField:
            if name == "resource":
                return field(Meaning("any", name, type=type), self.object(Type(type)))
            kind = "code" if name == "mode" else "decimal"
            return field(Meaning("value", name, type=kind), self.scalar(kind))

        name = f"{type}Edge"
        made: Object = self.once(name, lambda: Object(name, lambda: ("mode", "score", "resource"), make))
        return made


_CONNECTION: Final = ("count", "offset", "pagesize", "edges", "first", "previous", "next", "last")
_RESOURCE_TYPE: Final = field(Meaning("type", type="code"), GraphQLString)


def codes(type: str, registry: Registry = R4) -> dict[str, str]:
    """Argument name -> search parameter of a type. https://hl7.org/fhir/R4/graphql.html#searching

    Those that are not ready yet are among them: whoever asks for one is told so. R4's own come before custom ones.
    """
    own = R4.table(type)
    custom = [code for code in (*registry.table(type), *registry.waiting(type)) if code not in own]
    return {_NO_NAME.sub("_", code): code for code in (*custom, *own)}


_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_]")
"""What names in GraphQL don't have. https://spec.graphql.org/October2021/#Name"""


def refers(parameter: Parameter) -> bool:
    """Whether values of the parameter are references to resources of a server."""
    return parameter.type == "reference" and not canonical(parameter)


def _of(type: Type) -> dict[str, Property]:
    """JSON property -> what stands there."""
    return {one.key: one for choices in properties(type).values() for one in choices}


def _primitive(type: Type) -> bool:
    return not type.path and definitions.type_(type.name).kind == "primitive-type"


_sources: dict[str, list[str]] = {}


def _referring() -> dict[str, list[str]]:
    """Resource type -> the types that refer to it by a search parameter, from the definitions alone."""
    if not _sources:
        found: dict[str, dict[str, None]] = {}
        for parameter in definitions.search_parameters():
            if parameter.type == "reference":
                for source in parameter.base:
                    for target in parameter.target or TYPES:
                        if source in TYPE_NUMBER:
                            found.setdefault(target, {})[source] = None
        _sources.update((target, sorted(some)) for target, some in found.items())
    return _sources
