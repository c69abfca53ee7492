"""What the tests of the lists stand on: a server, apps, people, and the ways between them, over HTTP.

What only time or an administrator could bring about (a launch, a code that is old) is written to the store's ledger, as
`hilum clients` writes there while the server runs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
import pyotp
from tests.conformance.smart.people import CHART, PEOPLE, SECOND_FACTOR
from tests.conformance.smart.visitor import PASSWORD, Choices, Page, Visitor, address
from tests.journeys.server import FHIR_JSON, Server

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.ledger import Ledger
from hilum.app.roles import table
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.oauth import jwt
from hilum.oauth.ledger import LAUNCH, USER, Client, Launch, Put, User, digest, write
from hilum.smart.apps import clients, invitations
from hilum.smart.people import users
from hilum.smart.people.passwords import Passwords

T = TypeVar("T")

REDIRECT = "https://app.example.org/callback"
SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter offline_access online_access patient/*.cruds user/*.cruds"
)
ORGANIZATION = "Lake Clinic"


@dataclass(frozen=True)
class App:
    """An app as its maker knows it. `secret`: where it has one."""

    id: str
    redirect: str = REDIRECT
    method: str = "none"
    secret: str = ""

    @property
    def authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and parameters by which it says who it is at the token endpoint."""
        if self.method == "client_secret_basic":
            text = base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()
            return {"authorization": f"Basic {text}"}, {}
        if self.method == "client_secret_post":
            return {}, {"client_id": self.id, "client_secret": self.secret}
        return {}, {"client_id": self.id}


@dataclass(frozen=True)
class Proof:
    """PKCE of one request."""

    verifier: str

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


USUAL = Proof("v" * 43)


def proof() -> Proof:
    """Another one."""
    return Proof(secrets.token_urlsafe(40))


_CHART = {f"{one['resourceType']}/{one['id']}": one for one in CHART}


@dataclass
class Ground:
    """A running server. `flags`: those of `hilum serve` that say which store it has."""

    server: Server
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.users: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self._visitors: dict[str, Visitor] = {}
        self._http = httpx.Client(timeout=30, verify=False)  # whose making takes longer than what it asks

    @property
    def origin(self) -> str:
        return self.server.url

    @property
    def base(self) -> str:
        return self.server.base

    @cached_property
    def said(self) -> dict[str, Any]:
        """Its smart-configuration."""
        return dict(httpx.get(f"{self.base}/.well-known/smart-configuration").json())

    # What an administrator does

    def fill(self) -> None:
        """Everybody in, with their records."""
        entry = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in CHART
        ]
        with self.server.client() as fhir:
            answer = fhir.post(
                "", json={"resourceType": "Bundle", "type": "transaction", "entry": entry}, headers=FHIR_JSON
            )
            assert answer.status_code == 200, answer.text
            self._tidied = _entries(fhir.get("_history?_count=1"))[0]["response"]["lastModified"]
        for name, about in PEOPLE.items():
            self.user(name, second_factor=name in SECOND_FACTOR, **about)

    def tidy(self) -> None:
        """All resources as `fill` left them: what was written since is deleted, or written back. Consents stay."""
        with self.server.client() as fhir:
            entries = _entries(fhir.get("_history", params={"_since": self._tidied, "_count": "1000"}))
            last = {one["fullUrl"].removeprefix(f"{self.base}/"): one["request"]["method"] for one in entries[::-1]}
            for url, method in last.items():
                if url in _CHART:
                    fhir.put(url, json=_CHART[url], headers=FHIR_JSON).raise_for_status()
                elif method != "DELETE" and not url.startswith("Consent/"):
                    answer = fhir.delete(url, headers=_newest(entries, url))
                    assert answer.status_code in (200, 204), answer.text
            self._tidied = _entries(fhir.get("_history?_count=1"))[0]["response"]["lastModified"]

    def run(self, work: Callable[[Ledger], Awaitable[T]]) -> T:
        """Do something with the server's ledger."""

        async def opened() -> T:
            given = {"data": str(self.server.data)} | ({"store": self.flags[1]} if self.flags else {})
            store = await open_store(Settings.read(given))
            try:
                return await work(store.ledger)
            finally:
                await store.close()

        return asyncio.run(opened())

    def app(self, scopes: str = SCOPES, *, name: str = "Growth Chart", method: str = "none", **more: Any) -> App:
        """Register an app that people sign in for; `more`: other fields of `hilum.oauth.ledger.Client`."""
        secret, kept = clients.secret() if method in clients.SECRET else ("", "")
        given: dict[str, Any] = {
            "grants": (clients.CODE, clients.REFRESH), "redirects": (REDIRECT,), "secret": kept
        } | more  # fmt: skip
        client = Client(name, method, scopes, **given)
        added = self.run(lambda ledger: clients.add(ledger, client, sandbox=True))
        return App(added.id, (*client.redirects, REDIRECT)[0], method, secret)

    def user(self, name: str, *, second_factor: bool = False, **about: Any) -> str:
        """Add a user, whose password is PASSWORD; the id (`sub`)."""
        secret = pyotp.random_base32() if second_factor else ""
        root = load_or_create(self.server.data, "sandbox")

        async def work(ledger: Ledger) -> str:
            user = User(name, password=await Passwords().hashed(PASSWORD), **about)
            added = await users.add(ledger, user, table(Settings.read({"data": str(self.server.data)})))
            if secret:
                ring = Keyring(root)
                sealed = msgspec.structs.replace(user, totp=ring.seal.seal(USER, added.key, secret))
                assert await users.note(ledger, added, sealed)
            return added.id

        self.users[name], self.secrets[name] = self.run(work), secret
        return self.users[name]

    def change(self, name: str, **about: Any) -> None:
        """Change a user, as an administrator does."""

        async def work(ledger: Ledger) -> None:
            account = await users.get(ledger, self.users[name])
            assert account is not None
            await users.change(ledger, account, msgspec.structs.replace(account.user, **about), time.time())

        self.run(work)

    def invitation(self, scopes: str = SCOPES, uses: int = 1) -> str:
        """An initial access token."""
        return self.run(lambda ledger: invitations.make(ledger, scopes, uses, "tests", time.time()))

    def launch(self, app: App, user: str, **context: Any) -> str:
        """The opaque value of a launch of this app by this user (by name), with this context: patient, encounter..."""
        value, row = secrets.token_urlsafe(32), Launch(self.users[user], app.id, context)
        put = Put(LAUNCH, digest(value), write(row), expires=int((time.time() + 300) * 1_000_000))
        assert self.run(lambda ledger: ledger.add(put))
        return value

    def signed(self, claims: dict[str, Any]) -> str:
        """An access token with these claims, by the key that signs here now."""
        ring = Keyring(load_or_create(self.server.data, "sandbox"))
        self.run(ring.load)
        signer = ring.signer("access")
        return jwt.sign(claims, signer.key, signer.kid)

    def until(self, holds: Callable[[], bool]) -> None:
        """What is changed beside the server it knows within five seconds."""
        ends = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < ends, "the server has not noticed"
            time.sleep(0.05)

    # What people and apps do

    def visitor(self, name: str) -> Visitor:
        """A new browser in front of this user, who is not signed in yet."""
        return Visitor(self.origin, name, PASSWORD, self.secrets.get(name, ""))

    def seated(self, name: str) -> Visitor:
        """The browser of this user that stays signed in for all tests: a sign-in takes time."""
        return self._visitors.setdefault(name, self.visitor(name))

    def request(self, app: App, scope: str | None, proof: Proof, **other: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        given: dict[str, str | None] = {
            "response_type": "code",
            "client_id": app.id,
            "redirect_uri": app.redirect,
            "scope": scope,
            "state": "a state",
            "aud": self.base,
            "code_challenge": proof.challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (given | other).items() if value is not None}

    def authorize(
        self,
        app: App,
        scope: str | None,
        user: str | Visitor = "ada.stone",
        choices: Choices | None = None,
        *,
        proof: Proof = USUAL,
        post: bool = False,
        **other: str | None,
    ) -> Page:
        """Where the browser is after all pages: at the app (`.back`), or at an error page (`.status`, `.text`)."""
        visitor = self.seated(user) if isinstance(user, str) else user
        request = self.request(app, scope, proof, **other)
        if post:
            page = visitor.post("/auth/authorize", request, origin="https://app.example.org")
        else:
            page = visitor.get(f"/auth/authorize?{urlencode(request)}")
        return visitor.through(page, choices)

    def ask(self, path: str, form: dict[str, Any], app: App | None = None, **headers: str) -> httpx.Response:
        """An app asks the server: `/auth/token`, `/auth/introspect`, ..."""
        own, fields = app.authentication if app else ({}, {})
        sent = {name: value for name, value in (fields | form).items() if value is not None}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._http.post(self.origin + path, data=sent, headers=address() | own | given)

    def exchange(
        self, app: App, code: str, verifier: str | None = USUAL.verifier, **other: str | None
    ) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": app.redirect,
            "code_verifier": verifier,
        }
        return self.ask("/auth/token", form | other, app)

    def tokens(
        self, app: App, scope: str, user: str | Visitor = "ada.stone", choices: Choices | None = None, **other: Any
    ) -> dict[str, Any]:
        """The whole way: pages, code, token response."""
        back = self.authorize(app, scope, user, choices, **other).back
        assert "code" in back, back
        answer = self.exchange(app, back["code"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, app: App, token: str, **other: str) -> httpx.Response:
        return self.ask("/auth/token", {"grant_type": "refresh_token", "refresh_token": token} | other, app)

    def fhir(self, token: str | dict[str, Any]) -> httpx.Client:
        """A client of the FHIR API with an access token, or with that of a token response."""
        text = token if isinstance(token, str) else token["access_token"]
        return httpx.Client(
            base_url=self.base + "/", headers={"authorization": f"Bearer {text}"}, timeout=30, verify=False
        )


def _entries(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return list(answer.json().get("entry", []))


def _newest(entries: list[dict[str, Any]], url: str) -> dict[str, str]:
    """App state is deleted by version only."""
    return {"if-match": next(one["response"]["etag"] for one in entries if one["fullUrl"].endswith(f"/{url}"))}


def claims(token: str) -> dict[str, Any]:
    """What a token says, unproven."""
    return jwt.unverified(token)[1]


def ids(answer: httpx.Response) -> list[str]:
    """Of the resources in a searchset."""
    assert answer.status_code == 200, answer.text
    return sorted(one["resource"]["id"] for one in answer.json().get("entry", []))


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and `error` of an OAuth error, which has all that such an error has to have."""
    assert answer.headers["content-type"] == "application/json", answer.text
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert body.keys() <= {"error", "error_description", "error_uri"}
    assert body["error_description"]
    return answer.status_code, body["error"]
