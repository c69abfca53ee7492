"""What the CapabilityStatement says of access. http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hilum.interactions.door import Door
from hilum.rest.capability import statement
from hilum.rest.links import Links
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite

ORIGIN = "https://hilum.example"


@pytest.fixture
async def security(tmp_path: Path) -> Any:
    store = await open_sqlite(str(tmp_path / "store.db"))

    def said(**more: Any) -> dict[str, Any]:
        service = Service(Door(store, ORIGIN + "/fhir"), Links(bytes(32)), Router(ROUTES), **more)
        found: dict[str, Any] = statement(service)["rest"][0]["security"]
        return found

    yield said
    await store.close()


def test_older_apps_find_the_authorization_server(security: Callable[..., dict[str, Any]]) -> None:
    found = security(issuer=ORIGIN)
    uris, *capabilities = found["extension"]
    assert uris == {
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [
            {"url": "authorize", "valueUri": ORIGIN + "/auth/authorize"},
            {"url": "token", "valueUri": ORIGIN + "/auth/token"},
            {"url": "introspect", "valueUri": ORIGIN + "/auth/introspect"},
            {"url": "revoke", "valueUri": ORIGIN + "/auth/revoke"},
            {"url": "register", "valueUri": ORIGIN + "/auth/register"},
            {"url": "manage", "valueUri": ORIGIN + "/my/apps"},
        ],
    }
    assert {
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/capabilities",
        "valueCode": "launch-ehr",
    } in (capabilities)
    assert found["cors"] is True
    (service,) = found["service"]
    assert service["coding"][0]["code"] == "SMART-on-FHIR"
    assert service["coding"][0]["system"] == "http://terminology.hl7.org/CodeSystem/restful-security-service"
    assert ORIGIN + "/fhir/.well-known/smart-configuration" in found["description"]


def test_where_there_is_none_nothing_is_promised(security: Callable[..., dict[str, Any]]) -> None:
    for found in (security(), security(token_needed=False), security(token_needed=False, issuer=ORIGIN)):
        assert sorted(found) == ["cors", "description"]
        assert found["cors"] is False
