"""The table of search parameters. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

from collections import Counter

import pytest

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPES, SearchParameter
from hilum.problems import Invalid
from hilum.search.generate import source
from hilum.search.parameters import R4, Registry, lookup, parameters
from hilum.search.selections import Selection

EVERY = [p for name in TYPES for p in parameters(name)]
ROLES = ("numbers", "text", "of_type", "identifier", "whole")


def test_numbers_of_different_selections_never_collide_in_all_of_r4() -> None:
    meant: dict[int, set[object]] = {}
    for p in EVERY:
        for one in p.selections:
            for role in ("main", "text", "of_type", "identifier", "whole"):
                if number := getattr(one, role):
                    meant.setdefault(number, set()).add((p.base, one.kind, role, one.leaves, one.expression, p.targets
                                                         if one.expression else ()))  # fmt: skip
        for pairs in p.pairs:
            meant.setdefault(pairs.number, set()).add((p.base, pairs))
    assert [found for found in meant.values() if len(found) > 1] == []
    assert all(0 < number < 1 << 31 for number in meant)
    assert len(meant) > 3900


@pytest.mark.parametrize(
    ("type", "code", "role", "numbers"),
    [
        ("Patient", "family", "numbers", (18380833, 1729549324)),
        ("Patient", "family", "rest", (1729549324,)),
        ("DocumentReference", "contenttype", "numbers", (1279992136,)),
        ("DocumentReference", "contenttype", "whole", (485010536,)),
        ("Patient", "gender", "numbers", (1405451084,)),
        ("Patient", "deceased", "numbers", (1549374992,)),
        ("Patient", "phonetic", "numbers", (1703519909,)),
        ("Patient", "identifier", "of_type", (1534723503,)),
        ("Observation", "code", "numbers", (850996973,)),
        ("Observation", "code", "text", (1003385937,)),
        ("Observation", "date", "numbers", (2093398512,)),
        ("Observation", "patient", "numbers", (50857858,)),
        ("Observation", "patient", "identifier", (2103848012,)),
        ("Observation", "_profile", "whole", (356366906,)),
        ("Observation", "code-value-quantity", "numbers", (2023253244,)),
        ("Location", "near", "numbers", (662088941,)),
    ],
)
def test_numbers_are_what_they_always_were(type: str, code: str, role: str, numbers: tuple[int, ...]) -> None:
    """Databases hold them: a change here makes every stored index row unreachable."""
    assert getattr(lookup(type, code), role) == numbers


def numbers(type: str, code: str) -> set[int]:
    return set(lookup(type, code).numbers)


def test_parameters_that_select_the_same_share_their_numbers() -> None:
    assert numbers("Encounter", "practitioner") < numbers("Encounter", "participant")
    assert numbers("Observation", "patient") < numbers("Observation", "subject")
    assert numbers("Observation", "combo-code") == numbers("Observation", "code") | numbers(
        "Observation", "component-code"
    )
    assert numbers("Observation", "code-value-quantity") < numbers("Observation", "combo-code-value-quantity")
    assert numbers("Patient", "family") | numbers("Patient", "given") < numbers("Patient", "name")
    assert numbers("Observation", "code").isdisjoint(numbers("Condition", "code"))


def test_no_leaf_is_stored_under_two_numbers() -> None:
    for name in TYPES:
        taken = Counter(
            (one.kind, leaf) for one in {s for p in parameters(name) for s in p.selections} for leaf in one.leaves
        )
        assert [leaf for leaf, count in taken.items() if count > 1] == []


def test_a_restricted_parameter_knows_what_it_is_about() -> None:
    patient, subject = lookup("Observation", "patient"), lookup("Observation", "subject")
    assert (patient.restrict_to, patient.targets) == (("Patient",), ("Patient",))
    assert (subject.restrict_to, subject.targets) == ((), ("Device", "Group", "Location", "Patient"))
    assert lookup("Observation", "focus").targets == ()
    assert lookup("AuditEvent", "patient").restrict_to == ("Patient",)
    assert lookup("Bundle", "message").restrict_to == ("MessageHeader",)


def test_every_parameter_with_an_expression_is_there() -> None:
    there = {(p.base, p.url) for p in EVERY}
    missing = {
        (base, p.code)
        for p in definitions.search_parameters()
        for base in p.base
        if base in TYPES and (base, p.url) not in there
    }
    assert missing == {("Patient", "age"), ("Patient", "birthOrderBoolean")}  # defined without an expression
    common = ["_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"]
    assert all([p.code for p in parameters(name) if p.code[0] == "_"] == common for name in TYPES)
    assert {p.code for p in EVERY if not p.numbers} == {"_id", "_lastUpdated", "code-value-string"}


def test_the_types_of_the_parameters_are_r4s_own() -> None:
    assert {p.type for p in EVERY} == {
        *("token", "string", "date", "number", "quantity", "reference", "uri", "composite", "special")
    }
    assert {(p.base, p.code) for p in EVERY if p.type == "special"} == {("Location", "near")}
    assert {p.code for p in EVERY if p.phonetic} == {"phonetic"}


def test_a_composite_knows_its_components_in_the_order_of_a_query() -> None:
    def told(type: str, code: str) -> list[tuple[str, str]]:
        return [(p.code, p.type) for p in lookup(type, code).components]

    assert told("Observation", "code-value-quantity") == [("code", "token"), ("value-quantity", "quantity")]
    assert told("DocumentReference", "relationship") == [("relatesto", "reference"), ("relation", "token")]
    assert told("MolecularSequence", "chromosome-variant-coordinate") == [
        ("chromosome", "token"),
        ("variant-start", "number"),
        ("variant-end", "number"),
    ]
    assert all(len(p.components) > 1 for p in EVERY if p.type == "composite")


def test_a_composite_with_a_string_has_only_components_and_of_the_string_only_that_part() -> None:
    code, value = lookup("Observation", "code-value-string").components
    assert set(code.numbers) == numbers("Observation", "code")
    assert set(value.numbers) < numbers("Observation", "value-string")
    assert [str(leaf) for leaf in value.leaves] == [".valueString:string"]


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
            "Patient",
            "age",
            "The search parameter 'age' of Patient is not supported: R4 defines it without an expression.",
        ),
        ("Pigeon", "name", "R4 has no resource type 'Pigeon'."),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_with_a_hint(type: str, code: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        lookup(type, code)
    assert str(refused.value) == message


# --- custom parameters ------------------------------------------------------------------------------------------------


def custom(code: str, kind: str, expression: str, base: str = "Patient") -> Registry:
    url = f"http://example.org/SearchParameter/{code}"
    return Registry([SearchParameter(url, code, kind, (base,), expression)])


def selections(registry: Registry, type: str, code: str) -> tuple[Selection, ...]:
    return registry.lookup(type, code).selections


def test_a_custom_parameter_stands_beside_those_of_r4_and_changes_none() -> None:
    registry = custom("nick", "string", "Patient.name.where(use='nickname').given")
    assert registry.table("Patient").keys() == R4.table("Patient").keys() | {"nick"}
    assert {code: p for code, p in registry.table("Patient").items() if code != "nick"} == R4.table("Patient")
    (number,) = registry.lookup("Patient", "nick").numbers
    assert f"({number}, " in "\n".join(source("Patient", registry=registry))


def test_a_custom_parameter_shares_what_r4_has_already() -> None:
    registry = custom("names", "string", "Patient.name.family | Patient.name.given")
    assert set(registry.lookup("Patient", "names").numbers) == numbers("Patient", "family") | numbers(
        "Patient", "given"
    )
    about = custom("about", "reference", "Observation.subject", "Observation")
    assert set(about.lookup("Observation", "about").numbers) == numbers("Observation", "subject")
    patient = custom("about", "reference", "Observation.subject.where(resolve() is Patient)", "Observation")
    assert set(patient.lookup("Observation", "about").numbers) == numbers("Observation", "patient")


def test_a_custom_parameter_that_takes_a_part_has_a_number_of_its_own() -> None:
    device = custom("of-device", "reference", "Observation.subject.where(resolve() is Device)", "Observation")
    (number,) = device.lookup("Observation", "of-device").numbers
    assert number not in {one for p in parameters("Observation") for one in p.numbers}
    assert device.lookup("Observation", "of-device").restrict_to == ("Device",)


def test_a_custom_parameter_cannot_take_the_code_of_one_of_r4() -> None:
    assert custom("gender", "string", "Patient.name.family").lookup("Patient", "gender") == lookup("Patient", "gender")


@pytest.mark.parametrize(
    ("type", "code", "single"),
    [
        ("Patient", "birthdate", True),
        ("Observation", "date", True),  # one of dateTime, Period, Timing and instant
        ("Encounter", "date", True),  # a Period
        ("Condition", "recorded-date", True),
        ("Condition", "onset-date", True),
        ("Encounter", "location-period", False),  # of each location
        ("ServiceRequest", "occurrence", True),
        ("Observation", "code", False),  # no date
        ("Composition", "period", False),  # of each event
    ],
)
def test_a_date_is_single_where_nothing_on_its_path_repeats(type: str, code: str, single: bool) -> None:
    assert lookup(type, code).single is single
