"""Who holds a token: signature, claims, ledger, revocations; and everything fails closed."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.access import revoking
from hilum.access.bearer import NotHeld
from hilum.access.granting import Context, policy
from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.policy import Grant as PolicyGrant
from hilum.access.policy import Policy, Principal
from hilum.access.roles import packaged, rules
from hilum.access.tokens import Granted, Issuer, Minter
from hilum.access.verifier import LONGEST_TOKEN, Verifier
from hilum.oauth import jwt, scopes
from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_CHANGED,
    CLIENT_REVOKED,
    GRANT,
    GRANT_CHANGED,
    GRANT_REVOKED,
    SESSION_REVOKED,
    TOKEN_REVOKED,
    USER,
    USER_CHANGED,
    USER_REVOKED,
    Client,
    Grant,
    Put,
    Record,
    Revoked,
    Row,
    User,
    write,
)
from hilum.problems import Busy, Unauthenticated
from hilum.store.memory import MemoryLedger

BASE = "https://hilum.test/fhir"
NOW = 1_800_000_000
GRANT_ID, USER_ID = "0190a3c2-6a5b-7000-8000-000000000001", "0190a3c2-6a5b-7000-8000-000000000002"
SESSION = "cd" * 32
SCOPES = "openid fhirUser patient/Observation.rs user/Practitioner.rs"
APP = Client("App", "none", f"{SCOPES} system/*.cruds", api_key=sha256(b"key").hexdigest(), state_codes=("s|c",))
ADA = User("ada", "Ada", ("practitioner",), "Practitioner/7")
ALLOWED = Grant(USER_ID, "app", SCOPES, {"patient": "p1"}, patient="p1")
GRANTED = Granted("app", SCOPES, GRANT_ID, USER_ID, "Practitioner/7", "p1", "", SESSION, ("pwd",))


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Counting(MemoryLedger):
    """Counts what is read, and can be told to wait with its answers until something has happened."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda: int(clock.now * 1_000_000))
        self.reads: list[int] = []
        self.waits: asyncio.Event | None = None
        self.read_all = asyncio.Event()

    async def get(self, kind: int, key: bytes) -> Row | None:
        self.reads.append(kind)
        row = await super().get(kind, key)
        if len(self.reads) == 3:
            self.read_all.set()
        if self.waits is not None:
            await self.waits.wait()
        return row

    async def set(self, kind: int, key: bytes, value: Record) -> None:
        row = await super().get(kind, key)
        put = Put(kind, key, write(value))
        assert await (self.add(put) if row is None else self.replace(put, row.version))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(clock: Clock) -> Counting:
    found = Counting(clock)
    await found.set(CLIENT, b"app", APP)
    await found.set(USER, UUID(USER_ID).bytes, ADA)
    await found.set(GRANT, UUID(GRANT_ID).bytes, ALLOWED)
    return found


@pytest.fixture
def ring(key: SigningKey, clock: Clock) -> Keyring:
    return Keyring(key, clock)


@pytest.fixture
def verifier(ring: Keyring, ledger: Counting, clock: Clock) -> Verifier:
    return Verifier(ring, ledger, BASE, clock=clock, monotonic=clock, foreign=lambda client: ("x|" + client,))


@pytest.fixture
def issuer(ring: Keyring, clock: Clock) -> Issuer:
    return Issuer(ring, BASE, clock)


@pytest.fixture
def minter(key: SigningKey, clock: Clock) -> Minter:
    return Minter(key, BASE, clock)


async def who(verifier: Verifier, token: str) -> Principal:
    """As the edge asks."""
    return verifier.known(token) or await verifier.admit(token)


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await who(verifier, token)
    return str(caught.value)


async def not_held(verifier: Verifier, token: str) -> Principal | None:
    """Whose a refused token was."""
    with pytest.raises(Unauthenticated) as caught:
        await who(verifier, token)
    return caught.value.who if isinstance(caught.value, NotHeld) else None


REFUSED, REVOKED = "The access token does not hold here.", "The access token has been revoked."
EXPIRED = "The access token has expired."


# --- admitted ---------------------------------------------------------------------------------------------------------


async def test_a_minted_token_becomes_its_principal(verifier: Verifier, minter: Minter, ledger: Counting) -> None:
    token = minter.mint("patient/Patient.rs openid", patient="p1", minutes=5)
    found = await who(verifier, token)
    expected = Policy((PolicyGrant("Patient", frozenset("rs"), (("Patient", "p1"),), (("_id", "p1"),)),))
    assert found == Principal("owner", "hilum-cli", found.token, expected, NOW + 300, patient="p1", manages=True)
    assert len(found.token) == 36
    assert verifier.known(token) is found
    assert ledger.reads == []


async def test_a_token_of_a_grant_may_what_scopes_and_roles_say(verifier: Verifier, issuer: Issuer) -> None:
    token, jti, _ = issuer.access(GRANTED, 3600)
    found = await who(verifier, token)
    context = Context(USER_ID, "Practitioner/7", (), "p1")
    allowed = policy(scopes.parse(SCOPES), rules(("practitioner",), packaged()), context, ("x|app",))
    assert found == Principal(
        agent=USER_ID,
        client="app",
        token=jti,
        policy=allowed,
        expires=NOW + 3600,
        grant=GRANT_ID,
        user=USER_ID,
        fhir_user="Practitioner/7",
        roles=("practitioner",),
        patient="p1",
        api_key=sha256(b"key").digest(),
        states=("s|c",),
    )
    assert found.policy is allowed
    assert verifier.known(token) is found


async def test_an_app_by_itself_is_its_own_agent(verifier: Verifier, issuer: Issuer) -> None:
    token, jti, _ = issuer.access(Granted("app", "system/*.rs"))
    found = await who(verifier, token)
    allowed = policy(scopes.parse("system/*.rs"), None, Context(), ("x|app",))
    assert found == Principal("app", "app", jti, allowed, NOW + 300, api_key=sha256(b"key").digest(), states=("s|c",))


async def test_an_app_by_itself_has_no_scopes_of_users_and_patients(verifier: Verifier, key: SigningKey) -> None:
    more = {"client_id": "app", "sub": "app", "patient": "p1", "scope": "user/*.cruds patient/*.cruds system/Group.r"}
    found = await who(verifier, jwt.sign(claims(**more), key.key, key.kid))
    assert found.policy.grants == (PolicyGrant("Group", frozenset("r")),)


async def test_an_app_has_no_more_than_it_is_registered_for_now(
    verifier: Verifier, issuer: Issuer, ledger: Counting
) -> None:
    """What a user allowed stays with the grant; an administrator who narrows the app's scopes narrows its tokens."""
    for scopes_now, letters in ((SCOPES, "rs"), ("patient/Observation.r", "r"), ("openid", "")):
        await ledger.set(CLIENT, b"app", msgspec.structs.replace(APP, scopes=scopes_now))
        found = await who(verifier, issuer.access(replace(GRANTED, scopes="patient/Observation.rs"), 60)[0])
        assert "".join(one for one in "rs" if found.policy.permits("Observation", one)) == letters
    await ledger.set(CLIENT, b"app", msgspec.structs.replace(APP, scopes="system/Patient.r"))
    found = await who(verifier, issuer.access(Granted("app", "system/*.rs"))[0])
    assert found.policy.grants == (PolicyGrant("Patient", frozenset("r")),)


async def test_a_scope_that_stands_in_the_grant_is_found_there(
    verifier: Verifier, issuer: Issuer, ledger: Counting
) -> None:
    long = "patient/Observation.rs " + " ".join(f"patient/Observation.rs?code=a|{n}" for n in range(100))
    await ledger.set(GRANT, UUID(GRANT_ID).bytes, msgspec.structs.replace(ALLOWED, scopes=long))
    by_reference = await who(verifier, issuer.access(replace(GRANTED, scopes=long), 60)[0])
    assert by_reference.policy.permits("Observation", "r")
    narrowed = await who(verifier, issuer.access(replace(GRANTED, scopes="user/Practitioner.rs", narrowed=True), 60)[0])
    assert not narrowed.policy.permits("Observation", "r")
    assert narrowed.policy.permits("Practitioner", "r")


async def test_who_the_user_is_can_be_read_only_where_the_app_may_know(verifier: Verifier, issuer: Issuer) -> None:
    bare = replace(GRANTED, scopes="patient/Observation.rs", fhir_user="")
    found = await who(verifier, issuer.access(bare, 60)[0])
    assert found.fhir_user == "Practitioner/7"
    assert not any(grant.search == (("_id", "7"),) for grant in found.policy.grants)


async def test_equal_rights_share_their_policy(verifier: Verifier, issuer: Issuer) -> None:
    """Searches know their plans again by it."""
    first, second = [await who(verifier, issuer.access(GRANTED, 60)[0]) for _ in range(2)]
    assert first.token != second.token
    assert first.policy is second.policy


async def test_what_is_kept_is_no_token_and_is_bounded(
    ring: Keyring, ledger: Counting, clock: Clock, minter: Minter
) -> None:
    verifier = Verifier(ring, ledger, BASE, clock=clock, limit=3)
    tokens = [minter.mint("system/*.rs") for _ in range(10)]
    for token in tokens:
        await who(verifier, token)
    assert list(verifier._kept) == [sha256(token.encode()).digest() for token in tokens[-3:]]
    assert verifier._marks.keys() == verifier._kept.keys()
    await refused(verifier, tokens[-1] + "x")
    assert len(verifier._kept) == 3


async def test_a_token_ends_also_when_it_was_seen_before(verifier: Verifier, minter: Minter, clock: Clock) -> None:
    token = minter.mint("system/*.rs", minutes=1)
    clock.now = NOW + 59.9
    await who(verifier, token)
    clock.now = NOW + 60
    for _ in range(2):
        assert await refused(verifier, token) == EXPIRED


async def test_whose_a_token_was_is_known_where_its_signature_holds(
    verifier: Verifier, issuer: Issuer, key: SigningKey, clock: Clock
) -> None:
    token, jti, _ = issuer.access(GRANTED, 60)
    ours = Principal(USER_ID, "app", jti, Policy(()), NOW + 60, grant=GRANT_ID, user=USER_ID)
    forged = token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:]
    verifier.revoked([revoking.revoked(TOKEN_REVOKED, jti, clock.now)])
    assert await not_held(verifier, token) is await not_held(verifier, token)  # the trail introduces each once
    assert await not_held(verifier, token) == ours
    clock.now = NOW + 60
    assert await not_held(verifier, token) == ours
    assert await not_held(verifier, forged) is None
    assert await not_held(verifier, "nonsense") is None
    alone = await not_held(verifier, Minter(key, BASE, lambda: NOW - 3600).mint("system/*.rs"))
    assert alone is not None
    assert (alone.agent, alone.client, alone.user) == ("owner", "hilum-cli", "")


async def test_many_at_once_ask_the_ledger_once(verifier: Verifier, issuer: Issuer, ledger: Counting) -> None:
    token = issuer.access(GRANTED, 60)[0]
    ledger.waits = asyncio.Event()
    waiting = [asyncio.ensure_future(who(verifier, token)) for _ in range(8)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # who goes away takes nobody along
    await asyncio.sleep(0.01)
    ledger.waits.set()
    found = await asyncio.gather(*waiting[1:])
    assert all(one is found[0] for one in found)
    assert sorted(ledger.reads) == [CLIENT, USER, GRANT]
    assert verifier._coming == {}


# --- refused by what they say -----------------------------------------------------------------------------------------


def claims(**more: Any) -> dict[str, Any]:
    whole = {
        "iss": "https://hilum.test",
        "aud": BASE,
        "env": "sandbox",
        "sub": "s",
        "client_id": "hilum-cli",
        "scope": "system/*.rs",
        "jti": "j",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 60,
    } | more
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    "more",
    [
        {"iss": "https://other.test"},
        {"iss": BASE},
        {"aud": "https://other.test/fhir"},
        {"aud": [BASE]},
        {"aud": "https://hilum.test"},
        {"env": "production"},
        {"exp": NOW},
        {"exp": NOW - 1},
        {"exp": str(NOW + 60)},
        {"exp": NOW + 60.5},
        {"exp": True},
        {"nbf": NOW + 6},
        {"iat": NOW + 6},
        {"patient": 7},
        {"patient": ""},
        {"patient": "a/b"},
        {"patient": ["p1"]},
        {"encounter": "a b"},
        {"scope": ["system/*.rs"]},
        {"sub": 1},
        {"grant": 5},
        {"grant": "no uuid"},
        {"sid": "no hex"},
        {"jti": ["j"]},
        *({name: None} for name in claims()),
    ],
)
async def test_claims_that_do_not_hold_are_refused(key: SigningKey, verifier: Verifier, more: dict[str, Any]) -> None:
    await who(verifier, jwt.sign(claims(), key.key, key.kid))
    assert await refused(verifier, jwt.sign(claims(**more), key.key, key.kid)) in (REFUSED, EXPIRED)


async def test_a_token_of_another_environment_key_kid_or_type_is_refused(
    key: SigningKey, verifier: Verifier, tmp_path: Path
) -> None:
    other = load_or_create(tmp_path, "production")
    for token in (
        jwt.sign(claims(), other.key, other.kid),
        jwt.sign(claims(), other.key, key.kid),
        jwt.sign(claims(), key.key, "other"),
        jwt.sign(claims(), key.key, key.kid, type="JWT"),
        jwt.sign(claims(), key.key, key.kid, type="jwt"),
    ):
        assert await refused(verifier, token) == REFUSED


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_other_algorithms_are_refused(key: SigningKey, verifier: Verifier) -> None:
    """Among them the public key as an HMAC secret (https://www.rfc-editor.org/rfc/rfc8725#section-2.1)."""
    for algorithm in ("none", "HS256", "HS512", "RS256", "ES384", ""):
        signed = f"{part({'kid': key.kid, 'typ': 'at+jwt', 'alg': algorithm})}.{part(claims())}"
        mac = hmac.digest(key.key.as_pem(private=False), signed.encode(), "sha256")
        hs = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        for token in (hs, signed, signed + "."):
            assert await refused(verifier, token) == REFUSED


async def test_every_changed_character_is_refused(key: SigningKey, verifier: Verifier) -> None:
    token = jwt.sign(claims(), key.key, key.kid)
    for i in range(0, len(token) - 1, 7):  # not the last: it holds bits that say nothing
        changed = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        assert await refused(verifier, changed) == REFUSED


@given(text=st.one_of(st.text(), st.lists(st.text("AQew0_-.=", max_size=30), min_size=3, max_size=3).map(".".join)))
async def test_nonsense_is_refused_and_only_that(text: str, key: SigningKey) -> None:
    assert await refused(Verifier(Keyring(key), MemoryLedger(), BASE), text) == REFUSED


ANY = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2))


@given(ANY, ANY)
async def test_any_json_in_header_and_payload_is_refused(key: SigningKey, header: Any, payload: Any) -> None:
    verifier = Verifier(Keyring(key), MemoryLedger(), BASE)
    for token in (
        f"{part(header)}.{part(payload)}.AAAA",
        f"{part({'alg': header, 'kid': payload})}.{part(payload)}.AA",
        f"{part({'alg': 'ES256', 'kid': key.kid, 'typ': header})}.{part(payload)}.AA",
    ):
        assert await refused(verifier, token) == REFUSED


async def test_what_is_too_long_is_refused_unread(verifier: Verifier) -> None:
    for text in ("a" * (LONGEST_TOKEN + 1), "." * 10**6):
        with pytest.raises(Unauthenticated):
            verifier.known(text)
        with pytest.raises(Unauthenticated):
            await verifier.admit(text)


# --- refused by the ledger --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (CLIENT, b"app", msgspec.structs.replace(APP, disabled=True)),
        (USER, UUID(USER_ID).bytes, msgspec.structs.replace(ADA, disabled=True)),
        (GRANT, UUID(GRANT_ID).bytes, msgspec.structs.replace(ALLOWED, client="other")),
        (GRANT, UUID(GRANT_ID).bytes, msgspec.structs.replace(ALLOWED, user="other")),
        (GRANT, UUID(GRANT_ID).bytes, msgspec.structs.replace(ALLOWED, patient="p2")),
        (GRANT, UUID(GRANT_ID).bytes, msgspec.structs.replace(ALLOWED, patient="")),
    ],
)
async def test_records_that_are_not_as_the_token_says(
    verifier: Verifier, issuer: Issuer, ledger: Counting, kind: int, name: bytes, value: Record
) -> None:
    await ledger.set(kind, name, value)
    assert await refused(verifier, issuer.access(GRANTED, 60)[0]) in (REFUSED, REVOKED)


@pytest.mark.parametrize(
    ("kind", "name"), [(CLIENT, b"app"), (USER, UUID(USER_ID).bytes), (GRANT, UUID(GRANT_ID).bytes)]
)
async def test_records_that_ended_or_are_gone(
    verifier: Verifier, issuer: Issuer, ledger: Counting, kind: int, name: bytes
) -> None:
    token = issuer.access(GRANTED, 60)[0]
    await ledger.end(kind, key=name)
    assert await refused(verifier, token) == REVOKED
    await ledger.remove(kind, name)
    assert await refused(verifier, token) == REVOKED


async def test_a_patient_scope_never_reaches_another_patient_than_the_grants(
    verifier: Verifier, key: SigningKey
) -> None:
    more = {"client_id": "app", "sub": USER_ID, "grant": GRANT_ID, "patient": "p2", "scope": "patient/*.rs"}
    assert await refused(verifier, jwt.sign(claims(**more), key.key, key.kid)) == REFUSED


async def test_only_minted_tokens_need_no_client(verifier: Verifier, key: SigningKey) -> None:
    for client in ("nobody", "hilum-clI", ""):
        token = jwt.sign(claims(client_id=client), key.key, key.kid)
        assert await refused(verifier, token) in (REFUSED, REVOKED)
    with_grant = jwt.sign(claims(grant=GRANT_ID, sub=USER_ID), key.key, key.kid)
    assert await refused(verifier, with_grant) == REVOKED
    other_subject = jwt.sign(claims(client_id="app", sub="x"), key.key, key.kid)
    assert await refused(verifier, other_subject) == REFUSED


async def test_a_role_that_there_is_not_any_more_allows_nothing(
    verifier: Verifier, issuer: Issuer, ledger: Counting
) -> None:
    await ledger.set(USER, UUID(USER_ID).bytes, msgspec.structs.replace(ADA, roles=("gone",), fhir_user=""))
    found = await who(verifier, issuer.access(GRANTED, 60)[0])
    assert found.policy.grants == ()


# --- revocations ------------------------------------------------------------------------------------------------------


def names(jti: str) -> list[tuple[int, str]]:
    return [
        (TOKEN_REVOKED, jti),
        (GRANT_REVOKED, GRANT_ID),
        (CLIENT_REVOKED, "app"),
        (USER_REVOKED, USER_ID),
        (SESSION_REVOKED, SESSION),
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("seen", [True, False])
async def test_a_revocation_ends_tokens_that_were_seen_and_those_that_were_not(
    verifier: Verifier, issuer: Issuer, clock: Clock, number: int, seen: bool
) -> None:
    token, jti, _ = issuer.access(GRANTED, 600)
    if seen:
        await who(verifier, token)
    clock.now += 1
    verifier.revoked([revoking.revoked(*names(jti)[number], clock.now)])
    assert verifier.known(token) is None
    assert await refused(verifier, token) == REVOKED


@pytest.mark.parametrize("number", range(5))
async def test_other_tokens_and_later_ones_hold_on(
    verifier: Verifier, issuer: Issuer, minter: Minter, clock: Clock, number: int
) -> None:
    other = minter.mint("system/*.rs")
    await who(verifier, other)
    kind, name = names("someone-elses")[number]
    verifier.revoked([revoking.revoked(kind, name, clock.now)])
    assert verifier.known(other) is not None
    clock.now += 1
    later = issuer.access(GRANTED, 600)[0]
    assert await who(verifier, later)


async def test_a_token_of_the_second_of_its_revocation_is_void(
    verifier: Verifier, issuer: Issuer, clock: Clock
) -> None:
    token = issuer.access(GRANTED, 600)[0]
    verifier.revoked([revoking.revoked(USER_REVOKED, USER_ID, clock.now + 0.9)])
    assert await refused(verifier, token) == REVOKED


async def test_an_older_revocation_does_not_undo_a_later_one(verifier: Verifier, issuer: Issuer, clock: Clock) -> None:
    clock.now += 10
    token = issuer.access(GRANTED, 600)[0]
    later = revoking.revoked(CLIENT_REVOKED, "app", clock.now)
    verifier.revoked([later, revoking.revoked(CLIENT_REVOKED, "app", clock.now - 5)])
    verifier.revoked([replace(later, before=later.before - 7)])
    assert await refused(verifier, token) == REVOKED


async def test_revocations_are_forgotten_when_nothing_of_theirs_is_left(verifier: Verifier, clock: Clock) -> None:
    verifier.revoked([revoking.revoked(CLIENT_REVOKED, f"c{n}", clock.now) for n in range(100)])
    clock.now += revoking.LONGEST_TOKEN_SECONDS + 1
    verifier.revoked([revoking.revoked(CLIENT_REVOKED, "app", clock.now)])
    assert len(verifier._revoked) == 1


@pytest.mark.parametrize(
    ("kind", "name"), [(USER_CHANGED, USER_ID), (CLIENT_CHANGED, "app"), (GRANT_CHANGED, GRANT_ID)]
)
async def test_what_changed_is_judged_anew(
    verifier: Verifier, issuer: Issuer, ledger: Counting, clock: Clock, kind: int, name: str
) -> None:
    token = issuer.access(GRANTED, 600)[0]
    before = await who(verifier, token)
    await ledger.set(USER, UUID(USER_ID).bytes, msgspec.structs.replace(ADA, roles=("auditor",)))
    assert verifier.known(token) is before
    verifier.revoked([revoking.revoked(kind, name, clock.now)])
    after = await who(verifier, token)
    assert after.roles == ("auditor",)
    assert not after.policy.permits("Observation", "r")


async def test_new_roles_are_for_all_at_once(verifier: Verifier, issuer: Issuer) -> None:
    token = issuer.access(GRANTED, 600)[0]
    assert (await who(verifier, token)).policy.permits("Observation", "r")
    verifier.forget({})
    assert not (await who(verifier, token)).policy.permits("Observation", "r")


@pytest.mark.parametrize("kind", [USER_REVOKED, USER_CHANGED])
async def test_news_that_come_while_the_ledger_is_read_are_not_missed(
    verifier: Verifier, issuer: Issuer, ledger: Counting, clock: Clock, kind: int
) -> None:
    token = issuer.access(GRANTED, 600)[0]
    ledger.waits = asyncio.Event()
    coming = asyncio.ensure_future(who(verifier, token))
    await ledger.read_all.wait()
    await ledger.set(USER, UUID(USER_ID).bytes, msgspec.structs.replace(ADA, roles=()))
    verifier.revoked([revoking.revoked(kind, USER_ID, clock.now)])
    ledger.waits.set()
    if kind == USER_REVOKED:
        with pytest.raises(Unauthenticated):
            await coming
        assert verifier.known(token) is None
    else:
        assert (await coming).roles == ()


async def test_a_process_that_learns_nothing_any_more_honours_no_token(
    verifier: Verifier, issuer: Issuer, minter: Minter, clock: Clock
) -> None:
    seen, unseen, minted = issuer.access(GRANTED, 600)[0], issuer.access(GRANTED, 600)[0], minter.mint("system/*.rs")
    await who(verifier, seen)
    verifier.fresh = clock.now + 5
    clock.now += 5
    assert await who(verifier, seen)
    clock.now += 0.1
    for token in (seen, unseen, minted):
        with pytest.raises(Busy):
            await who(verifier, token)
    verifier.fresh = clock.now + 5
    assert await who(verifier, seen)


def test_names_of_revocations() -> None:
    assert revoking.revoked(TOKEN_REVOKED, "j", 7.9) == Revoked(TOKEN_REVOKED, b"j", 7, (7 + 86400) * 1_000_000)
    assert revoking.key(GRANT_REVOKED, GRANT_ID) == UUID(GRANT_ID).bytes
    assert revoking.key(SESSION_REVOKED, SESSION) == b"\xcd" * 32
    assert revoking.record(CLIENT, "app") == revoking.key(CLIENT_REVOKED, "app") == b"app"
    for kind in (GRANT_REVOKED, USER_REVOKED, USER_CHANGED, GRANT_CHANGED, SESSION_REVOKED):
        with pytest.raises(ValueError, match=r".*"):
            revoking.key(kind, "no such name")
