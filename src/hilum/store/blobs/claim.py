"""Whether this is the place where the store's blobs are: several processes, or machines, must mean the same one.

The first that writes a blob gives the place a mark, and the store remembers it. Where they differ, or the place has
lost it, somebody has named another folder, or each machine has one of its own: then nothing is served.
"""

from __future__ import annotations

import secrets
from typing import Final

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import SETTING, Put
from hilum.problems import Misconfigured
from hilum.store.blobs.blob import Blobs

_KEY: Final = b"blobs"


async def check(blobs: Blobs, ledger: Ledger) -> bool:
    """Whether the place is claimed; False: there are no blobs yet. Raises Misconfigured when it is another's, Busy."""
    row = await ledger.get(SETTING, _KEY)
    if row is None:
        return False
    if await blobs.mark() != row.value.decode():
        raise Misconfigured(
            f"The content of this store's large Binaries is not in {blobs.name}. Name the folder or bucket that it is "
            "in with --blobs; processes on several machines need one that they share. After moving it, its file "
            "`identity` has to be there, too: see docs/how-to/store-big-files.md."
        )
    return True


async def claim(blobs: Blobs, ledger: Ledger) -> None:
    """The same, and the store's from now on where it was nobody's. Raises Misconfigured, Busy."""
    if await check(blobs, ledger):
        return
    mark = await blobs.mark()
    if mark is None:
        await blobs.set_mark(secrets.token_hex(16))
        mark = await blobs.mark()
    if not await ledger.add(Put(SETTING, _KEY, (mark or "").encode())):  # another process was first
        await check(blobs, ledger)
