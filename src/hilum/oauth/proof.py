"""How a client proves who it is at a token endpoint, as its side of it: what is added to the form, and to the headers.

https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote_plus

Proof = tuple[dict[str, str], dict[str, str]]
"""Fields of the form, and headers."""


def none(client: str) -> Proof:
    """A public client proves nothing; it says who it is."""
    return {"client_id": client}, {}


def basic(client: str, secret: str) -> Proof:
    """`client_secret_basic`: both are form-encoded first."""
    pair = f"{quote_plus(client)}:{quote_plus(secret)}"
    return {}, {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def post(client: str, secret: str) -> Proof:
    """`client_secret_post`."""
    return {"client_id": client, "client_secret": secret}, {}
