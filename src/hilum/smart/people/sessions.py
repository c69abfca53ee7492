"""Sessions of browsers: a cookie of random bytes, a record under its digest, and proof that a form is one of ours.

A browser that nobody signed in with has the cookie, too, and no record: what it began is its own. Every change of who
is signed in, or by what, makes a new cookie (https://owasp.org/www-community/attacks/Session_fixation). Forms hold a
text that only this server can make for this cookie and this path, and come from our own origin:
https://www.rfc-editor.org/rfc/rfc9700#section-4.7, https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec import structs

from hilum.access import revoking
from hilum.access.seal import secret
from hilum.oauth import ledger
from hilum.oauth.ledger import FRESH, SESSION, SESSION_REVOKED, Put, Revoked, Row, digest, read, write
from hilum.problems import Conflict, Forbidden
from hilum.smart.people import users
from hilum.web import cookies
from hilum.web.fields import Header
from hilum.web.message import Asked

if TYPE_CHECKING:
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

COOKIE: Final = "hilum"
IDLE: Final = 30 * 60
IDLE_OF_STAFF: Final = 15 * 60
"""Seconds without a page after which a session is over; of staff in production, where screens stand in wards."""
LONGEST: Final = 12 * 3600
"""Seconds that a session lasts at most."""
HALF_WAY: Final = 15 * 60
"""Seconds from the password to the second factor, or to a new password."""
NOTED: Final = 60
"""Seconds between two notes that a session is in use."""
HALF: Final = "half"
"""Stands first among the factors of a session that is not there yet: its user has still to do something."""

_OURS: Final = frozenset((("null", "same-origin"), ("", "same-origin"), ("", "none")))
"""Origin and Sec-Fetch-Site of our own forms: to a page without a referrer belongs the origin `null`.

https://fetch.spec.whatwg.org/#append-a-request-origin-header, https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""
_COOKIE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Session:
    """A browser. `key`: the digest of its cookie; `user`: the id of who is signed in, "" for nobody (yet).

    `half`: whose password was right where that is not all; `factors`: what was proven (RFC 8176: pwd, otp, hwk);
    `at`: when, in seconds since 1970. `headers`: what sets the cookie, for the answer, where the browser has none.
    """

    key: bytes
    user: str = ""
    half: str = ""
    factors: tuple[str, ...] = ()
    at: int = 0
    headers: tuple[Header, ...] = ()


async def opened(site: Site, asked: Asked) -> Session:
    """The session of the browser that asks. Raises Busy."""
    text = cookies.read(asked.headers, _name(site))
    if text is None or not _COOKIE.fullmatch(text):
        return _nobody(site)
    key = digest(text)
    row = await site.ledger.get(SESSION, key)
    if row is None or row.state != FRESH:
        return Session(key)
    kept = read(row, ledger.Session)
    if kept.factors[:1] == (HALF,):
        return Session(key, half=kept.user, factors=kept.factors[1:], at=kept.at)
    if site.clock() - kept.seen >= NOTED:
        await _seen(site, row, kept)
    return Session(key, kept.user, factors=kept.factors, at=kept.at)


async def begun(
    site: Site, old: Session, account: Account, factors: Sequence[str], address: str, *, half: bool = False
) -> Session:
    """A session of this user, with a cookie of its own; the old one is over. Raises Busy.

    `half`: something has still to be done, and until then nobody is signed in.
    """
    text = secrets.token_urlsafe(32)
    now = int(site.clock())
    kept = ledger.Session(account.id, now, now, ((HALF,) if half else ()) + tuple(factors), address)
    ends = now + (HALF_WAY if half else _idle(site, account))
    await site.ledger.add(Put(SESSION, digest(text), write(kept), ends * 1_000_000, owner=account.key))
    if old.user:  # what its browser got for as long as it lasted ends with it
        await site.ledger.revoke([_void(old.key, site)])
    await site.ledger.remove(SESSION, old.key)
    new = Session(digest(text), factors=tuple(factors), at=now, headers=(_cookie(site, text),))
    return replace(new, half=account.id) if half else replace(new, user=account.id)


async def ended(site: Site, session: Session) -> tuple[Header, ...]:
    """Nobody is signed in here any more, and what apps got for as long as somebody was (`online_access`) is void.

    Headers that take the cookie away. Raises Busy.
    """
    if session.user or session.half:
        await site.ledger.revoke([_void(session.key, site)])
        await site.ledger.end(SESSION, key=session.key)
    return (cookies.cleared(_name(site), secure=site.settings.secure),)


async def end_all(site: Site, account: Account) -> None:
    """End all sessions of the user. Raises Busy."""
    after = b""
    while rows := await site.ledger.of(SESSION, owner=account.key, after=after):
        await site.ledger.many(
            ends=[(SESSION, account.key)], revokes=[_void(row.key, site) for row in rows if row.state == FRESH]
        )
        after = rows[-1].key


async def marked(site: Site, session: Session, factor: str) -> Session:
    """The session, half way, with one more thing that was done. Raises Busy, and Conflict when it is over."""
    row = await site.ledger.get(SESSION, session.key)
    if row is None or row.state != FRESH:
        raise Conflict("You were signed out meanwhile. Sign in again.")
    kept = read(row, ledger.Session)
    put = Put(
        SESSION, row.key, write(structs.replace(kept, factors=(*kept.factors, factor))), row.expires, owner=row.owner
    )
    if not await site.ledger.replace(put, row.version):
        raise Conflict("The same was sent twice at once. Load the page again.")
    return replace(session, factors=(*session.factors, factor))


def csrf(site: Site, session: Session, path: str) -> str:
    """What a form that is sent to `path` has to hold as `csrf`."""
    return hmac.new(_secret(site), session.key + path.encode(), sha256).hexdigest()


def check(site: Site, session: Session, asked: Asked) -> None:
    """Raises Forbidden unless what is asked comes from a form of ours in this browser."""
    said = asked.header(b"origin"), asked.header(b"sec-fetch-site")
    ours = said[0] == site.settings.origin or said in _OURS
    given = asked.form.get("csrf")
    if not ours or not hmac.compare_digest(given.encode(), csrf(site, session, asked.path).encode()):
        raise Forbidden("This form was not sent from its own page, or the page was too old. Go back and load it again.")


async def _seen(site: Site, row: Row, kept: ledger.Session) -> None:
    """Note that the session is in use. Of several processes that do so at once one is enough."""
    account = await users.get(site.ledger, kept.user)
    if account is None:
        return
    now = int(site.clock())
    ends = min(now + _idle(site, account), kept.at + LONGEST)
    put = Put(SESSION, row.key, write(structs.replace(kept, seen=now)), ends * 1_000_000, owner=row.owner)
    await site.ledger.replace(put, row.version)


def _void(key: bytes, site: Site) -> Revoked:
    return revoking.revoked(SESSION_REVOKED, key.hex(), site.clock())


def _idle(site: Site, account: Account) -> int:
    staff = any(role != "patient" for role in account.user.roles)
    return IDLE_OF_STAFF if staff and site.settings.production else IDLE


def _nobody(site: Site) -> Session:
    text = secrets.token_urlsafe(32)
    return Session(digest(text), headers=(_cookie(site, text),))


def _cookie(site: Site, text: str) -> Header:
    return cookies.written(_name(site), text, secure=site.settings.secure)


def _name(site: Site) -> str:
    return cookies.name(COOKIE, secure=site.settings.secure)


def _secret(site: Site) -> bytes:
    return secret(site.ring.root, "csrf")
