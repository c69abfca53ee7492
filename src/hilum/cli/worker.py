"""The application of one server process, from the settings that it inherits in its environment."""

from __future__ import annotations

from typing import Any

from hilum.app import create_app
from hilum.app.settings import Settings


def application() -> Any:
    """An ASGI application. uvicorn calls this in every worker process."""
    return create_app(Settings.read())
