"""Tests of what lies in one process."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import pytest

from hilum.web import log


@pytest.fixture(autouse=True)
def _log_afterwards() -> Iterator[None]:
    """What sends the log to a test's own standard error, as commands do, does so until that test ends."""
    yield
    log.configure()


@pytest.fixture
def written() -> Iterator[StringIO]:
    """The log."""
    stream = StringIO()
    log.configure(stream=stream)
    yield stream
    log.configure()
