"""Policies: scopes judged one by one, never wider than each alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.access.policy import EVERYTHING, Grant, Policy, allows, of_scopes
from hilum.oauth import scopes
from hilum.problems import Invalid
from hilum.search.alternatives import Token
from hilum.search.clauses import Permit, TokenClause
from hilum.search.index import index
from hilum.search.parameters import lookup
from hilum.search.rows import Rows

TYPES = ("Patient", "Observation", "Organization", "Device")
COMPARTMENTS = (("Patient", "a"), ("Patient", "b"), ("Device", "a"))


@st.composite
def one_scope(draw: st.DrawFn) -> str:
    level = draw(st.sampled_from(("patient", "user", "system")))
    type = draw(st.sampled_from(("*", *TYPES)))
    letters = draw(st.sets(st.sampled_from("cruds"), min_size=1))
    suffix = "".join(letter for letter in "cruds" if letter in letters)
    return f"{level}/{type}.{draw(st.sampled_from((suffix, suffix, 'read', 'write', '*', 'sr', suffix + '?x=y')))}"


def may(policy: Policy, type: str, letter: str, inside: tuple[tuple[str, str], ...]) -> bool:
    return allows(policy.permits(type, letter), Rows(compartments=inside))


def reference(scope: str, patient: str | None, type: str, letter: str, inside: tuple[tuple[str, str], ...]) -> bool:
    """What one scope allows, by the words of the specification alone."""
    level, _, rest = scope.partition("/")
    named, _, suffix = rest.partition(".")
    letters = {"read": "rs", "write": "cud", "*": "cruds"}.get(suffix, suffix)
    if letters != "".join(one for one in "cruds" if one in letters):
        return False
    if letter not in letters or named not in ("*", type):
        return False
    return level != "patient" or (patient is not None and ("Patient", patient) in inside)


@given(
    st.lists(one_scope(), max_size=6),
    st.sampled_from((None, "a", "b")),
    st.sampled_from(TYPES),
    st.sampled_from("cruds"),
    st.sets(st.sampled_from(COMPARTMENTS)).map(lambda found: tuple(sorted(found))),
)
def test_a_set_of_scopes_permits_exactly_the_union_of_each_judged_alone(
    found: list[str], patient: str | None, type: str, letter: str, inside: tuple[tuple[str, str], ...]
) -> None:
    together = may(of_scopes(scopes.parse(" ".join(found)), patient), type, letter, inside)
    alone = [may(of_scopes(scopes.parse(scope), patient), type, letter, inside) for scope in found]
    assert together == any(alone)
    assert together == any(reference(scope, patient, type, letter, inside) for scope in found)


def test_wide_reading_never_widens_narrow_writing() -> None:
    policy = of_scopes(scopes.parse("system/Observation.rs patient/Observation.u"), "a")
    assert policy.permits("Observation", "r") == (Permit(None),)
    assert policy.permits("Observation", "u") == (Permit((("Patient", "a"),)),)
    assert policy.permits("Observation", "d") == ()


def test_a_patient_scope_without_a_patient_permits_nothing() -> None:
    for patient in (None, ""):
        assert of_scopes(scopes.parse("patient/*.cruds"), patient).permits("Patient", "r") == ()


def test_everything_is_everything() -> None:
    for letter in "cruds":
        assert EVERYTHING.permits("Patient", letter) == (Permit(None),)


def lying(*owners: tuple[str, str]) -> Rows:
    return Rows(compartments=owners)


def test_allows() -> None:
    a, b = ("Patient", "a"), ("Patient", "b")
    assert not allows((), lying(a))
    assert allows((Permit(None),), lying())
    assert not allows((Permit((a,)),), lying(b, ("Device", "a")))
    assert not allows((Permit(()),), lying(a))
    assert allows((Permit((a,)), Permit((b,))), lying(b))


# --- search constraints -----------------------------------------------------------------------------------------------

LAB = (("category", "laboratory"),)


def observed(category: str) -> Rows:
    return index("Observation", {"resourceType": "Observation", "category": [{"coding": [{"code": category}]}]})


def test_a_grant_with_search_parameters_allows_what_they_find() -> None:
    policy = Policy((Grant("Observation", frozenset("rs"), None, LAB),))
    clause = TokenClause(lookup("Observation", "category").numbers, (Token(None, "laboratory"),))
    assert policy.permits("Observation", "s") == (Permit(None, (clause,)),)
    assert allows(policy.permits("Observation", "r"), observed("laboratory"))
    assert not allows(policy.permits("Observation", "r"), observed("vital-signs"))
    assert policy.permits("Observation", "u") == ()


def test_compartment_and_search_parameters_must_both_hold() -> None:
    permits = Policy((Grant("Observation", frozenset("r"), (("Patient", "a"),), LAB),)).permits("Observation", "r")
    lab = observed("laboratory")
    assert allows(permits, replace(lab, compartments=(("Patient", "a"),)))
    assert not allows(permits, replace(lab, compartments=(("Patient", "b"),)))
    assert not allows(permits, lying(("Patient", "a")))


def test_a_grant_on_all_types_is_one_on_those_that_have_the_parameters() -> None:
    policy = Policy((Grant("*", frozenset("r"), None, LAB),))
    assert policy.permits("Observation", "r") != ()
    assert policy.permits("Patient", "r") == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patient.name", "x"),
        ("_has:Provenance:target:agent", "x"),
        ("_list", "1"),
        ("_text", "x"),
        ("_lastUpdated", "ge2000"),
        ("code:in", "http://v"),
        ("code:not-in", "http://v"),
        ("code:below", "s|c"),
        ("encounter:below", "1"),
        ("_filter", "patient.name eq x"),
        ("_count", "1"),
        ("_include", "Observation:subject"),
        ("nonsense", "x"),
    ],
)
def test_a_grant_takes_no_parameter_that_looks_beyond_the_resource(name: str, value: str) -> None:
    with pytest.raises(Invalid):
        Grant("Observation", frozenset("r"), None, ((name, value),))
    with pytest.raises(Invalid):
        Grant("*", frozenset("r"), None, ((name, value), ("category", "x")))
