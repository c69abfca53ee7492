"""Which pages of other origins may read what: everybody's, those of registered apps, none."""

from __future__ import annotations

import pytest

from hilum.app.cors import ANY, ORIGIN, VARY, Cors

APP, STRANGER = b"https://app.example", b"https://elsewhere.example"


async def learn() -> None:
    """There is nothing new."""


CORS = Cors(lambda: {APP.decode()}, learn)


def readers(path: bytes) -> list[bool]:
    """Whether a page of an app's may read the answer, and a stranger's."""
    return [
        any(header in (ANY, (ORIGIN, origin)) for header in CORS.headers(path, origin)) for origin in (APP, STRANGER)
    ]


@pytest.mark.parametrize("path", [b"/fhir/metadata", b"/.well-known/jwks.json", b"/api/openapi.json"])
def test_what_teaches_is_for_every_page(path: bytes) -> None:
    assert readers(path) == [True, True]


@pytest.mark.parametrize(
    "path", [b"/fhir", b"/fhir/Patient", b"/auth/token", b"/api/v1/gather", b"/api/v1/gather/1/events", b"/api/v1/ehrs"]
)
def test_what_holds_data_is_for_pages_of_apps(path: bytes) -> None:
    assert readers(path) == [True, False]
    assert CORS.headers(path, STRANGER) == (VARY,)


@pytest.mark.parametrize(
    "path", [b"/", b"/auth/sign-in", b"/admin/clients", b"/api/docs", b"/api", b"/apiv1", b"/fhirx"]
)
def test_our_own_pages_are_for_none(path: bytes) -> None:
    assert CORS.headers(path, APP) == ()


def test_a_page_may_ask_from_where_it_left_off() -> None:
    asked = {b"origin": APP, b"access-control-request-method": b"GET"}
    said = dict(CORS.preflight("OPTIONS", b"/api/v1/gather/1/events", asked) or [])
    assert said[ORIGIN] == APP
    assert b"last-event-id" in said[b"access-control-allow-headers"]
    assert b"idempotency-key" in said[b"access-control-allow-headers"]
