"""What every interaction needs beside its arguments, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field

from hilum.audit.select import Audits
from hilum.fhir.resource import Resource
from hilum.interactions.shelf import Shelf
from hilum.interactions.terminology.knowledge import Knowledge
from hilum.problems import Issue
from hilum.store.blobs.blob import Blobs
from hilum.store.interface import Store


@dataclass(frozen=True, slots=True)
class Door:
    """The store, the server's own base URL (`http://127.0.0.1:8080/fhir`, no slash at the end), the rules of the house.

    `integrity`: refuse references to what does not exist and deletions of what is referred to. `claims`: refuse what
    does not conform to the profiles that it claims, where they are known (conforming.py). `codes`: what was found out
    about codes since a definition of them changed last (terminology/knowledge.py).
    `audits`: what the server itself recorded, where it records (auditing.py). `shelf`: the definitions that are known.
    `blobs`: where the content of a Binary goes that has more than `large` bytes; None: it all stays in the store
    (contents.py).
    """

    store: Store
    base: str
    integrity: bool = False
    claims: bool = True
    codes: Knowledge = field(default_factory=Knowledge, compare=False, repr=False)
    audits: Audits | None = field(default=None, compare=False, repr=False)
    shelf: Shelf = field(default_factory=Shelf, compare=False, repr=False)
    blobs: Blobs | None = field(default=None, compare=False, repr=False)
    large: int = 1 << 18


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
