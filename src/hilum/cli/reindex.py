"""`hilum reindex`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hilum.cli import options

Type = Annotated[str | None, typer.Option("--type", help="Only resources of this type.", show_default=False)]
Code = Annotated[str | None, typer.Option("--parameter", help="Only this search parameter.", show_default=False)]
Anew = Annotated[bool, typer.Option("--anew", help="Begin at the beginning, not where one that was killed stopped.")]


def reindex(
    type: Type = None,
    parameter: Code = None,
    anew: Anew = False,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Make the search index say what the stored resources say, and finish what is pending of custom search parameters.

    Every resource is read and indexed, and compared with what stands in the index: rows that are missing are added,
    those that are not right (or of resources that are gone) are taken away. So are words of full text, and, without
    --type and --parameter, dictionaries and the counts of resources. Afterwards it tells how much was wrong.

    It works while `hilum serve` runs, on both stores: it reads beside the others, writes little, and keeps nobody from
    writing for more than an instant. What was killed goes on where it stopped, for a day and with the same options.
    `hilum check --rows` tells whether there is anything to do.

    Exit status 0: everything is right now. 1: some resources can't be indexed, and are named. 2: it can't be done.

    Examples:

    - `hilum reindex`

    - `hilum reindex --type Patient --parameter race --json`
    """
    import asyncio
    import time
    from dataclasses import asdict, replace

    from hilum.app.data import served_at
    from hilum.app.indexing import AUDIT
    from hilum.app.settings import Settings
    from hilum.app.stores import open_store
    from hilum.cli import existing
    from hilum.cli.terminal import json_out, out, progress
    from hilum.interactions.defining import tell
    from hilum.interactions.door import Door
    from hilum.problems import Misconfigured, Problem
    from hilum.search.catalogue import BUILDING, CLEARING, FAILED
    from hilum.search.results import resource_type
    from hilum.store.interface import Commit
    from hilum.store.rebuilding import Rebuilt, Scope

    settings = Settings.read({"store": store, "data": data, "environment": environment})
    existing.both(settings)
    try:
        scope = Scope(None if type is None else resource_type("--type", type), parameter, anew=anew)
    except Problem as problem:
        raise Misconfigured(str(problem)) from None

    async def run() -> Rebuilt:
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
            step = Rebuilt()
            with progress("resources") as bar:
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
                if not scope.spans(registry):
                    raise Misconfigured(registry.why_not(scope.type or "Patient", parameter or ""))
                line, begun = bar.add_task("resources", total=None, done=0, rate=0.0), time.monotonic()
                async for step in opened.rebuild(scope):
                    rate = (step.done - step.before) / max(time.monotonic() - begun, 0.001)
                    bar.update(line, total=step.total, completed=step.done, done=step.done, rate=rate)
            return step
        finally:
            await opened.close()

    done = asyncio.run(run())
    if json:
        json_out({"store": settings.store_shown, **asdict(done)})
    else:
        was = f", {done.before:,} of them before" if done.before else ""
        out(f"{settings.store_shown}: {done.done:,} resources were looked at{was}; their index is right now.")
        if done.wrong:
            rows = ", ".join(f"{name} {count:,}" for name, count in done.wrong.items())
            out(f"{done.resources:,} resources had rows that were missing or not theirs: {rows}.")
        if done.unfits:
            out(f"{done.unfits:,} can't be indexed (`hilum check`): {', '.join(done.unfit)}.")
    sys.exit(1 if done.unfits else 0)
