"""The API's edge: who is let in, what is taken in, what goes wrong, and what is open."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.broker.api.asked import ORDER, Here, here

GATHER = "/api/v1/gather"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path) as found:
        yield found


def test_fastapi_is_not_imported_by_a_server_that_nobody_asks():
    code = "import sys, hilum.app.application; sys.exit('fastapi' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_the_documentation_is_open_and_holds_no_data(api: Here) -> None:
    page = await api.ask("GET", "/api/docs", token="")
    assert (page.status, page.header(b"content-type")) == (200, "text/html; charset=utf-8")
    policy = page.header(b"content-security-policy") or ""
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert b"<script>" not in page.response.body
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        one = await api.ask("GET", f"/api/docs/{name}", token="")
        assert (one.status, one.header(b"content-security-policy")) == (200, policy)
        again = await api.ask(
            "GET", f"/api/docs/{name}", token="", headers={"if-none-match": one.header(b"etag") or ""}
        )
        assert (again.status, again.response.body) == (304, b"")
    assert (await api.ask("GET", "/api/docs/passwd", token="")).status == 404


async def test_the_description_says_of_each_route_what_it_does_what_it_needs_and_what_goes_wrong(api: Here) -> None:
    found = (await api.ask("GET", "/api/openapi.json", token="")).json
    assert found["openapi"].startswith("3.1")
    operations = {f"{method} {path}": one for path, all in found["paths"].items() for method, one in all.items()}
    assert len(operations) == 48
    for name, one in operations.items():
        assert one["summary"], name
        assert one["description"], name
        assert one["security"] == [{"token": []}], name
        ours = name in ("post /api/v1/gather", "post /api/v1/videos")  # another order under the same Idempotency-Key
        assert ("422" in one["responses"]) is ours, name
        for status in ("400", "401", "403", *(["422"] if ours else [])):
            assert "application/fhir+json" in one["responses"][status]["content"], name
    assert "HTTPValidationError" not in found["components"]["schemas"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1", "/api/v2/gather", "/api/v1/gather/a/b/c"])
async def test_what_is_not_there_is_not_found_by_who_has_a_token(api: Here, path: str) -> None:
    assert [(await api.ask("GET", path, token=token)).status for token in ("", "all")] == [401, 404]


async def test_another_method_is_told_those_that_are_possible(api: Here) -> None:
    answer = await api.ask("PATCH", "/api/v1/recipes", {})
    assert (answer.status, answer.header(b"allow")) == (405, "GET")


async def test_a_head_is_answered_as_its_get(api: Here) -> None:
    assert (await api.ask("HEAD", "/api/v1/recipes")).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"{", {}, 400, "not JSON"),
        (b"\xff", {}, 400, ""),
        (b"[1]", {}, 400, ""),
        (b"[" * 60_000, {}, 400, ""),
        (b'{"patient": 1e999}', {}, 400, ""),
        (b"x=1", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"{}", {"content-encoding": "gzip"}, 415, "compressed"),
        (b" " * 70_000, {}, 413, "over the limit"),
        (None, {}, 400, "A body is needed"),
    ],
)
async def test_what_can_not_be_read_is_refused(
    api: Here, body: bytes | None, headers: dict[str, str], status: int, says: str
) -> None:
    answer = await api.ask("POST", GATHER, body, headers=headers)
    assert (answer.status, says in answer.says) == (status, True), answer.says


async def test_a_token_in_the_address_is_refused(api: Here) -> None:
    assert (await api.ask("GET", "/api/v1/recipes?access_token=all", token="")).status == 400


async def test_a_defect_of_ours_tells_nothing_but_a_reference(api: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: object, **named: object) -> None:
        raise RuntimeError("MRN-4711-secret")

    monkeypatch.setattr(api.world.orders, "accept", broken)
    answer = await api.ask("POST", GATHER, ORDER)
    assert (answer.status, "Reference for the operator" in answer.says) == (500, True)
    assert b"4711" not in answer.response.body


async def test_refusals_are_audited(api: Here) -> None:
    await api.ask("GET", f"{GATHER}/17", token="gatherer")
    await api.ask("GET", "/api/v1/recipes", token="")
    assert [(who, status) for who, *_, status in api.trail.accesses] == [("kim", 404), ("nobody", 401)]


async def test_the_first_to_come_are_all_answered(api: Here) -> None:
    answers = await asyncio.gather(*(api.ask("GET", "/api/v1/recipes") for _ in range(20)))
    assert [one.status for one in answers] == [200] * 20
