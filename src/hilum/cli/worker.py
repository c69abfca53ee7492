"""The application of one server process, from the settings that it inherits in its environment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.process import BaseProcess
from typing import Any, Final

from hilum.app import create_app
from hilum.app.settings import Settings
from hilum.web import log

_AFTER_SECONDS: Final = 5
"""How long a worker may take beyond the time of grace before it is ended whatever it does."""


def application() -> Any:
    """An ASGI application. uvicorn calls this in every worker process."""
    settings = Settings.read()
    parent = multiprocessing.parent_process()
    if parent is not None:  # one of several workers; a single server process is its own
        threading.Thread(
            target=_end_with, args=(parent, settings.grace_seconds), name="hilum-orphan", daemon=True
        ).start()
    return create_app(settings)


def _end_with(parent: BaseProcess, grace_seconds: int) -> None:
    """Wait for the end of the process that started this one, then stop as at SIGTERM.

    The parent holds one end of a pipe, which the operating system closes whatever kills it
    (https://docs.python.org/3/library/multiprocessing.html#multiprocessing.parent_process). Its workers would hold port
    and store for ever otherwise, and no one would start a worker that died.
    """
    parent.join()
    log.error("orphaned", text="The process that started this worker is gone: it stops, too.")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_seconds + _AFTER_SECONDS)
    os._exit(1)
