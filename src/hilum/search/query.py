"""A search as a value: what a FHIR query string means, before any store turns it into SQL.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from hilum.search.clauses import Part, Permit


class Sort(msgspec.Struct, frozen=True):
    """One key of `_sort`. `kind`: string, token, date, quantity, reference, uri, or updated, id, score.

    `numbers`: type -> the numbers of the parameter there. Ascending compares the least value of a resource,
    descending (`down`) the greatest; what has no value comes last, in both directions.
    """

    code: str
    kind: str
    numbers: tuple[tuple[str, tuple[int, ...]], ...] = ()
    down: bool = False


class Include(msgspec.Struct, frozen=True):
    """`_include` (or, `reverse`, `_revinclude`) of what `parameters` of `source` refer to (what refers by them).

    `source` "*": any type. `parameters` None: every reference (`*`), those by canonical url too. `target`: only that
    type. `iterate`: also of what was included. `permits`: type -> what the asker may see of it; a type that is not
    there is invisible. `names`: the parameters that refer by canonical url; see `canonicals`.
    """

    source: str
    parameters: tuple[int, ...] | None
    target: str | None = None
    iterate: bool = False
    reverse: bool = False
    permits: tuple[tuple[str, tuple[Permit, ...]], ...] = ()
    names: tuple[int, ...] = ()


class Contained(msgspec.Struct, frozen=True):
    """`_contained`: what the parts describe is looked for within other resources. See `contained`.

    `both`: and outside of them. `apart`: the results are the contained resources, else what contains them.
    `containers`: type -> what the asker may see of it; a type that is not there is invisible. Of a contained resource
    the asker sees what the permits of its own part allow, too, its container's compartments counting as its own.
    """

    both: bool = False
    apart: bool = False
    containers: tuple[tuple[str, tuple[Permit, ...]], ...] = ()


NEWEST: Final[tuple[Sort, ...]] = ()
"""No sort asked for: by type, newest created first, stable under updates."""


class Query(msgspec.Struct, frozen=True):
    """What to find, in which order, how much of it, and what to bring along.

    `parts`: one per type, types distinct. `after`: the keyset position of the page before, from the store, opaque.
    `total`: "none", "estimate" or "accurate". `includes` are followed from the page's resources. `contained`: looked
    for within other resources. `exact`: something is written that follows from it: what is found is judged on bodies,
    at the ends of chains, too. `kept`: this very value comes again, so that what is found out about it may be kept.
    """

    parts: tuple[Part, ...]
    count: int = 20
    sort: tuple[Sort, ...] = NEWEST
    after: str | None = None
    total: str = "none"
    includes: tuple[Include, ...] = ()
    contained: Contained | None = None
    exact: bool = False
    kept: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        """The types that are searched."""
        return tuple(part.type for part in self.parts)
