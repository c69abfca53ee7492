"""`hilum demo`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hilum.cli import options


def demo(
    patients: Annotated[int, typer.Option("--patients", min=1, max=1_000_000, help="How many.", metavar="N")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Another seed makes other people.", metavar="N")] = 1,
    today: options.Today = None,
    if_empty: Annotated[
        bool, typer.Option("--if-empty", help="Do nothing when the store holds anything else.")
    ] = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Fill the store with synthetic patients that have years of history. Refused in production.

    The same seed makes the same people, and the same day the same dates. Running it again adds nothing; a run that was
    killed goes on.

    Examples:

    - `hilum demo`

    - `hilum demo --today 2026-11-23`

    - `hilum demo --patients 1000 --seed 7`
    """
    from hilum.app.settings import Settings
    from hilum.cli.loading.command import run_demo

    settings = Settings.read({"store": store, "data": data, "environment": environment})
    sys.exit(run_demo(settings, patients, seed, today.date() if today else None, if_empty=if_empty, as_json=json))
