"""One run of the checks, in numbers: scripts, refusals, what the checker finds in them, and what of the planted facts.

`PYTHONPATH=src python -m tests.oracle.video.measuring` writes docs/reference/video-checks.md from a full run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.oracle.video.adapter import Written, written
from tests.oracle.video.checker import Finding, check
from tests.oracle.video.grade import grade
from tests.oracle.video.patients import NOW, TROUBLES
from tests.oracle.video.planting import FORGED, Planted, plant, planters
from tests.oracle.video.record import Record

from hilum.fhir import json

SEED: Final = 1
PATIENTS: Final = 200
PLANTS: Final = 220
PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "reference" / "video-checks.md"
LEFT_OUT: Final = (
    "dose",
    "dose-needed",
    "dose-needed-for",
    "dose-most",
    "dose-until",
    "dose-for",
    "dose-count",
    "dose-site",
    "dose-also",
    "dose-quote",
    "visit-done-site",
    "procedure-site",
    "preparation",
    "appointment-when",
    "visit-when",
    "medicine-name",
    "whom",
)
"""Phrases without which a script says something else."""


@dataclass(slots=True)
class Run:
    """`unexpected`: scripts and refusals where the other was due."""

    written: list[Written] = field(default_factory=list)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    grades: list[tuple[str, float]] = field(default_factory=list)
    hard: int = 0


def run(seed: int, patients: int) -> Run:
    """Write and check the scripts of so many patients."""
    made = Run()
    for one in written(seed, 0, patients):
        place = f"patient {one.patient.number}, {one.template}, {one.language}"
        expected = one.patient.expects[one.template]
        if one.code == "grade":
            made.hard += 1
        elif one.code != expected:
            made.unexpected.append(f"{place}: {one.code or 'a script'}, expected {expected or 'a script'}")
        if one.code:
            made.refused[one.code, one.patient.trouble if expected in _codes(one.patient.trouble) else ""] += 1
            continue
        made.written.append(one)
        made.findings += [(place, found) for found in check(one.script, one.patient.bundle, NOW)]
        made.grades.append((one.language, grade(one.parsed)))
    return made


def _codes(trouble: str) -> tuple[str, ...]:
    return (TROUBLES[trouble][1],) if trouble else ()


def names(one: Written) -> tuple[str, ...]:
    """Of the people and places in a Bundle, as they may be called."""
    record = Record(one.patient.bundle, NOW)
    found = set(record.first_names())
    for reference, body in record.current.items():
        if body["resourceType"] in ("Practitioner", "Location", "Organization"):
            found |= record.called({"reference": reference})
    return tuple(sorted(found))


def planted(scripts: list[Written], seed: int, many: int) -> Iterator[tuple[Written, Planted, list[Finding]]]:
    """So many wrong facts, of each kind in turn and forged in each way in turn, and what the checker finds."""
    random = Random(seed)
    kept = [(one, one.parsed, names(one)) for one in scripts]
    ways = [(kind, forged) for forged in FORGED for kind in planters()]
    done = 0
    for _ in range(many * 400):
        if done == many:
            return
        kind, forged = ways[done % len(ways)]
        one, script, known = random.choice(kept)
        made = plant(script, kind, forged, known, random)
        if made is not None:
            done += 1
            yield one, made, check(encoded_script(made.script), one.patient.bundle, NOW)
    raise AssertionError(f"no script has a place for {ways[done % len(ways)]}")


def encoded_script(script: dict[str, Any]) -> bytes:
    """JSON of a parsed script; its numbers are decimals with their digits."""
    return json.encode(script)


def caught(made: Planted, found: list[Finding]) -> bool:
    """At the sentence, and by its words: what its citations or its spoken form give away does not count."""
    return any(
        one.where == made.where and one.kind not in ("citation", "uncited") and not one.kind.startswith("spoken")
        for one in found
    )
