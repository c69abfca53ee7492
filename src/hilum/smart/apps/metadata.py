"""What an app says of itself as it registers, read and shown by the names of RFC 7591 (2).

https://www.rfc-editor.org/rfc/rfc7591#section-2, https://openid.net/specs/openid-connect-registration-1_0.html
Members that are not known are left out, as the RFC has it: the answer says what was taken. So is `logo_uri`: what
people see of an app on pages of ours is chosen by an administrator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hilum.oauth import scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import Client
from hilum.oauth.scopes import Asked
from hilum.smart.apps import clients

UNNAMED: Final = "An app without a name"
MOST: Final = 20
"""Entries of a list."""


def client_of(document: Mapping[str, Any], most: str) -> Client:
    """The client that this is. `most`: the scopes that it may register for. Raises OAuthError.

    What else a client must be, `clients.check` judges.
    """
    method = _text(document, "token_endpoint_auth_method", clients.SECRET[0])
    if not set(_texts(document, "response_types", ("code",))) <= {"code"}:
        raise OAuthError("invalid_client_metadata", "The only response type is code.")
    if "jwks" in document and not isinstance(document["jwks"], dict):
        raise OAuthError("invalid_client_metadata", "The jwks must be a JWK Set.")
    return Client(
        name=_text(document, "client_name", UNNAMED),
        method=method,
        scopes=_scopes(_text(document, "scope", most), most),
        grants=_texts(document, "grant_types", (clients.CODE,)),
        redirects=_texts(document, "redirect_uris"),
        launches=_texts(document, "launch_uris") or tuple(filter(None, (_text(document, "launch_uri"),))),
        jwks=document.get("jwks"),
        jwks_uri=_text(document, "jwks_uri"),
        alg=_text(document, "token_endpoint_auth_signing_alg"),
        contacts=_texts(document, "contacts"),
        uri=_text(document, "client_uri"),
        policy_uri=_text(document, "policy_uri"),
        tos_uri=_text(document, "tos_uri"),
        about=" ".join(filter(None, (_text(document, "software_id"), _text(document, "software_version")))),
    )


def shown(client: Client) -> dict[str, Any]:
    """The same as JSON, without what is not there."""
    said = {
        "client_name": client.name,
        "redirect_uris": list(client.redirects),
        "token_endpoint_auth_method": client.method,
        "token_endpoint_auth_signing_alg": client.alg,
        "grant_types": list(client.grants),
        "response_types": ["code"] if clients.CODE in client.grants else [],
        "scope": client.scopes,
        "launch_uris": list(client.launches),
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "contacts": list(client.contacts),
        "logo_uri": client.logo,
        "client_uri": client.uri,
        "policy_uri": client.policy_uri,
        "tos_uri": client.tos_uri,
    }
    return {name: value for name, value in said.items() if value}


def _scopes(wanted: str, most: str) -> str:
    """The part of what is wanted that may be. Raises OAuthError when that is nothing."""
    asked, may = scopes.asked(wanted), scopes.asked(most)
    found = Asked(
        tuple(dict.fromkeys(part for one in asked.resources for part in scopes.parts(one, may.resources))),
        tuple(wish for wish in asked.wishes if wish in may.wishes),
        asked.flags & may.flags,
    )
    text = scopes.text(found)
    if not text:
        raise OAuthError("invalid_client_metadata", "None of these scopes may be registered here, or with this token.")
    return text


def _text(document: Mapping[str, Any], name: str, default: str = "") -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or len(value) > 64 * 1024 or not value.isprintable():
        raise OAuthError("invalid_client_metadata", f"The member {name} must be a text.")
    return value or default


def _texts(document: Mapping[str, Any], name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    value = document.get(name, list(default))
    if not isinstance(value, list) or len(value) > MOST or not all(isinstance(one, str) for one in value):
        raise OAuthError("invalid_client_metadata", f"The member {name} must be a list of at most {MOST} texts.")
    return tuple(dict.fromkeys(value))
