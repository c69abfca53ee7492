"""What an order needs of the rooms beside it: somebody who signs in and gathers, and somebody who stores what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from hilum.broker.order import Came, Order, Start

Tell = Callable[[Mapping[str, int]], None]
"""Called as often as there is something new, with counts by name: what came, requests, parts. No patient data."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came. `content` is JSON, and all that storing needs, after a restart too; `resources` in it is the list of
    resources, the patient first, which a payload is made of.
    """

    content: dict[str, Any] = field(repr=False)
    came: tuple[Came, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """`patient`: the reference to the patient here. `came`: what hilum's store did not take, by type."""

    patient: str
    came: tuple[Came, ...] = ()


class Gathering(Protocol):
    """Signs in, then gathers. Both are done again after a crash: what they do twice is as good as once."""

    async def sign_in(self, order: Order, start: Start) -> Any:
        """What `gather` gets: a `hilum.broker.far.Far`. Raises Failed, Busy."""
        ...

    async def gather(self, far: Any, order: Order, start: Start, tell: Tell) -> Gathered:
        """All that the recipe names. Raises Failed where the patient did not come, Busy."""
        ...


class Storing(Protocol):
    """Into hilum's own store, by one transaction, under ids that are the same when it is done again."""

    async def __call__(self, id: str, order: Order, content: dict[str, Any]) -> Stored:
        """`id`: of the Task, for the Provenance. Raises Problem."""
        ...


Fill = Callable[[dict[str, Any], datetime], dict[str, Any]]
"""A Bundle, and the time now, to a payload; raises `hilum.broker.payload.Unfit`."""


class Templates(Protocol):
    """The payload templates of recipes."""

    def __call__(self, recipe: str) -> Fill | None:
        """None: the recipe has none, or is there no more."""
        ...


def bundle(content: Mapping[str, Any]) -> dict[str, Any]:
    """What came, as the Bundle that a template is about."""
    entries = [{"resource": resource} for resource in content.get("resources", ())]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
