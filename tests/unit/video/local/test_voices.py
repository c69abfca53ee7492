"""Speech engines: which is taken, what is asked of it, and what when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.video.local.played import needs_voice
from tests.unit.video.local.programs import program

from hilum.video.local import voices
from hilum.video.local.sound import trimmed
from hilum.video.local.voices import Voice, voice
from hilum.video.renderer import Unrendered

ECHO = """
asked = sys.stdin.buffer.read()
with open(os.path.join(os.path.dirname(__file__), "asked.json"), "w") as file:
    json.dump({"arguments": sys.argv[1:], "text": asked.decode(), "names": sorted(os.environ)}, file)
sys.stdout.buffer.write(struct.pack("<400h", *[9000, -9000] * 200))
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it."""
    own = tmp_path / "bin"
    own.mkdir()
    monkeypatch.setenv("PATH", str(own))
    return own


def model(folder: Path, rate: object = 16000) -> Path:
    (folder / "es.onnx").write_bytes(b"model")
    (folder / "es.onnx.json").write_text(json.dumps({"audio": {"sample_rate": rate}}))
    return folder / "es.onnx"


def test_without_an_engine_there_is_no_voice(path: Path) -> None:
    assert voice("en", {}) is None


def test_espeak_ng_is_asked_for_the_voice_of_the_language(path: Path) -> None:
    own = program(path, "espeak-ng", "")
    for language, expected in (("en", "en-us"), ("en-GB", "en-us"), ("es", "es-419"), ("es_MX", "es-419")):
        found = voice(language, {})
        assert found and found.command[0] == str(own) and found.command[-2:] == ("-v", expected)
    assert voice("xx", {}) is None


async def test_piper_gets_the_text_by_its_input_and_gives_bare_samples(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_SEALING_KEY", "secret")
    program(path, "espeak-ng", "")
    program(path, "piper", ECHO)
    found = voice("es-US", {"es": model(tmp_path)})
    assert found is not None and found.engine == "piper"
    sound = await found.say("Tome 10 mg.")
    assert (sound.rate, len(sound.samples)) == (16000, 400)
    asked = json.loads((path / "asked.json").read_text())
    assert asked["text"] == "Tome 10 mg.\n"
    assert asked["arguments"] == ["--output-raw", "--length-scale", "1.1", "--model", str(tmp_path / "es.onnx")]
    assert [name for name in asked["names"] if name.startswith("HILUM")] == []


def test_a_voice_that_was_set_and_is_not_there_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Unrendered, match="piper is not in PATH") as found:
        voice("es", {"es": model(tmp_path)})
    assert found.value.code == "no-voice"
    program(path, "piper", ECHO)
    with pytest.raises(Unrendered, match=r"es\.onnx\.json"):
        voice("es", {"es": model(tmp_path, rate="fast")})
    own = model(tmp_path)
    own.unlink()
    with pytest.raises(Unrendered, match="is not there"):
        voice("es", {"es": own})


@pytest.mark.parametrize("body", ["sys.exit(3)", "print('no sound')", "os.kill(os.getpid(), 9)"])
async def test_an_engine_that_gives_no_sound_is_told_without_its_words(path: Path, body: str) -> None:
    own = program(path, "espeak-ng", body)
    with pytest.raises(Unrendered, match=r"espeak-ng ended with -?[0-9]+ and gave no sound") as found:
        await Voice("espeak-ng", (str(own),)).say("Rosa")
    assert found.value.code == "voice-failed" and "Rosa" not in found.value.text


async def test_an_engine_that_hangs_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "LONGEST", 0.2)
    own = program(path, "espeak-ng", "time.sleep(60)")
    with pytest.raises(Unrendered) as found:
        await Voice("espeak-ng", (str(own),)).say("Rosa")
    assert (found.value.code, found.value.again) == ("voice-stuck", True)


async def test_an_engine_that_can_not_be_started_is_told(path: Path) -> None:
    with pytest.raises(Unrendered, match="can't be started"):
        await Voice("espeak-ng", (str(path / "none"),)).say("Rosa")


@needs_voice
@pytest.mark.parametrize("language, text", [("en", "Take it at eight."), ("es", "Tómela a las ocho, señora.")])
async def test_espeak_ng_speaks(language: str, text: str) -> None:
    found = voice(language, {})
    assert found is not None
    sound = trimmed(await found.say(text))
    assert 0.8 < sound.seconds < 5
