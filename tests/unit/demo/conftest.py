"""The town, made once for all the tests here, and a bigger one for what is rare."""

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


@pytest.fixture(scope="session")
def many() -> list[Chart]:
    """The charts of 600 other patients."""
    return charts(list(population(600, seed=2)))
