"""What is remembered of the definitions stays small, by number and by weight."""

from __future__ import annotations

from hilum.interactions.terminology.kept import Kept


def test_the_oldest_goes_where_there_are_too_many() -> None:
    kept: Kept[int] = Kept(2, 1000)
    for number in range(3):
        kept.put(("k", number), number)
    assert (list(kept), kept["k", 2], ("k", 0) in kept) == ([("k", 1), ("k", 2)], 2, False)


def test_the_oldest_go_where_they_weigh_too_much_together() -> None:
    kept: Kept[str] = Kept(100, 1000)
    for key in "abc":
        kept.put(key, key, 400)
    assert (list(kept), kept.weight) == (["b", "c"], 806)
    kept.put("c", "again", 10)
    assert (kept["c"], kept.weight) == ("again", 416)
    kept.put("d", "d", 1001)
    assert list(kept) == ["b", "c"]


def test_a_long_key_is_not_remembered() -> None:
    kept: Kept[None] = Kept(100, 1 << 20)
    for key in ("x" * 1000, ("a", ("b", "x" * 1000))):
        kept.put(key, None)
    assert (len(kept), kept.weight) == (0, 0)
