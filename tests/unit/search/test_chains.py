"""Chains and `_has`. https://hl7.org/fhir/R4/search.html#chaining"""

from __future__ import annotations

import pytest

from hilum.problems import Invalid
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    DateClause,
    HasClause,
    IdClause,
    ListClause,
    Part,
    ReferenceClause,
    StringClause,
    TokenClause,
)
from hilum.search.parameters import lookup
from hilum.search.parse import parse_query


def numbers(type: str, code: str) -> tuple[int, ...]:
    return lookup(type, code).numbers


def clause(type: str, name: str, value: str) -> Clause:
    (found,) = parse_query(type, [(name, value)]).query.parts[0].clauses
    return found


def named(type: str, text: str) -> Part:
    return Part(type, (StringClause(numbers(type, "name"), (text,)),))


def test_a_typed_chain_leads_to_that_type_by_the_numbers_that_hold_it() -> None:
    found = clause("Observation", "subject:Patient.name", "ann")
    assert found == ChainClause(numbers("Observation", "patient"), (named("Patient", "ann"),))


def test_an_untyped_chain_leads_to_every_type_that_has_the_parameter() -> None:
    found = clause("Observation", "subject.name", "ann")
    assert found == ChainClause(numbers("Observation", "subject"), (named("Location", "ann"), named("Patient", "ann")))


def test_a_chain_says_what_is_wrong_with_its_value() -> None:
    assert clause("Observation", "patient.active", "true") == ChainClause(
        numbers("Observation", "patient"),
        (Part("Patient", (TokenClause(numbers("Patient", "active"), (Token(None, "true"),)),)),),
    )
    with pytest.raises(Invalid, match="'active' of Patient is true or false"):
        clause("Observation", "subject.active", "perhaps")


def test_a_chain_has_any_depth_and_ends_in_anything() -> None:
    found = clause("Observation", "encounter.service-provider.partof.name:exact", "Ann")
    name = StringClause(numbers("Organization", "name"), ("Ann",), "exact")
    inner = ChainClause(numbers("Organization", "partof"), (Part("Organization", (name,)),))
    middle = ChainClause(numbers("Encounter", "service-provider"), (Part("Organization", (inner,)),))
    assert found == ChainClause(numbers("Observation", "encounter"), (Part("Encounter", (middle,)),))
    assert clause("Observation", "patient._id", "7") == ChainClause(
        numbers("Observation", "patient"), (Part("Patient", (IdClause(("7",)),)),)
    )
    assert clause("Observation", "patient._list", "7") == ChainClause(
        numbers("Observation", "patient"), (Part("Patient", (ListClause("7"),)),)
    )


def test_a_chain_may_end_in_the_type_that_is_referred_to() -> None:
    encounter = numbers("Encounter", "subject")
    only = clause("Encounter", "subject._type", "Group")
    assert isinstance(only, ChainClause)
    assert only.targets == (Part("Group", (AllClause(()),)),)
    assert clause("Encounter", "subject._type", "Patient,Group") == ChainClause(
        encounter, tuple(Part(type, (AllClause(()),)) for type in ("Group", "Patient"))
    )
    assert clause("Encounter", "subject._type:not", "Patient") == only
    named = clause("Encounter", "subject:Patient._type", "Group")
    assert isinstance(named, ChainClause)
    assert named.targets == (Part("Patient", (AnyClause(()),)),)
    having = clause("Patient", "_has:Group:member:_type", "Group")
    assert isinstance(having, HasClause)
    assert having.source == Part("Group", (AllClause(()),))
    with pytest.raises(Invalid, match="_type: 'subject' of Encounter refers to Group, Patient"):
        clause("Encounter", "subject._type", "Claim")
    with pytest.raises(Invalid, match="_type names 'Person1', which is no resource type"):
        clause("Encounter", "subject._type", "Person1")
    with pytest.raises(Invalid, match="'_type' takes no modifiers but 'not'"):
        clause("Encounter", "subject._type:in", "Patient")


def test_has_is_about_what_refers_here() -> None:
    found = clause("Patient", "_has:Observation:patient:code", "7")
    source = Part("Observation", (TokenClause(numbers("Observation", "code"), (Token(None, "7"),)),))
    assert found == HasClause(source, numbers("Observation", "patient"))


def test_has_of_a_wider_reference_looks_only_where_the_type_can_be() -> None:
    found = clause("Patient", "_has:Observation:subject:date", "ge2000")
    assert isinstance(found, HasClause)
    assert found.parameters == numbers("Observation", "patient")
    assert isinstance(found.source.clauses[0], DateClause)


def test_has_may_stand_in_has_and_lead_into_a_chain() -> None:
    agent = (("Practitioner", "7"),)
    found = clause("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent:Practitioner", "7")
    event = lookup("AuditEvent", "agent")
    assert isinstance(found, HasClause)
    (inner,) = found.source.clauses
    assert isinstance(inner, HasClause)
    (last,) = inner.source.clauses
    assert isinstance(last, ReferenceClause)
    assert (inner.source.type, last.values, set(last.parameters) <= set(event.numbers)) == ("AuditEvent", agent, True)
    chained = clause("Patient", "_has:Observation:patient:encounter.status", "finished")
    assert isinstance(chained, HasClause)
    assert isinstance(chained.source.clauses[0], ChainClause)


def test_a_chain_may_end_in_has() -> None:
    found = clause("Observation", "patient._has:Group:member:code", "7")
    assert isinstance(found, ChainClause)
    assert isinstance(found.targets[0].clauses[0], HasClause)


def test_a_canonical_is_followed_by_the_texts_of_its_urls() -> None:
    names = lookup("QuestionnaireResponse", "questionnaire").whole
    draft = TokenClause(numbers("Questionnaire", "status"), (Token(None, "draft"),))
    assert clause("QuestionnaireResponse", "questionnaire.status", "draft") == ChainClause(
        (), (Part("Questionnaire", (draft,)),), names
    )
    source = Part("QuestionnaireResponse", (IdClause(("7",)),))
    assert clause("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id", "7") == HasClause(source, (), names)


def test_a_canonical_of_anything_leads_to_whatever_has_a_url_and_a_version() -> None:
    found = clause("Measure", "composed-of.version", "1")
    assert isinstance(found, ChainClause)
    types = [one.type for one in found.targets]
    assert len(types) == 28
    assert not {"Contract", "Device", "Patient", "Subscription"} & set(types)


@pytest.mark.parametrize(
    ("type", "name", "message"),
    [
        ("Observation", "patient.nam", "Patient has no search parameter 'nam'. Did you mean name?"),
        ("Observation", "subject.birthdat", "Nothing that 'subject' of Observation refers to has a search"),
        ("Observation", "subject:Claim.use", "The search parameter 'subject' of Observation does not know"),
        ("Bundle", "composition.title", "'composition' of Bundle leads to what is nested in the Bundle itself"),
        ("Bundle", "message:MessageHeader.event", "'message' of Bundle leads to what is nested in the Bundle itself"),
        ("Observation", "code.text", "'code' of Observation is of type token; only references lead on."),
        ("QuestionnaireResponse", "questionnaire:Patient.name", "The search parameter 'questionnaire' of Quest"),
        ("Patient", "_has:QuestionnaireResponse:questionnaire:status", "_has: 'questionnaire' of Questionn"),
        ("Patient", "_has:Observation:patient", "_has takes the form _has:[type]:[reference parameter]"),
        ("Patient", "_has:Observatio:patient:code", "_has names 'Observatio', which is no resource type of R4."),
        ("Patient", "_has:Observation:encounter:code", "_has: 'encounter' of Observation refers to Encounter, never"),
        ("Patient", "_has:Observation:code:code", "'code' of Observation is of type token; only references lead on."),
        ("Patient", "_list:exact", "The parameter '_list' takes no modifiers."),
    ],
)  # fmt: skip
def test_a_chain_that_leads_nowhere_is_refused(type: str, name: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        clause(type, name, "x")
    assert str(refused.value).startswith(message)
