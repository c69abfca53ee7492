"""Is the set-up sound? A table of examinations, each of which looks at one thing and says what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from hilum import __version__
from hilum.access import keys
from hilum.app.settings import EVERY_NETWORK, Settings
from hilum.app.stores import RESTORE, examination, inspect, open_store
from hilum.broker.redis import RedisShelf
from hilum.cli import keeping
from hilum.cli.serving import listen
from hilum.cli.terminal import progress
from hilum.fhir.resource import instant
from hilum.problems import Busy, Damaged, Misconfigured
from hilum.store.rebuilding import Rebuilt, Scope

OK, WARN, FAIL = "ok", "warn", "fail"

_MIB = 1024 * 1024
LOW_DISK, NO_DISK = 2048 * _MIB, 200 * _MIB
"""Bytes free in the data directory: below the first it is time to act, below the second a load would fail."""


class Finding(NamedTuple):
    """What one examination found. `todo` is empty when there is nothing to do."""

    what: str
    state: str
    found: str
    todo: str = ""


async def examine(settings: Settings, *, full: bool = False, rows: bool = False) -> list[Finding]:
    """All findings, in the order of the table. `full`: of the store's contents, too, what takes long.

    `rows`: of the search index, too.
    """
    findings: list[Finding] = []
    for look in EXAMINATIONS:
        findings += await (contents(settings, full) if look is contents else look(settings))
        if look is contents and rows and not any(found.what == "store" and found.state == FAIL for found in findings):
            findings += await search_index(settings)
    return findings


async def python(settings: Settings) -> list[Finding]:
    """The interpreter, and the two packages that make HTTP quick."""
    version = f"{platform.python_implementation()} {platform.python_version()}, hilum {__version__}"
    findings = [
        Finding("python", OK, version)
        if sys.version_info >= (3, 11)
        else Finding("python", FAIL, version, "Install Python 3.11 or newer and make the environment again.")
    ]
    missing = [name for name in ("uvloop", "httptools") if importlib.util.find_spec(name) is None]
    if missing and os.name == "posix":
        findings.append(
            Finding(
                "speed",
                WARN,
                f"{' and '.join(missing)} missing: requests cost several times more.",
                f"pip install {' '.join(missing)}",
            )
        )
    return findings


async def environment(settings: Settings) -> list[Finding]:
    """Sandbox or production, and whether a token is asked for."""
    if settings.auth == "off":
        return [
            Finding(
                "environment", WARN, f"{settings.environment}, auth off", "Use --auth smart for anything but a try."
            )
        ]
    return [Finding("environment", OK, f"{settings.environment}, auth {settings.auth}")]


async def data_directory(settings: Settings) -> list[Finding]:
    """There, ours alone, writable, of this environment."""
    what, folder = "data directory", settings.data
    if not folder.exists():
        parent = next(p for p in folder.absolute().parents if p.exists())
        if os.access(parent, os.W_OK):
            return [Finding(what, OK, f"{folder} is not there yet; the first command makes it.")]
        return [Finding(what, FAIL, f"{folder} can't be made in {parent}.", "Choose another with --data.")]
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [
            Finding(what, FAIL, f"{folder} is not a folder that this user can write.", "Choose another with --data.")
        ]
    stamp = folder / "environment"
    found = stamp.read_text().strip() if stamp.exists() else settings.environment
    if found != settings.environment:
        todo = f"Use --env {found}, or another --data."
        return [Finding(what, FAIL, f"{folder} belongs to {found}, not {settings.environment}.", todo)]
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        return [Finding(what, WARN, f"Others than its owner may look into {folder}.", f"chmod 700 {folder}")]
    return [Finding(what, OK, str(folder))]


async def signing_key(settings: Settings) -> list[Finding]:
    """The key that signs access tokens."""
    file = keys.path(settings.data, settings.environment)
    if not file.exists():
        return [Finding("signing key", OK, "Not there yet; the first command that needs it makes it.")]
    try:
        key = keys.load(file, settings.environment)
    except Misconfigured as problem:
        return [Finding("signing key", FAIL, str(problem), f"Restore {file} from a backup, or move it away.")]
    return [Finding("signing key", OK, f"{file}, {key.kid[:12]}…")]


async def disk(settings: Settings) -> list[Finding]:
    """Room where the data directory is, and where the SQLite file is."""
    places = [settings.data] + ([settings.sqlite_path.parent] if settings.store_kind == "sqlite" else [])
    findings = []
    for place in dict.fromkeys(_existing(place) for place in places):
        free = shutil.disk_usage(place).free
        state = OK if free > LOW_DISK else WARN if free > NO_DISK else FAIL
        todo = "" if state == OK else "Make room, or move the store: see docs/how-to/backup-and-restore.md."
        findings.append(Finding("disk", state, f"{free // _MIB:,} MiB free at {place}", todo))
    return findings


async def store(settings: Settings) -> list[Finding]:
    """Reachable, of this environment, of this schema; and the clock not behind what is in it."""
    try:
        counts = await inspect(settings)
    except (Misconfigured, Busy, Damaged) as problem:
        todo = RESTORE if isinstance(problem, Damaged) else "See docs/how-to/ for the store you use."
        return [Finding("store", FAIL, f"{settings.store_shown}: {problem}", todo)]
    if counts is None:
        return [Finding("store", OK, f"{settings.store_shown} is not there yet; `hilum serve` makes it.")]
    findings = [Finding("store", OK, f"{settings.store_shown}, {sum(counts.types.values()):,} resources")]
    now = time.time_ns() // 1000
    if counts.seq > now + 60_000_000:
        findings.append(
            Finding(
                "clock",
                WARN,
                f"This machine's clock is behind the newest version, {instant(counts.seq)}.",
                "Set the clock (NTP). Until it has caught up, lastUpdated runs ahead of the time of day.",
            )
        )
    else:
        findings.append(Finding("clock", OK, instant(now)))
    return findings


async def contents(settings: Settings, full: bool = False) -> list[Finding]:
    """Every page and body of the store read: SQLite tells of a damaged page only when somebody comes across it."""
    faults: list[str] = []
    try:
        steps = examination(settings, full=full)
        if steps is None:
            return []
        with progress("steps") as bar:
            task = bar.add_task("Reading the store", total=None, done=0, rate=0.0)
            for done, all_, found in steps:
                faults += found
                bar.update(task, completed=done, total=all_, done=done)
    except Damaged as problem:
        faults.append(str(problem))
    if not faults:
        return [Finding("contents", OK, f"all pages and bodies read{', all indexes compared' if full else ''}")]
    said = f"{settings.store_shown} is damaged, {len(faults)} faults: {'; '.join(faults[:3])}"
    return [Finding("contents", FAIL, said, RESTORE)]


async def binaries(settings: Settings) -> list[Finding]:
    """The content of every large Binary read, and held against its digest; nothing where the store can't be opened."""
    try:
        if await inspect(settings) is None:
            return []
    except (Misconfigured, Busy, Damaged):  # which `store` has told
        return []
    try:
        looked = await keeping.look(settings)
    except (Misconfigured, Busy, Damaged) as problem:
        return [Finding("binaries", FAIL, str(problem), "See docs/how-to/store-big-files.md.")]
    if not (looked.sound or looked.bad or looked.orphans):
        return []
    found = f"contents of {looked.sound:,} versions of Binaries read"
    if looked.orphans:
        found += f"; {looked.orphans:,} that nothing refers to, which go within a day"
    if not looked.bad:
        return [Finding("binaries", OK, found)]
    said = f"{len(looked.bad):,} contents are damaged or missing: {', '.join(looked.bad[:3])}"
    return [Finding("binaries", FAIL, said, "Copy them from a backup's folder of contents: FILE.blobs.")]


async def search_index(settings: Settings) -> list[Finding]:
    """Every resource indexed, and compared with what stands in the index; nothing is changed."""
    if await inspect(settings) is None:
        return []
    step = Rebuilt()
    opened = await open_store(settings)
    try:
        with progress("resources") as bar:
            task = bar.add_task("Comparing the search index", total=None, done=0, rate=0.0)
            async for step in opened.rebuild(Scope(look=True)):
                bar.update(task, completed=step.done, total=step.total, done=step.done)
    except (Busy, Damaged) as problem:
        return [Finding("search index", FAIL, str(problem), "Try again.")]
    finally:
        await opened.close()
    findings = [Finding("search index", OK, f"that of {step.done:,} resources compared")]
    if step.wrong:
        said = ", ".join(f"{name} {count:,}" for name, count in step.wrong.items())
        findings = [Finding("search index", FAIL, f"Rows that are missing or wrong: {said}.", "Run `hilum reindex`.")]
    if step.unfits:
        said = f"{step.unfits:,} resources can't be indexed: {', '.join(step.unfit)}."
        findings.append(Finding("search index", FAIL, said, "Look at them; replace them by versions that are valid."))
    return findings


async def port(settings: Settings) -> list[Finding]:
    """Free, or hilum there already."""
    where = f"{settings.host} port {settings.port}"
    try:
        listen(settings.host, settings.port).close()
    except Misconfigured as problem:
        if _answers(settings):
            return [Finding("port", OK, f"{where}: hilum answers there.")]
        return [Finding("port", FAIL, str(problem), "Choose another with --port.")]
    return [Finding("port", OK, f"{where} is free")]


async def address(settings: Settings) -> list[Finding]:
    """Whether links lead clients back here."""
    if not settings.base_unreachable:
        return []
    state = FAIL if settings.environment == "production" else WARN
    return [Finding("address", state, f"Links say {settings.origin}.", settings.base_unreachable)]


async def workers(settings: Settings) -> list[Finding]:
    """Not more processes than there is to gain from."""
    cpus = os.cpu_count() or 1
    if settings.workers > cpus:
        return [
            Finding(
                "workers", WARN, f"{settings.workers} workers on {cpus} processors", f"Use --workers {cpus} at most."
            )
        ]
    if settings.workers > 1 and settings.store_kind == "sqlite":
        return [
            Finding("workers", WARN, "Several workers contend for one SQLite file.", "Use --workers 1, or PostgreSQL.")
        ]
    return []


async def sessions(settings: Settings) -> list[Finding]:
    """Redis, where browsers are remembered in it."""
    if not settings.redis:
        return []
    shelf = None
    try:
        shelf = RedisShelf(settings.redis, settings.environment)
        await shelf.ping()
    except Misconfigured as problem:
        return [Finding("sessions", FAIL, str(problem), "See docs/reference/settings.md.")]
    except Busy:
        todo = "Look whether it runs, and whether --redis has its address and password; else leave --redis out."
        return [Finding("sessions", FAIL, "Redis does not answer: nobody can sign in at an EHR.", todo)]
    finally:
        if shelf is not None:
            await shelf.close()
    return [Finding("sessions", OK, "Redis answers.")]


async def telemetry(settings: Settings) -> list[Finding]:
    """OpenTelemetry asked for, and there."""
    if settings.otel_endpoint and importlib.util.find_spec("opentelemetry") is None:
        return [Finding("telemetry", FAIL, "OpenTelemetry is not installed.", "pip install 'hilum[otel]'")]
    return []


Examination = Callable[[Settings], Awaitable[list[Finding]]]

EXAMINATIONS: tuple[Examination, ...] = (
    python, environment, data_directory, signing_key, disk, store, contents, binaries, port, address, workers,
sessions, telemetry, )  # fmt: skip


def _existing(place: Path) -> Path:
    return next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())


def _answers(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.host in EVERY_NETWORK else settings.host
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
