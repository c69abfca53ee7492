"""A real `hilum serve` in its own process on a free port, for journeys."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import httpx
from tests import forking

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter

Process = subprocess.Popen[bytes] | forking.Forked

FHIR_JSON = {"content-type": "application/fhir+json"}
HANGS_SECONDS = 180
"""A server that has not answered by then hangs. It takes two seconds by itself, ten beside five busy processes on its
core; 30 have been too few where others filled the disk, too.
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(
    arguments: list[str], env: dict[str, str], out: IO[bytes], errors: IO[bytes], *, forked: bool = True
) -> Process:
    """`hilum ARGUMENTS` in a process of its own, by `tests.forking` unless it must not be."""
    if forked and forking.can(env):
        return forking.Forked(arguments, (0, out.fileno(), errors.fileno()), env, os.getcwd())
    return subprocess.Popen([sys.executable, "-m", "hilum.cli", *arguments], stdout=out, stderr=errors, env=env)


class Server:
    """Started with flags of `hilum serve`; `log` is what it wrote to standard error.

    `files`: soft and hard limit of the files that it may have open. `forked`: see `started`.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        files: tuple[int, int] | None = None,
        forked: bool = True,
    ) -> None:
        self.port = free_port()
        self.data = folder / "data"
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = self.url + "/fhir"
        self._errors = (folder / "stderr").open("wb")
        self._folder = folder
        self.process = started(
            ["serve", "--port", str(self.port), "--data", str(self.data), *flags],
            os.environ | {"PYTHONFAULTHANDLER": "1"} | (environment or {}),
            (folder / "stdout").open("wb"),
            self._errors,
            forked=forked,
        )
        if files is not None:  # before its interpreter has got anywhere
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, files)
        self._wait()

    def _wait(self) -> None:
        ends = time.monotonic() + HANGS_SECONDS
        while self.process.poll() is None:
            try:  # to read certificates takes 20 ms, and http to this machine has no use for them
                if httpx.get(self.url + "/health", verify=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > ends:
                self.process.send_signal(signal.SIGABRT)  # tells where it stands
                self.process.wait()
                raise AssertionError(f"hilum serve has not answered within {HANGS_SECONDS} s:\n{self.log}")
            time.sleep(0.05)
        raise AssertionError(f"hilum serve ended with status {self.process.returncode}:\n{self.log}")

    @property
    def log(self) -> str:
        return (self._folder / "stderr").read_text()

    @property
    def said(self) -> str:
        """What it printed on standard output."""
        return (self._folder / "stdout").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def token(self, scope: str = "system/*.cruds", **options: Any) -> str:
        return Minter(load_or_create(self.data, "sandbox"), self.base).mint(scope, **options)

    def client(self, scope: str | None = "system/*.cruds", **options: Any) -> httpx.Client:
        """A client whose paths are below the FHIR base: `client.get("Patient/1")`. `scope` None: without a token."""
        headers = {} if scope is None else {"authorization": f"Bearer {self.token(scope, **options)}"}
        return httpx.Client(base_url=self.base + "/", headers=headers, timeout=30, verify=False)

    def memory(self) -> int:
        """The largest resident size so far, in bytes (Linux)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) * 1024

    def open_files(self) -> int:
        """How many files, sockets among them, it has open, but for those of SQLite, which are opened when there is much
        to read at once, and kept (Linux).
        """
        folder, count = Path(f"/proc/{self.process.pid}/fd"), 0
        for one in folder.iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                count += "hilum.sqlite" not in os.readlink(one)
        return count

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self._errors.close()
        return status
