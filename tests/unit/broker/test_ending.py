"""A sign-in that is ended is forgotten here whatever the EHR says, and revoked there where it takes that (RFC 7009)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.broker.launched import HTTP, Browser, Clock, Here, at, signed_in
from tests.unit.broker.strict import Strict, running

from hilum.broker import ending
from hilum.broker.far import Failed
from hilum.oauth.ledger import EHR_TOKEN
from hilum.problems import NotFound
from hilum.web import log
from hilum.web.outbound import Fetched, Unreachable

Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture
async def ehr() -> AsyncIterator[Strict]:
    async with running() as strict:
        strict.metadata = {"revocation_endpoint": f"{strict.origin}/oauth2/revoke"}
        yield strict


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What the log is told that is not as it should be."""
    found: Told = []
    monkeypatch.setattr(log, "warning", lambda event, **about: found.append((event, about)))
    return found


async def hints(where: Here, ehr: Strict) -> list[str]:
    """What the EHR was told of, once nothing is under way any more."""
    await where.launching.ending.close()
    return [hint for hint, _ in ehr.revoked]


async def test_one_that_is_forgotten_is_revoked_its_refresh_token_first(tmp_path: Path, ehr: Strict) -> None:
    where = await at(tmp_path, ehr)
    id = await signed_in(where, ehr)
    pair = where.launching.grants.opened(await where.launching.grants.get(id))
    await where.launching.ending.forget(id)
    with pytest.raises(Failed):
        await where.launching.grants.get(id)
    await where.launching.ending.close()
    assert ehr.revoked == [("refresh_token", pair.refresh), ("access_token", pair.access)]
    await where.launching.ending.forget(id)
    assert len(await hints(where, ehr)) == 2, "once"


async def test_a_token_that_has_ended_by_itself_is_not_sent(tmp_path: Path, ehr: Strict) -> None:
    clock = Clock()
    where = await at(tmp_path, ehr, clock=clock)
    id = await signed_in(where, ehr)
    clock.now += ehr.life
    await where.launching.ending.forget(id)
    assert await hints(where, ehr) == ["refresh_token"]


async def test_all_that_a_connection_gave_is_revoked_when_it_is_removed(tmp_path: Path, ehr: Strict) -> None:
    where = await at(tmp_path, ehr)
    for _ in range(3):
        await signed_in(where, ehr)
    await where.launching.ending.remove("lake")
    with pytest.raises(NotFound):
        await where.connections.get("lake")
    assert await where.ledger.of(EHR_TOKEN) == []
    assert await hints(where, ehr) == ["refresh_token", "access_token"] * 3
    with pytest.raises(NotFound):
        await where.launching.ending.remove("lake")


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
async def test_the_client_proves_itself_as_at_the_token_endpoint(tmp_path: Path, ehr: Strict, method: str) -> None:
    where = await at(tmp_path, ehr)
    id = await signed_in(where, ehr)
    lake = await where.connections.get("lake")
    await where.connections.replace(replace(lake, method=method), "" if method == "none" else "s3cret/+ %")
    await where.launching.ending.forget(id)
    assert await hints(where, ehr) == ["refresh_token", "access_token"]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"revocation_endpoint": "ftp://ehr.example.org/revoke"},
        {"revocation_endpoint": "http://10.0.0.1/revoke"},
    ],
)
async def test_an_ehr_that_says_no_place_for_it_or_one_within_is_told_nothing(
    tmp_path: Path, ehr: Strict, metadata: Mapping[str, Any]
) -> None:
    where = await at(tmp_path, ehr)
    id = await signed_in(where, ehr)
    ehr.metadata = metadata
    await where.launching.parties.discovery.of(ehr.base, again=True)
    await where.launching.ending.forget(id)
    assert await hints(where, ehr) == []
    assert await where.ledger.of(EHR_TOKEN) == []


async def test_tokens_go_to_nobody_but_who_gave_them(tmp_path: Path, ehr: Strict) -> None:
    """The connection was aimed elsewhere since: what is there now learns nothing."""
    where = await at(tmp_path, ehr)
    id = await signed_in(where, ehr)
    lake = await where.connections.get("lake")
    async with running() as other:
        other.metadata = {"revocation_endpoint": f"{other.origin}/oauth2/revoke"}
        await where.connections.replace(replace(lake, base=other.base), "another secret")
        await where.launching.ending.forget(id)
        assert await hints(where, other) == []
    assert ehr.revoked == []
    assert await where.ledger.of(EHR_TOKEN) == []


async def test_an_ehr_that_does_not_answer_keeps_nobody_waiting_and_no_token_here(
    tmp_path: Path, ehr: Strict, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    silent = asyncio.Event()

    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        if url.endswith("/revoke"):
            await silent.wait()
        return await HTTP(method, url, headers, body, limit=limit)

    where = await at(tmp_path, ehr, sender=send)
    id = await signed_in(where, ehr)
    monkeypatch.setattr(ending, "SECONDS", 0.01)
    await where.launching.ending.forget(id)
    assert await where.ledger.of(EHR_TOKEN) == []
    await where.launching.ending.close()
    assert told == [("ehr token not revoked", {"grant": id, "ehr": "lake", "cause": "time"})]


@pytest.mark.parametrize("error", [Unreachable("connect"), RuntimeError("secret words")])
async def test_whatever_goes_wrong_there_is_told_in_the_log_and_nobody_else_hears_it(
    tmp_path: Path, ehr: Strict, error: Exception, told: Told
) -> None:
    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        if url.endswith("/revoke"):
            raise error
        return await HTTP(method, url, headers, body, limit=limit)

    where = await at(tmp_path, ehr, sender=send)
    id = await signed_in(where, ehr)
    await where.launching.ending.forget(id)
    await where.launching.ending.close()
    cause = "connect" if isinstance(error, Unreachable) else "RuntimeError"
    assert told == [("ehr token not revoked", {"grant": id, "ehr": "lake", "cause": cause})]
    assert await Browser(where).connect(), "and people sign in again as before"
