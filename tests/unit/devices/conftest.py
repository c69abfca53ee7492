"""A gateway for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.devices.world import ORIGIN, Links

from hilum.access.keys import SigningKey, load_or_create
from hilum.access.seal import Seal
from hilum.devices.gateway import Gateway
from hilum.interactions.door import Door
from hilum.store.sqlite import open_sqlite


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
def root(tmp_path: Path) -> SigningKey:
    return load_or_create(tmp_path, "sandbox")


@pytest.fixture
async def gateway(tmp_path: Path, links: Links, root: SigningKey) -> AsyncIterator[Gateway]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Gateway(Door(store, f"{ORIGIN}/fhir", integrity=True), links, Seal(root))
    await store.close()
