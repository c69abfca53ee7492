"""Running the server: the port first, then the store, then uvicorn, and what to try as soon as it answers.

https://www.uvicorn.org/settings/
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from hilum.app import data, files, roles
from hilum.app.protocol import Protocol
from hilum.app.settings import Settings
from hilum.app.stores import open_to_serve
from hilum.cli import banner
from hilum.cli.terminal import bold, say
from hilum.problems import Misconfigured
from hilum.smart.people.providers import providers
from hilum.store.interface import Counts

_BACKLOG = 2048


def run(settings: Settings) -> None:
    """Serve until told to stop (SIGINT or SIGTERM). Raises Misconfigured before anything is served."""
    if settings.environment == "production" and (reason := settings.base_unreachable or settings.base_in_clear):
        raise Misconfigured(reason)
    data.prepare(settings)
    if settings.auth == "smart":  # what is unsound in these files is told here and in one line, not in a worker's log
        roles.table(settings)
        providers(settings.data)
    settings = replace(settings, connections=files.room(settings.connections))
    listening = listen(settings.host, settings.port)
    settings = replace(settings, port=listening.getsockname()[1])
    if settings.log_format == "auto":  # decided here, since a worker's standard error is no terminal of its own
        settings = replace(settings, log_format="text" if sys.stderr.isatty() else "json")
    if settings.base_unreachable:
        say(bold("WARNING ", sys.stderr) + settings.base_unreachable)
    counts = asyncio.run(_sound(settings))
    data.note_serving(settings)
    os.environ.update(settings.environ())
    config = configured("hilum.cli.worker:application", settings, factory=True)
    if settings.workers > 1:
        threading.Thread(target=_announce_when_ready, args=(settings, counts), daemon=True).start()
        Multiprocess(config, [listening]).run()
    else:
        Announcing(config, partial(banner.show, settings, counts)).run(sockets=[listening])


def configured(application: Any, settings: Settings, *, factory: bool = False) -> uvicorn.Config:
    """uvicorn for this application, or for what makes it. Signals end it cleanly from now on."""
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again after its shutdown: that is a clean end
        signal.signal(number, lambda *_: None)
    return uvicorn.Config(
        application,
        factory=factory,
        interface="asgi3",
        http=Protocol,
        ws="none",
        workers=settings.workers,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=settings.grace_seconds,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises Misconfigured when the port is taken, forbidden, or the address is not this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise Misconfigured(
            f"The host {host} is not known. Use --host 127.0.0.1, or an address of this machine."
        ) from None
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    if os.name == "posix":  # elsewhere it would let two servers share one port
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(_BACKLOG)  # tells at once when another program listens here
    except OSError as error:
        bound.close()
        raise Misconfigured(_refused(error, host, port)) from None
    bound.set_inheritable(True)
    return bound


def _refused(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken. Perhaps hilum is running already: see http://{host}:{port}/. "
            f"Otherwise choose another: --port {port + 1 if port < 65535 else 8080}"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on port {port}. Choose one above 1023: --port 8080"
    return f"Can't listen on {host} port {port}: {error.strerror}. Use --host 127.0.0.1, or an address of this machine."


async def _sound(settings: Settings) -> Counts:
    """Open the store once before serving, so that what is unsound is told here and in one line."""
    store = await open_to_serve(settings)
    try:
        return await store.counts()
    finally:
        await store.close()


class Announcing(uvicorn.Server):
    """Says where it is once it answers."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the banner."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._announce()


def _announce_when_ready(settings: Settings, counts: Counts) -> None:
    """With several processes: the banner, when the first of them has answered."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104 - compared with, not bound to
    for _ in range(600):
        try:
            with socket.create_connection((host, settings.port), timeout=1) as asking:
                asking.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if asking.recv(12) == b"HTTP/1.1 200":
                    banner.show(settings, counts)
                    return
        except OSError:
            pass
        threading.Event().wait(0.1)
