"""Roles: a table of what may be done, read strictly."""

from __future__ import annotations

import pytest

from hilum.access.roles import Role, Rule, packaged, roles, rules
from hilum.fhir.definitions import TYPES, compartments
from hilum.problems import Misconfigured

NURSE = """
# comment
[practitioner]
title = "Doctor"
rules = []

[nurse]
title = "Nurse"
picks = "any"
console = ["consents"]
second_factor = true
shared = ["Organization", "ResearchStudy"]
rules = [
  { types = "*", may = "rs", but = ["AuditEvent"] },
  { types = ["Observation", "Condition"], may = "cu", within = "own", search = "category=vital-signs&code=a%26b" },
]
"""


def test_the_packaged_roles_are_the_four() -> None:
    found = packaged()
    assert sorted(found) == ["admin", "auditor", "patient", "practitioner"]
    assert {name for name, role in found.items() if role.second_factor} == {"admin", "auditor"}
    assert {name: role.picks for name, role in found.items()} == {
        "admin": "any",
        "auditor": "none",
        "patient": "own",
        "practitioner": "any",
    }
    assert all(rule.own for rule in found["patient"].rules)
    assert [rule.types for rule in found["auditor"].rules] == [("AuditEvent", "Consent", "Provenance")]


def test_a_file_says_the_whole_of_a_role() -> None:
    found = roles(NURSE, packaged())
    assert sorted(found) == ["admin", "auditor", "nurse", "patient", "practitioner"]
    assert found["practitioner"] == Role("practitioner", "Doctor", ())
    shared = ("Organization", "ResearchStudy")
    assert found["nurse"] == Role(
        "nurse",
        "Nurse",
        (
            Rule(("*",), frozenset("rs"), frozenset(["AuditEvent"]), False, (), shared),
            Rule(
                ("Observation", "Condition"),
                frozenset("cu"),
                frozenset(),
                True,
                (("category", "vital-signs"), ("code", "a&b")),
                shared,
            ),
        ),
        "any",
        frozenset(["consents"]),
        True,
        shared,
    )
    assert sorted(packaged()) == ["admin", "auditor", "patient", "practitioner"]


def test_a_user_has_the_rules_of_all_roles_that_there_are() -> None:
    found = roles(NURSE, packaged())
    assert rules(("nurse", "gone", "auditor", "nurse"), found) == found["nurse"].rules + found["auditor"].rules
    assert rules((), found) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\n[nurse\n", "line 2"),
        ('[a]\nrules = []\n[nurse]\ntitle = ""\nrules = []', "line 3 and below: title of 'nurse'"),
        ("[nurse]", "rules of 'nurse' must be a list"),
        ("nurse = 1", "line 1 and below: the role of 'nurse' must be a table"),
        ("[Nurse]\nrules = []", "name of at most 40"),
        ("[nurse]\nrules = []\nright = 1", "right of 'nurse' is not known"),
        ('[nurse]\nrules = []\npicks = "all"', "picks of 'nurse' must be one of none, own, any"),
        ('[nurse]\nrules = []\nconsole = ["root"]', "console of 'nurse' may name"),
        ('[nurse]\nrules = []\nconsole = "audit"', "console of 'nurse' must be a list"),
        ('[nurse]\nrules = []\nsecond_factor = "no"', "second_factor of 'nurse'"),
        ('[nurse]\nrules = []\nshared = ["Observation"]', "shared of 'nurse' names Observation, which is part"),
        ('[nurse]\nrules = []\nshared = ["Device"]', "part of patients' records"),
        ('[nurse]\nrules = []\nshared = ["Doctor"]', "names 'Doctor', which is no resource type"),
        ("[nurse]\nrules = [1]", "rules[0] of 'nurse' must be a table"),
        ('[nurse]\nrules = [{ may = "r" }]', "rules[0].types of 'nurse'"),
        ('[nurse]\nrules = [{ types = [], may = "r" }]', "rules[0].types of 'nurse'"),
        ('[nurse]\nrules = [{ types = "Patient", may = "r" }]', "rules[0].types of 'nurse'"),
        ('[nurse]\nrules = [{ types = ["Patients"], may = "r" }]', "names 'Patients'"),
        ('[nurse]\nrules = [{ types = "*" }]', "rules[0].may of 'nurse'"),
        ('[nurse]\nrules = [{ types = "*", may = "sr" }]', "rules[0].may of 'nurse'"),
        ('[nurse]\nrules = [{ types = "*", may = "read" }]', "rules[0].may of 'nurse'"),
        ('[nurse]\nrules = [{ types = ["Patient"], may = "r", but = ["Group"] }]', "rules[0].but of 'nurse'"),
        ('[nurse]\nrules = [{ types = "*", may = "r", within = "all" }]', "rules[0].within of 'nurse'"),
        ('[nurse]\nrules = [{ types = "*", may = "r", search = "code=x" }]', "rules[0].search of 'nurse'"),
        ('[nurse]\nrules = [{ types = ["Patient"], may = "r", search = "x" }]', "rules[0].search of 'nurse'"),
        ('[nurse]\nrules = [{ types = ["Patient"], may = "r", search = "code=x" }]', "can't limit a rule on Patient"),
        ('[nurse]\nrules = [{ types = ["Observation"], may = "r", search = "patient.name=x" }]', "can't limit a rule"),
        ('[nurse]\nrules = [{ types = "*", may = "r", when = "x" }]', "rules[0].when of 'nurse' is not known"),
    ],
)
def test_what_is_not_fully_understood_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        roles(text)
    assert said in str(refused.value)


def test_what_is_shared_is_in_no_record() -> None:
    from hilum.access.shared import BELONGS, BY_NAME, NAMED_BY_URL, SHARED

    assert set(BY_NAME) == set(SHARED) | set(NAMED_BY_URL)
    assert len(BY_NAME) == len(SHARED) + len(NAMED_BY_URL)
    for some in (BELONGS, BY_NAME):
        assert set(some) <= set(TYPES)
        assert not set(some) & {"Patient", *compartments()["Patient"]}
    assert not set(BELONGS) & set(BY_NAME)
