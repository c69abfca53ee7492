"""`hilum load`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import options


def load(
    paths: options.Paths,
    store: options.Store = None,
    data: options.Data = None,
    environment: options.Environment = None,
    integrity: options.Integrity = None,
    check_claimed_profiles: options.CheckClaimedProfiles = None,
    max_body_bytes: options.MaxBodyBytes = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where to write the report. Default: in the data directory.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            help="How many processes load. Default: one per processor, 4 at most; 1 for a few small files.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Load FHIR files: Bundles, single resources, NDJSON, gzipped or not, or folders of them.

    Transactions go in whole or not at all; batches and collections entry by entry. Every write is validated as if it
    came over HTTP. What refers to something not there yet is tried again until nothing more resolves. A load that was
    killed goes on where it was, and loading the same file twice adds nothing. It works while `hilum serve` runs.

    What was refused, and why, is printed and written to a report. Exit status 1 when something was refused.

    Examples:

    - `hilum load patients/`

    - `hilum load Patient.ndjson.gz Observation.ndjson.gz --store postgresql://hilum@db/hilum`

    - `hilum load --json patients/ > report.json`
    """
    from hilum.app.settings import Settings
    from hilum.cli.loading.command import run

    settings = Settings.read(
        {
            "store": store,
            "data": data,
            "environment": environment,
            "integrity": integrity,
            "check_claimed_profiles": check_claimed_profiles,
            "max_body_bytes": max_body_bytes,
        }
    )
    sys.exit(run(settings, paths, report, as_json=json, wanted=processes))
