"""Clients with keys: registration, key resolution, assertions.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.conformance.smart.backend import EC, OTHER_EC, RSA, Service, key_server, public, service
from tests.conformance.smart.ground import Ground, error
from tests.conformance.smart.visitor import address

REFUSED = (401, "invalid_client")
OTHER = OTHER_EC.as_dict(private=False)


@pytest.fixture(scope="module")
def nightly(ground: Ground) -> Service:
    return service(ground)


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_smart22_310_357_g10_AUT_SYS_3_signatures_of_both_algorithms_are_validated(nightly: Service, alg: str) -> None:
    assert nightly.ask(assertion=nightly.assertion(alg)).status_code == 200
    wrong: ECKey | RSAKey = RSAKey.generate_key(2048, {"kid": "rsa"}) if alg == "RS384" else OTHER_EC
    assert error(nightly.ask(assertion=nightly.assertion(alg, key=wrong))) == REFUSED


def _none(one: Service) -> str:
    claims = one.assertion().split(".")[1]
    return f"eyJhbGciOiJub25lIiwia2lkIjoiZWMifQ.{claims}."


def _hmac(one: Service) -> str:
    """The public key, taken for a secret."""
    text = one.assertion(head={"alg": "ES384"}).split(".")[1]
    head = _text(json.dumps({"alg": "HS256", "kid": "ec", "typ": "JWT"}).encode())
    made = hmac.digest(EC.as_pem(private=False), f"{head}.{text}".encode(), "sha256")
    return f"{head}.{text}.{_text(made)}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _es256(one: Service) -> str:
    return one.assertion(head={"alg": "ES256"}, key=ECKey.generate_key("P-256", {"kid": "ec"}))


BAD: dict[str, Callable[[Service], str]] = {
    "no JWT": lambda one: "no JWT",
    "empty": lambda one: "",
    "too long": lambda one: one.assertion(jti="x" * 9000),
    "alg none": _none,
    "the public key as a secret": _hmac,
    "another algorithm": _es256,
    "no kid": lambda one: one.assertion(head={"kid": None}),
    "unknown kid": lambda one: one.assertion(head={"kid": "other"}),
    "typ of an access token": lambda one: one.assertion(head={"typ": "at+jwt"}),
    "a key that it brings along": lambda one: one.assertion(
        key=OTHER_EC, head={"jwk": OTHER_EC.as_dict(private=False)}
    ),
    "signed with another key": lambda one: one.assertion(key=OTHER_EC),
    "another issuer": lambda one: one.assertion(iss="somebody"),
    "no issuer": lambda one: one.assertion(iss=None),
    "another subject": lambda one: one.assertion(sub="somebody"),
    "no subject": lambda one: one.assertion(sub=None),
    "no audience": lambda one: one.assertion(aud=None),
    "another audience": lambda one: one.assertion(aud="https://ehr.example.org/auth/token"),
    "several audiences": lambda one: one.assertion(aud=[f"{one.ground.origin}/auth/token"]),
    "the FHIR base as audience": lambda one: one.assertion(aud=one.ground.base),
    "no exp": lambda one: one.assertion(exp=None),
    "expired": lambda one: one.assertion(exp=int(time.time()) - 120),
    "more than five minutes": lambda one: one.assertion(exp=int(time.time()) + 600),
    "exp is no number": lambda one: one.assertion(exp="soon"),
    "not yet": lambda one: one.assertion(nbf=int(time.time()) + 120),
    "issued in the future": lambda one: one.assertion(iat=int(time.time()) + 120),
    "no jti": lambda one: one.assertion(jti=None),
    "jti is no text": lambda one: one.assertion(jti=17),
}


@pytest.mark.parametrize("what", BAD)
def test_smart22_335_340_g10_AUT_SYS_3_6_7_an_assertion_that_does_not_hold_is_refused(
    nightly: Service, what: str
) -> None:
    assert error(nightly.ask(assertion=BAD[what](nightly))) == REFUSED


def test_smart22_335_what_it_has_to_say_is_enough_and_the_issuer_is_an_audience_too(nightly: Service) -> None:
    assert nightly.ask(assertion=nightly.assertion(head={"typ": None})).status_code == 200
    assert nightly.ask(assertion=nightly.assertion(aud=nightly.ground.origin)).status_code == 200
    whole = nightly.assertion(iat=int(time.time()), nbf=int(time.time()) - 5)
    assert nightly.ask(assertion=whole, client_id=nightly.id).status_code == 200


def test_smart22_337_the_client_is_known_and_is_the_issuer(ground: Ground, nightly: Service) -> None:
    assert error(Service(ground, "nobody").ask()) == REFUSED
    assert error(nightly.ask(client_id="somebody-else")) == REFUSED
    public_app = ground.app("system/*.rs patient/*.rs")
    assert error(Service(ground, public_app.id).ask()) == REFUSED


def test_smart22_335_the_type_of_the_assertion_is_that_of_a_jwt(nightly: Service) -> None:
    saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    assert error(nightly.ask(client_assertion_type=saml)) == REFUSED
    assert error(nightly.ask(client_assertion_type=None)) == REFUSED


def test_smart22_296_339_g10_AUT_SYS_4_keys_are_fetched_from_the_registered_url_by_get(ground: Ground) -> None:
    with key_server() as keys:
        one = service(ground, jwks=None, jwks_uri=keys.url)
        assert one.ask().status_code == 200
        method, headers = keys.seen[0]
    assert (len(keys.seen), method, headers["accept"]) == (1, "GET", "application/json")
    assert "cookie" not in headers
    assert "authorization" not in headers


def test_smart22_297_326_keys_that_were_registered_by_value_need_no_url(nightly: Service) -> None:
    assert nightly.ask().status_code == 200


def test_smart22_326_338_with_a_url_registered_jku_may_be_absent_or_that_url(ground: Ground) -> None:
    with key_server() as keys, key_server(OTHER_EC) as other:
        one = service(ground, jwks=None, jwks_uri=keys.url)
        assert one.ask(assertion=one.assertion()).status_code == 200
        assert one.ask(assertion=one.assertion(head={"jku": keys.url})).status_code == 200
        foreign = one.assertion(key=OTHER_EC, head={"jku": other.url})
        assert error(one.ask(assertion=foreign)) == REFUSED
        assert error(one.ask(assertion=one.assertion(head={"jku": keys.url + "?"}))) == REFUSED
        assert other.seen == []


def test_smart22_338_with_keys_by_value_no_jku_is_taken(nightly: Service) -> None:
    with key_server() as keys:
        assert error(nightly.ask(assertion=nightly.assertion(head={"jku": keys.url}))) == REFUSED
        assert keys.seen == []


def test_smart22_338_exactly_one_key_has_to_fit(ground: Ground) -> None:
    same_kid = RSAKey.generate_key(2048, {"kid": "ec"})
    one = service(ground, jwks=public(EC, same_kid))
    assert one.ask().status_code == 200, "kid and kty together tell them apart"
    with key_server(EC, OTHER_EC) as keys:
        two = service(ground, jwks=None, jwks_uri=keys.url)
        assert error(two.ask()) == REFUSED, "two keys with this kid and kty"
        keys.holds(RSA)
        three = service(ground, jwks=None, jwks_uri=keys.url + "?3")
        assert error(three.ask()) == REFUSED, "none"


def test_smart22_341_g10_AUT_SYS_5_a_set_is_not_kept_longer_than_its_server_says(ground: Ground) -> None:
    with key_server(cache_control="max-age=1") as keys:
        one = service(ground, jwks=None, jwks_uri=keys.url)
        assert one.ask().status_code == 200
        keys.holds(OTHER_EC, cache_control="max-age=1")
        time.sleep(1.1)
        assert error(one.ask()) == REFUSED, "the old key is gone"
        assert one.ask(assertion=one.assertion(key=OTHER_EC)).status_code == 200
    for told in ("no-store", "no-cache", "max-age=0"):
        with key_server(cache_control=told) as keys:
            one = service(ground, jwks=None, jwks_uri=keys.url)
            assert [one.ask().status_code for _ in range(2)] == [200, 200]
            assert len(keys.seen) == 2, told


def test_smart22_342_a_set_is_kept_as_its_server_says(ground: Ground) -> None:
    with key_server(cache_control="max-age=60") as keys:
        one = service(ground, jwks=None, jwks_uri=keys.url)
        assert [one.ask().status_code for _ in range(3)] == [200] * 3
        assert len(keys.seen) == 1


def test_a_key_set_that_is_none_or_does_not_come_is_no_key(ground: Ground) -> None:
    for body, status in ((b"{}", 200), (b"not JSON", 200), (b'{"keys":[]}', 200), (b"x" * 200_000, 200), (b"", 500)):
        with key_server() as keys:
            keys.body, keys.status = body, status
            one = service(ground, jwks=None, jwks_uri=keys.url)
            assert error(one.ask()) == REFUSED, (body[:20], status)
    with key_server() as target, key_server() as keys:
        keys.status, keys.headers = 302, {"location": target.url}
        one = service(ground, jwks=None, jwks_uri=keys.url)
        assert error(one.ask()) == REFUSED
        assert target.seen == [], "no redirect is followed"


def _registered(ground: Ground, document: dict[str, Any], token: str = "") -> httpx.Response:
    invitation = token or ground.invitation("system/*.rs patient/*.rs launch/patient openid")
    headers = {"authorization": f"Bearer {invitation}"} | address()
    return httpx.post(f"{ground.origin}/auth/register", json=document, headers=headers, timeout=30)


NIGHTLY: dict[str, Any] = {
    "client_name": "Nightly",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "scope": "system/Patient.rs",
}


def test_smart22_296_297_316_g10_APP_REG_2_a_service_registers_its_keys_either_way(ground: Ground) -> None:
    with key_server() as keys:
        found = [_registered(ground, NIGHTLY | by) for by in ({"jwks_uri": keys.url}, {"jwks": public()})]
        assert [one.status_code for one in found] == [201, 201]
        names = [one.json()["client_id"] for one in found]
        assert len(set(names)) == 2
        assert all(name and isinstance(name, str) for name in names)
        assert [Service(ground, name).ask("system/Patient.rs").status_code for name in names] == [200, 200]
    assert found[0].json()["jwks_uri"] == keys.url
    assert found[1].json()["jwks"] == public()


def test_keys_that_nobody_can_use_are_not_registered(ground: Ground) -> None:
    other_curve = ECKey.generate_key("P-256", {"kid": "ec"})
    wrongs: tuple[dict[str, Any], ...] = (
        {},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [EC.as_dict(private=True)]}},
        {"jwks": public(other_curve)},
        {"jwks": public(), "jwks_uri": "https://app.example.org/jwks.json"},
        {"jwks_uri": "ftp://app.example.org/jwks.json"},
    )
    for wrong in wrongs:
        assert error(_registered(ground, NIGHTLY | wrong)) == (400, "invalid_client_metadata"), wrong


def test_smart22_305_keys_by_value_are_changed_only_with_the_registration_token_and_it_is_audited(
    ground: Ground,
) -> None:
    made = _registered(ground, NIGHTLY | {"jwks": public()}).json()
    one, uri = Service(ground, made["client_id"]), made["registration_client_uri"]
    changed = NIGHTLY | {"client_id": one.id, "jwks": public(OTHER_EC)}
    for headers in (
        {},
        {"authorization": "Bearer guess"},
        {"authorization": f"Bearer {one.token('system/Patient.rs')}"},
    ):
        answer = httpx.put(uri, json=changed, headers=headers | address())
        assert error(answer) == (401, "invalid_token")
    assert one.ask("system/Patient.rs").status_code == 200, "the keys are those of before"
    right = {"authorization": f"Bearer {made['registration_access_token']}"}
    assert httpx.put(uri, json=changed, headers=right | address()).status_code == 200
    assert error(one.ask("system/Patient.rs")) == REFUSED
    assert one.ask("system/Patient.rs", one.assertion(key=OTHER_EC)).status_code == 200


def test_a_public_app_may_authenticate_in_no_other_way(ground: Ground, nightly: Service) -> None:
    """Each client authenticates in the one way that it is registered for (RFC 9700, 2.5)."""
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": nightly.id}
    assert error(ground.ask("/auth/token", form)) == REFUSED
    assert error(ground.ask("/auth/token", form | {"client_secret": "x"})) == REFUSED
