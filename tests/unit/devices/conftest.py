"""A gateway for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.devices.world import ORIGIN, Links

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.devices.gateway import Gateway
from hilum.interactions.door import Door
from hilum.store.sqlite import open_sqlite


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
async def gateway(tmp_path: Path, links: Links) -> AsyncIterator[Gateway]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    seal = Seal(load_or_create(tmp_path, "sandbox"))
    yield Gateway(Door(store, f"{ORIGIN}/fhir", integrity=True), links, seal)
    await store.close()
