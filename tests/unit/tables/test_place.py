"""What is wrong in a table is told by file, table and key, with what was expected and what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hilum.problems import Misconfigured
from hilum.tables.place import Place

HERE = Place("Recipe mine.toml").at("limits").at("seconds")


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: HERE.whole(0, 1, 60), "must be a whole number from 1 to 60; found 0."),
        (lambda: HERE.whole(True, 1, 60), "must be a whole number from 1 to 60; found true."),
        (lambda: HERE.text(None), "must be a text; found nothing."),
        (lambda: HERE.text("  "), "must be a text; found '  '."),
        (lambda: HERE.texts([]), "must be a list of texts; found a list that is empty."),
        (lambda: HERE.texts({"a": 1}), "must be a list of texts; found a table."),
        (lambda: HERE.texts(["a", "c"], ("a", "b")), "must be a list of a, b; found 'c'."),
        (lambda: HERE.one_of("c", ("", "a", "b")), "must be one of a, b; found 'c'."),
        (lambda: HERE.one_of(["a"], ("a", "b")), "must be one of a, b; found a list."),
        (lambda: HERE.flag("yes"), "must be true or false; found 'yes'."),
        (lambda: HERE.known(1.5, ("a",)), "must be a table; found 1.5."),
        (lambda: HERE.tables({}), "must be tables: [[limits.seconds]]; found a table that is empty."),
        (lambda: HERE.text(["x" * 99]), "must be a text; found a list."),
        (lambda: HERE.one_of("x" * 99, ("a",)), f"must be one of a; found '{'x' * 40}'."),
    ],
)
def test_what_is_expected_and_what_is_found_are_told_with_the_place(read: Callable[[], Any], said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read()
    assert str(caught.value) == f"Recipe mine.toml: limits.seconds {said}"


def test_a_key_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(Misconfigured) as caught:
        Place("Recipe mine.toml").known({"title": "x", "colour": 1}, ("title", "start"))
    assert str(caught.value) == "Recipe mine.toml: colour is not known; known here: title, start."


def test_what_is_sound_is_given_back() -> None:
    assert HERE.known({"a": 1}, ("a",)) == {"a": 1}
    assert HERE.tables([{"a": 1}]) == [(Place("Recipe mine.toml", "limits.seconds[1]"), {"a": 1})]
    assert (HERE.text("x"), HERE.texts(["b", "a", "b"]), HERE.one_of("a", ("b", "a"))) == ("x", ("b", "a"), "a")
    assert (HERE.whole(60, 1, 60), HERE.flag(value=False)) == (60, False)
