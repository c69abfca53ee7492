"""`hilum sandbox --connect`: what is made known at a hilum, once, and again when something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from hilum.access.keys import load_or_create
from hilum.app.brokering import brokering
from hilum.app.data import prepare
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.connection import Connection
from hilum.cli.connecting import ORIGIN, connect, known
from hilum.cli.sandboxing import Wanted, connections
from hilum.problems import Conflict, Misconfigured
from hilum.sandbox.profile import profiles

WANTED = Wanted("epic", (), 3, "http://127.0.0.1:8080", "", "8090", "")


def wish(port: str = "8090", name: str = "epic"):
    sandbox = Settings.read({"port": port, "organization": "Epic (sandbox)"}, {})

    def wished(alg: str) -> Sequence[Connection]:
        return connections(sandbox, replace(WANTED, profile=name), profiles()[name], alg)

    return wished


async def there(settings: Settings) -> tuple[list[Connection], int]:
    store = await open_store(settings)
    try:
        ways = brokering(settings, store, load_or_create(settings.data, settings.environment))
        return await ways.connections.every(), len(await ways.keys.shown())
    finally:
        await store.close()


@pytest.fixture
async def hilum(tmp_path: Path) -> Settings:
    settings = Settings.read({"data": str(tmp_path / "data")}, {})
    prepare(settings)
    await (await open_store(settings)).close()
    return settings


async def test_a_key_and_a_connection_for_each_app_are_made_once(hilum: Settings) -> None:
    assert await connect(hilum, wish()) == ["a client key (RS384)", "epic", "epic-launch"]
    first = await there(hilum)
    assert await connect(hilum, wish()) == ["epic, as it was", "epic-launch, as it was"]
    assert await there(hilum) == first
    (backend, launch), keys = first
    assert keys == 1
    assert (backend.base, backend.grants, launch.grants) == (
        "http://127.0.0.1:8090/fhir",
        ("client_credentials",),
        ("authorization_code",),
    )
    assert backend.mrn_system == profiles()["epic"].record_number.system
    assert backend.allows("visits")
    assert backend.origin == ORIGIN


async def test_two_sandboxes_that_start_at_once_share_the_first_key(hilum: Settings) -> None:
    made = await asyncio.gather(connect(hilum, wish()), connect(hilum, wish(name="oracle")))
    assert sorted(line for lines in made for line in lines) == [
        "a client key (RS384)", "epic", "epic-launch", "oracle", "oracle-launch",
    ]  # fmt: skip
    assert (await there(hilum))[1] == 1


async def test_a_sandbox_that_has_moved_is_known_where_it_is_now(hilum: Settings) -> None:
    await connect(hilum, wish())
    assert await connect(hilum, wish("8099")) == ["epic", "epic-launch"]
    found, _ = await there(hilum)
    assert {one.base for one in found} == {"http://127.0.0.1:8099/fhir"}


async def test_somebody_elses_connection_of_that_name_is_left_alone(hilum: Settings) -> None:
    store = await open_store(hilum)
    ways = brokering(hilum, store, load_or_create(hilum.data, hilum.environment))
    theirs = await ways.connections.add(
        msgspec.structs.replace(wish()("RS384")[0], base="https://ehr.example.org/R4", origin="kim")
    )
    await store.close()
    with pytest.raises(Conflict, match="hilum ehr remove epic"):
        await connect(hilum, wish())
    assert (await there(hilum))[0] == [theirs]


async def test_a_sandboxs_connection_that_somebody_has_aimed_elsewhere_is_left_alone(hilum: Settings) -> None:
    await connect(hilum, wish())
    store = await open_store(hilum)
    connections = brokering(hilum, store, load_or_create(hilum.data, hilum.environment)).connections
    before = await connections.get("epic")
    changed = msgspec.structs.replace(before, base="https://ehr.example.org/R4", origin="kim")
    theirs = await connections.replace(changed, before=before)
    await store.close()
    with pytest.raises(Conflict, match="added or changed by somebody"):
        await connect(hilum, wish())
    assert theirs in (await there(hilum))[0]


def test_where_no_hilum_is_there_is_nothing_to_be_known_to(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="There is no hilum data directory"):
        known(str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()
