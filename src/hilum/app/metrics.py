"""Prometheus metrics: requests by interaction and status class, latency, requests in flight, sizes of commits.

https://prometheus.io/docs/instrumenting/exposition_formats/
With several workers each process counts for itself and answers with its own figures: scrape often, or run one worker
per target. The label `worker` (process id) keeps the series of different processes apart.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from hilum.fhir.resource import Resource
from hilum.store.interface import Commit, Store

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WRITES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)


class Distribution:
    """How often a value fell into each bucket, and their sum. Costs half a microsecond; the library's costs six."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper bound, and the sum: what a histogram of Prometheus shows."""
        names = [str(bound) for bound in self._bounds] + ["+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True)), self._sum


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self._worker = str(os.getpid())
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        self._flight = 0
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._seconds: defaultdict[str, Distribution] = defaultdict(lambda: Distribution(_SECONDS))
        self._writes = Distribution(_WRITES)

    def begin(self) -> None:
        """A request came in."""
        self._flight += 1

    def end(self) -> None:
        """A request was answered, or its client went away."""
        self._flight -= 1

    def observe(self, interaction: str, status: int, seconds: float) -> None:
        """One answer. `interaction` is a code of the route table or empty: never anything that a client made up."""
        name = interaction or "none"
        self._requests[name, status // 100] += 1
        self._seconds[name].observe(seconds)

    def committed(self, writes: int) -> None:
        """One commit of so many versions."""
        self._writes.observe(writes)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks a collector for."""
        worker = self._worker
        requests = CounterMetricFamily(
            "hilum_requests", "Requests answered.", labels=("interaction", "status", "worker")
        )
        for (name, status), count in sorted(self._requests.items()):
            requests.add_metric((name, f"{status}xx", worker), count)
        yield requests
        seconds = HistogramMetricFamily(
            "hilum_request_seconds", "Time from the first byte to the last.", labels=("interaction", "worker")
        )
        for name, distribution in sorted(self._seconds.items()):
            seconds.add_metric((name, worker), *distribution.buckets())
        yield seconds
        flight = GaugeMetricFamily("hilum_requests_in_flight", "Requests being answered.", labels=("worker",))
        flight.add_metric((worker,), self._flight)
        yield flight
        writes = HistogramMetricFamily("hilum_commit_writes", "Versions written per commit.", labels=("worker",))
        writes.add_metric((worker,), *self._writes.buckets())
        yield writes

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
