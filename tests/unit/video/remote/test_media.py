"""What a file really is: of every cut of a video none passes for the whole."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.unit.video.remote.studio import STANDIN

from hilum.video.remote.media import Broken, Media, media

_spec = importlib.util.spec_from_file_location("storyboard_service", STANDIN)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
WEBM: bytes = _module.PREPARED


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def track(kind: bytes) -> bytes:
    return box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + kind + bytes(12))))


HEADER = box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 2500) + bytes(80))
MP4 = box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", HEADER + track(b"vide") + track(b"soun")) + box(b"mdat", bytes(99))


def of(folder: Path, content: bytes) -> Media:
    path = folder / "video"
    path.write_bytes(content)
    return media(path)


def test_type_length_and_sound(tmp_path: Path) -> None:
    assert of(tmp_path, WEBM) == Media("video/webm", 2.0, False)
    assert of(tmp_path, MP4) == Media("video/mp4", 2.5, True)


@pytest.mark.parametrize("whole", [WEBM, MP4], ids=["webm", "mp4"])
def test_no_cut_of_it_passes(tmp_path: Path, whole: bytes) -> None:
    for size in range(0, len(whole), 3):
        with pytest.raises(Broken):
            of(tmp_path, whole[:size])


@pytest.mark.parametrize("content", [b"", b"<!doctype html>", b"RIFF....AVI ", WEBM.replace(b"webm", b"mkvv"),
                                     MP4.replace(b"vide", b"text")])  # fmt: skip
def test_what_is_something_else_is_told_from_what_is_cut_off(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Broken) as caught:
        of(tmp_path, content)
    assert caught.value.whole


@given(at=some.integers(0, len(WEBM) - 1), byte=some.integers(0, 255), which=some.booleans())
def test_a_damaged_file_is_judged_and_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, which: bool
) -> None:
    whole = WEBM if which else MP4
    at %= len(whole)
    try:
        found = of(tmp_path_factory.getbasetemp(), whole[:at] + bytes([byte]) + whole[at + 1 :])
    except Broken:
        return
    assert 0 <= found.seconds <= 86_400
