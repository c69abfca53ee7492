"""Keyset positions: what they are read back as, and that their length tells nothing of how much is stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilum.store.plan import cursor

VALUES = st.tuples(st.text(max_size=30), st.integers(-(1 << 60), 1 << 60) | st.none())
RIDS = st.integers(1 << 40, 1 << 48)
MOMENTS = st.just(()) | st.tuples(st.integers(0, 1 << 52), st.integers(0, 1 << 40))


@given(VALUES, RIDS, MOMENTS)
def test_a_position_is_read_as_it_was_written(values: tuple[object, ...], rid: int, moment: cursor.Moment) -> None:
    assert cursor.parted(cursor.write(values, rid, moment), 2) == ((values, rid), moment)
    assert cursor.read(cursor.write((), rid), 0) == ((), rid)


@given(VALUES, RIDS, RIDS, MOMENTS, MOMENTS)
def test_positions_with_the_same_values_are_of_one_length(
    values: tuple[object, ...], one: int, other: int, now: cursor.Moment, then: cursor.Moment
) -> None:
    assert len(cursor.write(values, one, now)) == len(cursor.write(values, other, then))
