"""Last contacts: kept in memory, written now and then, and what processes know is put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.devices.enrolled import NOW, OWNER, World, world

from hilum.devices.contacts import Called, Contacts, Seen, later
from hilum.devices.inviting import Invited
from hilum.devices.records import Measuring
from hilum.oauth.ledger import DEVICE


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def test_a_contact_makes_a_device_known_and_keeps_what_people_said_of_it(here: World) -> None:
    contacts = Contacts(here.registry.ledger)
    contacts.device(Seen("s", "d", NOW, "agent", model="Gluco 2", battery=80))
    assert await here.registry.devices(OWNER) == []
    await contacts.flush()
    made = await here.registry.link(OWNER, "d", "amy")
    contacts.device(Seen("s", "d", NOW + 60, "other"))
    await contacts.flush()
    found = (await here.registry.device(OWNER, "d")).device
    assert found == Measuring(
        "s", "d", model="Gluco 2", links=made.device.links, agent="other", seen=NOW + 60, battery=80, created=NOW
    )


async def test_of_two_processes_the_later_contact_stands_in_any_order(here: World) -> None:
    early, late = (Contacts(here.registry.ledger) for _ in range(2))
    id = await here.enrol(Invited())
    early.device(Seen("s", "d", NOW, "a", serial="7"))
    early.agent(id, Called(NOW, version="1.0"))
    late.device(Seen("s", "d", NOW + 5, "b"))
    late.agent(id, Called(NOW + 5, "Device/1"))
    await late.flush()
    await early.flush()
    found = (await here.registry.device(OWNER, "d")).device
    assert (found.seen, found.agent, found.serial) == (NOW + 5, "b", "7")
    agent = (await here.registry.agent(OWNER, id)).agent
    assert (agent.seen, agent.device, agent.version) == (NOW + 5, "Device/1", "1.0")


async def test_what_says_nothing_new_is_not_written_and_a_client_that_is_no_agent_has_no_record(here: World) -> None:
    contacts = Contacts(here.registry.ledger)
    contacts.device(Seen("s", "d", NOW))
    contacts.agent("nobody", Called(NOW))
    await contacts.flush()
    (row,) = await here.registry.ledger.of(DEVICE)
    contacts.device(Seen("s", "d", NOW - 60))
    await contacts.flush()
    assert await here.registry.ledger.of(DEVICE) == [row]
    assert await here.registry.agents(OWNER) == []


SEEN = st.builds(Seen, st.just("s"), st.just("d"), st.integers(1, 9), st.sampled_from("ab"))


@given(st.lists(SEEN, min_size=2, max_size=3, unique_by=lambda one: one.at))
def test_contacts_say_the_same_in_any_order(some: list[Seen]) -> None:
    ends = set()
    for order in permutations(some):
        found: Seen | None = None
        for one in order:
            found = later(found, one)
        ends.add(found)
    (found,) = ends
    assert found is not None
    assert found.at == max(one.at for one in some)
