"""What a command works on must be there already: a mistyped place must not become a new store."""

from __future__ import annotations

from hilum.app.data import STAMP, known
from hilum.app.settings import Settings
from hilum.problems import Misconfigured


def store(settings: Settings) -> None:
    """Raises Misconfigured where there is no store; a database is asked when it is opened."""
    if settings.store_kind == "sqlite" and not settings.sqlite_path.exists():
        raise Misconfigured(f"There is no store {settings.sqlite_path}. Name it with --store or --data.")


def both(settings: Settings) -> None:
    """The data directory, too, held to its environment; a database can be used before there is one. Raises as `store`
    and `hilum.app.data.known`.
    """
    if settings.store_kind == "sqlite" or (settings.data / STAMP).exists():
        known(settings)
    store(settings)
