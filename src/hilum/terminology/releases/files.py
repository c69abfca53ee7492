"""The files of a release: a folder, or a zip. Lines come with where they stand, for who has to say what is wrong."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from hilum.problems import Invalid, Misconfigured

_LONGEST: Final = 1 << 20
"""Characters of a field."""
Tick = Callable[[int], None]
"""Told how many bytes were read."""


class Line(NamedTuple):
    """One row, and where it stands."""

    fields: dict[str, str]
    where: str


class Release:
    """A folder or a zip, by the names of its files; `tick` is told of each byte that is read."""

    def __init__(self, path: Path, tick: Tick = lambda _: None) -> None:
        self.path, self._tick = path, tick
        self._zip: zipfile.ZipFile | None = None
        try:
            if path.is_dir():
                found = {str(one.relative_to(path)): one.stat().st_size for one in path.rglob("*") if one.is_file()}
            else:
                self._zip = zipfile.ZipFile(path)
                found = {one.filename: one.file_size for one in self._zip.infolist() if not one.is_dir()}
        except (OSError, zipfile.BadZipFile) as error:
            raise Misconfigured(f"{path} is no folder and no whole zip file ({type(error).__name__}).") from None
        self.sizes = {name.replace("\\", "/"): size for name, size in found.items()}

    def named(self, *wanted: Callable[[str], bool] | str) -> list[str]:
        """Files by their last name, or by what a function says of it; sorted."""

        def fits(name: str) -> bool:
            last = PurePosixPath(name).name
            return any(last.lower() == one.lower() if isinstance(one, str) else one(last) for one in wanted)

        return sorted(name for name in self.sizes if fits(name) and "__MACOSX" not in name)

    def one(self, last: str, *, needed: bool = True) -> str | None:
        """The file of this last name. Raises Misconfigured where it is needed and not there."""
        found = self.named(last)
        if not found and needed:
            raise Misconfigured(f"{self.path} has no file {last}: is it a whole release?")
        return min(found, key=len) if found else None

    @contextmanager
    def _opened(self, name: str) -> Iterator[io.TextIOWrapper]:
        binary = self._zip.open(name) if self._zip else (self.path / name).open("rb")
        with io.TextIOWrapper(binary, "utf-8-sig", newline="") as text:
            yield text

    def _lines(self, name: str) -> Iterator[str]:
        try:
            with self._opened(name) as text:
                for line in text:
                    self._tick(len(line))
                    yield line
        except UnicodeDecodeError:
            raise Invalid(f"{name} is not UTF-8.") from None
        except (OSError, zipfile.BadZipFile, EOFError) as error:
            raise Misconfigured(f"{self.path}, {name}: it can't be read ({type(error).__name__}).") from None

    def csv(self, name: str, *needed: str) -> Iterator[Line]:
        """Rows of a CSV with a heading. Raises Invalid naming file and line."""
        csv.field_size_limit(_LONGEST)
        rows = csv.reader(self._lines(name))
        heading = next(rows, [])
        self._has(name, heading, needed)
        while True:
            try:
                fields = next(rows, None)
            except csv.Error as error:
                raise Invalid(f"{name}, line {rows.line_num}: {error}.") from None
            if fields is None:
                return
            if fields:
                yield self._line(name, rows.line_num, heading, fields)

    def tabbed(self, name: str, *needed: str) -> Iterator[Line]:
        """Rows of a file with a heading and tabs. RF2 has no quotes."""
        heading: list[str] = []
        for number, line in enumerate(self._lines(name), 1):
            fields = line.rstrip("\r\n").split("\t")
            if number == 1:
                heading = fields
                self._has(name, heading, needed)
            elif line.strip():
                yield self._line(name, number, heading, fields)

    def piped(self, name: str, columns: str) -> Iterator[Line]:
        """Rows of an RRF file: no heading, a bar behind each field."""
        heading = columns.split()
        for number, line in enumerate(self._lines(name), 1):
            if line.strip():
                yield self._line(name, number, heading, line.rstrip("\r\n").removesuffix("|").split("|"))

    def piped_loosely(self, name: str, columns: str) -> Iterator[dict[str, str]]:
        """The first fields of each row, however many there are."""
        heading = columns.split()
        for line in self._lines(name):
            yield dict(zip(heading, line.rstrip("\r\n").split("|"), strict=False))

    @staticmethod
    def _has(name: str, heading: list[str], needed: tuple[str, ...]) -> None:
        missing = [one for one in needed if one not in heading]
        if missing:
            raise Invalid(f"{name}, line 1: the column {missing[0]} is missing.")

    @staticmethod
    def _line(name: str, number: int, heading: list[str], fields: list[str]) -> Line:
        if len(fields) != len(heading):
            raise Invalid(f"{name}, line {number}: {len(fields)} fields, where {len(heading)} are expected.")
        return Line(dict(zip(heading, fields, strict=True)), f"{name}, line {number}")
