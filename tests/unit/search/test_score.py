"""How well a resource matches words."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hilum.search.clauses import AllClause, AnyClause, Clause, IdClause, NotClause, TextClause
from hilum.search.score import ranked, score

KNEE = TextClause("content", ("knee",))
HIP = TextClause("content", ("hip",))


def note(said: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "ServiceRequest", "note": [{"text": said}], **more}


def test_more_often_is_better_and_longer_is_worse() -> None:
    once, twice, long = note("knee pain"), note("knee and knee"), note("knee " + "and so on " * 50)
    values = [score((KNEE,), one) for one in (twice, once, long)]
    assert values == sorted(filter(None, values), reverse=True)
    assert len(set(values)) == 3


def test_what_does_not_ask_for_words_has_no_score() -> None:
    assert score((IdClause(("x",)), NotClause(KNEE)), note("knee")) is None
    assert not ranked((IdClause(("x",)), NotClause(KNEE)))
    assert ranked((AllClause((IdClause(("x",)), AnyClause((KNEE,)))),))


def test_of_alternatives_the_best_counts_of_conditions_their_mean() -> None:
    body = note("knee hip hip")
    knee, hip = score((KNEE,), body), score((HIP,), body)
    assert knee is not None
    assert hip is not None
    assert hip > knee
    assert score((AnyClause((KNEE, HIP)),), body) == hip
    assert score((TextClause("content", ("knee", "hip")),), body) == hip
    mean = score((KNEE, HIP), body)
    assert mean is not None
    assert abs(mean - (knee + hip) / 2) < 0.0001
    assert score((TextClause("content", ("hip shoulder",)),), body) == 0


def test_text_is_the_narrative_alone() -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Hip, hip</div>'}
    body = note("knee", text=text)
    assert score((TextClause("text", ("knee",)),), body) == 0
    found = score((TextClause("text", ("hip",)),), body)
    assert found is not None
    assert found > 0.7


WORDS = st.sampled_from(["knee", "hip", "a", "b"])
CLAUSES: st.SearchStrategy[Clause] = st.recursive(
    st.builds(lambda some: TextClause("content", (" ".join(some),)), st.lists(WORDS, min_size=1)),
    lambda inner: (
        st.builds(AllClause, st.lists(inner, min_size=1).map(tuple))
        | st.builds(AnyClause, st.lists(inner, min_size=1).map(tuple))
    ),
    max_leaves=5,
)


@given(st.lists(CLAUSES, min_size=1), st.lists(WORDS))
def test_a_score_is_between_0_and_1(clauses: list[Clause], some: list[str]) -> None:
    found = score(clauses, note(" ".join(some)))
    assert found is not None
    assert 0 <= found < 1
