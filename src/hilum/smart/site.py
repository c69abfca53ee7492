"""What every handler of the authorization server gets: the stores, the keys, the rules of the house, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hilum.access.ledger import Ledger
from hilum.access.policy import Policy, Principal
from hilum.audit.recording import Trail
from hilum.interactions.door import Door
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import Put
from hilum.smart.admin.brokered import Broker, Nothing
from hilum.smart.admin.checking import Checks
from hilum.smart.apps.brands import Shelf
from hilum.smart.apps.logos import initials
from hilum.smart.people.passwords import Passwords
from hilum.smart.people.providers import Outside
from hilum.web import message, templating
from hilum.web.limits import Limits
from hilum.web.message import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from hilum.access.keyring import Keyring
    from hilum.access.roles import Role
    from hilum.access.tokens import Issuer
    from hilum.access.verifier import Verifier
    from hilum.smart.apps.jwks import KeySets
    from hilum.smart.going import Step

FLOW_SECONDS: Final = 15 * 60


def templates() -> Environment:
    """The pages' templates."""
    found = templating.templates("hilum.smart")
    found.filters["initials"] = initials
    found.filters["moment"] = _moment
    return found


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """`origin`: scheme, host and port as clients see them, which is the issuer, too; `base`: the FHIR base below it.

    `organization`: its name on pages. `registration`: off, token or open. `tenant`: which healthcare organization
    launches apps, where it is set. `brand`: `system|value` of the primary brand among several.
    """

    origin: str
    base: str
    environment: str = "sandbox"
    organization: str = "hilum"
    registration: str = "token"
    tenant: str = ""
    brand: str = ""

    @property
    def production(self) -> bool:
        """Whether real people's data is behind this."""
        return self.environment == "production"

    @property
    def secure(self) -> bool:
        """Whether clients come by https."""
        return self.origin.startswith("https:")


def _nowhere(client: str, name: str, agent: Mapping[str, Any], now: int) -> Put:
    raise OAuthError("access_denied", "No agents are enrolled here.")


@dataclass(frozen=True)
class Site:
    """`steps`: the pages of a flow, in their order. `clock`: seconds since 1970. `folder`: where the files of the audit
    trail are, None: not known. `checks`: verifications of it that run. `enrols`: the record of an agent of devices, of
    client id, name, what its invitation says, and seconds since 1970.
    """

    door: Door
    ledger: Ledger
    ring: Keyring
    issuer: Issuer
    verifier: Verifier
    trail: Trail
    settings: SiteSettings
    limits: Limits
    jwks: KeySets
    roles: Mapping[str, Role]
    steps: tuple[Step, ...] = ()
    passwords: Passwords = field(default_factory=Passwords)
    outside: Outside = field(default_factory=Outside)
    templates: Environment = field(default_factory=templates)
    brands: Shelf = field(default_factory=Shelf)
    clock: Callable[[], float] = time.time
    folder: Path | None = None
    checks: Checks = field(default_factory=Checks)
    broker: Broker = field(default_factory=Nothing)
    enrols: Callable[[str, str, Mapping[str, Any], int], Put] = field(default=_nowhere)

    @property
    def now(self) -> int:
        """Microseconds since 1970, as the ledger counts."""
        return int(self.clock() * 1_000_000)

    def page(
        self, template: str, status: int = 200, *, targets: Sequence[str] = (), script: bool = False, **values: Any
    ) -> Answer:
        """A page from its template; `settings` is known in all of them."""
        here = templating.Here(self.settings.organization, self.settings.environment, "/auth/static")
        html = self.templates.get_template(template).render(here=here, settings=self.settings, **values)
        return message.page(html, status, targets=targets, script=script)


@lru_cache(maxsize=4096)
def unknown(client: str = "anonymous", user: str = "", token: str = "") -> Principal:
    """Who does something at the authorization server itself, for the audit: may see nothing."""
    agent = user or ("nobody" if client == "anonymous" else client)
    return Principal(agent, client, token, Policy(()), 1 << 62, user=user)
