"""Policies: scopes judged one by one, never wider than each alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilum.access.policy import EVERYTHING, Policy, allows, of_scopes
from hilum.oauth import scopes
from hilum.search.query import Permit

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
    return allows(policy.permits(type, letter), inside)


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


def test_allows() -> None:
    assert not allows((), (("Patient", "a"),))
    assert allows((Permit(None),), ())
    assert not allows((Permit((("Patient", "a"),)),), (("Patient", "b"), ("Device", "a")))
    assert not allows((Permit(()),), (("Patient", "a"),))
    assert allows((Permit((("Patient", "a"),)), Permit((("Patient", "b"),))), (("Patient", "b"),))
