"""`python -m bench terminology`: how fast a large code system is imported, and how fast operations on it answer.

In this process: from the release on the workbench to the last row, and from the request to the bytes of the answer. The
requests are `$expand` with a filter (one or two beginnings of words that occur, of every length) over all concepts and
over what is under one, by pages; `$lookup`, `$subsumes` and `$validate-code`.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import msgspec
from rich.table import Table

from bench import machine, room, servers
from bench.concepts import SYSTEM, Generated, code
from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.door import Door
from hilum.interactions.terminology.importing import imported
from hilum.interactions.update import update
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Store

SIZE = 350_000
REQUESTS = 300
AIM_SECONDS, AIM_MS = 120.0, 50.0
OWNER = Principal("owner", "bench", "", EVERYTHING, 1 << 62)
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_TABLES = ("code_system", "concept", "posting")


class Asked(msgspec.Struct, frozen=True):
    """Milliseconds of one kind of request. `found`: codes that it found, in the median."""

    name: str
    median: float
    p95: float
    worst: float
    found: int


class Terms(msgspec.Struct, frozen=True):
    """All that was measured on one store. `closure`: pairs that a table of all ancestors would have."""

    store: str
    date: str
    size: int
    seconds: float
    cpu: float
    peak_mb: int
    disk_mb: float
    closure: int
    runs: int
    load_average: float
    asked: list[Asked]

    @property
    def missed(self) -> bool:
        """Whether it was too slow."""
        return self.seconds > AIM_SECONDS or any(one.p95 > AIM_MS for one in self.asked if "filter" in one.name)


async def measure(store: str, size: int, work: Path, tell: Callable[[str, int, int], None]) -> Terms:
    """Import, then ask."""
    load = machine.load_average()
    async with _opened(store, work) as (opened, disk):
        door = Door(opened, "http://bench.example/fhir")
        before, done = await disk(), 0

        def tick(more: int) -> None:
            nonlocal done
            done += more
            if done % 10_000 == 0:
                tell(f"importing into {store}", done, size)

        source = Generated(size)
        about = {"url": SYSTEM, "version": "1", "name": "Bench"}
        begun, cpu = time.perf_counter(), time.process_time()
        await imported(door, OWNER, about, source, tick)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        for name, filters in (("all", []), ("under", [{"property": "concept", "op": "is-a", "value": code(3)}])):
            include = {"system": SYSTEM} | ({"filter": filters} if filters else {})
            body = {"resourceType": "ValueSet", "id": name, "status": "active", "url": f"{SYSTEM}/{name}",
                    "compose": {"include": [include]}}  # fmt: skip
            await update(door, OWNER, "ValueSet", name, body)
        service = Service(door, Links(bytes(32)), Router(ROUTES))
        (system,) = await opened.concepts.systems(SYSTEM)
        over = runs = 0
        for at in range(0, size, 2000):
            for row in await opened.concepts.at(system.number, range(at, min(at + 2000, size))):
                over, runs = over + len(row.over) // 4, runs + len(row.under) // 8
        asked = [await _asked(service, name, queries) for name, queries in _questions(source)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        date = time.strftime("%Y-%m-%d")
        took = (await disk() - before) / 1e6
        return Terms(store, date, size, seconds, cpu, peak, took, over, runs, load, asked)


def _questions(source: Generated) -> list[tuple[str, list[str]]]:
    dice, words = random.Random(1), source.vocabulary()
    weights = [1 / (rank + 3) for rank in range(len(words))]

    def text() -> str:
        some = dice.choices(words, weights, k=dice.randint(1, 2))
        return " ".join(word[: dice.randint(2, 12)] for word in some)

    def any_code() -> str:
        return code(dice.randrange(source.size))

    def many(make: Callable[[], tuple[str, dict[str, object]]]) -> list[str]:
        return [f"{path}?{urlencode(given)}" for path, given in (make() for _ in range(REQUESTS))]

    return [
        ("$expand, filter", many(lambda: ("ValueSet/all/$expand", {"filter": text(), "count": 20}))),
        ("$expand, filter, under one", many(lambda: ("ValueSet/under/$expand", {"filter": text(), "count": 20}))),
        ("$expand, filter, active, a later page", many(
            lambda: ("ValueSet/all/$expand", {"filter": text(), "count": 20, "offset": 40, "activeOnly": "true"}))),
        ("$expand, a page of all", many(
            lambda: ("ValueSet/all/$expand", {"count": 100, "offset": dice.randrange(source.size)}))),
        ("$lookup", many(lambda: ("CodeSystem/$lookup", {"system": SYSTEM, "code": any_code()}))),
        ("$subsumes", many(
            lambda: ("CodeSystem/$subsumes",
                     {"system": SYSTEM, "codeA": code(dice.randrange(500)), "codeB": any_code()}))),
        ("$validate-code, under one", many(
            lambda: ("ValueSet/under/$validate-code", {"system": SYSTEM, "code": any_code()}))),
    ]  # fmt: skip


async def _asked(service: Service, name: str, queries: Sequence[str]) -> Asked:
    took, found = [], []
    for at, query in enumerate((*queries[:5], *queries)):
        path, _, given = query.partition("?")
        begun = time.perf_counter()
        answer = await router.answer(service, Request("GET", tuple(path.split("/")), given, {}, b"", OWNER))
        if at >= 5:  # the first ones warm up
            took.append((time.perf_counter() - begun) * 1000)
            if answer.status != 200:
                raise ValueError(f"{query}: {answer.status}")
            body = msgspec.json.decode(answer.body)
            found.append(body.get("expansion", {}).get("total", 1))
    took.sort()
    found.sort()
    middle = len(took) // 2
    return Asked(name, took[middle], took[int(len(took) * 0.95)], took[-1], found[middle])


@asynccontextmanager
async def _opened(store: str, work: Path) -> AsyncIterator[tuple[Store, Callable[[], object]]]:
    """The store, and how many bytes its tables of concepts take."""
    if store == "sqlite":
        from hilum.store.sqlite import open_sqlite

        path = work / "terms.sqlite"
        opened = await open_sqlite(str(path))

        async def of_file() -> int:
            tables, _, _ = room.of_sqlite(path)
            return _bytes(tables)

        try:
            yield opened, of_file
        finally:
            await opened.close()
        return
    from hilum.store.postgres import open_postgres

    with servers.postgres() as url:
        served = await open_postgres(url)

        async def of_tables() -> int:
            connection = await asyncpg.connect(url)
            try:
                sizes = "SELECT sum(pg_total_relation_size('hilum.' || t)) FROM unnest($1::text[]) AS t"
                return int(await connection.fetchval(sizes, list(_TABLES)))
            finally:
                await connection.close()

        try:
            yield served, of_tables
        finally:
            await served.close()


def _bytes(tables: dict[str, int]) -> int:
    return sum(size for name, size in tables.items() if name.startswith(_TABLES))


def save(found: Terms, folder: Path) -> None:
    """Keep the newest of each store."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"terminology-{found.store}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))


def saved(folder: Path) -> list[Terms]:
    """What was kept, SQLite first."""
    paths = [folder / f"terminology-{store}.json" for store in TITLES]
    return [msgspec.json.decode(path.read_bytes(), type=Terms) for path in paths if path.exists()]


_HEAD = ("request", "median ms", "p95 ms", "worst ms", "codes found")


def _rows(one: Terms) -> list[tuple[str, ...]]:
    return [(a.name, f"{a.median:.1f}", f"{a.p95:.1f}", f"{a.worst:.1f}", f"{a.found:,}") for a in one.asked]


def _imported(one: Terms) -> str:
    return (
        f"{TITLES[one.store]}: {one.size:,} concepts imported in {one.seconds:.0f} s ({one.cpu:.0f} s of CPU, "
        f"{one.peak_mb:,} MB of memory at most, {one.disk_mb:,.0f} MB on disk). A table of all ancestors would have "
        f"{one.closure:,} rows; the runs are "
        f"{one.runs:,}. Load average at the start: {one.load_average:.1f}."
    )


def table(one: Terms) -> Table:
    """For the terminal."""
    made = Table(*_HEAD, title=_imported(one), title_justify="left")
    for row in _rows(one):
        made.add_row(*row)
    return made


def section(found: Sequence[Terms]) -> str:
    """The part of docs/benchmarks.md."""
    if not found:
        return "## Terminology\n\nNot measured yet: `python -m bench terminology`.\n"
    text = (
        "## Terminology\n\n`python -m bench terminology`: a made-up code system in the shape of SNOMED CT (several "
        f"parents, synonyms, properties) is imported, then asked, {REQUESTS} requests of each kind, one after the "
        f"other, from the request to the bytes of the answer. Aims: {AIM_SECONDS:.0f} s, and {AIM_MS:.0f} ms at p95 "
        "for filters.\n"
    )
    for one in found:
        lines = ["| " + " | ".join(_HEAD) + " |", "|---|" + "---:|" * (len(_HEAD) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in _rows(one)]
        text += f"\n{one.date}. {_imported(one)}\n\n" + "\n".join(lines) + "\n"
    return text
