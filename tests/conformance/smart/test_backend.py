"""Backend services: a client for itself. https://hl7.org/fhir/smart-app-launch/backend-services.html"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.conformance.smart.backend import Service, claims_of, service
from tests.conformance.smart.ground import Ground, error, ids
from tests.journeys.server import FHIR_JSON

from hilum.access.ledger import Ledger
from hilum.smart.apps import clients


@pytest.fixture(scope="module")
def nightly(ground: Ground) -> Service:
    return service(ground)


def test_smart22_240_smart20_240_a_scope_beyond_the_registration_is_refused(ground: Ground) -> None:
    narrow = service(ground, "system/Patient.rs")
    assert error(narrow.ask("system/Observation.rs")) == (400, "invalid_scope")
    assert narrow.ask("system/Patient.rs").json()["scope"] == "system/Patient.rs"


def test_smart22_241_260_the_scope_parameter_restricts_the_token(ground: Ground, nightly: Service) -> None:
    answer = nightly.ask("system/Patient.rs").json()
    assert answer["scope"] == "system/Patient.rs"
    with ground.fhir(answer) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        assert fhir.get("Observation/o1").status_code == 403


def test_smart22_247_every_route_but_the_open_ones_needs_a_token(ground: Ground) -> None:
    statement = httpx.get(f"{ground.base}/metadata").json()
    types = [one["type"] for one in statement["rest"][0]["resource"]]
    assert len(types) > 140
    paths = [f"{type}" for type in types] + [f"{type}/x" for type in types[:3]]
    paths += ["Patient/p1", "Patient/p1/_history", "Patient/p1/_history/1", "Patient/_history", "_history", ""]
    paths += ["Patient/p1/$everything", "Patient/p1/Observation", "$graphql?query={x}", "Binary/x"]
    with httpx.Client(base_url=ground.base + "/", timeout=30) as nobody:
        answers = {path: nobody.get(path) for path in paths}
        for method, path in (("POST", ""), ("POST", "Patient"), ("PUT", "Patient/p1"), ("DELETE", "Patient/p1"),
                             ("PATCH", "Patient/p1"), ("POST", "Patient/_search"), ("POST", "$graphql")):  # fmt: skip
            answers[f"{method} {path}"] = nobody.request(method, path, json={}, headers=FHIR_JSON)
    assert {path for path, answer in answers.items() if answer.status_code != 401} == set()
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers.values())


def test_smart22_248_a_service_gets_no_refresh_token(nightly: Service) -> None:
    answer = nightly.ask("system/*.rs offline_access online_access")
    assert "refresh_token" not in answer.json()


def test_smart22_249_the_assertion_is_judged_by_the_asymmetric_profile(nightly: Service) -> None:
    for scheme in ({"aud": "https://elsewhere.example.org/token"}, {"exp": 1}, {"iss": "x"}, {"jti": None}):
        assert error(nightly.ask(assertion=nightly.assertion(**scheme))) == (401, "invalid_client"), scheme
    assert nightly.ask().status_code == 200


def test_smart22_250_259_g10_AUT_SYS_8_only_what_is_preauthorized_is_granted_and_the_answer_says_so(
    ground: Ground,
) -> None:
    narrow = service(ground, "system/Patient.rs system/Observation.r")
    answer = narrow.ask("system/Patient.cruds system/Observation.rs system/Condition.rs").json()
    assert sorted(answer["scope"].split()) == ["system/Observation.r", "system/Patient.rs"]
    with ground.fhir(answer) as fhir:
        assert fhir.get("Observation/o1").status_code == 200
        assert fhir.get("Observation").status_code == 403
        assert fhir.get("Condition/c1").status_code == 403
        assert (
            fhir.put("Patient/p1", json={"resourceType": "Patient", "id": "p1"}, headers=FHIR_JSON).status_code == 403
        )


def test_smart22_251_252_g10_AUT_SYS_10_errors_are_those_of_rfc_6749_and_say_why(
    ground: Ground, nightly: Service
) -> None:
    public = ground.app()
    secret = ground.app(method="client_secret_post")
    told = {
        "no grant type": error(ground.ask("/auth/token", {"scope": "system/*.rs"}, public)),
        "unknown grant type": error(ground.ask("/auth/token", {"grant_type": "password"}, public)),
        "nothing of a client": error(ground.ask("/auth/token", {"grant_type": "client_credentials"})),
        "not registered for it": error(ground.ask("/auth/token", {"grant_type": "client_credentials"}, secret)),
        "scope of people": error(nightly.ask("patient/*.rs")),
        "no scope": error(nightly.ask(None)),
        "no system scope": error(nightly.ask("openid")),
        "two ways at once": error(nightly.ask(client_secret="x")),
        "a code of nobody": error(ground.exchange(public, "hac_x")),
        "a refresh token of nobody": error(ground.refresh(public, "hrt_x")),
    }
    assert told == {
        "no grant type": (400, "invalid_request"),
        "unknown grant type": (400, "unsupported_grant_type"),
        "nothing of a client": (401, "invalid_client"),
        "not registered for it": (400, "unauthorized_client"),
        "scope of people": (400, "invalid_scope"),
        "no scope": (400, "invalid_scope"),
        "no system scope": (400, "invalid_scope"),
        "two ways at once": (400, "invalid_request"),
        "a code of nobody": (400, "invalid_grant"),
        "a refresh token of nobody": (400, "invalid_grant"),
    }


def test_smart22_253_254_255_256_257_258_261_262_g10_AUT_SYS_1_2_9_a_valid_request_gets_a_token_for_five_minutes(
    ground: Ground, nightly: Service
) -> None:
    answer = nightly.ask()
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    assert {name: said[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "system/*.rs",
    }
    claims = claims_of(said["access_token"])
    assert claims["exp"] - claims["iat"] == 300
    with ground.fhir(said) as fhir:
        assert fhir.get("Patient/p1").status_code == 200


def test_smart22_142_240_a_service_reads_across_patients(ground: Ground, nightly: Service) -> None:
    with ground.fhir(nightly.token()) as fhir:
        assert {"p1", "p2", "p3"} <= set(ids(fhir.get("Patient")))


def test_smart22_265_a_token_that_was_changed_or_is_another_servers_is_not_taken(
    ground: Ground, nightly: Service
) -> None:
    token = nightly.token()
    head, claims, signature = token.split(".")
    other = "A" if signature[5] != "A" else "B"
    for bad in (f"{head}.{claims}.{signature[:5]}{other}{signature[6:]}", f"{head}.{claims}.", f"{head}.{claims}", "x"):
        with ground.fhir(bad) as fhir:
            answer = fhir.get("Patient/p1")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_smart22_265_an_expired_token_is_not_taken(ground: Ground) -> None:
    with ground.server.client("system/*.rs", minutes=1 / 30) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        ends = time.monotonic() + 8
        while (answer := fhir.get("Patient/p1")).status_code == 200 and time.monotonic() < ends:
            time.sleep(0.2)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_smart22_266_243_a_token_reaches_no_more_than_its_scope(ground: Ground, nightly: Service) -> None:
    with ground.fhir(nightly.token("system/Patient.r")) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        assert fhir.get("Patient").status_code == 403
        assert fhir.get("Observation/o1").status_code == 403
        assert fhir.delete("Patient/p1").status_code == 403
        assert fhir.get("Patient/p1", params={}).json()["id"] == "p1"


def test_smart22_244_a_type_that_the_server_does_not_know_is_an_error(ground: Ground, nightly: Service) -> None:
    with ground.fhir(nightly.token()) as fhir:
        answer = fhir.get("Spaceship/1")
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_smart22_336_a_jti_is_used_once_however_many_use_it_at_the_same_moment(both: Ground) -> None:
    once = service(both)
    text = once.assertion()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: once.ask(assertion=text), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert error(once.ask(assertion=text)) == (401, "invalid_client")


def test_smart22_336_two_clients_may_use_the_same_jti(ground: Ground, nightly: Service) -> None:
    other = service(ground)
    assert [one.ask(assertion=one.assertion(jti="the same")).status_code for one in (nightly, other)] == [200, 200]


def test_smart22_344_a_client_with_a_secret_is_no_backend_service(ground: Ground) -> None:
    for method in ("client_secret_basic", "client_secret_post"):
        app = ground.app("system/*.rs patient/*.rs", method=method)
        answer = ground.ask("/auth/token", {"grant_type": "client_credentials", "scope": "system/*.rs"}, app)
        assert error(answer) == (400, "unauthorized_client")
    registration = {"client_name": "x", "grant_types": ["client_credentials"], "scope": "system/*.rs",
                    "token_endpoint_auth_method": "client_secret_basic"}  # fmt: skip
    answer = httpx.post(
        f"{ground.origin}/auth/register",
        json=registration,
        headers={"authorization": f"Bearer {ground.invitation('system/*.rs')}", "x-forwarded-for": "203.0.113.77"},
    )
    assert error(answer) == (400, "invalid_client_metadata")


def test_a_revoked_service_gets_no_more_tokens_and_its_tokens_end(ground: Ground) -> None:
    gone = service(ground)
    token = gone.token()

    async def revoked(ledger: Ledger) -> None:
        found = await clients.get(ledger, gone.id)
        assert found is not None
        await clients.revoke(ledger, found, time.time())

    ground.run(revoked)
    assert error(gone.ask()) == (401, "invalid_client")
    ends = time.monotonic() + 5
    with ground.fhir(token) as fhir:
        while (status := fhir.get("Patient/p1").status_code) == 200 and time.monotonic() < ends:
            time.sleep(0.1)
    assert status == 401
