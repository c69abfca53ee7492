"""What a process revokes holds in it at once: whoever keeps the ledger tells of it, and nobody has to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hilum.oauth.ledger import Revoked


class Telling:
    """What ledgers of all stores have. One listens: who admits tokens in this process."""

    def __init__(self) -> None:
        self._listens: Callable[[Sequence[Revoked]], None] | None = None

    def heed(self, listens: Callable[[Sequence[Revoked]], None]) -> None:
        """Call it with the revocations that this process notes from now on, when they are durable."""
        self._listens = listens

    def tell(self, some: Sequence[Revoked]) -> None:
        """They are durable."""
        if some and self._listens is not None:
            self._listens(some)
