"""Wiring: the one place that knows settings, store, verifier and pages at once, and makes them one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.app.settings import Settings

if TYPE_CHECKING:
    from hilum.app.application import Application


def create_app(settings: Settings | None = None) -> Application:
    """The ASGI application for these settings; without any, for those in the environment (HILUM_*).

    Nothing is opened yet: the ASGI lifespan opens the store in the process that serves, and closes it.
    """
    from hilum.app.application import Application  # here, so that reading settings (`hilum --help`) imports no server

    return Application(Settings.read() if settings is None else settings)
