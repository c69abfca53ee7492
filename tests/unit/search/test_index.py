"""Index rows. https://hl7.org/fhir/R4/search.html#table and https://hl7.org/fhir/R4/compartmentdefinition.html"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid, Malformed
from hilum.search.generate import generate
from hilum.search.index import index
from hilum.search.parameters import number, parameters
from hilum.search.rows import NO_ROWS, DateRow, ReferenceRow, Rows, StringRow, TokenRow, UriRow

DAY = 86_400_000_000


def n(code: str, type: str = "Patient") -> int:
    return number(type, code)


def patient(**elements: Any) -> Rows:
    return index("Patient", {"resourceType": "Patient", **elements})


def observation(**elements: Any) -> Rows:
    return index("Observation", {"resourceType": "Observation", **elements})


ALIVE = TokenRow(n("deceased"), None, "false")


def tokens(rows: Rows) -> set[TokenRow]:
    return set(rows.tokens) - {ALIVE}


def test_the_function_of_every_type_can_be_generated_and_finds_nothing_in_an_empty_resource() -> None:
    for name in TYPES:
        generate(name)
        expected = Rows(tokens=(ALIVE,)) if name == "Patient" else NO_ROWS
        assert index(name, {"resourceType": name}) == expected


def test_codings_identifiers_and_contact_points_are_tokens() -> None:
    rows = patient(
        identifier=[{"system": "http://mrn", "value": "1"}, {"value": "2"}, {"system": "http://only"}, {"use": "old"}],
        telecom=[{"system": "phone", "value": "555"}, {"system": "email", "value": "a@b"}],
        communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}], "text": "German"}}],
        active=True,
    )
    assert tokens(rows) == {
        TokenRow(n("identifier"), "http://mrn", "1"),
        TokenRow(n("identifier"), None, "2"),
        TokenRow(n("identifier"), "http://only", None),
        TokenRow(n("telecom"), None, "555"),
        TokenRow(n("phone"), None, "555"),
        TokenRow(n("telecom"), None, "a@b"),
        TokenRow(n("email"), None, "a@b"),
        TokenRow(n("language"), "urn:ietf:bcp:47", "de"),
        TokenRow(n("active"), None, "true"),
    }


def test_a_code_has_the_one_system_of_its_required_binding() -> None:
    assert tokens(patient(gender="male")) == {
        TokenRow(n("gender"), "http://hl7.org/fhir/administrative-gender", "male")
    }
    rows = index("DocumentReference", {"content": [{"attachment": {"contentType": "text/plain"}}]})
    assert rows.tokens == (TokenRow(n("contenttype", "DocumentReference"), None, "text/plain"),)


def test_a_string_as_token_is_stored_without_case() -> None:
    assert index("ValueSet", {"version": "V1a"}).tokens == (TokenRow(n("version", "ValueSet"), None, "v1a"),)


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({}, "false"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedDateTime": "2020"}, "true"),
    ],
)
def test_whether_a_patient_is_deceased_is_computed(elements: dict[str, Any], code: str) -> None:
    assert patient(**elements).tokens == (TokenRow(n("deceased"), None, code),)


def test_names_and_addresses_are_strings_with_all_their_parts() -> None:
    rows = patient(
        name=[{"text": "T", "family": "Müller", "given": ["Ann", None], "prefix": ["Dr."], "suffix": ["PhD"]}],
        address=[{"text": "X", "line": ["1 High St."], "city": "Bern", "district": "D", "state": "S", "postalCode": "P",
                  "country": "CH", "use": "home"}],
    )  # fmt: skip
    assert rows.strings == tuple(
        sorted(
            [
                StringRow(n("name"), "t", "T"),
                StringRow(n("name"), "muller", "Müller"),
                StringRow(n("family"), "muller", "Müller"),
                StringRow(n("name"), "ann", "Ann"),
                StringRow(n("given"), "ann", "Ann"),
                StringRow(n("name"), "dr", "Dr."),
                StringRow(n("name"), "phd", "PhD"),
                *(StringRow(n("address"), text.lower(), text) for text in ["X", "Bern", "D", "S", "P", "CH"]),
                StringRow(n("address"), "1 high st", "1 High St."),
                StringRow(n("address-city"), "bern", "Bern"),
                StringRow(n("address-state"), "s", "S"),
                StringRow(n("address-postalcode"), "p", "P"),
                StringRow(n("address-country"), "ch", "CH"),
            ]
        )
    )  # fmt: skip
    assert tokens(rows) == {TokenRow(n("address-use"), "http://hl7.org/fhir/address-use", "home")}


def test_every_word_of_a_family_name_can_begin_a_match() -> None:
    rows = index("Patient", {"name": [{"family": "Carreño Quiñones"}]})
    assert {row for row in rows.strings if row.parameter == n("family")} == {
        StringRow(n("family"), "carreno quinones", "Carreño Quiñones"),
        StringRow(n("family"), "quinones", "Carreño Quiñones"),
    }


@pytest.mark.parametrize(
    ("element", "low", "high"),
    [
        ({"effectiveDateTime": "1970-01-02"}, DAY, 2 * DAY - 1),
        ({"effectiveInstant": "1970-01-02T00:00:00.000Z"}, DAY, DAY + 999),
        ({"effectivePeriod": {"start": "1970-01-01", "end": "1970-01-02"}}, 0, 2 * DAY - 1),
        ({"effectiveTiming": {"event": ["1970-01-02", "1970-01-01"]}}, 0, 2 * DAY - 1),
    ],
)
def test_every_kind_of_date_is_an_interval(element: dict[str, Any], low: int, high: int) -> None:
    assert observation(**element).dates == (DateRow(n("date", "Observation"), low, high),)


def test_a_choice_is_indexed_for_the_parameters_of_its_type() -> None:
    rows = observation(valueCodeableConcept={"coding": [{"code": "a"}]})
    assert tokens(rows) == {
        TokenRow(n("value-concept", "Observation"), None, "a"),
        TokenRow(n("combo-value-concept", "Observation"), None, "a"),
    }
    assert observation(valueString="A b").strings == (StringRow(n("value-string", "Observation"), "a b", "A b"),)
    assert observation(valueInteger=3) == NO_ROWS


SUBJECT = n("subject", "Observation")


@pytest.mark.parametrize(
    ("reference", "references", "uris"),
    [
        ("Group/1", (ReferenceRow(SUBJECT, "Group", "1"),), ()),
        ("Group/1/_history/3", (ReferenceRow(SUBJECT, "Group", "1"),), ()),
        ("http://a.org/fhir/Group/1", (), (UriRow(SUBJECT, "http://a.org/fhir/Group/1"),)),
        ("urn:uuid:1", (), (UriRow(SUBJECT, "urn:uuid:1"),)),
        ("#contained", (), ()),
    ],
)
def test_references_here_are_reference_rows_and_those_elsewhere_uri_rows(
    reference: str, references: tuple[ReferenceRow, ...], uris: tuple[UriRow, ...]
) -> None:
    assert observation(subject={"reference": reference}) == Rows(references=references, uris=uris)


def test_a_reference_by_identifier_alone_is_no_row() -> None:
    assert observation(subject={"identifier": {"value": "1"}, "display": "x"}) == NO_ROWS


def test_canonicals_keep_their_version_and_uris_are_as_written() -> None:
    asked = n("questionnaire", "QuestionnaireResponse")
    assert index("QuestionnaireResponse", {"questionnaire": "http://A/q|2"}).uris == (UriRow(asked, "http://A/q|2"),)
    assert index("Questionnaire", {"url": "http://A/q"}).uris == (UriRow(n("url", "Questionnaire"), "http://A/q"),)


def test_contained_resources_are_not_indexed() -> None:
    assert patient(contained=[{"resourceType": "Patient", "id": "c", "gender": "male"}]).tokens == (ALIVE,)


def test_tags_profiles_source_and_labels_of_meta() -> None:
    rows = patient(
        meta={
            "tag": [{"system": "http://t", "code": "a"}],
            "security": [{"system": "http://s", "code": "R"}, {"code": "local"}],
            "profile": ["http://p"],
            "source": "http://src",
        }
    )
    assert tokens(rows) == {
        TokenRow(n("_tag"), "http://t", "a"),
        TokenRow(n("_security"), "http://s", "R"),
        TokenRow(n("_security"), None, "local"),
    }
    assert set(rows.uris) == {UriRow(n("_profile"), "http://p"), UriRow(n("_source"), "http://src")}
    assert rows.labels == (("", "local"), ("http://s", "R"))


def test_a_resource_lies_in_the_compartments_of_those_whom_the_named_parameters_refer_to() -> None:
    rows = observation(
        subject={"reference": "Patient/p"},
        performer=[{"reference": "Practitioner/d"}, {"reference": "Patient/p"}, {"reference": "Organization/o"}],
        encounter={"reference": "Encounter/e"},
        device={"reference": "Device/v"},
        focus=[{"reference": "Patient/other"}],
    )
    assert rows.compartments == (("Device", "v"), ("Encounter", "e"), ("Patient", "p"), ("Practitioner", "d"))


def test_a_device_as_subject_is_in_no_patient_compartment() -> None:
    assert observation(subject={"reference": "Device/p"}).compartments == (("Device", "p"),)


@pytest.mark.parametrize("name", ["Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"])
def test_the_owner_of_a_compartment_lies_in_it(name: str) -> None:
    assert index(name, {"resourceType": name, "id": "x"}).compartments == ((name, "x"),)
    assert index(name, {"resourceType": name}, "y").compartments == ((name, "y"),)


def test_a_linked_patient_lies_in_both_compartments() -> None:
    rows = patient(id="a", link=[{"other": {"reference": "Patient/b"}, "type": "seealso"}])
    assert rows.compartments == (("Patient", "a"), ("Patient", "b"))


def test_rows_are_sorted_and_free_of_doubles_also_where_some_have_no_system() -> None:
    coding = [{"code": "b"}, {"system": "http://s", "code": "b"}, {"code": "a"}, {"code": "b"}, {"system": "http://s"}]
    code = n("code", "Observation")
    assert [row for row in observation(code={"coding": coding}).tokens if row.parameter == code] == [
        TokenRow(code, None, "a"),
        TokenRow(code, None, "b"),
        TokenRow(code, "http://s", None),
        TokenRow(code, "http://s", "b"),
    ]


def test_the_order_of_elements_does_not_matter() -> None:
    body = {"gender": "male", "name": [{"family": "B"}, {"family": "A"}], "active": True}
    turned = dict(reversed(body.items())) | {"name": [{"family": "A"}, {"family": "B"}]}
    assert patient(**body) == patient(**turned)


@pytest.mark.parametrize("elements", [{"name": [{"given": 7}]}, {"gender": ["male"]}, {"birthDate": 7}, {"meta": 1}])
def test_a_body_of_another_structure_is_refused_without_its_values(elements: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        patient(**elements)
    assert str(refused.value) == "The body has not the structure of the R4 type Patient; it cannot be indexed."


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed):
        patient(birthDate="yesterday")


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Invalid):
        index("Pigeon", {})


def test_every_listed_parameter_is_written_by_its_generated_function() -> None:
    from hilum.search.generate import source

    for name in TYPES:
        text = "\n".join(source(name))
        assert [p.code for p in parameters(name) if p.number and f"({p.number}, " not in text] == []


def test_very_many_rows_are_in_order_and_each_once() -> None:
    names = [{"family": f"Name{n % 50_000}"} for n in range(80_000)]
    rows = index("Patient", {"resourceType": "Patient", "id": "a", "name": names}).strings
    assert list(rows) == sorted(set(rows))
    family = number("Patient", "family")
    assert {row.value for row in rows if row.parameter == family} == {f"Name{n}" for n in range(50_000)}
