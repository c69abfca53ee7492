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
from hilum.broker.payload import Unfit
from hilum.broker.recipes import Recipes
from hilum.problems import Invalid
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


async def test_a_recipe_that_was_spoilt_after_the_order_fails_it_and_says_why() -> None:
    unused: Any = None
    known = Recipes({}, {"visits": "Recipe recipes/visits.toml: title must be a text."})
    following = Following(unused, unused, unused, unused, VENDORS, unused, lambda: known)
    with pytest.raises(Invalid, match="title must be a text"):
        await following.gather(unused, ORDER, Start("mrn", "17"), unused)
    with pytest.raises(Unfit, match="title must be a text"):
        following.template("visits")
    assert following.template("none of these") is None
