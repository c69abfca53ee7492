"""Chance that is the same everywhere."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hilum.demo.dice import Dice

SEEDS = st.text(max_size=20)


def test_the_same_seed_throws_the_same_numbers_on_every_python() -> None:
    dice = Dice("hilum")
    assert [dice.number(1, 6) for _ in range(12)] == [5, 3, 6, 6, 3, 5, 5, 2, 6, 2, 3, 6]


@given(SEEDS, st.integers(-1000, 1000), st.integers(0, 6))
def test_numbers_stay_between_both_ends(seed: str, low: int, width: int) -> None:
    dice = Dice(seed)
    assert all(low <= dice.number(low, low + width) <= low + width for _ in range(200))


@given(SEEDS, st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_around_never_strays_far(seed: str, middle: float, spread: float) -> None:
    assert abs(Dice(seed).around(middle, spread) - middle) <= 3.5 * spread + 1e-6


def test_around_has_the_spread_it_says() -> None:
    dice = Dice("spread")
    values = [dice.around(10, 2) for _ in range(4000)]
    middle = sum(values) / len(values)
    assert abs(middle - 10) < 0.15
    assert abs((sum((v - middle) ** 2 for v in values) / len(values)) ** 0.5 - 2) < 0.1


@given(SEEDS, st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-5, 4000))
def test_days_stay_in_their_interval_and_at_its_start_when_it_is_empty(seed: str, low: date, width: int) -> None:
    high = low + timedelta(days=width)
    assert low <= Dice(seed).day(low, high) <= max(low, high)


@given(SEEDS, st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=6).filter(any))
def test_what_weighs_nothing_is_never_picked(seed: str, weights: list[int]) -> None:
    dice = Dice(seed)
    for _ in range(20):
        assert weights[dice.weighted(range(len(weights)), weights)] > 0
