"""A key of its own beside the token: asked of each request of that app, renewed and switched off by command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.conftest import diagnostics
from tests.journeys.server import Server
from tests.journeys.test_smart_backend import ask, assertion, new_key, public

ORIGIN = "https://app.example.org"
WATCH_SECONDS = 5
KEY = new_key("ES384")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("api-key"))
    yield found
    found.stop()


def clients(running: Server, *arguments: object) -> dict[str, Any]:
    done = hilum("clients", *arguments, "--data", running.data, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def app(running: Server, tmp_path: Path) -> dict[str, Any]:
    """As it was registered, its API key among it."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public(KEY)]}))
    return clients(running, "add", "Keyed", "--jwks", file, "--scopes", "system/*.rs", "--origin", ORIGIN, "--api-key")


def token(running: Server, id: str) -> str:
    answer = ask(running, assertion(KEY, id, f"{running.url}/auth/token"))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def read(running: Server, token: str, key: str | None, path: str = "/fhir/Patient") -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} | ({} if key is None else {"x-api-key": key})
    return httpx.get(running.url + path, headers=headers)


def until(running: Server, token: str, key: str | None, status: int) -> httpx.Response:
    """The answer once it has this status: within five seconds."""
    ends = time.monotonic() + WATCH_SECONDS
    while (answer := read(running, token, key)).status_code != status and time.monotonic() < ends:
        time.sleep(0.05)
    assert answer.status_code == status, answer.text
    return answer


def test_each_request_needs_it_beside_the_token(running: Server, app: dict[str, Any]) -> None:
    held, key = token(running, app["client_id"]), app["api_key"]
    for _ in range(2):  # first judged, then known
        assert read(running, held, key).status_code == 200
        for wrong in (None, "", key[:-1], key + "x", key.swapcase()):
            refused = read(running, held, wrong)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == 'Bearer realm="hilum", error="invalid_token"'
            assert "X-API-Key" in diagnostics(refused)
            assert key not in refused.text
    assert read(running, held, None, "/api/v1/counts").status_code == 401
    assert read(running, held, key, "/api/v1/counts").status_code == 200
    assert read(running, running.token(), None).status_code == 200, "other apps need none"
    ticket = httpx.post(
        f"{running.url}/auth/ticket", data={"path": "Binary/x"}, headers={"authorization": f"Bearer {held}"}
    )
    assert (ticket.status_code, ticket.json()["error"]) == (401, "invalid_token")


def test_a_page_of_another_origin_may_send_it(running: Server, app: dict[str, Any]) -> None:
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization,x-api-key",
    }
    ends = time.monotonic() + WATCH_SECONDS
    while True:
        answer = httpx.options(running.base + "/Patient", headers=asked)
        if "access-control-allow-origin" in answer.headers or time.monotonic() > ends:
            break
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "x-api-key" in answer.headers["access-control-allow-headers"]


def test_it_is_renewed_and_switched_off_and_on(running: Server, app: dict[str, Any]) -> None:
    id = app["client_id"]
    held, first = token(running, id), app["api_key"]
    assert read(running, held, first).status_code == 200
    second = clients(running, "renew", id, "--api-key")["api_key"]
    assert second != first
    until(running, held, second, 200)
    assert read(running, held, first).status_code == 401
    assert "api_key" not in clients(running, "renew", id, "--no-api-key")
    until(running, held, None, 200)
    assert read(running, held, "whatever").status_code == 200
    third = clients(running, "renew", id, "--api-key")["api_key"]
    until(running, held, None, 401)
    assert read(running, held, third).status_code == 200


def test_what_is_kept_of_it_and_told_is_a_digest(running: Server, app: dict[str, Any]) -> None:
    shown = json.dumps(json.loads(hilum("clients", "show", app["client_id"], "--data", running.data).stdout))
    listed = hilum("clients", "list", "--json", "--data", running.data).stdout
    assert "api_key" not in shown + listed
    kept = b"".join(file.read_bytes() for file in running.data.rglob("*") if file.is_file())
    assert app["api_key"].encode() not in kept + running.log.encode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say what to renew"),
        (("--api-key", "--no-api-key"), "Say what to renew"),
        (("--secret",), "has no secret: it authenticates by private_key_jwt"),
    ],
)
def test_what_can_not_be_renewed(running: Server, app: dict[str, Any], arguments: tuple[str, ...], said: str) -> None:
    done = hilum("clients", "renew", app["client_id"], *arguments, "--data", running.data)
    assert done.returncode != 0
    assert said in done.stderr
    assert "There is no client" in hilum("clients", "renew", "nobody", "--api-key", "--data", running.data).stderr
