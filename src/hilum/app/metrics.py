"""Prometheus metrics: requests by interaction and status class, latency, requests in flight, sizes of commits.

https://prometheus.io/docs/instrumenting/exposition_formats/
With several workers each process counts for itself and answers with its own figures: scrape often, or run one worker
per target. The label `worker` (process id) keeps the series of different processes apart.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from hilum.fhir.resource import Resource
from hilum.store.interface import Commit, Store

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WRITES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("interaction", "status", "worker")
        requests = Counter("hilum_requests", "Requests answered.", labels, registry=self._registry)
        seconds = Histogram(
            "hilum_request_seconds",
            "Time from the first byte to the last.",
            ("interaction", "worker"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        flight = Gauge("hilum_requests_in_flight", "Requests being answered.", ("worker",), registry=self._registry)
        writes = Histogram(
            "hilum_commit_writes",
            "Versions written per commit.",
            ("worker",),
            buckets=_WRITES,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._worker = str(os.getpid())
        self._flight = flight.labels(self._worker)
        self._writes = writes.labels(self._worker)
        self._requests, self._seconds = requests, seconds
        self._kept: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def begin(self) -> None:
        """A request came in."""
        self._flight.inc()

    def end(self) -> None:
        """A request was answered, or its client went away."""
        self._flight.dec()

    def observe(self, interaction: str, status: int, seconds: float) -> None:
        """One answer. `interaction` is a code of the route table or empty: never anything that a client made up."""
        key = (interaction, status // 100)
        kept = self._kept.get(key)
        if kept is None:
            name = interaction or "none"
            kept = (
                self._requests.labels(name, f"{status // 100}xx", self._worker),
                self._seconds.labels(name, self._worker),
            )
            self._kept[key] = kept
        kept[0].inc()
        kept[1].observe(seconds)

    def committed(self, writes: int) -> None:
        """One commit of so many versions."""
        self._writes.observe(writes)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class Measured:
    """A store whose commits are counted; the other verbs are the store's own, without a hop between."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics
        self.name = store.name
        self.read = store.read
        self.search = store.search
        self.history = store.history
        self.changes = store.changes
        self.counts = store.counts
        self.compartments = store.compartments
        self.check = store.check
        self.backup = store.backup
        self.close = store.close

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """As the store does; counts the versions that were written."""
        written = await self._store.commit(commit)
        self._metrics.committed(len(written))
        return written
