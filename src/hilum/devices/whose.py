"""Whose a reading is: what links, the agent's enrolment and the batch itself say of it, and never a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.access.policy import Principal
from hilum.devices import registry
from hilum.devices.records import Agent, Measuring
from hilum.devices.resolving import Found, Hold, Identifier, Subject
from hilum.interactions import granting
from hilum.interactions import search as searching
from hilum.interactions.door import Door
from hilum.phd.fhir.devices import octets
from hilum.phd.reading import NO_SYSTEM_ID
from hilum.problems import Forbidden
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.search.typed import escaped

PLACEHOLDER: Final = "/devices/person"
"""Ends the system of an identifier that names no patient: its value is `DEVICE#PERSON` (`hilum.agent`)."""
PATIENT: Final = "Patient"

UNLINKED: Final = "unlinked"
MISTAKEN: Final = "other-device"
UNKNOWN: Final = "unknown-patient"
AMBIGUOUS: Final = "ambiguous-patient"
CONTRADICTED: Final = "contradicts-link"
NOT_ENROLLED_FOR: Final = "not-enrolled-for"
REVOKED: Final = "revoked"

WHY: Final = {
    UNLINKED: "Nobody has said whose readings these are: link the device, and the number of its user, to a patient.",
    MISTAKEN: "It is said to be of a user of another device than the one that measured it: correct the agent.",
    UNKNOWN: "It names a patient that is not here: make the Patient, or link the device to one that there is.",
    AMBIGUOUS: "It names a patient by an identifier that several have: merge them, or send the logical id.",
    CONTRADICTED: "It names another patient than the one that the device is linked to: correct the link, or the agent.",
    NOT_ENROLLED_FOR: "It names a patient that this agent is not enrolled for: enrol it anew, or link the device.",
    REVOKED: "The device is revoked: nothing of it is taken. An administrator can restore it.",
}
"""What is told of each reason; names nobody."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The batch does not name the patient: it is the user with this number on the device, "" where it knows none."""

    person: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """The batch names the patient. `patients`: ids of those who are there and have that logical id or identifier."""

    patients: tuple[str, ...]
    person: str = ""


@dataclass(frozen=True, slots=True)
class Nobody:
    """What it says can't be: it is of a user of another device."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not taken. `why`: a key of `WHY`."""

    why: str


Told = Placeholder | Named | Nobody


def whose(devices: Sequence[Measuring], agent: Agent | None, told: Told) -> Found | Hold | Refused:
    """`devices`: what is known of the one that measured, by all its identifiers. `agent`: None where the client is
    enrolled as none; then its scopes alone say what it may. `why` of what is held is a key of `WHY`.
    """
    if any(one.revoked for one in devices):
        return Refused(REVOKED)
    links: dict[str, set[str]] = {}
    for link in (link for one in devices for link in one.links):
        links.setdefault(link.person, set()).add(link.patient)
    match told:
        case Placeholder(person):
            return _placeholder(links, agent, person)
        case Named():
            return _named(links, agent, told)
        case Nobody():
            return Hold(MISTAKEN)


def _placeholder(links: dict[str, set[str]], agent: Agent | None, person: str) -> Found | Hold:
    if person in links:
        return _only(links[person])
    if not person and not links and agent is not None and agent.default:
        return Found(agent.default)
    return Hold(UNLINKED)


def _only(patients: set[str]) -> Found | Hold:
    """A device may be linked by several of its identifiers, which may say different things."""
    return Found(next(iter(patients))) if len(patients) == 1 else Hold(CONTRADICTED)


def _named(links: dict[str, set[str]], agent: Agent | None, told: Named) -> Found | Hold:
    """A link of that user has to agree; where there is none, of a device that has links, one of them has to."""
    if len(told.patients) != 1:
        return Hold(AMBIGUOUS if told.patients else UNKNOWN)
    (id,) = told.patients
    agreeing = links[told.person] if told.person in links else set[str]().union(*links.values())
    if agreeing and (id not in agreeing or (told.person in links and len(agreeing) > 1)):
        return Hold(CONTRADICTED)
    if agent is not None and not (agent.anyone or id in agent.patients):
        return Hold(NOT_ENROLLED_FOR)
    return Found(id)


@dataclass(frozen=True, slots=True)
class Resolving:
    """`whose`, over what the registry and the store know (`hilum.devices.resolving.Whose`)."""

    door: Door

    async def __call__(self, who: Principal, devices: Sequence[Identifier], subject: Subject) -> Found | Hold:
        """Raises Forbidden for a device that was revoked, which names it; Busy."""
        ledger = self.door.store.ledger
        telling = [one for one in devices if octets(one.value) != NO_SYSTEM_ID]  # which all without one have
        known = [(one, await registry.device(ledger, one.system, one.value)) for one in telling]
        agent = await registry.agent(ledger, who.client)
        told = await self._told(telling, subject)
        found = whose([one for _, one in known if one is not None], agent, told)
        if isinstance(found, Refused):
            named = next(one.value for one, record in known if record is not None and record.revoked)
            raise Forbidden(f"{named}: {WHY[found.why]}")
        return Hold(WHY[found.why]) if isinstance(found, Hold) else found

    async def _told(self, devices: Sequence[Identifier], subject: Subject) -> Told:
        placeholders = [one.value.rpartition("#") for one in subject.identifiers if one.system.endswith(PLACEHOLDER)]
        named = [one for one in subject.identifiers if not one.system.endswith(PLACEHOLDER)]
        if any(device not in {one.value for one in devices} for device, _, _ in placeholders):
            return Nobody()
        persons = {person for _, _, person in placeholders}
        if len(persons) > 1:
            return Nobody()
        person = persons.pop() if persons else ""
        if not subject.id and not named:
            return Placeholder(person)
        patients = set[str]()
        if subject.id:
            resource = await self.door.store.read(PATIENT, subject.id)
            patients |= {subject.id} if resource is not None and not resource.deleted else set()
        for one in named:
            patients |= await self._having(one)
        return Named(tuple(sorted(patients)), person)

    async def _having(self, identifier: Identifier) -> set[str]:
        """Ids of up to two patients with this identifier: whether it may be written for them is judged afterwards."""
        wanted = [("identifier", "|".join(map(escaped, identifier))), ("_count", "2")]

        def understood(parameters: Registry) -> Parsed:
            return parse_query(PATIENT, wanted, base=self.door.base, registry=parameters)

        parsed = await searching.understood(self.door, wanted, understood)
        page = await searching.search(self.door, granting.server(), parsed)
        return {one.id for one in page.resources}
