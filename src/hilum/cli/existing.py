"""What a command works on must be there already: a mistyped place must not become a new store.

But for commands that somebody begins with (`new`), who may not have served yet: what those make, they say.
"""

from __future__ import annotations

from hilum.app.data import STAMP, known, prepare
from hilum.app.settings import Settings
from hilum.cli.terminal import say
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


def new(settings: Settings) -> None:
    """The data directory, made where there is none as `hilum serve` makes it; the store is laid out by who opens it.
    What is new is said. Raises as `hilum.app.data.prepare`.
    """
    there = (settings.data / STAMP).exists()
    prepare(settings)
    if not there:
        say(f"{settings.data.absolute()} is a new data directory of the {settings.environment}: serve it by --data.")
    elif settings.store_kind == "sqlite" and not settings.sqlite_path.exists():
        say(f"{settings.sqlite_path.absolute()} is a new store.")
