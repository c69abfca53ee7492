"""Makes `hilum serve` die by SIGKILL at one step of its work: put on its path as `sitecustomize`, for tests only.

The file that DIES_AT names says where, once it is there: `before take 9`, `after certain token`; the number is the kind
of the record that is taken, added, or first written. It is removed as the process dies.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

METHODS = ("take", "add", "many", "replace")


def _name(method: str, arguments: tuple[Any, ...]) -> str:
    if method == "certain":
        return f"certain {arguments[1]}"
    first = arguments[0] if arguments else None
    if method == "many":
        first = first[0] if first else None
    kind = getattr(first, "kind", first)
    return f"{method} {kind}" if isinstance(kind, int) else method


def _step(moment: str, name: str) -> None:
    wanted = Path(os.environ["DIES_AT"])
    try:
        said = wanted.read_text()
    except FileNotFoundError:
        return
    if said == f"{moment} {name}":
        wanted.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _watched(method: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def stepped(self: Any, *arguments: Any, **named: Any) -> Any:
        name = _name(method, arguments)
        _step("before", name)
        found = await work(self, *arguments, **named)
        _step("after", name)
        return found

    return stepped


def install() -> None:
    """Watch the ledgers of both stores, and the trail of the audit. Who got no answer to a refresh may ask again for
    longer than the ten seconds that a busy machine takes to start a server in the place of the dead one.
    """
    from hilum.audit.trail import Trail
    from hilum.smart.tokens import refresh
    from hilum.store.postgres.ledger import PostgresLedger
    from hilum.store.sqlite.ledger import SqliteLedger

    for owner in (SqliteLedger, PostgresLedger):
        for method in METHODS:
            setattr(owner, method, _watched(method, getattr(owner, method)))
    refresh.RETRY_SECONDS = 300  # type: ignore[misc]
    setattr(Trail, "certain", _watched("certain", Trail.certain))  # noqa: B010 - as above
