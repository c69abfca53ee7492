"""The text of a query to a validated document. https://spec.graphql.org/October2021/#sec-Validation

FHIR writes GraphQL in its own way, and the document is put into GraphQL's before it is validated: codes and ids
without quotes (`use: official`), numbers and booleans for searches (`active: true`), and `resource(type: Patient)`,
which is `resource { ... on Patient }`. https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    Node,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.graphql import limits
from hilum.graphql.errors import Refused, refused, syntax
from hilum.graphql.schema import Schema, schema
from hilum.graphql.types import NUMBERS, SWITCHES
from hilum.problems import Invalid
from hilum.search.limits import TooCostly
from hilum.search.parameters import R4, Registry


@dataclass(frozen=True, slots=True)
class Document:
    """A validated document: `operations` by name ("" the one without)."""

    schema: Schema
    source: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises Invalid."""
        if name:
            found = self.operations.get(name)
            if found is None:
                raise Invalid("The query has no operation of the name in operationName.")
            return found
        if len(self.operations) != 1:
            raise Invalid("The query has several operations: name the one to run in operationName.")
        return next(iter(self.operations.values()))


_KEPT: Final = 256
_kept: OrderedDict[tuple[str | None, str, Registry], Document] = OrderedDict()


async def document(text: str, root: str | None, registry: Registry = R4) -> Document:
    """Read, measure and validate a query, in a thread: documents that were good lately are kept.

    `root`: the type of the instance that it is about, None at system level. `registry`: the search parameters that
    there are. Raises Refused, TooCostly.
    """
    key = root, text, registry
    found = _kept.get(key)
    if found is not None:
        _kept.move_to_end(key)
        return found
    found = await asyncio.to_thread(read, text, root, registry)
    _kept[key] = found
    while len(_kept) > _KEPT:
        _kept.popitem(last=False)
    return found


def read(text: str, root: str | None, registry: Registry = R4) -> Document:
    """As `document`, here and now."""
    if len(text) > limits.MOST_CHARACTERS:
        raise TooCostly(f"The query has more than {limits.MOST_CHARACTERS} characters.")
    try:
        source = parse(text, max_tokens=limits.MOST_TOKENS)
    except GraphQLError as error:
        raise syntax(error) from None
    except RecursionError:
        raise TooCostly(f"The query nests selections more than {limits.MOST_DEPTH} deep.") from None
    limits.measure(source)
    for one in source.definitions:
        if isinstance(one, OperationDefinitionNode) and one.operation is not OperationType.QUERY:
            raise Invalid("Only queries are supported here: write and subscribe by the REST API.")
    rewriter = _Rewriter(source)
    source = visit(source, rewriter)
    against = schema(root, registry)
    found = validate(against, source, max_errors=20, hide_suggestions=len(text) > 2000)
    if found:
        raise refused(found, frozenset(rewriter.texts))
    operations = [one for one in source.definitions if isinstance(one, OperationDefinitionNode)]
    if not operations:
        raise Refused([("The query has no operation.", ())])
    fragments = {one.name.value: one for one in source.definitions if isinstance(one, FragmentDefinitionNode)}
    return Document(against, source, {one.name.value if one.name else "": one for one in operations}, fragments)


_SINGLE: Final = frozenset((*NUMBERS, *SWITCHES, "_reference", "fhirpath", "cursor", "_cursor"))
"""The arguments of a search that are one value."""


def _nullable(type: Node) -> Node:
    return type.type if isinstance(type, NonNullTypeNode) else type


class _Rewriter(Visitor):
    """FHIR's way of writing to GraphQL's. `texts`: the values that occur, which no message may quote."""

    def __init__(self, document: DocumentNode) -> None:
        super().__init__()
        self.texts: set[str] = set()
        operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        variables = [one for operation in operations for one in operation.variable_definitions or ()]
        self.lists = {one.variable.name.value for one in variables if isinstance(_nullable(one.type), ListTypeNode)}

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        self.texts.add(node.value)

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> Node:
        self.texts.add(node.value)
        return StringValueNode(value=node.value, loc=node.loc)

    def enter_argument(self, node: ArgumentNode, *_: Any) -> Node | None:
        if node.name.value in NUMBERS or node.name.value in SWITCHES:
            return None
        value = node.value
        if isinstance(value, ListValueNode):
            texts = tuple(self._text(one) for one in value.values)
            return ArgumentNode(name=node.name, value=ListValueNode(values=texts, loc=value.loc), loc=node.loc)
        return ArgumentNode(name=node.name, value=self._text(value), loc=node.loc)

    def enter_field(self, node: FieldNode, *_: Any) -> Node | None:
        name = node.name.value
        if name.removesuffix("List").removesuffix("Connection") in TYPE_NUMBER and name not in TYPE_NUMBER:
            return self._search(node)
        if name != "resource" or node.selection_set is None:
            return None
        for argument in node.arguments or ():
            if argument.name.value == "type" and isinstance(argument.value, EnumValueNode | StringValueNode):
                on = NamedTypeNode(name=NameNode(value=argument.value.value, loc=argument.loc), loc=argument.loc)
                inner = InlineFragmentNode(
                    type_condition=on, selection_set=node.selection_set, directives=(), loc=node.loc
                )
                return FieldNode(
                    alias=node.alias,
                    name=node.name,
                    arguments=tuple(one for one in node.arguments or () if one is not argument),
                    directives=node.directives,
                    selection_set=SelectionSetNode(selections=(inner,), loc=node.selection_set.loc),
                    loc=node.loc,
                )
        return None

    def _search(self, node: FieldNode) -> Node | None:
        """`name: $name` to `name: [$name]`, so that a variable need not be a list because its parameter may be one."""
        changed = []
        for one in node.arguments or ():
            plain = isinstance(one.value, VariableNode) and one.value.name.value not in self.lists
            if plain and one.name.value not in _SINGLE:
                items = ListValueNode(values=(one.value,), loc=one.value.loc)
                changed.append(ArgumentNode(name=one.name, value=items, loc=one.loc))
            else:
                changed.append(one)
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=tuple(changed),
            directives=node.directives,
            selection_set=node.selection_set,
            loc=node.loc,
        )

    def _text(self, value: Any) -> Any:
        if isinstance(value, IntValueNode | FloatValueNode | EnumValueNode):
            return StringValueNode(value=value.value, loc=value.loc)
        if isinstance(value, BooleanValueNode):
            return StringValueNode(value="true" if value.value else "false", loc=value.loc)
        return value
