"""How an agent comes to be enrolled: an invitation says for whom, and registering with it makes the agent's record.

https://www.rfc-editor.org/rfc/rfc7591#section-3 (the initial access token)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from hilum.devices.records import Agent
from hilum.oauth.ledger import DEVICE_AGENT, Put, Record, write

SCOPES: Final = "system/Device.c system/Observation.c"
"""The most that an agent may ask for: it reads nothing. What conditional creates look for is the gateway's to see."""


class Invited(Record, frozen=True, omit_defaults=True):
    """What an invitation carries: `name` is that of the agent, "" where it is to call itself something; the rest as
    `Agent` has it.
    """

    name: str = ""
    patients: tuple[str, ...] = ()
    anyone: bool = False
    default: str = ""
    by: str = ""


class Clients(Protocol):
    """The authorization server's part: agents are clients of it. All may raise Busy."""

    async def invite(self, agent: Mapping[str, Any]) -> tuple[str, int]:
        """An initial access token, for one agent and these scopes, and the seconds that it holds."""
        ...

    async def active(self, id: str) -> bool:
        """Whether the client gets tokens."""
        ...

    async def revoke(self, id: str) -> None:
        """Shut it out for good: its tokens are void. Raises Conflict."""
        ...


def carried(invited: Invited) -> dict[str, Any]:
    """As it stands in the invitation."""
    found: dict[str, Any] = msgspec.to_builtins(invited)
    return found


def enrolled(client: str, name: str, agent: Mapping[str, Any], now: int) -> Put:
    """The agent's record, written with the client's. `name`: as it calls itself."""
    invited = msgspec.convert(agent, Invited)
    made = Agent(
        name=invited.name or name,
        patients=invited.patients,
        anyone=invited.anyone,
        default=invited.default,
        by=invited.by,
        created=now,
    )
    return Put(DEVICE_AGENT, client.encode(), write(made))
