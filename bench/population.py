"""Loading the population: through hilum's own store, in big commits, once; floor and hilum start on copies of it.

The one part of the benchmark that imports hilum: the rows must be hilum's own, and the floor is held to them
(bench/same_work.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

import hilum
from bench.floor.rows import ETHNICITY, RACE
from bench.records import GROUP, Population
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import draft
from hilum.search.index import index
from hilum.store.interface import Audit, Commit, Store, Write
from hilum.store.postgres import PostgresStore

AUDIT = Audit("owner", "hilum-cli", "load", "bench")
GROUPS = 25
"""Patients per commit: a thousand resources."""

Progress = Callable[[int], None]


def _extension(url: str) -> dict[str, Any]:
    return {"url": url, "extension": [{"url": "ombCategory", "valueCoding": {"code": "x"}}]}


_PROBES: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "Observation": {
        "status": ("tokens", {"status": "final"}),
        "category": ("tokens", {"category": [{"coding": [{"code": "x"}]}]}),
        "category text": ("terms", {"category": [{"text": "x"}]}),
        "code": ("tokens", {"code": {"coding": [{"code": "x"}]}}),
        "code text": ("terms", {"code": {"text": "x"}}),
        "date": ("dates", {"effectiveDateTime": "2020-01-01"}),
        "subject": ("references", {"subject": {"reference": "Patient/x"}}),
        "encounter": ("references", {"encounter": {"reference": "Encounter/x"}}),
        "value": ("quantities", {"valueQuantity": {"value": 1}}),
        "code and value": ("composites", {"code": {"coding": [{"code": "x"}]}, "valueQuantity": {"value": 1}}),
    },
    "Patient": {
        "identifier": ("tokens", {"identifier": [{"value": "x"}]}),
        "identifier of type": (
            "tokens",
            {"identifier": [{"type": {"coding": [{"system": "s:s", "code": "x"}]}, "value": "x"}]},
        ),
        "identifier text": ("terms", {"identifier": [{"type": {"text": "x"}}]}),
        "active": ("tokens", {"active": True}),
        "gender": ("tokens", {"gender": "female"}),
        "email": ("tokens", {"telecom": [{"system": "email", "value": "x"}]}),
        "phone": ("tokens", {"telecom": [{"system": "phone", "value": "1"}]}),
        "use": ("tokens", {"address": [{"use": "home"}]}),
        "language": ("tokens", {"communication": [{"language": {"coding": [{"code": "x"}]}}]}),
        "language text": ("terms", {"communication": [{"language": {"text": "x"}}]}),
        "sound": ("tokens", {"name": [{"given": ["Ann"]}]}),
        "family": ("strings", {"name": [{"family": "Ann"}]}),
        "given": ("strings", {"name": [{"given": ["Ann"]}]}),
        "prefix": ("strings", {"name": [{"prefix": ["Ann"]}]}),
        "line": ("strings", {"address": [{"line": ["x"]}]}),
        "city": ("strings", {"address": [{"city": "x"}]}),
        "state": ("strings", {"address": [{"state": "x"}]}),
        "postal code": ("strings", {"address": [{"postalCode": "x"}]}),
        "country": ("strings", {"address": [{"country": "x"}]}),
        "birthdate": ("dates", {"birthDate": "2020-01-01"}),
        "race": ("tokens", {"extension": [_extension(RACE)]}),
        "ethnicity": ("tokens", {"extension": [_extension(ETHNICITY)]}),
    },
}
"""What the floor searches by: a kind of row, and a resource that makes just that one."""


def numbers() -> bytes:
    """What the floor is told: resource types and search parameters by number (bench.floor.rows.Numbers)."""
    leaves: dict[str, dict[str, list[int]]] = {}
    for type, probes in _PROBES.items():
        bare = {n for kind in _rows(type, {}).values() for n in kind}
        found = {name: sorted(set(_rows(type, body)[kind]) - bare) for name, (kind, body) in probes.items()}
        leaves[type] = found
        if type == "Patient":
            found["deceased"] = sorted(bare)  # `deceased` is false where nothing is said
            found["identifier of type"] = sorted(set(found["identifier of type"]) - set(found["identifier"]))
    return msgspec.json.encode({"types": TYPE_NUMBER, "leaves": leaves})


def _rows(type: str, body: dict[str, Any]) -> dict[str, list[int]]:
    """Kind of row -> the parameters of the rows of a resource."""
    rows = index(type, {"resourceType": type, **body}, "x")
    kinds = ("tokens", "terms", "strings", "dates", "quantities", "references", "composites")
    return {kind: [row[0] for row in getattr(rows, kind)] for kind in kinds}


def writes(population: Population, patient: int) -> list[Write]:
    """The writes of one patient's group."""
    made = []
    for type, id, body in population.group(patient):
        body = json.parse(json.encode(body))  # as it comes from a wire: decimals with their digits
        made.append(Write("PUT", type, id, 1, draft(body, id), index(type, body)))
    return made


async def fill(store: Store, population: Population, progress: Progress) -> None:
    """Write all of it, a thousand resources per commit."""
    for start in range(0, population.patients, GROUPS):
        group = [
            write
            for patient in range(start, min(start + GROUPS, population.patients))
            for write in writes(population, patient)
        ]
        await store.commit(Commit(tuple(group), AUDIT))
        progress(len(group))


async def load(url: str, population: Population, progress: Progress) -> None:
    """Lay out the store at `url` and fill it; what a server then does by itself (hilum.app.packing) is done, too."""
    settings = Settings.read({"store": url}, {})
    store = await open_store(settings)
    try:
        await fill(store, population, progress)
        if isinstance(store, PostgresStore):
            async for _ in store.pack(analyze=True):
                pass
    finally:
        await store.close()


def fingerprint(population: Population) -> str:
    """Changes with whatever a loaded store depends on: the layout, the index, the made-up people."""
    digest = hashlib.sha256(f"{population.size}".encode())
    package = Path(hilum.__file__).parent
    files = [Path(__file__), Path(__file__).with_name("records.py")]
    for part in ("fhir", "fhirpath", "search", "store"):
        files += sorted(path for path in (package / part).rglob("*") if path.suffix in (".py", ".sql", ".gz"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


async def sqlite(folder: Path, population: Population, progress: Progress) -> Path:
    """A loaded SQLite file, from `folder` where it was kept. Only the newest of each size is kept."""
    kept = folder / f"population-{population.size}-{fingerprint(population)}.sqlite"
    if not kept.exists():
        making = _place(folder, population)
        await load(f"sqlite:{making}", population, progress)
        os.rename(making, kept)
        making.with_name(f"{making.name}-turn").unlink(missing_ok=True)
    return kept


def _place(folder: Path, population: Population) -> Path:
    """Where to lay a new file; what is left of older ones is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"population-{population.size}-*"):
        stale.unlink()
    return folder / f"population-{population.size}-making.sqlite"


def copy(kept: Path, to: Path) -> None:
    """A copy that starts out flushed, so that no run pays for it."""
    shutil.copyfile(kept, to)
    with to.open("rb+") as file:
        os.fsync(file.fileno())


async def bodies(population: Population, patients: int = 50) -> float:
    """The mean size of a resource's stored JSON, in bytes."""
    found: list[Any] = [write for n in range(min(patients, population.patients)) for write in writes(population, n)]
    return sum(len(write.draft.stamp(1, 1)) for write in found) / (min(patients, population.patients) * GROUP)
