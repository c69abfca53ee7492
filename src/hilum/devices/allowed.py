"""Who may do what with agents and devices, by the token's own policy and the person's roles.

Devices lie in no patient's record: who sees all of them sees what is enrolled. Who may change all of them links and
revokes them. Who is an agent, and for whom, decides who registers clients: administrators.
"""

from __future__ import annotations

from typing import Final

from hilum.access.policy import EVERYTHING, Principal
from hilum.access.roles import Roles
from hilum.access.tokens import CLI
from hilum.interactions.permit import unlimited
from hilum.problems import Forbidden

DEVICE: Final = "Device"
CLIENTS: Final = "clients"
"""What `console` of a role says whose people register clients."""


def sees(who: Principal) -> bool:
    """Whether all devices may be seen."""
    return unlimited(who.policy.permits(DEVICE, "r"))


def links(who: Principal) -> bool:
    """Whether devices may be linked, revoked and restored."""
    return sees(who) and unlimited(who.policy.permits(DEVICE, "u"))


def enrols(who: Principal, roles: Roles) -> bool:
    """Whether agents may be invited and revoked: by an administrator, or the owner of the data directory."""
    minted = who.client == CLI and not who.grant
    administers = any(name in roles and CLIENTS in roles[name].console for name in who.roles)
    return links(who) and (who.policy is EVERYTHING or minted or administers)


def to_see(who: Principal) -> None:
    """Raises Forbidden."""
    if not sees(who):
        raise Forbidden("Who sees all devices may see what is enrolled: it takes user/Device.r or system/Device.r.")


def to_link(who: Principal) -> None:
    """Raises Forbidden."""
    if not links(who):
        raise Forbidden("Devices are linked, revoked and restored by who may change all of them: it takes Device.ru.")


def to_enrol(who: Principal, roles: Roles) -> None:
    """Raises Forbidden."""
    if not enrols(who, roles):
        raise Forbidden("Agents are invited and revoked by people who register clients: sign in as an administrator.")
