"""`python -m bench validation`: what it takes to judge a body that is parsed already, in microseconds.

structure: properties, cardinality, types, formats, required bindings and narrative. full: with invariants, reference
targets, extension rules: what every write does. fhirkit: fhirkit-rs of PyPI (Rust), which checks about what our
structure does; where it isn't installed its column is empty (`pip install fhirkit-rs`).
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import msgspec

from bench import machine, records
from hilum.fhir import json
from hilum.validation import extensions, invariants, references, structure, validate

Body = dict[str, Any]

ROUNDS: Final = 40
SECONDS: Final = 0.03
HEAD: Final = ("resource", "bytes", "structure µs", "full µs", "ratio", "fhirkit µs")
AIM: Final = 3.0
"""Full validation takes so many times as long as structure alone at most."""


class Row(msgspec.Struct, frozen=True):
    """One kind of resource: microseconds of each way; None: not installed."""

    resource: str
    bytes: int
    structure: float
    full: float
    fhirkit: float | None


class Figures(msgspec.Struct, frozen=True):
    """All of them, and when and where they were measured."""

    date: str
    machine: dict[str, Any]
    rows: list[Row]


def bodies() -> dict[str, list[Body]]:
    """A hundred of each kind, as they come over HTTP."""
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">A summary.</div>'}
    kinds = {
        "Patient": [records.patient(n) for n in range(100)],
        "Observation": [records.observation(n) for n in range(100)],
    }
    kinds["Observation with narrative"] = [{**body, "text": text} for body in kinds["Observation"]]
    return {name: [json.parse(json.encode(body)) for body in some] for name, some in kinds.items()}


def measure(folder: Path) -> Figures:
    """CPU time, in turn, the best of many short rounds."""
    fhirkit = _fhirkit()
    rows = []
    with _structure_alone() as alone:
        for name, some in bodies().items():
            ways: dict[str, Callable[[Body], Any]] = {"structure": alone, "full": validate}
            if fhirkit is not None:
                ways["fhirkit"] = fhirkit
            best = _best(ways, some)
            size = sum(len(json.encode(body)) for body in some) // len(some)
            rows.append(Row(name, size, best["structure"], best["full"], best.get("fhirkit")))
    return Figures(datetime.now(UTC).isoformat(timespec="seconds"), machine.describe(folder), rows)


def _best(ways: dict[str, Callable[[Body], Any]], some: Sequence[Body]) -> dict[str, float]:
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            done, began = 0, time.thread_time()
            while (took := time.thread_time() - began) < SECONDS:
                for body in some:
                    way(body)
                done += len(some)
            best[name] = min(best[name], took / done * 1e6)
    return best


def _fhirkit() -> Callable[[Body], Any] | None:
    try:
        found: Callable[[Body], Any] = importlib.import_module("fhirkit").validate
    except (ImportError, AttributeError):
        print("fhirkit-rs is not installed: its column is empty.", file=sys.stderr)
        return None
    return found


@contextmanager
def _structure_alone() -> Iterator[Callable[[Body], Any]]:
    """The structural check, compiled apart without what stands on it."""
    with (
        patch.object(structure, "_compiled", {}),
        patch.object(structure, "_resources", {}) as compiled,
        patch.object(invariants, "of_object", lambda *_: ()),
        patch.object(invariants, "of_element", lambda *_: ()),
        patch.object(references, "aimed", lambda check, targets: check),
        patch.object(extensions, "known", lambda check, **_: check),
    ):
        for name in ("Patient", "Observation"):
            structure._compile(name, False)
    yield lambda body: compiled[body["resourceType"], False](body, 0)


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    return (
        row.resource,
        f"{row.bytes:,}",
        f"{row.structure:.1f}",
        f"{row.full:.1f}",
        f"{row.full / row.structure:.2f}",
        "not installed" if row.fhirkit is None else f"{row.fhirkit:.1f}",
    )


def save(found: Figures, folder: Path) -> Path:
    """Write bench/out/validation.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "validation.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> Figures | None:
    """What was measured last."""
    path = folder / "validation.json"
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else None


def section(found: Figures | None) -> str:
    """Its part of docs/benchmarks.md."""
    if found is None:
        return "## Validation\n\nNot measured yet: `python -m bench validation`.\n"
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in found.rows]
    return f"""## Validation

`python -m bench validation` judges bodies that are parsed already, one after another in one thread: microseconds of CPU
each, the best of {ROUNDS} rounds. **structure**: properties, cardinality, types, formats, required bindings, narrative.
**full**: what every write does: with invariants, reference targets and extension rules; the aim is at most {AIM:.0f}
times as long. Without a narrative a full validation also makes the warning that there is none. **fhirkit**: fhirkit-rs
0.1.0, in Rust, which checks about what **structure** does. Measured {found.date[:10]} on {found.machine["cores"]} cores
of {found.machine["cpu"]}.

{chr(10).join(lines)}
"""
