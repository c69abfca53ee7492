"""Which ffmpeg is taken, and what is said where none will do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.video.local.programs import program

from hilum.video.local import ffmpeg
from hilum.video.local.ffmpeg import FORMATS, chosen
from hilum.video.renderer import Codec, Unrendered


def listing(*names: str) -> str:
    lines = "\n".join(f" V....D {name}  something" for name in names)
    return f"print('''Encoders:\n V..... = Video\n ------\n{lines}''')"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it, and no imageio-ffmpeg."""
    own = tmp_path / "bin"
    own.mkdir()
    monkeypatch.setenv("PATH", str(own))

    def none(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("hilum.video.local.ffmpeg.importlib.import_module", none)
    return own


def test_without_ffmpeg_it_is_told_how_to_get_one(path: Path) -> None:
    with pytest.raises(Unrendered, match=r"install ffmpeg .* HILUM_FFMPEG") as found:
        chosen("vp9")
    assert (found.value.code, found.value.side, found.value.again) == ("no-ffmpeg", "ours", False)


def test_the_one_in_path_is_found_and_asked_which_encoders_it_has(path: Path) -> None:
    own = program(path, "ffmpeg", listing("libvpx-vp9", "libopus", "libopenh264", "aac"))
    assert chosen("vp9").program == str(own)
    assert chosen("h264").video.name == "libopenh264"
    with pytest.raises(Unrendered, match=r"AV1 needs an ffmpeg with libsvtav1 or libaom-av1") as found:
        chosen("av1")
    assert found.value.code == "no-encoder"


def test_the_better_encoder_is_taken_where_there_are_two(path: Path) -> None:
    program(path, "ffmpeg", listing("libaom-av1", "libsvtav1", "libopus"))
    assert chosen("av1").video.name == "libsvtav1"


def test_sound_needs_an_encoder_too(path: Path) -> None:
    program(path, "ffmpeg", listing("libvpx-vp9"))
    with pytest.raises(Unrendered, match="VP9 needs an ffmpeg with libopus"):
        chosen("vp9")


def test_another_program_under_the_same_name_is_asked_anew(path: Path) -> None:
    own = program(path, "ffmpeg", listing("nothing"))
    os.utime(own, (1, 1))
    with pytest.raises(Unrendered):
        chosen("vp9")
    program(path, "ffmpeg", listing("libvpx-vp9", "libopus"))
    assert chosen("vp9").video.name == "libvpx-vp9"


def test_the_one_that_is_named_and_no_other_is_taken(path: Path, tmp_path: Path) -> None:
    program(path, "ffmpeg", listing("libvpx-vp9", "libopus"))
    own = program(tmp_path / "own", "mine", listing("libvpx-vp9", "libopus"))
    assert chosen("vp9", str(own)).program == str(own)
    with pytest.raises(Unrendered, match="HILUM_FFMPEG names none"):
        chosen("vp9", str(tmp_path / "none"))


@pytest.mark.parametrize("body", ["sys.exit(1)", "print('hello')"])
def test_what_does_not_answer_as_ffmpeg_does_is_told(path: Path, body: str) -> None:
    program(path, "ffmpeg", body)
    with pytest.raises(Unrendered, match="does not answer as ffmpeg does"):
        chosen("vp9")


def test_a_codec_that_there_is_not_is_told(path: Path) -> None:
    with pytest.raises(Unrendered, match="There are vp9, av1, h264"):
        chosen("mpeg2")  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", FORMATS)
def test_nothing_of_the_patient_is_among_the_arguments(codec: Codec, tmp_path: Path) -> None:
    found = ffmpeg.Chosen("ffmpeg", FORMATS[codec], FORMATS[codec].video[0], FORMATS[codec].audio[0])
    command = found.command(
        (1280, 720), [1.5, 60.04], tmp_path / "sound.wav", tmp_path / "video", "From your care team", "eng"
    )
    assert "title=From your care team" in command and "language=eng" in command
    assert command[command.index("-force_key_frames") + 1] == "1.50,60.04"
    assert command[-1] == str(tmp_path / "video")
    assert ("+faststart" in command) == (codec == "h264")
