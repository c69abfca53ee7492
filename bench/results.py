"""What was measured, as values: runs, their medians, ratios; kept in bench/out/ as JSON."""

from __future__ import annotations

import statistics
from pathlib import Path

import msgspec

from bench.load import Measured
from bench.operations import OPERATIONS

_AVERAGED = ("rate", "p50", "p95", "p99", "server_us", "database_us", "generator_share", "body_bytes", "seconds")


class Pair(msgspec.Struct, frozen=True):
    """Two servers, the same operation: every run of each. For `scaling` they are the small and the large store."""

    operation: str
    connections: int
    first: list[Measured]
    second: list[Measured]

    @property
    def valid(self) -> bool:
        """No run of either had an error."""
        return all(run.valid for run in (*self.first, *self.second))


class Store(msgspec.Struct, frozen=True):
    """One store's part of the report. `bytes_`: of the database as loaded, `aside` of them full text and audit;
    `json_bytes`: mean of its JSON.

    `differences`: where floor and hilum did not do the same work; empty as it should be.
    """

    name: str
    version: str
    resources: int
    bytes_: int
    aside: int
    json_bytes: float
    pairs: list[Pair]
    differences: list[str] = []


class Report(msgspec.Struct, frozen=True):
    """One run of the benchmark. `kind`: floor (floor against hilum) or scaling (hilum, small against large)."""

    kind: str
    date: str
    size: str
    seconds: float
    rounds: int
    load_average: float
    machine: dict[str, str | int | float]
    stores: list[Store]


def median(runs: list[Measured]) -> Measured:
    """Each figure's own median over the runs; requests and samples are summed, errors joined."""
    first = runs[0]
    values = {name: statistics.median(getattr(run, name) for run in runs) for name in _AVERAGED}
    errors: dict[str, int] = {}
    for run in runs:
        for what, times in run.errors.items():
            errors[what] = errors.get(what, 0) + times
    return Measured(
        operation=first.operation,
        connections=first.connections,
        requests=sum(run.requests for run in runs),
        samples=sum(run.samples for run in runs),
        errors=errors,
        **values,
    )


def cpu(run: Measured) -> float:
    """Server and database, microseconds per request."""
    return run.server_us + run.database_us


def rate_ratio(pair: Pair) -> float:
    """How many times the floor's requests per second hilum reaches."""
    floor = median(pair.first).rate
    return median(pair.second).rate / floor if floor else 0.0


def cpu_ratio(pair: Pair) -> float:
    """The floor's CPU per request as a part of hilum's: what `rate_ratio` would be with nobody else on the machine."""
    hilum = cpu(median(pair.second))
    return cpu(median(pair.first)) / hilum if hilum else 0.0


def growth(pair: Pair) -> float:
    """CPU per request on the large store as a multiple of that on the small one."""
    small = cpu(median(pair.first))
    return cpu(median(pair.second)) / small if small else 0.0


def aim(operation: str) -> float | None:
    """The least ratio to the floor that the project asks for."""
    return OPERATIONS[operation].aim


def save(report: Report, folder: Path) -> Path:
    """Write bench/out/<kind>.json, and a dated copy."""
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(report), indent=1)
    stamp = report.date.replace(":", "").replace("-", "").replace("+0000", "Z")
    (folder / f"{report.kind}-{stamp}.json").write_bytes(text)
    newest = folder / f"{report.kind}.json"
    newest.write_bytes(text)
    return newest


def saved(kind: str, folder: Path) -> Report | None:
    """The newest report of a kind, if there is one."""
    path = folder / f"{kind}.json"
    return msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else None
