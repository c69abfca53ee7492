"""What a device reported, kept and read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.phd.anything import TAKEN

from hilum.phd.kept import read, read_reading, write
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Taken


@given(TAKEN)
def test_what_is_kept_is_what_came_to_the_digit(taken: Taken) -> None:
    again = read(write(taken))
    assert again == taken
    assert repr(again) == repr(taken)  # 2.0 is 2, but for its precision


@given(TAKEN)
def test_a_reading_may_be_kept_alone_and_is_not_taken_for_a_whole(taken: Taken) -> None:
    for reading in taken.readings:
        assert repr(read_reading(write(reading))) == repr(reading)
        with pytest.raises(Malformed):
            read(write(reading))
    with pytest.raises(Malformed):
        read_reading(write(taken))


@given(TAKEN, st.data())
def test_what_is_half_there_is_refused(taken: Taken, data: st.DataObject) -> None:
    text = write(taken)
    with pytest.raises(Malformed):
        read(text[: data.draw(st.integers(0, len(text) - 1))])


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {},
        {"is": "Taken"},
        {"is": "Device", "colour": "blue"},
        {"is": "Later"},
        {"is": "decimal", "as": "many"},
        {"is": "decimal", "as": "1"},
        {"is": "time", "as": "yesterday"},
        {"is": "Clock", "as": "SUNDIAL"},
        {"is": "Status", "as": "0"},
        1.5,
    ],
)
def test_what_is_not_known_is_refused(plain: object) -> None:
    with pytest.raises(Malformed):
        read(json.dumps(plain))
