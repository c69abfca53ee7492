"""Principal and Policy: scopes judged one by one, as a predicate on a Query.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache

from hilum.fhir.definitions import TYPES
from hilum.oauth.scopes import Search
from hilum.problems import Invalid
from hilum.search.clauses import Clause, Permit
from hilum.search.constraints import constraint
from hilum.search.matches import permitted
from hilum.search.parameters import R4
from hilum.search.rows import Rows

Permits = tuple[Permit, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope, resolved: these interactions (letters of `cruds`) on this type (`*`: all but those of `but`), perhaps
    in a compartment.

    `owners` None: every resource of the type. `owners` () : nothing (a patient scope without a patient in context).
    `search`: only what these search parameters find (`category=laboratory`), none of which may look beyond the
    resource itself. With the type `*` a type that does not have the parameters is not granted. Raises Invalid when
    they can't limit anything.
    """

    type: str
    interactions: frozenset[str]
    owners: tuple[tuple[str, str], ...] | None = None
    search: Search = ()
    but: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.type != "*":
            constraint(self.type, self.search)
        elif self.search and (
            any(name == "_filter" for name, _ in self.search) or not any(_clauses(type, self.search) for type in TYPES)
        ):
            raise Invalid("No resource type has all the search parameters of this grant on '*'.")


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources

    Grants are judged one by one, so that a wide scope for reading never widens a narrow one for writing. `named`: what
    may be read and found by who can name it, and never listed (`shared`). `beyond`: what must hold of every resource
    besides, whatever grants it: the place for what other rules (consents, labels) take away.

    `permits` and `by_name` alone say what may be seen. Their answers are kept: a search asks several times.
    """

    grants: tuple[Grant, ...]
    named: tuple[Grant, ...] = ()
    beyond: tuple[Clause, ...] = ()
    _known: dict[tuple[str, str], Permits] = field(default_factory=dict, init=False, repr=False, compare=False)

    def permits(self, type: str, interaction: str) -> Permits:
        """The alternatives under which `interaction` (one letter of c r u d s) on `type` is allowed; empty: never."""
        place = type, interaction
        found = self._known.get(place)
        if found is None:
            some = self.grants + self.named if interaction == "r" else self.grants
            found = self._known[place] = self._permits(some, type, interaction)
        return found

    def by_name(self, type: str) -> Permits:
        """The alternatives under which resources of `type` may be found by who names them, or has a reference."""
        place = type, ""
        found = self._known.get(place)
        if found is None:
            found = self._known[place] = self._permits(self.grants + self.named, type, "s")
        return found

    def _permits(self, grants: tuple[Grant, ...], type: str, interaction: str) -> Permits:
        found: list[Permit] = []
        for grant in grants:
            if interaction not in grant.interactions or grant.type not in ("*", type) or type in grant.but:
                continue
            if grant.owners == ():
                continue
            clauses = _clauses(type, grant.search)
            if grant.search and not clauses:
                continue
            if grant.owners is None and not clauses:
                return (Permit(None, self.beyond),)
            found.append(Permit(grant.owners, clauses + self.beyond))
        return tuple(dict.fromkeys(found))

    def names(self, type: str, interaction: str) -> bool:
        """Whether a grant that names this very type allows it of all its resources: `*` does not count.

        What hilum says of itself (its own audit trail) is for who was given it on purpose.
        """
        return any(
            grant.type == type and interaction in grant.interactions and grant.owners is None and not grant.search
            for grant in self.grants
        )

    @property
    def searches_all(self) -> bool:
        """Whether all resources of all types may be searched: whoever may is told how."""
        return all(self.permits(type, "s") == _UNLIMITED for type in TYPES)


_UNLIMITED = (Permit(None),)


@cache
def _codes(type: str) -> frozenset[str]:
    return frozenset(("_filter", *(one.code for one in R4.parameters(type))))


@lru_cache(maxsize=4096)
def _clauses(type: str, search: Search) -> tuple[Clause, ...]:
    """The clauses of search parameters on a type; () when the type does not have them."""
    known = _codes(type)
    if any(re.split("[:.]", name, maxsplit=1)[0] not in known for name, _ in search):
        return ()  # what `constraint` would say, without its advice, which takes a millisecond for each type
    try:
        return constraint(type, search)
    except Invalid:
        return ()


def allows(permits: Iterable[Permit], rows: Rows, id: str = "") -> bool:
    """Whether the resource with these index rows, compartments among them, and this id is within one of the permits."""
    return permitted(permits, rows, id=id, last_updated=0)  # constraints say nothing about _lastUpdated


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an argument of every interaction.

    `agent`: user or client for the audit, `client`: client id, `token`: the token's id (jti), never the token.
    `expires`: seconds since 1970, when the token ends. `grant`: the id of what a user allowed, which is that of its
    Consent; `user`, `fhir_user`, `roles`: whom it acts for; `patient`: the one in context. `api_key`: SHA-256 of the
    key that must come along; empty where none must. `states`: the codes (`system|code`) of its client's app state;
    `manages`: whom it acts for may write such state for all (https://hl7.org/fhir/smart-app-launch/app-state.html).
    """

    agent: str
    client: str
    token: str
    policy: Policy
    expires: int
    grant: str = ""
    user: str = ""
    fhir_user: str = ""
    roles: tuple[str, ...] = ()
    patient: str = ""
    api_key: bytes = b""
    states: tuple[str, ...] = ()
    manages: bool = False

    @property
    def holder(self) -> str:
        """Whose request this is, over all tokens that renew each other: what a paging link is bound to."""
        return self.grant or "\x1f".join((self.client, self.agent, self.patient))


EVERYTHING = Policy((Grant("*", frozenset("cruds")), Grant("AuditEvent", frozenset("rs"))))
"""The policy of `--auth off` and of commands run by who owns the data directory; hilum's own audit trail is theirs."""
