"""The resources in files: JSON, NDJSON, XML, gzipped or not, and standard input."""

from __future__ import annotations

import glob
import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

STDIN: Final = "-"
SUFFIXES: Final = (".json", ".ndjson", ".xml")


class Source(NamedTuple):
    """One resource's text. `line`: the number of its first line in the file; `xml`: its format."""

    name: str
    data: bytes
    line: int
    xml: bool


class Unreadable(Exception):
    """A file that is not there, or can't be read: names it and says why."""


def named(patterns: list[str]) -> list[str]:
    """The files that are meant: themselves, folders, or patterns such as `out/**/*.json`. Raises Unreadable."""
    found: dict[str, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if pattern == STDIN or path.is_file():
            found[pattern] = None
            continue
        if path.is_dir():
            inside = sorted(str(one) for one in path.rglob("*") if _readable(one.name) and one.is_file())
        else:
            inside = sorted(one for one in glob.glob(pattern, recursive=True) if Path(one).is_file())
        if not inside:
            why = "there is no file to validate in this folder" if path.is_dir() else "there is no such file"
            raise Unreadable(f"{pattern}: {why}")
        found.update(dict.fromkeys(inside))
    return list(found)


def _readable(name: str) -> bool:
    return name.removesuffix(".gz").endswith(SUFFIXES)


def sources(name: str) -> Iterator[Source]:
    """The resources of one file. Raises Unreadable."""
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{name}: {getattr(error, 'strerror', None) or 'is damaged'}") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] == b"<":
        yield Source(name, data, 1, xml=True)
    elif name.removesuffix(".gz").endswith(".ndjson") or _by_line(data):
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.strip():
                yield Source(name, line, number, xml=False)
    else:
        yield Source(name, data, 1, xml=False)


def _by_line(data: bytes) -> bool:
    """Whether it looks like NDJSON: two lines at least, of which the first two are objects by themselves."""
    lines = [line.strip() for line in data.split(b"\n", 64)[:64] if line.strip()][:2]
    return len(lines) == 2 and all(line[:1] == b"{" and line[-1:] == b"}" for line in lines)
