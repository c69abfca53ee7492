"""Files to load: what is found, and how it is read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.cli.loading.sources import Source, find
from hilum.problems import Malformed, Misconfigured, TooLarge


def test_folders_are_searched_through_in_the_order_of_names(tmp_path):
    for name in ("b/x.json", "a.ndjson.gz", "c.JSON", "b/y.jsonl", "readme.txt", ".hidden/z.json", ".z.json", "d.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    found = find([tmp_path])
    assert [(source.name, source.size, source.lines) for source in found] == [
        ("a.ndjson.gz", 5, True),
        ("b/x.json", 5, False),
        ("b/y.jsonl", 5, True),
        ("c.JSON", 5, False),
    ]


@pytest.mark.parametrize("name", ["missing", "empty", "notes.txt"])
def test_what_can_not_be_loaded_is_told(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(Misconfigured, match=name):
        find([tmp_path / name])


def test_a_gzipped_document_is_read_as_if_it_were_not(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"{}"))
    assert find([tmp_path])[0].whole(10) == b"{}"


def test_a_document_over_the_limit_is_refused_and_a_bomb_is_not_unpacked(tmp_path):
    bomb = tmp_path / "a.json.gz"
    bomb.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(TooLarge):
        find([bomb])[0].whole(1000)


@pytest.mark.parametrize(
    "raw",
    [b"no gzip", gzip.compress(b"{}" * 1000)[:-9], gzip.compress(b"{}")[:5]],
    ids=["none", "cut", "head"],  # what is compressed tells the time
)
def test_a_damaged_gzip_file_is_malformed(tmp_path, raw):
    file = tmp_path / "a.ndjson.gz"
    file.write_bytes(raw)
    source = find([file])[0]
    with pytest.raises(Malformed):
        source.whole(10_000)
    with pytest.raises(Malformed):
        list(source.blocks(10_000))


@given(lines=st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)), limit=st.integers(1, 40))
def test_lines_come_numbered_whatever_their_length(tmp_path_factory, lines, limit):
    file: Path = tmp_path_factory.mktemp("lines") / "a.ndjson"
    file.write_bytes(b"\n".join(lines))
    blocks = list(Source("a", file.stat().st_size, file).blocks(limit))
    read = dict(line for block in blocks for line in block.lines)
    for number, line in enumerate(lines):
        if len(line) > limit:
            assert read[number] == b""
        elif line.strip():
            assert read[number] == line.strip()
        else:
            assert number not in read
    assert blocks[-1].offset == file.stat().st_size


def test_a_file_is_known_by_its_bytes_not_by_its_name(tmp_path):
    for name, content in (("a.json", b"{}"), ("b.json", b"{}"), ("c.json", b"{ }")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (source.digest() for source in find([tmp_path]))
    assert a == b != c
    assert Source("held", 1, held=b"{}").digest() == a


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    mark = b"\xef\xbb\xbf"
    (tmp_path / "a.json").write_bytes(mark + b"{}")
    (tmp_path / "b.ndjson").write_bytes(mark + b"{}\n" + mark + b"{}\n")
    document, lines = find([tmp_path])
    assert document.whole(10) == b"{}"
    assert [block.lines for block in lines.blocks(10)] == [((0, b"{}"), (1, mark + b"{}"))]
