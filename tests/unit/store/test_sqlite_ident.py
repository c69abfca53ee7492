"""UUIDs as bytes, in the order of their texts."""

from __future__ import annotations

from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from hilum.store.sqlite.ident import key, least_uuid, uuid

ids = st.integers(0, (1 << 128) - 1).map(lambda number: str(UUID(int=number)))
texts = st.text(alphabet="0189adfgzAZ-.\0", max_size=40)


@given(ids)
def test_a_uuid_is_its_bytes_and_back(id: str) -> None:
    made = key(id)
    assert isinstance(made, bytes)
    assert uuid(made) == id


@given(st.one_of(texts, st.tuples(ids, st.integers(0, 36), texts).map(lambda one: one[0][: one[1]] + one[2])))
@example("")
@example("f" * 8 + "-ffff-ffff-ffff-" + "f" * 12 + "\0")
def test_the_least_uuid_is_the_first_that_is_not_before_the_text(text: str) -> None:
    found = least_uuid(text)
    number = int.from_bytes(found) if found is not None else 1 << 128
    assert found is None or str(UUID(int=number)) >= text
    assert number == 0 or str(UUID(int=number - 1)) < text
