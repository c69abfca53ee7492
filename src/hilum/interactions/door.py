"""What every interaction needs beside its arguments, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from hilum.audit.select import Audits
from hilum.fhir.resource import Resource
from hilum.interactions.shelf import Shelf
from hilum.problems import Issue
from hilum.store.interface import Store
from hilum.terminology.expansion import Code, Wanted
from hilum.terminology.hierarchy import Hierarchy


class Known(NamedTuple):
    """A value set of R4 itself, which no store has to hold: it never changes."""

    url: str


Version = tuple[str, str, int] | Known | None
"""Of a definition: type, id and seq; None: there is none."""
Expansion = tuple[tuple[tuple[Wanted, Version], ...], frozenset[Code]]
"""The definitions that were asked for, as they were, and the codes that follow from them."""


@dataclass(frozen=True, slots=True)
class Door:
    """The store, the server's own base URL (`http://127.0.0.1:8080/fhir`, no slash at the end), the rules of the house.

    `integrity`: refuse references to what does not exist and deletions of what is referred to. `expansions` (by the
    name of a ValueSet) and `hierarchies` (by the address of a CodeSystem) are what was computed last: see resolve.py.
    `audits`: what the server itself recorded, where it records (auditing.py). `shelf`: the definitions that are known.
    """

    store: Store
    base: str
    integrity: bool = False
    expansions: dict[str, Expansion] = field(default_factory=dict, compare=False, repr=False)
    hierarchies: dict[str, tuple[Version, Hierarchy]] = field(default_factory=dict, compare=False, repr=False)
    audits: Audits | None = field(default=None, compare=False, repr=False)
    shelf: Shelf = field(default_factory=Shelf, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to. `created`: a new resource (201); `changed` False: nothing had to be written (200).

    `resource` is the version now current; a deletion's has `deleted`. `readable` False: the principal may write it, but
    not read it, and must be shown no more than its id and version: a PATCH would otherwise be a read. `issues`: the
    warnings of validation.
    """

    resource: Resource
    created: bool
    changed: bool = True
    readable: bool = True
    issues: tuple[Issue, ...] = ()
