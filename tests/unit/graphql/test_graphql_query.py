"""GraphQL queries: navigation, references, searches, who may see what, and limits."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.graphql.conftest import Ask, Put
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.graphql import limits
from hilum.graphql.errors import Failed, Refused
from hilum.graphql.fetch import Fetch
from hilum.graphql.query import Asked, answer
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Forbidden, Invalid, Malformed, NotFound
from hilum.rest.links import Links
from hilum.search.limits import TooCostly


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


async def ward(put: Put) -> None:
    """Patients p and q, two observations of p and one of q, by practitioner d."""
    await put("Practitioner", "d", name=[{"family": "Doe"}])
    await put("Organization", "o", name="Ward")
    await put("Patient", "q", name=[{"family": "Quill"}])
    await put("Patient", "p", active=True, name=[{"family": "Pike"}], managingOrganization=to("Organization/o"))
    code = {"text": "weight"}
    for id, patient in (("p1", "p"), ("p2", "p"), ("q1", "q")):
        of = to(f"Patient/{patient}")
        await put("Observation", id, status="final", code=code, subject=of, performer=[to("Practitioner/d")])


# --- navigation -------------------------------------------------------------------------------------------------------


async def test_digits_of_a_decimal_are_kept(put: Put, ask: Ask, door: Door, owner: Principal) -> None:
    await put("Observation", "w", status="final", code={"text": "x"}, valueQuantity={"value": Decimal("1.10")})
    found = await answer(Fetch(door, owner, Links(bytes(32)), 0), Asked("{valueQuantity{value}}"), ("Observation", "w"))
    assert str(found["valueQuantity"]["value"]) == "1.10"


async def test_elements_are_filtered_before_they_are_counted_off(put: Put, ask: Ask) -> None:
    telecom = [{"system": "phone", "value": str(n), "rank": n} for n in (1, 2, 3)]
    await put("Patient", "p", telecom=[*telecom, {"system": "email", "value": "4"}])
    assert await ask("{telecom(system: phone, _offset: 1, _count: 1){value}}", "Patient/p") == {
        "telecom": [{"value": "2"}]
    }
    assert await ask("{telecom(rank: 3){value}}", "Patient/p") == {"telecom": [{"value": "3"}]}
    assert await ask("{telecom(fhirpath: \"system = 'email'\"){value}}", "Patient/p") == {"telecom": [{"value": "4"}]}
    assert await ask("query q($s: String){telecom(system: $s) @first {value}}", "Patient/p", s="phone") == {
        "telecom": [{"value": "1"}]
    }


async def test_fragments_aliases_and_typename(put: Put, ask: Ask) -> None:
    await ward(put)
    query = "{Patient(id: p){...Who kind: resourceType __typename}} fragment Who on Patient {who: name{family}}"
    expected = {"who": [{"family": "Pike"}], "kind": "Patient", "__typename": "Patient"}
    assert await ask(query) == {"Patient": expected}


# --- references -------------------------------------------------------------------------------------------------------


async def test_contained_resources_are_resolved_within_their_container(put: Put, ask: Ask) -> None:
    inside = {"resourceType": "Practitioner", "id": "in", "name": [{"family": "Inn"}]}
    await put("Patient", "p", contained=[inside], generalPractitioner=[to("#in")])
    query = "{generalPractitioner{resource(type: Practitioner){name{family}}} contained{id ...on Practitioner{active}}}"
    assert await ask(query, "Patient/p") == {
        "generalPractitioner": [{"resource": {"name": [{"family": "Inn"}]}}],
        "contained": [{"id": "in"}],
    }


async def test_types_of_a_reference_side_by_side_as_the_specification_writes_them(put: Put, ask: Ask) -> None:
    await ward(put)
    query = """{Observation(id: p1){subject{
        resource(type: Patient){active name{family}} resource(type: Group){title: name}
    }}}"""
    expected = {"active": True, "name": [{"family": "Pike"}]}
    assert await ask(query) == {"Observation": {"subject": {"resource": expected}}}


async def test_references_of_a_level_are_one_search_by_type(put: Put, ask: Ask, door: Door, owner: Principal) -> None:
    await ward(put)
    fetch = Fetch(door, owner, Links(bytes(32)), now=0)
    query = "{ObservationList(code_text: x){id}}"
    with pytest.raises(Refused):
        await ask(query)
    query = "{ObservationList(_sort: _id){id subject{resource(type: Patient){id}} performer{resource{id}}}}"
    found = await ask(query, fetch=fetch)
    assert [one["subject"]["resource"]["id"] for one in found["ObservationList"]] == ["p", "p", "q"]
    assert fetch.searches == 3  # the observations, both patients, the one practitioner


async def test_lists_within_a_level_are_one_search(put: Put, ask: Ask, door: Door, owner: Principal) -> None:
    await ward(put)
    fetch = Fetch(door, owner, Links(bytes(32)), now=0)
    found = await ask("{PatientList(_sort: _id){id ObservationList(_reference: subject, _sort: _id){id}}}", fetch=fetch)
    assert found == {
        "PatientList": [
            {"id": "p", "ObservationList": [{"id": "p1"}, {"id": "p2"}]},
            {"id": "q", "ObservationList": [{"id": "q1"}]},
        ]
    }
    assert fetch.searches == 2


# --- searches ---------------------------------------------------------------------------------------------------------


async def test_an_array_is_alternatives_and_a_comma_is_part_of_a_value(put: Put, ask: Ask) -> None:
    await put("Patient", "a", name=[{"family": "One"}])
    await put("Patient", "b", name=[{"family": "Two"}])
    await put("Patient", "c", name=[{"family": "One,Two"}])
    query = "query q($x: [String]){PatientList(family: $x, _sort: _id){id}}"
    ids = [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    assert await ask(query, x=["One", "Two"]) == {"PatientList": ids}
    assert await ask("query q($x: String){PatientList(family: $x){id}}", x="One,Two") == {"PatientList": ids[2:]}
    assert await ask('{PatientList(_filter: "family eq One"){id}}') == {"PatientList": ids[:1]}
    assert await ask("{PatientList(family: Nobody){id}}") == {}


async def test_a_connection_is_paged_by_cursors(put: Put, ask: Ask) -> None:
    for n in range(5):
        await put("Patient", f"p{n}")
    page = await ask("{PatientConnection(_count: 2){count offset pagesize edges{resource{id}} next}}")
    seen: list[tuple[int, list[str]]] = []
    while True:
        found = page["PatientConnection"]
        assert (found["count"], found["pagesize"]) == (5, 2)
        seen.append((found["offset"], [edge["resource"]["id"] for edge in found["edges"]]))
        if "next" not in found:
            break
        query = "query q($c: String){PatientConnection(cursor: $c){count offset pagesize edges{resource{id}} next}}"
        page = await ask(query, c=found["next"])
    assert seen == [(0, ["p4", "p3"]), (2, ["p2", "p1"]), (4, ["p0"])]


async def test_a_cursor_holds_only_for_its_own_search(put: Put, ask: Ask) -> None:
    await put("Patient", "p")
    first = (await ask("{PatientConnection{first}}"))["PatientConnection"]["first"]
    with pytest.raises(Failed) as refused:
        await ask("query q($c: String){ObservationConnection(cursor: $c){count}}", c=first)
    assert type(refused.value.problem) is Malformed
    with pytest.raises(Failed) as refused:
        await ask("query q($c: String){PatientConnection(cursor: $c, family: x){count}}", c=first)
    assert type(refused.value.problem) is Invalid


# --- who may see what -------------------------------------------------------------------------------------------------


async def test_one_patients_token_sees_nothing_of_another(put: Put, ask: Ask) -> None:
    await ward(put)
    mine = principal("patient/*.rs", "p")
    observations = await ask("{ObservationList(_sort: _id){id}}", who=mine)
    assert observations == {"ObservationList": [{"id": "p1"}, {"id": "p2"}]}
    page = await ask("{ObservationConnection{count edges{resource{id}}}}", who=mine)
    assert page["ObservationConnection"]["count"] == 2
    for hidden in ("{Patient(id: q){id}}", "{Patient(id: absent){id}}"):
        with pytest.raises(Failed) as refused:
            await ask(hidden, who=mine)
        assert type(refused.value.problem) is NotFound
    with pytest.raises(NotFound):
        await ask("{id}", "Patient/q", who=mine)


async def test_what_refers_to_several_is_with_each_that_was_asked_for_alone(put: Put, ask: Ask) -> None:
    for id in ("p", "q", "z"):
        await put("Patient", id)
    actors = [{"actor": to(f"Patient/{id}"), "status": "accepted"} for id in ("p", "q", "z")]
    await put("Appointment", "a", status="proposed", participant=actors)
    await put("Appointment", "b", status="proposed", participant=actors[1:])
    found = await ask(
        '{PatientList(_id: ["p", "q"], _sort: _id){id AppointmentList(_reference: actor, _sort: _id){id}}}'
    )
    assert found == {
        "PatientList": [
            {"id": "p", "AppointmentList": [{"id": "a"}]},
            {"id": "q", "AppointmentList": [{"id": "a"}, {"id": "b"}]},
        ]
    }


@pytest.mark.parametrize("scope", ["patient/*.rs", "patient/*.r", "patient/Patient.r patient/Observation.rs"])
async def test_a_hidden_reference_is_as_a_broken_one(put: Put, ask: Ask, scope: str) -> None:
    await ward(put)
    await put(
        "Observation", "mixed", status="final", code={"text": "x"}, subject=to("Patient/p"), focus=[to("Patient/q")]
    )
    await put(
        "Observation", "broken", status="final", code={"text": "x"}, subject=to("Patient/p"), focus=[to("Patient/none")]
    )
    mine = principal(scope, "p")
    said = set()
    for id in ("mixed", "broken"):
        with pytest.raises(Failed) as refused:
            await ask("{focus{resource{id}}}", f"Observation/{id}", who=mine)
        said.add((type(refused.value.problem), str(refused.value), refused.value.places))
        assert await ask("{focus{resource(optional: true){id}}}", f"Observation/{id}", who=mine) == {"focus": [{}]}
        assert await ask("{subject{resource{id}}}", f"Observation/{id}", who=mine) == {
            "subject": {"resource": {"id": "p"}}
        }
    assert len(said) == 1


async def test_a_type_that_no_scope_names_is_forbidden(put: Put, ask: Ask) -> None:
    await ward(put)
    for query in ("{ObservationList{id}}", "{Observation(id: p1){id}}"):
        with pytest.raises(Failed) as refused:
            await ask(query, who=principal("patient/Patient.rs", "p"))
        assert type(refused.value.problem) is Forbidden


# --- limits and errors ------------------------------------------------------------------------------------------------


async def test_no_message_quotes_a_value(put: Put, ask: Ask) -> None:
    for query, variables in (
        ('{PatientList(_count: "Smith"){id}}', {}),
        ('{Patient(id: "Smith', {}),
        ("{PatientList(birthdate: Smith){id}}", {}),
        ('{PatientList(fhirpath: "Smith("){id}}', {}),
        ("query q($n: Int){PatientList(_count: $n){id}}", {"n": "Smith"}),
        ("query q($n: [String]){PatientList(name: $n){id}}", {"n": [{"Smith": 1}]}),
        ('{Patient(id: x, name: "Smith"){id}}', {}),
        ("query q($n: Int = Smith){PatientList(_count: $n){id}}", {}),
    ):
        with pytest.raises((Refused, Failed, Invalid)) as refused:
            await ask(query, **variables)
        assert not any("Smith" in issue.diagnostics for issue in refused.value.issues), query


BOMB = "{Patient(id: x){...a}}fragment l on Patient{id}" + "".join(
    f"fragment {one} on Patient{{...{two} ...{two}}}" for one, two in pairwise("abcdefghijkl")
)


@pytest.mark.parametrize(
    "query",
    [
        "{Patient(id: a){" + "extension{" * 21 + "url" + "}" * 23,
        "{Patient(id: a){" + " id" * 1001 + "}}",
        "{" + " ".join(f"a{n}: Patient(id: a){{id}}" for n in range(201)) + "}",
        "{...a} fragment a on Query{...b ...b} fragment b on Query{...a}",
        BOMB,
        "{__schema{types{fields{name}}}}",
        "{__type(name: Patient){fields{type{fields{name}}}}}",
        "{" * 500,
        "#" * 50_001,
    ],
    ids=["deep", "wide", "aliases", "cycle", "bomb", "schema", "types of types", "unreadable", "long"],
)
async def test_what_asks_too_much_is_refused_before_anything_is_read(ask: Ask, query: str) -> None:
    with pytest.raises((TooCostly, Refused)):
        await ask(query)


async def test_what_turns_out_too_much_is_refused(put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward(put)
    query = "{ObservationList{performer{resource{id}} subject{resource(type: Patient){id}}}}"
    await ask(query)
    for name, most in (("MOST_LIST", 2), ("MOST_RESOURCES", 3), ("MOST_SEARCHES", 1), ("MOST_VALUES", 3)):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, most)
            with pytest.raises((Failed, TooCostly)) as refused:
                await ask(query)
            assert refused.value.issues[0].code == "too-costly"


async def test_a_list_is_whole_or_as_long_as_was_asked(put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    await ward(put)
    monkeypatch.setattr(limits, "MOST_LIST", 2)
    assert await ask("{ObservationList(_count: 1, _sort: _id){id}}") == {"ObservationList": [{"id": "p1"}]}
    with pytest.raises(Failed):
        await ask("{ObservationList{id}}")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{__type(name: HumanName){name fields{name}}}", "given"),
        ("{__schema{queryType{name} directives{name}}}", "flatten"),
        ("{__schema{types{name}}}", "ObservationComponent"),
    ],
)
async def test_introspection_tells_the_definitions(ask: Ask, query: str, expected: str) -> None:
    def names(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(names, value))
        if isinstance(value, dict):
            return {value["name"]} | names(list(value.values())) if "name" in value else names(list(value.values()))
        return set()

    assert expected in names(await ask(query))


async def test_mutations_are_refused(ask: Ask) -> None:
    with pytest.raises(Invalid, match="Only queries"):
        await ask("mutation{PatientDelete(id: x){id}}")


async def test_custom_parameters_are_arguments_once_they_are_ready(
    door: Door, owner: Principal, ask: Ask, put: Put
) -> None:
    extension = "http://example.org/buddy"
    for id, buddy in (("a", "b"), ("b", "a")):
        referring = [{"url": extension, "valueReference": {"reference": f"Patient/{buddy}"}}]
        await put("Patient", id, gender="female", extension=referring)
    own = {
        "resourceType": "SearchParameter",
        "id": "s1",
        "url": "http://example.org/s1",
        "name": "Best",
        "status": "active",
        "description": "x",
        "code": "best-buddy",
        "base": ["Patient"],
        "type": "reference",
        "expression": f"Patient.extension.where(url='{extension}').value.as(Reference)",
        "target": ["Patient"],
    }
    await update(door, owner, "SearchParameter", "s1", own)
    search = '{PatientList(best_buddy: "Patient/b") {id}}'
    reverse = "{PatientList(_reference: best_buddy) {id}}"
    for query, about in ((search, None), (reverse, "Patient/b")):
        with pytest.raises(Failed, match="'best-buddy' is being indexed; Task/"):
            await ask(query, about)
    while await door.store.proceed() is not None:
        pass
    assert await ask(search) == {"PatientList": [{"id": "a"}]}
    page = '{PatientConnection(best_buddy: "Patient/a", _sort: "best_buddy") {edges {resource {id}}}}'
    assert await ask(page) == {"PatientConnection": {"edges": [{"resource": {"id": "b"}}]}}
    assert await ask(reverse, "Patient/b") == {"PatientList": [{"id": "a"}]}
    named = await ask('{__type(name: "Query") {fields {name args {name}}}}')
    lists = {one["name"]: {arg["name"] for arg in one["args"]} for one in named["__type"]["fields"]}
    assert "best_buddy" in lists["PatientList"]
    assert "best_buddy" not in lists["ObservationList"]
    await delete(door, owner, "SearchParameter", "s1")
    with pytest.raises(Refused, match="Unknown argument 'best_buddy'"):
        await ask(search)
