"""Passkeys: signing in with a key that a phone, computer or security key holds. https://www.w3.org/TR/webauthn-3/

Optional: they need the extra `hilum[passkeys]` and an address with a name (https, or http on localhost). A challenge is
proof of itself, bound to the browser that it was made for; that it was used is noted, so that it serves once.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import json, structs

from hilum.access.ledger import Ledger
from hilum.access.seal import secret
from hilum.oauth.ledger import CHALLENGE, PASSKEY, Passkey, Put, Row, digest, read, write
from hilum.smart.people import second, users
from hilum.smart.people.second import Refused
from hilum.smart.site import unknown
from hilum.web.message import Asked, Form

if TYPE_CHECKING:
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

SECONDS: Final = 5 * 60
"""How long a challenge holds."""
MOST: Final = 20
"""Passkeys of one user."""
HARDWARE: Final = "hwk"
SOFTWARE: Final = "swk"
"""Factors (RFC 8176): a key that can't leave its device, and one that is carried to the user's other devices."""
_GONE: Final = 1
"""When what is to be deleted has expired: long ago."""
WRONG: Final = "The passkey was not accepted. Try again, or sign in with your password."

_MAC: Final = 16


@cache
def _installed() -> bool:
    return find_spec("webauthn") is not None


def host(site: Site) -> str:
    """The name that passkeys are bound to; "" where there can be none. https://www.w3.org/TR/webauthn-3/#rp-id"""
    name = urlsplit(site.settings.origin).hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name if _installed() and (site.settings.secure or name == "localhost") else ""
    return ""


def offered(site: Site, session: Session) -> dict[str, Any] | None:
    """What the page's script needs to ask for a passkey; None where there are none."""
    name = host(site)
    return {"challenge": _challenge(site, session), "host": name} if name else None


async def signed_in(site: Site, asked: Asked, session: Session, form: Form, only: str = "") -> Session:
    """A new session for whose passkey has signed; it counts as two factors. Raises Refused."""
    from webauthn import verify_authentication_response

    answer = _json(form.get("credential"))
    challenge = _judged(site, session, answer)
    row = await site.ledger.get(PASSKEY, _bytes(answer.get("rawId")))
    account = None if row is None else await users.get(site.ledger, str(uuid.UUID(bytes=row.owner)))
    if row is None or account is None or account.user.disabled:
        raise await _refused(site, asked, account)
    kept = read(row, Passkey)
    try:
        seen = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=host(site),
            expected_origin=site.settings.origin,
            credential_public_key=kept.public_key,
            credential_current_sign_count=kept.count,
            require_user_verification=True,
        )
    except _wrong():
        raise await _refused(site, asked, account) from None
    await _used(site, challenge)
    if seen.new_sign_count != kept.count:
        changed = write(structs.replace(kept, count=seen.new_sign_count))
        if not await site.ledger.replace(Put(PASSKEY, row.key, changed, owner=row.owner), row.version):
            raise await _refused(site, asked, account)  # a copy of the key was quicker
    if only and account.id != only:
        raise Refused("This app was started for somebody else. Sign in as that person, or start the app again.")
    factor = HARDWARE if seen.credential_device_type.value == "single_device" else SOFTWARE
    return await second.begun(site, session, account, (factor, "user"), asked)


async def registering(site: Site, session: Session, account: Account) -> str:
    """What the page's script needs to have a passkey made, as JSON. Raises Refused."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=host(site),
        rp_name=site.settings.organization,
        user_id=account.key,
        user_name=account.user.name,
        user_display_name=account.user.display,
        challenge=_challenge(site, session).encode(),
        timeout=SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=row.key) for row in await of(site, account)],
    )
    return options_to_json(options)


async def add(site: Site, session: Session, account: Account, form: Form) -> None:
    """Keep the passkey that was made. Raises Refused."""
    from webauthn import verify_registration_response

    answer = _json(form.get("credential"))
    challenge = _judged(site, session, answer)
    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=host(site),
            expected_origin=site.settings.origin,
            require_user_verification=True,
        )
    except _wrong():
        raise Refused("The passkey was not accepted. Try again.") from None
    await _used(site, challenge)
    if len(await of(site, account)) >= MOST:
        raise Refused(f"You have {MOST} passkeys. Remove one first.")
    label = form.get("label").strip()[:60] or "Passkey"
    kept = Passkey(made.credential_public_key, made.sign_count, label, int(site.clock()))
    if not await site.ledger.add(Put(PASSKEY, made.credential_id, write(kept), owner=account.key)):
        raise Refused("This passkey is known here already.")
    await site.trail.certain(unknown(user=account.id), "user", 200, {"changed": "passkey added"})


async def of(site: Site, account: Account) -> list[Row]:
    """The user's passkeys."""
    return await site.ledger.of(PASSKEY, owner=account.key)


async def forgotten(ledger: Ledger, account: Account) -> list[Put]:
    """What has to be written, along with something else, so that the user has no passkeys any more."""
    return [
        Put(PASSKEY, row.key, row.value, expires=_GONE, owner=row.owner, version=row.version)
        for row in await ledger.of(PASSKEY, owner=account.key)
    ]


async def remove(site: Site, account: Account, id: str) -> None:
    """Forget a passkey of the user. Raises Refused."""
    row = await site.ledger.get(PASSKEY, _bytes(id))
    if row is None or row.owner != account.key:
        raise Refused("There is no such passkey.")
    await site.ledger.remove(PASSKEY, row.key)
    await site.trail.certain(unknown(user=account.id), "user", 200, {"changed": "passkey removed"})


def text(raw: bytes) -> str:
    """Bytes as WebAuthn writes them: base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _challenge(site: Site, session: Session) -> str:
    """Random bytes, when they end, and proof that both were made here for this browser."""
    body = secrets.token_bytes(16) + int(site.clock() + SECONDS).to_bytes(8)
    return text(body + _mac(site, session, body))


def _mac(site: Site, session: Session, body: bytes) -> bytes:
    return hmac.new(secret(site.ring.root, "passkeys"), body + session.key, sha256).digest()[:_MAC]


def _judged(site: Site, session: Session, answer: dict[str, Any]) -> bytes:
    """The challenge that was answered, if it is one of ours, for this browser, and holds still. Raises Refused."""
    response = answer.get("response")
    client = _json(_bytes(response.get("clientDataJSON") if isinstance(response, dict) else None))
    written = _bytes(client.get("challenge"))
    raw = _bytes(written.decode("latin-1"))
    body, mac = raw[:-_MAC], raw[-_MAC:]
    if not hmac.compare_digest(mac, _mac(site, session, body)) or int.from_bytes(body[16:]) < site.clock():
        raise Refused("The page was too old. Try again.")
    return written


async def _used(site: Site, challenge: bytes) -> None:
    """Raises Refused when this challenge was answered before."""
    ends = site.now + 2 * SECONDS * 1_000_000
    if not await site.ledger.add(Put(CHALLENGE, digest(challenge.decode("latin-1")), b"{}", ends)):
        raise Refused(WRONG)


async def _refused(site: Site, asked: Asked, account: Account | None) -> Refused:
    site.limits.note("sign-in by address", asked.address)
    about = {} if account is None else {"user": account.id}
    await site.trail.certain(unknown(), "sign-in-failed", 401, about | {"with": "passkey"})
    return Refused(WRONG)


def _json(raw: str | bytes) -> dict[str, Any]:
    try:
        return json.decode(raw, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise Refused(WRONG) from None


def _bytes(text: object) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _wrong() -> tuple[type[Exception], ...]:
    """What the library raises for answers that don't hold, malformed ones among them."""
    from webauthn.helpers.exceptions import WebAuthnException

    return (WebAuthnException, ValueError, TypeError, KeyError)
