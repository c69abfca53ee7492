"""A server of pages in memory, and a browser without script: it keeps cookies, follows redirects and sends forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urljoin, urlsplit

from argon2 import PasswordHasher

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.ledger import Ledger
from hilum.access.policy import Principal
from hilum.access.roles import packaged
from hilum.audit.recording import Silent
from hilum.oauth.ledger import User
from hilum.smart.people import users
from hilum.smart.people.passwords import Passwords
from hilum.smart.site import Site, SiteSettings
from hilum.smart.smart import ROUTES, Smart
from hilum.store.memory import MemoryLedger
from hilum.web.limits import Limits
from hilum.web.message import Answer
from hilum.web.routing import Route

ORIGIN = "http://localhost:8080"
PASSWORD = "four green tractors sing"
START = 1_800_000_000.0
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
"""A thousand times cheaper than those of a server."""


class Clock:
    """Seconds since 1970, moved by tests."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Noted(Silent):
    """Keeps the security events: event, status, user and what was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, str, dict[str, str]]] = []

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        self.events.append((event, status, who.user, dict(about)))


def site(folder: Path, *, origin: str = ORIGIN, environment: str = "sandbox", ledger: Ledger | None = None) -> Site:
    clock = Clock()
    nothing = cast(Any, None)
    return Site(
        door=nothing,
        ledger=ledger or MemoryLedger(lambda: int(clock() * 1_000_000)),
        ring=Keyring(load_or_create(folder, environment), clock),
        issuer=nothing,
        verifier=nothing,
        trail=Noted(),
        settings=SiteSettings(origin, f"{origin}/fhir", environment, "Lake Clinic"),
        limits=Limits(clock),
        jwks=nothing,
        roles=packaged(),
        passwords=PASSWORDS,
        clock=clock,
    )


def clock(of: Site) -> Clock:
    return cast(Clock, of.clock)


def events(of: Site) -> list[tuple[str, int, str, dict[str, str]]]:
    return cast(Noted, of.trail).events


async def user(
    of: Site, name: str = "kim.doe", *, roles: Sequence[str] = ("practitioner",), **more: Any
) -> users.Account:
    """A new user, whose password is PASSWORD."""
    values = {"password": await PASSWORDS.hashed(PASSWORD)} | more
    return await users.add(of.ledger, User(name, "Kim Doe", tuple(roles), **values), of.roles)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"], {}, given))
        elif tag == "input" and self.forms and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")


@dataclass
class Form:
    action: str
    fields: dict[str, str]
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Page:
    """What a browser shows. `path`: where it is."""

    path: str
    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def text(self) -> str:
        return self.answer.body.decode()

    @property
    def forms(self) -> list[Form]:
        read = _Forms()
        read.feed(self.text)
        return read.forms

    def form(self, action: str, **fields: str) -> Form:
        """The form that is sent there and has these hidden values."""
        for one in self.forms:
            if urlsplit(one.action).path == action and fields.items() <= one.fields.items():
                return one
        raise AssertionError(f"{self.path} has no form that goes to {action}:\n{self.text}")


class Browser:
    """One browser: `cookies` by name, as the server set them."""

    def __init__(self, of: Site, routes: Iterable[Route] = (), address: str = "203.0.113.7") -> None:
        self.smart = Smart(of, [*ROUTES, *routes])
        self.site = of
        self.address = address
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, *, follow: bool = True) -> Page:
        return await self._ask("GET", path, {}, b"", follow)

    async def send(
        self, form: Form, *, follow: bool = True, headers: Mapping[str, str] | None = None, **values: str
    ) -> Page:
        """Send a form with these values."""
        given = {"content-type": "application/x-www-form-urlencoded", "origin": self.site.settings.origin}
        given |= headers or {}
        given = {name: value for name, value in given.items() if value}
        return await self._ask("POST", form.action, given, urlencode(form.fields | values).encode(), follow)

    async def sign_in(self, name: str = "kim.doe", password: str = PASSWORD, path: str = "/auth/sign-in") -> Page:
        page = await self.get(path)
        return await self.send(page.form("/auth/sign-in"), username=name, password=password)

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes, follow: bool) -> Page:
        parts = urlsplit(path)
        given = {name.encode(): value.encode() for name, value in headers.items()} | {b"host": b"localhost:8080"}
        if body:
            given[b"content-length"] = b"%d" % len(body)
        if self.cookies:
            given[b"cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items()).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        answer, _ = await self.smart.respond(
            method, parts.path.encode(), parts.query.encode(), given, receive, self.address
        )
        for name, value in answer.headers:
            if name == b"set-cookie":
                key, _, rest = value.decode().partition("=")
                self.cookies[key] = rest.split(";")[0]
        if follow and answer.status == 303:
            return await self.get(urljoin(path, answer.header(b"location") or ""))
        return Page(path, answer)


def production(of: Site) -> Site:
    """The same where real people's data is behind it."""
    return replace(of, settings=replace(of.settings, environment="production"))
