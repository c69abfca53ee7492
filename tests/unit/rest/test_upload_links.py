"""A link to upload is used up by the commit of what is uploaded, and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hilum.access.keys import load_or_create
from hilum.access.signed import UPLOAD, Signed
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.problems import Busy
from hilum.rest.edge import ANYONE, Edge, Limits
from hilum.rest.links import Links
from hilum.rest.message import Response
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Commit
from hilum.store.sqlite import SqliteStore, open_sqlite
from hilum.web import body

Make = Callable[[], Edge]


class Faulty:
    """A store that is Busy when it is to commit, as often as `faults` says: after the commit, if that is `late`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store, self.faults, self.late = store, 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        made = () if self.faults and not self.late else await self._store.commit(commit)
        if self.faults:
            self.faults -= 1
            raise Busy("not now")
        return made


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Faulty]:
    opened = await open_sqlite(str(tmp_path / "store.db"))
    yield Faulty(opened)
    await opened.close()


@pytest.fixture
def process(store: Faulty, tmp_path: Path) -> Make:
    """Each call is another process on the same store, with the same key."""
    key = load_or_create(tmp_path, "sandbox")

    def make() -> Edge:
        door = Door(store, "http://hilum.test/fhir")  # type: ignore[arg-type]
        signed = Signed(key, store.ledger, None, ANYONE)
        service = Service(door, Links(bytes(32)), Router(ROUTES), token_needed=False, signed=signed)
        return Edge(service, None, Limits(1 << 20, 1 << 20, 1 << 20))

    return make


@pytest.fixture
def link(store: Faulty, tmp_path: Path) -> str:
    signed = Signed(load_or_create(tmp_path, "sandbox"), store.ledger, None, ANYONE)
    return signed.make(ANYONE, "", UPLOAD, "Binary", 300, media="text/plain", size=100)[0]


async def sends(edge: Edge, link: str, *pieces: bytes | None) -> Response:
    """Sends the pieces; None: the connection breaks off."""
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        piece = waiting.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    scope = {"method": "POST", "raw_path": b"/fhir/Binary", "query_string": b"link=" + link.encode()}
    headers = {b"content-type": b"text/plain", b"transfer-encoding": b"chunked"}
    return (await edge.respond(scope, headers, receive))[0]


async def count(store: Faulty) -> int:
    return (await store.counts()).types.get("Binary", 0)


async def test_what_fails_in_passing_leaves_the_link_as_it_was(process: Make, store: Faulty, link: str) -> None:
    edge = process()
    store.faults = 1
    assert (await sends(edge, link, b"hello")).status == 503
    with pytest.raises(body.Disconnected):
        await sends(edge, link, b"hel", None)
    assert await count(store) == 0
    assert (await sends(process(), link, b"hello")).status == 201
    assert (await sends(edge, link, b"hello")).status == 401
    assert await count(store) == 1


async def test_a_commit_that_was_made_all_the_same_has_used_it_up(process: Make, store: Faulty, link: str) -> None:
    store.faults, store.late = 1, True
    assert (await sends(process(), link, b"hello")).status == 503
    assert (await sends(process(), link, b"hello")).status == 401
    assert await count(store) == 1


async def test_of_two_processes_at_once_one_makes_it(process: Make, store: Faulty, link: str) -> None:
    answers = await asyncio.gather(*(sends(process(), link, b"hel", b"lo") for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert await count(store) == 1


async def test_in_one_process_one_request_at_a_time_comes_with_it(process: Make, store: Faulty, link: str) -> None:
    edge = process()
    answers = await asyncio.gather(*(sends(edge, link, b"hel", b"lo") for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 503, 503, 503]
    assert (await sends(edge, link, b"hello")).status == 401
