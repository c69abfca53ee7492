"""`hilum` in processes of its own, forked from one that has imported it already.

A run of the small suite starts some hundreds of them, and half of what each costs is importing. What a forked one does
is the same `main()` with the same arguments, environment, folder and files, at another PACE; so are the workers of a
server with several. `tests/journeys/test_cli_serve.py`, `test_cli_load.py` and `test_http_workers.py` start
`python -m hilum.cli` itself, whose workers import all anew. HILUM_FULL=1: all do.
"""

from __future__ import annotations

import array
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULES = (
    "hilum.app.application",
    "hilum.app.described",
    "hilum.cli.commands",
    "hilum.cli.loading.command",
    "hilum.cli.records",
    "hilum.cli.sandboxing",
    "hilum.cli.serving",
    "hilum.cli.soundness",
    "hilum.cli.worker",
    "hilum.store.postgres.store",
    "hilum.store.sqlite.store",
    "rich.console",
    "rich.progress",
    "rich.table",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
)
"""All that commands and servers import, now or later."""
PACKAGED = (
    ("hilum.access.roles", "packaged"),
    ("hilum.broker.recipes", "packaged"),
    ("hilum.broker.vendors", "packaged"),
    ("hilum.smart.words", "words"),
    ("hilum.video.pages.words", "words"),
    ("hilum.video.templates", "packaged"),
)
"""Tables that come with hilum, each of which a process reads once."""
PACE = (
    ("hilum.audit.settle", "SECONDS", 1.0),
    ("hilum.feed.working", "POLL_SECONDS", 0.25),
    ("hilum.video.executing", "LOOK_SECONDS", 0.25),
)
"""How often a server looks for what it is not told of; else most of some tests would be waiting for it."""


def can(env: dict[str, str]) -> bool:
    """Whether a forked process is what an executed one would be: Python itself reads nothing from this environment."""
    read = {name for name in env if name.startswith("PYTHON") and env[name] != os.environ.get(name)}
    return not os.environ.get("HILUM_FULL") and os.name == "posix" and read <= {"PYTHONFAULTHANDLER"}


class Forked:
    """What tests use of `subprocess.Popen`: pid, poll, wait, signals, returncode."""

    def __init__(self, arguments: list[str], files: tuple[int, int, int], env: dict[str, str], cwd: str) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.connect(_server())
        asked = json.dumps({"arguments": arguments, "env": env, "cwd": cwd}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        self._line.sendmsg([len(asked).to_bytes(4, "big")], rights)
        self._line.sendall(asked)
        self.returncode: int | None = None
        self.pid = _number(self._line)

    def poll(self) -> int | None:
        """The status, or None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self.returncode = _number(self._line)
            self._line.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The status, once there is one. Raises subprocess.TimeoutExpired."""
        if self.returncode is None and not select.select([self._line], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("hilum", timeout or 0)
        self.poll()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    arguments: list[str], *, env: dict[str, str], timeout: float, input: str | None = None, cwd: Any = None
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run(capture_output=True, text=True)`: a time-out kills it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write((input or "").encode())
        given.seek(0)
        files = (given.fileno() if input is not None else 0, out.fileno(), errors.fileno())
        process = Forked(arguments, files, env, str(cwd or Path.cwd()))
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(["hilum", *arguments], status, *texts)


_started: dict[int, str] = {}


def _server() -> str:
    """The address of the process to fork from, one for each process of the tests; it ends with it."""
    address = _started.get(os.getpid())
    if address is None:
        address = str(Path(tempfile.mkdtemp(prefix="hilum-forking-")) / "socket")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
        process = subprocess.Popen(
            [sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        _processes.append(process)
        _started[os.getpid()] = address
    return address


_processes: list[subprocess.Popen[bytes]] = []
"""Kept, since a pipe to them that is closed ends them."""


def _number(line: socket.socket) -> int:
    read = b""
    while len(read) < 8:
        more = line.recv(8 - len(read))
        if not more:
            raise AssertionError("the process that hilum is forked from has ended")
        read += more
    return int.from_bytes(read, "big", signed=True)


def _serve(address: str) -> None:
    """Fork whenever somebody asks, and tell them of the end, until standard input is closed. Then what still runs is
    ended: a test that started it has failed before it stopped it, or was itself ended.
    """
    import gc
    import importlib

    for module in MODULES:
        importlib.import_module(module)
    _rehearsed()
    gc.collect()
    gc.freeze()  # so that a child's collections don't copy the pages of what all have
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(address)
    listening.listen(16)
    woken, waking = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(1, b"ready\n")
    lines: dict[int, socket.socket] = {}
    while True:
        ready = select.select([listening, woken, 0], [], [])[0]
        if 0 in ready:
            break
        if woken in ready:
            os.read(woken, 4096)
            while lines:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                _tell(lines.pop(pid), os.waitstatus_to_exitcode(status))
        if listening in ready:
            line = listening.accept()[0]
            asked, files = _asked(line)
            pid = os.fork()
            if pid == 0:
                _child(asked, files, [listening, line, *lines.values()], (woken, waking))
            for number in files:
                os.close(number)
            lines[pid] = line
            line.sendall(pid.to_bytes(8, "big", signed=True))
    for pid in lines:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    shutil.rmtree(Path(address).parent, ignore_errors=True)
    os._exit(0)


def _rehearsed() -> None:
    """What each process would work out for itself, always alike, is worked out once: the commands and their options,
    the tables, and what checks and indexes the kinds of resources that a demo has. Nothing is opened or started.
    """
    import functools
    import importlib

    import typer.main

    from hilum.cli.commands import app
    from hilum.demo.population import population
    from hilum.search.index import index
    from hilum.validation import validate

    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(app)
    for module, name in PACKAGED:
        getattr(importlib.import_module(module), name)()
    for module, name, seconds in PACE:
        assert hasattr(importlib.import_module(module), name)
        setattr(importlib.import_module(module), name, seconds)
    for bundle in population(1):
        for entry in bundle["entry"]:
            body = entry["resource"]
            validate(body)
            index(body["resourceType"], body)


def _tell(line: socket.socket, status: int) -> None:
    with suppress(OSError):  # perhaps nobody waits any more
        line.sendall(status.to_bytes(8, "big", signed=True))
    line.close()


def _asked(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, rights, _, _ = line.recvmsg(4, socket.CMSG_SPACE(3 * 4))
    files = array.array("i")
    files.frombytes(rights[0][2])
    size, read = int.from_bytes(head, "big"), b""
    while len(read) < size:
        read += line.recv(size - len(read))
    return json.loads(read), list(files)


def _child(asked: dict[str, Any], files: list[int], sockets: list[socket.socket], pipes: tuple[int, int]) -> None:
    """`python -m hilum.cli` from where its modules are imported. Does not return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in sockets:
            one.close()
        for number in pipes:
            os.close(number)
        for place, number in enumerate(files):
            os.dup2(number, place)
        for number in files:
            os.close(number)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        time.tzset()
        sys.argv = ["hilum", *asked["arguments"]]
        for place, mode in enumerate("rww"):
            name = ("stdin", "stdout", "stderr")[place]
            errors = "backslashreplace" if name == "stderr" else "strict"
            stream = open(  # noqa: SIM115 - to the end of the process
                place, mode, buffering=1 if name == "stderr" else -1, encoding="utf-8", errors=errors, closefd=False
            )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        if asked["env"].get("PYTHONFAULTHANDLER"):
            import faulthandler

            faulthandler.enable()
        from hilum.cli import main

        _workers_are_forked()
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
        except BaseException:
            import traceback

            traceback.print_exc()
        import atexit
        import threading

        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _workers_are_forked() -> None:
    """As this process is itself: uvicorn's would import all of hilum again, each of them."""
    import multiprocessing

    from uvicorn import _subprocess

    _subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]


if __name__ == "__main__":
    _serve(sys.argv[1])
