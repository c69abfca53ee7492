"""The authorization server in one process: its parts put together, begun and ended together."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey
from hilum.access.roles import Roles, packaged, roles
from hilum.access.tokens import Issuer
from hilum.access.verifier import Verifier
from hilum.app.cors import Cors
from hilum.app.housekeeping import Housekeeping
from hilum.app.settings import Settings
from hilum.app.watch import Apps, Watch
from hilum.audit.recording import Trail
from hilum.interactions.door import Door
from hilum.problems import Misconfigured
from hilum.smart.jwks import KeySets
from hilum.smart.limits import Limits
from hilum.smart.passwords import Passwords
from hilum.smart.providers import Outside, providers
from hilum.smart.site import Site, SiteSettings
from hilum.smart.smart import STEPS, Smart
from hilum.store.interface import Store
from hilum.web.outbound import Guard


class Authorizing:
    """Keys and verifier first, since the audit trail needs the keys; `start` when there is a door.

    `verifier`: whom tokens are shown to. `cors`: what pages of apps may read.
    """

    def __init__(self, settings: Settings, store: Store, ring: Keyring, table: Roles) -> None:
        self._settings, self._store, self._roles = settings, store, table
        self.ring = ring
        self._apps = Apps()
        self.verifier = Verifier(ring, store.ledger, settings.fhir_base, roles=table, foreign=self._apps.foreign)
        self.cors = Cors(lambda: self._apps.origins)
        self._watch = Watch(store.ledger, self.verifier, ring, self._apps)
        self._housekeeping: Housekeeping | None = None
        self._passwords = Passwords()

    @classmethod
    async def prepared(cls, settings: Settings, store: Store, key: SigningKey) -> Self:
        """With all keys there must be. Raises Busy, Damaged, Misconfigured."""
        ring = Keyring(key)
        await ring.prepare(store.ledger)
        return cls(settings, store, ring, table(settings))

    async def start(self, door: Door, trail: Trail) -> Smart:
        """Learn what others have changed, and answer from now on. Raises Busy, Damaged."""
        await self._watch.start()
        site = self._site(door, trail)
        self._housekeeping = Housekeeping(site)
        self._housekeeping.start()
        return Smart(site)

    def _site(self, door: Door, trail: Trail) -> Site:
        settings = self._settings
        inner = frozenset(filter(None, (host.strip() for host in settings.allow_private_keys.split(","))))
        guard = Guard(loopback=settings.environment == "sandbox", inner=inner)
        return Site(
            door=door,
            ledger=self._store.ledger,
            ring=self.ring,
            issuer=Issuer(self.ring, settings.fhir_base),
            verifier=self.verifier,
            trail=trail,
            settings=SiteSettings(
                settings.origin,
                settings.fhir_base,
                settings.environment,
                settings.organization,
                settings.registration,
            ),
            limits=Limits(),
            jwks=KeySets(guard),
            roles=self._roles,
            steps=STEPS,
            passwords=self._passwords,
            outside=Outside(providers(settings.data), guard),
        )

    async def stop(self) -> None:
        """End what works beside requests."""
        await self._watch.stop()
        if self._housekeeping is not None:
            await self._housekeeping.stop()
        self._passwords.close()


def table(settings: Settings) -> Roles:
    """The roles that there are: those of hilum, and those of the file that is set. Raises Misconfigured."""
    if not settings.roles:
        return packaged()
    try:
        text = Path(settings.roles).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The roles {settings.roles} can't be read. See docs/reference/roles.md.") from None
    return roles(text, packaged())
