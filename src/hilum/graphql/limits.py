"""How much one GraphQL request may ask for. https://hl7.org/fhir/R4/graphql.html

A document is measured, fragments spread, before anything is done with it; what runs is counted. Both are refused as
too-costly, with what to do about it.
"""

from __future__ import annotations

from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from hilum.search.limits import TooCostly

MOST_CHARACTERS: Final = 50_000
"""Characters of a document."""
MOST_TOKENS: Final = 10_000
"""Words and signs of a document."""
MOST_DEPTH: Final = 20
"""How deep selections may be nested."""
MOST_FIELDS: Final = 1000
"""Fields of a document, those of a fragment as often as it is used."""
MOST_ALIASES: Final = 200
"""Fields of a document under another name."""
MOST_SEARCHES: Final = 100
"""Searches that one request runs; references of one level to one type count as one."""
MOST_RESOURCES: Final = 2000
"""Resources that one request looks at, those that references lead to among them."""
MOST_LIST: Final = 1000
"""Resources that one List may hold; more are an error, since a List is whole or nothing."""
MOST_VALUES: Final = 100_000
"""Values in one answer."""

_EXPANDING: Final = frozenset(("fields", "types", "possibleTypes", "interfaces", "inputFields"))
"""Fields of the introspection that answer with a list of types or fields."""


def measure(document: DocumentNode) -> None:
    """Refuse a document that is too deep or too wide; fragments in a cycle are too deep. Raises TooCostly."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    counter = _Counter(fragments)
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode):
            counter.look(one.selection_set, 1)


class _Counter:
    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.fragments = fragments
        self.steps = 0
        self.fields = 0
        self.aliases = 0

    def look(self, selections: SelectionSetNode, depth: int, expanding: int = 0) -> None:
        """Fragments count as a level of their own, so that a cycle of them ends."""
        if depth > 2 * MOST_DEPTH:
            raise TooCostly("The query nests fragments too deeply, or a fragment spreads itself.")
        for one in selections.selections:
            self.steps += 1
            if self.steps > 2 * MOST_FIELDS:
                raise _wide()
            match one:
                case FieldNode():
                    self._field(one, depth, expanding)
                case InlineFragmentNode():
                    self.look(one.selection_set, depth + 1, expanding)
                case FragmentSpreadNode() if fragment := self.fragments.get(one.name.value):
                    self.look(fragment.selection_set, depth + 1, expanding)

    def _field(self, field: FieldNode, depth: int, expanding: int) -> None:
        self.fields += 1
        self.aliases += field.alias is not None
        if self.fields > MOST_FIELDS:
            raise _wide()
        if self.aliases > MOST_ALIASES:
            raise TooCostly(f"The query has more than {MOST_ALIASES} aliases.")
        if field.selection_set is None:
            return
        if depth > MOST_DEPTH:
            raise TooCostly(f"The query nests selections more than {MOST_DEPTH} deep.")
        name = field.name.value
        introspecting = expanding or (1 if name in ("__schema", "__type") else 0)
        if introspecting and name in _EXPANDING:
            introspecting += 1
            if introspecting > 2:
                raise TooCostly(
                    "The introspection asks for fields of many types at once. Ask for the names first, "
                    '{__schema{types{name}}}, then for one type: {__type(name:"Patient"){fields{name}}}.'
                )
        self.look(field.selection_set, depth + 1, introspecting)


def _wide() -> TooCostly:
    return TooCostly(f"The query has more than {MOST_FIELDS} fields, those of a fragment counted each time it is used.")
