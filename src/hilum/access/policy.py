"""Principal and Policy: scopes judged one by one, as a predicate on a Query.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from hilum.fhir.definitions import TYPES
from hilum.oauth.scopes import Scope
from hilum.problems import Invalid
from hilum.search.clauses import Clause, Permit
from hilum.search.constraints import constraint
from hilum.search.matches import permitted
from hilum.search.rows import Rows

Search = tuple[tuple[str, str], ...]
"""Search parameters as decoded (name, value) pairs."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope, resolved: these interactions (letters of `cruds`) on this type (`*`: all), perhaps in a compartment.

    `owners` None: every resource of the type. `owners` () : nothing (a patient scope without a patient in context).
    `search`: only what these search parameters find (`category=laboratory`), none of which may look beyond the
    resource itself. With the type `*` a type that does not have the parameters is not granted. Raises Invalid when
    they can't limit anything.
    """

    type: str
    interactions: frozenset[str]
    owners: tuple[tuple[str, str], ...] | None = None
    search: Search = ()

    def __post_init__(self) -> None:
        if self.type != "*":
            constraint(self.type, self.search)
        elif self.search and not any(_clauses(type, self.search) for type in TYPES):
            raise Invalid("No resource type has all the search parameters of this grant on '*'.")


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be done. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources

    Grants are judged one by one, so that a wide scope for reading never widens a narrow one for writing.
    """

    grants: tuple[Grant, ...]

    def permits(self, type: str, interaction: str) -> tuple[Permit, ...]:
        """The alternatives under which `interaction` (one letter of c r u d s) on `type` is allowed; empty: never."""
        found: list[Permit] = []
        for grant in self.grants:
            if interaction in grant.interactions and grant.type in ("*", type):
                if grant.owners == ():
                    continue
                if not grant.search:
                    if grant.owners is None:
                        return _UNLIMITED
                    found.append(Permit(grant.owners))
                elif clauses := _clauses(type, grant.search):
                    found.append(Permit(grant.owners, clauses))
        return tuple(found)

    @property
    def searches_all(self) -> bool:
        """Whether all resources of all types may be searched: whoever may is told how."""
        return all(self.permits(type, "s") == _UNLIMITED for type in TYPES)


_UNLIMITED = (Permit(None),)


@lru_cache(maxsize=4096)
def _clauses(type: str, search: Search) -> tuple[Clause, ...]:
    """The clauses of search parameters on a type; () when the type does not have them."""
    try:
        return constraint(type, search)
    except Invalid:
        return ()


def of_scopes(scopes: Iterable[Scope], patient: str | None) -> Policy:
    """The policy that these scopes make, one grant each.

    `patient`: the id of the patient in context; without one a patient scope grants nothing. hilum has no users yet, so
    that a user scope is limited by itself only, as a system scope is.
    """
    context = (("Patient", patient),) if patient else ()
    return Policy(
        tuple(Grant(scope.type, scope.interactions, context if scope.level == "patient" else None) for scope in scopes)
    )


def allows(permits: Iterable[Permit], rows: Rows, id: str = "") -> bool:
    """Whether the resource with these index rows, compartments among them, and this id is within one of the permits."""
    return permitted(permits, rows, id=id, last_updated=0)  # constraints say nothing about _lastUpdated


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an argument of every interaction.

    `agent`: user or client for the audit, `client`: client id, `token`: the token's id (jti), never the token.
    `expires`: seconds since 1970, when the token ends. `grant`: the id of what a user allowed, which is that of its
    Consent; `user`, `fhir_user`, `roles`: whom it acts for; `patient`: the one in context. `api_key`: SHA-256 of the
    key that must come along; empty where none must.
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


EVERYTHING = Policy((Grant("*", frozenset("cruds")),))
"""The policy of `--auth off` and of commands run by who owns the data directory."""
