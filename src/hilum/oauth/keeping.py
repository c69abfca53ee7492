"""Where the records of an authorization server are kept: what a store offers beside its five verbs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hilum.oauth.ledger import Numbered, Put, Revoked, Row, Take, Taken


class Ledger(Protocol):
    """Records by kind and key, shared by all processes, durable when a method returns. All may raise Busy, Damaged."""

    async def get(self, kind: int, key: bytes) -> Row | None:
        """The record, unless it has expired."""
        ...

    async def of(
        self, kind: int, *, owner: bytes = b"", peer: bytes = b"", after: bytes = b"", limit: int = 200
    ) -> list[Row]:
        """Unexpired records of a kind by key, from beyond `after`: all, or those of an owner, or those of a peer."""
        ...

    async def ranged(self, kind: int, after: bytes, until: bytes, limit: int = 200) -> list[Row]:
        """Unexpired records of a kind whose peers lie beyond `after`, up to `until` and with it: by peer."""
        ...

    async def add(self, put: Put) -> bool:
        """Write a new record. False: the key is taken, be it by one that has expired."""
        ...

    async def replace(self, put: Put, version: int) -> bool:
        """Write it in place of that version. False: it is another by now, or gone."""
        ...

    async def take(self, kind: int, key: bytes, value: bytes | None = None) -> Taken:
        """Use a fresh record up: of all who try, in all processes, one is `first`."""
        ...

    async def end(self, kind: int, *, key: bytes = b"", owner: bytes = b"") -> int:
        """Revoke a record, or all of an owner; how many were not revoked before."""
        ...

    async def remove(self, kind: int, key: bytes, value: bytes | None = None) -> bool:
        """Forget it; `value`: only as long as it says that. False: there was none."""
        ...

    async def many(
        self,
        puts: Sequence[Put] = (),
        takes: Sequence[Take] = (),
        ends: Sequence[tuple[int, bytes]] = (),
        revokes: Sequence[Revoked] = (),
    ) -> None:
        """All or nothing: take, revoke the records of owners (kind, owner), write, note revocations. Raises Lost."""
        ...

    async def count(self, key: bytes, seconds: float) -> int:
        """How often this was called for the key within `seconds` from the first time, this time included."""
        ...

    async def revoke(self, some: Sequence[Revoked]) -> None:
        """Note revocations."""
        ...

    def heed(self, listens: Callable[[Sequence[Revoked]], None]) -> None:
        """Call it with the revocations that this process notes from now on, when they are durable and before whoever
        revokes goes on. Of what other processes note it hears nothing, nor of what was written on a connection that was
        lost before it said so: who listens looks at `revocations`, too.
        """
        ...

    async def revocations(self, after: int) -> list[Numbered]:
        """Those with greater numbers; what is committed later has a greater number than all that were ever shown."""
        ...

    async def changed(self, kind: int, since: int) -> list[Row]:
        """Records of the kind, expired and revoked ones too, that changed at or after `since` (microseconds)."""
        ...

    async def sweep(self, most: int = 500) -> int:
        """Delete expired records and revocations; how many."""
        ...
