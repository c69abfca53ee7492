"""What a question and its answer are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Pairs = Sequence[tuple[str, str]]
Name = tuple[str, str]

BASE = "http://hilum.test/fhir"


@dataclass(frozen=True)
class Permit:
    """What lies in a compartment of one of `owners` (None: anywhere) and satisfies every constraint."""

    owners: tuple[Name, ...] | None = None
    constraints: tuple[tuple[str, str], ...] = ()


class Policy(dict[str, tuple[Permit, ...]]):
    """Resource type -> permits, any of which suffices; a type that is not there is invisible.

    `named`: further permits for what is asked for by name, and not looked for: by `_id`, by what refers to it, for the
    types of `by_url` by `url`. `lists`: which Lists may be asked for their entries; None: those that may be searched.
    """

    def __init__(
        self,
        permits: Mapping[str, tuple[Permit, ...]],
        named: Mapping[str, tuple[Permit, ...]] | None = None,
        by_url: Collection[str] = (),
        lists: tuple[Permit, ...] | None = None,
    ) -> None:
        super().__init__(permits)
        self.named = dict(named or {})
        self.by_url = frozenset(by_url)
        self.lists = lists


@dataclass(eq=False)
class Item:
    """One resource of the population; `place`: how many were created before it. Of a contained one its container
    (`holder`), and `at` which place in that.
    """

    place: int
    type: str
    id: str
    body: dict[str, Any]
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    holder: Item | None = None
    at: int = -1
    compartments: frozenset[Name] | None = None

    @property
    def name(self) -> Name:
        """(type, id), of a contained one those of its container with `#` and its place in it"""
        if self.holder is not None:
            return self.holder.type, f"{self.holder.id}#{self.at}"
        return self.type, self.id


Holds = Callable[[Item], bool]


class Include(NamedTuple):
    """`code` None: every reference. `source` "*": of every type."""

    source: str
    code: str | None
    target: str | None
    iterate: bool
    reverse: bool


@dataclass(frozen=True)
class Found:
    """All matches in order, how many there are, and what is included for all of them together."""

    matches: tuple[Name, ...]
    total: int
    included: frozenset[Name]
