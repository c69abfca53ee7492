"""A folder: whole files are read, and go to done/ or to refused/, where the reason lies beside them.

It is looked at every few seconds, which a Raspberry Pi does not notice and every file system can. A file is whole when
nothing about it changed for a while. Should the agent die between taking and moving, the file is read again and says
the same: by that the queue knows what it has.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from hilum.agent.source import Full, Sink
from hilum.agent.sources.payloads import LARGEST, Reader
from hilum.agent.sources.settings import named, settled
from hilum.phd.malformed import Malformed
from hilum.problems import Misconfigured

DONE, REFUSED = "done", "refused"
_log: Final = logging.getLogger("hilum.agent")
_FULL_SECONDS: Final = 30.0
_SHOWN: Final = 1 << 16
"""Bytes of a refused file that the sink gets; the file stays whole."""
_UNFINISHED: Final = (".part", ".tmp", ".swp", "~")
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]

Look = tuple[int, int, int]
"""Inode, size and time of the last change: another one, another file."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path`: of the folder. `quiet`: seconds without a change; 0 where files are renamed into it. `every`: seconds
    between two looks. `delete`: what was taken, instead of keeping it in done/. `patients`: as `Reader` has them.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)]
    quiet: _Seconds = 5.0
    every: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    delete: bool = False
    patients: dict[str, Annotated[int, msgspec.Meta(ge=0, le=65535)]] = {}


def source(table: Mapping[str, Any]) -> Folder:
    """The source that a table of `agent.toml` describes. Raises Misconfigured."""
    name, system_id = named(table)
    settings = settled(name, table, Settings)
    return Folder(name, settings, Reader(system_id, settings.patients))


@dataclass(slots=True)
class Folder:
    """The source."""

    name: str
    settings: Settings
    reader: Reader
    _looks: dict[str, tuple[Look, float]] = field(default_factory=dict)
    _moving: dict[str, tuple[Look, str]] = field(default_factory=dict)
    """What was taken and could not be moved: file -> what it was, and why it is refused; "": it is not."""

    async def run(self, sink: Sink) -> None:
        """As `Source.run`."""
        folder = Path(self.settings.path)
        try:
            for one in (folder, folder / DONE, folder / REFUSED):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"Source {self.name}: {folder}: {error.strerror}.") from None
        while True:
            seconds = await self._look(folder, sink)
            await asyncio.sleep(seconds)

    async def _look(self, folder: Path, sink: Sink) -> float:
        """Take what is whole. After so many seconds is the next look."""
        try:
            for file, look in self._whole(folder):
                await self._take(file, look, sink)
        except Full:
            _log.warning("folder-full source=%s", self.name)
            return max(_FULL_SECONDS, self.settings.every)
        except OSError as error:
            _log.warning("folder-failed source=%s errno=%s", self.name, error.errno)
        return self.settings.every

    def _whole(self, folder: Path) -> list[tuple[Path, Look]]:
        """Files that nothing changed for a while, the oldest first. A clock that jumps makes none older."""
        now, looks, found = time.monotonic(), {}, []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(_UNFINISHED):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    continue
                look = _look_of(entry.stat(follow_symlinks=False))
                before, since = self._looks.get(entry.name, (look, now))
                looks[entry.name] = (look, since if before == look else now)
                if now - looks[entry.name][1] >= self.settings.quiet:
                    found.append((look[2], entry.name))
        self._looks = looks
        self._moving = {name: one for name, one in self._moving.items() if name in looks}
        return [(folder / name, looks[name][0]) for _, name in sorted(found)]

    async def _take(self, file: Path, look: Look, sink: Sink) -> None:
        moving = self._moving.get(file.name)
        if moving is not None and moving[0] == look:
            self._move(file, moving[1])
            return
        data = await asyncio.to_thread(_read, file, look)
        if data is None:  # another one already
            return
        wrong = await self._taken(data, datetime.fromtimestamp(look[2] / 1e9, UTC).astimezone(), sink)
        if wrong:
            await sink.refuse(self.name, "", data[:_SHOWN], wrong)
        self._moving[file.name] = (look, wrong)
        self._move(file, wrong)

    async def _taken(self, data: bytes, at: datetime, sink: Sink) -> str:
        """Why not, or not all of it; "": all."""
        try:
            found = self.reader.read(data, at)
        except Malformed as error:
            return str(error)
        for taken in found.taken:
            await sink.take(taken)
        return found.wrong

    def _move(self, file: Path, wrong: str) -> None:
        to = _free(file.parent / (REFUSED if wrong else DONE), file.name)
        if wrong:
            to.with_name(f"{to.name}.reason.txt").write_text(f"{wrong}\n", "utf-8")
            file.rename(to)
        elif self.settings.delete:
            file.unlink()
        else:
            file.rename(to)
        self._moving.pop(file.name, None)
        self._looks.pop(file.name, None)


def _look_of(found: os.stat_result) -> Look:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(file: Path, look: Look) -> bytes | None:
    """A file's bytes, one more than are taken at most; None: it changed meanwhile. Raises OSError."""
    number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as opened:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        data = opened.read(LARGEST + 1)
        return data if _look_of(os.fstat(number)) == look else None


def _free(folder: Path, name: str) -> Path:
    """A name that is free there."""
    to, number = folder / name, 0
    while to.exists() or to.is_symlink():
        number += 1
        to = folder / f"{name}.{number}"
    return to
