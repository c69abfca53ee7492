"""Where a page of signing in stands: in the flow of an app, or by itself, for who came without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from hilum.smart.people import sessions
from hilum.web import uri

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.site import Site
    from hilum.web.message import Form

HOME: Final = "/auth/account"
"""Where who signs in without an app arrives."""


@dataclass(frozen=True, slots=True)
class Place:
    """`action`: where the form of the page is sent. `onward`: where it goes on once it is done with. `next`: that path,
    for who came without an app. `targets`: see `message.page`. `app`, `origin`: its name and where it lives.
    """

    action: str
    onward: str
    next: str = ""
    targets: tuple[str, ...] = ()
    app: str = ""
    origin: str = ""
    cancel: str = ""

    def values(self, site: Site, session: Session) -> dict[str, Any]:
        """What the templates know of it."""
        app = None
        if self.app:
            app = {
                "name": self.app,
                "place": self.origin,
                "cancel": self.cancel,
                "cancel_csrf": sessions.csrf(site, session, self.cancel),
            }
        return {
            "action": self.action,
            "csrf": sessions.csrf(site, session, self.action),
            "next": self.next,
            "onward": self.onward,
            "app": app,
        }


def in_flow(going: Going, step: str) -> Place:
    """The page of a step of a flow."""
    redirect = going.record.request["redirect_uri"]
    return Place(
        f"{going.path}/{step}",
        going.path,
        targets=targets(redirect),
        app=going.client.name,
        origin=lives(redirect),
        cancel=f"{going.path}/cancel",
    )


def alone(form: Form, path: str) -> Place:
    """A page without an app: `form` (or query) says as `next` where to go from there."""
    onward = local(form.get("next"))
    return Place(path, onward, next=onward)


def local(path: str) -> str:
    """The path if it is one of this server, else that of one's own account: no link of somebody else leads away."""
    return path if uri.is_local(path) else HOME


def onward(path: str, next: str, **more: str) -> str:
    """`path` with the page to go to from there."""
    pairs: Mapping[str, str] = {"next": next, **more}
    return f"{path}?" + "&".join(f"{name}={quote(value, safe='/')}" for name, value in pairs.items() if value)


def targets(redirect: str) -> tuple[str, ...]:
    """Where an app's redirect may lead a form, as sources of CSP: any https page, or its own loopback port or scheme.

    An app on the web redirects further, and browsers hold that to the page's policy, too.
    """
    parts = urlsplit(redirect)
    if parts.scheme == "http":
        return ("https:", f"http://{parts.netloc}")
    return ("https:",) if parts.scheme == "https" else ("https:", f"{parts.scheme}:")


def lives(redirect: str) -> str:
    """Where an app lives, for people: what they can compare with the address that they came from."""
    parts = urlsplit(redirect)
    return parts.netloc if parts.scheme in ("http", "https") else "an app on this device"
