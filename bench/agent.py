"""`python -m bench agent`: what the agent needs while nothing happens: memory, and its share of a core.

Each row is a fresh process. imports: what `hilum agent run` loads, and no more. idle: the agent as a person runs it,
with a folder that stays empty, a port that no device comes to and a far side that is not needed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import machine

SECONDS: Final = 60.0
SETTLING: Final = 5.0
MOST_MB: Final = 60.0
MOST_CPU: Final = 1.0
HEAD: Final = ("process", "RSS MB", "of it its own MB", "CPU %", "CPU s to start")
SETTINGS: Final = """
[send]
to = "https://127.0.0.1:9/"

[[source]]
kind = "folder"
path = "{folder}/inbox"

[[source]]
kind = "ieee20601"
listen = "127.0.0.1:0"
"""


class Row(msgspec.Struct, frozen=True):
    """`own_mb`: what no other process shares (USS). `cpu`: per cent of a core, once it has started."""

    name: str
    rss_mb: float
    own_mb: float
    cpu: float
    start_seconds: float


class Figures(msgspec.Struct, frozen=True):
    """All of them, and when and where they were measured."""

    date: str
    machine: dict[str, Any]
    seconds: float
    rows: list[Row]


def imports() -> dict[str, str]:
    """Name -> Python that loads it and waits."""
    load = "import sys, time\n{}\nassert 'asyncpg' not in sys.modules and 'fastapi' not in sys.modules\ntime.sleep(9e9)"
    sources = "import hilum.agent.sources.folder, hilum.agent.sources.ieee20601, hilum.agent.sources.mqtt"
    return {
        "Python alone": load.format("pass"),
        "imports: sources": load.format(sources),
        "imports: sources, MQTT's client": load.format(f"{sources}, paho.mqtt.client"),
        "imports: sources, bleak on BlueZ": load.format(f"{sources}, bleak.backends.bluezdbus.manager"),
    }


def measure(folder: Path, seconds: float) -> Figures:
    """One after another, all by the clock."""
    rows = []
    for name, code in imports().items():
        rows.append(_watched(name, [sys.executable, "-c", code], 1.0, folder))
    rows.append(_watched("idle agent", _agent(folder), seconds, folder))
    return Figures(datetime.now(UTC).isoformat(timespec="seconds"), machine.describe(folder), seconds, rows)


def _agent(folder: Path) -> list[str]:
    """The command of an agent that has all it needs in a folder of its own."""
    data = folder / "agent"
    import_module("hilum.agent.identity").made(data)
    (data / "agent.toml").write_text(SETTINGS.format(folder=data))
    return [sys.executable, "-m", "hilum.agent", "run", "--data", str(data)]


def _watched(name: str, command: list[str], seconds: float, folder: Path) -> Row:
    log = folder / "agent.log"
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told)
    try:
        time.sleep(SETTLING)
        start = machine.cpu_seconds([process.pid])
        time.sleep(seconds)
        if process.poll() is not None:
            raise ValueError(f"{name}: it ended with {process.returncode}: {log.read_text()[-2000:]}")
        used = machine.cpu_seconds([process.pid]) - start
        rss, own = _memory(process.pid)
    finally:
        process.terminate()
        process.wait()
    return Row(name, rss, own, 100 * used / seconds, start)


def _memory(pid: int) -> tuple[float, float]:
    """(RSS, USS) in MB."""
    said = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, rest = line.partition(":")
        said[key] = int(rest.split()[0])
    return said["Rss"] * 1024 / 1e6, (said["Private_Clean"] + said["Private_Dirty"]) * 1024 / 1e6


def missed(found: Figures) -> list[str]:
    """What is more than it may be."""
    return [
        f"{row.name}: {row.rss_mb:.1f} MB and {row.cpu:.2f} % of a core; at most {MOST_MB:.0f} MB and {MOST_CPU:.0f} %"
        for row in found.rows
        if row.rss_mb > MOST_MB or row.cpu >= MOST_CPU
    ]


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    return (row.name, f"{row.rss_mb:.1f}", f"{row.own_mb:.1f}", f"{row.cpu:.2f}", f"{row.start_seconds:.2f}")


def save(found: Figures, folder: Path) -> Path:
    """Write bench/out/agent.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "agent.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> Figures | None:
    """What was measured last."""
    path = folder / "agent.json"
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else None


def section(found: Figures | None) -> str:
    """Its part of docs/benchmarks.md."""
    if found is None:
        return "## The agent at rest\n\nNot measured yet: `python -m bench agent`.\n"
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in found.rows]
    return f"""## The agent at rest

`python -m bench agent` starts each in a process of its own and looks at it after {SETTLING:.0f} seconds, the idle agent
for {found.seconds:.0f} seconds more: with a folder that stays empty and a port that no device comes to. RSS has shared
libraries in it; what is its own no other process shares. The aim is {MOST_MB:.0f} MB or less, and less than
{MOST_CPU:.0f} % of a core. Measured {found.date[:10]} on {found.machine["cores"]} cores of {found.machine["cpu"]}.

{chr(10).join(lines)}
"""
