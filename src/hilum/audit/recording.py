"""Where an access is noted: one call for each interaction, whatever came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from hilum.access.policy import Principal


class Trail(Protocol):
    """The append-only log of reads, refusals and security events; writes have their row in their own commit."""

    def note(
        self,
        who: Principal,
        interaction: str,
        type: str | None,
        id: str,
        version: int,
        status: int,
        query: str,
        shown: tuple[int, ...],
    ) -> int:
        """Note an interaction; a ticket for `flushed`. `query`: as it was sent. `shown`: seqs of versions disclosed."""
        ...

    async def flushed(self, ticket: int) -> None:
        """Return when what was noted is as safe as the server promises. Raises Busy where it can't be."""
        ...

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        """Note a security event, and return when it is on disk in any mode. Raises Busy."""
        ...


class Silent:
    """Notes nothing: `--auth off`, and commands."""

    def note(
        self,
        who: Principal,
        interaction: str,
        type: str | None,
        id: str,
        version: int,
        status: int,
        query: str,
        shown: tuple[int, ...],
    ) -> int:
        """0: there is nothing to wait for."""
        return 0

    async def flushed(self, ticket: int) -> None:
        """At once."""

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        """At once."""


SILENT: Final = Silent()
