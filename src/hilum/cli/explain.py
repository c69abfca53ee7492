"""`hilum explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli import options

Url = Annotated[
    str,
    typer.Argument(metavar="SEARCH", help="A search as in a URL, from the resource type on.", show_default=False),
]


def explain(
    search: Url,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Tell how a search is done: what drives, what is probed, the counts that decided, and what the statements took.

    It does the search, while `hilum serve` runs or not, with the rights of who owns the data directory. What it prints
    names parameters, never values. docs/how-to/find-out-why-a-search-is-slow.md explains the lines.

    Examples:

    - `hilum explain "Observation?code=http://loinc.org|8867-4&_sort=-date"`

    - `hilum explain "Patient/17/Observation?category=laboratory" --json`
    """
    import asyncio
    import time
    from typing import Any

    from hilum.app.data import served_at
    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.cli import existing
    from hilum.cli.terminal import json_out, out
    from hilum.interactions import search as searching
    from hilum.interactions.door import Door
    from hilum.rest.edge import ANYONE
    from hilum.rest.search import asked_at
    from hilum.search.parse import parse_query
    from hilum.store.plan.told import lines

    settings = Settings.read({"store": store, "data": data, "environment": environment, "base_url": base_url})
    existing.both(settings)

    async def run() -> list[dict[str, Any]]:
        base = served_at(settings)
        type_, compartment, pairs = asked_at(search.removeprefix(base))
        now = time.time_ns() // 1000
        opened = await open_store(settings)
        try:
            parsed = parse_query(
                type_,
                pairs,
                base=base,
                compartment=compartment,
                now=now,
                full_text=opened.full_text,
                registry=opened.catalogue.searchable,
                empty=True,
            )
            _, told = await searching.explain(Door(opened, base), ANYONE, parsed)
        finally:
            await opened.close()
        return told or []

    steps = asyncio.run(run())
    if json:
        json_out({"search": search, "steps": steps})
    else:
        for line in lines(steps):
            out(line)
