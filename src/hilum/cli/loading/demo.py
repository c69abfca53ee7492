"""The demo population as a load: remembered while it is not complete, so that a killed one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hilum.app.data import write_private
from hilum.cli.loading.sources import Source
from hilum.demo import population
from hilum.fhir import json


class _Kept(msgspec.Struct, frozen=True):
    patients: int
    seed: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Demo:
    """`begun`: an earlier run of the same population was not completed."""

    folder: Path
    patients: int
    seed: int
    begun: bool

    @classmethod
    def plan(cls, folder: Path, patients: int, seed: int) -> Demo:
        """What `hilum demo` is to do in this data directory: `demo.json` tells what is not complete."""
        try:
            kept = msgspec.json.decode((folder / "demo.json").read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return cls(folder, patients, seed, False)
        return cls(folder, patients, seed, kept == _Kept(patients, seed, False))

    def note(self, *, complete: bool) -> None:
        """Remember that it began, or that it is complete."""
        write_private(self.folder / "demo.json", msgspec.json.encode(_Kept(self.patients, self.seed, complete)) + b"\n")

    def sources(self) -> Iterator[Source]:
        """The population's Bundles, made as they are taken."""
        for number, bundle in enumerate(population(patients=self.patients, seed=self.seed)):
            yield Source(f"demo bundle {number + 1}", 1, held=json.encode(bundle))
