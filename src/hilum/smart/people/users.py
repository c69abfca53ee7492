"""The people who have an account here: found by name or id, added, changed, shut out.

Two records each: the account under its id, and the name, which is the same for all who write it in other letters.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import normalize

from hilum.access import revoking
from hilum.access.ledger import Ledger
from hilum.interactions.ids import uuid7
from hilum.oauth.ledger import (
    NEVER,
    SESSION,
    USER,
    USER_CHANGED,
    USER_REVOKED,
    USERNAME,
    Lost,
    Put,
    Row,
    User,
    read,
    write,
)
from hilum.problems import Conflict, Invalid
from hilum.store.interface import Store

FHIR_USERS: Final = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
"""What an account may stand for. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data"""

_NAME: Final = re.compile(r"[^\W_][\w.@+'-]{0,127}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Account:
    """A user as stored. `id`: a UUID, the `sub` of tokens."""

    id: str
    user: User
    version: int

    @property
    def key(self) -> bytes:
        """The id as the ledger has it."""
        return key(self.id)


def key(id: str) -> bytes:
    """A user's id as the ledger has it."""
    return uuid.UUID(id).bytes


def folded(name: str) -> bytes:
    """A user's name as it is compared: capitals and the ways to write a letter make no difference."""
    return normalize("NFKC", normalize("NFKC", name).casefold()).encode()


async def get(ledger: Ledger, id: str) -> Account | None:
    """The account with this id, disabled or not."""
    row = await ledger.get(USER, key(id))
    return None if row is None else _account(row)


async def find(ledger: Ledger, name: str) -> Account | None:
    """The account of this name, disabled or not."""
    found = await ledger.get(USERNAME, folded(name)) if len(name) <= 512 else None
    return None if found is None else await get(ledger, str(uuid.UUID(bytes=found.owner)))


async def every(ledger: Ledger) -> AsyncIterator[Account]:
    """All accounts, the oldest first."""
    after = b""
    while rows := await ledger.of(USER, after=after):
        for row in rows:
            yield _account(row)
        after = rows[-1].key


async def named(ledger: Ledger, begins: str = "", after: str = "") -> AsyncIterator[Account]:
    """Accounts by name, as it is compared: those whose names begin so, from beyond one of this name."""
    start = folded(begins)
    last = folded(after) or start
    if start and not after and (exactly := await find(ledger, begins)) is not None:
        yield exactly
    while rows := await ledger.of(USERNAME, after=last):
        for row in rows:
            if not row.key.startswith(start):
                return
            account = await get(ledger, str(uuid.UUID(bytes=row.owner)))
            if account is not None:
                yield account
        last = rows[-1].key


def new_id() -> str:
    """An id that no account has."""
    return uuid7()


async def add(ledger: Ledger, user: User, roles: Container[str], id: str = "") -> Account:
    """A new account. `roles`: those that there are; `id`: one of `new_id`, where it has to be known before.

    Raises Invalid, and Conflict where the name is taken.
    """
    check(user, roles)
    new = Account(id or new_id(), user, 1)
    try:
        await ledger.many(
            [Put(USERNAME, folded(user.name), b"{}", owner=new.key), Put(USER, new.key, write(user), NEVER)]
        )
    except Lost:
        raise taken(user.name) from None
    return new


def taken(name: str) -> Conflict:
    """What is said where the name is another's."""
    return Conflict(f"There is a user {name!r} already.")


async def change(
    ledger: Ledger, account: Account, user: User, now: float, *, out: bool = False, also: Sequence[Put] = ()
) -> Account:
    """The account with another value (and the same name). Tokens are judged anew by it; with `out` all sessions and
    all tokens that were issued up to `now` (seconds since 1970) end. `also`: what is written along with it
    (`administrators.kept`). Raises Conflict when it was changed meanwhile.
    """
    kind = USER_REVOKED if out else USER_CHANGED
    try:
        await ledger.many(
            [Put(USER, account.key, write(user), version=account.version), *also],
            ends=[(SESSION, account.key)] if out else [],
            revokes=[revoking.revoked(kind, account.id, now)],
        )
    except Lost:
        raise Conflict("The account was changed by somebody else at the same moment. Try again.") from None
    return Account(account.id, user, account.version + 1)


async def note(ledger: Ledger, account: Account, user: User) -> Account | None:
    """As `change`, for what no token depends on (a time step that was used); None when it was changed meanwhile."""
    if not await ledger.replace(Put(USER, account.key, write(user)), account.version):
        return None
    return Account(account.id, user, account.version + 1)


def check(user: User, roles: Container[str]) -> None:
    """Raises Invalid naming what can't be."""
    if not _NAME.fullmatch(user.name):
        raise Invalid(
            "A user name has 1 to 128 letters, digits and . _ @ + - ' and begins with a letter or a digit: kim.doe"
        )
    if not user.roles:
        raise Invalid("A user needs a role: practitioner, patient, auditor or admin.")
    for role in user.roles:
        if role not in roles:
            raise Invalid(f"There is no role {role[:64]!r}.")
    for patient in user.patients:
        if not _ID.fullmatch(patient):
            raise Invalid("A patient is named by the id of its Patient: 1 to 64 letters, digits, '-' and '.'.")
    if user.fhir_user:
        type, _, id = user.fhir_user.partition("/")
        if type not in FHIR_USERS or not _ID.fullmatch(id):
            raise Invalid(f"What a user stands for is a reference such as Practitioner/17, to {_listed(FHIR_USERS)}.")


async def check_records(store: Store, user: User, to_come: str, known: frozenset[str] = frozenset()) -> None:
    """Raises Invalid naming records of the user that there are not. `known`: references that he had before.

    `to_come`: how to say that they come later.
    """
    missing = []
    for reference in sorted(records(user) - known):
        type, _, id = reference.partition("/")
        found = await store.read(type, id)
        if found is None or found.deleted:
            missing.append(reference)
    if missing:
        raise Invalid(
            f"There is no {' and no '.join(missing)}. Check the id, or load the record first. "
            f"Where it is to come later, {to_come}."
        )


def records(user: User) -> frozenset[str]:
    """References to what the user stands for, and to the own records."""
    own = frozenset(f"Patient/{id}" for id in user.patients)
    return own | {user.fhir_user} if user.fhir_user else own


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _account(row: Row) -> Account:
    return Account(str(uuid.UUID(bytes=row.key)), read(row, User), row.version)
