"""A flow while a browser is there: what is known of it, and what a page of it is (`site.steps`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from hilum.oauth import scopes
from hilum.oauth.ledger import Client, Flow
from hilum.web.fields import Header
from hilum.web.message import Answer, Asked, Form

if TYPE_CHECKING:
    from hilum.smart.people.sessions import Session
    from hilum.smart.site import Site


@dataclass(frozen=True, slots=True)
class Going:
    """A flow at the moment that a browser asks for it. `record`: what is kept of it; `client`: the app, by `client_id`.

    `record.request` has the parameters of the authorization request by their names, judged already; `record.user` the
    one who may allow it, where the app was launched for someone. `launched`: the context of the launch.
    """

    id: str
    record: Flow
    version: int
    client_id: str
    client: Client
    asked: Asked
    launched: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where its present page is; the form of a step is sent to `{path}/{step}`."""
        return f"/auth/flow/{self.id}"


@dataclass(frozen=True, slots=True)
class Done:
    """A step is taken: the flow as it is now, and headers (cookies) for the answer, which is a 303 to the next step.

    After a change of the session `record.pre` has to be the key of the new one.
    """

    record: Flow
    headers: Sequence[Header] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The last step: what the user lets the app do of what it asked for."""

    granted: scopes.Asked


class Step(Protocol):
    """A page of a flow. `session` is the browser's: of someone signed in, or, with the user "", of nobody yet.

    Where `show` or `take` raise an OAuthError, the flow ends and the app is told (`access_denied`); a Forbidden is a
    page 403 and changes nothing. CSRF is checked by the flow, before `take`.
    """

    name: str

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """Whether this page has to be shown (still)."""
        ...

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer | Done:
        """The page. `message`: what was wrong with what was sent last. Done: there is nothing to ask."""
        ...

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Done | Allowed | Answer:
        """What was sent. An Answer is sent as it is (a page 422 with a message), and the flow stays as it was."""
        ...
