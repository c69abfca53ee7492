"""The one place where the leak suite touches hilum: a server in this process, its tokens, and one HTTP request."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.oracle.adapter import deletion, image
from tests.oracle.leaks.requests import Answer, Request
from tests.oracle.leaks.tokens import OWN, Token
from tests.oracle.leaks.world import Step
from tests.oracle.records import BASE, Name

from hilum.access import granting, roles
from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.oauth import scopes
from hilum.problems import Unauthenticated
from hilum.rest.edge import Edge, Limits
from hilum.rest.links import Links
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Audit, Commit, Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

Open = Callable[[], AbstractAsyncContextManager[Store]]
"""A new, empty store."""

_AUDIT = Audit(agent="Practitioner/1", client="oracle", interaction="create", token="")
_LIMITS = Limits(1 << 24, 1 << 22, 1 << 26)
_numbers = itertools.count(1)


def sqlite(folder: Path) -> Open:
    """Stores in files of a folder."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        path = folder / f"{next(_numbers)}.sqlite"
        store = await open_sqlite(str(path))
        try:
            yield store
        finally:
            await store.close()

    return opened


def postgres(url: str) -> Open:
    """Stores in schemas of a database."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        store = await open_postgres(url, schema=f"leaks_{os.getpid()}_{next(_numbers)}")
        try:
            yield store
        finally:
            await store.close()

    return opened


# --- who asks ---------------------------------------------------------------------------------------------------------


@dataclass
class Tokens:
    """Bearer tokens by their text; what `Edge` asks."""

    principals: dict[str, Principal] = field(default_factory=dict)

    def known(self, token: str) -> Principal | None:
        """Who holds it."""
        return self.principals.get(token)

    def verify(self, token: str) -> Principal:
        """The same. Raises Unauthenticated."""
        found = self.principals.get(token)
        if found is None:
            raise Unauthenticated("The access token does not hold here.")
        return found

    async def admit(self, token: str) -> Principal:
        """The same. Raises Unauthenticated."""
        return self.verify(token)


ADMIN = "admin"
"""The token that may see everything."""


def principal(name: str, policy: Policy) -> Principal:
    """Who holds the token of this name."""
    return Principal(f"User/{name}", f"client-{name}", name, policy, 1 << 40)


def policy_of(token: Token) -> Policy:
    """What hilum makes of the scopes, roles and context of a token."""
    rules = None if token.roles is None else roles.rules(token.roles, roles.roles(OWN, roles.packaged()))
    said = token.context
    context = granting.Context(
        user=None if token.roles is None else "somebody",
        fhir_user=None if said.fhir_user is None else "/".join(said.fhir_user),
        patients=said.own,
        patient=said.patient,
    )
    return granting.policy(scopes.parse(token.words), rules, context, said.foreign_states)


# --- a server ---------------------------------------------------------------------------------------------------------


class Server:
    """hilum's FHIR API on a store, asked as ASGI asks it."""

    def __init__(self, store: Store, *, integrity: bool = False) -> None:
        self.store = store
        self.tokens = Tokens({ADMIN: principal(ADMIN, EVERYTHING)})
        service = Service(Door(store, BASE, integrity), Links(bytes(32)), Router(ROUTES))
        self._edge = Edge(service, self.tokens, _LIMITS)

    async def ask(self, token: str, request: Request) -> Answer:
        """The answer to one request."""
        path = quote("/fhir" + (f"/{request.path}" if request.path else ""), safe="/$-_.~*")
        query = urlencode(request.query)
        headers = {b"authorization": b"Bearer " + token.encode(), b"host": b"hilum.test"}
        headers |= {name.lower().encode(): value.encode() for name, value in request.headers}
        body = b""
        if request.form:
            body = urlencode(request.form).encode()
            headers[b"content-type"] = b"application/x-www-form-urlencoded"
        elif request.body is not None:
            body = json.dumps(request.body).encode()
            headers.setdefault(b"content-type", b"application/fhir+json")
        if body:
            headers[b"content-length"] = str(len(body)).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(messages, {"type": "http.disconnect"})

        scope = {
            "type": "http",
            "method": request.method,
            "raw_path": path.encode(),
            "path": path,
            "query_string": query.encode(),
            "headers": list(headers.items()),
        }
        response, _ = await self._edge.respond(scope, headers, receive)
        named = tuple((name.decode(), value.decode("latin-1")) for name, value in response.headers)
        return Answer(response.status, named, response.body)


async def fill(store: Store, steps: Iterable[Step]) -> list[dict[str, Any] | None]:
    """Commit the steps, group by group; what was stored of each, None for a deletion."""
    current: dict[Name, Resource] = {}
    found: list[dict[str, Any] | None] = []
    for _, group in itertools.groupby(steps, lambda one: one.group):
        writes = []
        for step in group:
            over = current.get(step.name)
            if step.body is None:
                assert over is not None
                writes.append(deletion(over))
            else:
                writes.append(replace(image(step.body, step.id, over), method=step.method))
        for made in await store.commit(Commit(tuple(writes), _AUDIT)):
            current[made.type, made.id] = made
            found.append(None if made.deleted else json.loads(made.raw))
    return found
