"""What the token endpoint answers, and what the FHIR API makes of the token.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from tests.conformance.smart.ground import App, Ground, claims, error, ids
from tests.conformance.smart.people import ADA
from tests.conformance.smart.visitor import Choices
from tests.journeys.server import FHIR_JSON

SCOPE = "openid launch/patient patient/*.rs offline_access"
GRANTED = "openid offline_access launch/patient patient/*.rs"


def test_smart22_73_74_75_78_84_g10_AUT_PAT_16_35_a_code_becomes_tokens(both: Ground) -> None:
    app = both.app()
    page = both.authorize(app, SCOPE)
    answer = both.exchange(app, page.back["code"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    tokens = [found.pop(name) for name in ("access_token", "id_token", "refresh_token")]
    assert all(isinstance(one, str) for one in tokens)
    assert found == {"token_type": "Bearer", "expires_in": 3600, "scope": GRANTED, "patient": "p1"}
    for one in tokens:  # they are in the body and nowhere else
        assert one not in page.url
        assert all(one not in value for value in answer.headers.values())


def test_smart22_73_a_request_that_is_denied_is_told_so(ground: Ground, app: App) -> None:
    assert error(ground.exchange(app, "hac_nothing")) == (400, "invalid_grant")
    assert error(ground.ask("/auth/token", {}, app)) == (400, "invalid_request")
    assert error(ground.ask("/auth/token", {"grant_type": "password"}, app)) == (400, "unsupported_grant_type")


def test_smart22_78_the_scope_is_what_was_granted_and_not_what_was_asked_for(ground: Ground) -> None:
    app = ground.app("launch/patient patient/Observation.rs patient/Condition.rs")
    asked = "launch/patient patient/*.cruds offline_access patient/Nothing.rs"
    untick = Choices(untick=lambda value: "Condition" in value)
    found = ground.tokens(app, asked, ADA, untick)
    assert found["scope"] == "launch/patient patient/Observation.rs"
    assert "refresh_token" not in found


def test_smart22_85_an_access_token_has_the_characters_that_a_header_can_have(ground: Ground, app: App) -> None:
    """https://www.rfc-editor.org/rfc/rfc6750#section-2.1: b64token"""
    token = ground.tokens(app, SCOPE)["access_token"]
    assert re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", token)


def test_smart22_86_87_g10_AUT_PAT_16_35_nobody_keeps_an_answer(ground: Ground, app: App) -> None:
    first = ground.exchange(app, ground.authorize(app, SCOPE).back["code"])
    again = ground.refresh(app, first.json()["refresh_token"])
    wrong = ground.refresh(app, "hrt_nothing")
    assert [answer.status_code for answer in (first, again, wrong)] == [200, 200, 400]
    for answer in (first, again, wrong):
        assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")


def test_smart22_88_a_token_says_how_long_it_lasts(ground: Ground, app: App) -> None:
    found = ground.tokens(app, SCOPE)
    assert type(found["expires_in"]) is int
    assert 0 < found["expires_in"] <= 3600
    said = claims(found["access_token"])
    assert said["exp"] - said["iat"] == found["expires_in"]
    assert abs(said["iat"] - time.time()) < 60


@pytest.mark.parametrize(
    ("scope", "untick", "comes"),
    [
        ("patient/*.rs", (), False),
        ("patient/*.rs online_access", (), True),
        ("patient/*.rs offline_access", (), True),
        ("patient/*.rs online_access offline_access", (), True),
        ("patient/*.rs online_access", ("stay",), False),
        ("patient/*.rs offline_access", ("stay",), False),
    ],
)
def test_smart22_89_g10_AUT_PAT_11_a_refresh_token_comes_where_access_is_to_last(
    both: Ground, scope: str, untick: tuple[str, ...], comes: bool
) -> None:
    found = both.tokens(both.app(), scope, ADA, Choices(untick=untick))
    assert ("refresh_token" in found) is comes
    assert any(one in found["scope"] for one in ("online_access", "offline_access")) is comes


def test_smart22_89_no_refresh_token_comes_to_an_app_that_is_not_registered_for_lasting_access(
    ground: Ground,
) -> None:
    found = ground.tokens(ground.app("patient/*.rs"), "patient/*.rs offline_access")
    assert ("refresh_token" in found, "offline_access" in found["scope"]) == (False, False)


@pytest.fixture(scope="module")
def said(ground: Ground, app: App) -> dict[str, Any]:
    """The claims of a token that holds."""
    return claims(ground.tokens(app, "patient/Observation.rs patient/Patient.rs")["access_token"])


def status(ground: Ground, token: str) -> int:
    with ground.fhir(token) as client:
        answer = client.get("Observation/o1")
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"
    return answer.status_code


def test_smart22_77_94_265_an_expired_token_is_not_accepted(ground: Ground, said: dict[str, Any]) -> None:
    now = int(time.time())
    assert status(ground, ground.signed(said)) == 200
    assert status(ground, ground.signed(said | {"iat": now - 3000, "nbf": now - 3000, "exp": now + 600})) == 200
    assert status(ground, ground.signed(said | {"iat": now - 3700, "nbf": now - 3700, "exp": now - 100})) == 401


def test_smart22_94_265_a_token_that_is_not_whole_or_not_from_here_is_not_accepted(ground: Ground, app: App) -> None:
    token = ground.tokens(app, "patient/*.rs")["access_token"]
    head, body, signature = token.split(".")
    other = "B" if body[20] == "A" else "A"
    wrong = [
        f"{head}.{body[:20]}{other}{body[21:]}.{signature}",
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}.",
        f"{head}.{body}",
        "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + body + ".",
        "nonsense",
    ]
    assert status(ground, token) == 200
    assert [status(ground, one) for one in wrong] == [401] * len(wrong)
    with ground.fhir(token) as client:
        del client.headers["authorization"]
        assert client.get("Observation/o1").status_code == 401


def test_smart22_94_265_a_token_whose_client_or_grant_ended_is_not_accepted(
    ground: Ground, said: dict[str, Any]
) -> None:
    assert status(ground, ground.signed(said | {"client_id": "nobody-knows"})) == 401
    assert status(ground, ground.signed(said | {"grant": "01a204f8-d207-7cce-9053-bd3fdfa2b4e0"})) == 401


def test_smart22_96_a_token_for_another_server_is_not_accepted(ground: Ground, said: dict[str, Any]) -> None:
    assert said["aud"] == ground.base
    assert status(ground, ground.signed(said | {"aud": "https://elsewhere.example.org/fhir"})) == 401
    assert status(ground, ground.signed(said | {"iss": "https://elsewhere.example.org"})) == 401


def test_smart22_95_266_what_no_scope_covers_is_refused(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "patient/Observation.rs patient/Patient.r")
    with ground.fhir(found) as client:
        assert ids(client.get("Observation")) == ["o1", "o2"]
        assert client.get("Patient/p1").status_code == 200
        body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        refused = [
            client.get("Patient"),
            client.get("Condition/c1"),
            client.get("Condition"),
            client.get("Patient/p1/Condition"),
            client.post("Observation", json=body, headers=FHIR_JSON),
            client.put("Observation/o1", json=body | {"id": "o1"}, headers=FHIR_JSON),
            client.delete("Observation/o1"),
        ]
        assert [answer.status_code for answer in refused] == [403] * len(refused)
        assert {answer.json()["resourceType"] for answer in refused} == {"OperationOutcome"}
