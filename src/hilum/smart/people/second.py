"""What may be left to do after a password was right: a code from an authenticator app, another password, an app set up.

https://www.rfc-editor.org/rfc/rfc6238#section-5.2 (a code holds once), NIST SP 800-63B 5.1.2 (recovery codes). Until
all of it is done the session is half way: for every other page nobody is signed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import structs

from hilum.oauth.ledger import CHALLENGE, TRIES, USER, Put, Record, User, read, write
from hilum.problems import Conflict
from hilum.smart.people import passwords, sessions, totp, users
from hilum.smart.site import unknown
from hilum.web.fields import Header
from hilum.web.message import Asked, Form

if TYPE_CHECKING:
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

MOST_TRIES: Final = 5
LOCKED: Final = 15 * 60
"""Seconds, from the first of so many codes that were wrong."""
WRONG: Final = (
    f"The code is not right, or was used before. After {MOST_TRIES} tries you have to wait {LOCKED // 60} minutes."
)
OTP: Final = "otp"
KEPT: Final = "kept"
"""A factor of a session that is half way: the app is set up, the recovery codes are on the screen."""
PROVEN: Final = frozenset((OTP, "hwk", "swk", "mfa"))
"""Factors that stand beside a password, or for more than one."""


class Refused(Exception):
    """What was sent signs nobody in. Its text is for the page; `again`: seconds to wait."""

    def __init__(self, text: str, status: int = 422, again: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.headers: tuple[Header, ...] = ((b"retry-after", b"%d" % again),) if again else ()


class Pending(Record, frozen=True, omit_defaults=True):
    """The secret that an app is being set up with: sealed."""

    secret: str


async def due(site: Site, account: Account, factors: Sequence[str]) -> str:
    """What is left to do: `code`, `password`, `enrol`, `kept`, or "" when the user may be signed in."""
    user = account.user
    if KEPT in factors:
        return KEPT
    if user.totp and not PROVEN & set(factors):
        return "code"
    if user.must_change and "pwd" in factors:
        return "password"
    if required(site, user) and not PROVEN & set(factors):
        return "enrol"
    return ""


def required(site: Site, user: User) -> bool:
    """Whether the user's roles take a second factor here."""
    return site.settings.production and any(site.roles[name].second_factor for name in user.roles if name in site.roles)


async def begun(
    site: Site, old: Session, account: Account, factors: Sequence[str], asked: Asked, event: str = "sign-in"
) -> Session:
    """A session of who has proven so much, half way where something is left to do. Raises Busy.

    `event`: as the audit calls it; `second-factor` where more was proven to what the old session has.
    """
    left = await due(site, account, factors)
    new = await sessions.begun(site, old, account, factors, asked.address, half=bool(left))
    about = {"factors": " ".join(factors)}
    await site.trail.certain(unknown(user=account.id), event, 202 if left else 200, about)
    return new


async def check_code(site: Site, account: Account, form: Form) -> Account:
    """The account once a code, or a recovery code, of the form was right; it holds no second time. Raises Refused."""
    await _try(site, account)
    proven = await (_recovered if "recovery" in form else _coded)(site, account, form)
    if proven is None:
        await _failed(site, account)
        raise Refused(WRONG)
    await site.ledger.remove(TRIES, _tries(account))
    return proven


async def check_password(site: Site, account: Account, form: Form) -> None:
    """Raises Refused unless the form has, as `current`, the password of today. Wrong ones are counted as codes are."""
    await _try(site, account)
    if not await site.passwords.verified(account.user.password, form.get("current")):
        await _failed(site, account)
        raise Refused("Your password of today is not right.")
    await site.ledger.remove(TRIES, _tries(account))


def _tries(account: Account) -> bytes:
    return b"totp:" + account.key


async def _try(site: Site, account: Account) -> None:
    """Count a try. Raises Refused when there were too many, whatever this one would be."""
    if await site.ledger.count(_tries(account), LOCKED) > MOST_TRIES:
        await _failed(site, account)
        raise Refused(WRONG)


async def _failed(site: Site, account: Account) -> None:
    await site.trail.certain(unknown(user=account.id), "second-factor", 401, {})


async def _coded(site: Site, account: Account, form: Form) -> Account | None:
    secret = site.ring.seal.open(USER, account.key, account.user.totp)
    step = totp.step(secret, form.get("code"), site.clock(), account.user.totp_step)
    if step is None:
        return None
    return await users.note(site.ledger, account, structs.replace(account.user, totp_step=step))


async def _recovered(site: Site, account: Account, form: Form) -> Account | None:
    kept = account.user.recovery
    number = await site.passwords.which(kept, form.get("recovery"))
    if number is None:
        return None
    left = kept[:number] + kept[number + 1 :]
    return await users.note(site.ledger, account, structs.replace(account.user, recovery=left))


async def new_password(site: Site, account: Account, form: Form) -> Account:
    """The account with the new password of the form; all its sessions are over. Raises Refused, Conflict.

    What apps were allowed stays: that is ended by who revokes it.
    """
    new = form.get("new")
    if fault := passwords.fault(new, account.user.name):
        raise Refused(fault)
    if new != form.get("again"):
        raise Refused("The two are not the same: enter the new password twice.")
    if await site.passwords.verified(account.user.password, new):
        raise Refused("That is the password that you have. Choose another.")
    user = structs.replace(account.user, password=await site.passwords.hashed(new), must_change=False)
    changed = await users.change(site.ledger, account, user, site.clock())
    await sessions.end_all(site, changed)
    await site.trail.certain(unknown(user=account.id), "user", 200, {"changed": "password"})
    return changed


async def pending(site: Site, session: Session) -> str:
    """The secret that this browser is setting an app up with; made when there is none."""
    key = b"totp:" + session.key
    row = await site.ledger.get(CHALLENGE, key)
    if row is not None:
        return site.ring.seal.open(CHALLENGE, key, read(row, Pending).secret)
    secret = totp.new_secret()
    value = write(Pending(site.ring.seal.seal(CHALLENGE, key, secret)))
    await site.ledger.remove(CHALLENGE, key)  # one that has expired
    if not await site.ledger.add(Put(CHALLENGE, key, value, site.now + sessions.HALF_WAY * 1_000_000)):
        raise Conflict("Two pages set up an app at once. Load this one again.")
    return secret


async def enrolled(site: Site, account: Account, session: Session, form: Form) -> tuple[Account, list[str]]:
    """The account with the app that showed this code, and its recovery codes. Raises Refused, Conflict."""
    secret = await pending(site, session)
    step = totp.step(secret, form.get("code"), site.clock(), 0)
    if step is None:
        raise Refused("The code is not right. Enter the one that the app shows now.")
    codes = list(passwords.recovery_codes())
    user = structs.replace(
        account.user,
        totp=site.ring.seal.seal(USER, account.key, secret),
        totp_step=step,
        recovery=tuple([await site.passwords.hashed(code) for code in codes]),
    )
    changed = await users.change(site.ledger, account, user, site.clock())
    await site.ledger.remove(CHALLENGE, b"totp:" + session.key)
    await site.trail.certain(unknown(user=account.id), "user", 200, {"changed": "second factor"})
    return changed, codes
