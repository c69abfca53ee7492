"""Any range is the slice that it names. https://www.rfc-editor.org/rfc/rfc9110#section-14"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.web.ranges import MOST, content_range, wanted

CONTENT = bytes(range(100))
numbers = st.integers(0, 130)
specs = st.one_of(
    st.tuples(numbers, numbers).filter(lambda pair: pair[0] <= pair[1]),
    st.tuples(numbers, st.none()),
    st.tuples(st.none(), numbers),
)


def text(spec: tuple[int | None, int | None]) -> str:
    first, last = spec
    return f"{'' if first is None else first}-{'' if last is None else last}"


def meant(spec: tuple[int | None, int | None], size: int) -> set[int]:
    """The places of the bytes, one by one."""
    first, last = spec
    if first is None:
        return set(range(size)[-last:]) if last else set()
    return {place for place in range(size) if place >= first and (last is None or place <= last)}


@given(st.lists(specs, min_size=1, max_size=20), st.integers(0, 100))
def test_what_is_sent_is_what_the_ranges_name_each_byte_once_in_order(
    some: list[tuple[int | None, int | None]], size: int
) -> None:
    found = wanted("bytes=" + ", ".join(map(text, some)), size)
    places = set().union(*(meant(spec, size) for spec in some))
    if found is None:
        assert len(some) > MOST
        return
    sent = [place for start, stop in found for place in range(start, stop)]
    assert sent == sorted(places)
    assert all(one[1] < other[0] for one, other in pairwise(found))
    assert len(found) <= MOST


@given(st.text(max_size=30), st.integers(0, 100))
def test_what_can_t_be_read_is_passed_over(header: str, size: int) -> None:
    found = wanted(header, size)
    assert found is None or all(0 <= start < stop <= size for start, stop in found)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "items=0-1",
        "bytes=1",
        "bytes=-",
        "bytes=5-2",
        "bytes=0-1,x",
        "bytes=+1-2",
    ],
)
def test_no_range_is_all_of_it(header: str | None) -> None:
    assert wanted(header, 100) is None


def test_ranges_beyond_the_end_are_none() -> None:
    assert wanted("bytes=100-", 100) == []
    assert wanted("bytes=0-", 0) == []
    assert wanted("bytes=-0", 100) == []
    assert wanted("bytes=98-200, 300-", 100) == [(98, 100)]


def test_more_than_so_many_apart_are_all_of_it() -> None:
    assert wanted("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST, 2)), 100) is not None
    assert wanted("bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2 * MOST + 2, 2)), 100) is None
    assert wanted("bytes=" + ",".join(["0-99"] * 1000), 100) == [(0, 100)]


def test_how_it_is_told() -> None:
    assert content_range((0, 10), 100) == b"bytes 0-9/100"
    assert content_range(None, 100) == b"bytes */100"
