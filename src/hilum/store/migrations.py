"""Numbered migrations, and the judgement whether a store fits this program: the same for every store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from hilum.problems import Busy, Misconfigured


@dataclass(frozen=True, slots=True)
class Step:
    """One file `schema/<store>/NNNN_name.sql`."""

    number: int
    name: str
    sql: str


@cache
def steps(store: str) -> tuple[Step, ...]:
    """All migrations of a store, in order, numbered from 1 without a gap."""
    folder = resources.files("hilum.store") / "schema" / store
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    found = tuple(Step(int(f.name[:4]), f.name[5:-4], f.read_text()) for f in files)
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise Misconfigured(f"The {store} migrations are not numbered without a gap.")
    return found


def outdated(have: int | str, store: str) -> Busy | None:
    """What a process says that a newer hilum has taken the store from, at its next write or search."""
    newest = len(steps(store))
    if int(have) <= newest:
        return None
    return Busy(
        f"This server is outdated: a newer hilum has brought the store to schema {have}, and this one knows up to "
        f"{newest}. Restart it with the new version."
    )


def judge(have: int, newest: int, found_environment: object, environment: str) -> None:
    """Raises Misconfigured unless the store's schema and environment are this program's."""
    if have > newest:
        raise Misconfigured(f"The store has schema {have}, this hilum knows up to {newest}. Install a newer hilum.")
    if have < newest:
        raise Misconfigured(f"The store has schema {have}, this hilum needs {newest}. Run `hilum migrate` first.")
    if found_environment != environment:
        raise Misconfigured(
            f"The store belongs to the environment {found_environment!r}, not {environment!r}. "
            "Environments never share a store: choose another with --store or --data."
        )
