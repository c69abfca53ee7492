"""Dead letters, delivered again: the same bytes under the same key, tried as often as new ones."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from hilum.broker.order import DEAD, READY, changed
from hilum.broker.parcels import OWNER, Parcel, Parcels, lease_of, replaced
from hilum.oauth.lease import offered
from hilum.oauth.ledger import Lost
from hilum.problems import Busy

_LOOKS: Final = 20
_LOOK_SECONDS: Final = 0.5


async def replay(parcels: Parcels, parcel: Parcel, now: float | None = None) -> bool:
    """Have it delivered, by whichever process comes first; its lease is made in the same transaction, so that a crash
    leaves a dead letter or an order that is due. False: it is no dead letter any more. Raises Busy.
    """
    for _ in range(_LOOKS):
        if parcel.order.step != DEAD:
            return False
        at = time.time() if now is None else now
        order = changed(parcel.order, int(at * 1_000_000), step=READY, tries=0, again=0, failure=None)
        try:
            await parcels.ledger.many([replaced(parcel, order), offered(lease_of(parcel.id), OWNER, at)])
        except Lost:  # it died a moment ago, and whoever saw to that has its lease still; or somebody was first
            await asyncio.sleep(_LOOK_SECONDS)
            found = await parcels.get(parcel.id)
            if found is None:
                return False
            parcel = found
        else:
            return True
    raise Busy(f"The order {parcel.id} is being worked on. Try again in a moment.")
