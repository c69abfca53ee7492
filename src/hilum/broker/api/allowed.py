"""Who may do what here, by the token's own policy: an order is a Task, and the registry is an administrator's.

Which EHRs hilum signs in to, and where, is more than a scope on resources says. Like the audit trail
(`Policy.names`), it is for who was given it on purpose: a scope has to name Endpoint, FHIR's word for such an address
(https://hl7.org/fhir/R4/endpoint.html), `*` does not count, and it has to be an administrator's.
"""

from __future__ import annotations

from typing import Final

from hilum.access.policy import EVERYTHING, Principal
from hilum.access.roles import Roles
from hilum.access.tokens import CLI
from hilum.broker.api.broker import Broker
from hilum.broker.telling import TASK
from hilum.fhir.resource import Resource
from hilum.interactions.permit import permits, unlimited, visible
from hilum.problems import Forbidden

REGISTRY: Final = "Endpoint"
PAGE: Final = "clients"
"""The administrators' page that a role must open: whoever registers apps here may register hilum there."""


def gathers(who: Principal) -> bool:
    """Whether orders may be given: any Task may be created, since whose data will come is not known yet."""
    return unlimited(who.policy.permits(TASK, "c"))


def to_gather(who: Principal) -> None:
    """Raises Forbidden unless orders may be given."""
    if not gathers(who):
        raise Forbidden(
            "To gather brings in the data of any patient: it takes a token that may create Tasks of all of them, by "
            "system/Task.c or user/Task.c; one that is bound to a patient, or limited otherwise, may not."
        )


def administers(who: Principal, roles: Roles, letter: str) -> bool:
    """Whether the registry may be read (`r`), added to (`c`), changed (`u`), taken from (`d`)."""
    if who.policy is EVERYTHING:
        return True
    minted = who.client == CLI and not who.grant  # by who owns the data directory
    leads = any(name in roles and PAGE in roles[name].console for name in who.roles)
    return (minted or leads) and who.policy.names(REGISTRY, letter)


def to_administer(who: Principal, roles: Roles, letter: str) -> None:
    """Raises Forbidden unless the registry may be changed so."""
    if not administers(who, roles, letter):
        raise Forbidden(
            f"The registry of EHRs is for administrators: it takes user/{REGISTRY}.{letter} of somebody whose role "
            f"opens the page {PAGE!r}, or a token of `hilum token --scope system/{REGISTRY}.{letter}`."
        )


def to_sign_in(who: Principal, roles: Roles) -> None:
    """Raises Forbidden unless orders may be given in the name of who has signed in at an EHR, whoever that is."""
    if not administers(who, roles, "u"):
        raise Forbidden(
            "What a person has allowed hilum at an EHR is used for what they begin themselves, after /connect/NAME on "
            f"the page /gather/NAME. By the API it is for administrators: it takes user/{REGISTRY}.u of somebody whose "
            f"role opens the page {PAGE!r}, or a token of `hilum token --scope system/{REGISTRY}.u`."
        )


def to_choose(who: Principal, roles: Roles) -> None:
    """Raises Forbidden unless one may see what orders can name: who may give some, and administrators."""
    if not administers(who, roles, "r"):
        to_gather(who)


async def to_change(broker: Broker, who: Principal, task: Resource) -> None:
    """Raises Forbidden unless this Task may be updated."""
    if not await visible(broker.door, who, permits(who, TASK, "u"), task):
        raise Forbidden("The token does not allow to update this Task.")
