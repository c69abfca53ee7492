"""Index rows. https://hl7.org/fhir/R4/search.html#table and https://hl7.org/fhir/R4/compartmentdefinition.html"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.search.samples import SAMPLES

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid, Malformed
from hilum.search.contained import held, inner, local
from hilum.search.generate import generate, source
from hilum.search.index import extract, index
from hilum.search.matches import KINDS
from hilum.search.parameters import lookup, parameters
from hilum.search.rows import (
    NO_ROWS,
    CompositeRow,
    DateRow,
    NearRow,
    QuantityRow,
    ReferenceRow,
    Rows,
    StringRow,
    TermRow,
    TokenRow,
    UriRow,
)
from hilum.search.selections import versioned

DAY = 86_400_000_000


def n(code: str, type: str = "Patient", role: str = "numbers") -> int:
    """The one number of a parameter, or the first of several that no other has."""
    numbers: tuple[int, ...] = getattr(lookup(type, code), role)
    others = {one for p in parameters(type) if p.code != code for one in getattr(p, role)}
    return next((one for one in numbers if one not in others), numbers[0])


def patient(**elements: Any) -> Rows:
    return index("Patient", {"resourceType": "Patient", **elements})


def observation(**elements: Any) -> Rows:
    return index("Observation", {"resourceType": "Observation", **elements})


ALIVE = TokenRow(n("deceased"), None, "false")


def tokens(rows: Rows) -> set[TokenRow]:
    """Those of the parameters' own numbers."""
    own = {one for name in TYPES for p in parameters(name) if not p.phonetic for one in p.numbers}
    return {row for row in rows.tokens if row.parameter in own} - {ALIVE}


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
    assert rows.tokens == (TokenRow(n("contenttype", "DocumentReference"), "urn:ietf:bcp:13", "text/plain"),)


def test_a_mime_type_is_stored_by_its_base_part_too() -> None:
    rows = index("DocumentReference", {"content": [{"attachment": {"contentType": "Text/XML; charset=UTF-8"}}]})
    (whole,) = lookup("DocumentReference", "contenttype").whole
    assert rows.strings == (StringRow(whole, "text/xml", "text/xml"),)


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
                StringRow(n("family"), "muller", "Müller"),
                StringRow(n("given"), "ann", "Ann"),
                StringRow(n("name"), "dr", "Dr."),
                StringRow(n("name"), "phd", "PhD"),
                *(StringRow(n("address"), text.lower(), text) for text in ["X", "D"]),
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
    whole, rest = lookup("Patient", "family").numbers
    assert {row for row in rows.strings if row.parameter in (whole, rest)} == {
        StringRow(whole, "carreno quinones", "Carreño Quiñones"),
        StringRow(rest, "quinones", "Carreño Quiñones"),
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
    assert tokens(rows) == {TokenRow(n("value-concept", "Observation"), None, "a")}
    (part,) = lookup("Observation", "code-value-string").components[1].numbers
    assert observation(valueString="A b").strings == (StringRow(part, "a b", "A b"),)
    assert observation(valueInteger=3) == NO_ROWS


SUBJECT = n("subject", "Observation")
"""Of whatever is no Patient: `patient` has a number of its own, and `subject` both."""


@pytest.mark.parametrize(
    ("reference", "references", "uris"),
    [
        ("Group/1", (ReferenceRow(SUBJECT, "Group", "1"),), ()),
        ("Group/1/_history/3", (ReferenceRow(SUBJECT, "Group", "1"),), ()),
        ("http://a.org/fhir/Group/1", (), (UriRow(SUBJECT, "http://a.org/fhir/Group/1"),)),
        ("urn:uuid:1", (), (UriRow(SUBJECT, "urn:uuid:1"),)),
    ],
)
def test_references_here_are_reference_rows_and_those_elsewhere_uri_rows(
    reference: str, references: tuple[ReferenceRow, ...], uris: tuple[UriRow, ...]
) -> None:
    assert observation(subject={"reference": reference}) == Rows(references=references, uris=uris)


@pytest.mark.parametrize(
    "reference",
    [{"display": "somebody"}, {"type": "Group"}, {"reference": "#contained"}, {"identifier": {"use": "old"}}],
)
def test_a_reference_that_names_nothing_has_a_row_of_nothing_so_that_it_is_not_missing(
    reference: dict[str, object],
) -> None:
    numbers = lookup("Observation", "subject").identifier
    rows = observation(subject=reference).tokens
    assert rows
    assert {(one.parameter in numbers, one.system, one.code) for one in rows} == {(True, None, None)}
    named = observation(subject=reference | {"reference": "Group/1"})
    assert named.tokens == ()


def test_a_patient_as_subject_has_the_number_of_the_parameter_patient() -> None:
    patient, subject = lookup("Observation", "patient"), lookup("Observation", "subject")
    assert (len(patient.numbers), set(subject.numbers)) == (1, {*patient.numbers, SUBJECT})
    rows = observation(subject={"reference": "Patient/1"})
    assert rows.references == (ReferenceRow(patient.numbers[0], "Patient", "1"),)
    elsewhere = observation(subject={"reference": "http://a.org/Patient/1"})
    assert elsewhere.uris == (UriRow(patient.numbers[0], "http://a.org/Patient/1"),)


@pytest.mark.parametrize(
    ("reference", "about_a_patient"),
    [({}, True), ({"type": "Patient"}, True), ({"type": "Group"}, False), ({"reference": "Device/1"}, False)],
)
def test_a_reference_by_identifier_is_about_a_patient_unless_it_says_something_else(
    reference: dict[str, Any], about_a_patient: bool
) -> None:
    rows = observation(subject={**reference, "identifier": {"system": "http://mrn", "value": "1"}})
    patient, subject = lookup("Observation", "patient"), lookup("Observation", "subject")
    (row,) = rows.tokens
    assert row[1:] == ("http://mrn", "1")
    assert row.parameter in subject.identifier
    assert (row.parameter in patient.identifier) is about_a_patient


def test_canonicals_have_a_row_without_their_version_and_uris_are_as_written() -> None:
    asked = n("questionnaire", "QuestionnaireResponse")
    rows = index("QuestionnaireResponse", {"questionnaire": "http://A/q|2"})
    assert rows.uris == (UriRow(asked, "http://A/q"), UriRow(asked, "http://A/q|2"))
    whole = n("questionnaire", "QuestionnaireResponse", "whole")
    as_written = "http://A/q|2"  # also beside the row without the version, which so tells that it is not what is named
    assert rows.strings == (StringRow(whole, "http://A/q", as_written), StringRow(whole, as_written, as_written))
    assert index("Questionnaire", {"url": "http://A/q"}).uris == (UriRow(n("url", "Questionnaire"), "http://A/q"),)


def test_what_has_a_url_and_a_version_has_a_row_of_both_together() -> None:
    url, both = n("url", "Questionnaire", "whole"), versioned("Questionnaire")
    body = {"url": "http://A/q", "version": "2"}
    assert set(index("Questionnaire", body).strings) == {
        StringRow(url, "http://A/q", "http://A/q"),
        StringRow(both, "http://A/q|2", "http://A/q|2"),
    }
    assert both not in {row.parameter for row in index("Questionnaire", {"version": "2"}).strings}
    assert index("Device", {"url": "http://A/q", "version": [{"value": "2"}]}).strings == (
        StringRow(n("url", "Device", "whole"), "http://A/q", "http://A/q"),
    )


def test_contained_resources_have_rows_under_numbers_of_their_own() -> None:
    one = {"resourceType": "Patient", "id": "c", "gender": "male", "meta": {"security": [{"code": "R"}]}}
    rows = patient(contained=[one, {"resourceType": "Basic"}])
    assert set(rows.tokens) == {
        ALIVE,
        TokenRow(inner(n("gender")), "http://hl7.org/fhir/administrative-gender", "male"),
        TokenRow(inner(n("_security")), None, "R"),
        TokenRow(inner(ALIVE.parameter), None, "false"),
        TokenRow(held("Patient"), None, "one"),
        TokenRow(local("Patient"), None, "c"),
        TokenRow(held("Basic"), None, "one"),
    }
    assert rows.labels == ()
    several = patient(contained=[one, {**one, "id": "d"}])
    assert TokenRow(held("Patient"), None, "several") in several.tokens


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


def test_a_number_that_is_none_is_refused_without_its_value() -> None:
    with pytest.raises(Invalid) as refused:
        observation(valueQuantity={"value": "many"})
    assert "many" not in str(refused.value)


def test_numbers_beyond_all_doubles_are_infinite() -> None:
    (row,) = observation(valueQuantity={"value": 10**400}).quantities
    assert (row.low, row.high) == (inf, inf)
    (row,) = observation(valueQuantity={"value": Decimal("-1E+999")}).quantities
    assert (row.low, row.high) == (-inf, -inf)


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed):
        patient(birthDate="yesterday")


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(Invalid):
        index("Pigeon", {})


@pytest.mark.parametrize("name", TYPES)
def test_every_listed_parameter_is_written_by_its_generated_function(name: str) -> None:
    text = "\n".join(source(name))
    roles = ("numbers", "text", "of_type", "identifier", "whole")
    numbers = {one for p in parameters(name) for role in roles for one in getattr(p, role)}
    assert [one for one in numbers if f"({one}, " not in text] == []


CODE = {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic BP"}], "text": "Systolic"}
MG = {"value": Decimal("5.40"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}


def test_texts_beside_codes_are_terms() -> None:
    code = n("code", "Observation", "text")
    assert observation(code=CODE).terms == (TermRow(code, "systolic"), TermRow(code, "systolic bp"))
    rows = patient(identifier=[{"value": "1", "type": {"text": "Record No."}}])
    assert rows.terms == (TermRow(n("identifier", role="text"), "record no"),)


def test_identifiers_are_found_by_their_type() -> None:
    kind = {"coding": [{"system": "http://v2", "code": "MR"}, {"code": "X"}, {"system": "http://v2"}]}
    rows = patient(identifier=[{"system": "http://mrn", "value": "1", "type": kind}, {"type": kind}])
    of_type = n("identifier", role="of_type")
    assert {row for row in rows.tokens if row.parameter == of_type} == {
        TokenRow(of_type, "http://v2|MR", "1"),
        TokenRow(of_type, "|X", "1"),
    }


UCUM = ("http://unitsofmeasure.org", "mg", "mg")


@pytest.mark.parametrize(
    ("type", "code", "body", "row"),
    [
        ("Observation", "value-quantity", {"valueQuantity": MG}, (5.4, 5.4, *UCUM)),
        ("Observation", "value-quantity", {"valueQuantity": {**MG, "comparator": "<"}}, (-inf, 5.4, *UCUM)),
        ("Observation", "value-quantity", {"valueQuantity": {**MG, "comparator": ">="}}, (5.4, inf, *UCUM)),
        ("Observation", "value-quantity", {"valueQuantity": {"value": 5}}, (5, 5, None, None, None)),
        ("Observation", "value-quantity", {"valueSampledData": {"origin": {"value": 1, "code": "V"}, "data": "2 -3 E"}},
         (-2, 3, None, "V", None)),
        ("Observation", "value-quantity", {"valueSampledData": {"origin": {"value": 1}, "data": "2 L", "factor": 2}},
         (-inf, 5, None, None, None)),
        ("Condition", "onset-age", {"onsetRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "a"}}},
         (1, 2, None, None, "a")),
        ("Condition", "onset-age", {"onsetRange": {"high": {"value": 2, "unit": "a"}}}, (-inf, 2, None, None, "a")),
        ("Invoice", "totalgross", {"totalGross": {"value": 4, "currency": "EUR"}}, (4, 4, "urn:iso:std:iso:4217", "EUR",
         None)),
        ("RiskAssessment", "probability", {"prediction": [{"probabilityRange": {"low": {"value": 1, "unit": "%"}}}]},
         (1, inf, None, None, None)),
        ("MolecularSequence", "variant-start", {"variant": [{"start": 7}]}, (7, 7, None, None, None)),
    ],
)  # fmt: skip
def test_numbers_and_quantities_are_intervals(type: str, code: str, body: dict[str, Any], row: tuple[Any, ...]) -> None:
    assert index(type, body).quantities == (QuantityRow(n(code, type), *row),)


def test_a_quantity_without_a_value_is_no_row() -> None:
    assert observation(valueQuantity={"unit": "mg"}) == NO_ROWS
    assert observation(valueSampledData={"origin": {"value": 0}, "data": "E"}) == NO_ROWS
    assert index("Condition", {"onsetRange": {}}) == NO_ROWS
    assert index("Location", {"position": {"latitude": 1}}) == NO_ROWS


def test_what_one_element_says_is_a_composite() -> None:
    rows = observation(code=CODE, component=[{"code": {"coding": [{"code": "c"}]}, "valueQuantity": MG}])
    (part,) = lookup("Observation", "component-code-value-quantity").numbers
    quantity = QuantityRow(0, 5.4, 5.4, *UCUM)
    assert rows.composites == (CompositeRow(part, None, "c", quantity),)
    assert isinstance(rows.composites[0].second, QuantityRow)
    whole = observation(code=CODE, valueQuantity=MG)
    (here,) = lookup("Observation", "code-value-quantity").numbers
    assert whole.composites == (CompositeRow(here, "http://loinc.org", "8480-6", quantity),)
    assert set(lookup("Observation", "combo-code-value-quantity").numbers) == {here, part}


def test_a_related_document_is_a_composite_with_its_code_first() -> None:
    related = {"code": "replaces", "target": {"reference": "DocumentReference/1"}}
    (row,) = index("DocumentReference", {"relatesTo": [related]}).composites
    assert row[1:] == (
        "http://hl7.org/fhir/document-relationship-type",
        "replaces",
        ReferenceRow(0, "DocumentReference", "1"),
    )


def test_a_window_is_a_composite_of_a_code_and_two_numbers() -> None:
    body = {
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}},
        "variant": [{"start": 3, "end": 5}, {"start": 9}],
    }
    (number,) = lookup("MolecularSequence", "chromosome-variant-coordinate").numbers
    assert index("MolecularSequence", body).composites == (
        CompositeRow(number, None, "1", (QuantityRow(0, 3, 3), QuantityRow(0, 5, 5))),
    )


def test_a_position_is_a_near_row() -> None:
    body = {"position": {"latitude": Decimal("42.25"), "longitude": -83}}
    assert index("Location", body).nears == (NearRow(n("near", "Location"), 42.25, -83.0),)


def test_names_are_also_found_by_their_sound() -> None:
    sound = n("phonetic")
    rows = patient(name=[{"family": "Knight", "given": ["Ann 1"]}])
    found = {row for row in rows.tokens if row.parameter == sound}
    assert found == {TokenRow(sound, None, "NT"), TokenRow(sound, None, "AN")}


def test_the_first_resource_of_a_bundle_is_searched_as_a_reference() -> None:
    body = {"entry": [{"resource": {"resourceType": "Composition", "id": "c"}}, {"resource": {"id": "other"}}]}
    assert index("Bundle", body).references == (ReferenceRow(n("composition", "Bundle"), "Composition", "c"),)
    assert lookup("Bundle", "message").numbers != lookup("Bundle", "composition").numbers


@settings(max_examples=200)
@given(st.sampled_from(SAMPLES), st.data())
def test_extract_gives_the_rows_of_its_numbers(body: dict[str, Any], data: st.DataObject) -> None:
    type = body["resourceType"]
    rows = index(type, body)
    there = sorted({row[0] for kind in KINDS for row in getattr(rows, kind)})
    numbers = data.draw(st.sets(st.sampled_from([*there, *(one for p in parameters(type) for one in p.numbers)])))
    expected = {kind: tuple(row for row in getattr(rows, kind) if row[0] in numbers) for kind in KINDS}
    assert extract(type, tuple(numbers))(body) == Rows(**expected)


def test_very_many_rows_are_in_order_and_each_once() -> None:
    names = [{"family": f"Name{n % 50_000}"} for n in range(80_000)]
    rows = index("Patient", {"resourceType": "Patient", "id": "a", "name": names}).strings
    assert list(rows) == sorted(set(rows))
    family = n("family")
    assert {row.value for row in rows if row.parameter == family} == {f"Name{n}" for n in range(50_000)}
