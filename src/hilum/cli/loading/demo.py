"""The demo population as a load: remembered while it is not complete, so that a killed one goes on, and with the day
around which its dates are laid, so that they stay there until somebody moves them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from hilum.app.data import write_private
from hilum.cli.loading.sources import Source
from hilum.demo import TODAY, population
from hilum.demo.days import AHEAD, check, moved
from hilum.fhir import json

KEPT: Final = "demo.json"


class _Kept(msgspec.Struct, frozen=True):
    """`today`: there was one day for all once."""

    patients: int
    seed: int
    complete: bool
    today: date = TODAY


@dataclass(frozen=True, slots=True)
class Demo:
    """`today`: around which dates are laid. `begun`: an earlier run of the same population was not completed. `moves`:
    an earlier one has laid them around another day.
    """

    folder: Path
    patients: int
    seed: int
    today: date
    begun: bool = False
    moves: bool = False

    @classmethod
    def plan(cls, folder: Path, patients: int, seed: int, now: date, today: date | None = None) -> Demo:
        """What `hilum demo` is to do in this data directory: `demo.json` tells what is not complete. `now`: the day
        that it is. Raises Invalid.
        """
        if today is not None:
            check(today)
        try:
            kept = msgspec.json.decode((folder / KEPT).read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return cls(folder, patients, seed, today or now)
        if today is not None and today != kept.today:
            all = max(patients, kept.patients) if seed == kept.seed else patients
            return cls(folder, all, seed, today, moves=True)
        return cls(folder, patients, seed, kept.today, begun=kept == _Kept(patients, seed, False, kept.today))

    def aged(self, now: date) -> bool:
        """Whether what was ahead of its people may be past."""
        return now >= self.today + AHEAD

    def note(self, *, complete: bool) -> None:
        """Remember that it began, or that it is complete."""
        kept = _Kept(self.patients, self.seed, complete, self.today)
        write_private(self.folder / KEPT, msgspec.json.encode(kept) + b"\n")

    def sources(self) -> Iterator[Source]:
        """The population's Bundles, made as they are taken."""
        for number, bundle in enumerate(population(patients=self.patients, seed=self.seed)):
            held = json.encode(moved(bundle, self.today - TODAY))
            yield Source(f"demo bundle {number + 1}", 1, held=held)
