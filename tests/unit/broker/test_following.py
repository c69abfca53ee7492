"""An order's sign-in is used at the EHR that it was made at, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.ehr import VENDORS
from tests.unit.broker.launched import at, connection, signed_in
from tests.unit.broker.strict import SECRET, running

from hilum.broker.far import Failed
from hilum.broker.following import Following
from hilum.broker.order import Order, Start
from hilum.web.outbound import Guard
from hilum.web.pool import Pool

ORDER = Order("lake", "sandbox", "visits", "kim", 0)


@pytest.mark.parametrize("other", [{"base": "http://127.0.0.1:9/elsewhere"}, {"client_id": "another"}])
async def test_a_sign_in_is_not_used_where_its_connection_has_been_aimed_meanwhile(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    async with running() as ehr:
        where = await at(tmp_path, ehr)
        start = Start("launch", session=await signed_in(where, ehr))
        pool = Pool(Guard(loopback=True))
        unused: Any = None
        following = Following(unused, where.connections, unused, where.renewing, VENDORS, lambda: pool, lambda: unused)
        assert (await following.sign_in(ORDER, start)).base == ehr.base
        await where.connections.replace(connection(**{"base": ehr.base} | other), SECRET)
        with pytest.raises(Failed, match="another EHR") as caught:
            await following.sign_in(ORDER, start)
        assert (caught.value.kind, caught.value.side) == ("unauthorized", "ours")
        await pool.close()
