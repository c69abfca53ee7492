"""What the administrators' pages know of the broker, which is another room: `hilum.app` puts the two together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hilum.problems import NotFound


class Ehr(NamedTuple):
    """A connection. `people`, `itself`: who signs in with it."""

    name: str
    title: str
    environment: str
    vendor: str
    base: str
    client_id: str
    method: str
    people: bool
    itself: bool
    recipes: tuple[str, ...]
    disabled: bool


class Step(NamedTuple):
    """What was tried of a connection. `state`: works, note, fails, skipped; `side`: ours, theirs, network, or none."""

    step: str
    state: str
    found: str
    todo: str
    side: str


class SignIn(NamedTuple):
    """A person's sign-in at an EHR. `id`: by what it is told from others, which opens nothing; `who`: as the EHR says
    it. Times in seconds since 1970: `renewed`, when the EHR last gave a token for it.
    """

    id: str
    ehr: str
    who: str
    begun: float
    renewed: float
    ends: float


class Order(NamedTuple):
    """One that is not settled. `at`: since when its step is what it is, in seconds since 1970; `dead`: it could not be
    delivered, `why` says why, and it can be replayed.
    """

    id: str
    ehr: str
    environment: str
    recipe: str
    deliver_to: str
    by: str
    step: str
    at: float
    why: str
    dead: bool


class Broker(Protocol):
    """What these pages ask. All may raise Busy."""

    async def ehrs(self) -> Sequence[Ehr]:
        """All connections, by name."""
        ...

    async def check(self, name: str) -> tuple[Ehr, Sequence[Step]]:
        """Try one, step by step. Raises NotFound."""
        ...

    async def sign_ins(self, most: int) -> Sequence[SignIn]:
        """The last begun."""
        ...

    async def sign_out(self, id: str) -> bool:
        """End one, here and at the EHR. False: it has ended."""
        ...

    async def orders(self, most: int) -> Sequence[Order]:
        """The oldest that are not settled, dead letters among them."""
        ...

    async def replay(self, id: str) -> bool:
        """Have a dead letter delivered again. False: it is none any more."""
        ...


class Nothing:
    """A hilum that is connected to no EHR."""

    async def ehrs(self) -> Sequence[Ehr]:
        """None."""
        return ()

    async def check(self, name: str) -> tuple[Ehr, Sequence[Step]]:
        """There is none."""
        raise NotFound("There is no such EHR.")

    async def sign_ins(self, most: int) -> Sequence[SignIn]:
        """None."""
        return ()

    async def sign_out(self, id: str) -> bool:
        """There is none."""
        return False

    async def orders(self, most: int) -> Sequence[Order]:
        """None."""
        return ()

    async def replay(self, id: str) -> bool:
        """There is none."""
        return False
