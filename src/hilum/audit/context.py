"""Where a request came from: what every event of it says, without being handed through every function."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple


class Origin(NamedTuple):
    """X-Request-Id, and the address of the client as the TCP connection has it; both empty outside of a request."""

    request: str
    address: str


NOWHERE: Final = Origin("", "")
ORIGIN: Final[ContextVar[Origin]] = ContextVar("hilum_origin", default=NOWHERE)
"""Set once where a request comes in; tasks that are made for it inherit it."""
