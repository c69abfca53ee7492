"""Files of code systems through the door: which format each has, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from hilum.cli.loading.door import OWNER
from hilum.cli.terminal import progress
from hilum.interactions.door import Door, Written
from hilum.interactions.terminology.importing import imported, stored
from hilum.problems import Conflict, Invalid, Misconfigured, Unprocessable
from hilum.terminology.releases import fhir, loinc, rxnorm, snomed
from hilum.terminology.releases.bench import Bench
from hilum.terminology.releases.files import Release

Told = dict[str, Any]

FORMATS: Final = ("fhir", "loinc", "snomed", "rxnorm")
_ABOUT: Final = {"loinc": loinc.about, "snomed": snomed.about, "rxnorm": rxnorm.about}


def known(format: str | None, files: Sequence[Path]) -> None:
    """Raises Misconfigured for what can't be meant, before anything is opened."""
    if format not in (None, *FORMATS):
        raise Misconfigured(f"--format must be one of {', '.join(FORMATS)}.")
    for path in files:
        if not path.exists():
            raise Misconfigured(f"There is no file or folder {path}.")


def format_of(path: Path) -> str:
    """By what is in it. Raises Misconfigured."""
    if path.is_file() and path.name.lower().endswith(fhir.SUFFIXES):
        return "fhir"
    release = Release(path)
    if release.named(loinc.TABLE):
        return "loinc"
    if snomed.concepts_of(release):
        return "snomed"
    if release.named(rxnorm.ATOMS):
        return "rxnorm"
    if any(name.lower().endswith(fhir.SUFFIXES) for name in release.sizes):
        return "fhir"
    raise Misconfigured(
        f"{path} is none of the known formats: FHIR (.json, .xml, .ndjson, .tgz), LOINC ({loinc.TABLE}), SNOMED CT "
        f"(sct2_Concept_Snapshot…), RxNorm ({rxnorm.ATOMS})."
    )


async def load(door: Door, path: Path, format: str | None, version: str | None, edition: str | None) -> list[Told]:
    """What became of each code system and value set of a file or release. Raises Invalid naming file and line.

    Of FHIR files a resource that is refused is told among them, and the others are stored; a NamingSystem, by which no
    code is judged, is only left out.
    """
    format = format or format_of(path)
    with progress(path.name) as bar:
        line = bar.add_task(path.name, total=None, done=0, rate=0.0)
        count = 0

        def tick(more: int) -> None:
            nonlocal count
            count += more
            if count % 5000 < more:
                bar.update(line, completed=count, done=count)

        if format == "fhir":
            return await _fhir(door, path, tick)
        return await _release(door, path, format, version, edition, tick)


async def _fhir(door: Door, path: Path, tick: Callable[[int], None]) -> list[Told]:
    found: list[Told] = []
    for file in _files(path):
        for where, body in fhir.read(file):
            try:
                written, size = await stored(door, OWNER, body, tick)
            except (Invalid, Unprocessable, Conflict) as problem:
                why, type = f"{where}: {problem}", body["resourceType"]
                outcome = "left out" if type == "NamingSystem" else "refused"
                found.append({"type": type, "url": body.get("url", ""), "outcome": outcome, "why": why})
                continue
            found.append(_told(written, body.get("url", ""), body.get("version", ""), size))
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.rglob("*") if one.name.lower().endswith(fhir.SUFFIXES))


async def _release(
    door: Door, path: Path, format: str, version: str | None, edition: str | None, tick: Callable[[int], None]
) -> list[Told]:
    release = Release(path)
    with Bench() as bench:
        if format == "snomed":
            said = snomed.read(release, bench, edition)
        else:
            said = (loinc if format == "loinc" else rxnorm).read(release, bench)
        if not (version or said):
            raise Misconfigured(f"{path} does not say its version: name it with --version.")
        about = _ABOUT[format](version or said)
        written, size = await imported(door, OWNER, about, bench, tick)
    found = [_told(written, about["url"], about["version"], size)]
    if format == "loinc":
        for body in loinc.value_sets(release, about["version"]):
            written, _ = await stored(door, OWNER, body, tick)
            found.append(_told(written, body["url"], body["version"], 0))
    return found


def _told(written: Written, url: str, version: str, size: int) -> Told:
    outcome = "created" if written.created else "updated" if written.changed else "unchanged"
    type, id = written.resource.type, written.resource.id
    return {"type": type, "id": id, "url": url, "version": version, "outcome": outcome, "concepts": size}
