"""What a file really is: WebM or MP4, whole or cut off, how long, with sound or without. Nothing of it is decoded.

https://www.rfc-editor.org/rfc/rfc8794 (EBML), https://www.rfc-editor.org/rfc/rfc9559 (Matroska)
https://developer.apple.com/documentation/quicktime-file-format (boxes of ISO/IEC 14496-12)
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

_EBML: Final = 0x1A45DFA3
_DOCTYPE: Final = 0x4282
_SEGMENT: Final = 0x18538067
_INFO: Final = 0x1549A966
_SCALE: Final = 0x2AD7B1
_DURATION: Final = 0x4489
_TRACKS: Final = 0x1654AE6B
_TRACK: Final = 0xAE
_TRACK_TYPE: Final = 0x83
_CLUSTER: Final = 0x1F43B675
_SOUND: Final = 2
_MOST: Final = 16 << 20
"""Bytes of a table that are read: that of an hour's video has less."""
_PARTS: Final = 100_000
LONGEST: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Media:
    """`seconds`: 0 where the file does not say."""

    type: str
    seconds: float
    sound: bool


class Broken(Exception):
    """It is of neither kind (`whole`), or is not whole."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.whole = whole


def media(path: Path) -> Media:
    """Of a file. Raises Broken, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        try:
            if head[:4] == b"\x1aE\xdf\xa3":
                return _webm(file, size)
            if head[4:8] == b"ftyp":
                return _mp4(file, size)
        except (struct.error, IndexError, EOFError):
            raise Broken(whole=False) from None
    raise Broken(whole=True)


# --- WebM -------------------------------------------------------------------------------------------------------------


def _webm(file: BinaryIO, size: int) -> Media:
    names: dict[int, tuple[int, int]] = {}
    for id, start, end in _elements(file, 0, size):
        names[id] = (start, end)
        if id == _SEGMENT:
            break
    if _EBML not in names or _SEGMENT not in names:
        raise Broken(whole=False)
    if _within(file, names[_EBML]).get(_DOCTYPE, [b""])[0].rstrip(b"\0") != b"webm":
        raise Broken(whole=True)
    info: dict[int, list[bytes]] | None = None
    tracks: list[bytes] | None = None
    pictures = False
    for id, start, end in _elements(file, *names[_SEGMENT]):
        if id == _INFO:
            info = _within(file, (start, end))
        elif id == _TRACKS:
            tracks = _within(file, (start, end)).get(_TRACK, [])
        elif id == _CLUSTER:
            pictures = True
            if info is not None and tracks is not None:
                break
    if info is None or not tracks or not pictures:
        raise Broken(whole=False)
    scale = int.from_bytes(info.get(_SCALE, [b"\x0f\x42\x40"])[0], "big")
    ticks = info.get(_DURATION, [b""])[0]
    length = struct.unpack(">f" if len(ticks) == 4 else ">d", ticks)[0] if ticks else 0.0
    kinds = [int.from_bytes(_parts(one).get(_TRACK_TYPE, [b""])[0], "big") for one in tracks]
    return Media("video/webm", _sane(length * scale / 1e9), _SOUND in kinds)


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Ids, and where contents begin and end. What says that it ends after its parent is cut off. Raises Broken."""
    for _ in range(_PARTS):
        if start >= end:
            return
        file.seek(start)
        id, size, taken = _head(file.read(12))
        begin = start + taken
        stop = end if size is None else begin + size
        if stop > end:
            raise Broken(whole=False)
        yield id, begin, stop
        start = stop


def _head(raw: bytes) -> tuple[int, int | None, int]:
    """Id, size (None: unknown, until something else ends it) and length of an element's head."""
    many = 9 - raw[0].bit_length()
    if not 1 <= many <= 4:
        raise Broken(whole=False)
    more = 9 - raw[many].bit_length()
    if not 1 <= more <= 8 or len(raw) < many + more:
        raise Broken(whole=False)
    mask = (1 << 7 * more) - 1
    size = int.from_bytes(raw[many : many + more], "big") & mask
    return int.from_bytes(raw[:many], "big"), None if size == mask else size, many + more


def _within(file: BinaryIO, span: tuple[int, int]) -> dict[int, list[bytes]]:
    start, end = span
    if end - start > _MOST:
        raise Broken(whole=False)
    file.seek(start)
    return _parts(file.read(end - start))


def _parts(raw: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(raw):
        id, size, taken = _head(raw[at : at + 12])
        at += taken
        stop = len(raw) if size is None else at + size
        if stop > len(raw):
            raise Broken(whole=False)
        found.setdefault(id, []).append(raw[at:stop])
        at = stop
    return found


# --- MP4 --------------------------------------------------------------------------------------------------------------


def _mp4(file: BinaryIO, size: int) -> Media:
    found: dict[bytes, tuple[int, int]] = {}
    at = 0
    for _ in range(_PARTS):
        if at >= size:
            break
        file.seek(at)
        raw = file.read(16)
        length, name, taken = struct.unpack(">I", raw[:4])[0], raw[4:8], 8
        if length == 1:
            length, taken = struct.unpack(">Q", raw[8:16])[0], 16
        stop = size if length == 0 else at + length
        if stop > size or stop < at + taken:
            raise Broken(whole=False)
        found.setdefault(name, (at + taken, stop))
        at = stop
    if b"moov" not in found or not ({b"mdat", b"moof"} & set(found)):
        raise Broken(whole=False)
    start, end = found[b"moov"]
    if end - start > _MOST:
        raise Broken(whole=False)
    file.seek(start)
    moov = _boxes(file.read(end - start))
    header = moov.get(b"mvhd", [b""])[0]
    scale, ticks = struct.unpack(">IQ", header[20:32]) if header[0] == 1 else struct.unpack(">II", header[12:20])
    kinds = [_kind(track) for track in moov.get(b"trak", [])]
    if b"vide" not in kinds:
        raise Broken(whole=True)
    return Media("video/mp4", _sane(ticks / scale if scale else 0.0), b"soun" in kinds)


def _kind(track: bytes) -> bytes:
    medium = _boxes(track).get(b"mdia", [b""])[0]
    return _boxes(medium).get(b"hdlr", [b""])[0][8:12]


def _boxes(raw: bytes) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    at = 0
    while at < len(raw):
        length = struct.unpack(">I", raw[at : at + 4])[0]
        stop = at + length
        if length < 8 or stop > len(raw):
            raise Broken(whole=False)
        found.setdefault(raw[at + 4 : at + 8], []).append(raw[at + 8 : stop])
        at = stop
    return found


def _sane(seconds: float) -> float:
    return seconds if math.isfinite(seconds) and 0 < seconds <= LONGEST else 0.0
