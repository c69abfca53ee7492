"""A Query within a policy: everything that it touches is held to what the asker may search."""

from __future__ import annotations

import pytest

from hilum.access.confine import confine
from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Grant, Policy
from hilum.fhir.definitions import TYPES
from hilum.oauth import scopes
from hilum.problems import Forbidden
from hilum.search.clauses import ChainClause, HasClause, IdClause, NotClause, Part, Permit
from hilum.search.parameters import lookup
from hilum.search.parse import parse_query
from hilum.search.query import Contained, Query

ANY = (Permit(None),)
A = (("Patient", "a"),)
SELF = (Permit(A, (IdClause(("a",)),)),)


def policy(text: str) -> Policy:
    return of_scopes(scopes.parse(text), "a")


def confined(by: Policy, type: str | None, *pairs: tuple[str, str]) -> Query:
    return confine(parse_query(type, pairs).query, by)


def test_each_part_has_the_permits_of_its_type() -> None:
    by = policy("patient/Observation.rs system/Patient.r")
    query = confined(by, None, ("_type", "Observation,Patient"))
    assert query.parts == (Part("Observation", (), (Permit(A),)), Part("Patient"))


def test_permits_that_a_query_brings_count_for_nothing() -> None:
    smuggled = Query((Part("Observation", (), ANY),))
    assert confine(smuggled, policy("patient/Observation.s")).parts == (Part("Observation", (), (Permit(A),)),)
    with pytest.raises(Forbidden):
        confine(smuggled, policy("system/Observation.r"))


@pytest.mark.parametrize(
    ("scope", "pairs", "total"),
    [
        ("system/*.s", (), "estimate"),
        ("system/Observation.s", (), "estimate"),
        ("system/Observation.s patient/Patient.s", (("_contained", "true"),), "accurate"),
        ("system/*.s", (("_contained", "true"),), "estimate"),
        ("patient/Observation.s", (), "accurate"),
        ("patient/*.s", (("status", "final"),), "accurate"),
    ],
)
def test_an_estimate_is_for_who_may_see_all_that_it_goes_by(
    scope: str, pairs: tuple[tuple[str, str], ...], total: str
) -> None:
    assert confined(policy(scope), "Observation", ("_total", "estimate"), *pairs).total == total
    assert confined(policy(scope), "Observation", *pairs).total == "none"


def test_targets_of_chains_and_sources_of_has_have_permits_too() -> None:
    by = policy("system/Observation.s patient/Patient.s")
    (part,) = confined(by, "Observation", ("subject.name", "x")).parts
    (chain,) = part.clauses
    assert isinstance(chain, ChainClause)
    assert [(target.type, target.permits) for target in chain.targets] == [("Location", ()), ("Patient", SELF)]
    (part,) = confined(by, "Patient", ("_has:Observation:patient:patient.name", "x")).parts
    (has,) = part.clauses
    assert isinstance(has, HasClause)
    (inner,) = has.source.clauses
    assert isinstance(inner, ChainClause)
    assert (has.source.permits, inner.targets[0].permits) == (ANY, SELF)


def test_permits_reach_into_filters() -> None:
    by = policy("system/Observation.s patient/Patient.s")
    (part,) = confined(by, "Observation", ("_filter", "not(patient.name eq x or patient.name eq y)")).parts
    assert "permits=()" not in repr(part)
    assert repr(part).count(repr(SELF)) == 2
    assert isinstance(part.clauses[0], NotClause)


@pytest.mark.parametrize(
    ("type", "name", "value"),
    [
        ("Observation", "encounter.status", "x"),
        ("Observation", "patient.name", "x"),
        ("Observation", "_has:Provenance:target:agent", "x"),
        ("Observation", "_filter", "status eq final or patient.name eq x"),
        ("Observation", "_list", "1"),
        ("Patient", "name", "x"),
    ],
)
def test_a_search_only_about_types_that_are_not_permitted_is_forbidden(type: str, name: str, value: str) -> None:
    with pytest.raises(Forbidden):
        confined(policy("system/Observation.rs patient/Patient.r patient/List.s"), type, (name, value))


def test_a_list_needs_to_be_readable() -> None:
    (part,) = confined(policy("system/Patient.s patient/List.r"), "Patient", ("_list", "7")).parts
    entries = HasClause(Part("List", (IdClause(("7",)),), (Permit(A),)), lookup("List", "item").numbers)
    assert part.clauses == (entries,)


def test_what_comes_along_is_held_to_its_own_permits() -> None:
    by = policy("system/Observation.s patient/Patient.s")
    subject, every, reverse = confined(
        by,
        "Observation",
        ("_include", "Observation:patient"),
        ("_include", "*"),
        ("_revinclude", "Provenance:target"),
    ).includes
    assert subject.permits == (("Patient", SELF),)
    assert every.permits == (("Observation", ANY), ("Patient", SELF))
    assert reverse.permits == ()


# --- by name ----------------------------------------------------------------------------------------------------------

RS = frozenset("rs")
NAMED = Policy(
    (Grant("*", RS, A),),
    tuple(Grant(type, RS) for type in ("Medication", "Practitioner", "PractitionerRole", "Questionnaire")),
)
OWN = (Permit(A),)


@pytest.mark.parametrize(
    ("type", "pairs", "seen"),
    [
        ("Medication", (("_id", "m1"),), True),
        ("Medication", (("_id", "m1,m2"), ("code", "x")), True),
        ("Medication", (("code", "x"),), False),
        ("Medication", (), False),
        ("Medication", (("_id:not", "m1"),), False),
        ("Medication", (("_lastUpdated", "gt2020"),), False),
        ("Medication", (("_filter", "_id eq m1 or code eq x"),), False),
        ("Practitioner", (("_has:Encounter:practitioner:_id", "e"),), False),
        ("Questionnaire", (("url", "http://q"),), True),
        ("Questionnaire", (("url", "http://q|1.0"),), True),
        ("Questionnaire", (("url:below", "http://q"),), False),
        ("Questionnaire", (("_filter", "not(url eq http://q)"),), False),
        ("Questionnaire", (("url:missing", "false"),), False),
        ("Questionnaire", (("definition", "http://q"),), False),
        ("Questionnaire", (("version", "1"),), False),
        ("Medication", (("_tag", "http://q"),), False),
        ("Patient", (("_id", "p"),), False),
    ],
)
def test_what_may_be_named_is_found_by_its_name(type: str, pairs: tuple[tuple[str, str], ...], seen: bool) -> None:
    (part,) = confined(NAMED, type, *pairs).parts
    assert part.permits == (ANY if seen else OWN)


def test_in_a_search_of_all_types_an_id_is_a_name_too() -> None:
    parts = {part.type: part.permits for part in confined(NAMED, None, ("_id", "x")).parts}
    assert (parts["Medication"], parts["Patient"]) == (ANY, OWN)
    parts = {part.type: part.permits for part in confined(NAMED, None, ("_lastUpdated", "gt2020")).parts}
    assert set(parts.values()) == {OWN}


def test_who_may_see_something_by_name_alone_lists_nothing() -> None:
    alone = Policy((Grant("MedicationRequest", RS, A),), (Grant("Medication", RS),))
    assert confined(alone, "Medication", ("_id", "m")).parts[0].permits == ANY
    with pytest.raises(Forbidden):
        confined(alone, "Medication", ("code", "x"))


def test_targets_of_includes_are_named_and_sources_are_not() -> None:
    forward, back, every = confined(
        NAMED,
        "MedicationRequest",
        ("_include", "MedicationRequest:medication"),
        ("_revinclude", "Provenance:target"),
        ("_include", "*"),
    ).includes
    assert dict(forward.permits)["Medication"] == ANY
    assert dict(back.permits) == {"Provenance": OWN}
    assert dict(every.permits)["Practitioner"] == ANY
    assert dict(every.permits)["Organization"] == OWN
    (back,) = confined(NAMED, "Organization", ("_revinclude", "PractitionerRole:organization")).includes
    assert dict(back.permits) == {"PractitionerRole": OWN}


def test_the_ends_of_chains_are_named_and_the_sources_of_has_are_not() -> None:
    (part,) = confined(NAMED, "MedicationRequest", ("medication.code", "x")).parts
    (chain,) = part.clauses
    assert isinstance(chain, ChainClause)
    assert [(target.type, target.permits) for target in chain.targets] == [("Medication", ANY)]
    (part,) = confined(
        NAMED, "Patient", ("general-practitioner:Practitioner._has:Encounter:practitioner:status", "x")
    ).parts
    (chain,) = part.clauses
    assert isinstance(chain, ChainClause)
    (has,) = chain.targets[0].clauses
    assert isinstance(has, HasClause)
    assert (chain.targets[0].permits, has.source.permits) == (ANY, OWN)
    (part,) = confined(NAMED, "Organization", ("_has:PractitionerRole:organization:active", "true")).parts
    (has,) = part.clauses
    assert isinstance(has, HasClause)
    assert has.source.permits == OWN


def test_search_constraints_are_permits_too() -> None:
    by = Policy((Grant("Observation", frozenset("s"), None, (("category", "laboratory"),)),))
    (part,) = confined(by, "Observation").parts
    assert part.permits == by.permits("Observation", "s") != ANY


def test_who_may_do_everything_sees_everything() -> None:
    query = confined(EVERYTHING, None, ("_include", "*"))
    assert query.parts == tuple(Part(type, (), ANY) for type in TYPES)
    assert query.includes[0].permits == tuple((type, ANY) for type in TYPES)


def test_what_is_contained_is_for_who_may_search_its_type_and_what_contains_it() -> None:
    by = policy("patient/Claim.rs system/Coverage.s system/Patient.r")
    query = confined(by, "Coverage", ("_contained", "true"))
    assert query.parts == (Part("Coverage", (), ANY),)
    assert query.contained == Contained(containers=(("Claim", (Permit(A),)), ("Coverage", ANY)))
    with pytest.raises(Forbidden, match="Condition"):
        confined(by, "Condition", ("_contained", "true"))
    assert confined(by, "Coverage", ("_contained", "false")).contained is None
