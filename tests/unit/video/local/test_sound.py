"""Samples, and the track that is put together of them."""

from __future__ import annotations

import struct
import wave
from array import array
from pathlib import Path

import pytest

from hilum.video.local.sound import Sound, pause, read, track, trimmed

RATE = 8000


def tone(seconds: float, high: int = 8000) -> array[int]:
    return array("h", [high if at % 20 < 10 else -high for at in range(round(seconds * RATE))])


def still(seconds: float) -> array[int]:
    return array("h", bytes(2 * round(seconds * RATE)))


def wav(raw: bytes, *, stated: int | None = None, bits: int = 16, channels: int = 1) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, RATE, RATE * 2, 2, bits)
    size = len(raw) if stated is None else stated
    return (
        b"RIFF\xff\xff\xff\x7fWAVE"
        + b"LIST"
        + struct.pack("<I", 3)
        + b"abc\0"
        + b"fmt "
        + struct.pack("<I", 16)
        + form
        + (b"data" + struct.pack("<I", size) + raw)
    )


def test_a_wav_is_read_and_what_it_states_of_its_length_does_not_matter() -> None:
    raw = tone(0.01).tobytes()
    for stated in (None, 0x7FFFF000, 0xFFFFFFFF):
        found = read(wav(raw, stated=stated))
        assert found is not None and found.rate == RATE and found.samples.tobytes() == raw


@pytest.mark.parametrize(
    "bad",
    [b"", b"RIFF", b"not a WAV at all", wav(b"", bits=8), wav(b"", channels=2), wav(b"")[:30], b"RIFF\0\0\0\0WAVE"],
)
def test_what_is_no_such_wav_is_none(bad: bytes) -> None:
    assert read(bad) is None


def test_silence_at_both_ends_is_taken_away() -> None:
    found = trimmed(Sound(RATE, still(0.5) + tone(0.2) + still(0.3) + tone(0.1) + still(0.7)))
    assert found.seconds == pytest.approx(0.6, abs=0.011)


def test_of_silence_nothing_is_left() -> None:
    assert trimmed(Sound(RATE, still(0.5))).seconds == 0
    assert trimmed(Sound(RATE, array("h"))).seconds == 0


def test_a_pause_is_found_with_its_start_and_end() -> None:
    sound = Sound(RATE, tone(1.0) + still(0.2) + tone(1.0))
    assert pause(sound, 0.9, 0.3) == (pytest.approx(1.0), pytest.approx(1.2))


def test_where_there_is_no_pause_the_quietest_moment_parts() -> None:
    sound = Sound(RATE, tone(1.0) + tone(0.1, 2000) + tone(1.0))
    start, end = pause(sound, 1.0, 0.3)
    assert start == end == pytest.approx(1.05, abs=0.04)


def test_in_too_short_a_sound_nothing_is_sought() -> None:
    assert pause(Sound(RATE, tone(0.02)), 0.01, 0.3) == (0.01, 0.01)


def test_the_track_is_a_wav_with_sounds_where_they_were_put(tmp_path: Path) -> None:
    with track(tmp_path / "a.wav", RATE) as made:
        made.rest(1.5)
        made.add(Sound(RATE, tone(0.25)))
        made.rest(2.0)
        assert made.seconds == 2.0
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, RATE, 16000)
        whole = array("h", file.readframes(16000))
    assert whole == still(1.5) + tone(0.25) + still(0.25)
