"""`hilum token`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import options

PRODUCTION_MINUTES = 15.0
"""The longest token of production: long enough to look after a fault, too short to build on."""


def token(
    scope: Annotated[
        str, typer.Option("--scope", help="SMART scopes, separated by spaces.", metavar="SCOPES")
    ] = "system/*.rs",
    patient: Annotated[
        str | None, typer.Option("--patient", help="The patient in context, for patient/ scopes.", metavar="ID")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="How long it lasts. Default 60, in production 15 at most.", metavar="N"),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; needed in production and kept in tokens.log.", metavar="TEXT")
    ] = None,
    data: options.Data = None,
    environment: options.Environment = None,
    host: options.Host = None,
    port: options.Port = None,
    base_url: options.BaseUrl = None,
    json: options.Json = False,
) -> None:
    """Mint a short-lived access token: for who owns the data directory and nobody else.

    It holds for one server address, the one that `hilum serve` last used with this data directory, unless --base-url,
    --host or --port name another. Scopes say what it may do:
    `system/*.rs` reads and searches everything, `patient/Observation.rs` only one patient's observations, and the
    letters are create, read, update, delete, search. The audit trail keeps who made it when, for what, and its id.

    Examples:

    - `TOKEN=$(hilum token --scope 'system/*.cruds')`

    - `hilum token --scope 'patient/*.rs' --patient 0190a3c2-6a5b-7000-8000-000000000001 --minutes 5`
    """
    import asyncio
    from uuid import uuid4

    from hilum.access.keys import load_or_create
    from hilum.access.tokens import Minter
    from hilum.app import recording
    from hilum.app.data import known, served_at
    from hilum.app.settings import Settings
    from hilum.cli.terminal import json_out, out
    from hilum.problems import Misconfigured

    settings = Settings.read(
        {"data": data, "environment": environment, "host": host, "port": port, "base_url": base_url}
    )
    production = settings.environment == "production"
    if production and not (reason or "").strip():
        raise Misconfigured("A token of production needs a reason, which is kept: hilum token --reason 'ticket 4711' …")
    lasts = minutes if minutes is not None else (PRODUCTION_MINUTES if production else 60.0)
    if production and lasts > PRODUCTION_MINUTES:
        raise Misconfigured(f"A token of production lasts {PRODUCTION_MINUTES:.0f} minutes at most.")
    known(settings)
    base = settings.fhir_base if host or port or base_url else served_at(settings)
    key = load_or_create(settings.data, settings.environment)
    jti = str(uuid4())
    minted = Minter(key, base).mint(scope, patient=patient, minutes=lasts, jti=jti)
    about = {"minted": jti, "scope": scope, "minutes": f"{lasts:g}", "patient": patient or "", "reason": reason or ""}
    asyncio.run(recording.leave(settings, "token", {name: text for name, text in about.items() if text}))
    if production:
        _keep(settings.data, recording.owner(), scope, lasts, reason or "")
    if json:
        json_out(
            {"access_token": minted, "token_type": "Bearer", "expires_in": int(lasts * 60), "scope": scope, "aud": base}
        )
    else:
        out(minted)


def _keep(folder: Path, owner: str, scope: str, minutes: float, reason: str) -> None:
    """Append who made a production token when, for what and why."""
    import msgspec

    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "user": owner,
        "scope": scope,
        "minutes": minutes,
        "reason": reason.strip(),
    }
    descriptor = os.open(folder / "tokens.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as log:
        log.write(msgspec.json.encode(line) + b"\n")
