"""The form of an app: what an administrator fills in, and the registration that it makes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import structs

from hilum.oauth.ledger import Client
from hilum.problems import Invalid
from hilum.smart.admin.lists import lines
from hilum.smart.apps import clients
from hilum.web.message import Form

METHODS: Final = {
    clients.PUBLIC: "None: it runs in a browser or on a phone and can keep no secret",
    clients.SECRET[0]: "A secret, sent by HTTP Basic",
    clients.SECRET[1]: "A secret, sent in the form",
    clients.KEYS: "A signature by a key of its own (private_key_jwt)",
}
_TEXTS: Final = ("name", "method", "scopes", "jwks_uri", "uri", "policy_uri", "tos_uri", "logo")
_LISTS: Final = ("redirects", "launches", "origins", "contacts", "state_codes")
FIELDS: Final = (*_TEXTS, *_LISTS, "jwks", "trusted")
_NAMES: Final = {"uri": "web page", "policy_uri": "privacy policy", "tos_uri": "terms", "jwks_uri": "JWKS URL"}


def shown(client: Client | None) -> dict[str, Any]:
    """What the form of this client has in its fields; None: of a new one."""
    if client is None:
        return dict.fromkeys(FIELDS, "") | {"method": clients.PUBLIC, "trusted": False}
    found: dict[str, Any] = {name: getattr(client, name) for name in _TEXTS}
    found |= {name: "\n".join(getattr(client, name)) for name in _LISTS}
    found["jwks"] = msgspec.json.format(msgspec.json.encode(client.jwks)).decode() if client.jwks else ""
    return found | {"trusted": client.trusted}


def sent(form: Form) -> dict[str, Any]:
    """What was sent in the same fields, to be shown again where it can't be taken."""
    return {name: form.get(name) for name in FIELDS} | {"trusted": "trusted" in form}


def client_of(values: dict[str, Any], old: Client) -> Client:
    """The registration that the fields make of the old one. Raises Invalid.

    What else a client must be, `clients.check` judges. Which grant types it may use follows from what it has, unless it
    said so itself as it registered.
    """
    texts = {name: " ".join(values[name].split()) for name in _TEXTS}
    lists = {name: lines(values[name]) for name in _LISTS}
    clients.understood(texts["scopes"])
    new = structs.replace(old, **texts, **lists, jwks=_keys(values["jwks"]), trusted=values["trusted"])
    meant = _grants(new)
    if meant != _grants(old) or not old.created:
        new = structs.replace(new, grants=meant)
    if new.method not in clients.SECRET:
        new = structs.replace(new, secret="")
    return new


def changed(old: Client, new: Client) -> str:
    """The names of what is another, for the audit."""
    names = (name for name in FIELDS if getattr(old, name) != getattr(new, name))
    return ", ".join(_NAMES.get(name, name) for name in names)


def _grants(client: Client) -> tuple[str, ...]:
    return clients.grants(redirects=bool(client.redirects), keys=client.method == clients.KEYS)


def _keys(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise Invalid("The keys are no JWK Set: a JSON object with a list of `keys`.") from None
