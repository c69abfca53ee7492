"""What one store object knows of its database: all that is learned once and stays true."""

from __future__ import annotations

from dataclasses import dataclass

from hilum.store.keyed import OWN, Keys, no_secret
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.dialect import Postgres
from hilum.store.postgres.dictionaries import Dictionaries
from hilum.store.postgres.names import Names


async def secret(session: Session) -> str:
    """What the store's keys are made with. Raises Damaged."""
    found = await fetch(session, OWN)
    if not found:
        raise no_secret()
    return str(found[0][0])


@dataclass(frozen=True, slots=True)
class Known:
    """`guard` is the number of the tenant's schema, in its advisory locks. `full_text`: whether words are indexed."""

    guard: int
    names: Names
    dictionaries: Dictionaries
    dialect: Postgres
    keys: Keys
    full_text: bool = True

    @classmethod
    def nothing(cls, guard: int, secret: str, *, full_text: bool = True) -> Known:
        """At the beginning. `secret`: what the store's keys are made with."""
        names, keys = Names(), Keys(secret)
        dialect = Postgres(names, keys, full_text=full_text)
        return cls(guard, names, Dictionaries(keys), dialect, keys, full_text)
