"""One small town, made once for all the tests here, and the full one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.demo.chartreading import Chart, charts

from hilum.demo import population


@pytest.fixture(scope="session")
def bundles() -> list[dict[str, Any]]:
    """All Bundles of the population that `hilum demo` loads."""
    return list(population())


@pytest.fixture(scope="session")
def people(bundles: list[dict[str, Any]]) -> list[Chart]:
    """The patients' charts of the same."""
    return charts(bundles)
