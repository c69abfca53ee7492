"""Not one word of any answer tells what differs only in what the token may not see; on both stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.oracle import definitions
from tests.oracle.leaks.adapter import Open, postgres, sqlite
from tests.oracle.leaks.attempts import ATTEMPTS, Attempt
from tests.oracle.leaks.trying import SURE, told

from hilum.store.plan import thresholds

pytestmark = pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing")


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return sqlite(tmp_path) if request.param == "sqlite" else postgres(request.getfixturevalue("postgres_url"))


@pytest.mark.parametrize("integrity", [False, True], ids=["", "integrity"])
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda one: one.name)
async def test_nothing_tells_what_differs_only_in_what_is_hidden(
    stores: Open, attempt: Attempt, integrity: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", SURE)
    number, wrong = await told(stores, attempt, integrity=integrity)
    assert number > 500
    assert not wrong, f"{len(wrong)} of {number} differ:\n" + "\n".join(wrong[:5])
