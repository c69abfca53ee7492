"""What every suite shares: a failure is told when it happens, and what hangs is told of and ended, whatever it does."""

from __future__ import annotations

import faulthandler
import gc
import os
import re
import time
import zlib
from collections.abc import Generator
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, settings
from tests.postgres import postgres_url

__all__ = ["postgres_url"]  # here alone: a module that imports a session's fixture has one of its own, to the end

settings.register_profile("hilum", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hilum")
"""How long an example takes to make says more of the machine than of the test."""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--small", action="store_true", help="Long tests that run on both stores run on one, half of them on each."
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without looking for garbage: what is collected only grows, and a fifth of the time would go into that."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        config.stash[_ERRORS] = os.dup(2)
    if not _WORKER:
        config.pluginmanager.register(Telling(config), "telling")


THINNED = {
    "tests/conformance/us_core/test_searches.py": 8,
    "tests/contract/test_contained.py::test_chains_lead_to_resources_of_their_own_and_to_contained_ones": 2,
    "tests/contract/test_contained.py::test_what_is_found_within_is_what_matches": 2,
    "tests/contract/test_limits.py": 3,
    "tests/contract/test_numbers.py::test_a_population_in_any_order_is_indexed_the_same": 3,
    "tests/contract/test_pages_as_of.py::test_any_sorted_pages_stand_still": 3,
    "tests/contract/test_pages_as_of.py::test_sorted_pages_stand_still_while_others_write": 3,
    "tests/contract/test_parameters.py::test_whatever_is_written_while_indexing_nothing_is_missed": 3,
    "tests/contract/test_rebuild.py::test_beside_others_that_write_nothing_is_lost": 3,
    "tests/contract/test_rebuild.py::test_whatever_was_wrong_is_right_afterwards": 3,
    "tests/contract/test_search_agrees.py::test_what_is_found_is_what_matches": 3,
    "tests/journeys/test_attacks_by_flood.py": 2,
    "tests/journeys/test_attacks_on_codes.py": 2,
    "tests/journeys/test_attacks_outbound.py": 2,
    "tests/journeys/test_client_pages.py": 2,
    "tests/journeys/test_damage.py": 3,
    "tests/journeys/test_gather.py::test_a_fault_costs_what_it_has_to_and_nothing_else": 2,
    "tests/journeys/test_http_strangers.py": 2,
    "tests/journeys/test_http_leaks.py::test_the_audit_is_for_who_was_given_it_by_name": 2,
    "tests/oracle/leaks/test_attempts.py": 3,
    "tests/oracle/test_agreement.py::test_a_store_finds_what_the_oracle_finds": 2,
    "tests/unit/audit/test_verify.py": 2,
    "tests/unit/store/plan/test_implied.py": 8,
}
"""Of the cases of each test in these files, or of this test, one in so many runs at the small size."""


def thinned(items: list[pytest.Item]) -> None:
    """The others are skipped: every n-th case runs, from one on that the test's name decides."""
    seen: dict[str, int] = {}
    for item in items:
        test, bracket, _ = item.nodeid.partition("[")
        many = THINNED.get(test, THINNED.get(test.partition("::")[0], 1))
        if many == 1 or not bracket or item.get_closest_marker("skip") is not None:
            continue
        number = seen[test] = seen.get(test, zlib.crc32(test.encode()) % many) + 1
        if number % many:
            item.add_marker(pytest.mark.skip(reason=f"one case in {many} runs; HILUM_FULL=1 runs all"))


LONG = ("tests/journeys/", "tests/oracle/leaks/", "tests/unit/broker/test_renewing_processes.py")
"""Of these a test starts processes or asks thousands of questions; what each store does is for `tests/contract`."""
_STORE = re.compile(r"(?<=[\[-])(sqlite|postgresql)(?=[\]-])")


def one_of_both(items: list[pytest.Item]) -> None:
    """Of a long test that runs on both stores the one or the other is skipped, by a checksum of its name."""
    elsewhere = pytest.mark.skip(reason="runs on the other store; HILUM_FULL=1 runs it on this one, too")
    names = {item.nodeid for item in items}
    for item in items:
        match = _STORE.search(item.nodeid)
        if match is None or not item.nodeid.startswith(LONG):
            continue
        begin, end = item.nodeid[: match.start()], item.nodeid[match.end() :]
        if all(f"{begin}{store}{end}" in names for store in ("sqlite", "postgresql")):
            chosen = "postgresql" if zlib.crc32(f"{begin}{end}".encode()) & 1 else "sqlite"
            if match[0] != chosen:
                item.add_marker(elsewhere)


ORDER = ("tests/journeys/", "tests/unit/")
"""Of two processes the one begins with journeys, which take half of the time, and has units behind them; the other has
the rest. So what is left at the end, for whoever is done first, is units: each is short, and few need anything started.
"""


def placed(item: pytest.Item) -> int:
    """Its suite's place in the order."""
    return next((place for place, suite in enumerate(ORDER) if item.nodeid.startswith(suite)), len(ORDER))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """At full size tests take as long as they take, and a hang is ended all the same."""
    items.sort(key=placed)
    if config.getoption("--small") and not os.environ.get("HILUM_FULL"):
        one_of_both(items)
        thinned(items)
    gc.freeze()  # tens of thousands of tests stay to the end: nothing is gained by going through them again and again
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
