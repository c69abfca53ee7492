"""The schema that a document is validated against: R4's types, looked up as the document names them.

https://hl7.org/fhir/R4/graphql.html#conformance
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final

from graphql import (
    DirectiveLocation,
    GraphQLAbstractType,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLCompositeType,
    GraphQLDirective,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    introspection_types,
    is_abstract_type,
    is_interface_type,
)
from graphql.type.schema import InterfaceImplementations

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhirpath.types import Type, properties
from hilum.graphql.types import BUILT_IN, Lazy, Types, name_of
from hilum.search.parameters import R4, Registry

_FIELD: Final = (DirectiveLocation.FIELD,)
_ANYWHERE: Final = (DirectiveLocation.FIELD, DirectiveLocation.FRAGMENT_SPREAD, DirectiveLocation.INLINE_FRAGMENT)
_IF: Final = {"if": GraphQLArgument(GraphQLBoolean)}
_PATH: Final = {"path": GraphQLArgument(GraphQLString), "fhirpath": GraphQLArgument(GraphQLString)}

DIRECTIVES: Final = (
    # Nullable, as the specification's own example declares its variable; null and nothing are refused when it runs.
    GraphQLDirective("skip", _ANYWHERE, _IF),
    GraphQLDirective("include", _ANYWHERE, _IF),
    GraphQLDirective("flatten", _FIELD, description="Its children stand in its place."),
    GraphQLDirective("first", _FIELD, description="Only the first element."),
    GraphQLDirective("singleton", _FIELD, description="One value, though a parent is flattened."),
    GraphQLDirective("slice", _FIELD, _PATH, description="The path's value, after a dot, becomes part of the name."),
)
"""https://hl7.org/fhir/R4/graphql.html#flattening"""

_KNOWN: Final = (GraphQLString, GraphQLInt, GraphQLBoolean, GraphQLID)


class Schema(GraphQLSchema):
    """A GraphQLSchema whose types are made when they are looked up.

    `root`: a resource type (a query about one instance) or None (at system level).
    """

    def __init__(self, types: Types, root: str | None) -> None:
        super().__init__(directives=DIRECTIVES, assume_valid=True)
        self.types = types
        self.query_type = types.query() if root is None else types.object(Type(root))
        self.type_map = _TypeMap(types)
        self._fields: dict[tuple[str, str], GraphQLField | None] = {}

    def get_type(self, name: str) -> GraphQLNamedType | None:
        """The type of this name."""
        found: GraphQLNamedType | None = self.type_map.get(name)
        return found

    def get_implementations(self, interface_type: Any) -> InterfaceImplementations:
        """The objects that are a Resource, or a Reference."""
        if interface_type is self.types.resource:
            return InterfaceImplementations(objects=[self.types.object(Type(one)) for one in TYPES], interfaces=[])
        kinds = [self.types.referring(targets) for targets in _names()[1]]
        return InterfaceImplementations(objects=list(kinds), interfaces=[])

    def is_sub_type(self, abstract_type: GraphQLAbstractType, maybe_sub_type: GraphQLNamedType) -> bool:
        """Whether an object type is one of those that an abstract type stands for."""
        if isinstance(abstract_type, GraphQLUnionType):
            return any(one is maybe_sub_type for one in abstract_type.types)
        if abstract_type is self.types.resource:
            return maybe_sub_type.name in TYPE_NUMBER
        return maybe_sub_type.name.startswith("ReferenceTo")

    def get_field(self, parent_type: GraphQLCompositeType, field_name: str) -> GraphQLField | None:
        """A field; of what a reference leads to also one that only some of the types have, when they agree on it.

        "subject { reference, resource {active} }": the specification asks for no fragment there.
        https://hl7.org/fhir/R4/graphql.html#references
        """
        found = super().get_field(parent_type, field_name)
        if found is not None or not is_abstract_type(parent_type) or parent_type is self.types.reference:
            return found
        key = parent_type.name, field_name
        if key not in self._fields:
            self._fields[key] = self._agreed(parent_type, field_name)
        return self._fields[key]

    def _agreed(self, parent: GraphQLAbstractType, name: str) -> GraphQLField | None:
        members = TYPES if is_interface_type(parent) else [one.name for one in self.get_possible_types(parent)]
        found = [one.fields[name] for type in members if name in (one := self.types.object(Type(type))).fields]
        if not found or any(str(one.type) != str(found[0].type) for one in found):
            return None
        return found[0]


class _TypeMap(Lazy[Any]):
    """Name -> type. The names that need all definitions are read only for a name that is not known otherwise."""

    def __init__(self, types: Types) -> None:
        super().__init__((), self._find)
        self._types = types
        for one in _KNOWN:
            self[one.name] = one
        self.update(introspection_types)
        self._simple = dict.fromkeys((*dict.keys(self), "Query", "Resource", "Reference"))
        for name in definitions.names():
            if name not in BUILT_IN and name not in ("DomainResource", "BackboneElement"):
                self._simple[name] = None
        for name in TYPES:
            self._simple[name + "Connection"] = self._simple[name + "Edge"] = None
        self._names = self._simple
        self._whole = False

    def get(self, name: str, default: Any = None) -> Any:
        """The type, or `default`."""
        if name not in self._simple:
            self._load()
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        if name not in self._simple:
            self._load()
        return super().__contains__(name)

    def __iter__(self) -> Any:
        self._load()
        return super().__iter__()

    def keys(self) -> Any:
        """All names."""
        self._load()
        return super().keys()

    def values(self) -> Any:
        """All types, each made: their fields are not."""
        self._load()
        return super().values()

    def _load(self) -> None:
        if not self._whole:
            backbones, references = _names()
            more = [*backbones, *(self._types.referring(one).name for one in references)]
            unions = [self._types.one_of(one).name for one in references]
            self._names = {**self._simple, **dict.fromkeys(more), **dict.fromkeys(unions)}
            self._whole = True

    def _find(self, name: str) -> GraphQLNamedType:
        types = self._types
        special: dict[str, GraphQLNamedType] = {"Resource": types.resource, "Reference": types.reference}
        if name in special:
            return special[name]
        if name == "Query":
            return types.query()
        for suffix, make in (("Connection", types.connection), ("Edge", types.edge)):
            if name.endswith(suffix) and name.removesuffix(suffix) in TYPE_NUMBER:
                return make(name.removesuffix(suffix))
        if name in definitions.names():
            primitive = definitions.type_(name).kind == "primitive-type"
            return types.scalar(name) if primitive else types.object(Type(name))
        backbones, references = _names()
        if name in backbones:
            return types.object(backbones[name])
        for targets in references:
            for made in (types.referring(targets), types.one_of(targets)):
                if made.name == name:
                    return made
        raise KeyError(name)


@cache
def _names() -> tuple[dict[str, Type], tuple[tuple[str, ...], ...]]:
    """GraphQL name -> backbone element, of all types; and the sets of types that references lead to."""
    backbones: dict[str, Type] = {}
    references: dict[tuple[str, ...], None] = {(): None}
    for name in definitions.names():
        for path in definitions.type_(name).elements:
            at = Type(name, path)
            if path:
                backbones[name_of(at)] = at
            for choices in properties(at).values():
                for one in choices:
                    if one.type == Type("Reference") and set(one.element.targets) <= TYPE_NUMBER.keys():
                        references[tuple(dict.fromkeys(one.element.targets))] = None
    return backbones, tuple(references)


@lru_cache(maxsize=4)
def types_of(registry: Registry) -> Types:
    """The types with the arguments of a registry. There is another one whenever a custom parameter changes."""
    return Types(registry)


@lru_cache(maxsize=300)
def schema(root: str | None, registry: Registry = R4) -> Schema:
    """The schema of queries about an instance of this type, or at system level."""
    return Schema(types_of(registry), root)


def object_of(type: str, registry: Registry = R4) -> GraphQLObjectType:
    """The GraphQL type of a resource."""
    return types_of(registry).object(Type(type))


def connection_of(type: str, registry: Registry = R4) -> GraphQLObjectType:
    """The GraphQL type of a page of a search."""
    return types_of(registry).connection(type)
