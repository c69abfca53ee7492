"""What `hilum serve` prints: where it is, as whom to come in, and three lines to try."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path

from hilum import __version__
from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.app.settings import Settings
from hilum.cli.terminal import bold, out
from hilum.store.interface import Counts

MINUTES = 60
SCOPE = "system/*.cruds"
_PATIENT = '{"resourceType":"Patient","name":[{"family":"Ngo","given":["Ada"]}],"birthDate":"1990-05-17"}'


def show(settings: Settings, counts: Counts) -> None:
    """Print it on standard output."""
    for line in lines(settings, counts):
        out(line)


def lines(settings: Settings, counts: Counts) -> list[str]:
    """The banner. In production no token is made: that would be a development shortcut."""
    said = [
        bold(f"hilum {__version__}") + f"  {settings.environment}  {settings.store_shown}  "
        f"{sum(counts.types.values()):,} resources",
        "",
        f"Pages  {bold(settings.origin + '/')}" + ("" if settings.auth == "off" else "  (paste the token there)"),
        f"FHIR   {settings.fhir_base}",
        f"Data   {settings.data.resolve()}",
    ]
    if settings.auth == "off":
        said += [
            bold("Auth   OFF: whoever reaches this address reads and changes everything. Never use it with real data."),
            "",
            "Try:",
            *tries(settings, ""),
        ]
    elif settings.environment == "production":
        said += [
            f"Auth   smart: a token is needed. `{program()} token --reason …` makes one for whoever owns the data "
            "directory.",
            *_ways_in(settings),
        ]
    else:
        key = load_or_create(settings.data, settings.environment)
        token = Minter(key, settings.fhir_base).mint(SCOPE, minutes=MINUTES)
        ends = (datetime.now() + timedelta(minutes=MINUTES)).strftime("%H:%M")
        said += [
            "Auth   smart: a token is needed for everything but metadata and health",
            *_ways_in(settings),
            "",
            f"A token for {SCOPE}, until {ends} (another: {program()} token --help):",
            f"export TOKEN={token}",
            "",
            "Try:",
            *tries(settings, ' -H "Authorization: Bearer $TOKEN"'),
        ]
    if not counts.types:
        demo = "" if settings.environment == "production" else f"`{program()} demo` makes synthetic patients, "
        said += ["", f"The store is empty: {demo}`{program()} load PATH` loads your own."]
    if settings.base_unreachable:
        said += ["", bold("Links  lead to this machine only: ") + settings.base_unreachable]
    return [*said, "", "Stop with Ctrl-C."]


def _ways_in(settings: Settings) -> tuple[str, ...]:
    """Where people and apps come in, and the command by which they become known."""
    return (
        f"People {settings.origin}/auth/sign-in  (make the first: {program()} users add NAME --role admin)",
        f"Apps   {settings.origin}/auth/authorize  (make them known: {program()} clients add --help)",
    )


def program() -> str:
    """How to call hilum from here: `hilum`, or the path of the one that runs where that is another or none."""
    called = Path(sys.argv[0])
    found = shutil.which("hilum")
    if called.name != "hilum" or (found and Path(found).resolve() == called.resolve()):
        return "hilum"
    near = os.path.relpath(called)
    return shlex.quote(str(called) if near.startswith("..") else near)


def tries(settings: Settings, header: str) -> tuple[str, str, str]:
    """Three curl lines that work as they stand: look, search, create."""
    base = settings.fhir_base
    return (
        f"curl -s {shlex.quote(base + '/metadata?_summary=true&_pretty=true')}",
        f"curl -s{header} {shlex.quote(base + '/Patient?_count=1&_pretty=true')}",
        f"curl -s{header} -H 'Content-Type: application/fhir+json' -d {shlex.quote(_PATIENT)} {base}/Patient",
    )
