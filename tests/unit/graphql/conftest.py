"""A query in, data out, over a real SQLite store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.interactions.conftest import door, owner

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.graphql.fetch import Fetch
from hilum.graphql.query import Asked, answer
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.rest.links import Links

__all__ = ["door", "owner"]

Ask = Callable[..., Awaitable[dict[str, Any]]]
Put = Callable[..., Awaitable[None]]


@pytest.fixture
def put(door: Door, owner: Principal) -> Put:
    async def one(type: str, id: str, **content: Any) -> None:
        await update(door, owner, type, id, {"resourceType": type, "id": id, **content})

    return one


@pytest.fixture
def ask(door: Door, owner: Principal) -> Ask:
    async def one(
        query: str,
        about: str | None = None,
        *,
        who: Principal = owner,
        fetch: Fetch | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        fetch = fetch or Fetch(door, who, Links(bytes(32)), now=0)
        where = None if about is None else (about.split("/")[0], about.split("/")[1])
        return json.parse(json.encode(await answer(fetch, Asked(query, variables), where)))

    return one
