"""What a load came to: counts by type, and what was refused where and why. Values of resources never appear."""

from __future__ import annotations

from collections import Counter

import msgspec

from hilum.problems import Problem

MOST = 10_000
"""Findings kept in full; further ones are only counted, so that memory stays bounded."""


class Refusal(msgspec.Struct, frozen=True):
    """One finding: the file, the entry or line (counted from 1; 0 the whole file), and the OperationOutcome's issue."""

    file: str
    position: int
    severity: str
    code: str
    diagnostics: str
    expression: str | None = None


class Report(msgspec.Struct):
    """Grows during a load. `created`, `updated` and `unchanged` count resources by type."""

    files: int = 0
    loaded: int = 0
    skipped: int = 0
    refused: int = 0
    created: Counter[str] = msgspec.field(default_factory=Counter)
    updated: Counter[str] = msgspec.field(default_factory=Counter)
    unchanged: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: list[Refusal] = msgspec.field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False

    @property
    def resources(self) -> int:
        """Resources that were written or found as they should be."""
        return self.created.total() + self.updated.total() + self.unchanged.total()

    def refuse(self, file: str, position: int, problem: Problem) -> None:
        """Note that this entry, line or file was refused."""
        self.refused += 1
        room = MOST - len(self.refusals)
        self.refusals += [
            Refusal(file, position, i.severity, i.code, i.diagnostics, i.expression) for i in problem.issues[:room]
        ]

    def take(self) -> Report:
        """What was noted since it was last asked; from now on it is empty."""
        taken = msgspec.structs.replace(self)
        fresh = Report()
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))
        return taken

    def add(self, other: Report) -> None:
        """Count what another one says, too."""
        self.loaded += other.loaded
        self.skipped += other.skipped
        self.refused += other.refused
        for mine, theirs in (
            (self.created, other.created),
            (self.updated, other.updated),
            (self.unchanged, other.unchanged),
        ):
            mine.update(theirs)
        self.refusals += other.refusals[: MOST - len(self.refusals)]
