"""From scopes to a Policy: never more than what was asked for, registered, and allowed to the user, each by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.access.granting import Context, grantable, of_scopes, policy, refusal
from hilum.access.policy import EVERYTHING, Policy, allows
from hilum.access.roles import Rule, packaged, rules
from hilum.access.shared import BELONGS, SHARED
from hilum.oauth.scopes import Asked, Scope, asked, covered, parse, parts, written
from hilum.search.clauses import Permit
from hilum.search.index import index
from hilum.search.rows import Rows

A, B = (("Patient", "a"),), (("Patient", "b"),)
LETTERS = "cruds"
NAME = "n"
"""As a letter: found by who names it."""


def resource(type: str, id: str, /, **content: Any) -> tuple[str, str, Rows]:
    body = {"resourceType": type, "id": id, **content}
    return type, id, index(type, body, id)


def refers(type: str, id: str) -> dict[str, str]:
    return {"reference": f"{type}/{id}"}


def coded(*codes: tuple[str, str]) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for system, code in codes]}


RESOURCES = [
    resource("Patient", "a"),
    resource("Patient", "b"),
    *(
        resource("Observation", f"{kind}-{who}", subject=refers("Patient", who), category=[coded(("", kind))])
        for kind in ("laboratory", "vital-signs")
        for who in "ab"
    ),
    *(resource("Device", f"d-{who}", patient=refers("Patient", who)) for who in "ab"),
    resource("Device", "d"),
    *(resource("Task", f"t-{who}", **{"for": refers("Patient", who)}) for who in "ab"),
    resource("Contract", "c", subject=[refers("Patient", "a"), refers("Patient", "b")]),
    resource("Appointment", "both", participant=[{"actor": refers("Patient", one)} for one in "ab"]),
    resource("Medication", "m"),
    resource("Practitioner", "p"),
    resource("Practitioner", "q"),
    resource("Location", "l", type=[coded(("http://x", "HOSP"))]),
    resource("Location", "home", type=[coded(("http://x", "PTRES"))]),
    resource("Questionnaire", "q", url="http://q"),
    resource("ResearchStudy", "s"),
    resource("AuditEvent", "e"),
    resource("Binary", "x"),
    *(
        resource("Basic", f"{code}-{who}", subject=refers("Patient", who), code=coded(("http://app", code)))
        for code in ("mine", "theirs")
        for who in "ab"
    ),
    *(
        resource(
            "Consent", f"{system}-a", patient=refers("Patient", "a"), identifier=[{"system": system, "value": "1"}]
        )
        for system in ("urn:hilum:grant", "urn:x")
    ),
]
TYPES = sorted({type for type, *_ in RESOURCES})


def may(by: Policy, letter: str, one: tuple[str, str, Rows]) -> bool:
    type, id, rows = one
    return allows(by.by_name(type) if letter == NAME else by.permits(type, letter), rows, id)


def seen(by: Policy, letter: str) -> set[str]:
    return {f"{type}/{id}" for type, id, rows in RESOURCES if may(by, letter, (type, id, rows))}


LEVEL = st.sampled_from(("patient", "user", "system"))
TYPE = st.sampled_from(("*", *TYPES))
SOME = st.frozensets(st.sampled_from(LETTERS), min_size=1)
PAIR = st.sampled_from(
    (
        ("category", "laboratory"),
        ("category", "vital-signs"),
        ("_id", "p,m"),
        ("code", "mine"),
        ("patient", "Patient/a"),
    )
)
SEARCH = st.lists(PAIR, max_size=1).map(tuple)
SCOPE = st.builds(Scope, LEVEL, TYPE, SOME, SEARCH)
SCOPES = st.lists(SCOPE, max_size=4).map(tuple)


@st.composite
def a_rule(draw: st.DrawFn) -> Rule:
    types = draw(st.one_of(st.just(("*",)), st.lists(st.sampled_from(TYPES), min_size=1, max_size=4, unique=True)))
    but = draw(st.frozensets(st.sampled_from(TYPES), max_size=3)) if types == ("*",) else frozenset()
    shared = draw(st.sampled_from((None, None, (), ("Medication",))))
    return Rule(tuple(types), draw(SOME), but, draw(st.booleans()), (), shared)


RULES = st.one_of(
    st.lists(a_rule(), max_size=3).map(tuple),
    st.sampled_from(sorted(packaged())).map(lambda name: packaged()[name].rules),
)
CONTEXT = st.builds(
    Context,
    patient=st.sampled_from((None, "a", "b")),
    patients=st.sampled_from(((), ("a",), ("b",), ("a", "b"))),
)
STATES = st.sampled_from(((), ("http://app|theirs",)))
ALL_LETTERS = (*LETTERS, NAME)


# --- laws -------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(SCOPES, SCOPES, st.one_of(st.none(), RULES), CONTEXT, STATES)
def test_scopes_together_allow_what_each_allows_alone(
    some: tuple[Scope, ...], more: tuple[Scope, ...], by: tuple[Rule, ...] | None, context: Context, states: Any
) -> None:
    whole, one, other = (policy(each, by, context, states) for each in (some + more, some, more))
    for letter in ALL_LETTERS:
        assert seen(whole, letter) == seen(one, letter) | seen(other, letter)


@settings(deadline=None)
@given(SCOPES, RULES, CONTEXT, STATES)
def test_a_user_narrows_what_scopes_allow_and_scopes_what_a_user_may(
    some: tuple[Scope, ...], by: tuple[Rule, ...], context: Context, states: Any
) -> None:
    """Both by one and the same rule: what one rule lets be seen is not written by another one's leave."""
    both, alone = policy(some, by, context, states), policy(some, None, context, states)
    everything = (Scope("user", "*", frozenset(LETTERS)),)
    single = [(policy(some, (rule,), context, states), policy(everything, (rule,), context)) for rule in by]
    for letter in ALL_LETTERS:
        found = seen(both, letter)
        assert found <= seen(alone, letter)
        assert found == set().union(*(seen(narrow, letter) & seen(wide, letter) for narrow, wide in single))


@settings(deadline=None)
@given(SCOPES, st.one_of(st.none(), RULES), CONTEXT)
def test_without_a_scope_there_is_never_more(
    some: tuple[Scope, ...], by: tuple[Rule, ...] | None, context: Context
) -> None:
    whole = policy(some, by, context)
    for place in range(len(some)):
        less = policy(some[:place] + some[place + 1 :], by, context)
        assert all(seen(less, letter) <= seen(whole, letter) for letter in ALL_LETTERS)


@settings(deadline=None)
@given(SCOPE, SEARCH, st.one_of(st.none(), RULES), CONTEXT)
def test_another_search_parameter_never_allows_more(
    one: Scope, search: Any, by: tuple[Rule, ...] | None, context: Context
) -> None:
    narrowed = Scope(one.level, one.type, one.interactions, one.search + search)
    wide, narrow = (policy((each,), by, context) for each in (one, narrowed))
    assert all(seen(narrow, letter) <= seen(wide, letter) for letter in ALL_LETTERS)


@settings(deadline=None)
@given(st.lists(SCOPE, max_size=4), st.one_of(st.none(), RULES), st.sampled_from(((), ("a",), ("a", "b"))))
def test_patient_scopes_without_a_patient_allow_nothing(
    some: list[Scope], by: tuple[Rule, ...] | None, patients: tuple[str, ...]
) -> None:
    bound = tuple(one for one in some if one.level == "patient")
    found = policy(bound, by, Context(patients=patients))
    assert found.grants == found.named == ()


@settings(deadline=None)
@given(SCOPES, RULES, CONTEXT)
def test_patient_scopes_reach_no_other_patient(some: tuple[Scope, ...], by: tuple[Rule, ...], context: Context) -> None:
    bound = tuple(one for one in some if one.level == "patient")
    other = {"a": "b", "b": "a"}.get(context.patient or "", "a")
    for by_ in (by, None):
        found = policy(bound, by_, context)
        for letter in ALL_LETTERS:
            assert not {one for one in seen(found, letter) if one.endswith((f"-{other}", f"Patient/{other}"))}


@settings(deadline=None)
@given(SCOPES, st.one_of(st.none(), RULES), CONTEXT)
def test_nothing_is_allowed_by_a_letter_that_no_scope_has(
    some: tuple[Scope, ...], by: tuple[Rule, ...] | None, context: Context
) -> None:
    found = policy(some, by, context)
    letters = frozenset().union(*(one.interactions for one in some))
    for letter in set(LETTERS) - letters:
        assert seen(found, letter) == set()
        if letter == "s":
            assert seen(found, NAME) == set()


@settings(deadline=None)
@given(SCOPE, SCOPES, CONTEXT)
def test_a_covered_part_allows_only_what_both_allow(one: Scope, by: tuple[Scope, ...], context: Context) -> None:
    whole, others = policy((one,), None, context), policy(by, None, context)
    left = parts(one, by)
    best = covered(one, by)
    assert (best is None) is (not left)
    for each in left:
        for letter in ALL_LETTERS:
            assert seen(policy((each,), None, context), letter) <= seen(whole, letter) & seen(others, letter)


@settings(deadline=None)
@given(SCOPES, CONTEXT)
def test_what_is_written_allows_the_same(some: tuple[Scope, ...], context: Context) -> None:
    assert policy(parse(written(some)), None, context) == policy(tuple(dict.fromkeys(some)), None, context)


@settings(deadline=None)
@given(SCOPES, SCOPES, st.one_of(st.none(), RULES), CONTEXT)
def test_what_is_granted_was_asked_for_and_registered_and_allowed(
    wanted: tuple[Scope, ...], registered: tuple[Scope, ...], by: tuple[Rule, ...] | None, context: Context
) -> None:
    granted = grantable(Asked(wanted), registered, by)
    assert all((one.level == "system") is (by is None) for one in granted)
    found = policy(granted, by, context)
    for letter in ALL_LETTERS:
        got = seen(found, letter)
        assert got <= seen(policy(wanted, by, context), letter)
        assert got <= seen(policy(registered, by, context), letter)
    everything = tuple(Scope(level, "*", frozenset(LETTERS)) for level in ("patient", "user", "system"))
    whole = policy(grantable(Asked(wanted), everything, by), by, context)
    levels = ("system",) if by is None else ("patient", "user")
    kept = tuple(one for one in wanted if one.level in levels)
    for letter in ALL_LETTERS:
        assert seen(whole, letter) == seen(policy(kept, by, context), letter)


@settings(deadline=None)
@given(SCOPES, st.one_of(st.none(), RULES), CONTEXT, st.sampled_from(("a", "b")))
def test_the_app_state_of_others_is_nobody_elses(
    some: tuple[Scope, ...], by: tuple[Rule, ...] | None, context: Context, who: str
) -> None:
    blind, whole = policy(some, by, context, ("http://app|theirs",)), policy(some, by, context)
    for letter in ALL_LETTERS:
        hidden = {one for one in seen(whole, letter) if one.startswith("Basic/theirs")}
        assert seen(blind, letter) == seen(whole, letter) - hidden


# --- examples ---------------------------------------------------------------------------------------------------------


def of_patient(text: str, **more: Any) -> Policy:
    return policy(parse(text), rules(["patient"], packaged()), Context(patient="a", patients=("a",), **more))


def test_a_patient_sees_their_record_and_what_it_names() -> None:
    found = of_patient("patient/*.rs")
    own = {
        "Patient/a", "Observation/laboratory-a", "Observation/vital-signs-a", "Device/d-a", "Task/t-a", "Contract/c",
        "Appointment/both", "Basic/mine-a", "Basic/theirs-a", "Consent/urn:hilum:grant-a", "Consent/urn:x-a",
    }  # fmt: skip
    named = {"Medication/m", "Practitioner/p", "Practitioner/q", "Location/l", "Questionnaire/q"}
    assert seen(found, "s") == own
    assert seen(found, "r") == seen(found, NAME) == own | named
    assert seen(found, "c") == seen(found, "u") == seen(found, "d") == set()


def test_what_a_patient_may_write_is_little() -> None:
    found = of_patient("patient/*.cruds")
    assert seen(found, "c") == {
        "Observation/laboratory-a", "Observation/vital-signs-a", "Basic/mine-a", "Basic/theirs-a",
    }  # fmt: skip
    assert seen(found, "u") == {"Basic/mine-a", "Basic/theirs-a", "Consent/urn:hilum:grant-a"}
    assert seen(found, "d") == {"Basic/mine-a", "Basic/theirs-a"}


def test_by_name_goes_by_the_letters_of_the_scope() -> None:
    reads, searches = of_patient("patient/Medication.r"), of_patient("patient/Medication.s")
    assert (seen(reads, "r"), seen(reads, NAME), seen(reads, "s")) == ({"Medication/m"}, set(), set())
    assert (seen(searches, "r"), seen(searches, NAME), seen(searches, "s")) == (set(), {"Medication/m"}, set())
    assert seen(of_patient("patient/Observation.rs"), NAME) == {"Observation/laboratory-a", "Observation/vital-signs-a"}


def test_search_parameters_limit_what_is_named_too() -> None:
    assert seen(of_patient("patient/Practitioner.rs?_id=p"), "r") == {"Practitioner/p"}
    assert seen(of_patient("patient/*.rs?_id=p"), "r") == {"Practitioner/p"}
    assert seen(of_patient("patient/Observation.rs?category=laboratory"), "s") == {"Observation/laboratory-a"}


def test_a_user_scope_never_widens_a_patient_one() -> None:
    doctor = rules(["practitioner"], packaged())
    found = policy(parse("patient/Observation.cruds user/Observation.rs"), doctor, Context(patient="a"))
    everyone = {one for one in seen(EVERYTHING, "r") if one.startswith("Observation/")}
    assert seen(found, "r") == everyone
    assert seen(found, "u") == {one for one in everyone if one.endswith("-a")}
    assert seen(policy(parse("user/*.cruds"), doctor), "u").isdisjoint({"AuditEvent/e", "Consent/urn:x-a"})
    assert seen(policy(parse("user/*.cruds"), doctor), "r") == seen(EVERYTHING, "r") - {"AuditEvent/e"}


def test_an_administrator_may_all_but_rewrite_consents_and_the_log() -> None:
    admin = policy(parse("user/*.cruds"), rules(["admin"], packaged()))
    assert seen(admin, "r") == seen(EVERYTHING, "r")
    assert {one.partition("/")[0] for one in seen(EVERYTHING, "u") - seen(admin, "u")} == {"AuditEvent", "Consent"}
    assert admin.names("AuditEvent", "r")
    assert not policy(parse("user/*.cruds"), rules(["practitioner"], packaged())).names("AuditEvent", "r")


def test_a_rule_on_one_s_own_records_bounds_every_scope() -> None:
    rule = rules(["patient"], packaged())

    def of(text: str, patients: tuple[str, ...], patient: str | None = None) -> Policy:
        return policy(parse(text), rule, Context(patient=patient, patients=patients))

    for letter in ALL_LETTERS:
        whole = seen(of("patient/*.cruds", ("a",), "a"), letter)
        assert seen(of("user/*.cruds", ("a",)), letter) == whole
        assert seen(of("patient/*.cruds", ("a", "b"), "a"), letter) == whole
        other = seen(of("patient/*.cruds", ("b",), "b"), letter)
        assert seen(of("user/*.cruds", ("a", "b")), letter) == whole | other
    assert of("user/*.cruds", ()) == of("patient/*.cruds", (), "a") == of("patient/*.cruds", ("b",), "a") == Policy(())


@settings(deadline=None)
@given(SCOPES, st.sampled_from(("a", "b")), st.sampled_from((None, "a", "b")))
def test_by_a_rule_on_one_s_own_nobody_elses_is_reached(some: tuple[Scope, ...], own: str, patient: str | None) -> None:
    rule = Rule(("*",), frozenset(LETTERS), own=True)
    found = policy(some, (rule,), Context(patient=patient, patients=(own,)))
    other = "b" if own == "a" else "a"
    for letter in ALL_LETTERS:
        assert not {one for one in seen(found, letter) if one.endswith((f"-{other}", f"Patient/{other}"))}


def test_a_system_scope_is_for_no_user() -> None:
    assert policy(parse("system/*.rs"), rules(["admin"], packaged())).grants == ()
    assert policy(parse("system/*.rs"), None).permits("Patient", "r") == (Permit(None),)


def test_the_states_of_many_apps_are_left_out_all() -> None:
    states = tuple(f"http://app{number}|s" for number in range(1200))
    (grant,) = policy(parse("user/Basic.rs"), None, Context(), (*states, "http://app|theirs")).grants
    assert sum(value.count(",") + 1 for _, value in grant.search) == 1201
    found = policy(parse("user/Basic.rs"), None, Context(), (*states, "http://app|theirs"))
    assert seen(found, "s") == {"Basic/mine-a", "Basic/mine-b"}


def test_who_somebody_is_may_be_read() -> None:
    found = policy((), (), Context(fhir_user="Practitioner/p"))
    assert seen(found, "r") == {"Practitioner/p"}
    assert seen(found, "s") == seen(found, NAME) == seen(found, "u") == set()


def test_a_binary_of_a_record_is_read_and_never_searched_for() -> None:
    found = of_scopes(parse("patient/*.cruds"), "a")
    assert found.permits("Binary", "r") == found.permits("Binary", "c") == (Permit(A),)
    assert found.permits("Binary", "s") == found.by_name("Binary") == ()
    assert of_scopes(parse("patient/Binary.s"), "a").grants == ()
    assert of_scopes(parse("user/Binary.s"), "a").permits("Binary", "s") == (Permit(None),)


def test_what_belongs_to_several_patients_is_not_written_by_one() -> None:
    found = of_scopes(parse("patient/*.cruds"), "a")
    assert {type for type in BELONGS if found.permits(type, "u")} == set(BELONGS) - {"Contract"}


def test_a_role_may_say_what_is_shared() -> None:
    rule = Rule(("*",), frozenset("rs"), own=True, shared=("ResearchStudy", "Location"))
    found = policy(parse("patient/*.rs"), (rule,), Context(patient="a", patients=("a",)))
    assert seen(found, NAME) - seen(found, "s") == {"ResearchStudy/s", "Location/l"}
    assert SHARED["Location"]


def test_equal_arguments_have_the_same_policy() -> None:
    one, other = (policy(parse("user/*.rs"), None, Context(user=user, encounter=user)) for user in ("x", "y"))
    assert one is other


@pytest.mark.parametrize(
    "text",
    [
        "user/Nothing.rs",
        "user/Observation.rs?nothing=x",
        "user/Observation.rs?patient.name=x",
        "user/Observation.rs?_has:Provenance:target:agent=x",
        "user/Observation.rs?code:in=http://v",
        "user/Observation.rs?_filter=patient.name%20eq%20x",
        "user/Observation.rs?_count=1",
        "user/Observation.rs?_lastUpdated=gt2020",
        "user/*.rs?nothing=x",
        "user/*.rs?_nothing=x",
        "user/*.rs?_filter=code%20eq%20x",
        "user/*.rs?code=x&birthdate=2000&category=x&publisher=y",
    ],
)
def test_what_can_not_be_enforced_grants_nothing(text: str) -> None:
    (scope,) = parse(text)
    assert refusal(scope) is not None
    assert of_scopes((scope,), "a").grants == of_scopes((scope,), "a").named == ()
    assert grantable(asked(text), parse("user/*.cruds"), packaged()["admin"].rules) == ()


def test_the_scopes_of_a_user_follow_the_rules() -> None:
    def granted(text: str, registered: str, role: str | None) -> str:
        by = None if role is None else packaged()[role].rules
        return written(grantable(asked(text), parse(registered), by))

    assert granted("user/*.read user/Patient.cu", "user/*.cruds", "practitioner") == "user/*.read user/Patient.cu"
    assert granted("user/*.rs", "user/*.cruds", "auditor") == "user/AuditEvent.rs user/Consent.rs user/Provenance.rs"
    assert granted("user/AuditEvent.rs", "user/*.cruds", "practitioner") == ""
    assert granted("patient/*.rs", "patient/Observation.rs?category=laboratory", "patient") == (
        "patient/Observation.rs?category=laboratory"
    )
    assert granted("patient/Patient.cruds patient/Consent.cruds", "patient/*.cruds", "patient") == (
        "patient/Patient.rs patient/Consent.rs patient/Consent.u?identifier=urn:hilum:grant|"
    )
    assert granted("system/*.rs user/*.rs", "system/Patient.rs user/*.rs", None) == "system/Patient.rs"
    assert granted("system/*.rs", "system/*.rs", "admin") == ""
