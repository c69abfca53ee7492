"""`hilum check`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hilum.cli import options


def check(
    store: options.Store = None,
    data: options.Data = None,
    blobs: options.Blobs = None,
    environment: options.Environment = None,
    host: options.Host = None,
    port: options.Port = None,
    auth: options.Auth = None,
    workers: options.Workers = None,
    redis: options.Redis = None,
    otel_endpoint: options.OtelEndpoint = None,
    base_url: options.BaseUrl = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compare SQLite's indexes with their tables: takes several times as long.")
    ] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="Index every resource, and compare the search index: as long as a reindex.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Is the set-up sound? Looks at Python, data directory, keys, disk, store, clock and port; changes nothing.

    Each line says what was found and, if it is not right, what to do. Exit status 1 when something is wrong.
    An SQLite store is read from end to end, and the index of a sample of its resources compared; it may be in use
    meanwhile. The content of every large Binary is held against its digest. `--rows` compares that of all, on both
    stores; `hilum reindex` puts right what it finds.

    Examples:

    - `hilum check`

    - `hilum check --store postgresql://hilum@db/hilum --env production --json`
    """
    import asyncio

    from hilum.app.settings import Settings
    from hilum.cli.soundness import FAIL, examine
    from hilum.cli.terminal import bold, json_out, out

    settings = Settings.read(
        {
            "store": store,
            "data": data,
            "blobs": blobs,
            "environment": environment,
            "host": host,
            "port": port,
            "auth": auth,
            "workers": workers,
            "redis": redis,
            "otel_endpoint": otel_endpoint,
            "base_url": base_url,
        }
    )
    findings = asyncio.run(examine(settings, full=full, rows=rows))
    sound = all(finding.state != FAIL for finding in findings)
    if json:
        json_out({"sound": sound, "checks": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            out(f"{finding.state:<5}{finding.what:<16}{finding.found}")
            if finding.todo:
                out(f"{'':<21}{bold('→')} {finding.todo}")
        out("Sound." if sound else "Not sound: see the lines that begin with fail.")
    sys.exit(0 if sound else 1)
