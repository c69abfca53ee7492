"""What an authorization server remembers: records of kinds, each under a key, each with an end.

A record is a row of one table beside the resources (`hilum.access.ledger`); its value is a Struct of its kind, as JSON.
Nothing here is a secret that could be used: tokens, codes and cookies are digests, what must be read again is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

NEVER: Final = 1 << 62
"""The end of what has none, in microseconds since 1970."""

CLIENT: Final = 1
USER: Final = 2
USERNAME: Final = 3
PASSKEY: Final = 4
FEDERATED: Final = 5
SESSION: Final = 6
LAUNCH: Final = 7
FLOW: Final = 8
CODE: Final = 9
GRANT: Final = 10
REFRESH: Final = 11
JTI: Final = 12
INITIAL: Final = 13
KEY: Final = 14
TRIES: Final = 15
CHALLENGE: Final = 16
TICKET: Final = 17
SETTING: Final = 18
BLOB: Final = 19
LINK: Final = 20
EHR: Final = 21
EHR_KEY: Final = 22
EHR_TOKEN: Final = 23
SIGN_IN: Final = 24
PARCEL: Final = 25
LEASE: Final = 26
CURSOR: Final = 27
DESTINATION: Final = 28
DIRECTORY: Final = 29
IDEMPOTENCY_KEY: Final = 30
VIDEO: Final = 31
VIDEO_LINK: Final = 32
DEVICE_AGENT: Final = 33
DEVICE: Final = 34
DEVICE_RECEIPT: Final = 35
DEVICE_HELD: Final = 36
DEVICE_KEY: Final = 37
DEVICE_REFUSED: Final = 38

FRESH: Final = 0
USED: Final = 1
REVOKED: Final = 2
"""What a record's `state` says."""

TOKEN_REVOKED: Final = 1
GRANT_REVOKED: Final = 2
CLIENT_REVOKED: Final = 3
USER_REVOKED: Final = 4
SESSION_REVOKED: Final = 5
GRANT_CHANGED: Final = 6
CLIENT_CHANGED: Final = 7
USER_CHANGED: Final = 8
"""What a revocation is of. Of what changed, kept tokens are judged anew and nothing ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it stands. `owner`, `peer`: the keys of what it belongs to (the user and the client of a grant), or
    its place among those of its kind (a lease).

    `version` grows with each change; `changed` and `expires` in microseconds since 1970.
    """

    kind: int
    key: bytes
    state: int
    owner: bytes
    peer: bytes
    version: int
    changed: int
    expires: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """A record to write: a new one where `version` is None, else in place of that version."""

    kind: int
    key: bytes
    value: bytes
    expires: int = NEVER
    owner: bytes = b""
    peer: bytes = b""
    state: int = FRESH
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """A fresh record to use up, perhaps with another value."""

    kind: int
    key: bytes
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What there was to take. `first`: it was fresh, and is ours now. `row` None: there is no such record."""

    row: Row | None
    first: bool


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was issued for `key` (of one of the kinds above) up to the second `before` is void; kept until `expires`
    (microseconds), when nothing issued by then holds any more.
    """

    kind: int
    key: bytes
    before: int
    expires: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """A revocation and its number: they grow in the order of commits, over all processes."""

    n: int
    revoked: Revoked


class Lost(Exception):
    """One of several records was not as it was thought to be: nothing was written."""


def digest(text: str) -> bytes:
    """What is kept of a token: SHA-256."""
    return sha256(text.encode()).digest()


T = TypeVar("T", bound="Record")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record's value says."""


def read(row: Row, type: type[T]) -> T:
    """The value of a record."""
    return msgspec.json.decode(row.value, type=type)


def write(value: Record) -> bytes:
    """A value as it is stored."""
    return msgspec.json.encode(value)


class Client(Record, frozen=True, omit_defaults=True):
    """An app. `method`: how it proves who it is at the token endpoint (none, client_secret_basic, client_secret_post,
    private_key_jwt). `scopes`: what it is registered for. `secret`, `api_key`, `registration`: SHA-256, hex.

    https://www.rfc-editor.org/rfc/rfc7591#section-2
    """

    name: str
    method: str
    scopes: str
    grants: tuple[str, ...] = ("authorization_code",)
    redirects: tuple[str, ...] = ()
    launches: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    secret: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    alg: str = ""
    trusted: bool = False
    contacts: tuple[str, ...] = ()
    logo: str = ""
    uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    state_codes: tuple[str, ...] = ()
    api_key: str = ""
    registration: str = ""
    by: str = ""
    created: int = 0
    disabled: bool = False
    about: str = ""


class User(Record, frozen=True, omit_defaults=True):
    """A person with an account. `patients`: ids of the Patients whose records are their own. `password`: argon2's text;
    `totp`: the sealed secret, `totp_step` the last time step that was used; `recovery`: argon2's texts.
    """

    name: str
    display: str
    roles: tuple[str, ...]
    fhir_user: str = ""
    patients: tuple[str, ...] = ()
    password: str = ""
    must_change: bool = False
    totp: str = ""
    totp_step: int = 0
    recovery: tuple[str, ...] = ()
    disabled: bool = False
    created: int = 0
    seen: int = 0


class Grant(Record, frozen=True, omit_defaults=True):
    """What a user allowed an app. `context`: what the token response says beside the token. `session`: whose end ends
    it (`online_access`). `redeemed`: its code was.
    """

    user: str
    client: str
    scopes: str
    context: dict[str, Any]
    patient: str = ""
    offline: bool = False
    session: bytes = b""
    fhir_user: str = ""
    amr: tuple[str, ...] = ()
    auth_time: int = 0
    identity: bool = False
    created: int = 0
    used: int = 0
    redeemed: bool = False


class Code(Record, frozen=True, omit_defaults=True):
    """An authorization code: bound to client (`peer`), redirect and PKCE challenge."""

    grant: bytes
    redirect: str
    challenge: str
    nonce: str | None = None


class Refresh(Record, frozen=True, omit_defaults=True):
    """A refresh token of a grant (`owner`). `successor`: digest of the one that took its place, at `used_at`."""

    grant: bytes
    client: str
    generation: int
    successor: bytes = b""
    used_at: int = 0
    retried: bool = False


class Launch(Record, frozen=True, omit_defaults=True):
    """An app that is about to be started from here. `context`: patient, encounter, fhirContext, intent, ..."""

    user: str
    client: str
    context: dict[str, Any]
    task: str = ""


class Flow(Record, frozen=True, omit_defaults=True):
    """An authorization that a browser is in the middle of. `request`: the parameters that were judged.
    `pre`: digest of the cookie that its browser has now, `first`: of that with which it came; another one since then
    means that somebody has signed in.
    """

    request: dict[str, str]
    step: str
    launch: bytes = b""
    user: str = ""
    patient: str = ""
    encounter: str = ""
    started: int = 0
    pre: bytes = b""
    first: bytes = b""


class Session(Record, frozen=True, omit_defaults=True):
    """A browser that is signed in. `factors`: pwd, otp, passkey, ... (RFC 8176)."""

    user: str
    at: int
    seen: int
    factors: tuple[str, ...]
    address: str = ""


class Key(Record, frozen=True, omit_defaults=True):
    """A key that signs: `private` is sealed, `public` a JWK. `begins`, `ends`: microseconds, 0 for no end."""

    use: str
    alg: str
    private: str
    public: dict[str, Any]
    begins: int
    ends: int = 0


class Passkey(Record, frozen=True, omit_defaults=True):
    """A credential of https://www.w3.org/TR/webauthn-3/. `count`: its signature counter."""

    public_key: bytes
    count: int
    label: str
    created: int
