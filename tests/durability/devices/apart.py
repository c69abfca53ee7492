"""A network namespace of its own for the agent, whose network can really go: no reset tells that it has gone.

Its only way out is a listening socket that was made inside and is handed to whoever started this. The network is the
namespace's loopback; `down` takes it away, and what is sent then is nowhere. https://man7.org/linux/man-pages/man7/network_namespaces.7.html
"""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP: Final = 1
TROUBLE: Final = "delay 2ms 2ms loss 1% duplicate 1% reorder 5%"
"""What packets meet with, where there is `tc`."""


class Namespace:
    """`prefix`: of a command that is to run inside. `listener`: bound inside."""

    def __init__(self, process: subprocess.Popen[str], listener: socket.socket) -> None:
        self._process, self.listener = process, listener
        self.prefix = ("nsenter", "-t", str(process.pid), "-U", "-n", "--preserve-credentials")
        self.shaped = self._said().endswith("shaped")

    def link(self, up: bool) -> None:
        """The network goes, or comes back."""
        assert self._process.stdin is not None
        self._process.stdin.write("up\n" if up else "down\n")
        self._process.stdin.flush()
        self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def possible() -> bool:
    """Whether this user may make namespaces here."""
    if not (sys.platform.startswith("linux") and shutil.which("unshare") and shutil.which("nsenter")):
        return False
    return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


@contextmanager
def namespace() -> Iterator[Namespace]:
    """One, until the block ends."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        ["unshare", "-rn", sys.executable, "-m", "tests.durability.devices.apart", str(theirs.fileno())],
        pass_fds=(theirs.fileno(),), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    theirs.close()
    try:
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        yield Namespace(process, socket.socket(fileno=fds[0]))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        ours.close()


def main() -> None:
    """Inside: hand the listening socket over, then do what is said until there is nobody to say it."""
    _loopback(True)
    shaped = (
        shutil.which("tc") is not None
        and not subprocess.run(
            ["tc", "qdisc", "add", "dev", "lo", "root", "netem", *TROUBLE.split()], capture_output=True, check=False
        ).returncode
    )
    with socket.socket(fileno=int(sys.argv[1])) as out, socket.create_server(("127.0.0.1", 0)) as listener:
        out.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))])
        print("up, shaped" if shaped else "up", flush=True)
        for line in sys.stdin:
            _loopback(line.strip() == "up")
            print("done", flush=True)
    os._exit(0)


def _loopback(up: bool) -> None:
    with socket.socket() as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))[1]
        wanted = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", wanted))


if __name__ == "__main__":
    main()
