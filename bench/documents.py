"""docs/benchmarks.md, written from what was measured and kept in bench/out/."""

from __future__ import annotations

from collections.abc import Sequence

from bench import agent, auth, devices, gather, ingest, terminology, validation, video
from bench.operations import OPERATIONS
from bench.report import FLOOR_HEAD, GUIDE, SCALING_HEAD, TITLES, disk, floor_rows, scaling_rows
from bench.results import Report, Store, growth, median, rate_ratio
from bench.shapes.table import Shapes, section

_INTRODUCTION = """# Benchmarks

Written by `make bench`; do not edit the figures by hand. What hilum costs is measured against a
**floor**: a bare ASGI program (`bench/floor/`) on the same uvicorn that does the same durable work with no token, no
validation and no generality, written as tightly as we can. Before each run the same requests go into both and
the rows of every table, the bytes stored and the bytes answered are compared.

    make bench                                        # both stores, about seven minutes, and this page
    .venv/bin/python -m bench --store sqlite --size small --only read,create
    .venv/bin/python -m bench --size million          # cost per request at 10,000 and at 1,000,000 resources
    .venv/bin/python -m bench                         # the same without writing the page
    .venv/bin/python -m bench profile --op create     # where hilum's time goes
    .venv/bin/python -m bench shapes --size 10k,100k  # query shapes; 1m as well
    .venv/bin/python -m bench load                    # hilum load of real synthetic patients
    .venv/bin/python -m bench auth                    # what tokens and the audit of reads cost
    .venv/bin/python -m bench validation              # what it takes to judge a resource
    .venv/bin/python -m bench gather                  # gathering from EHRs, and the broker beside bare httpx
    .venv/bin/python -m bench video                   # how long a patient's video takes, and what memory
    .venv/bin/python -m bench devices                 # observations per second through the devices' gateway
    .venv/bin/python -m bench agent                   # memory and CPU of the agent at rest

## How to read it

- **ratio** is hilum's requests per second over the floor's, in the same minutes, interleaved; medians of the rounds. It
  is the figure to compare over machines. **aim** is what the project was asked for at 16 connections.
- **CPU ratio** is the floor's CPU per request over hilum's (server and, for PostgreSQL, all its processes). It moves
  less than the ratio when neighbours are noisy, and says what the ratio tends to when CPU is the bottleneck.
- **CPU µs** is user and system time per request, read from `/proc`: of the server, `+` of PostgreSQL.
- **generator CPU** is the load generator's share of a core (hilum / floor): below 100 % it was not the bottleneck.
- Closed loop: each connection has one request in flight, so that latency at 16 connections is mostly waiting in line.
- hilum runs with its defaults: one worker, ES256 token verified, every write validated, request log on, and `strict`
  audit: an answer that shows something waits until the disk has it in the trail. The floor flushes such a trail, too.
  Transactions make 100 resources (one Patient and 99 Observations that refer to it by `urn:uuid:`). Patients have
  2.6 kB of JSON, Observations 0.7 kB. Updates change a telephone number of a Patient. `search observation` is
  `Observation?patient=..&code=system|code&_count=20` with a full page, `search patient` is `Patient?identifier=..`.
- hilum remembers how it read and planned a search that is asked again (of 1,000 or so). Those for a patient recur here
  every few hundred requests, `search token and date` (body weights of one of 13 years) even sooner; `search any token
  and date` asks for a year from any minute, never the same, and shows what a search costs that was never seen; at a
  million resources those for a patient don't recur either, which is most of the growth of their rows.
- On PostgreSQL hilum reads what is asked for in one turn of its event loop in one statement; the floor reads one by
  one. With one connection nothing is shared.
- Bytes on disk are of small resources, 782 bytes of JSON. PostgreSQL's B-trees split in the middle and stay half empty.
  A server builds such indexes anew by itself ([room on disk](how-to/run-with-postgresql.md#room-on-disk)), and they are
  counted after that: before it 3.8 times the JSON. Of real patients, as `hilum load` leaves them, see "Loading".
- Both keep SQLite at `synchronous=FULL` with group commit, PostgreSQL at `synchronous_commit=on` and `fsync=on`.
"""


def page(
    floor: Report | None,
    scaling: Report | None,
    shapes: Sequence[Shapes] = (),
    loads: Sequence[ingest.Ingest] = (),
    costs: Sequence[auth.Costs] = (),
    judging: validation.Figures | None = None,
    terms: Sequence[terminology.Terms] = (),
    gathers: gather.Gathers | None = None,
    videos: video.Figures | None = None,
    pushed: devices.Figures | None = None,
    resting: agent.Figures | None = None,
) -> str:
    """The whole document. Parts that were not measured are said to be missing."""
    parts = [_INTRODUCTION]
    if floor is not None:
        parts.append(_machine(floor, "Against the floor") + _floor(floor))
    if scaling is not None:
        title = "Growth: cost per request at 10,000 and 1,000,000 resources"
        parts.append(_machine(scaling, title) + _scaling(scaling))
    if scaling is None:
        parts.append("## Growth\n\nNot measured yet: `python -m bench --size million`.\n")
    rest = auth.section(costs), section(shapes), ingest.section(loads), validation.section(judging)
    last = terminology.section(terms), gather.section(gathers), video.section(videos), devices.section(pushed)
    return "\n".join((*parts, *rest, *last, agent.section(resting)))


def _machine(report: Report, title: str) -> str:
    it = report.machine
    stores = ", ".join(f"{TITLES[store.name]} {store.version}" for store in report.stores)
    pinned = (
        f"server pinned to core {it['server_cores']}, generator and PostgreSQL to core {it['generator_cores']}"
        if it["pinned"]
        else "not pinned: the system cannot, or there is one core only"
    )
    return f"""## {title}

Measured {report.date[:10]} on {it["cores"]} cores of {it["cpu"]}, {it["memory_gb"]} GB, {it["system"]},
{it["filesystem"]}; Python {it["python"]}, {stores}; {pinned}. Writing 4 KiB and flushing it (fsync) took
{it["flush_us"]} µs in the median and {it["flush_p99_us"]} µs at the 99th percentile. {report.rounds} rounds of
{report.seconds} s per figure (transactions twice that). Load average before the start: {report.load_average:.1f}; above
0.5, others were using the machine, and requests per second suffer.

"""


def _floor(report: Report) -> str:
    parts = []
    for store in report.stores:
        same = (
            "Floor and hilum did the same work: equal rows in every table, equal bytes stored and answered."
            if not store.differences
            else "Floor and hilum differ: " + "; ".join(store.differences) + "."
        )
        parts.append(
            f"### {TITLES[store.name]}, {store.resources:,} resources\n\n{_table(FLOOR_HEAD, floor_rows(store))}\n"
            f"{same} {disk(store)}.\n\n{_guide(store)}"
        )
    return "\n".join(parts)


def _guide(store: Store) -> str:
    """What was asked for, line by line, and whether it was reached."""
    rows: list[tuple[str, ...]] = []
    for pair in store.pairs:
        if pair.connections != 16:
            continue
        least, guide = OPERATIONS[pair.operation].aim, GUIDE[store.name].get(pair.operation)
        if least is None:
            continue
        many = OPERATIONS[pair.operation].resources if pair.operation == "transaction" else 1
        rate = median(pair.second).rate * many
        reached = f"{rate_ratio(pair):.2f} of {least:.1f}" + ("" if rate_ratio(pair) >= least else " **missed**")
        guided = f"{rate:,.0f} of {guide:,}" + ("" if rate >= guide else " **missed**") if guide else ""
        rows.append((pair.operation, reached, guided))
    return _table(("aim at 16 connections", "ratio to the floor", "per second, as a guide"), rows) if rows else ""


def _scaling(report: Report) -> str:
    parts = []
    for store in report.stores:
        worst = max((growth(pair) for pair in store.pairs), default=0.0)
        verdict = "within" if worst <= 1.3 else "**above**"
        parts.append(
            f"### {TITLES[store.name]}\n\n{_table(SCALING_HEAD, scaling_rows(store))}\nThe aim is at most 1.3 times; "
            f"the largest here is {worst:.2f}, {verdict} it. {disk(store)} at {store.resources:,}.\n"
        )
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
