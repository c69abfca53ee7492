"""Speech engines: which is taken, what is asked of it, and what when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.video.local.pipers import PIPER1, RHASSPY, asked, model, piper
from tests.unit.video.local.played import needs_voice
from tests.unit.video.local.programs import program

from hilum.video.local import voices
from hilum.video.local.sound import Sound, trimmed
from hilum.video.local.voices import Espeak, Piper, Voice, voice
from hilum.video.renderer import Unrendered


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it."""
    own = tmp_path / "bin"
    own.mkdir()
    monkeypatch.setenv("PATH", str(own))
    return own


async def said(own: Voice, folder: Path, *texts: str) -> list[Sound]:
    return [sound async for sound in own.say(texts, folder)]


def test_without_an_engine_there_is_no_voice(path: Path) -> None:
    assert voice("en", {}) is None


def test_espeak_ng_is_asked_for_the_voice_of_the_language(path: Path) -> None:
    own = program(path, "espeak-ng", "")
    for language, expected in (("en", "en-us"), ("en-GB", "en-us"), ("es", "es-419"), ("es_MX", "es-419")):
        found = voice(language, {})
        assert found and found.command[0] == str(own) and found.command[-2:] == ("-v", expected)
    assert voice("xx", {}) is None


@pytest.mark.parametrize("kind", [PIPER1, RHASSPY])
async def test_piper_says_all_texts_in_one_run_and_gets_them_by_its_input(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HILUM_SEALING_KEY", "secret")
    program(path, "espeak-ng", "")
    piper(path, kind)
    found = voice("es-US", {"es": model(tmp_path)})
    assert found is not None and found.engine == "piper"
    texts = ["Tome 10 mg.", "Señora,\nllame.", *(str(number) for number in range(20))]
    sounds = await said(found, tmp_path, *texts)
    assert [(one.rate, len(one.samples)) for one in sounds] == [(8000, 2400 + 480 * len(text)) for text in texts]
    (run,) = asked(path)
    assert run["lines"] == [text.replace("\n", " ") for text in texts]
    assert run["arguments"][:5] == ["--length-scale", "1.1", "--model", str(tmp_path / "es.onnx"), "--output_dir"]
    assert [name for name in run["names"] if name.startswith("HILUM")] == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bin", "es.onnx", "es.onnx.json"]


@pytest.mark.parametrize("body", ["sys.exit(1)", "written(sys.argv[-1], 1, 'a')", "os.kill(os.getpid(), 9)"])
async def test_piper_that_does_not_say_all_of_it_is_told_without_its_words(
    path: Path, tmp_path: Path, body: str
) -> None:
    found = Piper((str(piper(path, body)),))
    with pytest.raises(Unrendered, match=r"piper (ended with|made 1 files of 2 lines)") as caught:
        await said(found, tmp_path, "Rosa", "Llame.")
    assert (caught.value.code, caught.value.again) == ("voice-failed", "kill" in body)
    assert "Rosa" not in caught.value.text
    assert not (tmp_path / "piper").exists()


def test_a_voice_that_was_set_and_is_not_there_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(Unrendered, match="piper is not in PATH") as found:
        voice("es", {"es": model(tmp_path)})
    assert found.value.code == "no-voice"
    piper(path, PIPER1)
    own = model(tmp_path)
    (tmp_path / "es.onnx.json").unlink()
    with pytest.raises(Unrendered, match=r"es\.onnx\.json"):
        voice("es", {"es": own})
    model(tmp_path)
    own.unlink()
    with pytest.raises(Unrendered, match="is not there"):
        voice("es", {"es": own})


@pytest.mark.parametrize("body", ["sys.exit(3)", "print('no sound')", "os.kill(os.getpid(), 9)"])
async def test_an_engine_that_gives_no_sound_is_told_without_its_words(path: Path, body: str) -> None:
    own = program(path, "espeak-ng", body)
    with pytest.raises(Unrendered, match=r"espeak-ng ended with -?[0-9]+ and gave no sound") as found:
        await said(Espeak((str(own),)), path, "Rosa")
    assert found.value.code == "voice-failed" and "Rosa" not in found.value.text


async def test_an_engine_that_hangs_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "LONGEST", 0.2)
    own = program(path, "espeak-ng", "time.sleep(60)")
    with pytest.raises(Unrendered) as found:
        await said(Espeak((str(own),)), path, "Rosa")
    assert (found.value.code, found.value.again) == ("voice-stuck", True)


async def test_an_engine_that_can_not_be_started_is_told(path: Path) -> None:
    with pytest.raises(Unrendered, match="can't be started"):
        await said(Espeak((str(path / "none"),)), path, "Rosa")


@needs_voice
@pytest.mark.parametrize("language, text", [("en", "Take it at eight."), ("es", "Tómela a las ocho, señora.")])
async def test_espeak_ng_speaks(language: str, text: str, tmp_path: Path) -> None:
    found = voice(language, {})
    assert found is not None
    (sound,) = await said(found, tmp_path, text)
    assert 0.8 < trimmed(sound).seconds < 5


async def test_numbers_are_given_as_they_are_said_in_the_language(path: Path, tmp_path: Path) -> None:
    piper(path, PIPER1)
    found = voice("es", {"es": model(tmp_path)})
    assert found is not None
    await said(found, tmp_path, "Tome 0.125 mg.")
    assert asked(path)[0]["lines"] == ["Tome 0 punto 1 2 5 mg."]
    program(path, "espeak-ng", "open(sys.argv[0] + '.said', 'w').write(sys.stdin.read())")
    with pytest.raises(Unrendered):
        await said(Espeak((str(path / "espeak-ng"),), "es"), tmp_path, "Tome 0.125 mg.")
    assert (path / "espeak-ng.said").read_text() == "Tome 0 punto 1 2 5 mg.\n"
