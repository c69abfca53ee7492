"""Policies: scopes judged one by one, never wider than each alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hilum
from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Grant, Policy, allows
from hilum.oauth import scopes
from hilum.problems import Invalid
from hilum.search.alternatives import Token
from hilum.search.clauses import Permit, TokenClause
from hilum.search.index import index
from hilum.search.parameters import lookup
from hilum.search.rows import Rows

TYPES = ("Patient", "Observation", "Organization", "Group")
Inside = tuple[tuple[str, str], ...]
COMPARTMENTS = (("Patient", "a"), ("Patient", "b"), ("Device", "a"))


@st.composite
def one_scope(draw: st.DrawFn) -> str:
    level = draw(st.sampled_from(("patient", "user", "system")))
    type = draw(st.sampled_from(("*", *TYPES)))
    letters = draw(st.sets(st.sampled_from("cruds"), min_size=1))
    suffix = "".join(letter for letter in "cruds" if letter in letters)
    return f"{level}/{type}.{draw(st.sampled_from((suffix, suffix, 'read', 'write', '*', 'sr', suffix + '?x=y')))}"


def may(policy: Policy, type: str, letter: str, inside: Inside, id: str = "") -> bool:
    return allows(policy.permits(type, letter), Rows(compartments=inside), id)


def reference(scope: str, patient: str | None, type: str, letter: str, inside: Inside, id: str) -> bool:
    """What one scope allows, by the words of the specification alone."""
    level, _, rest = scope.partition("/")
    named, _, suffix = rest.partition(".")
    letters = {"read": "rs", "write": "cud", "*": "cruds"}.get(suffix, suffix)
    if letters != "".join(one for one in "cruds" if one in letters):
        return False
    if letter not in letters or named not in ("*", type):
        return False
    if level != "patient":
        return True
    if patient is None:
        return False
    if type == "Patient":  # another one may be in the compartment, too: one that links to it
        return ("Patient", patient) in inside and id == patient
    if type == "Group":  # it names its other members, and is in nobody's record
        return False
    return ("Patient", patient) in inside or (type == "Organization" and letter == "r")


@settings(deadline=None)  # the first one reads the definitions
@given(
    st.lists(one_scope(), max_size=6),
    st.sampled_from((None, "a", "b")),
    st.sampled_from(TYPES),
    st.sampled_from("cruds"),
    st.sets(st.sampled_from(COMPARTMENTS)).map(lambda found: tuple(sorted(found))),
    st.sampled_from("abc"),
)
def test_a_set_of_scopes_permits_exactly_the_union_of_each_judged_alone(
    found: list[str], patient: str | None, type: str, letter: str, inside: Inside, id: str
) -> None:
    together = may(of_scopes(scopes.parse(" ".join(found)), patient), type, letter, inside, id)
    alone = [may(of_scopes(scopes.parse(scope), patient), type, letter, inside, id) for scope in found]
    assert together == any(alone)
    assert together == any(reference(scope, patient, type, letter, inside, id) for scope in found)


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


def test_what_is_named_is_read_and_found_by_name_and_never_listed() -> None:
    letters = frozenset("crds")
    policy = Policy(
        (Grant("Practitioner", frozenset("c"), (("Patient", "a"),)),),
        (Grant("Practitioner", letters, None, (("active", "true"),)), Grant("Organization", frozenset("s"))),
    )
    (active,) = policy.permits("Practitioner", "r")
    assert policy.by_name("Practitioner") == (active,)
    assert active.owners is None
    assert len(active.clauses) == 1
    assert policy.permits("Practitioner", "s") == policy.permits("Practitioner", "d") == ()
    assert policy.permits("Practitioner", "c") == (Permit((("Patient", "a"),)),)
    assert policy.permits("Organization", "r") == ()
    assert policy.by_name("Organization") == (Permit(None),)
    assert policy.by_name("Patient") == ()


def test_a_grant_on_all_types_may_leave_some_out() -> None:
    policy = Policy((Grant("*", frozenset("rs"), but=frozenset(("Consent", "Group"))), Grant("Group", frozenset("r"))))
    assert policy.permits("Patient", "s") == policy.permits("Group", "r") == (Permit(None),)
    assert policy.permits("Consent", "r") == policy.permits("Group", "s") == policy.by_name("Group") == ()
    assert not policy.searches_all


def test_what_lies_beyond_grants_limits_every_permit() -> None:
    clause = TokenClause(lookup("Patient", "_security").numbers, (Token(None, "N"),))
    some = (Grant("*", frozenset("rs")), Grant("Observation", frozenset("u"), (("Patient", "a"),), LAB))
    policy = Policy(some, (Grant("Practitioner", frozenset("rs")),), (clause,))
    assert EVERYTHING.searches_all
    assert not policy.searches_all
    for type in ("Patient", "Practitioner", "Observation"):
        for permits in (policy.permits(type, "r"), policy.by_name(type), policy.permits("Observation", "u")):
            assert permits
            assert all(clause in permit.clauses for permit in permits)


def test_only_a_grant_that_names_a_type_counts_where_all_is_not_enough() -> None:
    assert EVERYTHING.names("AuditEvent", "r")
    assert not of_scopes(scopes.parse("system/*.cruds patient/AuditEvent.rs"), "a").names("AuditEvent", "r")
    assert not of_scopes(scopes.parse("system/AuditEvent.rs?type=rest"), None).names("AuditEvent", "r")
    assert of_scopes(scopes.parse("system/AuditEvent.s"), None).names("AuditEvent", "s")
    assert not of_scopes(scopes.parse("system/AuditEvent.s"), None).names("AuditEvent", "r")


def test_permits_are_made_here_and_nowhere_else() -> None:
    """`beyond` holds for all that is shown as long as every Permit comes from a Policy."""
    source = Path(hilum.__file__).parent
    makers = {
        str(file.relative_to(source)) for file in source.rglob("*.py") if re.search(r"\bPermit\(", file.read_text())
    }
    assert makers == {
        "access/policy.py",
        "access/confine.py",  # to know a policy's permits for all of a type when it sees them
        "search/clauses.py",  # the class
        "audit/select.py",  # which versions the trail tells of, for who was given AuditEvent
        "interactions/terminology/knowledge.py",  # the server's own look at CodeSystems and ValueSets
        "interactions/shelf.py",  # and at StructureDefinitions, and at what packages brought
        "store/plan/merge.py",  # copies of those that it is given
    }


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
