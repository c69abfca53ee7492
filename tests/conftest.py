"""What every suite shares: a failure is told when it happens, and what hangs is told of and ended, whatever it does."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Generator
from contextlib import nullcontext

import pytest

pytest.register_assert_rewrite(
    "tests.journeys.apps",
    "tests.journeys.attacked",
    "tests.journeys.browsing",
    "tests.journeys.cli",
    "tests.journeys.server",
)
"""What is imported by tests tells of a failed assertion as much as they do."""

GRACE_SECONDS = 120
"""So much later a test that its timeout did not end (something swallowed it, a cleanup hangs) ends its process."""
FULL_SECONDS = 7200
"""What a test may take at full size."""
_WORKER = "PYTEST_XDIST_WORKER" in os.environ
_ERRORS = pytest.StashKey[int]()
_BEGUN = time.monotonic()


class Telling:
    """Names each failure at once, beside the dots: a run that is cut short tells nothing at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if not report.failed or terminal is None:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        said = (crash.message if crash is not None else report.longreprtext).strip().splitlines()
        minutes = (time.monotonic() - _BEGUN) / 60
        terminal.ensure_newline()
        terminal.write_line(
            f"[{minutes:.1f} min] {report.nodeid}: {report.when} failed after {report.duration:.1f} s: "
            f"{said[0][:300] if said else ''}"
        )


def pytest_configure(config: pytest.Config) -> None:
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        config.stash[_ERRORS] = os.dup(2)
    if not _WORKER:
        config.pluginmanager.register(Telling(config), "telling")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """At full size tests take as long as they take, and a hang is ended all the same."""
    if os.environ.get("HILUM_FULL"):
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(FULL_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The stacks of all threads go to standard error, then the process ends: a thread in C sees to it."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker is not None else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=item.config.stash[_ERRORS])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
