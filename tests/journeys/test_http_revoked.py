"""What was revoked at one process is refused by the other within five seconds; one that is cut off from the store
answers nobody; what was opened, and closed, is so in both.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from tests.journeys.both import flags, place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_smart_backend import ask, assertion, new_key, public

__all__ = ["flags", "postgres_database"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")

SECONDS = 5
KEY = new_key("ES384")


@pytest.fixture
def two(start: Callable[..., Server], flags: tuple[str, ...]) -> Server:
    return start("--workers", "2", *flags)


@pytest.fixture
def ends(two: Server) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    yield from connected(two)


def connected(two: Server) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two clients without a token, each with a connection to another process, both of which have started then."""
    found: dict[int, httpx.Client] = {}
    spare: list[httpx.Client] = []
    until = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        client = httpx.Client(base_url=two.url, limits=httpx.Limits(max_connections=1), timeout=30)
        spare.append(client)
        worker = re.search(r'hilum_requests_in_flight\{worker="(\d+)"\}', client.get("/metrics").text)
        assert worker
        found.setdefault(int(worker[1]), client)
    one, other = found.values()
    yield one, other
    for client in spare:
        client.close()


def as_(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def within(seconds: float, asked: Callable[[], bool]) -> bool:
    """Whether it comes true within so many seconds."""
    ends = time.monotonic() + seconds
    while not asked():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def command(*arguments: object) -> dict[str, Any]:
    done = hilum(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def registered(two: Server, flags: tuple[str, ...], tmp_path: Path, name: str) -> str:
    """A backend service, and its id."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public(KEY)]}))
    made = command("clients", "add", name, "--jwks", file, "--scopes", "system/*.rs", *place(two, flags))
    return str(made["client_id"])


def token(two: Server, id: str) -> str:
    answer = ask(two, assertion(KEY, id, f"{two.url}/auth/token"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_a_revocation_at_one_process_holds_in_the_other_within_five_seconds(
    two: Server, ends: tuple[httpx.Client, httpx.Client], flags: tuple[str, ...], tmp_path: Path
) -> None:
    one, other = ends
    id = registered(two, flags, tmp_path, "Nightly")
    held, kept = token(two, id), token(two, id)
    for client in ends:  # both know both
        for each in (held, kept):
            assert client.get("/fhir/Patient", headers=as_(each)).status_code == 200
    form = {
        "token": held,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion(KEY, id, f"{two.url}/auth/token"),
    }
    assert one.post("/auth/revoke", data=form).status_code == 200
    assert one.get("/fhir/Patient", headers=as_(held)).status_code == 401, "at once where it was revoked"
    assert within(SECONDS, lambda: other.get("/fhir/Patient", headers=as_(held)).status_code == 401)
    assert "revoked" in other.get("/fhir/Patient", headers=as_(held)).text
    for client in ends:
        assert client.get("/fhir/Patient", headers=as_(kept)).status_code == 200, "another token of the same app"
    command("clients", "revoke", id, *place(two, flags))
    for client in ends:
        assert within(SECONDS, lambda c=client: c.get("/fhir/Patient", headers=as_(kept)).status_code == 401)
    assert one.get("/fhir/Patient", headers=as_(two.token())).status_code == 200


def test_a_ticket_opens_its_document_once_whichever_process_is_asked(
    two: Server, ends: tuple[httpx.Client, httpx.Client]
) -> None:
    one, other = ends
    headers = as_(two.token())
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "SGVsbG8="}
    id = one.post("/fhir/Binary", json=binary, headers=headers | FHIR_JSON).json()["id"]
    made = one.post("/auth/ticket", data={"path": f"Binary/{id}"}, headers=headers)
    assert (made.status_code, made.json()["expires_in"], made.headers["cache-control"]) == (200, 30, "no-store")
    url = made.json()["url"]
    assert re.fullmatch(rf"{two.base}/Binary/{id}\?ticket=hti_[\w-]{{43}}", url)
    assert headers["authorization"].split()[1] not in url
    first = other.get(url)
    assert (first.status_code, first.text, first.headers["content-type"]) == (
        200, "Hello", "text/plain; charset=utf-8",
    )  # fmt: skip
    for client in ends:
        again = client.get(url)
        assert (again.status_code, again.json()["resourceType"]) == (401, "OperationOutcome")
    ticket = url.partition("=")[2]
    narrow = as_(two.token("system/Patient.rs"))
    assert one.post("/auth/ticket", data={"path": f"Binary/{id}"}, headers=narrow).status_code == 403
    for path in (
        "Patient/1",
        "Binary",
        f"Binary/{id}/_history/1",
        "Binary/../Patient/1",
        "",
        "//evil.example/Binary/1",
    ):
        assert one.post("/auth/ticket", data={"path": path}, headers=headers).status_code == 400, path
    for method, path in (
        ("GET", "Patient"),
        ("POST", f"Binary/{id}"),
        ("HEAD", f"Binary/{id}"),
        ("DELETE", "Binary/x"),
    ):
        fresh = one.post("/auth/ticket", data={"path": f"Binary/{id}"}, headers=headers).json()["url"]
        query = fresh.partition("?")[2]
        assert one.request(method, f"/fhir/{path}?{query}").status_code == 401, (method, path)
    bound = as_(two.token("patient/*.rs", patient="nobody"))
    made = one.post("/auth/ticket", data={"path": f"Binary/{id}"}, headers=bound)
    assert other.get(made.json()["url"]).status_code == 404, "what its token may not see it opens for nobody"
    assert one.post("/auth/ticket", data={"path": f"Binary/{id}"}).status_code == 401
    assert ticket not in two.log


def test_what_is_opened_is_open_in_both_and_so_is_what_is_closed(
    two: Server, ends: tuple[httpx.Client, httpx.Client], flags: tuple[str, ...]
) -> None:
    one, _ = ends
    headers = as_(two.token()) | FHIR_JSON
    codes = {"resourceType": "CodeSystem", "status": "active", "content": "complete", "url": "urn:x"}
    id = one.post("/fhir/CodeSystem", json=codes, headers=headers).json()["id"]
    organization = one.post(
        "/fhir/Organization", json={"resourceType": "Organization", "name": "Lake"}, headers=headers
    )
    assert organization.status_code == 201
    shut = ("/fhir/Patient", "/fhir/Organization", f"/fhir/CodeSystem/{id}/_history/1", "/fhir/CodeSystem/_history",
            "/fhir", "/fhir/CodeSystem/$graphql", "/fhir/AuditEvent")  # fmt: skip
    for client in ends:
        assert client.get(f"/fhir/CodeSystem/{id}").status_code == 401
    assert command("open", "CodeSystem", *place(two, flags)) == {"open": ["CodeSystem"]}
    for client in ends:
        assert within(SECONDS, lambda c=client: c.get(f"/fhir/CodeSystem/{id}").status_code == 200)
        found = client.get("/fhir/CodeSystem?url=urn:x&_include=*")
        assert found.status_code == 200, found.text
        assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [id]
        assert client.get("/fhir/CodeSystem?_has:Consent:source-reference:status=active").status_code in (200, 400, 403)
        for path in shut:
            assert client.get(path).status_code == 401, path
        for method in ("PUT", "DELETE", "PATCH"):
            assert client.request(method, f"/fhir/CodeSystem/{id}", content=b"{}").status_code == 401
        assert client.post("/fhir/CodeSystem", json=codes, headers=FHIR_JSON).status_code == 401
        said = client.get("/fhir/metadata").json()["rest"][0]["security"]["description"]
        assert "read and search of CodeSystem," in said
    command("open", "--close", *place(two, flags))
    for client in ends:
        assert within(SECONDS, lambda c=client: c.get(f"/fhir/CodeSystem/{id}").status_code == 401)
    with two.client("system/AuditEvent.rs") as auditor:
        assert within(
            15,
            lambda: any(
                entry["resource"]["agent"][0]["who"]["identifier"]["value"] == "anonymous"
                and entry["resource"]["outcome"] == "0"
                and any(f"CodeSystem/{id}" in str(what.get("what")) for what in entry["resource"].get("entity", ()))
                for entry in auditor.get("AuditEvent?_count=200").json().get("entry", ())
            ),
        ), "what is read without a token is audited, too"


def test_processes_that_are_cut_off_from_the_store_answer_nobody(
    start: Callable[..., Server], postgres_database: str
) -> None:
    """The database takes no more connections and those that there are end: not even known tokens are honoured."""
    running = start("--workers", "2", "--store", postgres_database)
    held = as_(running.token())
    parts = urlsplit(postgres_database)
    name, admin = parts.path[1:], parts._replace(path="/postgres").geturl()
    ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    for both in connected(running):
        for client in both:
            assert client.get("/fhir/Patient", headers=held).status_code == 200
        try:
            asyncio.run(_execute(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", ends))
            time.sleep(SECONDS + 2)
            for client in both:
                for path in ("/fhir/Patient", "/fhir/metadata?mode=x", "/api/v1/counts"):
                    answer = client.get(path, headers=held)
                    expected = (400, None) if "metadata" in path else (503, "1")
                    assert (answer.status_code, answer.headers.get("retry-after")) == expected, answer.text
        finally:
            asyncio.run(_execute(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        for client in both:
            assert within(60, lambda c=client: c.get("/fhir/Patient", headers=held).status_code == 200)


async def _execute(url: str, *statements: str) -> None:
    db = await asyncpg.connect(url)
    try:
        for statement in statements:
            await db.execute(statement)
    finally:
        await db.close()
