"""What Inferno's test kits look at, as they do: SMART App Launch (STU2, 2.2) and the ONC's (g)(10).

https://github.com/inferno-framework/smart-app-launch-test-kit, https://github.com/onc-healthit/onc-certification-g10-test-kit
"""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from tests.conformance.smart.backend import TYPE, Service, claims_of, public, service
from tests.conformance.smart.ground import App, Ground, error, proof
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Choices, address

INFERNO = "https://inferno.test"
REDIRECT = f"{INFERNO}/custom/smart/redirect"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"


@pytest.fixture(scope="module")
def inferno(ground: Ground) -> App:
    """Inferno, as it would be registered."""
    return ground.app(name="Inferno", redirects=(REDIRECT,), launches=(f"{INFERNO}/custom/smart/launch",))


@pytest.fixture(scope="module")
def answer(ground: Ground, inferno: App) -> dict[str, Any]:
    return ground.tokens(inferno, SCOPE, ADA)


def cross(method: str, url: str, **more: Any) -> httpx.Response:
    headers = {"origin": INFERNO} | address() | more.pop("headers", {})
    return httpx.request(method, url, headers=headers, **more)


def test_inferno_well_known_capabilities_stu2(ground: Ground) -> None:
    said = ground.said
    for name in ("authorization_endpoint", "token_endpoint", "issuer", "jwks_uri"):
        assert said[name].startswith("http"), name
    for name in ("capabilities", "grant_types_supported", "code_challenge_methods_supported"):
        assert all(type(one) is str and one for one in said[name]), name
    assert "authorization_code" in said["grant_types_supported"]
    assert "S256" in said["code_challenge_methods_supported"]
    assert "plain" not in said["code_challenge_methods_supported"]


@pytest.mark.parametrize("path", [".well-known/smart-configuration", "metadata"])
def test_inferno_cors_of_discovery(ground: Ground, path: str) -> None:
    found = cross("GET", f"{ground.base}/{path}")
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] in ("*", INFERNO)


def test_inferno_cors_of_the_token_and_of_the_fhir_user(ground: Ground, inferno: App) -> None:
    ends = time.monotonic() + 5  # within which a new registration holds
    asks = {"access-control-request-method": "POST"}
    while "access-control-allow-origin" not in cross("OPTIONS", f"{ground.origin}/auth/token", headers=asks).headers:
        assert time.monotonic() < ends
        time.sleep(0.1)
    page = ground.authorize(inferno, SCOPE, ADA)
    form = {
        "grant_type": "authorization_code",
        "code": page.back["code"],
        "redirect_uri": REDIRECT,
        "client_id": inferno.id,
        "code_verifier": "v" * 43,
    }
    found = cross("POST", f"{ground.origin}/auth/token", data=form)
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] in ("*", INFERNO)
    said = found.json()
    user = claims_of(said["id_token"])["fhirUser"]
    read = cross("GET", user, headers={"authorization": f"Bearer {said['access_token']}"})
    assert (read.status_code, read.json()["resourceType"]) == (200, "Patient")
    assert read.headers["access-control-allow-origin"] in ("*", INFERNO)


def test_inferno_token_response_body(answer: dict[str, Any]) -> None:
    assert {name: type(answer[name]) for name in ("access_token", "token_type", "expires_in", "scope", "patient")} == {
        "access_token": str, "token_type": str, "expires_in": int, "scope": str, "patient": str,
    }  # fmt: skip
    assert answer["token_type"].casefold() == "bearer"
    assert {type(answer[name]) for name in ("id_token", "refresh_token")} == {str}


def test_inferno_token_response_headers(ground: Ground, inferno: App) -> None:
    found = ground.exchange(inferno, ground.authorize(inferno, SCOPE, ADA).back["code"])
    assert "no-store" in found.headers["cache-control"].lower()
    assert "no-cache" in found.headers["pragma"].lower()


def test_inferno_openid_fhir_user_claim(answer: dict[str, Any]) -> None:
    url = claims_of(answer["id_token"])["fhirUser"]
    assert re.fullmatch(
        r"https?://\S+/(Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/[A-Za-z0-9.-]+", url
    )


def test_inferno_openid_token_payload(ground: Ground, inferno: App, answer: dict[str, Any]) -> None:
    claims = claims_of(answer["id_token"])
    assert claims["iss"] == httpx.get(f"{ground.origin}/.well-known/openid-configuration").json()["issuer"]
    assert claims["aud"] == inferno.id
    assert 0 < len(claims["sub"]) <= 255
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("asks", [False, True], ids=["without scopes", "with scopes"])
def test_inferno_token_refresh_body(ground: Ground, inferno: App, asks: bool) -> None:
    first = ground.tokens(inferno, SCOPE, ADA)
    more = {"scope": first["scope"]} if asks else {}
    found = ground.refresh(inferno, first["refresh_token"], **more)
    assert found.status_code == 200
    assert {"access_token", "token_type", "expires_in", "scope"} <= found.json().keys()
    assert set(found.json()["scope"].split()) <= set(first["scope"].split())
    assert "no-store" in found.headers["cache-control"]


@pytest.mark.parametrize(
    "form", [{"code": "BAD_CODE"}, {"client_id": "BAD_CLIENT_ID"}, {"code": "BAD_CODE", "client_id": "BAD_CLIENT_ID"}]
)
def test_inferno_invalid_token_request(ground: Ground, inferno: App, form: dict[str, str]) -> None:
    code = ground.authorize(inferno, SCOPE, ADA).back["code"]
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": "v" * 43}
    found = ground.ask("/auth/token", given | {"client_id": inferno.id} | form)
    assert found.status_code in (400, 401)


@pytest.mark.parametrize("verifier", [None, "", "w" * 43, "the challenge itself"])
def test_inferno_invalid_pkce_code_verifier(ground: Ground, inferno: App, verifier: str | None) -> None:
    made = proof()
    code = ground.authorize(inferno, SCOPE, ADA, proof=made).back["code"]
    sent = made.challenge if verifier == "the challenge itself" else verifier
    assert ground.exchange(inferno, code, sent).status_code in (400, 401)


def test_inferno_invalid_token_refresh(ground: Ground, inferno: App, answer: dict[str, Any]) -> None:
    assert ground.refresh(inferno, "INVALID_REFRESH_TOKEN").status_code in (400, 401)


def test_inferno_invalid_aud(ground: Ground, inferno: App) -> None:
    back = ground.authorize(inferno, SCOPE, ADA, aud="https://inferno.healthit.gov/invalid_aud").back
    assert back["error"]
    assert "code" not in back


def test_inferno_backend_services(ground: Ground) -> None:
    one = service(ground)
    assert one.ask(grant_type="not_a_grant_type").status_code == 400
    assert error(one.ask(client_assertion_type="not_an_assertion_type"))[0] in (400, 401)
    assert error(one.ask(assertion=one.assertion(iss="not_a_valid_iss")))[0] in (400, 401)
    found = one.ask()
    assert found.status_code == 200
    assert found.json()["token_type"].casefold() == "bearer"
    assert {"access_token", "expires_in", "scope"} <= found.json().keys()


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_inferno_asymmetric_launch(ground: Ground, alg: str) -> None:
    """Authorization and refresh of an app that signs (its head has `typ`, its `aud` is the token endpoint)."""
    app = ground.app(method="private_key_jwt", jwks=public(), redirects=(REDIRECT,))
    signer = Service(ground, app.id)

    def prove() -> dict[str, str]:
        return {"client_assertion_type": TYPE, "client_assertion": signer.assertion(alg)}

    code = ground.authorize(app, SCOPE, ADA).back["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": "v" * 43}
    found = ground.ask("/auth/token", form | prove())
    assert found.status_code == 200, found.text
    again = {"grant_type": "refresh_token", "refresh_token": found.json()["refresh_token"]}
    assert ground.ask("/auth/token", again | prove()).status_code == 200


def test_inferno_token_introspection(ground: Ground) -> None:
    app = ground.app(method="client_secret_basic")
    given = ground.tokens(app, f"{SCOPE} launch/encounter", ADA, Choices(encounter="e2"))
    found = ground.ask("/auth/introspect", {"token": given["access_token"]}, app).json()
    assert found["active"] is True
    assert (found["scope"], found["client_id"]) == (given["scope"], app.id)
    assert (found["patient"], found["encounter"]) == (given["patient"], given["encounter"]) == ("p1", "e2")
    claims = claims_of(given["id_token"])
    assert (found["iss"], found["sub"]) == (claims["iss"], claims["sub"])
    assert type(found["exp"]) is int
    assert ground.ask("/auth/introspect", {"token": "invalid_token_value"}, app).json() == {"active": False}


def test_inferno_unauthorized_access(ground: Ground) -> None:
    assert httpx.get(f"{ground.base}/Patient/p1", headers=address()).status_code == 401


def test_inferno_token_revocation(ground: Ground, inferno: App) -> None:
    given = ground.tokens(inferno, SCOPE, ADA)
    assert ground.ask("/auth/revoke", {"token": given["refresh_token"]}, inferno).status_code == 200
    with ground.fhir(given) as fhir:
        assert fhir.get("Patient/p1").status_code == 401
    assert ground.refresh(inferno, given["refresh_token"]).status_code in (400, 401)


def test_inferno_limited_scope_grant(ground: Ground, inferno: App) -> None:
    every = " ".join(f"patient/{type}.rs" for type in ("Patient", "Condition", "Observation", "Encounter", "Goal"))
    left = Choices(untick=lambda box: box.startswith(("patient/Encounter", "patient/Goal")))
    given = ground.tokens(inferno, f"launch/patient openid fhirUser offline_access {every}", ADA, left)
    with ground.fhir(given) as fhir:
        statuses = {type: fhir.get(f"{type}?patient=p1").status_code
                    for type in ("Condition", "Observation", "Encounter", "Goal")}  # fmt: skip
    assert statuses == {"Condition": 200, "Observation": 200, "Encounter": 403, "Goal": 403}


def test_inferno_granular_scope_selection(ground: Ground, inferno: App) -> None:
    """Of what is asked for whole, categories are granted, and Patient by itself with letters of v2."""
    asked = "launch/patient openid offline_access patient/Condition.rs patient/Observation.rs patient/Patient.rs"
    some = Choices(untick=lambda box: "laboratory" in box or "problem-list-item" in box)
    granted = ground.tokens(inferno, asked, ADA, some)["scope"].split()
    for type in ("Condition", "Observation"):
        of_type = [scope for scope in granted if scope.startswith(f"patient/{type}.")]
        assert of_type
        assert all(re.fullmatch(rf"patient/{type}\.rs\?category=\S+\|\S+", scope) for scope in of_type), of_type
    assert "patient/Patient.rs" in granted


def test_inferno_v1_scopes(ground: Ground, inferno: App) -> None:
    asked = "launch/patient openid fhirUser offline_access patient/Patient.read patient/Condition.read"
    granted = ground.tokens(inferno, asked, ADA)["scope"].split()
    of_patient = {scope for scope in granted if scope.startswith("patient/")}
    assert of_patient == {"patient/Patient.read", "patient/Condition.read"}


def test_inferno_ehr_launch(ground: Ground, inferno: App) -> None:
    launch = ground.launch(inferno, KIM, patient="p1", encounter="e1", need_patient_banner=False,
                           smart_style_url=f"{ground.origin}/auth/style.json")  # fmt: skip
    given = ground.tokens(inferno, "launch openid fhirUser offline_access user/*.rs", KIM, launch=launch)
    assert (given["patient"], given["encounter"], given["need_patient_banner"]) == ("p1", "e1", False)
    style = httpx.get(given["smart_style_url"])
    assert style.status_code == 200
    assert type(style.json()) is dict
    with ground.fhir(given) as fhir:
        assert fhir.get(f"Encounter/{given['encounter']}").status_code == 200


def test_inferno_ehr_patient_launch(ground: Ground, inferno: App) -> None:
    launch = ground.launch(inferno, KIM, patient="p1")
    given = ground.tokens(inferno, "launch openid fhirUser offline_access patient/Patient.rs", KIM, launch=launch)
    assert given["patient"] == "p1"
    assert "patient/Patient.rs" in given["scope"].split()


def test_inferno_access_brands(ground: Ground) -> None:
    found = cross("GET", ground.said["user_access_brand_bundle"])
    assert found.status_code == 200
    assert found.headers["access-control-allow-origin"] in ("*", INFERNO)
    assert found.headers["etag"].startswith('W/"')
    bundle = found.json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert bundle["timestamp"]
    assert {entry["resource"]["resourceType"] for entry in bundle["entry"]} == {"Organization", "Endpoint"}
    resources = [entry["resource"] for entry in bundle["entry"]]
    urls = [one["address"] for one in resources if one["resourceType"] == "Endpoint"]
    assert ground.base in [url.removesuffix("/") for url in urls]
    for url in urls:
        assert httpx.get(f"{url.removesuffix('/')}/metadata").json()["resourceType"] == "CapabilityStatement"
