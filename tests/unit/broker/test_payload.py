"""Payload templates: what they take from a Bundle, and what they refuse, as they are read and as they are filled."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.broker import payload
from hilum.fhir import json
from hilum.problems import Misconfigured

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:mrn", "value": "4711"}],
    "birthDate": "1980-05",
    "name": [{"use": "official", "family": "Quimby", "given": ["Amy", "Lou"]}, {"use": "old", "given": ["Em"]}],
}
VISITS = [
    {
        "resourceType": "Appointment",
        "id": f"a{number}",
        "status": status,
        "start": f"2026-12-0{number}T09:00:00Z",
        "participant": [{"status": "accepted", "actor": {"reference": "Practitioner/dr", "display": "Dr. Who"}}],
    }
    for number, status in ((1, "booked"), (2, "cancelled"), (3, "booked"))
]
DOCTOR = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Who"}]}
WEIGHT = {
    "resourceType": "Observation",
    "id": "w",
    "status": "final",
    "code": {"text": "Weight"},
    "valueQuantity": {"value": "70.10", "unit": "kg"},
}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    some = resources or (PATIENT, *VISITS, DOCTOR)
    raw = json.encode({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in some]})
    return json.parse(raw.replace(b'"70.10"', b"70.10"))


def read(text: str) -> payload.Template:
    return payload.read(tomllib.loads(text)["payload"], "video.toml [payload]")


def fill(text: str, *resources: dict[str, Any]) -> Any:
    return payload.fill(read(text), bundle(*resources), NOW)


def test_a_field_is_what_its_path_leads_to_in_resources_of_its_type() -> None:
    found = fill("""
    [payload.fields]
    first_name = { from = "Patient", path = "name.where(use = 'official').given.first()" }
    born = { from = "Patient", path = "birthDate", type = "date" }
    adult = { from = "Patient", path = "birthDate < today() - 18 years", type = "boolean" }
    count = { path = "entry.resource.ofType(Appointment).count()", type = "integer" }
    nickname = { from = "Patient", path = "name.where(use = 'nickname').given", required = false }
    """)
    assert found == {"first_name": "Amy", "born": "1980-05", "adult": True, "count": 3}


def test_a_field_of_fields_is_a_list_of_objects() -> None:
    found = fill("""
    [payload.fields.visits]
    from = "Appointment"
    path = "where(status = 'booked')"
    many = true
    [payload.fields.visits.fields]
    start = { type = "instant" }
    [payload.fields.visits.fields.with]
    path = "participant"
    many = true
    fields = { name = { path = "actor.resolve().ofType(Practitioner).name.family" }, status = { type = "code" } }
    """)
    doctor = [{"name": "Who", "status": "accepted"}]
    assert found == {
        "visits": [
            {"start": "2026-12-01T09:00:00Z", "with": doctor},
            {"start": "2026-12-03T09:00:00Z", "with": doctor},
        ]
    }


def test_decimals_keep_their_digits() -> None:
    found = fill(
        """[payload.fields]
    kg = { from = "Observation", path = "value.ofType(Quantity).value", type = "decimal" }""",
        WEIGHT,
    )
    assert json.encode(found) == b'{"kg":70.10}'


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ('{ from = "Patient", path = "name.given" }', "3 items were found, and one is expected"),
        ('{ from = "Patient", path = "name.suffix" }', "nothing was found, and it is required"),
        ('{ from = "Patient", path = "name.suffix", many = true }', "nothing was found, and it is required"),
        ('{ from = "Patient", path = "name.given", many = true, most = 2 }', "3 items were found, and 2 at most"),
        ('{ from = "Patient", path = "name.family", max = 3 }', "a text of 6 characters was found, and 3 at most"),
        ('{ from = "Patient", path = "name.given.first() + 1" }', "FHIRPath"),
        ('{ from = "Patient", path = "name.first().select(given.first()).select($this)", type = "code" }', ""),
    ],
)
def test_what_does_not_fit_is_told_by_its_field_and_never_by_its_value(field: str, says: str) -> None:
    text = f"[payload.fields]\nname = {field}"
    if not says:
        assert fill(text) == {"name": "Amy"}
        return
    with pytest.raises((payload.Unfit, Misconfigured)) as caught:
        fill(text)
    assert "name" in str(caught.value)
    assert says in str(caught.value)
    for word in ("Amy", "Quimby", "4711"):
        assert word not in str(caught.value)


def test_a_text_that_is_none_of_its_type_is_refused() -> None:
    with pytest.raises(payload.Unfit, match=r"^payload.name: what was found is no date\.$"):
        fill('[payload.fields]\nname = { from = "Patient", path = "name.family", type = "date" }')


@pytest.mark.parametrize(
    "path",
    [
        "identifier.value",
        "name.given.first() & identifier.value.first()",
        "where(identifier.exists()).name.family",
        "descendants().ofType(string)",
        "children().ofType(string)",
        "managingOrganization.reference",
        "id",
        "text.div",
        "iif(true, identifier.value, {})",
    ],
)
def test_identifiers_go_out_only_where_the_template_says_so(path: str) -> None:
    text = f'fields.x = {{ from = "Patient", path = "{path}", many = true, required = false }}'
    with pytest.raises(Misconfigured, match="identifiers = true"):
        read(f"[payload]\n{text}")
    read(f"[payload]\nidentifiers = true\n{text}")


def test_an_identifier_that_is_meant_goes_out() -> None:
    found = fill("""
    [payload]
    identifiers = true
    fields.mrn = { from = "Patient", path = "identifier.where(system = 'urn:mrn').value" }
    """)
    assert found == {"mrn": "4711"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[payload]", "there are no fields"),
        ("[payload]\nfields.x.path = 'entry'\ntemplate = 1", "'template' is not known"),
        ("[payload]\nidentifiers = 1\nfields.x.path = 'entry'", "identifiers is true or false"),
        ("[payload.fields]\nx = 'name'", "x: a field is a table"),
        ("[payload.fields]\n'first name' = { path = 'entry' }", "of letters, digits"),
        ("[payload.fields]\nx = { from = 'Patient' }", "x.path: it is missing"),
        ("[payload.fields]\nx = { from = 'Person2', path = 'name' }", "'Person2' is no resource type"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'nam.given' }", "has no element 'nam'"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name.given.' }", "x.path: "),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name' }", "it leads to HumanName, which is no string"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'active', type = 'date' }", "it leads to boolean"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name.given', type = 'text' }", "'text' is none of"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name.given', many = 1 }", "x.many: expected true or false"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name.given', max = 0 }", "1 or more"),
        ("[payload.fields]\nx = { from = 'Patient', path = 'name', fields = {} }", "a type, or fields"),
        ("[payload.fields]\nx = { path = 'entry.resource', fields.id.path = 'meta' }", "of one type"),
        (
            "[payload.fields]\nx = { from = 'Patient', path = 'name', fields.y = { from = 'Patient', path = 'use' } }",
            "about the items",
        ),
        (
            "[payload.fields]\nx = { from = 'Appointment', path = 'participant', fields.y.path = 'actors' }",
            "x.fields.y.path: FHIRPath: Appointment.participant has no element 'actors'",
        ),
    ],
)
def test_a_template_that_can_not_be_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(text)
    assert str(caught.value).startswith("video.toml [payload]")
    assert says in str(caught.value)


def test_a_payload_has_bounds() -> None:
    names = [{"family": "x" * 4000}] * 600
    long = {"resourceType": "Patient", "id": "p", "name": names}
    with pytest.raises(payload.Unfit, match="more than 1048576 bytes"):
        fill("[payload.fields]\nx = { from = 'Patient', path = 'name.family', many = true }", long)
    costly = "name.select($this.given.select(%context.name.given.select(%context.name.given))).count()"
    many = {"resourceType": "Patient", "id": "p", "name": [{"given": ["x"] * 200}]}
    with pytest.raises(payload.Unfit, match="too many elements"):
        fill(f"[payload.fields]\nx = {{ from = 'Patient', path = '{costly}', type = 'integer' }}", many)


@given(st.lists(st.text(alphabet=st.characters(categories=("L", "N", "P")), min_size=1, max_size=20), max_size=8))
def test_a_list_is_what_is_there_in_its_order(names: list[str]) -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"given": names}] if names else [{"family": "x"}]}
    text = "[payload.fields]\nx = { from = 'Patient', path = 'name.given', many = true, required = false }"
    assert fill(text, patient) == {"x": names}
