"""The form of a new EHR: what an administrator fills in, and what is then asked of the broker."""

from __future__ import annotations

from typing import Final

from hilum.problems import Invalid
from hilum.smart.admin.brokered import NewEhr
from hilum.smart.admin.lists import lines
from hilum.web.message import Form

METHODS: Final = {
    "private_key_jwt": "A signature by a key of hilum's own (hilum keys new --use ehr)",
    "client_secret_basic": "A secret, sent by HTTP Basic",
    "client_secret_post": "A secret, sent in the form",
    "none": "Nothing: it knows hilum by the client id alone, and people sign in",
}
TEXTS: Final = (
    "name", "title", "vendor", "base", "client_id", "method", "alg", "system_scopes", "user_scopes", "issuer",
    "mrn_system",
)  # fmt: skip
BLANK: Final = dict.fromkeys((*TEXTS, "recipes"), "") | {"method": "private_key_jwt", "alg": "RS384", "vendor": "plain"}
"""What a new form has in its fields."""


def sent(form: Form) -> dict[str, str]:
    """What was sent in the same fields, to be shown again where it can't be taken: never the secret."""
    return {name: form.get(name) for name in BLANK}


def wanted(form: Form) -> NewEhr:
    """The EHR that was asked for. Raises Invalid where nothing would be asked of it."""
    texts = {name: " ".join(form.get(name).split()) for name in TEXTS}
    if not (texts["system_scopes"] or texts["user_scopes"]):
        raise Invalid("Say what to ask for: scopes where nobody is present, scopes where a person signs in, or both.")
    return NewEhr(**texts, recipes=tuple(lines(form.get("recipes"))), secret=form.get("secret").strip())
