"""What is asked for again stays, what nobody asks for goes, and there is an end to how much is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilum.store.recent import Recent

MOST = 4
STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "pop", "clear"]), st.integers(0, 30)), max_size=200)


def test_what_is_asked_for_stays_and_what_is_not_goes() -> None:
    recent: Recent[int, str] = Recent(MOST)
    recent.update({0: "asked for", 1: "not"})
    for number in range(10, 40):
        recent.update({number: "new"})
        assert recent.get(0) == "asked for"
    assert recent.get(1) is None
    assert recent.get(39) == "new"


@given(STEPS)
def test_what_it_says_is_what_was_put_last_and_it_holds_so_many(steps: list[tuple[str, int]]) -> None:
    recent: Recent[int, int] = Recent(MOST)
    put: dict[int, int] = {}
    for at, (step, key) in enumerate(steps, 1):
        if step == "put":
            put[key] = at
            recent.update({key: at})
        elif step == "pop":
            put.pop(key, None)
            recent.pop(key)
        elif step == "clear":
            put.clear()
            recent.clear()
        assert recent.get(key) in (None, put.get(key))
        assert len(recent) <= 2 * MOST + 1
        if step == "put":
            assert recent.get(key) == at
