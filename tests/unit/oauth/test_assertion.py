"""private_key_jwt: every check, and that they come in their order.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#signature-verification
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from hilum.oauth import assertion, keyset
from hilum.oauth.errors import OAuthError
from hilum.oauth.keyset import Jwk
from hilum.oauth.ledger import Client

NOW = 1_800_000_000.5
TOKEN_URL = "https://hilum.test/auth/token"
ISSUER = "https://hilum.test"
EC, RSA = ECKey.generate_key("P-384"), RSAKey.generate_key(2048)
OTHER_EC = ECKey.generate_key("P-384")
KEYS = keyset.read({"keys": [{**EC.as_dict(private=False), "kid": "e"}, {**RSA.as_dict(private=False), "kid": "r"}]})
APP = Client("App", "private_key_jwt", "system/*.rs", ("client_credentials",), jwks_uri="https://app.test/jwks.json")


class World:
    """What the checks look up, noted in `asked`."""

    def __init__(self, client: Client | None = APP, keys: Sequence[Jwk] = KEYS) -> None:
        self._client, self._keys = client, keys
        self.asked: list[tuple[Any, ...]] = []

    async def client(self, id: str) -> Client | None:
        self.asked.append(("client", id))
        return self._client if id == "app" else None

    async def keys(self, id: str, client: Client, kid: str) -> Sequence[Jwk]:
        self.asked.append(("keys", id, kid))
        return self._keys

    async def once(self, issuer: str, jti: str, until: int) -> bool:
        used = ("jti", issuer, jti, until)
        self.asked.append(used)
        return self.asked.count(used) == 1


HEAD: dict[str, Any] = {"alg": "ES384", "kid": "e", "typ": "JWT"}
CLAIMS: dict[str, Any] = {
    "iss": "app", "sub": "app", "aud": TOKEN_URL, "exp": int(NOW) + 300, "jti": "j1", "iat": int(NOW),
}  # fmt: skip


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Careless(jws.JWSRegistry):
    """Signs whatever an attacker wants signed."""

    def check_header(self, header: Mapping[str, Any]) -> None:
        pass


def made(head: dict[str, Any] | None = None, key: ECKey | RSAKey = EC, **claims: Any) -> str:
    """A signed assertion; a claim or member that is given as None is left out."""
    whole_head = {name: value for name, value in (HEAD | (head or {})).items() if value is not None}
    whole = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    algorithm = whole_head["alg"]

    return jws.serialize_compact(whole_head, json.dumps(whole).encode(), key, registry=Careless(algorithms=[algorithm]))


async def judged(text: str, world: World | None = None, named: str = "", now: float = NOW) -> tuple[str, Client]:
    audiences = frozenset((TOKEN_URL, ISSUER, ISSUER + "/"))
    return await assertion.authenticated(text, world or World(), audiences=audiences, now=now, named=named)


async def says(text: str, world: World | None = None, named: str = "", now: float = NOW) -> str:
    """The description of why it is refused."""
    with pytest.raises(OAuthError) as caught:
        await judged(text, world, named, now)
    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    return caught.value.description


async def test_an_assertion_that_holds_names_its_client() -> None:
    world = World()
    assert await judged(made(), world) == ("app", APP)
    until = int(NOW) + 300 + 2 * assertion.SKEW
    assert world.asked == [("client", "app"), ("keys", "app", "e"), ("jti", "app", "j1", until)]


@pytest.mark.parametrize(
    ("head", "key", "claims"),
    [
        ({"alg": "RS384", "kid": "r"}, RSA, {}),
        ({"typ": None}, EC, {}),  # oauth4webapi
        ({"jku": APP.jwks_uri}, EC, {}),
        ({"jku": APP.jwks_uri, "made-up": "x" * 600}, EC, {}),
        ({}, EC, {"aud": ISSUER}),
        ({}, EC, {"aud": ISSUER + "/"}),
        ({}, EC, {"iat": None}),
        ({}, EC, {"nbf": int(NOW) + 60}),
        ({}, EC, {"iat": int(NOW) + 60}),
        ({}, EC, {"exp": int(NOW) + 360}),
        ({}, EC, {"exp": int(NOW) - 59}),
        ({}, EC, {"exp": NOW + 60.5, "iat": NOW - 0.5, "nbf": NOW + 0.25}),
        ({}, EC, {"jti": "x" * 255}),
        ({}, EC, {"more": [1, {"a": "b"}]}),
    ],
)
async def test_what_clients_may_do_differently(
    head: dict[str, Any], key: ECKey | RSAKey, claims: dict[str, Any]
) -> None:
    assert await judged(made(head, key, **claims), named="app") == ("app", APP)


MANY_HEAD = [
    ("Algorithm", {"alg": "ES256"}, ECKey.generate_key("P-256")),
    ("Algorithm", {"alg": "RS256", "kid": "r"}, RSA),
    ("Algorithm", {"alg": "PS384", "kid": "r"}, RSA),
    ("Algorithm", {"typ": "at+jwt"}, EC),
    ("Algorithm", {"typ": ["JWT"]}, EC),
    ("Key", {"jwk": OTHER_EC.as_dict(private=False)}, OTHER_EC),
    ("Key", {"x5u": "https://evil.test/x"}, EC),
    ("Key", {"x5c": ["AA"]}, EC),
    ("Key", {"crit": ["exp"], "exp": 1}, EC),
    ("Key", {"kid": None}, EC),
    ("Key", {"kid": ""}, EC),
    ("Key", {"kid": 7}, EC),
    ("Key", {"kid": "e\n"}, EC),
    ("Key", {"kid": "e" * 256}, EC),
]


@pytest.mark.parametrize(("kind", "head", "key"), MANY_HEAD)
async def test_heads_that_are_refused_before_anything_is_looked_up(
    kind: str, head: dict[str, Any], key: ECKey | RSAKey
) -> None:
    world = World()
    assert (await says(made(head, key), world)).startswith(kind)
    assert world.asked == []


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "HS384", "HS512", None, 5, ["ES384"], {}])
async def test_algorithms_that_no_public_key_goes_with(algorithm: Any) -> None:
    """Among them the client's public keys as HMAC secrets (https://www.rfc-editor.org/rfc/rfc8725#section-2.1)."""
    head = {name: value for name, value in (HEAD | {"alg": algorithm}).items() if value is not None}
    signed = f"{part(head)}.{part(CLAIMS)}"
    for secret in (b"", EC.as_pem(private=False), RSA.as_pem(private=False), json.dumps(KEYS[0]).encode()):
        mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha384")).rstrip(b"=").decode()
        world = World()
        assert (await says(f"{signed}.{mac}", world)).startswith("Algorithm")
        assert world.asked == []
    assert (await says(f"{signed}.")).startswith("Algorithm")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": None}, {"sub": None}, {"iss": "other"}, {"sub": "other"}, {"iss": ["app"], "sub": ["app"]},
        {"iss": "", "sub": ""}, {"iss": 1, "sub": 1}, {"iss": "\ud800", "sub": "\ud800"},
        {"iss": "a" * 256, "sub": "a" * 256},
    ],
)  # fmt: skip
async def test_issuer_and_subject_are_the_client(claims: dict[str, Any]) -> None:
    world = World()
    assert (await says(made(**claims), world)).startswith("Client")
    assert world.asked == []


async def test_the_client_id_beside_it_must_be_the_same() -> None:
    world = World()
    assert (await says(made(), world, named="other")).startswith("Client")
    assert world.asked == []


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (None, "Client"),
        (msgspec.structs.replace(APP, disabled=True), "Client"),
        (msgspec.structs.replace(APP, method="client_secret_basic"), "Client"),
        (msgspec.structs.replace(APP, method="none"), "Client"),
        (msgspec.structs.replace(APP, alg="RS384"), "Algorithm"),
    ],
)
async def test_the_client_must_be_registered_for_this(client: Client | None, kind: str) -> None:
    world = World(client)
    assert (await says(made(), world)).startswith(kind)
    assert world.asked == [("client", "app")]


@pytest.mark.parametrize(
    ("registered", "jku"),
    [
        (APP.jwks_uri, "https://evil.test/jwks.json"),
        (APP.jwks_uri, APP.jwks_uri + "/"),
        (APP.jwks_uri, APP.jwks_uri + "?x"),
        (APP.jwks_uri, ""),
        (APP.jwks_uri, [APP.jwks_uri]),
        ("", ""),
        ("", APP.jwks_uri),
    ],
)
async def test_a_jku_elsewhere_is_never_fetched(registered: str, jku: Any) -> None:
    world = World(msgspec.structs.replace(APP, jwks_uri=registered))
    assert (await says(made({"jku": jku}), world)).startswith("Key")
    assert world.asked == [("client", "app")]


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ({**KEYS[0], "kid": "other"},),
        (KEYS[0], KEYS[0]),
        (KEYS[0], {**OTHER_EC.as_dict(private=False), "kid": "e"}),
        ({**KEYS[1], "kid": "e"},),
        ({**KEYS[0], "use": "enc"},),
        ({**KEYS[0], "alg": "RS384"},),
    ],
)
async def test_exactly_one_key_has_kid_and_type(keys: Sequence[Jwk]) -> None:
    world = World(keys=keys)
    assert await says(made(), world) == assertion.KEY_SAYS
    assert world.asked == [("client", "app"), ("keys", "app", "e")]


async def test_keys_of_both_types_may_share_a_kid() -> None:
    keys = (KEYS[0], {**KEYS[1], "kid": "e"})
    assert await judged(made(), World(keys=keys)) == ("app", APP)
    assert await judged(made({"alg": "RS384"}, RSA), World(keys=keys)) == ("app", APP)


@pytest.mark.filterwarnings("ignore:Key size should be")
async def test_the_registered_key_must_have_signed() -> None:
    world = World()
    assert await says(made(key=OTHER_EC), world) == assertion.SIGNATURE_SAYS
    head, claims, signature = made().split(".")
    for text in (
        f"{head}.{part(CLAIMS | {'jti': 'j2'})}.{signature}",
        f"{part(HEAD | {'x': 'y'})}.{claims}.{signature}",
        f"{head}.{claims}.{'A' * len(signature)}",
        f"{head}.{claims}.",
        f"{head}.{claims}.{made({'alg': 'RS384', 'kid': 'r'}, RSA).split('.')[2]}",
    ):
        assert await says(text, world) == assertion.SIGNATURE_SAYS
    assert not any(kind == "jti" for kind, *_ in world.asked)
    weak = RSAKey.generate_key(1024)
    keys = ({**weak.as_dict(private=False), "kid": "r"},)
    assert await says(made({"alg": "RS384", "kid": "r"}, weak), World(keys=keys)) == assertion.SIGNATURE_SAYS


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        ("Audience", {"aud": None}),
        ("Audience", {"aud": [TOKEN_URL]}),
        ("Audience", {"aud": [TOKEN_URL, "https://other.test/token"]}),
        ("Audience", {"aud": "https://other.test/auth/token"}),
        ("Audience", {"aud": TOKEN_URL + "/"}),
        ("Audience", {"aud": TOKEN_URL.upper()}),
        ("Audience", {"aud": ISSUER + "//"}),
        ("Audience", {"aud": ISSUER + "/fhir"}),
        ("Audience", {"aud": ""}),
        ("Audience", {"aud": {"a": 1}}),
        ("Time", {"exp": None}),
        ("Time", {"exp": str(int(NOW) + 60)}),
        ("Time", {"exp": NOW - 60.5}),
        ("Time", {"exp": int(NOW) + 361.5}),
        ("Time", {"exp": 1e300}),
        ("Time", {"iat": NOW + 61.5}),
        ("Time", {"exp": True}),
        ("Time", {"exp": -1}),
        ("Time", {"exp": int(NOW) - 60}),
        ("Time", {"exp": int(NOW) + 361}),
        ("Time", {"exp": 10**18}),
        ("Time", {"iat": int(NOW) + 62}),
        ("Time", {"nbf": int(NOW) + 62}),
        ("Time", {"nbf": "soon"}),
        ("Time", {"iat": False}),
        ("Replay", {"jti": None}),
        ("Replay", {"jti": ""}),
        ("Replay", {"jti": 5}),
        ("Replay", {"jti": "x" * 256}),
        ("Replay", {"jti": "\ud83d"}),
    ],
)
async def test_claims_that_are_refused_use_no_jti_up(kind: str, claims: dict[str, Any]) -> None:
    world = World()
    assert (await says(made(**claims), world)).startswith(kind)
    assert world.asked == [("client", "app"), ("keys", "app", "e")]


async def test_a_jti_is_kept_to_the_end_of_the_second_in_which_its_assertion_ends() -> None:
    world = World()
    await judged(made(exp=int(NOW) + 60.5), world)
    assert world.asked[-1] == ("jti", "app", "j1", int(NOW) + 61 + 2 * assertion.SKEW)


async def test_a_jti_is_used_once_per_issuer() -> None:
    world = World()
    await judged(made(), world)
    assert await says(made(), world) == assertion.REPLAY_SAYS
    await judged(made(jti="j2"), world)


async def test_of_several_faults_the_first_in_order_is_told() -> None:
    """The order is the issue's: size, algorithm, client, method, jku, key, signature, aud, exp, jti."""
    everything: dict[str, Any] = {"aud": "x", "exp": 1, "jti": ""}
    bad_jku = {"jku": "https://evil.test/", "kid": "?"}
    assert (await says(made({"alg": "ES256", **bad_jku}, ECKey.generate_key("P-256"), **everything))).startswith("Algo")
    assert (await says(made(bad_jku, OTHER_EC, iss="x", **everything))).startswith("Client: iss")
    assert (await says(made(bad_jku, OTHER_EC, **everything), World(None))).startswith("Client: no client")
    assert (await says(made(bad_jku, OTHER_EC, **everything))).startswith("Key: jku")
    assert await says(made({"kid": "?"}, OTHER_EC, **everything)) == assertion.KEY_SAYS
    assert await says(made({}, OTHER_EC, **everything)) == assertion.SIGNATURE_SAYS
    assert (await says(made(**everything))).startswith("Audience")
    assert (await says(made(**everything | {"aud": ISSUER}))).startswith("Time")
    assert (await says(made(jti=""))).startswith("Replay")


async def test_what_is_too_long_is_not_read() -> None:
    world = World()
    assert (await says(made(x="a" * 8000), world)).startswith("Size")
    assert (await says("." * (assertion.LONGEST + 1), world)).startswith("Size")
    assert world.asked == []
    assert await judged(made(x="a" * 4000)) == ("app", APP)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "ä.ä.ä", part({}) + "." + part([]) + ".AA"])
async def test_what_is_no_jwt(text: str) -> None:
    assert (await says(text)).startswith("Form")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jku", "crit"]), ANY_JSON),
    st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "jti"]), ANY_JSON),
)
async def test_whatever_is_in_it_without_a_signature_it_is_refused(
    head: dict[str, Any], claims: dict[str, Any]
) -> None:
    for more_head, more_claims in ((head, claims), (HEAD | head, CLAIMS | claims)):
        assert await says(f"{part(more_head)}.{part(more_claims)}.AAAA")


@given(
    st.dictionaries(st.sampled_from(["typ", "jku", "x"]), ANY_JSON),
    st.dictionaries(st.sampled_from(["aud", "exp", "nbf", "iat", "jti"]), ANY_JSON, min_size=1),
)
async def test_whatever_a_client_signs_is_refused_or_holds(head: dict[str, Any], claims: dict[str, Any]) -> None:
    try:
        await judged(made(head, **claims))
    except OAuthError as error:
        assert error.error == "invalid_client"
        for value in (*head.values(), *claims.values()):
            if isinstance(value, str) and len(value) > 5:
                assert value not in error.description


def test_the_value_that_is_judged_can_not_be_changed() -> None:
    shown = assertion.read(made(), audiences=frozenset(), now=NOW)
    assert replace(shown, client=APP).issuer == "app"
    with pytest.raises(AttributeError):
        shown.client = APP  # type: ignore[misc]
