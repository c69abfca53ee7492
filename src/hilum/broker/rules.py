"""What a connection must be, whoever writes it: the checks as a table in their order.

https://www.rfc-editor.org/rfc/rfc6749#section-3.3 (scopes), https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from hilum.broker.connection import ENVIRONMENTS, EVERY, GRANTS, METHODS, Connection
from hilum.oauth.keyset import KEY_TYPE
from hilum.problems import Invalid
from hilum.web.addresses import target

SECRET: Final = ("client_secret_basic", "client_secret_post")
"""The methods that need a secret."""
KEYS: Final = "private_key_jwt"
BACKEND: Final = "client_credentials"
LAUNCH: Final = "authorization_code"

_HERE: Final = frozenset(("127.0.0.1", "::1", "localhost"))
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+")


class Rule(NamedTuple):
    """One row: what must hold of which key, and what to say where it does not."""

    key: str
    holds: Callable[[Connection], bool]
    says: str


def _address(url: str, environment: str) -> bool:
    found = target(url)
    if isinstance(found, str) or "?" in found.path:
        return False
    return found.scheme == "https" or (environment == "sandbox" and found.host in _HERE)


def _scopes(text: str, *, but: tuple[str, ...]) -> bool:
    return all(_SCOPE.fullmatch(one) and not one.startswith(but) for one in text.split())


RULES: Final = (
    Rule(
        "name",
        lambda c: bool(_NAME.fullmatch(c.name)),
        "must have 1 to 40 letters a-z, digits and '-': it is part of addresses.",
    ),
    Rule("environment", lambda c: c.environment in ENVIRONMENTS, f"must be {' or '.join(ENVIRONMENTS)}."),
    Rule(
        "base",
        lambda c: _address(c.base, c.environment),
        "must be the FHIR base URL, https://host/path, without a query; http only in the sandbox and to this machine.",
    ),
    Rule(
        "issuer",
        lambda c: not c.issuer or _address(c.issuer, c.environment),
        "must be a URL as the EHR sends it in a launch (`iss`), or absent.",
    ),
    Rule(
        "client_id",
        lambda c: 0 < len(c.client_id) <= 255 and c.client_id.isprintable() and c.client_id.strip() == c.client_id,
        "must be what the EHR knows hilum by: 1 to 255 printable characters.",
    ),
    Rule("method", lambda c: c.method in METHODS, f"must be one of {', '.join(METHODS)}."),
    Rule(
        "grants",
        lambda c: bool(c.grants) and set(c.grants) <= set(GRANTS) and len(set(c.grants)) == len(c.grants),
        f"must name at least one of {', '.join(GRANTS)}, each once.",
    ),
    Rule(
        "method",
        lambda c: c.method != "none" or BACKEND not in c.grants,
        f"may not be none with {BACKEND}: nobody is present, so hilum has to prove who it is.",
    ),
    Rule("alg", lambda c: c.alg in KEY_TYPE, f"must be one of {', '.join(KEY_TYPE)}."),
    Rule(
        "system_scopes",
        lambda c: (BACKEND in c.grants) == bool(c.system_scopes.split()),
        f"must say what to ask for by {BACKEND}, such as 'system/Patient.rs', and be absent without that grant.",
    ),
    Rule(
        "system_scopes",
        lambda c: _scopes(c.system_scopes, but=("patient/", "user/", "launch", "openid")),
        "may hold no scopes of people (patient/, user/, launch, openid), and none that are malformed.",
    ),
    Rule(
        "user_scopes",
        lambda c: (LAUNCH in c.grants) == bool(c.user_scopes.split()),
        f"must say what to ask for by {LAUNCH}, such as 'launch patient/*.rs', and be absent without that grant.",
    ),
    Rule(
        "user_scopes",
        lambda c: _scopes(c.user_scopes, but=("system/",)),
        "may hold no scopes of systems (system/), and none that are malformed.",
    ),
    Rule(
        "recipes",
        lambda c: all(one == EVERY or _NAME.fullmatch(one) for one in c.recipes),
        "must be names of recipes: letters a-z, digits and '-'; or * for all.",
    ),
    Rule(
        "mrn_system",
        lambda c: not c.mrn_system or bool(_URI.fullmatch(c.mrn_system)),
        "must be the URI of the identifiers that patients are looked for by, such as urn:oid:1.2.3, or absent.",
    ),
    Rule(
        "title",
        lambda c: len(c.title) <= 200 and c.title.isprintable(),
        "must be a printable text of at most 200 characters.",
    ),
)


def judge(connection: Connection) -> None:
    """Raises Invalid for the first rule that does not hold; its expression is the key."""
    for rule in RULES:
        if not rule.holds(connection):
            raise Invalid(f"{rule.key} {rule.says}", expression=rule.key)
