"""Files of tables: what is made of each, and the line at which one is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from hilum.problems import Invalid, Misconfigured
from hilum.tables.reading import converted, each, secret_of


class Row(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    many: int = 1


def made(name: str, table: Any) -> tuple[str, int]:
    row = converted(table, Row)
    return row.url, row.many


def test_each_table_of_a_file_is_made_by_its_name_and_no_file_has_none(tmp_path: Path) -> None:
    file = tmp_path / "rows.toml"
    assert each(file, made) == {}
    file.write_text('[one]\nurl = "a"\n\n["two"]\nurl = "b"\nmany = 2\n')
    assert each(file, made) == {"one": ("a", 1), "two": ("b", 2)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[one]\nurl = "a"\n\n["two"]\nurl = 7\n',
            ", line 4 and below, [two]: a key is wrong: Expected `str`, got `int`",
        ),
        (
            '[one]\nurl = "a"\nuri = "b"\n',
            ", line 1 and below, [one]: a key is wrong: Object contains unknown field `uri`",
        ),
        ("\n[ one ]\nmany = 2\n", ", line 2 and below, [one]: a key is wrong: Object missing required field `url`"),
        ("one = 1", ", line 1 and below, [one]: a key is wrong: Expected `object`, got `int`"),
        ("[one", " is not TOML: "),
    ],
)
def test_what_is_wrong_is_told_with_file_line_table_and_key(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rows.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        each(file, made)
    assert str(caught.value).startswith(f"{file}{said}")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.toml").write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match=r"rows\.toml can't be read: expected a file of UTF-8 text"):
        each(tmp_path / "rows.toml", made)


def test_a_secret_is_read_beside_its_table_and_never_told(tmp_path: Path) -> None:
    (tmp_path / "here").write_text(" s3cret\n")
    assert secret_of(tmp_path, "secret_file", "here") == "s3cret"
    for name in ("whsec_pasted-in-place-of-a-name", "", "no\0file"):
        with pytest.raises(Invalid, match="secret_file names no file that can be read") as caught:
            secret_of(tmp_path, "secret_file", name)
        assert "pasted" not in str(caught.value)
