"""Files that are laid into a folder."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sources.sinks import Kept, running

from hilum.agent.sources import folder
from hilum.agent.sources.folder import Folder, source
from hilum.phd.reading import Quantity, Taken
from hilum.problems import Misconfigured

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


def watching(path: Path, **more: Any) -> Folder:
    return source({"kind": "folder", "path": str(path), "quiet": 0, "every": 0.02, **more})


def measured(value: str) -> bytes:
    return (
        b'{"device": "FE-ED-AB-EE-DE-AD-77-C3", "measurements": [{"type": "body-temperature", "value": '
        + value.encode()
        + b', "unit": "Cel", "time": "2026-11-24T07:30:00+01:00"}]}'
    )


def lay(path: Path, name: str, data: bytes, at: float = NOON) -> None:
    """As programs should: written beside, renamed in."""
    hidden = path / f".{name}"
    hidden.write_bytes(data)
    os.utime(hidden, (at, at))
    hidden.rename(path / name)


def values(taken: list[Taken]) -> list[str]:
    return [str(one.readings[0].value.value) for one in taken if isinstance(one.readings[0].value, Quantity)]


def names(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())


async def until_moved(path: Path, *expected: str) -> None:
    async with asyncio.timeout(20):
        while names(path) != sorted(expected):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_files_are_taken_the_oldest_first_and_done(tmp_path: Path) -> None:
    sink = Kept()
    lay(tmp_path, "a.json", measured("37.6"), NOON + 1)
    lay(tmp_path, "b.json", measured("36.60"), NOON)
    async with running(watching(tmp_path), sink):
        await until_moved(tmp_path, "done/a.json", "done/b.json")
    assert values(sink.taken) == ["36.60", "37.6"]
    assert sink.taken[0].received == datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_what_was_taken_is_deleted_where_that_is_wished(tmp_path: Path) -> None:
    sink = Kept()
    lay(tmp_path, "a.json", measured("37.6"))
    async with running(watching(tmp_path, delete=True), sink):
        await sink.until(taken=1)
        await until_moved(tmp_path)


async def test_a_file_that_says_nothing_lies_beside_its_reason(tmp_path: Path) -> None:
    sink = Kept()
    lay(tmp_path, "a.json", b"nonsense")
    async with running(watching(tmp_path, name="inbox"), sink):
        await until_moved(tmp_path, "refused/a.json", "refused/a.json.reason.txt")
    assert (tmp_path / "refused" / "a.json.reason.txt").read_text().startswith("expected JSON, HL7 v2")
    assert [(who, data) for who, _, data, _ in sink.refused] == [("inbox", b"nonsense")]


async def test_a_file_of_the_same_name_replaces_none(tmp_path: Path) -> None:
    sink = Kept()
    async with running(watching(tmp_path), sink):
        lay(tmp_path, "a.json", measured("37.6"))
        await until_moved(tmp_path, "done/a.json")
        lay(tmp_path, "a.json", measured("37.7"))
        await until_moved(tmp_path, "done/a.json", "done/a.json.1")
    assert values(sink.taken) == ["37.6", "37.7"]


async def test_a_file_that_still_grows_is_left_alone(tmp_path: Path) -> None:
    sink, watched = Kept(), watching(tmp_path, quiet=3600)
    for name in (folder.DONE, folder.REFUSED):
        (tmp_path / name).mkdir()
    whole = measured("37.6")
    (tmp_path / "a.json").write_bytes(whole[:20])
    await watched._look(tmp_path, sink)
    (tmp_path / "a.json").write_bytes(whole)
    await watched._look(tmp_path, sink)
    assert (sink.taken, sink.refused, names(tmp_path)) == ([], [], ["a.json"])


@pytest.mark.parametrize("name", [".hidden.json", "a.json.part", "a.tmp", "a.json~"])
async def test_names_of_unfinished_files_are_passed_over(tmp_path: Path, name: str) -> None:
    sink = Kept()
    (tmp_path / name).write_bytes(measured("37.6"))
    lay(tmp_path, "b.json", measured("36.6"))
    async with running(watching(tmp_path), sink):
        await until_moved(tmp_path, name, "done/b.json")
    assert values(sink.taken) == ["36.6"]


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    inbox, elsewhere, sink = tmp_path / "inbox", tmp_path / "elsewhere.json", Kept()
    inbox.mkdir()
    elsewhere.write_bytes(measured("37.6"))
    (inbox / "a.json").symlink_to(elsewhere)
    lay(inbox, "b.json", measured("36.6"))
    async with running(watching(inbox), sink):
        await until_moved(inbox, "a.json", "done/b.json")
    assert values(sink.taken) == ["36.6"]


async def test_who_dies_between_taking_and_moving_reads_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Kept()
    lay(tmp_path, "a.json", measured("37.6"))

    def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as died:
        died.setattr(Folder, "_move", killed)
        with pytest.raises(asyncio.CancelledError):
            await watching(tmp_path).run(sink)
    async with running(watching(tmp_path), sink):
        await until_moved(tmp_path, "done/a.json")
    first, again = sink.taken
    assert first == again


async def test_a_file_that_can_not_be_moved_is_taken_once(tmp_path: Path) -> None:
    sink, watched = Kept(), watching(tmp_path)
    lay(tmp_path, "a.json", measured("37.6"))
    await watched._look(tmp_path, sink)  # no folder to move it to
    await watched._look(tmp_path, sink)
    assert (values(sink.taken), names(tmp_path)) == (["37.6"], ["a.json"])
    (tmp_path / folder.DONE).mkdir()
    await watched._look(tmp_path, sink)
    assert (values(sink.taken), names(tmp_path)) == (["37.6"], ["done/a.json"])


async def test_without_room_a_file_stays_where_it_is(tmp_path: Path) -> None:
    sink, watched = Kept(), watching(tmp_path)
    (tmp_path / folder.DONE).mkdir()
    lay(tmp_path, "a.json", measured("37.6"))
    sink.full = True
    assert await watched._look(tmp_path, sink) > watched.settings.every
    assert names(tmp_path) == ["a.json"]
    sink.full = False
    await watched._look(tmp_path, sink)
    assert (values(sink.taken), names(tmp_path)) == (["37.6"], ["done/a.json"])


@pytest.mark.parametrize("table", [{}, {"path": ""}, {"path": "x", "every": 0}, {"path": "x", "more": 1}], ids=str)
def test_settings_that_will_never_work_are_told(table: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="Source inbox"):
        source({"name": "inbox", **table})


async def test_a_folder_that_can_not_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match="Not a directory"):
        await watching(tmp_path / "file" / "inbox").run(Kept())
