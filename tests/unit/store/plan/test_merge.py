"""Types of which the same is asked are one search."""

from __future__ import annotations

from hilum.search.alternatives import Token
from hilum.search.clauses import AllClause, AnyClause, NotClause, Part, Permit, TokenClause
from hilum.store.plan.merge import Group, groups
from hilum.store.plan.plan import flat, permitted

ALL = (Permit(),)
X, Y = (Token(None, "x"),), (Token(None, "y"),)


def asked(number: int, values: tuple[Token, ...] = X) -> TokenClause:
    return TokenClause((number,), values)


def test_what_differs_in_numbers_alone_is_merged() -> None:
    parts = (
        Part("Patient", (asked(1), NotClause(AnyClause((asked(2), asked(3, Y))))), ALL),
        Part("Observation", (asked(4), NotClause(AnyClause((asked(5), asked(6, Y))))), ALL),
    )
    one, either = TokenClause((1, 4), X), (TokenClause((2, 5), X), TokenClause((3, 6), Y))
    assert groups(parts) == [Group(("Patient", "Observation"), (one, NotClause(AnyClause(either))), ALL)]


def test_other_values_or_permits_are_another_search() -> None:
    mine = (Permit((("Patient", "1"),)),)
    parts = (Part("A", (asked(1),), ALL), Part("B", (asked(2, Y),), ALL), Part("C", (asked(3),), mine))
    assert [group.types for group in groups(parts)] == [("A",), ("B",), ("C",)]


def test_permits_are_merged_like_clauses() -> None:
    parts = tuple(Part(type, (), (Permit(None, (asked(n),)),)) for n, type in enumerate("AB"))
    assert groups(parts) == [Group(("A", "B"), (), (Permit(None, (TokenClause((0, 1), X),)),))]


def test_permits_as_a_clause() -> None:
    a, b = ("Patient", "a"), ("Patient", "b")
    assert permitted(()) == AnyClause(())
    assert permitted((Permit(()),)) == AnyClause(())
    assert permitted((Permit((a,)), Permit())) == AllClause(())
    assert flat((permitted((Permit((a,)), Permit((b, a)))),)) == flat((permitted((Permit((a, b)),)),))


def test_a_conjunction_is_flat_and_says_nothing_twice() -> None:
    nested = AllClause((asked(1), AllClause((AnyClause((asked(2),)), NotClause(NotClause(asked(1)))))))
    assert flat((nested, asked(2))) == [asked(1), asked(2)]
