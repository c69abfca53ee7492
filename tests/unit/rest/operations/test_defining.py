"""OperationDefinitions are made from the table, sound, and kept from everybody's hands."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.oauth.scopes import parse
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.operations.defining import definition
from hilum.rest.operations.operation import LEVELS, Operation
from hilum.rest.operations.table import OPERATIONS
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite
from hilum.validation import validate

BASE = "http://hilum.test/fhir"
OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
CLAIMED = [one for one in OPERATIONS if not one.reserved]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    yield Service(Door(store, BASE), Links(bytes(32)), Router(ROUTES))
    await store.close()


@pytest.mark.parametrize("operation", CLAIMED, ids=lambda one: one.name)
def test_each_definition_is_a_sound_resource(operation: Operation) -> None:
    body = definition(operation, BASE)
    assert [issue for issue in validate(body) if issue.severity == "error"] == []
    assert body["url"] == f"{BASE}/OperationDefinition/{body['id']}"
    assert set(operation.levels) <= set(LEVELS)
    assert (operation.run is None) != (operation.answer is None)


@pytest.fixture(scope="module")
def core() -> dict[str, Any]:
    """HL7's definitions, by id."""
    found = {}
    with tarfile.open(DATA / "igs" / "hl7.fhir.r4.core.tgz") as package:
        for member in package:
            if member.name.startswith("package/OperationDefinition-"):
                file = package.extractfile(member)
                assert file is not None
                body = json.parse(file.read())
                found[body["id"]] = body
    return found


@needs_data
@pytest.mark.parametrize("operation", [one for one in CLAIMED if one.hl7], ids=lambda one: one.name)
def test_what_is_said_to_be_hl7s_is(operation: Operation, core: dict[str, Any]) -> None:
    theirs = core[operation.name]
    assert theirs["url"] == operation.canonical(BASE)
    assert theirs["code"] == operation.code
    known = {(one["name"], one["use"]): one for one in theirs.get("parameter", ())}
    for one in operation.parameters:
        said = known.get((one.name, one.use))
        if said is not None and "type" in said:
            assert (one.name, one.type) == (one.name, said["type"])


def test_names_and_places_are_taken_once() -> None:
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))
    places = [(route.method, route.pattern) for route in ROUTES if route.interaction not in ("transaction", "batch")]
    assert len(places) == len(set(places))


async def test_a_definition_is_read_by_who_may_read_such_and_stored_by_nobody(service: Service) -> None:
    async def ask(method: str, who: Principal, id: str = "hilum-Patient-everything") -> tuple[int, bytes]:
        body = {"resourceType": "OperationDefinition", "id": id, "name": "x", "status": "draft", "kind": "operation",
                "code": "x", "system": False, "type": False, "instance": False}  # fmt: skip
        path = ("OperationDefinition", id)
        headers = {b"content-type": b"application/fhir+json"}
        sent = json.encode(body) if method == "PUT" else b""
        found = await router.answer(service, Request(method, path, "", headers, sent, who))
        return found.status, found.body

    reader = Principal("r", "test", "", of_scopes(parse("system/OperationDefinition.r"), None), 1 << 62)
    other = Principal("o", "test", "", of_scopes(parse("system/Patient.cruds"), None), 1 << 62)
    status, body = await ask("GET", reader)
    assert (status, json.parse(body)["code"]) == (200, "everything")
    assert (await ask("GET", other))[0] == 403
    assert (await ask("GET", reader, "hilum-nothing"))[0] == 404
    assert (await ask("PUT", OWNER))[0] == 405
    assert (await ask("PUT", OWNER, "hilum-nothing"))[0] == 405
    assert (await ask("PUT", OWNER, "mine"))[0] == 201
    assert (await ask("DELETE", OWNER))[0] == 405
