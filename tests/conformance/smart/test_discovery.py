"""What clients read first. https://hl7.org/fhir/smart-app-launch/conformance.html"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from tests.conformance.smart.backend import claims_of, head_of, service
from tests.conformance.smart.ground import App, Ground
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Choices

CAPABILITIES = {
    "Patient Access for Standalone Apps": "launch-standalone client-public client-confidential-symmetric "
    "context-standalone-patient permission-patient",
    "Patient Access for EHR Launch": "launch-ehr client-public client-confidential-symmetric context-ehr-patient "
    "permission-patient",
    "Clinician Access for Standalone": "launch-standalone client-public client-confidential-symmetric permission-user "
    "permission-patient",
    "Clinician Access for EHR Launch": "launch-ehr client-public client-confidential-symmetric context-ehr-patient "
    "context-ehr-encounter permission-patient permission-user",
}
"""https://hl7.org/fhir/smart-app-launch/conformance.html#capability-sets"""


@pytest.fixture(scope="module")
def said(ground: Ground) -> dict[str, Any]:
    return ground.said


def test_smart22_372_373_377_380_g10_AUT_PAT_5_24_the_document_is_below_the_fhir_base(ground: Ground) -> None:
    answer = httpx.get(f"{ground.base}/.well-known/smart-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["capabilities"]


def test_smart20_373_the_path_is_appended_to_the_base_though_it_has_a_path(ground: Ground) -> None:
    assert urlsplit(ground.base).path == "/fhir"
    assert httpx.get(f"{ground.base}/.well-known/smart-configuration").status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/fhir+xml", "application/json", "image/png", "*/*", None])
def test_smart22_374_the_answer_is_json_whatever_is_accepted(ground: Ground, accept: str | None) -> None:
    headers = {} if accept is None else {"accept": accept}
    answer = httpx.get(f"{ground.base}/.well-known/smart-configuration", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == ground.said


def test_smart22_286_378_383_385_391_392_every_endpoint_is_an_absolute_url_that_answers(
    ground: Ground, said: dict[str, Any]
) -> None:
    found = {name: url for name, url in said.items() if name.endswith("_endpoint")}
    assert found == {
        "authorization_endpoint": f"{ground.origin}/auth/authorize",
        "token_endpoint": f"{ground.origin}/auth/token",
        "introspection_endpoint": f"{ground.origin}/auth/introspect",
        "revocation_endpoint": f"{ground.origin}/auth/revoke",
        "registration_endpoint": f"{ground.origin}/auth/register",
        "management_endpoint": f"{ground.origin}/my/apps",
    }
    statuses = {name: httpx.get(url).status_code for name, url in found.items()}
    assert 404 not in statuses.values(), statuses
    assert all(status < 500 for status in statuses.values()), statuses


def test_smart22_381_g10_AUT_PAT_25_the_issuer_is_that_of_id_tokens_and_of_answers(ground: Ground, app: App) -> None:
    page = ground.authorize(app, "openid fhirUser launch/patient patient/*.rs", ADA)
    answer = ground.exchange(app, page.back["code"]).json()
    assert claims_of(answer["id_token"])["iss"] == ground.said["issuer"] == page.back["iss"]


def test_smart22_382_207_the_keys_are_there_and_hold_nothing_private(ground: Ground, said: dict[str, Any]) -> None:
    answer = httpx.get(said["jwks_uri"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    keys = answer.json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert not [key for key in keys if key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k", "x5c"}]
    assert len({key["kid"] for key in keys}) == len(keys)


def test_smart22_382_the_published_keys_verify_id_and_access_tokens(ground: Ground, app: App) -> None:
    keys = KeySet.import_key_set(httpx.get(ground.said["jwks_uri"]).json())
    answer = ground.tokens(app, "openid launch/patient patient/*.rs", ADA)
    for token, algorithm in ((answer["id_token"], "RS256"), (answer["access_token"], "ES256")):
        assert head_of(token)["alg"] == algorithm
        found = jws.deserialize_compact(token, keys, algorithms=[algorithm])
        assert json.loads(found.payload) == claims_of(token)


def test_smart22_384_394_grant_types_and_challenge_methods(said: dict[str, Any]) -> None:
    assert set(said["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    assert said["code_challenge_methods_supported"] == ["S256"]


def test_smart22_390_response_types(said: dict[str, Any]) -> None:
    assert said["response_types_supported"] == ["code"]
    assert said["authorization_response_iss_parameter_supported"] is True


def test_smart22_228_285_286_287_288_289_386_services_find_what_they_need(said: dict[str, Any]) -> None:
    assert "client-confidential-asymmetric" in said["capabilities"]
    assert said["token_endpoint"].startswith("http")
    assert {"system/*.rs", "patient/*.rs", "user/*.cruds"} <= set(said["scopes_supported"])
    assert set(said["token_endpoint_auth_methods_supported"]) == {
        "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
    }  # fmt: skip
    assert set(said["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}


def test_smart22_393_126_capabilities_are_texts_and_v1_is_among_them(said: dict[str, Any]) -> None:
    assert all(isinstance(one, str) for one in said["capabilities"])
    assert len(set(said["capabilities"])) == len(said["capabilities"])
    assert {"permission-v1", "permission-v2"} <= set(said["capabilities"])


@pytest.mark.parametrize(
    ("name", "members"),
    [
        pytest.param("Patient Access for Standalone Apps", 348, id="348"),
        pytest.param("Patient Access for EHR Launch", 349, id="349"),
        pytest.param("Clinician Access for Standalone", 350, id="350"),
        pytest.param("Clinician Access for EHR Launch", 351, id="351"),
    ],
)
def test_smart22_346_348_349_350_351_the_capability_sets_are_whole(
    said: dict[str, Any], name: str, members: int
) -> None:
    assert set(CAPABILITIES[name].split()) <= set(said["capabilities"])


def test_smart22_287_389_every_scope_that_is_listed_can_be_had(ground: Ground, said: dict[str, Any]) -> None:
    listed = said["scopes_supported"]
    assert len(set(listed)) == len(listed) > 60
    app = ground.app(" ".join(scope for scope in listed if not scope.startswith("system/")))
    systems = [scope for scope in listed if scope.startswith("system/")]
    whole = service(ground, " ".join(systems))
    for scope in systems:
        assert whole.ask(scope).json()["scope"] == scope
    launch = ground.launch(app, KIM, patient="p1", encounter="e1")
    answer = ground.tokens(app, "openid fhirUser launch user/*.rs", KIM, launch=launch)
    assert set(answer["scope"].split()) == {"openid", "fhirUser", "launch", "user/*.rs"}
    for scope in listed:
        level = scope.split("/")[0]
        if level not in ("patient", "user") or scope.endswith("cruds"):
            continue
        wish = f"launch/patient {scope}" if level == "patient" else scope
        answer = ground.tokens(app, wish, ADA if level == "patient" else KIM)
        assert scope in answer["scope"].split(), answer["scope"]


def test_smart22_364_365_366_389_context_and_lasting_access_are_granted_as_listed(ground: Ground, app: App) -> None:
    scope = "launch/patient launch/encounter patient/*.rs offline_access"
    answer = ground.tokens(app, scope, ADA, Choices(encounter="e1"))
    assert set(answer["scope"].split()) == set(scope.split())
    assert (answer["patient"], answer["encounter"]) == ("p1", "e1")
    assert answer["refresh_token"]
    online = ground.tokens(app, "launch/patient patient/*.rs online_access", ADA)
    assert "online_access" in online["scope"].split()
    assert online["refresh_token"]


def test_smart22_99_269_introspection_is_offered(ground: Ground, said: dict[str, Any]) -> None:
    assert httpx.post(said["introspection_endpoint"], data={"token": "x"}).status_code == 401


def test_smart22_438_registration_is_offered(ground: Ground, said: dict[str, Any]) -> None:
    assert httpx.post(said["registration_endpoint"], json={}).status_code == 401


def test_g10_AUT_PAT_6_25_members_and_capabilities_of_the_procedure(said: dict[str, Any]) -> None:
    required = {"issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "grant_types_supported",
                "capabilities", "code_challenge_methods_supported", "scopes_supported"}  # fmt: skip
    assert required <= said.keys()
    assert {
        "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
        "client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-style",
        "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient", "permission-offline",
        "permission-patient", "permission-user", "permission-v1", "permission-v2",
    } <= set(said["capabilities"])  # fmt: skip


def test_g10_AUT_PAT_5_7_the_capability_statement_has_the_oauth_uris(ground: Ground, said: dict[str, Any]) -> None:
    security = httpx.get(f"{ground.base}/metadata").json()["rest"][0]["security"]
    (uris,) = [one for one in security["extension"] if one["url"].endswith("/StructureDefinition/oauth-uris")]
    assert uris["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    assert {one["url"]: one["valueUri"] for one in uris["extension"]} == {
        "authorize": said["authorization_endpoint"],
        "token": said["token_endpoint"],
        "introspect": said["introspection_endpoint"],
        "revoke": said["revocation_endpoint"],
        "register": said["registration_endpoint"],
        "manage": said["management_endpoint"],
    }
    codings = [coding for one in security["service"] for coding in one["coding"]]
    assert {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR",
            "display": "SMART-on-FHIR"} in codings  # fmt: skip
    old = {one["valueCode"] for one in security["extension"] if one["url"].endswith("/capabilities")}
    assert old == set(said["capabilities"])


def test_g10_AUT_PAT_17_openid_configuration_and_its_keys(ground: Ground, said: dict[str, Any]) -> None:
    answer = httpx.get(f"{said['issuer']}/.well-known/openid-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    required = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
                "subject_types_supported", "id_token_signing_alg_values_supported"}  # fmt: skip
    assert required <= found.keys()
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert {name: found[name] for name in required & said.keys()} == {
        name: said[name] for name in required & said.keys()
    }
    keys = httpx.get(found["jwks_uri"]).json()["keys"]
    assert [key for key in keys if key["kty"] == "RSA" and key["e"] == "AQAB" and len(key["n"]) > 300]


def test_rfc_8414_the_same_for_oauth_clients(ground: Ground) -> None:
    one, other = (httpx.get(f"{ground.origin}/.well-known/{name}").json()
                  for name in ("openid-configuration", "oauth-authorization-server"))  # fmt: skip
    assert one == other
