"""The table of search parameters. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

import pytest

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid
from hilum.search.parameters import lookup, number, parameters

EVERY = [p for name in TYPES for p in parameters(name)]


def test_numbers_of_different_selections_never_collide_in_all_of_r4() -> None:
    selections: dict[int, set[tuple[str, str, tuple[str, ...] | str]]] = {}
    for p in EVERY:
        if p.number:
            assert 0 < p.number < 1 << 31
            what = tuple(sorted(map(str, p.paths))) or p.expression
            selections.setdefault(p.number, set()).add((p.base, p.type, what))
    assert [found for found in selections.values() if len(found) > 1] == []
    assert len(selections) > 2000


def test_numbers_are_what_they_always_were() -> None:
    """Databases hold them: a change here makes every stored index row unreachable."""
    assert number("Patient", "name") == 415938966
    assert number("Patient", "gender") == 1826461007
    assert number("Patient", "deceased") == 1013041641
    assert number("Observation", "code") == 2073797198
    assert number("Observation", "date") == 1594793787
    assert number("Observation", "subject") == 156437151
    assert number("Observation", "_tag") == 657392676


def test_parameters_that_select_the_same_share_one_number() -> None:
    assert number("Observation", "patient") == number("Observation", "subject")
    assert number("Encounter", "practitioner") == number("Encounter", "participant")
    assert number("Condition", "patient") == number("Condition", "subject")
    assert number("Observation", "code") != number("Observation", "combo-code")
    assert number("Observation", "code") != number("Condition", "code")


def test_a_restricted_parameter_knows_what_it_is_about() -> None:
    patient, subject = lookup("Observation", "patient"), lookup("Observation", "subject")
    assert (patient.restrict_to, patient.targets) == (("Patient",), ("Patient",))
    assert (subject.restrict_to, subject.targets) == ((), ("Device", "Group", "Location", "Patient"))
    assert lookup("Observation", "focus").targets == ()
    assert lookup("AuditEvent", "patient").restrict_to == ("Patient",)


def test_only_what_can_be_searched_is_listed() -> None:
    assert {p.type for p in EVERY} == {"token", "string", "date", "reference", "uri"}
    common = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"]
    assert all([p.code for p in parameters(name) if p.code[0] == "_"] == common for name in TYPES)
    listed = {(p.base, p.code) for p in EVERY}
    left_out = {
        (base, p.code)
        for p in definitions.search_parameters()
        if p.type in ("token", "string", "date", "reference", "uri")
        for base in p.base
        if base in TYPES and (base, p.code) not in listed
    }
    assert left_out == {
        ("Bundle", "composition"),  # a resource nested in another is no reference
        ("Bundle", "message"),
        ("Patient", "birthOrderBoolean"),  # defined without an expression
        ("InsurancePlan", "phonetic"),  # phonetic algorithms
        ("Organization", "phonetic"),
        ("Patient", "phonetic"),
        ("Person", "phonetic"),
        ("Practitioner", "phonetic"),
        ("RelatedPerson", "phonetic"),
    }


def test_every_compartment_parameter_is_an_indexed_reference() -> None:
    for members in definitions.compartments().values():
        for name, codes in members.items():
            assert {lookup(name, code).type for code in codes if code != "{def}"} <= {"reference"}


@pytest.mark.parametrize(
    ("type", "code", "message"),
    [
        ("Patient", "nam", "Patient has no search parameter 'nam'. Did you mean name?"),
        (
            "Patient",
            "zzz",
            "Patient has no search parameter 'zzz'. The CapabilityStatement lists those that there are.",
        ),
        (
            "Observation",
            "value-quantity",
            "The search parameter 'value-quantity' of Observation is not supported: "
            "quantity parameters like it have no index.",
        ),
        ("Pigeon", "name", "R4 has no resource type 'Pigeon'."),
    ],
)
def test_what_is_not_there_is_refused_with_a_hint(type: str, code: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        lookup(type, code)
    assert str(refused.value) == message
