"""Tests of commands that run in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hilum.web import log


@pytest.fixture(autouse=True)
def _log_afterwards() -> Iterator[None]:
    """Commands that run in this process send the log to their own standard error, which ends with them."""
    yield
    log.configure()
