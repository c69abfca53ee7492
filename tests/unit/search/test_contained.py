"""Contained resources in the index, and what a clause about one says of its container."""

from __future__ import annotations

from hilum.fhir.definitions import TYPES
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    IdClause,
    MissingClause,
    NotClause,
    Part,
    Permit,
    StringClause,
    TextClause,
    TokenClause,
)
from hilum.search.contained import _indexed, alone, held, inner, local, reaching
from hilum.search.index import index
from hilum.search.parameters import canonical_types, lookup
from hilum.search.selections import versioned

CODE = lookup("ServiceRequest", "code").numbers
A = TokenClause(CODE, (Token("urn:c", "a"),))
INNER_A = TokenClause(tuple(map(inner, CODE)), A.values)
NEWS = CompartmentClause((("Patient", "1"),))
MISSING = MissingClause(CODE, True)
ANYTHING = AllClause(())


def test_no_number_is_another_one_s() -> None:
    own = {n for type in TYPES for n in _indexed(type)} | {versioned(type) for type in canonical_types()}
    within = {inner(n) for n in own}
    marks = {held(type) for type in TYPES} | {local(type) for type in TYPES}
    assert len(within) == len(own)
    assert len(marks) == 2 * len(TYPES)
    assert not own & within
    assert not (own | within) & marks
    assert all(0 < n < 1 << 31 for n in within | marks)
    assert all(inner(inner(n)) == n for n in own)


def test_a_resource_without_contained_ones_has_no_more_rows() -> None:
    body = {"resourceType": "Basic", "id": "b", "code": {"coding": [{"code": "x"}]}}
    assert index("Basic", body) == index("Basic", {**body, "contained": []})


def test_a_type_that_r4_does_not_know_has_no_rows() -> None:
    assert index("Basic", {"contained": [{"resourceType": "Pigeon", "id": "p"}]}) == index("Basic", {})


def test_one_clause_is_exact_of_the_container_and_two_are_not() -> None:
    def found(clause: Clause) -> tuple[Clause, bool]:
        return reaching(clause, "ServiceRequest")

    assert found(A) == (INNER_A, True)
    assert found(AllClause((A,))) == (AllClause((INNER_A,)), True)
    assert found(AllClause((A, NEWS))) == (AllClause((INNER_A, NEWS)), True)
    assert found(AllClause((A, A))) == (AllClause((INNER_A, INNER_A)), False)
    assert found(AnyClause((A, A))) == (AnyClause((INNER_A, INNER_A)), True)
    assert found(IdClause(("x",))) == (TokenClause((local("ServiceRequest"),), (Token(None, "x"),)), True)


def test_what_is_denied_is_told_by_the_container_only_if_it_contains_one() -> None:
    assert reaching(NotClause(A), "ServiceRequest") == (ANYTHING, False)
    assert reaching(MISSING, "ServiceRequest") == (ANYTHING, False)
    assert reaching(NotClause(NEWS), "ServiceRequest") == (NotClause(NEWS), True)
    assert alone(NotClause(A), "ServiceRequest") == (NotClause(INNER_A), True)
    assert alone(MISSING, "ServiceRequest") == (MissingClause(INNER_A.parameters, True), True)
    assert alone(AllClause((A, NotClause(A))), "ServiceRequest") == (AllClause((INNER_A, NotClause(INNER_A))), True)


def numbers_of(type: str, code: str) -> tuple[int, ...]:
    return lookup(type, code).numbers


def test_a_chain_may_lead_to_what_stands_beside() -> None:
    name = Part("Patient", (StringClause(numbers_of("Patient", "name"), ("x",)),), (Permit(),))
    chain = ChainClause(numbers_of("ServiceRequest", "subject"), (name,))
    outward = ChainClause(tuple(map(inner, chain.parameters)), (name,))
    assert reaching(chain, "ServiceRequest", {"Location"}) == (outward, True)
    beside = TokenClause((held("Patient"),), (Token("", "one"), Token("", "several")))
    for told in (reaching, alone):
        assert told(chain, "ServiceRequest", {"Location", "Patient"}) == (AnyClause((outward, beside)), False)
        assert told(NotClause(chain), "ServiceRequest", {"Patient"}) == (ANYTHING, False)


def test_nothing_refers_to_what_is_contained() -> None:
    referred = HasClause(Part("Observation"), numbers_of("Observation", "based-on"))
    assert reaching(referred, "ServiceRequest") == (AnyClause(()), True)
    assert alone(NotClause(referred), "ServiceRequest") == (NotClause(AnyClause(())), True)


def test_words_and_custom_parameters_are_seen_in_the_body_alone() -> None:
    words, custom = TextClause("content", ("knee",)), StringClause((17,), ("x",))
    for clause in (words, custom, NotClause(words), NotClause(custom)):
        assert reaching(clause, "ServiceRequest") == (ANYTHING, False)
        assert alone(clause, "ServiceRequest") == (ANYTHING, False)
