"""What a load remembers, so that a killed one goes on: one JSON line per file and step, appended, newest last.

Files are known by their digest, not by their name. Losing the last lines in a crash costs time, not truth: whatever
is loaded again has the same ids. And a record counts only while its witness, a resource that was written, is still
in the store: after the store was deleted or restored, everything is loaded again.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a file is: everything before position `upto` is loaded but for `left`; `upto` None is all of it."""

    file: str
    upto: int | None = None
    left: tuple[int, ...] = ()
    witness: tuple[str, str] | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing of the file is left to do."""
        return self.upto is None and not self.left


@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal: what was known when it was opened, and the file that new records go to."""

    known: dict[str, Record]
    file: BinaryIO

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Read the journal at `path`, made if missing. A last line that a crash cut off is ignored."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        known: dict[str, Record] = {}
        decoder = msgspec.json.Decoder(Record)
        raw = path.read_bytes() if path.exists() else b""
        for line in raw.split(b"\n"):
            try:
                record = decoder.decode(line)
            except msgspec.DecodeError:
                continue
            known[record.file] = record
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)
        if raw and not raw.endswith(b"\n"):
            file.write(b"\n")
        return cls(known, file)

    def find(self, digest: bytes) -> Record | None:
        """The newest record of the file."""
        return self.known.get(digest.hex())

    def note(self, digest: bytes, upto: int | None, left: Collection[int], witness: tuple[str, str] | None) -> None:
        """Append how far the file is. One write call: a reader never sees half of it but at the very end."""
        record = Record(digest.hex(), upto, tuple(sorted(left)), witness)
        self.known[record.file] = record
        self.file.write(msgspec.json.encode(record) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()
