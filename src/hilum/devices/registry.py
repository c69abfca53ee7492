"""The registry of what pushes: agents that are enrolled, devices that measure, and whose their readings are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from hilum.access.ledger import Ledger
from hilum.access.policy import Principal
from hilum.access.roles import Roles
from hilum.audit.recording import SILENT, Trail
from hilum.devices import allowed
from hilum.devices.inviting import Clients, Invited, carried
from hilum.devices.records import Agent, Link, Measuring
from hilum.devices.waiting import Waiting, Waits
from hilum.interactions.door import Door
from hilum.interactions.read import read as read_resource
from hilum.oauth.ledger import DEVICE, DEVICE_AGENT, Put, Row, digest, read, write
from hilum.problems import Busy, Conflict, Invalid, NotFound

EVENT: Final = "device"
PATIENT: Final = "Patient"
MOST_PATIENTS: Final = 200
_TRIES: Final = 8
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An agent, by its client id. `ended`: its client gets no tokens any more."""

    id: str
    agent: Agent
    ended: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A device. `id`: of its record, as URLs and commands have it."""

    id: str
    device: Measuring

    @property
    def key(self) -> bytes:
        """As the ledger has it."""
        return bytes.fromhex(self.id)


def key_of(system: str, value: str) -> bytes:
    """The key of the record of a device with this identifier."""
    return digest(f"{system}|{value}")


async def agent(ledger: Ledger, client: str) -> Agent | None:
    """What a client is enrolled as; None: as no agent."""
    row = await ledger.get(DEVICE_AGENT, client.encode())
    return None if row is None else read(row, Agent)


async def device(ledger: Ledger, system: str, value: str) -> Measuring | None:
    """What is known of a device; None: nothing yet."""
    row = await ledger.get(DEVICE, key_of(system, value))
    return None if row is None else read(row, Measuring)


@dataclass(frozen=True)
class Registry:
    """That of one process, over the ledger that all share. `roles`: as they are now. Its methods judge who asks, and
    may raise Forbidden and Busy; what changes something is audited before it does.
    """

    door: Door
    clients: Clients
    roles: Roles
    waits: Waits
    trail: Trail = SILENT
    clock: Callable[[], float] = field(default=time.time)

    @property
    def ledger(self) -> Ledger:
        """Where it stands."""
        return self.door.store.ledger

    async def invite(self, who: Principal, invited: Invited) -> tuple[str, int]:
        """A token with which one agent enrols itself, shown this once, and the seconds that it holds.

        Raises Invalid, and NotFound: there is no such patient.
        """
        allowed.to_enrol(who, self.roles)
        invited = structs.replace(invited, by=who.agent, patients=_patients(invited))
        _named(invited.name)
        for id in invited.patients:
            await read_resource(self.door, who, PATIENT, id)
        about = {"invited": invited.name, "patients": " ".join(invited.patients), "default": invited.default}
        if invited.anyone:
            about["anyone"] = "true"
        await self._tell(who, {name: text for name, text in about.items() if text})
        return await self.clients.invite(carried(invited))

    async def agents(self, who: Principal) -> list[Enrolled]:
        """All that were ever enrolled, by client id."""
        allowed.to_see(who)
        return [await self._enrolled(row) async for row in self._every(DEVICE_AGENT)]

    async def agent(self, who: Principal, id: str) -> Enrolled:
        """One of them. Raises NotFound."""
        allowed.to_see(who)
        row = await self.ledger.get(DEVICE_AGENT, id.encode())
        if row is None:
            raise NotFound("No agent with this id is enrolled: hilum devices list.")
        return await self._enrolled(row)

    async def revoke_agent(self, who: Principal, id: str) -> Enrolled:
        """Shut it out for good; its tokens are void at once. Its record stays. Raises NotFound, Conflict."""
        allowed.to_enrol(who, self.roles)
        found = await self.agent(who, id)
        if not found.ended:
            await self._tell(who, {"agent": id, "revoked": "true"})
            await self.clients.revoke(id)
        return Enrolled(id, found.agent, True)

    async def devices(self, who: Principal) -> list[Known]:
        """All that were ever seen or linked: by id."""
        allowed.to_see(who)
        return [_known(row) async for row in self._every(DEVICE)]

    async def device(self, who: Principal, name: str) -> Known:
        """The one with this id, `system|value`, or value or serial number where one alone has it.

        Raises NotFound, Conflict: several have it.
        """
        allowed.to_see(who)
        row = await self.ledger.get(DEVICE, _key(name)) if _key(name) else None
        if row is not None:
            return _known(row)
        found = [one for one in await self.devices(who) if name in (one.device.value, one.device.serial)]
        if len(found) > 1:
            raise Conflict("Several devices have this value or serial number: name one by its id.")
        if not found:
            raise NotFound("No such device has been seen: hilum devices list.")
        return found[0]

    async def link(self, who: Principal, name: str, patient: str, person: str = "") -> Known:
        """Say whose the readings of that user of the device are, from now on. `name`: as of `device`; one that was
        never seen is named by `system|value`. Raises NotFound, Conflict: that user is linked to another patient.
        """
        allowed.to_link(who)
        _person(person)
        patient = patient.removeprefix(f"{PATIENT}/")
        await read_resource(self.door, who, PATIENT, patient)
        key, made = await self._meant(who, name)
        link = Link(patient, person, who.agent, int(self.clock()))

        def linked(one: Measuring) -> Measuring:
            of = {each.person: each.patient for each in one.links}
            if of.get(person) == patient:
                return one
            if person in of:
                raise Conflict("This user of the device is linked to another patient: unlink it first.")
            return structs.replace(one, links=(*one.links, link))

        about = {"linked": f"{PATIENT}/{patient}", "person": person}
        found = await self._change(who, key, linked, about, made)
        await self.waits.release()
        return found

    async def unlink(self, who: Principal, name: str, person: str = "") -> Known:
        """End that. What comes of that user afterwards is held. Raises NotFound."""
        allowed.to_link(who)
        key = (await self.device(who, name)).key

        def unlinked(one: Measuring) -> Measuring:
            rest = tuple(link for link in one.links if link.person != person)
            if len(rest) == len(one.links):
                raise NotFound("The device has no such link.")
            return structs.replace(one, links=rest)

        return await self._change(who, key, unlinked, {"unlinked": "true", "person": person})

    async def revoke(self, who: Principal, name: str) -> Known:
        """Take nothing of the device any more, whoever sends it. Raises NotFound, where it is not `system|value`."""
        return await self._revoked(who, name, True)

    async def restore(self, who: Principal, name: str) -> Known:
        """Take what it measures again. Raises NotFound."""
        return await self._revoked(who, name, False)

    async def held(self, who: Principal) -> Sequence[Waiting]:
        """What waits until somebody has said whose it is, the oldest first."""
        allowed.to_see(who)
        return await self.waits.waiting()

    async def release(self, who: Principal, id: str = "") -> int:
        """Try it again, or this one: how many batches were stored."""
        allowed.to_link(who)
        return await self.waits.release(id)

    async def _revoked(self, who: Principal, name: str, revoked: bool) -> Known:
        allowed.to_link(who)
        key, made = await self._meant(who, name) if revoked else ((await self.device(who, name)).key, None)

        def change(one: Measuring) -> Measuring:
            return structs.replace(one, revoked=revoked)

        return await self._change(who, key, change, {"revoked" if revoked else "restored": "true"}, made)

    async def _meant(self, who: Principal, name: str) -> tuple[bytes, Measuring | None]:
        """The key of the device; its first record, where it has none and is named whole."""
        try:
            return (await self.device(who, name)).key, None
        except NotFound:
            system, bar, value = name.rpartition("|")
            if not bar or not value or not name.isprintable() or len(name) > _LONGEST:
                raise
            return key_of(system, value), Measuring(system, value, created=int(self.clock()))

    async def _change(
        self,
        who: Principal,
        key: bytes,
        change: Callable[[Measuring], Measuring],
        about: Mapping[str, str],
        made: Measuring | None = None,
    ) -> Known:
        """Write what `change` makes of the record, once nobody else has changed it meanwhile."""
        told = False
        for _ in range(_TRIES):
            row = await self.ledger.get(DEVICE, key)
            was = made if row is None else read(row, Measuring)
            if was is None:
                raise NotFound("No such device has been seen: hilum devices list.")
            now = change(was)
            if row is not None and now == was:
                return Known(key.hex(), was)
            if not told:
                await self._tell(who, {"device": key.hex(), **{name: text for name, text in about.items() if text}})
                told = True
            put = Put(DEVICE, key, write(now))
            if await (self.ledger.add(put) if row is None else self.ledger.replace(put, row.version)):
                return Known(key.hex(), now)
        raise Busy("The record of the device is changed by others again and again. Try again.")

    async def of_patient(self, id: str) -> list[Known]:
        """Devices whose readings are this patient's. Who may know that is for the caller to judge."""
        default = {row.key.decode() async for row in self._every(DEVICE_AGENT) if read(row, Agent).default == id}
        every = [_known(row) async for row in self._every(DEVICE)]
        return [
            one
            for one in every
            if any(link.patient == id for link in one.device.links)
            or (not one.device.links and one.device.agent in default)
        ]

    async def _enrolled(self, row: Row) -> Enrolled:
        id = row.key.decode()
        return Enrolled(id, read(row, Agent), not await self.clients.active(id))

    async def _every(self, kind: int) -> AsyncIterator[Row]:
        last = b""
        while rows := await self.ledger.of(kind, after=last):
            for row in rows:
                yield row
            last = rows[-1].key

    async def _tell(self, who: Principal, about: Mapping[str, str]) -> None:
        await self.trail.certain(who, EVENT, 200, about)


def _known(row: Row) -> Known:
    return Known(row.key.hex(), read(row, Measuring))


def _key(name: str) -> bytes:
    """The key that a name says: an id, or `system|value`; b"" for another."""
    if "|" in name:
        system, _, value = name.rpartition("|")
        return key_of(system, value)
    try:
        found = bytes.fromhex(name)
    except ValueError:
        return b""
    return found if len(found) == 32 else b""


def _patients(invited: Invited) -> tuple[str, ...]:
    """Those that it may send for, each once: whose the readings are where nothing else is said is one of them."""
    found = tuple(dict.fromkeys(one.removeprefix(f"{PATIENT}/") for one in (*invited.patients, invited.default) if one))
    if len(found) > MOST_PATIENTS:
        raise Invalid(f"An agent is enrolled for at most {MOST_PATIENTS} patients, or for anyone.")
    return found


def _named(name: str) -> None:
    if len(name) > _LONGEST or not name.isprintable():
        raise Invalid(f"The name of an agent has at most {_LONGEST} printable characters.")


def _person(person: str) -> None:
    """A number of a user, as devices count them."""
    if person and not (person.isascii() and person.isdigit() and int(person) <= 255 and person == str(int(person))):
        raise Invalid("The user of a device is a number from 0 to 255.", expression="person")
