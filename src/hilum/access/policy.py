"""Principal and Policy: scopes judged one by one, as a predicate on a Query.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hilum.oauth.scopes import Scope
from hilum.search.query import Permit


@dataclass(frozen=True, slots=True)
class Grant:
    """One scope, resolved: these interactions (letters of `cruds`) on this type (`*`: all), perhaps in a compartment.

    `owners` None: every resource of the type. `owners` () : nothing (a patient scope without a patient in context).
    """

    type: str
    interactions: frozenset[str]
    owners: tuple[tuple[str, str], ...] | None = None


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
                if grant.owners is None:
                    return _UNLIMITED
                if grant.owners:
                    found.append(Permit(grant.owners))
        return tuple(found)


_UNLIMITED = (Permit(None),)


def of_scopes(scopes: Iterable[Scope], patient: str | None) -> Policy:
    """The policy that these scopes make, one grant each.

    `patient`: the id of the patient in context; without one a patient scope grants nothing. hilum has no users yet, so
    that a user scope is limited by itself only, as a system scope is.
    """
    context = (("Patient", patient),) if patient else ()
    return Policy(
        tuple(Grant(scope.type, scope.interactions, context if scope.level == "patient" else None) for scope in scopes)
    )


def allows(permits: Iterable[Permit], compartments: Iterable[tuple[str, str]]) -> bool:
    """Whether a resource that lies in these compartments is within one of the permits."""
    inside = frozenset(compartments)
    return any(permit.owners is None or not inside.isdisjoint(permit.owners) for permit in permits)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an argument of every interaction.

    `agent`: user or client for the audit, `client`: client id, `token`: the token's id (jti), never the token.
    `expires`: seconds since 1970, when the token ends.
    """

    agent: str
    client: str
    token: str
    policy: Policy
    expires: int


EVERYTHING = Policy((Grant("*", frozenset("cruds")),))
"""The policy of `--auth off` and of commands run by who owns the data directory."""
