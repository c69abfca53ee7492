"""Prometheus metrics: requests by interaction and status class, latency, requests in flight, sizes of commits.

https://prometheus.io/docs/instrumenting/exposition_formats/
With several workers each process counts for itself and answers with its own figures: scrape often, or run one worker
per target. The label `worker` (process id) keeps the series of different processes apart.

The figures are plain numbers of one event loop, read by a collector when asked for: 0.7 us a request, where the
library's own counters, which lock, take 5.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from hilum.fhir.resource import Resource
from hilum.search.catalogue import Catalogue
from hilum.store.interface import Commit, Store

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WRITES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class Distribution:
    """How many values fell below each bound, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Prometheus' cumulative buckets: (upper bound, values up to it)."""
        found, total = [], 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            found.append((str(bound), float(total)))
        return found


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: dict[tuple[str, int], Distribution] = {}
        self._writes = Distribution(_WRITES)
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(self))
        ProcessCollector(registry=self._registry)

    def observe(self, interaction: str, status: int, seconds: float) -> None:
        """One answer. `interaction` is a code of the route table or empty: never anything that a client made up."""
        key = (interaction, status // 100)
        kept = self._requests.get(key)
        if kept is None:
            kept = self._requests[key] = Distribution(_SECONDS)
        kept.add(seconds)

    def committed(self, writes: int) -> None:
        """One commit of so many versions."""
        self._writes.add(writes)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def families(self) -> Iterator[Metric]:
        """The figures in Prometheus' data model."""
        worker = str(os.getpid())
        labels = ("interaction", "status", "worker")
        answered = CounterMetricFamily("hilum_requests", "Requests answered.", labels=labels)
        seconds = HistogramMetricFamily("hilum_request_seconds", "Time from request to answer.", labels=labels)
        for (interaction, status), found in sorted(self._requests.items()):
            values = (interaction or "none", f"{status}xx", worker)
            answered.add_metric(values, found.count)
            seconds.add_metric(values, found.buckets(), found.sum)
        flight = GaugeMetricFamily("hilum_requests_in_flight", "Requests being answered.", labels=("worker",))
        flight.add_metric((worker,), self.in_flight)
        writes = HistogramMetricFamily("hilum_commit_writes", "Versions written per commit.", labels=("worker",))
        writes.add_metric((worker,), self._writes.buckets(), self._writes.sum)
        yield from (answered, seconds, flight, writes)


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.families()


class Measured:
    """A store whose commits are counted; the other verbs are the store's own, without a hop between."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics
        self.name = store.name
        self.read = store.read
        self.search = store.search
        self.explain = store.explain
        self.history = store.history
        self.changes = store.changes
        self.settled = store.settled
        self.counts = store.counts
        self.placed = store.placed
        self.compartments_of = store.compartments_of
        self.writes_audited = store.writes_audited
        self.unaudited = store.unaudited
        self.ledger = store.ledger
        self.segments = store.segments
        self.concepts = store.concepts
        self.structures = store.structures
        self.learn = store.learn
        self.proceed = store.proceed
        self.rebuild = store.rebuild
        self.check = store.check
        self.backup = store.backup
        self.close = store.close

    @property
    def full_text(self) -> bool:
        """As the store has it: that may change."""
        return self._store.full_text

    @property
    def catalogue(self) -> Catalogue:
        """As the store knows it."""
        return self._store.catalogue

    async def commit(self, commit: Commit) -> tuple[Resource, ...]:
        """As the store does; counts the versions that were written."""
        written = await self._store.commit(commit)
        self._metrics.committed(len(written))
        return written
