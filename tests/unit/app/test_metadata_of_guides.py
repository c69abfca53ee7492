"""What the CapabilityStatement says of guides, over HTTP: what their packages brought, whatever others write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.packages import PROFILE, package, profile, value_set

from hilum.app.application import Application
from hilum.app.settings import Settings
from hilum.cli.loading.door import OWNER
from hilum.interactions import guides
from hilum.interactions.door import Door
from hilum.interactions.shelf import LOOK_SECONDS

HERE = "http://127.0.0.1:8080"
LABEL = "example.ig#1.0.0"
TAGS = [{"system": system, "code": LABEL} for system in ("urn:hilum:package", "urn:hilum:package-record")]
RECORD: dict[str, Any] = {
    "resourceType": "ImplementationGuide",
    "id": "example.ig-1.0.0-package",
    "meta": {"tag": TAGS},
    "url": "http://example.org/forged",
    "version": "1.0.0",
    "name": "Forged",
    "status": "active",
    "packageId": "example.ig",
    "fhirVersion": ["4.0.1"],
    "definition": {"resource": [{"reference": {"reference": "ValueSet/mine"}}]},
}
STATEMENT: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "id": "server",
    "url": "http://example.org/CapabilityStatement/server",
    "status": "active",
    "date": "2026-11-23",
    "kind": "requirements",
    "fhirVersion": "4.0.1",
    "format": ["json"],
    "description": "What a server should do.",
    "rest": [{"mode": "server"}],
}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    application = Application(Settings(data=tmp_path, log_level="error", auth="off"))
    await application.start()
    yield application
    await application.stop()


@pytest.fixture
async def asking(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=HERE + "/fhir") as client:
        yield client


async def written(asking: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    return await asking.put(f"/{body['resourceType']}/{body['id']}", json=body)


async def metadata(asking: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await asking.get("/metadata")).json()
    return found


async def test_a_record_and_tags_that_somebody_else_wrote_make_no_guide(
    app: Application, asking: httpx.AsyncClient
) -> None:
    before = await metadata(asking)
    for one in (
        RECORD,
        {**STATEMENT, "meta": {"tag": TAGS}},
        value_set("mine") | {"id": "mine", "meta": {"tag": TAGS}},
    ):
        assert (made := await written(asking, one)).status_code == 201, made.text
    assert (await asking.post("/ImplementationGuide", json=RECORD)).status_code == 201
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": RECORD, "request": {"method": "POST", "url": "ImplementationGuide"}}]}  # fmt: skip
    assert (await asking.post("/", json=bundle)).status_code == 200
    tags = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": TAGS}}]}
    assert (await asking.post(f"/ImplementationGuide/{RECORD['id']}/$meta-add", json=tags)).status_code == 200
    await asyncio.sleep(LOOK_SECONDS + 0.1)
    assert await metadata(asking) == before
    assert (await asking.get("/ImplementationGuide?_tag=urn:hilum:package-record|")).json()["total"] == 0


async def test_tags_of_a_guide_that_is_loaded_change_nothing_of_it(app: Application, asking: httpx.AsyncClient) -> None:
    assert app._store is not None
    door = Door(app._store, HERE + "/fhir")
    statement = {**STATEMENT, "id": "of-the-guide"}
    await guides.add(door, OWNER, package(profile(), statement))
    said = await metadata(asking)
    (patient,) = [one for one in said["rest"][0]["resource"] if one["type"] == "Patient"]
    assert (said["implementationGuide"], patient["supportedProfile"], "instantiates" in said) == (
        *(["http://example.org/ig/ImplementationGuide/example.ig|1.0.0"], [PROFILE], False),
    )
    made = await written(asking, {**profile("other", kind="logical"), "meta": {"tag": TAGS}})
    assert made.status_code == 201, made.text
    refused = await written(asking, RECORD)
    assert refused.status_code == 409
    assert f"hilum ig remove {LABEL}" in refused.json()["issue"][0]["diagnostics"]
    await asyncio.sleep(LOOK_SECONDS + 0.1)
    assert await metadata(asking) == said
    ((guide, bodies),) = await guides.profiles(door, "example.ig")
    assert (guide.types, [one["url"] for one in bodies]) == (
        *({"CapabilityStatement": 1, "ImplementationGuide": 1, "StructureDefinition": 1}, [PROFILE]),
    )
