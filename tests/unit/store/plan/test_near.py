"""The squares of the map that a circle touches: none that is needed may be left out, wherever on the globe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilum.search.places import meters
from hilum.store import keys
from hilum.store.plan.near import ranges

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


def within(latitude: float, longitude: float, found: list[tuple[int, int]]) -> bool:
    cell = keys.cell(keys.across(longitude), keys.along(latitude))
    return any(low <= cell <= high for low, high in found)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_a_circle_through_a_place_has_its_square(lat: float, lon: float, other_lat: float, other_lon: float) -> None:
    assert within(other_lat, other_lon, ranges(lat, lon, meters(lat, lon, other_lat, other_lon)))


@given(LATITUDES, LONGITUDES, st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_so_has_a_small_one(lat: float, lon: float, up: float, aside: float) -> None:
    other_lat = min(90.0, max(-90.0, lat + up))
    other_lon = (lon + aside + 180) % 360 - 180
    found = ranges(lat, lon, meters(lat, lon, other_lat, other_lon))
    assert within(other_lat, other_lon, found)


@given(st.floats(-80, 80), LONGITUDES, st.floats(100, 100_000))
def test_a_circle_is_few_ranges_of_a_small_part_of_the_map(lat: float, lon: float, distance: float) -> None:
    found = ranges(lat, lon, distance)
    assert len(found) <= 2 * 17 * 17
    assert found == sorted(found)
    assert sum(high - low + 1 for low, high in found) < 2**32 / 100


def test_a_date_line_and_a_pole_are_no_borders() -> None:
    assert within(0.0, -179.99, ranges(0.0, 179.99, 5000))
    assert within(89.99, -90.0, ranges(89.99, 90.0, 5000))
