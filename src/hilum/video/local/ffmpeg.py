"""The program ffmpeg: where it is, which encoders it has, and how it is asked. https://ffmpeg.org/ffmpeg.html

hilum brings none and links to none of its libraries: its user installs one, and with it the licences of its encoders.
VP9, AV1 and Opus are free of royalties; H.264 and AAC are there for who wants them (ADR 0016).
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hilum.video.local.processes import surroundings
from hilum.video.renderer import Codec, Unrendered

RATE: Final = 25
"""Frames a second."""
KEYS: Final = 5 * RATE
"""From key frame to key frame, so that one can jump to any place."""
COLOURS: Final = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1"
)
"""What players expect of video; said in the file, so that none guesses."""
TO_INSTALL: Final = "install ffmpeg (apt install ffmpeg, brew install ffmpeg) or name one by HILUM_FFMPEG"


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of ffmpeg's, and how it is asked to be quick with pictures that hardly move."""

    name: str
    options: str


@dataclass(frozen=True, slots=True)
class Format:
    """A file of one codec. `video`, `audio`: encoders that make it, the better first."""

    suffix: str
    muxer: str
    video: tuple[Encoder, ...]
    audio: tuple[Encoder, ...]
    options: tuple[str, ...] = ()


OPUS: Final = (Encoder("libopus", "-b:a 48k -application voip"),)
AAC: Final = (Encoder("aac", "-b:a 96k"), Encoder("libfdk_aac", "-b:a 96k"))
VP9: Final = (
    Encoder("libvpx-vp9", "-deadline realtime -cpu-used 7 -lag-in-frames 0 -row-mt 1 -tile-columns 1 -b:v 0 -crf 30"),
)
AV1: Final = (
    Encoder("libsvtav1", "-preset 10 -crf 34 -svtav1-params lp=2"),
    Encoder("libaom-av1", "-usage realtime -cpu-used 9 -lag-in-frames 0 -row-mt 1 -b:v 0 -crf 32"),
)
H264: Final = (
    Encoder("libx264", "-preset superfast -tune stillimage -crf 21"),
    Encoder("libopenh264", "-b:v 1200k"),
    Encoder("h264_videotoolbox", "-b:v 1200k"),
)
FORMATS: Final[dict[Codec, Format]] = {
    "vp9": Format(".webm", "webm", VP9, OPUS),
    "av1": Format(".webm", "webm", AV1, OPUS),
    "h264": Format(".mp4", "mp4", H264, AAC, ("-movflags", "+faststart")),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A program and what it is to use."""

    program: str
    format: Format
    video: Encoder
    audio: Encoder

    def command(
        self, size: tuple[int, int], keys: Sequence[float], sound: Path | None, to: Path, title: str, language: str
    ) -> list[str]:
        """Frames from its standard input, sound from a file; `keys`: moments that can be shown without those before.
        Nothing of a patient is among its arguments, nor does the file say when or by what it was made.
        """
        wide, high = size
        inputs = [
            "-f",
            "rawvideo",
            "-pixel_format",
            "rgb24",
            "-video_size",
            f"{wide}x{high}",
            "-framerate",
            str(RATE),
            "-i",
            "pipe:0",
        ]
        tracks = ["-map", "0:v:0", "-metadata:s:v:0", f"language={language}"]
        if sound is not None:
            inputs += ["-i", str(sound)]
            tracks += [
                "-map",
                "1:a:0",
                "-c:a",
                self.audio.name,
                *self.audio.options.split(),
                "-ar",
                "48000",
                "-ac",
                "1",
            ]
            tracks += ["-metadata:s:a:0", f"language={language}"]
        return [
            *(self.program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
            *inputs,
            *tracks,
            *("-c:v", self.video.name, *self.video.options.split(), "-g", str(KEYS), "-threads", "2"),
            *(("-force_key_frames", ",".join(f"{at:.2f}" for at in keys)) if keys else ()),
            *("-vf", COLOURS),
            *("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"),
            *("-metadata", f"title={title}", *self.format.options, "-f", self.format.muxer, str(to)),
        ]


def chosen(codec: Codec, named: str = "") -> Chosen:
    """The first program that has what the codec needs: the one that is named, or else any. Raises Unrendered."""
    wanted = FORMATS.get(codec)
    if wanted is None:
        raise Unrendered("no-codec", f"No codec “{codec}”. There are {', '.join(FORMATS)}.")
    programs = list(dict.fromkeys(_programs(named)))
    for program in programs:
        own = encoders(program, _changed(program))
        video = next((one for one in wanted.video if one.name in own), None)
        audio = next((one for one in wanted.audio if one.name in own), None)
        if video and audio:
            return Chosen(program, wanted, video, audio)
    if not programs:
        raise Unrendered("no-ffmpeg", f"Videos are encoded by ffmpeg, and there is none: {TO_INSTALL}.")
    own = encoders(programs[0], _changed(programs[0]))
    if not own:
        raise Unrendered(
            "no-ffmpeg", f"The program {Path(programs[0]).name} does not answer as ffmpeg does: {TO_INSTALL}."
        )
    kinds = [kind for kind in (wanted.video, wanted.audio) if not any(one.name in own for one in kind)]
    missing = " and ".join(" or ".join(one.name for one in kind) for kind in kinds)
    raise Unrendered(
        "no-encoder",
        f"{codec.upper()} needs an ffmpeg with {missing}: choose another codec, or {TO_INSTALL}.",
    )


def _programs(named: str) -> Iterator[str]:
    """Where it is."""
    if named:
        found = shutil.which(named)
        if found is None:
            raise Unrendered(
                "no-ffmpeg",
                f"HILUM_FFMPEG names {Path(named).name}, and there is no such program: correct it, or leave it out.",
            )
        yield found
        return
    if found := shutil.which("ffmpeg"):
        yield found
    try:
        yield str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError, OSError):
        return


def _changed(program: str) -> float:
    try:
        return os.stat(program).st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=8)
def encoders(program: str, changed: float) -> frozenset[str]:
    """Their names, as it tells them; none where it does not. `changed`: another under the same name is asked anew."""
    try:
        told = subprocess.run(  # noqa: S603 the program that was set, or found in PATH
            [program, "-hide_banner", "-encoders"],
            capture_output=True, timeout=30, env=surroundings(), stdin=subprocess.DEVNULL, check=False,
        ).stdout.decode(errors="replace")  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    lines = (line.split() for line in told.partition("------")[2].splitlines())
    return frozenset(words[1] for words in lines if len(words) > 1)
