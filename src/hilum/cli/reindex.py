"""`hilum reindex`."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli import options

Type = Annotated[str | None, typer.Option("--type", help="Only resources of this type.", show_default=False)]
Code = Annotated[str | None, typer.Option("--parameter", help="Only this search parameter.", show_default=False)]


def reindex(
    type: Type = None,
    parameter: Code = None,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make index rows anew from what is stored, and finish what is pending of custom search parameters.

    Works while `hilum serve` runs or not, in small steps between which others write; searches stay right meanwhile.
    Safe to stop and to repeat. A search parameter that could not be indexed is tried again.

    Examples:

    - `hilum reindex`

    - `hilum reindex --type Patient --parameter race --json`
    """
    import asyncio
    import time
    from dataclasses import replace

    from hilum.access.policy import EVERYTHING, Principal
    from hilum.app.data import STAMP, known, served_at
    from hilum.app.indexing import AUDIT
    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.cli.terminal import json_out, out, progress
    from hilum.fhir.definitions import TYPES
    from hilum.interactions.counts import counts
    from hilum.interactions.defining import tell
    from hilum.interactions.door import Door
    from hilum.problems import Misconfigured
    from hilum.search.catalogue import BUILDING, CLEARING, FAILED
    from hilum.search.custom import numbers_of
    from hilum.search.results import resource_type
    from hilum.store.interface import Commit

    settings = Settings.read({"store": store, "data": data, "environment": environment})
    if settings.store_kind == "sqlite" or (settings.data / STAMP).exists():
        known(settings)
    if settings.store_kind == "sqlite" and not settings.sqlite_path.exists():
        raise Misconfigured(f"There is no store {settings.sqlite_path}. Name it with --store or --data.")
    wanted = TYPES if type is None else (resource_type("--type", type),)
    owner = Principal("owner", "hilum-reindex", "", EVERYTHING, 1 << 62)

    async def run() -> int:
        opened = await open_store(settings)
        try:
            door = Door(opened, served_at(settings))
            catalogue = await opened.learn()
            again = tuple(
                replace(one, state=BUILDING, cursor=CLEARING, done=0)
                for one in catalogue.defined
                if one.state == FAILED and parameter in (None, one.definition.code)
            )
            if again:
                await opened.commit(Commit((), AUDIT, (), catalogue.generation, again))
            with progress("resources") as bar:
                begun, done = time.monotonic(), 0
                line = bar.add_task("search parameters", total=None, done=0, rate=0.0)
                while any(one.pending for one in (await opened.learn()).defined):
                    one = await opened.proceed()
                    if one is None:  # a server is at it
                        await asyncio.sleep(0.2)
                        continue
                    bar.update(line, total=one.total, completed=one.done, done=one.done)
                    if not one.pending:
                        await tell(door, one, AUDIT)
                registry = opened.catalogue.registry
                there = await counts(door, owner)
                having = [name for name in wanted if parameter is None or parameter in registry.table(name)]
                if not having:
                    raise Misconfigured(registry.why_not(wanted[0], parameter or ""))
                total = sum(there.get(name, 0) for name in having)
                line = bar.add_task("resources", total=total, done=0, rate=0.0)
                for name in having:
                    numbers = None
                    if parameter is not None:
                        numbers = tuple(sorted(set(numbers_of(registry.table(name)[parameter]))))
                    position, more = 0, 1
                    while there.get(name) and more:
                        position, more = await opened.rebuild(name, numbers, position)
                        done += more
                        rate = done / max(time.monotonic() - begun, 0.001)
                        bar.update(line, completed=done, done=done, rate=rate)
                        await asyncio.sleep(0.005)  # others take their turn to write
            return done
        finally:
            await opened.close()

    done = asyncio.run(run())
    if json:
        json_out({"store": settings.store_shown, "resources": done})
    else:
        out(f"{settings.store_shown}: the index rows of {done:,} resources were made anew.")
