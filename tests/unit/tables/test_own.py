"""Files of which each is one thing: one's own beside those that come with hilum, and one that is not sound."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from hilum.problems import Invalid
from hilum.tables import own
from hilum.tables.own import Own, Tables
from hilum.web import log


class Pets(Tables[str]):
    kind = "pet"


def pet(file: str, text: str) -> str:
    _, place, table = own.opened("pet", file, text)
    return place.at("says").text(table.get("says"))


def pets(folder: Path) -> Pets:
    return own.beside(Pets, {"cat": "miaow", "dog": "woof"}, folder, pet)


def test_packaged_ones_are_read_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    for name, text in (("dog.toml", 'says = "woof"'), ("cat.toml", 'says = "miaow"'), ("notes.txt", "")):
        (tmp_path / name).write_text(text)
    assert list(own.packaged(tmp_path, pet).items()) == [("cat", "miaow"), ("dog", "woof")]


def test_one_s_own_stand_in_the_place_of_packaged_ones(tmp_path: Path) -> None:
    assert pets(tmp_path / "none") == Pets({"cat": "miaow", "dog": "woof"})
    (tmp_path / "dog.toml").write_text('says = "yap"')
    (tmp_path / "cow.toml").write_text('says = "moo"')
    assert pets(tmp_path) == Pets({"cat": "miaow", "cow": "moo", "dog": "yap"})


def test_a_file_that_is_not_sound_stops_itself_alone_and_has_no_packaged_one_in_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    (folder / "dog.toml").write_text("says = 3")
    (folder / "Cow 1.toml").write_text('says = "moo"')
    (folder / "odd.toml").write_bytes(b"\xff")
    (folder / "hen.toml").mkdir()
    found = pets(folder)
    assert dict(found) == {"cat": "miaow"}
    assert found.unsound == {
        "dog": "Pet pets/dog.toml: says must be a text; found 3.",
        "Cow 1": "Pet pets/Cow 1.toml: the name must have at most 40 letters a-z, digits and '-'.",
        "odd": "Pet pets/odd.toml can't be read: expected a file of UTF-8 text.",
        "hen": "Pet pets/hen.toml can't be read: expected a file of UTF-8 text.",
    }
    assert found.names == {"cat", "dog", "Cow 1", "odd", "hen"}


def test_a_name_gives_the_thing_or_why_there_is_none() -> None:
    found = Pets({"cat": "miaow", "ape": "ooh"}, {"dog": "Pet pets/dog.toml is not TOML."})
    assert found.named("cat") == "miaow"
    for name, said in (
        ("dog", "The pet 'dog' can't be used. Pet pets/dog.toml is not TOML."),
        ("emu", "There is no pet 'emu'. There are ape, cat."),
    ):
        with pytest.raises(Invalid) as caught:
            found.named(name)
        assert (str(caught.value), caught.value.issues[0].expression) == (said, "pet")


def test_what_is_wrong_with_a_file_is_logged_once_and_again_when_it_is_another_thing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure()
    known = Own(partial(pets, tmp_path))
    for text in ("says = 3", "says = 3", "says"):
        (tmp_path / "cow.toml").write_text(text)
        assert "cow" in known().unsound
    (tmp_path / "cow.toml").write_text('says = "moo"')
    assert known()["cow"] == "moo"
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["event"] for one in said] == ["a pet can't be used"] * 2
    assert [says in one["text"] for one, says in zip(said, ("must be a text", "not TOML"), strict=True)] == [True, True]
