"""Browsers in which a user has signed in before have tries of their own, so that strangers who try a name over and over
shut its user out of other browsers only.

https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies. The cookie signs nobody in: it
says that this browser was here with this name, which only this server can say.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hilum.access.seal import secret
from hilum.smart.people import users
from hilum.web import cookies
from hilum.web.fields import Header
from hilum.web.message import Asked

if TYPE_CHECKING:
    from hilum.smart.site import Site

COOKIE: Final = "hilum-known"
SECONDS: Final = 180 * 86_400
_LONGEST_NAME: Final = 512
_VALUE: Final = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9a-f]{64})")


def tries(site: Site, asked: Asked, name: str) -> bytes:
    """Under which key of the ledger tries of this name are counted: those of a browser that was here with it, or those
    of all others.
    """
    folded = users.folded(name[:_LONGEST_NAME])
    found = _VALUE.fullmatch(cookies.read(asked.headers, _cookie(site)) or "")
    if found is not None and hmac.compare_digest(found[2], _mac(site, found[1], folded)):
        folded += b"\x00" + found[1].encode()
    return b"signin:" + sha256(folded).digest()


def known(site: Site, name: str) -> Header:
    """What sets the cookie, for who has signed in under this name."""
    mark = secrets.token_urlsafe(16)
    value = f"{mark}.{_mac(site, mark, users.folded(name[:_LONGEST_NAME]))}"
    return cookies.written(_cookie(site), value, secure=site.settings.secure, seconds=SECONDS)


def _cookie(site: Site) -> str:
    return cookies.name(COOKIE, secure=site.settings.secure)


def _mac(site: Site, mark: str, folded: bytes) -> str:
    return hmac.new(secret(site.ring.root, "devices"), mark.encode() + b"\x00" + folded, sha256).hexdigest()
