"""The registry: agents are invited and revoked, devices linked, unlinked, revoked and restored, by whom, audited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.devices.enrolled import ADMIN, AGENT, AMY, DOCTOR, NOW, OWNER, World, world

from hilum.access.policy import Principal
from hilum.devices.inviting import SCOPES, Invited
from hilum.devices.records import Agent, Link
from hilum.devices.registry import Registry, key_of
from hilum.oauth.ledger import CLIENT, CLIENT_REVOKED
from hilum.problems import Conflict, Forbidden, Invalid, NotFound
from hilum.smart.apps import clients, invitations

METER = "urn:mac|AA-BB"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


async def test_an_agent_is_enrolled_for_whom_its_invitation_says(here: World) -> None:
    id = await here.enrol(Invited("Home", ("Patient/amy", "amy"), default="ben"))
    found = await here.registry.agent(OWNER, id)
    assert found.agent == Agent("Home", ("amy", "ben"), default="ben", by="ada", created=NOW)
    assert not found.ended
    client = await clients.active(here.registry.ledger, id)
    assert client is not None
    assert client.scopes == SCOPES
    assert here.trail.told == [("ada", "device", {"invited": "Home", "patients": "amy ben", "default": "ben"})]


async def test_an_agent_without_a_name_of_the_invitation_has_its_own(here: World) -> None:
    id = await here.enrol(Invited(anyone=True))
    assert (await here.registry.agent(OWNER, id)).agent.name == "Box"


@pytest.mark.parametrize(
    ("invited", "problem"),
    [
        (Invited(patients=("nobody",)), NotFound),
        (Invited(patients=tuple(f"p{n}" for n in range(201))), Invalid),
        (Invited("x" * 201), Invalid),
    ],
    ids=["unknown patient", "too many", "long name"],
)
async def test_invitations_that_can_not_be_are_not_made(
    here: World, invited: Invited, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        await here.registry.invite(OWNER, invited)
    assert here.trail.told == []


async def test_a_revoked_agent_gets_no_tokens_and_those_it_has_are_void(here: World) -> None:
    id = await here.enrol(Invited("Home"))
    assert (await here.registry.revoke_agent(ADMIN, id)).ended
    assert (await here.registry.agent(OWNER, id)).ended
    ledger = here.registry.ledger
    assert await clients.active(ledger, id) is None
    (noted,) = await ledger.revocations(0)
    assert (noted.revoked.kind, noted.revoked.key) == (CLIENT_REVOKED, id.encode())
    assert here.trail.told[-1] == ("adm", "device", {"agent": id, "revoked": "true"})
    told = len(here.trail.told)
    await here.registry.revoke_agent(ADMIN, id)
    assert len(here.trail.told) == told


async def test_links_say_whose_users_are_each_once(here: World) -> None:
    registry = here.registry
    made = await registry.link(DOCTOR, METER, "Patient/amy")
    assert made.device.links == (Link("amy", "", "doc", NOW),)
    assert await registry.link(DOCTOR, METER, "amy") == made
    both = await registry.link(DOCTOR, "AA-BB", "ben", "2")
    assert [(one.person, one.patient) for one in both.device.links] == [("", "amy"), ("2", "ben")]
    with pytest.raises(Conflict, match="unlink it first"):
        await registry.link(DOCTOR, made.id, "amy", "2")
    assert (await registry.unlink(DOCTOR, made.id)).device.links == both.device.links[1:]
    with pytest.raises(NotFound):
        await registry.unlink(DOCTOR, made.id)
    assert here.trail.told[0] == ("doc", "device", {"device": made.id, "linked": "Patient/amy"})
    assert here.waits.tried, "what is held is tried again once a link is made"


@pytest.mark.parametrize("person", ["256", "01", "-1", "x", "٣"], ids=["256", "01", "-1", "x", "another digit"])
async def test_users_are_numbers_of_one_octet(here: World, person: str) -> None:
    with pytest.raises(Invalid):
        await here.registry.link(OWNER, METER, "amy", person)


async def test_a_device_that_was_never_seen_is_named_whole_and_a_patient_must_be_there(here: World) -> None:
    for name, patient in (("AA-BB", "amy"), ("urn:mac|", "amy"), (METER, "nobody")):
        with pytest.raises(NotFound):
            await here.registry.link(OWNER, name, patient)
    assert await here.registry.devices(OWNER) == []


async def test_a_value_that_several_have_names_none(here: World) -> None:
    for name in (METER, "urn:other|AA-BB"):
        await here.registry.link(OWNER, name, "amy")
    with pytest.raises(Conflict):
        await here.registry.device(OWNER, "AA-BB")
    assert (await here.registry.device(OWNER, METER)).key == key_of("urn:mac", "AA-BB")


async def test_a_revoked_device_is_restored_with_its_links(here: World) -> None:
    made = await here.registry.link(OWNER, METER, "amy")
    assert (await here.registry.revoke(OWNER, "AA-BB")).device.revoked
    assert await here.registry.restore(OWNER, "AA-BB") == made


async def test_links_that_are_made_at_the_same_time_all_stand(here: World) -> None:
    await here.registry.link(OWNER, METER, "amy")
    await asyncio.gather(*(here.registry.link(OWNER, METER, "ben", str(n)) for n in range(1, 6)))
    found = await here.registry.device(OWNER, METER)
    assert sorted(one.person for one in found.device.links) == ["", "1", "2", "3", "4", "5"]


async def test_devices_of_a_patient_are_linked_ones_and_those_of_the_agent_whose_default_it_is(here: World) -> None:
    from hilum.devices.contacts import Contacts, Seen

    id = await here.enrol(Invited(default="amy"))
    contacts = Contacts(here.registry.ledger)
    for value in ("seen", "linked"):
        contacts.device(Seen("s", value, NOW, id))
    contacts.device(Seen("s", "elsewhere", NOW, "other"))
    await contacts.flush()
    await here.registry.link(OWNER, "linked", "ben")
    assert [one.device.value for one in await here.registry.of_patient("amy")] == ["seen"]
    assert [one.device.value for one in await here.registry.of_patient("ben")] == ["linked"]


ASKS = {
    "see": lambda registry, who: registry.devices(who),
    "agents": lambda registry, who: registry.agents(who),
    "held": lambda registry, who: registry.held(who),
    "link": lambda registry, who: registry.link(who, METER, "amy"),
    "revoke": lambda registry, who: registry.revoke(who, METER),
    "release": lambda registry, who: registry.release(who),
    "invite": lambda registry, who: registry.invite(who, Invited()),
}
MAY = {
    "owner": (OWNER, set(ASKS)),
    "admin": (ADMIN, set(ASKS)),
    "doctor": (DOCTOR, set(ASKS) - {"invite"}),
    "patient": (AMY, set()),
    "agent": (AGENT, set()),
}


@pytest.mark.parametrize("name", MAY)
@pytest.mark.parametrize("asks", ASKS)
async def test_who_may_do_what(here: World, name: str, asks: str) -> None:
    who, may = MAY[name]

    async def done(registry: Registry, who: Principal) -> None:
        await ASKS[asks](registry, who)  # type: ignore[no-untyped-call]

    if asks in may:
        await done(here.registry, who)
    else:
        with pytest.raises(Forbidden):
            await done(here.registry, who)
        assert here.trail.told == []


async def test_an_invitation_enrols_once(here: World) -> None:
    token, _ = await here.registry.invite(OWNER, Invited())
    ledger = here.registry.ledger
    found = await invitations.found(ledger, token)
    assert found is not None
    assert await invitations.used(ledger, found)
    assert await invitations.found(ledger, token) is None
    assert await ledger.get(CLIENT, b"agent") is None
