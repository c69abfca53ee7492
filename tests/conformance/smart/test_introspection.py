"""What a token is worth, for resource servers other than hilum.

https://hl7.org/fhir/smart-app-launch/token-introspection.html, https://www.rfc-editor.org/rfc/rfc7662
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.conformance.smart.backend import claims_of, service
from tests.conformance.smart.ground import App, Ground, error
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Choices, address

SCOPE = "openid fhirUser launch/patient launch/encounter patient/*.rs offline_access"


@pytest.fixture(scope="module")
def answer(ground: Ground, app: App) -> dict[str, Any]:
    """The token response that is looked at."""
    return ground.tokens(app, SCOPE, ADA, Choices(encounter="e1"), nonce="n")


def seen(ground: Ground, app: App | None, token: str, **headers: str) -> dict[str, Any]:
    found = ground.ask("/auth/introspect", {"token": token}, app, **headers)
    assert found.status_code == 200, found.text
    return dict(found.json())


def test_smart22_271_272_g10_TOK_INTRO_1_a_form_is_posted_and_json_comes(
    ground: Ground, app: App, answer: dict[str, Any]
) -> None:
    found = ground.ask("/auth/introspect", {"token": answer["access_token"]}, app)
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    assert (found.headers["cache-control"], found.headers["pragma"]) == ("no-store", "no-cache")
    assert found.json()["active"] is True
    with_hint = {"token": answer["access_token"], "token_type_hint": "access_token"}
    assert ground.ask("/auth/introspect", with_hint, app).json() == found.json()
    by_get = httpx.get(f"{ground.origin}/auth/introspect", params={"token": "x"}, headers=address())
    assert by_get.status_code == 405


@pytest.mark.parametrize("token", ["made-up", "eyJhbGciOiJub25lIn0.e30.", "hrt_made-up", "hac_made-up"])
def test_smart22_272_g10_TOK_INTRO_1_of_what_is_no_token_it_says_only_that(
    ground: Ground, app: App, token: str
) -> None:
    assert seen(ground, app, token) == {"active": False}


def test_smart22_273_274_275_276_g10_TOK_INTRO_1_scope_client_and_end_are_those_of_the_answer(
    ground: Ground, app: App, answer: dict[str, Any]
) -> None:
    found = seen(ground, app, answer["access_token"])
    assert (found["scope"], found["client_id"]) == (answer["scope"], app.id)
    assert type(found["exp"]) is int
    assert found["exp"] - found["iat"] == answer["expires_in"]
    assert found["exp"] == claims_of(answer["access_token"])["exp"]


def test_smart22_277_g10_TOK_INTRO_1_the_context_is_repeated(ground: Ground, app: App, answer: dict[str, Any]) -> None:
    found = seen(ground, app, answer["access_token"])
    assert (found["patient"], found["encounter"]) == (answer["patient"], answer["encounter"]) == ("p1", "e1")


def test_smart22_277_the_context_of_a_launch_is_repeated_whole(ground: Ground, app: App) -> None:
    context: dict[str, Any] = {
        "patient": "p1", "encounter": "e1", "intent": "reconcile-medications", "need_patient_banner": False,
        "fhirContext": [{"reference": "Observation/o1"}], "tenant": "lake", "smart_style_url": "https://e.example/s.json",
    }  # fmt: skip
    launch = ground.launch(app, KIM, **context)
    answer = ground.tokens(app, "launch user/*.rs offline_access", KIM, launch=launch)
    for token in (answer["access_token"], answer["refresh_token"]):
        found = seen(ground, app, token)
        assert {name: found.get(name) for name in context} == {name: answer.get(name) for name in context} == context


def test_smart22_278_279_280_g10_TOK_INTRO_1_iss_sub_and_fhirUser_are_those_of_the_id_token(
    ground: Ground, app: App, answer: dict[str, Any]
) -> None:
    claims, found = claims_of(answer["id_token"]), seen(ground, app, answer["access_token"])
    assert {name: found[name] for name in ("iss", "sub", "fhirUser")} == {
        "iss": ground.origin,
        "sub": ground.users[ADA],
        "fhirUser": f"{ground.base}/Patient/p1",
    }
    assert {name: claims[name] for name in ("iss", "sub", "fhirUser")}.items() <= found.items()


def test_smart22_281_a_client_sees_its_own_tokens_only(ground: Ground, answer: dict[str, Any]) -> None:
    other = ground.app(method="client_secret_basic")
    assert seen(ground, other, answer["access_token"]) == {"active": False}
    assert seen(ground, other, answer["refresh_token"]) == {"active": False}
    nobody = ground.ask("/auth/introspect", {"token": answer["access_token"]})
    assert error(nobody) == (401, "invalid_client")


def test_smart22_282_283_217_who_has_the_scope_sees_tokens_of_all_clients(
    ground: Ground, app: App, answer: dict[str, Any]
) -> None:
    guard = service(ground, "system/Patient.rs __introspect")
    bearer = guard.ask("__introspect").json()
    assert bearer["scope"] == "__introspect"
    found = seen(ground, None, answer["access_token"], authorization=f"Bearer {bearer['access_token']}")
    assert (found["active"], found["client_id"], found["scope"]) == (True, app.id, answer["scope"])
    own = seen(ground, None, bearer["access_token"], authorization=f"Bearer {bearer['access_token']}")
    assert (own["active"], own["client_id"]) == (True, guard.id)


def test_smart22_282_without_the_scope_a_token_is_not_enough(ground: Ground, answer: dict[str, Any]) -> None:
    other = service(ground, "system/*.rs __introspect").token("system/*.rs")
    form = {"token": answer["access_token"]}
    assert error(ground.ask("/auth/introspect", form, authorization=f"Bearer {other}")) == (403, "insufficient_scope")
    assert error(ground.ask("/auth/introspect", form, authorization="Bearer x")) == (401, "invalid_token")
    unregistered = service(ground, "system/*.rs").ask("system/*.rs __introspect").json()
    assert unregistered["scope"] == "system/*.rs"


def test_smart22_272_a_token_that_ended_is_not_active(ground: Ground, app: App) -> None:
    ended = ground.tokens(app, SCOPE, ADA)
    assert seen(ground, app, ended["access_token"])["active"] is True
    assert ground.ask("/auth/revoke", {"token": ended["refresh_token"]}, app).status_code == 200
    assert seen(ground, app, ended["access_token"]) == {"active": False}
    assert seen(ground, app, ended["refresh_token"]) == {"active": False}


def test_smart22_272_a_refresh_token_is_seen_until_it_is_used(ground: Ground, app: App) -> None:
    first = ground.tokens(app, SCOPE, ADA)["refresh_token"]
    found = seen(ground, app, first)
    assert (found["active"], found["client_id"], found["patient"]) == (True, app.id, "p1")
    second = ground.refresh(app, first).json()["refresh_token"]
    assert seen(ground, app, first) == {"active": False}
    assert seen(ground, app, second)["active"] is True


def test_smart22_271_the_token_is_a_parameter_of_the_form(ground: Ground, app: App, answer: dict[str, Any]) -> None:
    assert error(ground.ask("/auth/introspect", {}, app)) == (400, "invalid_request")
    in_url = httpx.post(
        f"{ground.origin}/auth/introspect?access_token={answer['access_token']}", data={"token": "x"}, headers=address()
    )
    assert error(in_url) == (400, "invalid_request")


def test_smart22_280_without_fhirUser_granted_it_is_not_told(ground: Ground, app: App) -> None:
    plain = ground.tokens(app, "launch/patient patient/*.rs", ADA)
    assert "fhirUser" not in seen(ground, app, plain["access_token"])


def test_smart22_134_a_token_of_many_scopes_stays_small(ground: Ground, app: App) -> None:
    scopes = [f"patient/Observation.rs?category={number}|{'x' * 40}" for number in range(60)]
    answer = ground.tokens(app, " ".join(["launch/patient", *scopes]), ADA)
    assert set(answer["scope"].split()) == {"launch/patient", *scopes}
    assert len(answer["access_token"]) < 4096
    assert seen(ground, app, answer["access_token"])["scope"] == answer["scope"]
