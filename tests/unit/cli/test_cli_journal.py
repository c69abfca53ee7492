"""What a load remembers."""

from __future__ import annotations

from hilum.cli.loading.journal import Journal, Record

DIGEST, OTHER = b"\1" * 32, b"\2" * 32


def test_the_newest_record_of_a_file_counts(tmp_path):
    journal = Journal.open(tmp_path / "loads" / "j")
    journal.note(DIGEST, 500, {7, 3}, ("Patient", "p"))
    journal.note(DIGEST, None, {3}, ("Patient", "p"))
    journal.close()
    again = Journal.open(tmp_path / "loads" / "j")
    assert again.find(DIGEST) == Record(DIGEST.hex(), None, (3,), ("Patient", "p"))
    assert again.find(OTHER) is None


def test_a_file_is_complete_when_nothing_is_left_of_it():
    assert Record("f").complete
    assert not Record("f", 10).complete
    assert not Record("f", None, (1,)).complete


def test_a_last_line_that_a_crash_cut_off_is_ignored_and_the_next_one_is_whole(tmp_path):
    path = tmp_path / "j"
    journal = Journal.open(path)
    journal.note(DIGEST, None, (), ("Patient", "p"))
    journal.close()
    path.write_bytes(path.read_bytes() + b'{"file":"02')
    journal = Journal.open(path)
    journal.note(OTHER, None, (), None)
    journal.close()
    again = Journal.open(path)
    assert [again.find(digest) is not None for digest in (DIGEST, OTHER)] == [True, True]


def test_only_the_owner_can_read_it(tmp_path):
    Journal.open(tmp_path / "j").close()
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
