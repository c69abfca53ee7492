"""What a case is, and who asks: one token in one world."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.oracle.evaluator import Population
from tests.oracle.leaks.populations import Maker
from tests.oracle.leaks.requests import Answer, Request
from tests.oracle.leaks.rights import Rights
from tests.oracle.leaks.world import Body, Version, World
from tests.oracle.queries import Asker
from tests.oracle.records import Name, Policy

T = TypeVar("T")

Pages = Sequence[Answer]
"""One answer, or those of a search page by page."""


@dataclass(frozen=True)
class Write:
    """A version that a request should make. `id` None: a new one. `body` without id and meta; None: a deletion."""

    method: str
    type: str
    id: str | None
    body: Body | None


@dataclass(frozen=True)
class Case:
    """A request and what must come of it.

    `expect`: what is wrong with the answers, in words; None where all is right. `writes`: what is stored of it when it
    is right. `timed`: it asks about times, which another world has others of.
    """

    kind: str
    request: Request
    expect: Callable[[Pages], str | None]
    writes: tuple[Write, ...] = ()
    timed: bool = False


def statuses(*wanted: int) -> Callable[[Pages], str | None]:
    """The answer has one of these statuses."""
    return lambda pages: None if pages[0].status in wanted else f"status {pages[0].status}, not {wanted}"


REFUSED = (400, 403)
"""A request that is not understood, or not allowed: which one says nothing about what is stored."""


class _Asker(Asker):
    """Asks under one policy."""

    def __init__(self, population: Population, seed: int, policy: Policy) -> None:
        super().__init__(population, seed)
        self._policy = policy

    def policy(self) -> Policy:
        """Always the same."""
        return self._policy


class Asking:
    """Makes cases for one token."""

    def __init__(self, seed: str, world: World, rights: Rights, maker: Maker) -> None:
        self.chance = random.Random(seed)
        self.seed = seed
        self.world = world
        self.rights = rights
        self.maker = maker
        self._asker: Asker | None = None

    def pick(self, values: Sequence[T]) -> T:
        """One of them."""
        return self.chance.choice(values)

    def maybe(self, probability: float) -> bool:
        """True so often."""
        return self.chance.random() < probability

    @property
    def policy(self) -> Policy:
        """What may be searched."""
        return self.rights.policy(self.world.population.definitions.resource_types)

    @property
    def asker(self) -> Asker:
        """Who makes searches of what is there now."""
        population = self.world.population
        if self._asker is None or self._asker.population is not population:
            self._asker = _Asker(population, self.chance.getrandbits(32), self.policy)
        return self._asker

    def name(self, types: Sequence[str] = ()) -> Name:
        """A resource that there is or was, as often one that may be read as one that may not; seldom none."""
        if self.maybe(0.05):
            return self.pick(types or ("Observation", "Patient")), "nobody"
        some = [name for name in self.world.by_name if not types or name[0] in types]
        if not some:
            return self.pick(types), "nobody"
        wanted = self.maybe(0.5)
        for _ in range(8):
            name = self.pick(some)
            if self.world.may(self.rights, "r", self.world.current(*name)) is wanted:
                break
        return name

    def sees(self, letter: str, version: Version) -> bool:
        """Whether the version may be seen by this letter."""
        return self.world.sees(self.rights, letter, version)

    def value(self, name: Name) -> Any:
        """What is stored under the name now, None where nothing is."""
        current = self.world.current(*name)
        return None if current is None else current.body
