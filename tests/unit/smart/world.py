"""An authorization server in memory with all that it needs, a user, and an app that asks."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.unit.smart import pages
from tests.unit.smart.pages import ORIGIN, Browser, Page

from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.tokens import Issuer
from hilum.access.verifier import Verifier
from hilum.interactions.door import Door
from hilum.oauth.ledger import KEY, Client, Put, Row
from hilum.smart.apps import clients
from hilum.smart.apps.jwks import KeySets
from hilum.smart.flow.possible import possible
from hilum.smart.going import Allowed, Done, Going
from hilum.smart.people import sessions, users
from hilum.smart.site import Site
from hilum.smart.smart import ROUTES, STEPS, Smart
from hilum.store.interface import Store
from hilum.store.memory import MemoryLedger
from hilum.web import message
from hilum.web.message import Answer, Form
from hilum.web.outbound import Guard

BASE = f"{ORIGIN}/fhir"
REDIRECT = "https://app.example.org/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = (
    "openid fhirUser launch launch/patient launch/encounter offline_access online_access "
    "patient/*.cruds user/*.cruds system/*.cruds __introspect"
)
PATIENT = "17"
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "memory_store.py"


class Picks:
    """Stands for the page on which a record is chosen: PATIENT, without a page."""

    name = "patient"

    async def needed(self, site: Site, going: Going, session: sessions.Session) -> bool:
        return not going.record.patient and "launch/patient" in going.record.request["scope"]

    async def show(self, site: Site, going: Going, session: sessions.Session, message: str = "") -> Answer:
        return _form(site, going, session, self.name)

    async def take(self, site: Site, going: Going, session: sessions.Session, form: Form) -> Done:
        from msgspec import structs

        return Done(structs.replace(going.record, patient=form.get("patient") or PATIENT))


class Allows:
    """Stands for the consent page: all that is possible is allowed."""

    name = "consent"

    async def needed(self, site: Site, going: Going, session: sessions.Session) -> bool:
        return not going.client.trusted

    async def show(self, site: Site, going: Going, session: sessions.Session, message: str = "") -> Answer:
        return _form(site, going, session, self.name)

    async def take(self, site: Site, going: Going, session: sessions.Session, form: Form) -> Allowed:
        account = await users.get(site.ledger, session.user)
        assert account is not None
        return Allowed(possible(site, going, account.user))


def _form(site: Site, going: Going, session: sessions.Session, step: str) -> Answer:
    def one(name: str) -> str:
        path = f"{going.path}/{name}"
        csrf = sessions.csrf(site, session, path)
        return f'<form method="post" action="{path}"><input name="csrf" value="{csrf}"></form>'

    return message.page(one(step) + one("cancel"))


@cache
def _keys() -> tuple[Path, tuple[Row, ...]]:
    """A folder with a root key, and the keys of the ledger that it sealed: an RSA key takes a second to make."""

    async def made(folder: Path) -> list[Row]:
        ledger = MemoryLedger()
        await Keyring(load_or_create(folder, "sandbox"), pages.Clock()).prepare(ledger)
        return await ledger.of(KEY)

    folder = Path(tempfile.mkdtemp())
    rows: list[Row] = []

    def work() -> None:
        rows.extend(asyncio.run(made(folder)))

    import threading

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return folder, tuple(rows)


@dataclass
class World:
    site: Site
    browser: Browser
    client: str = "app"
    secret: str = ""

    async def add(self, id: str = "app", **values: Any) -> clients.Registered:
        given: dict[str, Any] = {
            "name": "Growth Chart",
            "method": "none",
            "scopes": SCOPES,
            "grants": ("authorization_code", "refresh_token"),
            "redirects": (REDIRECT,),
        }
        return await clients.add(self.site.ledger, Client(**(given | values)), id, sandbox=True)

    def request(self, **other: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        given: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": REDIRECT,
            "scope": "launch/patient patient/*.rs offline_access openid fhirUser",
            "state": "a state",
            "aud": BASE,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "nonce": "n-0",
        }
        return {name: value for name, value in (given | other).items() if value is not None}

    async def authorize(self, **other: str | None) -> Page:
        """Where the browser is after the request, local redirects followed."""
        return await self.look(f"/auth/authorize?{urlencode(self.request(**other))}")

    async def look(self, path: str) -> Page:
        """The page there, redirects within the server followed."""
        page = await self.browser.get(path, follow=False)
        while page.status == 303 and (page.answer.header(b"location") or "").startswith("/"):
            page = await self.browser.get(page.answer.header(b"location") or "", follow=False)
        return page

    async def through(self, page: Page) -> Page:
        """All steps of a flow, to the redirect to the app."""
        while page.status == 200:
            form = page.forms[0]
            step = form.action.rpartition("/")[2]
            values = {"username": "kim.doe", "password": pages.PASSWORD} if step == "sign-in" else {}
            page = await self.browser.send(form, follow=False, **values)
            if page.status == 303 and (page.answer.header(b"location") or "").startswith("/"):
                page = await self.look(page.answer.header(b"location") or "")
        return page

    async def code(self, **other: str | None) -> str:
        page = await self.through(await self.authorize(**other))
        return answered(page)["code"]

    async def ask(
        self,
        path: str = "/auth/token",
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        body: bytes | None = None,
    ) -> Answer:
        """An app asks: without a browser and its cookies."""
        raw = urlencode(form or {}).encode() if body is None else body
        given = {"content-type": "application/x-www-form-urlencoded"} | dict(headers or {})
        sent = {name.encode(): value.encode() for name, value in given.items()} | {
            b"content-length": b"%d" % len(raw),
            b"host": b"localhost:8080",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        answer, _ = await self.browser.smart.respond(method, path.encode(), b"", sent, receive, "203.0.113.8")
        return answer

    async def exchange(self, code: str | None, **other: str | None) -> Answer:
        given: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
            "client_id": self.client,
        }
        return await self.ask(form={name: value for name, value in (given | other).items() if value is not None})

    async def tokens(self, **other: str | None) -> dict[str, Any]:
        answer = await self.exchange(await self.code(**other))
        assert answer.status == 200, answer.body
        return said(answer)

    async def refresh(self, token: str, **other: str) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client}
        return await self.ask(form=form | other)

    async def holds(self, token: str) -> bool:
        """Whether FHIR would take this token now."""
        from hilum.problems import Unauthenticated

        try:
            if self.site.verifier.known(token) is None:
                await self.site.verifier.admit(token)
        except Unauthenticated:
            return False
        return True

    def move(self, seconds: float) -> None:
        pages.clock(self.site).now += seconds

    @property
    def events(self) -> list[tuple[str, int]]:
        return [(event, status) for event, status, _, _ in pages.events(self.site)]


def memory_store() -> Store:
    """The example of a third store."""
    spec = importlib.util.spec_from_file_location("memory_store", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory_store"] = module
    spec.loader.exec_module(module)
    store: Store = module.MemoryStore()
    return store


async def world(store: Store | None = None) -> World:
    """On this store, or in memory."""
    folder, keys = _keys()
    if store is None:
        store = memory_store()
        bare = pages.site(folder)
        store.ledger = bare.ledger  # type: ignore[misc]  # its clock is the test's
    else:
        bare = pages.site(folder, ledger=store.ledger)
    for row in keys:
        await bare.ledger.add(Put(KEY, row.key, row.value, row.expires))
    await bare.ring.prepare(bare.ledger)
    clock = bare.clock
    site = replace(
        bare,
        door=Door(store, BASE),
        issuer=Issuer(bare.ring, BASE, clock),
        verifier=Verifier(bare.ring, bare.ledger, BASE, clock=clock),
        jwks=KeySets(Guard(loopback=True), clock),
        steps=(*STEPS[:2], Picks(), Allows()),
    )
    site.ledger.heed(site.verifier.revoked)
    browser = Browser(site)
    browser.smart = Smart(site, ROUTES)
    found = World(site, browser)
    await found.add()
    await pages.user(site, fhir_user="Practitioner/1")
    return found


def answered(page: Page) -> dict[str, str]:
    """The parameters that went to the app."""
    assert page.status == 303, page.text
    location = page.answer.header(b"location") or ""
    assert location.startswith(REDIRECT + "?"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query, keep_blank_values=True).items()}


def said(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    return dict(json.loads(answer.body))


def error(answer: Answer) -> tuple[int, str]:
    assert answer.header(b"content-type") == "application/json", answer.body
    assert (answer.header(b"cache-control"), answer.header(b"pragma")) == ("no-store", "no-cache")
    found = said(answer)
    assert found["error_description"]
    return answer.status, found["error"]
