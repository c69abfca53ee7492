"""Keys of a store: exact in the system, and hashed by a secret of which nobody else can make use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.search.index import index
from hilum.store import keyed
from hilum.store.keyed import NUMBERS, Keys, UnknownSystem, choices, systems, unknown
from hilum.store.keys import CODE_BITS, CODE_MASK, system_range

SECRET = "07" * 32
OTHER = "08" * 32


def keys(secret: str = SECRET, **numbers: int) -> Keys:
    made = Keys(secret)
    made.numbers.update(numbers)
    return made


@given(st.text(min_size=1), st.integers(1, NUMBERS))
def test_a_token_lies_in_the_range_of_its_system(code: str, number: int) -> None:
    low, high = system_range(number)
    key = keys(a=number).tokens["a", code]
    assert low <= key <= high
    assert (key >> CODE_BITS) & ((1 << 20) - 1) == number
    assert key & CODE_MASK == keys().code(code)


def test_what_has_no_system_has_none_of_the_upper_bits() -> None:
    assert keys().tokens[None, "x"] == keys().tokens["", "x"] == keys().code("x")


def test_hashes_are_of_one_store() -> None:
    for kind in (lambda of: of.code("1"), lambda of: of.texts["1"], lambda of: of.units["s", "c", "d"]):
        assert kind(keys()) == kind(keys())
        assert kind(keys()) != kind(keys(OTHER))


def test_a_system_that_is_not_known_has_no_key_rather_than_a_wrong_one() -> None:
    of = keys(a=1)
    with pytest.raises(UnknownSystem):
        of.tokens["b", "x"]
    of.numbers["b"] = 2
    assert of.tokens["b", "x"] != of.tokens["a", "x"]


def test_what_was_undone_is_forgotten() -> None:
    given = iter((1, 2))
    of = Keys(SECRET)
    of._number = lambda system: of.numbers.setdefault(system, next(given))
    first = of.tokens["a", "x"]
    of.forget(["b"])
    assert of.tokens["a", "x"] == first
    of.forget(["a"])
    assert of.tokens["a", "x"] - first == 1 << CODE_BITS


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed, "_TOKENS", 10)
    of = keys(a=1)
    seen = {code: of.tokens["a", str(code)] for code in range(100)}
    assert len(of.tokens) <= 10
    assert seen == {code: keys(a=1).tokens["a", str(code)] for code in range(100)}


@given(st.text())
def test_choices_are_numbers_of_systems(system: str) -> None:
    assert all(1 <= number <= NUMBERS for number in choices(system))


def test_every_system_of_rows_is_named() -> None:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:a", "code": "1"}]},
        "valueCodeableConcept": {"coding": [{"system": "urn:b", "code": "2"}, {"code": "3"}]},
    }
    found = set(systems(index("Observation", body, "x")))
    assert {"urn:a", "urn:b"} <= found
    assert None not in found
    assert "" not in found
    rows = index("Observation", body, "x")
    assert unknown([rows], {}) == found
    assert unknown([rows, rows], {"urn:a": 1}) == found - {"urn:a"}
