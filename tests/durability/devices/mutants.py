"""Faults seeded into agent and gateway, so that the check is seen to fail: each breaks one promise of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

AGENT: Final[dict[str, Callable[[], None]]] = {}
"""In the process of the agent."""
GATEWAY: Final[dict[str, Callable[[], None]]] = {}
"""In that of the server."""
