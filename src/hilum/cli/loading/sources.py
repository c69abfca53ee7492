"""Files to load: found in folders, read plain or gzipped, whole or line by line, never more than the limit at once.

NDJSON: https://hl7.org/fhir/R4/nd-json.html
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from hilum.problems import Malformed, Misconfigured, TooLarge

LINES = (".ndjson", ".jsonl")
SUFFIXES = (".json", *LINES)
_CHUNK = 1 << 20
_MARK = b"\xef\xbb\xbf"
"""The byte order mark with which editors begin a file; a reader may ignore it (RFC 8259 section 8.1)."""


class Block(NamedTuple):
    """Some lines, (number from 0, content) each, and how many bytes of the file on disk are read with them."""

    offset: int
    lines: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or a Bundle `held` in memory. `size` is its part of the progress bar: a file's bytes on disk."""

    name: str
    size: int
    path: Path | None = None
    held: bytes = b""

    @property
    def lines(self) -> bool:
        """One resource per line (NDJSON), rather than one in the whole file."""
        return self.path is not None and _bare(self.path).suffix.lower() in LINES

    def digest(self) -> bytes:
        """SHA-256 of the file as it is: what it is remembered by, whatever it is called."""
        if self.path is None:
            return hashlib.sha256(self.held).digest()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def whole(self, limit: int) -> bytes:
        """The uncompressed content. Raises TooLarge over `limit` bytes, Malformed when the gzip file is broken."""
        if self.path is None:
            return self.held
        with self.open() as file, _readable():
            raw = file.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(
                f"More than {limit} bytes in one JSON document. Split it, use NDJSON, or raise --max-body-bytes."
            )
        return raw.removeprefix(_MARK)

    def blocks(self, limit: int) -> Iterator[Block]:
        """The lines in blocks of up to 100 lines or 1 MiB, empty ones left out but counted.

        A line over `limit` bytes comes as empty bytes: refused by who reads it.
        """
        with self.open() as file, _readable():
            number, lines, size = 0, list[tuple[int, bytes]](), 0
            while line := file.readline(limit + 1):
                if len(line) > limit and not line.endswith(b"\n"):
                    lines.append((number, _skip_rest(file)))
                elif line := (line if number else line.removeprefix(_MARK)).strip():
                    lines.append((number, line))
                    size += len(line)
                number += 1
                if len(lines) >= 100 or size >= _CHUNK:
                    yield Block(_offset(file), tuple(lines))
                    lines, size = [], 0
            yield Block(self.size, tuple(lines))

    def open(self) -> BinaryIO:
        """The content as a stream of bytes, uncompressed on the way."""
        assert self.path is not None, "a held source is read whole"
        if self.path.suffix.lower() == ".gz":
            return cast(BinaryIO, gzip.open(self.path, "rb"))
        return self.path.open("rb", buffering=_CHUNK)


def find(paths: Iterable[Path]) -> list[Source]:
    """The files that these paths mean: folders searched through, in the order of their names, hidden ones left out.

    Raises Misconfigured for a path that does not exist, a file of another kind named outright, or nothing to load.
    """
    found: list[Source] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if _loadable(p) and p.is_file() and not _hidden(p, path))
            if not inside:
                raise Misconfigured(f"{path} holds no {' '.join(SUFFIXES)} file (.gz may follow).")
            found += (Source(str(p.relative_to(path)), p.stat().st_size, p) for p in inside)
        elif path.is_file():
            if not _loadable(path):
                raise Misconfigured(f"{path} is not a {' '.join(SUFFIXES)} file (.gz may follow).")
            found.append(Source(path.name, path.stat().st_size, path))
        else:
            raise Misconfigured(f"{path} does not exist.")
    return found


def _bare(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _loadable(path: Path) -> bool:
    return _bare(path).suffix.lower() in SUFFIXES


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _offset(file: BinaryIO) -> int:
    return cast(int, file.fileobj.tell()) if isinstance(file, gzip.GzipFile) else file.tell()


def _skip_rest(file: BinaryIO) -> bytes:
    while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass
    return b""


class _readable:
    """Turns what a damaged gzip file raises into Malformed."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error)):
            raise Malformed("The file is not a complete gzip file. Copy it again.") from None
