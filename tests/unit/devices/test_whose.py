"""Whose a reading is: by links, the agent's enrolment and the batch itself, and never a guess."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.devices.enrolled import OWNER, World, world

from hilum.devices.records import Agent, Link, Measuring
from hilum.devices.resolving import Found, Hold, Identifier, Subject
from hilum.devices.whose import (
    AMBIGUOUS,
    CONTRADICTED,
    MISTAKEN,
    NOT_ENROLLED_FOR,
    REVOKED,
    UNKNOWN,
    UNLINKED,
    WHY,
    Named,
    Nobody,
    Placeholder,
    Refused,
    Resolving,
    Told,
    whose,
)
from hilum.phd.reading import NO_SYSTEM_ID
from hilum.problems import Forbidden


def device(*links: tuple[str, str], revoked: bool = False) -> Measuring:
    """`links`: person, patient."""
    return Measuring("s", "d", links=tuple(Link(patient, person) for person, patient in links), revoked=revoked)


HOME = Agent("home", ("amy",), default="amy")
WARD = Agent("ward", anyone=True)
NONE = Agent("none")
SOLE, TWO = device(("", "amy")), device(("1", "amy"), ("2", "ben"))
RULES = {
    "a link": (SOLE, NONE, Placeholder(), Found("amy")),
    "a link of the user": (TWO, NONE, Placeholder("2"), Found("ben")),
    "no link of the user": (TWO, HOME, Placeholder("3"), Hold(UNLINKED)),
    "a device that knows users, without one": (TWO, HOME, Placeholder(), Hold(UNLINKED)),
    "the agent's default": (device(), HOME, Placeholder(), Found("amy")),
    "not for a user": (device(), HOME, Placeholder("1"), Hold(UNLINKED)),
    "no default": (device(), WARD, Placeholder(), Hold(UNLINKED)),
    "a client that is no agent": (device(), None, Placeholder(), Hold(UNLINKED)),
    "a link is before the default": (device(("", "ben")), HOME, Placeholder(), Found("ben")),
    "a revoked device": (device(("", "amy"), revoked=True), HOME, Placeholder(), Refused(REVOKED)),
    "a revoked device of a named patient": (device(revoked=True), None, Named(("amy",)), Refused(REVOKED)),
    "named": (device(), HOME, Named(("amy",)), Found("amy")),
    "named, for anyone": (device(), WARD, Named(("ben",)), Found("ben")),
    "named, by no agent": (device(), None, Named(("ben",)), Found("ben")),
    "named, not enrolled for": (device(), HOME, Named(("ben",)), Hold(NOT_ENROLLED_FOR)),
    "named, unknown": (device(), WARD, Named(()), Hold(UNKNOWN)),
    "named, ambiguous": (device(), WARD, Named(("amy", "ben")), Hold(AMBIGUOUS)),
    "named against the link": (SOLE, WARD, Named(("ben",)), Hold(CONTRADICTED)),
    "named as one of the links": (TWO, WARD, Named(("ben",)), Found("ben")),
    "named against the user's link": (TWO, WARD, Named(("ben",), "1"), Hold(CONTRADICTED)),
    "named as the link, not enrolled for": (SOLE, NONE, Named(("amy",)), Hold(NOT_ENROLLED_FOR)),
    "of another device": (SOLE, HOME, Nobody(), Hold(MISTAKEN)),
}


@pytest.mark.parametrize("rule", RULES)
def test_whose_by_the_rules(rule: str) -> None:
    measuring, agent, told, expected = RULES[rule]
    assert whose([measuring], agent, told) == expected


def test_links_by_two_identifiers_of_one_device_that_say_different_things_hold() -> None:
    assert whose([SOLE, device(("", "ben"))], WARD, Placeholder()) == Hold(CONTRADICTED)


IDS = st.sampled_from(["amy", "ben", "cid"])
PERSONS = st.sampled_from(["", "1", "2"])
DEVICES = st.builds(
    lambda links, revoked: device(*links.items(), revoked=revoked), st.dictionaries(PERSONS, IDS), st.booleans()
)
AGENTS = st.none() | st.builds(
    lambda patients, anyone, default: Agent("a", (*patients, default) if default else patients, anyone, default or ""),
    st.lists(IDS, max_size=2).map(tuple),
    st.booleans(),
    st.none() | IDS,
)
TOLD: st.SearchStrategy[Told] = (
    st.builds(Placeholder, PERSONS)
    | st.builds(Named, st.lists(IDS, unique=True, max_size=2).map(tuple), PERSONS)
    | st.just(Nobody())
)


@given(st.lists(DEVICES, max_size=2), AGENTS, TOLD)
def test_nobody_is_found_whom_nothing_names(devices: list[Measuring], agent: Agent | None, told: Told) -> None:
    found = whose(devices, agent, told)
    if any(one.revoked for one in devices):
        assert isinstance(found, Refused)
        return
    if not isinstance(found, Found):
        assert isinstance(found, Hold)
        assert found.why in WHY
        return
    links = [link for one in devices for link in one.links]
    named = isinstance(told, Named) and told.patients == (found.patient,)
    permitted = agent is None or agent.anyone or found.patient in agent.patients
    linked = isinstance(told, Placeholder) and any(
        link.patient == found.patient and link.person == told.person for link in links
    )
    default = agent is not None and agent.default == found.patient and told == Placeholder("") and not links
    assert (named and permitted) or linked or default
    if named and links:
        assert found.patient in {link.patient for link in links}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as found:
        yield found


METER = (Identifier("urn:eui", NO_SYSTEM_ID), Identifier("urn:mac", "AA-BB"))
PLACEHOLDER = Identifier("https://hilum.test/devices/person", "AA-BB#2")


async def test_a_placeholder_is_whose_the_device_and_its_user_are_linked_to(here: World) -> None:
    resolve = Resolving(here.door)
    subject = Subject(identifiers=(PLACEHOLDER,))
    assert await resolve(OWNER, METER, subject) == Hold(WHY[UNLINKED])
    await here.registry.link(OWNER, "urn:mac|AA-BB", "ben", "2")
    assert await resolve(OWNER, METER, subject) == Found("ben")
    other = Identifier(PLACEHOLDER.system, "CC-DD#2")
    assert await resolve(OWNER, METER, Subject(identifiers=(other,))) == Hold(WHY[MISTAKEN])
    assert await resolve(OWNER, METER, Subject()) == Hold(WHY[UNLINKED])


async def test_a_named_patient_is_the_one_that_has_the_id_or_the_identifier(here: World) -> None:
    resolve = Resolving(here.door)
    assert await resolve(OWNER, METER, Subject(id="amy")) == Found("amy")
    assert await resolve(OWNER, METER, Subject(id="nobody")) == Hold(WHY[UNKNOWN])
    for value, expected in (("a", Found("amy")), ("both", Hold(WHY[AMBIGUOUS])), ("x|,$", Hold(WHY[UNKNOWN]))):
        subject = Subject(identifiers=(Identifier("urn:mrn", value),))
        assert await resolve(OWNER, METER, subject) == expected
    contrary = Subject(id="ben", identifiers=(Identifier("urn:mrn", "a"),))
    assert await resolve(OWNER, METER, contrary) == Hold(WHY[AMBIGUOUS])


async def test_a_revoked_device_is_refused_by_its_name_and_the_zeros_that_many_have_tell_none(here: World) -> None:
    resolve = Resolving(here.door)
    await here.registry.revoke(OWNER, f"urn:eui|{NO_SYSTEM_ID}")
    assert await resolve(OWNER, METER, Subject(id="amy")) == Found("amy")
    await here.registry.revoke(OWNER, "urn:mac|AA-BB")
    with pytest.raises(Forbidden, match="AA-BB: The device is revoked"):
        await resolve(OWNER, METER, Subject(id="amy"))
    await here.registry.restore(OWNER, "AA-BB")
    assert await resolve(OWNER, METER, Subject(id="amy")) == Found("amy")
