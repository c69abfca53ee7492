"""Where an EHR signs its clients in. https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.broker import ehr
from tests.unit.broker.ehr import HERE, Ehr, Said, said
from tests.unit.smart.pages import Clock

from hilum.broker.discovery import LIFE, STALE, Discovery, Found, configured, declared
from hilum.broker.far import Failed

BASE = "https://ehr.example.org/api/FHIR/R4"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def statement(**uris: str) -> dict[str, Any]:
    extension = [{"url": name, "valueUri": uri} for name, uri in uris.items()]
    security = {"extension": [{"url": "http://example.org/other"}, {"url": OAUTH_URIS, "extension": extension}]}
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "security": security}]}


async def test_what_hilum_says_of_itself_is_found() -> None:
    async with ehr.hilum() as here:
        found = await Discovery(HERE, here.clock).of(here.base)
    origin = here.base.removesuffix("/fhir")
    assert (found.base, found.token, found.authorize) == (
        here.base, f"{origin}/auth/token", f"{origin}/auth/authorize",
    )  # fmt: skip
    assert (found.issuer, found.jwks) == (origin, f"{origin}/.well-known/jwks.json")
    assert "client-confidential-asymmetric" in found.capabilities
    assert "private_key_jwt" in found.methods
    assert found.algorithms == {"RS384", "ES384"}
    assert "client_credentials" in found.grants
    assert found.challenges == {"S256"}
    assert found.ahead == pytest.approx(0, abs=1)


def test_relative_addresses_are_relative_to_the_fhir_base() -> None:
    """https://hl7.org/fhir/smart-app-launch/conformance.html: new URL(relativeUrl, fhirBaseUrl)"""
    document = {"token_endpoint": "/oauth2/token", "authorization_endpoint": "../authorize", "jwks_uri": "keys"}
    assert configured(BASE, document) == Found(
        BASE,
        "https://ehr.example.org/oauth2/token",
        "/.well-known/smart-configuration",
        authorize="https://ehr.example.org/api/authorize",
        jwks="https://ehr.example.org/api/FHIR/keys",
    )


@pytest.mark.parametrize("token", [None, "", 7, [], "javascript:alert(1)", "https://[", "https://ehr example/"])
def test_what_names_no_token_endpoint_is_no_configuration(token: Any) -> None:
    assert configured(BASE, {"token_endpoint": token}) is None
    assert declared(BASE, statement(token=token)) is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"rest": 7},
        {"rest": [7, {"security": []}]},
        {"rest": [{"security": {"extension": [7, {"url": OAUTH_URIS}]}}]},
    ],
)
def test_a_statement_of_any_shape_is_read_or_says_nothing(document: dict[str, Any]) -> None:
    assert declared(BASE, document) is None


def test_members_of_other_types_say_nothing() -> None:
    document = {"token_endpoint": "/t", "capabilities": "all", "scopes_supported": ["a", 7, None], "issuer": 7}
    found = configured(BASE, document)
    assert found is not None
    assert (found.capabilities, found.scopes, found.issuer) == (frozenset(), {"a"}, "")


@pytest.mark.parametrize("first", [said(404, b"no"), said(200, b"<html>"), said(200, {"capabilities": []}), said(403)])
async def test_an_ehr_without_a_configuration_is_found_by_its_capability_statement(first: Said) -> None:
    def tell(method: str, path: str, form: Mapping[str, str]) -> Said:
        return said(200, statement(token="/token", authorize="/authorize")) if path == "/fhir/metadata" else first

    async with ehr.telling(tell) as here:
        found = await Discovery(HERE, here.clock).of(here.base)
    origin = here.base.removesuffix("/fhir")
    assert found == Found(here.base, f"{origin}/token", "/metadata", authorize=f"{origin}/authorize")


async def found_by(tell: Any) -> Failed:
    async with ehr.telling(tell) as here:
        with pytest.raises(Failed) as caught:
            await Discovery(HERE, here.clock).of(here.base)
    return caught.value


async def test_an_address_that_tells_nothing_is_not_the_base_of_an_ehr() -> None:
    failed = await found_by(lambda *_: said(404, b"no"))
    assert (failed.kind, failed.side, failed.status) == ("absent", "ours", 404)
    assert "FHIR base URL" in failed.text


@pytest.mark.parametrize("path", ["/fhir/.well-known/smart-configuration", "/fhir/metadata"])
async def test_an_ehr_that_fails_is_to_be_asked_again(path: str) -> None:
    failed = await found_by(lambda _, asked, __: said(503, b"x") if asked == path else said(404, b"no"))
    assert (failed.kind, failed.side, failed.again) == ("broken", "theirs", True)


async def test_a_host_that_does_not_answer_is_told_with_what_to_look_at() -> None:
    with pytest.raises(
        Failed, match=r"127\.0\.0\.1: no connection could be made, .* Look whether a firewall"
    ) as caught:
        await Discovery(HERE).of("http://127.0.0.1:1/fhir")
    assert (caught.value.kind, caught.value.side, caught.value.again) == ("unreachable", "network", True)


async def test_it_is_asked_again_after_a_while_and_what_was_known_serves_while_it_fails() -> None:
    fails = [False]
    asked: list[str] = []

    def tell(method: str, path: str, form: Mapping[str, str]) -> Said:
        asked.append(path)
        return said(503, b"x") if fails[0] else said(404)

    clock = Clock()
    async with ehr.telling(tell) as here:
        discovery = Discovery(HERE, clock, clock)
        first = await discovery.of(here.base)
        clock.now += LIFE - 1
        assert await discovery.of(here.base) is first
        assert len(asked) == 1
        clock.now += 1
        fails[0] = True
        assert await discovery.of(here.base) is first
        assert len(asked) == 2
        with pytest.raises(Failed):
            await discovery.of(here.base, again=True)
        clock.now += STALE
        with pytest.raises(Failed):
            await discovery.of(here.base)
        assert isinstance(here, Ehr)


async def test_a_clock_that_is_wrong_is_seen() -> None:
    def tell(method: str, path: str, form: Mapping[str, str]) -> Said:
        return said(200, {"token_endpoint": "/t"}, date="Fri, 15 Jan 2027 08:05:00 GMT")

    async with ehr.telling(tell) as here:
        assert (await Discovery(HERE, Clock()).of(here.base)).ahead == 300.0
