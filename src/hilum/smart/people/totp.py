"""One-time codes by time: six digits from a secret that an authenticator app shares. https://www.rfc-editor.org/rfc/rfc6238"""

from __future__ import annotations

import io
from hmac import compare_digest
from typing import Final

import pyotp
import segno

SECONDS: Final = 30
"""Of a time step."""
BESIDE: Final = 1
"""Steps by which the clock of a phone may be off."""


def new_secret() -> str:
    """160 random bits in base 32. https://www.rfc-editor.org/rfc/rfc4226#section-4"""
    return pyotp.random_base32()


def step(secret: str, code: str, now: float, last: int) -> int | None:
    """The time step of this code, if it is one of now and later than `last`, so that none holds twice; else None."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    codes = pyotp.HOTP(secret)
    present = int(now // SECONDS)
    found = None
    for one in range(present - BESIDE, present + BESIDE + 1):
        if compare_digest(codes.at(one), digits) and one > last:
            found = one
    return found


def uri(secret: str, user: str, organisation: str) -> str:
    """What an authenticator app reads. https://github.com/google/google-authenticator/wiki/Key-Uri-Format"""
    return pyotp.TOTP(secret).provisioning_uri(name=user, issuer_name=organisation)


def qr(text: str) -> str:
    """The text as a QR code, an SVG element for a page: black on white in any colour scheme."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=5, border=4, dark="#000", light="#fff", xmldecl=False, svgns=False, nl=False
    )
    return drawn.getvalue().decode()


def spaced(secret: str) -> str:
    """The secret for who types it: in groups of four."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
