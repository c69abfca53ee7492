"""A validated document and its variables to what is done at each place: fields by response key, arguments at hand.

https://spec.graphql.org/October2021/#sec-Field-Collection
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSkipDirective,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
    get_directive_values,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_variable_values

from hilum.fhirpath import Node, Work, locate
from hilum.fhirpath.types import Type
from hilum.graphql.document import Document
from hilum.graphql.errors import Failed, Place, literals, places_of, refused
from hilum.graphql.types import FHIR, Meaning, meaning
from hilum.problems import Invalid, Problem

Items = list[tuple[int, Any]]
"""Values with their positions in the resource."""
Choose = Callable[[Items, Work], Items]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of an answer. `choose`: the filter of its arguments and `@first`, None when all values count.

    `type`: what its objects are, None for a primitive. `slice`: from a value and its position to what comes after the
    dot. `list`: whether the answer has an array (before `@singleton` and flattening).
    """

    key: str
    meaning: Meaning
    type: GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType | None
    arguments: dict[str, Any]
    selections: tuple[SelectionSetNode, ...]
    places: tuple[Place, ...]
    choose: Choose | None = None
    slice: Callable[[Any, int, Work], str] | None = None
    flatten: bool = False
    singleton: bool = False


TYPENAME = Meaning("typename", type="code")


class Plan:
    """The fields at every place of one operation, worked out when the place is reached first."""

    def __init__(self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Any]) -> None:
        """Raises Refused when the variables don't fit."""
        self.document = document
        self.operation = operation
        found = get_variable_values(document.schema, operation.variable_definitions or (), variables)
        if isinstance(found, list):
            raise refused(found, literals(variables))
        self._variables: VariableValues = found
        self._secret = literals(variables)
        self._known: dict[tuple[str, tuple[int, ...]], tuple[Field, ...]] = {}

    def fields(self, type: GraphQLObjectType, selections: tuple[SelectionSetNode, ...]) -> tuple[Field, ...]:
        """What is selected of an object of this type. Raises Refused, Invalid and Malformed for bad arguments."""
        key = type.name, tuple(map(id, selections))
        found = self._known.get(key)
        if found is None:
            nodes: dict[str, list[FieldNode]] = {}
            for one in selections:
                self._collect(type, one, nodes, set())
            made = (self._field(type, name, some) for name, some in nodes.items())
            found = self._known[key] = tuple(one for one in made if one is not None)
        return found

    def _collect(
        self, type: GraphQLObjectType, selections: SelectionSetNode, found: dict[str, list[FieldNode]], seen: set[str]
    ) -> None:
        for one in selections.selections:
            if not self._included(one):
                continue
            match one:
                case FieldNode():
                    found.setdefault((one.alias or one.name).value, []).append(one)
                case InlineFragmentNode():
                    if one.type_condition is None or self._applies(one.type_condition.name.value, type):
                        self._collect(type, one.selection_set, found, seen)
                case FragmentSpreadNode() if one.name.value not in seen:
                    seen.add(one.name.value)
                    fragment = self.document.fragments[one.name.value]
                    if self._applies(fragment.type_condition.name.value, type):
                        self._collect(type, fragment.selection_set, found, seen)

    def _applies(self, condition: str, type: GraphQLObjectType) -> bool:
        named = self.document.schema.get_type(condition)
        if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
            return self.document.schema.is_sub_type(named, type)
        return named is type

    def _included(self, node: Any) -> bool:
        try:
            skip = get_directive_values(GraphQLSkipDirective, node, self._variables)
            include = get_directive_values(GraphQLIncludeDirective, node, self._variables)
        except GraphQLError as error:
            raise refused([error], self._secret) from None
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Field | None:
        first = nodes[0]
        places = places_of(nodes[:1])
        if first.name.value == "__typename":
            return Field(key, TYPENAME, None, {}, (), places)
        definition = parent.fields.get(first.name.value)
        if definition is None:  # of another of the types that a reference may lead to
            return None
        try:
            arguments = get_argument_values(definition, first, self._variables)
        except GraphQLError as error:
            raise refused([error], self._secret) from None
        arguments = {name: value for name, value in arguments.items() if value is not None and value != []}
        means = meaning(definition)
        selections = tuple(one.selection_set for one in nodes if one.selection_set is not None)
        named = get_named_type(definition.type) if selections else None
        directives = {one.name.value for one in first.directives or ()}
        at = named.extensions.get(FHIR) if isinstance(named, GraphQLObjectType) else None
        if means.kind == "any":
            at = at or Type("Resource")
        try:
            choose = _choose(means, at, arguments, "first" in directives)
            sliced = self._slice(at, first) if "slice" in directives else None
        except Problem as problem:
            raise Failed(problem, places) from None
        return Field(
            key,
            means,
            named,
            arguments,
            selections,
            places,
            choose,
            sliced,
            "flatten" in directives,
            "singleton" in directives,
        )

    def _slice(self, at: Type | None, node: FieldNode) -> Callable[[Any, int, Work], str]:
        definition = next(one for one in self.document.schema.directives if one.name == "slice")
        given = get_directive_values(definition, node, self._variables) or {}
        path = given.get("path") or given.get("fhirpath")
        if path is None:
            raise Invalid("@slice needs a path: $index, or a FHIRPath such as use.")
        if path == "$index":
            return lambda value, number, work: str(number)
        if at is None:
            raise Invalid("@slice by a FHIRPath is for elements that have elements of their own; use $index.")
        find = locator(path, at)

        def name(value: Any, number: int, work: Work) -> str:
            return ".".join(_text(one.value) for one in find(value, work) if one.value is not None)

        return name


def locator(path: str, at: Type) -> Callable[[Any, Work], list[Node]]:
    """A FHIRPath to apply to values of a type, which for contained resources is that of each. Raises Invalid."""
    if at.name not in ("Resource", "DomainResource"):
        find = locate(path, at.name, at.path)
        return lambda value, work: find(value, work)
    return lambda value, work: locate(path, value["resourceType"])(value, work)


def holds(find: Callable[[Any, Work], list[Node]], value: Any, work: Work) -> bool:
    """Whether a FHIRPath selects a value: it is true there, or finds something."""
    found = find(value, work)
    return found[0].value is not False if len(found) == 1 else bool(found)


def _choose(means: Meaning, at: Type | None, arguments: dict[str, Any], first: bool) -> Choose | None:
    """The filter that arguments and `@first` make. https://hl7.org/fhir/R4/graphql.html#list"""
    searching = means.kind in ("list", "connection", "read", "resource")
    wanted = {} if searching else {name: arguments[name] for name in arguments if name not in _GENERAL}
    path = arguments.get("fhirpath")
    offset, count = (0, None) if searching else (arguments.get("_offset", 0), arguments.get("_count"))
    if offset < 0 or (count is not None and count < 0):
        raise Invalid("_offset and _count of a list are 0 or more.")
    if not (wanted or path or offset or count is not None or first):
        return None
    find = None if path is None or at is None or means.kind == "connection" else locator(path, at)

    def choose(items: Items, work: Work) -> Items:
        found = items
        if wanted or find is not None:
            found = [
                (number, value)
                for number, value in items
                if isinstance(value, dict)
                and all(_equals(value.get(name), text) for name, text in wanted.items())
                and (find is None or holds(find, value, work))
            ]
        if offset or count is not None:
            found = found[offset:] if count is None else found[offset : offset + count]
        return found[:1] if first else found

    return choose


_GENERAL = frozenset(("fhirpath", "_offset", "_count"))


def _equals(value: Any, text: str) -> bool:
    """Whether an element has the value that an argument writes; of several, one."""
    if isinstance(value, list):
        return any(_equals(one, text) for one in value)
    if isinstance(value, bool | str):
        return _text(value) == text
    if isinstance(value, int | Decimal):
        try:
            return Decimal(text) == value
        except InvalidOperation:
            return False
    return False


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def names_only(fields: Iterable[FieldNode]) -> bool:
    """Whether nothing but the schema is asked about."""
    return all(one.name.value.startswith("__") for one in fields)
