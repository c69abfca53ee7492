"""The API as clients ask it, at its edge: real store, real orders, real registry; tokens are names of principals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.unit.broker.ordered import EHR, World, world

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.roles import packaged
from hilum.access.tokens import CLI
from hilum.app.api import Api
from hilum.broker import recipes
from hilum.broker.api.broker import Broker
from hilum.broker.checking import Step
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.grants import Grants
from hilum.oauth.ledger import EHR as KIND
from hilum.oauth.ledger import Put, write
from hilum.oauth.scopes import parse
from hilum.problems import Unauthenticated
from hilum.rest.message import Request, Response
from hilum.web.body import Receive

ORIGIN = "https://hilum.test"
ORDER = {"patient": {"mrn": "MRN-4711-secret"}, "ehr": "epic", "recipe": "video", "deliver_to": "video"}
VIDEO = recipes.recipe(
    "video.toml",
    'title = "A video"\nstore = "own"\n'
    '[payload]\nfields = {born = {from = "Patient", path = "birthDate", type = "date"}}\n',
)

SPOILT = "Recipe recipes/spoilt.toml: title must be a text."
RECIPES = recipes.Recipes({**recipes.packaged(), "video": VIDEO}, {"spoilt": SPOILT})


def holder(scope: str, patient: str | None = None, **of: Any) -> Principal:
    values: dict[str, Any] = {"agent": "kim", "client": "app", "token": "jti", "expires": 1 << 62}
    return Principal(policy=of_scopes(parse(scope), patient), **(values | of))


PEOPLE = {
    "all": Principal("kim", "app", "jti", EVERYTHING, 1 << 62),
    "gatherer": holder("system/Task.cruds"),
    "lead": holder("user/Endpoint.cruds user/Task.cruds", roles=("admin",), user="root"),
    "doctor": holder("user/Endpoint.cruds user/Task.cruds", roles=("practitioner",), user="doc"),
    "limited": holder("system/Task.cruds?status=draft"),
    "reader": holder("system/Task.rs"),
    "patient": holder("patient/*.cruds", "ada"),
    "owner": holder("system/Endpoint.cruds", client=CLI),
    "looker": holder("system/Endpoint.rs", client=CLI),
    "star": holder("system/*.cruds", client=CLI),
    "backend": holder("system/Endpoint.cruds"),
    "admin": holder("user/Endpoint.cruds", roles=("admin",), user="root"),
    "practitioner": holder("user/Endpoint.cruds", roles=("practitioner",), user="doc"),
}


class Noted:
    """A trail that keeps what it is told."""

    def __init__(self) -> None:
        self.accesses: list[tuple[str, str, str | None, str, int]] = []
        self.events: list[tuple[str, str, Mapping[str, str]]] = []

    def note(
        self, who: Principal, interaction: str, type: str | None, id: str, version: int, status: int, query: str,
        shown: tuple[int, ...],
    ) -> int:  # fmt: skip
        self.accesses.append((who.agent, interaction, type, id, status))
        return len(self.accesses)

    async def flushed(self, ticket: int) -> None:
        pass

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        self.events.append((who.agent, event, about))


@dataclass
class Answer:
    response: Response
    request: Request

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)

    @property
    def says(self) -> str:
        """What an OperationOutcome says; fails where it is none."""
        assert self.json["resourceType"] == "OperationOutcome"
        return " ".join(one["diagnostics"] for one in self.json["issue"])

    def header(self, name: bytes) -> str | None:
        return self.response.header(name)

    async def pieces(self) -> AsyncIterator[bytes]:
        assert self.response.stream is not None
        async for piece in self.response.stream():
            yield piece


@dataclass
class Here:
    """`tokens`: who holds which one. Each look at an order that is watched is at once."""

    world: World
    broker: Broker
    api: Api
    trail: Noted
    tokens: dict[bytes, Principal]
    steps: list[Step] = field(default_factory=list)

    async def ask(
        self, method: str, url: str, body: Any = None, *, token: str = "all", headers: Mapping[str, str] | None = None
    ) -> Answer:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {b"authorization": b"Bearer " + token.encode()} if token else {}
        if raw:
            sent |= {b"content-type": b"application/json", b"content-length": b"%d" % len(raw)}
        sent |= {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
        place = urlsplit(url)
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": place.path,
            "raw_path": place.path.encode(),
            "query_string": place.query.encode(),
            "headers": list(sent.items()),
            "scheme": "https",
            "server": ("hilum.test", 443),
        }
        return Answer(*await self.api.respond(scope, sent, _once(raw)))

    async def order(self, **changes: Any) -> str:
        answer = await self.ask("POST", "/api/v1/gather", ORDER | changes)
        assert answer.status == 202, answer.response.body
        return str(answer.json["id"])


def _once(raw: bytes) -> Receive:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    return receive


@asynccontextmanager
async def here(folder: Path, **options: Any) -> AsyncIterator[Here]:
    async with world(folder) as found:
        connections = Connections(
            found.store.ledger,
            found.seal,
            "sandbox",
            folder,
            vendors=frozenset(("plain", "epic")),
            recipes=lambda: RECIPES,
        )
        epic = Connection(
            **{name: getattr(EHR, name) for name in EHR.__struct_fields__} | {"mrn_system": "urn:mrn", "origin": "kim"}
        )
        await found.store.ledger.add(Put(KIND, b"epic", write(epic)))
        trail, tokens, steps = Noted(), {name.encode(): one for name, one in PEOPLE.items()}, list[Step]()

        async def authenticate(headers: Mapping[bytes, bytes]) -> Principal:
            who = tokens.get(headers.get(b"authorization", b"").removeprefix(b"Bearer "))
            if who is None:
                raise Unauthenticated("This needs a token.")
            return who

        async def check(connection: Connection) -> AsyncIterator[Step]:
            for one in steps:
                yield one

        grants = Grants(found.store.ledger, found.seal, "sandbox")
        broker = Broker(
            door=found.door,
            orders=found.orders,
            parcels=found.parcels,
            connections=connections,
            grants=grants,
            destinations=found.destinations,
            recipes=lambda: RECIPES,
            check=check,
            remove=connections.remove,
            sign_out=grants.forget,
            authenticate=authenticate,
            trail=trail,
            roles=packaged(),
            look_seconds=0.0,
            beat=3,
            clock=lambda: found.time[0],
            **options,
        )
        yield Here(found, broker, Api(broker), trail, tokens, steps)
