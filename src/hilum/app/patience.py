"""How many, how long, and for how much, the server waits for people it does not know yet. See protocol.py."""

from __future__ import annotations

from typing import NamedTuple


class Patience(NamedTuple):
    """What a stranger may send, and how long it may take.

    `head_bytes`: request line and headers together. `head_seconds`: from a head's beginning (or the connection's) to
    its end. `body_seconds`: the longest silence within a body. `body_rate`: bytes a second that a body must reach on
    the average after its first `body_seconds`, so that a byte now and then does not hold a place for ever.
    `connections`: how many one process has open before the next one is told to come again.
    """

    head_bytes: int = 64 * 1024
    head_seconds: float = 15.0
    body_seconds: float = 30.0
    body_rate: int = 8 * 1024
    connections: int = 4096
