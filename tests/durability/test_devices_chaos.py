"""Chaos: whatever dies, and whatever the network does, what devices were told to be taken is on the server, once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.durability.devices.chaos import Chaos, Plan

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills and namespaces: Linux only")


async def test_the_check_sees_what_an_agent_without_a_queue_doubles(tmp_path: Path) -> None:
    chaos = Chaos(Plan(1, 400, agents=2, servers=1, way="direct"), tmp_path)
    found = await chaos.run()
    assert chaos.died == {"agent": 2, "server": 1}
    assert set(found.faults) == {"doubled", "a clock that nothing came of"}, found.told
