"""When each sentence is said."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from tests.unit.video.local.pipers import PIPER1, RHASSPY, asked, model, piper
from tests.unit.video.local.played import LONG_SENTENCE, SHORT, WHOLE, scene, script, sentence

from hilum.video.local.frames import TURN, frames, keys, views
from hilum.video.local.narration import GAP, LEAD, RATE, READING, REST, SHORTEST, THINKING, narrate, spoken
from hilum.video.local.screens import screens
from hilum.video.local.sound import Sound
from hilum.video.local.voices import Voice, voice
from hilum.video.renderer import Unrendered
from hilum.video.script import DO, TEACH_BACK, Scene

ASK = "When will you take it, and how much will you take of it?"


class Spoken(Voice):
    """A tone for each letter, silence for a comma, and silence around."""

    engine = "tried"

    async def say(self, texts: Sequence[str], folder: Path) -> AsyncGenerator[Sound, None]:
        for text in texts:
            samples = array("h", bytes(1600))
            for letter in text:
                samples.extend([0] * 1600 if letter == "," else [6000, -6000] * 240)
            yield Sound(8000, samples + array("h", bytes(3200)))


def letters(text: str) -> float:
    return sum(0.2 if letter == "," else 0.06 for letter in text)


async def test_without_a_voice_it_is_as_long_as_reading_takes(tmp_path: Path) -> None:
    of = script(scene(DO, "A", "Short.", LONG_SENTENCE), scene(TEACH_BACK, "B", ASK))
    found = await narrate(of, None, tmp_path / "none.wav", lambda done: None)
    first, second, third = found.said
    assert (first.start, first.end) == (LEAD, pytest.approx(LEAD + SHORTEST))
    assert second.start == first.end + GAP
    assert second.end - second.start == pytest.approx(len(LONG_SENTENCE) / READING, rel=0.05)
    assert found.scenes == (0.0, second.end + REST)
    assert found.seconds == third.end + THINKING
    assert list(tmp_path.iterdir()) == []


async def test_with_a_voice_each_sentence_begins_and_ends_with_its_sound(tmp_path: Path) -> None:
    of = script(scene(DO, "A", "abc", "abcde"))
    found = await narrate(of, Spoken(()), tmp_path / "a.wav", lambda done: None)
    first, second = found.said
    assert (first.start, first.end) == (LEAD, pytest.approx(LEAD + letters("abc"), abs=0.011))
    assert second.end - second.start == pytest.approx(letters("abcde"), abs=0.011)
    assert (tmp_path / "a.wav").stat().st_size == 44 + 2 * round(found.seconds * 8000)


async def test_a_long_sentence_is_parted_at_its_pauses(tmp_path: Path) -> None:
    of = script(scene(DO, "A", LONG_SENTENCE))
    found = await narrate(of, Spoken(()), tmp_path / "a.wav", lambda done: None)
    cues = found.said[0].cues
    assert [cue.id for cue in cues] == ["do-0", "do-0-2", "do-0-3"]
    at = LEAD
    for cue in cues:
        said = cue.text.rstrip(",")
        assert cue.start == pytest.approx(at, abs=0.07)
        assert cue.end == pytest.approx(at + letters(said), abs=0.07)
        at += letters(cue.text) + letters(" ")
    assert found.said[0].at(0) == cues[0].start and found.said[0].at(1) == found.said[0].end


async def test_what_is_spoken_may_be_other_words_than_those_that_are_read(tmp_path: Path) -> None:
    own = sentence("a", "Take 2.5 mg.", spoken="Take 2.5 milligrams of it.")
    of = script(Scene("s", DO, "A", (own,)))
    found = await narrate(of, Spoken(()), tmp_path / "a.wav", lambda done: None)
    (cue,) = found.said[0].cues
    assert cue.text == own.text and cue.end - cue.start == pytest.approx(letters(own.spoken), abs=0.011)


def test_pieces_of_what_is_spoken_are_those_of_what_is_read() -> None:
    parts = ["Take 2.5 mg of it at 8:00 AM,", "and 5 mg of it at 6:00 PM,", "with food."]
    said = "Take 2.5 milligrams of it at 8 A M, and 5 milligrams of it at 6 P M, with food."
    assert spoken(parts, said) == [
        "Take 2.5 milligrams of it at 8 A M,", "and 5 milligrams of it at 6 P M,", "with food.",
    ]  # fmt: skip
    assert " ".join(spoken(parts, "Quite other words.")).split() == ["Quite", "other", "words."]


async def test_a_long_sentence_with_other_words_for_the_voice_is_parted_at_its_pauses(tmp_path: Path) -> None:
    text = LONG_SENTENCE.replace("knee", "km")
    own = sentence("a", text, spoken=text.replace("km", "kilometre and a half of it"))
    found = await narrate(script(Scene("s", DO, "A", (own,))), Spoken(()), tmp_path / "a.wav", lambda done: None)
    at, cues = LEAD, found.said[0].cues
    assert len(cues) > 2
    for cue in cues:
        said = cue.text.replace("km", "kilometre and a half of it")
        assert cue.start == pytest.approx(at, abs=0.07)
        at += letters(said) + letters(" ")


async def test_an_engine_that_says_nothing_for_a_sentence_is_told(tmp_path: Path) -> None:
    class Silent(Voice):
        engine = "tried"

        async def say(self, texts: Sequence[str], folder: Path) -> AsyncGenerator[Sound, None]:
            for _ in texts:
                yield Sound(8000, array("h", bytes(800)))

    with pytest.raises(Unrendered, match="gave silence"):
        await narrate(SHORT, Silent(()), tmp_path / "a.wav", lambda done: None)


@pytest.mark.parametrize("kind", [PIPER1, RHASSPY])
async def test_piper_reads_its_model_once_for_a_whole_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    own = tmp_path / "bin"
    piper(own, kind)
    monkeypatch.setenv("PATH", str(own))
    found = await narrate(WHOLE, voice("es", {"es": model(tmp_path)}), tmp_path / "a.wav", lambda done: None)
    (run,) = asked(own)
    sentences = [one for scene in WHOLE.scenes for one in scene.sentences]
    assert [line for line in run["lines"] if line in {one.text for one in sentences}] == [one.text for one in sentences]
    assert len(run["lines"]) == len(sentences) + 3, "the pieces of the long one, too"
    for one, said in zip(sentences, found.said, strict=True):
        silence = one.text.count(",") * 0.06
        assert said.end - said.start == pytest.approx(len(one.text) * 0.06, abs=0.011 + silence)


async def test_a_script_without_sentences_is_silent_with_a_voice_too(tmp_path: Path) -> None:
    found = await narrate(script(scene(DO, "A")), Spoken(()), tmp_path / "a.wav", lambda done: None)
    assert (tmp_path / "a.wav").stat().st_size == 44 + 2 * round(found.seconds * RATE)


async def test_progress_is_told_sentence_by_sentence(tmp_path: Path) -> None:
    told: list[float] = []
    await narrate(SHORT, None, tmp_path / "a.wav", told.append)
    assert told == [0.5, 1.0]


async def test_a_sentence_stands_out_from_its_first_sound_on(tmp_path: Path) -> None:
    found = await narrate(SHORT, None, tmp_path / "a.wav", lambda done: None)
    seen = views(screens(SHORT, "wide"), found)
    assert [(view.start, view.screen, view.sentence) for view in seen] == [
        (0.0, 0, None), (found.said[0].start, 0, 0), (found.scenes[1], 1, None), (found.said[1].start, 1, 0),
    ]  # fmt: skip


async def test_there_are_as_many_frames_as_the_length_has(tmp_path: Path) -> None:
    found = await narrate(SHORT, None, tmp_path / "a.wav", lambda done: None)
    sizes = [len(frame) for frame in frames(SHORT, screens(SHORT, "tall"), found, 5)]
    assert sizes == [720 * 1280 * 3] * round(found.seconds * 5)


async def test_no_text_is_seen_over_another_while_screens_change(tmp_path: Path) -> None:
    found = await narrate(SHORT, None, tmp_path / "a.wav", lambda done: None)
    own = screens(SHORT, "wide")
    (came,) = keys(own, found)
    middle = round((came - TURN / 2) * 25) - 1
    seen = next(islice(frames(SHORT, own, found, 25), middle, None))
    assert len(set(zip(seen[::3], seen[1::3], seen[2::3], strict=True))) == 1
