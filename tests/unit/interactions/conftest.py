"""A door over a real SQLite store, and who may stand before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.door import Door
from hilum.oauth import scopes
from hilum.store.sqlite import open_sqlite

BASE = "http://hilum.test/fhir"


def principal(scope: str, patient: str | None = None) -> Principal:
    """Who holds a token with these scopes."""
    return Principal("agent", "client", "jti", of_scopes(scopes.parse(scope), patient), 1 << 62)


@pytest.fixture
def owner() -> Principal:
    return Principal("owner", "test", "jti", EVERYTHING, 1 << 62)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Door(store, BASE)
    await store.close()


@pytest.fixture
def strict(door: Door) -> Door:
    """The same store, with referential integrity."""
    return Door(door.store, door.base, integrity=True)
