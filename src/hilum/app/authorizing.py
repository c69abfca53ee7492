"""The authorization server in one process: its parts put together, begun and ended together."""

from __future__ import annotations

import asyncio
from typing import Self

from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey
from hilum.access.opened import Opened
from hilum.access.signed import Signed
from hilum.access.tickets import Tickets
from hilum.access.tokens import Issuer
from hilum.access.verifier import Verifier
from hilum.app.cors import Cors
from hilum.app.housekeeping import Housekeeping
from hilum.app.recording import folder
from hilum.app.refusing import Refusing
from hilum.app.roles import Current
from hilum.app.settings import Settings
from hilum.app.watch import Apps, Watch
from hilum.audit.recording import Trail
from hilum.devices.inviting import enrolled
from hilum.interactions.door import Door
from hilum.rest.edge import NOBODY
from hilum.smart.admin.brokered import Broker
from hilum.smart.admin.checking import Checks
from hilum.smart.apps.jwks import KeySets
from hilum.smart.people.passwords import Passwords
from hilum.smart.people.providers import Outside, providers
from hilum.smart.site import Site, SiteSettings
from hilum.smart.smart import STEPS, Smart
from hilum.store.interface import Store
from hilum.web.limits import Limits
from hilum.web.outbound import Guard


class Authorizing:
    """Keys and verifier first, since the audit trail needs the keys; `start` when there is a door.

    `roles`: those that there are now. `verifier`: whom tokens are shown to. `tickets`: whom tickets are,
    `signed`: whom links are. `cors`: what pages of apps may read. `opened`:
    what is answered without a token.
    """

    def __init__(self, settings: Settings, store: Store, ring: Keyring, roles: Current) -> None:
        self._settings, self._store, self.roles = settings, store, roles
        self.ring = ring
        self.opened = Opened()
        self._limits = Limits()
        self._apps = Apps()
        self._verifier = Verifier(ring, store.ledger, settings.fhir_base, roles=roles, foreign=self._apps.foreign)
        self.verifier = Refusing(self._verifier, self._limits)
        self.signed = Signed(ring.root, store.ledger, self._verifier, NOBODY)
        self.tickets = Tickets(store.ledger, ring, self._verifier)
        self._apps_out = asyncio.Event()
        self._watch = Watch(
            store.ledger,
            self._verifier,
            ring,
            self._apps,
            self.opened,
            self._look_at_roles,
            out=self._apps_out.set,
        )
        self.cors = Cors(lambda: self._apps.origins, self._watch.now)
        self._housekeeping: Housekeeping | None = None
        self._passwords = Passwords()
        self._checks = Checks()

    @classmethod
    async def prepared(cls, settings: Settings, store: Store, key: SigningKey) -> Self:
        """With all keys there must be. Raises Busy, Damaged, Misconfigured."""
        ring = Keyring(key)
        await ring.prepare(store.ledger)
        return cls(settings, store, ring, Current(settings))

    async def start(self, door: Door, trail: Trail, broker: Broker) -> Smart:
        """Learn what others have changed, and answer from now on. Raises Busy, Damaged."""
        await self._watch.look()  # all there is to know, before anybody asks
        self._store.ledger.heed(self._watch.hear)
        self._watch.start()
        site = self._site(door, trail, broker)
        self._housekeeping = Housekeeping(site, self._apps_out)
        self._housekeeping.start()
        return Smart(site)

    def _site(self, door: Door, trail: Trail, broker: Broker) -> Site:
        settings = self._settings
        inner = frozenset(filter(None, (host.strip() for host in settings.allow_private_keys.split(","))))
        guard = Guard(loopback=settings.environment == "sandbox", inner=inner)
        return Site(
            door=door,
            ledger=self._store.ledger,
            ring=self.ring,
            issuer=Issuer(self.ring, settings.fhir_base),
            verifier=self._verifier,
            trail=trail,
            settings=SiteSettings(
                settings.origin,
                settings.fhir_base,
                settings.environment,
                settings.organization,
                settings.registration,
                settings.tenant,
                settings.brand,
            ),
            limits=self._limits,
            jwks=KeySets(guard),
            roles=self.roles,
            steps=STEPS,
            passwords=self._passwords,
            outside=Outside(providers(settings.data), guard),
            folder=folder(settings),
            checks=self._checks,
            broker=broker,
            enrols=enrolled,
        )

    def _look_at_roles(self) -> None:
        if self.roles.look():
            self._verifier.forget()

    async def stop(self) -> None:
        """End what works beside requests."""
        await self._watch.stop()
        if self._housekeeping is not None:
            await self._housekeeping.stop()
        await self._checks.stop()
        self._passwords.close()
