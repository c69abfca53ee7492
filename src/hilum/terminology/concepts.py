"""Code systems as a store keeps them: the verbs, and what they take and give. docs/adr/0012-terminology-tables.md

A loaded code system never changes: it has a number of its own, and its concepts have numbers from 0 in the order of a
walk down its hierarchy, so that what is under a concept is a few runs of numbers. A newer version of it is another
number; the one before it stays readable for some minutes, for those who are at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

Body = dict[str, Any]

WORD, VALUE, FLAG, FOLDED, CHILD = 1, 2, 3, 4, 5
"""Kinds of postings: by a word of a text, by a property and its value, by a flag, by the code without its case, and
the children of a concept, by its code."""
INACTIVE, ABSTRACT, ROOT = "inactive", "abstract", "root"
"""Flags."""
BETWEEN: Final = "\x1f"
"""Stands between a property and its value."""
LINGERS: Final = 600
"""Seconds that a code system stays readable that another has taken the place of."""
ABANDONED: Final = 3600
"""Seconds after which a load that was not heard of is taken for dead."""
IMPORTED: Final = "import"
"""The source of what was imported; that of a resource is its address."""


class Designation(NamedTuple):
    """Another name of a concept. `use`: a Coding, or None."""

    value: str
    language: str = ""
    use: Body | None = None


class Property(NamedTuple):
    """What a code system says of a concept. `kind`: as in value[x]: code, Coding, string, integer, boolean, …"""

    code: str
    kind: str
    value: Any


class Entry(NamedTuple):
    """A concept that is to be loaded. `parents`: codes."""

    code: str
    display: str = ""
    definition: str = ""
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    inactive: bool = False
    abstract: bool = False
    parents: tuple[str, ...] = ()


class Head(NamedTuple):
    """A code system that is loaded. `source` and `seq`: of which version of what. `about`: what else it says of itself:
    the CodeSystem without its concepts.
    """

    url: str
    version: str
    source: str
    seq: int
    size: int
    about: Body


class System(NamedTuple):
    """A loaded one, by its number."""

    number: int
    head: Head


class Row(NamedTuple):
    """A concept as it is kept. `last`: the last number of those nested in it; parents, over: numbers; under: runs of
    those under it, itself included; `detail`: definition, designations and properties, as JSON.
    """

    n: int
    code: str
    display: str
    flags: int
    last: int
    parents: bytes
    over: bytes
    under: bytes
    detail: bytes


class Posting(NamedTuple):
    """A set of concepts under a key: see bits.py."""

    kind: int
    key: str
    value: bytes


class Concepts(Protocol):
    """The verbs of a store for code systems. All may raise Busy and Damaged."""

    async def generation(self) -> int:
        """Another number whenever a CodeSystem, ValueSet, ConceptMap or NamingSystem, or what is loaded, has changed:
        what was found is right as long as this is the same. It grows in the same transaction.
        """
        ...

    async def systems(self, url: str | None = None) -> list[System]:
        """What is loaded, of that url or all, the newest number first."""
        ...

    async def begin(self, head: Head) -> int:
        """Begin to load; the number that it will have. Nobody sees it before `finish`."""
        ...

    async def add(self, number: int, rows: Sequence[Row]) -> None:
        """Some of its concepts."""
        ...

    async def post(self, number: int, postings: Sequence[Posting]) -> None:
        """Some of its postings."""
        ...

    async def finish(self, number: int) -> bool:
        """It is whole: from now on it is the one of its source, url and version. False, and it is forgotten, when a
        later version of the same resource was loaded meanwhile.
        """
        ...

    async def retire(self, number: int) -> bool:
        """It is not to be found any more. False when it was not."""
        ...

    async def sweep(self) -> int:
        """Take away what was replaced or abandoned long enough ago; how many code systems."""
        ...

    async def at(self, number: int, some: Sequence[int]) -> list[Row]:
        """The concepts with these numbers, in their order."""
        ...

    async def of(self, number: int, codes: Sequence[str]) -> list[Row]:
        """The concepts with these codes, in any order; of unknown ones none."""
        ...

    async def postings(self, number: int, kind: int, low: str, high: str | None = None) -> list[tuple[str, bytes]]:
        """Those under this key, or from `low` to `high`, by key."""
        ...

    async def closure(self, name: str) -> list[tuple[int, str]] | None:
        """The steps of a named closure table, as (n, JSON), ascending; None when there is none of that name."""
        ...

    async def closures(self, start: str, most: int) -> list[str]:
        """Names of closure tables that begin so, in their order; `most` of them. `start` ends in '/'."""
        ...

    async def extend(self, name: str, after: int, step: str | None) -> bool:
        """Add a step behind `after`; None makes the table anew. False when another one did meanwhile."""
        ...
