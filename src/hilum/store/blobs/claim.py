"""Whether this is the place where the store's blobs are: several processes, or machines, must mean the same one.

The store has a mark, and so has the place from the first blob on. Where they differ somebody has named another place,
or each machine has one of its own, or the place is another store's, which would take this one's blobs for orphans: then
nothing is served and nothing kept.

A store that was restored beside the one it was copied from may share its place with it: then it takes no orphans away.
"""

from __future__ import annotations

import secrets
from typing import Final

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import BLOB, SETTING, Put
from hilum.problems import Misconfigured
from hilum.store.blobs.blob import Blobs

_KEY: Final = b"blobs"
_SHARED: Final = b" shared"


async def check(blobs: Blobs, ledger: Ledger) -> bool:
    """Whether the place is claimed; False: there are no blobs yet. Raises Misconfigured when it is not ours, Busy."""
    row = await ledger.get(SETTING, _KEY)
    if row is None:
        return False
    found = await blobs.mark()
    if found is None and not await ledger.of(BLOB, limit=1):
        return False
    if found != row.value.removesuffix(_SHARED).decode():
        raise _another(blobs)
    return True


async def claim(blobs: Blobs, ledger: Ledger) -> None:
    """The same, and the store's from now on where it was nobody's. Raises Misconfigured, Busy."""
    if await check(blobs, ledger):
        return
    await ledger.add(Put(SETTING, _KEY, secrets.token_hex(16).encode()))
    row = await ledger.get(SETTING, _KEY)
    assert row is not None
    await blobs.set_mark(row.value.removesuffix(_SHARED).decode())
    if not await check(blobs, ledger):
        raise _another(blobs)


async def share(ledger: Ledger) -> None:
    """Somebody else may have blobs in the same place from now on. Raises Busy."""
    row = await ledger.get(SETTING, _KEY)
    if row is not None and not row.value.endswith(_SHARED):
        await ledger.replace(Put(SETTING, _KEY, row.value + _SHARED), row.version)


async def alone(ledger: Ledger) -> bool:
    """Whether what this store does not refer to is an orphan. Raises Busy."""
    row = await ledger.get(SETTING, _KEY)
    return row is not None and not row.value.endswith(_SHARED)


def _another(blobs: Blobs) -> Misconfigured:
    return Misconfigured(
        f"The content of this store's large Binaries is not in {blobs.name}, or that is another store's. Name the "
        "folder or bucket that it is in with --blobs; processes on several machines need one that they share. After "
        "moving it, its file `identity` has to be there, too: see docs/how-to/store-big-files.md."
    )
