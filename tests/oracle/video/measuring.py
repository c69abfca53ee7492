"""One run of the checks, in numbers: scripts, refusals, what the checker finds in them, and what of the planted facts.

`PYTHONPATH=src python -m tests.oracle.video.measuring` writes docs/reference/video-checks.md from a full run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.oracle.video.adapter import LANGUAGES, Written, demo, written
from tests.oracle.video.checker import Finding, check
from tests.oracle.video.grade import grade
from tests.oracle.video.mutants import MUTANTS
from tests.oracle.video.patients import NOW, TROUBLES
from tests.oracle.video.planting import FORGED, Planted, plant, planters
from tests.oracle.video.record import Record

from hilum.fhir import json

SEED: Final = 1
PATIENTS: Final = 200
PLANTS: Final = 220
DEMO: Final = 120
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

HEAD: Final = """# How the patient's video is checked

<!-- Made by `PYTHONPATH=src python -m tests.oracle.video.measuring`. -->

`tests/oracle/video` holds a checker that imports nothing from hilum. It reads a script, as JSON, and the Bundle that it
was written from, and trusts no citation: it takes from each sentence its dates, times, amounts, frequencies, routes,
sides, names, telephone numbers and every word that is not in a list of plain ones, and asks whether an element of the
right resource says so: of the latest visit, of what is booked, of the medicine that is being told, of the version that
holds. Then it looks for what was left out (a dose, when it is needed, the most, the end, a side, words of the
prescription, instructions before a procedure), and follows each citation: version, path, value, words.

Patients are generated, too, without hilum: decimals like 2.50, names with accents and apostrophes, times in several
zones, earlier versions, stopped medicines, cancelled appointments, old names and numbers around what holds. Wrong facts
are planted into the scripts' sentences, with citations left as they are, forged to fit, led elsewhere, or taken away;
one counts as found where the words of its own sentence give it away, whatever its citations say.

`HILUM_FULL=1 pytest tests/oracle/video` repeats all of it, and tries every mutant; without it a few seconds' worth.

What it does not see: whether words of the record are themselves right; and a Spanish name of a condition that is wrong
and yet made of words that mean words of the record's name. The record's own words stand beside each such name.
"""


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
    kinds = list(planters())
    done = 0
    for _ in range(many * 400):
        if done == many:
            return
        kind, forged = kinds[done % len(kinds)], FORGED[done % len(FORGED)]
        one, script, known = random.choice(kept)
        made = plant(script, kind, forged, known, random)
        if made is not None:
            done += 1
            yield one, made, check(encoded_script(made.script), one.patient.bundle, NOW)
    raise AssertionError(f"no script has a place for a wrong {kind}")


def encoded_script(script: dict[str, Any]) -> bytes:
    """JSON of a parsed script; its numbers are decimals with their digits."""
    return json.encode(script)


def caught(made: Planted, found: list[Finding]) -> bool:
    """At the sentence, and by its words: what its citations or its spoken form give away does not count."""
    return any(
        one.where == made.where and one.kind not in ("citation", "uncited") and not one.kind.startswith("spoken")
        for one in found
    )


def page() -> str:
    """docs/reference/video-checks.md, of a full run: some minutes."""
    made, of_demo = run(SEED, PATIENTS), list(demo(DEMO))
    foreign = [finding for one in of_demo for finding in check(one.script, one.bundle, NOW)]
    lies = list(planted(made.written, SEED, PLANTS))
    kinds = Counter(one.kind for _, one, _ in lies)
    seen = Counter(one.kind for _, one, found in lies if caught(one, found))
    grades = {language: sorted(grade for of, grade in made.grades if of == language) for language in LANGUAGES}
    return "\n".join([
        HEAD,
        f"## Numbers ({datetime.now(UTC):%Y-%m-%d}, seed {SEED})\n",
        "| | |\n|---|---|",
        f"| generated patients | {PATIENTS} |",
        f"| scripts, of 3 templates and 2 languages | {len(made.written)} |",
        f"| unsupported, omitted or miscited in them | {len(made.findings)} |",
        f"| refused, each for the trouble that the patient was given | {sum(made.refused.values())} |",
        f"| refused or written where the other was due | {len(made.unexpected)} |",
        f"| scripts of the demo's people, whom the checker was not made for | {len(of_demo)} |",
        f"| unsupported, omitted or miscited in them | {len(foreign)} |",
        f"| wrong facts planted | {len(lies)} |",
        f"| found at their sentence by its words alone | {sum(seen.values())} |",
        f"| seeded mutants of the code that writes scripts, each of which must be noticed | {len(MUTANTS)} |",
        *(_grades(language, grades[language]) for language in LANGUAGES),
        "\n| planted | facts | found |\n|---|---|---|",
        *(f"| {kind} | {kinds[kind]} | {seen[kind]} |" for kind in planters()),
        "\n| refused as | because of | scripts |\n|---|---|---|",
        *(f"| `{code}` | {trouble or 'no procedure is planned'} | {many} |"
          for (code, trouble), many in sorted(made.refused.items())),
        "",
    ])  # fmt: skip


def _grades(language: str, grades: list[float]) -> str:
    easy = sum(one <= 6 for one in grades)
    name = {"en": "English", "es": "Spanish"}[language]
    return (
        f"| grade 6 or less, {name}, as the checker counts | {easy} of {len(grades)} ({easy / len(grades):.1%}); "
        f"median {grades[len(grades) // 2]:.1f}, highest {grades[-1]:.1f} |"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
