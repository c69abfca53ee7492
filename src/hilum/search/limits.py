"""How much one search may ask for: bounds that hold before any work is done. https://hl7.org/fhir/R4/search.html

A search is read in time that these bounds limit, whatever text arrives; what exceeds them is refused as too-costly.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from hilum.problems import Invalid

MOST_PARAMETERS: Final = 100
"""How many parameters one query may have."""
MOST_ALTERNATIVES: Final = 1000
"""How many alternatives one parameter may have, such as the ids of a list that a client holds."""
MOST_IN_ALL: Final = 2000
"""How many alternatives all parameters together may have for one type that is searched."""
MOST_OVER_TYPES: Final = 50_000
"""The same over all types that are searched."""
MOST_NAMES: Final = 10_000
"""How many identities (a type and an id) a query may speak of; an id without a type stands for one of each type."""
MOST_HOPS: Final = 12
"""How many references one chain may follow, `_has` counted."""
MOST_TARGETS: Final = 1000
"""How many resource types all chains of a query may lead through together."""
MOST_NESTED: Final = 20
"""How deep the parentheses of `_filter` and `_text` may stand."""
MOST_TEXT: Final = 2000
"""Characters of one value: no index holds a longer one."""
MOST_WORDS: Final = 100
"""Words of one `_text` or `_content`, after folding, which makes many of one character (`ﷺ`)."""
MOST_FILTER: Final = 10_000
"""Characters of one `_filter`."""
MOST_SORTS: Final = 5
"""How many keys `_sort` may have."""
MOST_INCLUDES: Final = 30
"""How many `_include` and `_revinclude` a query may have."""
MOST_CONTAINED: Final = 20
"""How many types a search for contained resources may be on."""

_TEXT: Final = 10
_RANGE: Final = 20
_WEIGHT: Final = {"string": _TEXT, "date": _RANGE, "number": _RANGE, "quantity": _RANGE, "composite": _RANGE}
"""Each range, and each text, is searched by itself, so that it counts as many alternatives."""


class TooCostly(Invalid):
    """The search is understood, but more than one search may ask for (400, too-costly)."""

    code: ClassVar[str] = "too-costly"


class Budget(msgspec.Struct):
    """What is used up of the bounds while one search is read."""

    alternatives: dict[str, int] = msgspec.field(default_factory=dict)  # by type
    together: int = 0  # the same, of all types
    names: int = 0
    targets: int = 0
    _type: str = ""

    def begin(self, type: str) -> None:
        """What is taken from now on is for this one of the types that are searched."""
        self._type = type

    def take(self, name: str, kind: str, count: int) -> None:
        """`count` alternatives of the parameter `name` of this type. Raises TooCostly."""
        weight = _WEIGHT.get(kind, 1)
        most = MOST_ALTERNATIVES // weight
        if count > most:
            raise TooCostly(f"The parameter {name[:64]!r} has {count} alternatives; {most} are the most.")
        self._take_alternatives(count * weight)

    def _take_alternatives(self, count: int) -> None:
        own = self.alternatives[self._type] = self.alternatives.get(self._type, 0) + count
        self.together += count
        if own > MOST_IN_ALL or self.together > MOST_OVER_TYPES:
            raise TooCostly(
                f"The parameters have too many alternatives together: {MOST_IN_ALL} are the most, of texts "
                f"{MOST_IN_ALL // _TEXT}, of dates and numbers {MOST_IN_ALL // _RANGE}; a chain that names no type "
                "counts once for each."
            )

    def take_names(self, count: int) -> None:
        """`count` identities. Raises TooCostly."""
        self.names += count
        self._hold_names()

    def _hold_names(self) -> None:
        if self.names > MOST_NAMES:
            raise TooCostly(
                f"The ids of the search could be those of more than {MOST_NAMES} resources. Write references as "
                "Type/id, and search one type."
            )

    def take_target(self, hops: int) -> None:
        """One type that a chain leads to, `hops` references away. Raises TooCostly."""
        self.targets += 1
        if hops > MOST_HOPS:
            raise TooCostly(f"A chain follows more than {MOST_HOPS} references.")
        self._hold_targets()

    @property
    def used(self) -> tuple[int, int, int]:
        """Alternatives of all types together, names, targets."""
        return self.together, self.names, self.targets

    def add(self, alternatives: int, names: int, targets: int) -> None:
        """What was used up elsewhere, of this type. Raises TooCostly."""
        self._take_alternatives(alternatives)
        if names:
            self.names += names
            self._hold_names()
        if targets:
            self.targets += targets
            self._hold_targets()

    def _hold_targets(self) -> None:
        if self.targets > MOST_TARGETS:
            raise TooCostly(
                f"The chains lead through more than {MOST_TARGETS} resource types; name the type: subject:Patient.name."
            )
