"""Which rows of `python -m bench auth` are measured."""

from __future__ import annotations

import pytest
from bench.auth import EVERYTHING, ONE, ROWS, chosen


def test_all_rows_unless_some_are_named() -> None:
    assert chosen(None) == chosen("") == ROWS


def test_rows_are_named_by_operation_group_or_token() -> None:
    assert chosen("read") == (("read", EVERYTHING), ("read", ONE))
    assert chosen(ONE) == (("read", ONE), ("search observation", ONE))
    assert chosen("search patient, read") == (("read", EVERYTHING), ("search patient", EVERYTHING), ("read", ONE))
    assert set(chosen("search")) == {row for row in ROWS if row[0] != "read"}


def test_a_name_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="--only: writes"):
        chosen("writes")
