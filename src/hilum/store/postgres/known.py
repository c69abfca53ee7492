"""What one store object knows of its database: all that is learned once and stays true."""

from __future__ import annotations

from dataclasses import dataclass

from hilum.store.postgres.dialect import Postgres
from hilum.store.postgres.dictionaries import Dictionaries
from hilum.store.postgres.names import Names


@dataclass(frozen=True, slots=True)
class Known:
    """`guard` is the number of the tenant's schema, in its advisory locks. `full_text`: whether words are indexed."""

    guard: int
    names: Names
    dictionaries: Dictionaries
    dialect: Postgres
    full_text: bool = True

    @classmethod
    def nothing(cls, guard: int, *, full_text: bool = True) -> Known:
        """At the beginning."""
        names = Names()
        return cls(guard, names, Dictionaries(), Postgres(names, full_text=full_text), full_text)
