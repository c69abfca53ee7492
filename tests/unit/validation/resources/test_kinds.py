"""Rules about kinds of resources that the specification states in words."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from tests.unit.validation.profiles.making import CORE, Core

from hilum.terminology.questions import Answers, Question, Verdict
from hilum.validation.profiles import Rules, conformance
from hilum.validation.profiles.definitions import Loaded
from hilum.validation.resources.value_sets import _ecl


def errors(body: dict[str, Any], *definitions: dict[str, Any], **more: Any) -> list[str]:
    found = conformance(body, Loaded(definitions, base=Core()), **more)
    return [str(one.expression) for one in found if one.severity == "error"]


DATA = b"hello"
GOOD = {
    "data": base64.b64encode(DATA).decode(),
    "size": len(DATA),
    "hash": base64.b64encode(hashlib.sha1(DATA).digest()).decode(),
}


@pytest.mark.parametrize(("change", "good"), [({}, True), ({"size": 4}, False), ({"hash": "AAAA"}, False)])
def test_size_and_hash_of_an_attachment_are_those_of_its_data(change: dict[str, Any], good: bool) -> None:
    body = {"resourceType": "Media", "content": GOOD | change}
    assert errors(body) == ([] if good else ["Media.content"])


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("urn:uuid:6a2ee390-978e-42c6-8f88-c17dff3bd8a1", True),
        ("urn:uuid:6A2EE390-978E-42C6-8F88-C17DFF3BD8A1", False),
        ("urn:uuid:6a2ee390-978e-42c6-8f88-c17dff3bd8a", False),
        ("urn:oid:2.16.840.1.113883", True),
        ("urn:oid:2.16.0840", False),
        ("urn:oid:3.1", False),
        ("oid:2.16.840.1", False),
        ("ValueSet/x", False),
        ("http://example.org/x", True),
    ],
)
def test_the_url_of_a_definition_is_absolute_and_well_formed(uri: str, good: bool) -> None:
    assert errors({"resourceType": "ValueSet", "url": uri}) == ([] if good else ["ValueSet.url"])


def test_canonical_references_are_absolute_or_lead_to_something_contained() -> None:
    body = {"resourceType": "PlanDefinition", "library": ["Library/x", "#a", "http://example.org/y|1"]}
    assert errors(body) == ["PlanDefinition.library[0]"]


@pytest.mark.parametrize(
    ("identifier", "good"),
    [
        ({"system": "urn:oid:1.3.6.1", "value": "1"}, True),
        ({"system": "local", "value": "1"}, False),
        ({"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}, True),
        ({"system": "urn:ietf:rfc:3986", "value": "1"}, False),
    ],
)
def test_systems_of_identifiers_are_absolute(identifier: dict[str, str], good: bool) -> None:
    body = {"resourceType": "Patient", "identifier": [identifier]}
    assert errors(body) == ([] if good else ["Patient.identifier[0]"])


def test_a_system_of_codes_is_no_value_set() -> None:
    system = "http://hl7.org/fhir/ValueSet/administrative-gender"
    body = {"resourceType": "Basic", "code": {"coding": [{"system": system, "code": "x"}]}}
    assert errors(body) == ["Basic.code.coding[0]"]


def test_html_in_strings_is_told_where_that_is_asked_for() -> None:
    body = {"resourceType": "Patient", "name": [{"text": "A <script>x</script>"}, {"text": "a < b"}]}
    assert errors(body) == []
    assert errors(body, rules=Rules(html_in_strings="error")) == ["Patient.name[0].text"]


def test_an_id_stands_once_in_a_resource() -> None:
    contained = {"resourceType": "Patient", "id": "c", "name": [{"id": "1"}]}
    body = {
        "resourceType": "Patient",
        "name": [{"id": "1"}, {"id": "2"}],
        "contact": [{"id": "1"}],
        "contained": [contained],
    }
    assert errors(body) == ["Patient.contact[0]"]


def test_links_of_a_narrative_lead_to_something_in_the_resource() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="#{}">x</a><p id="here">y</p></div>'
    for anchor, good in (("here", True), ("n", True), ("nowhere", False)):
        body = {"resourceType": "Patient", "name": [{"id": "n"}], "text": {"div": div.format(anchor)}}
        assert errors(body) == ([] if good else ["Patient.text.div"])


# --- bundles ----------------------------------------------------------------------------------------------------------


def bundle(type_: str, *entries: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries), **said}


def entry(url: str | None, resource: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {**({} if url is None else {"fullUrl": url}), "resource": resource, **said}


PATIENT = {"resourceType": "Patient", "id": "1"}


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("http://x/fhir/Patient/1", True),
        ("http://x/fhir/Patient/2", False),
        ("http://x/fhir/Device/1", False),
        ("urn:uuid:6a2ee390-978e-42c6-8f88-c17dff3bd8a1", True),
        ("Patient/1", False),
        (None, False),
    ],
)
def test_full_urls_are_absolute_and_those_of_the_resource(url: str | None, good: bool) -> None:
    assert errors(bundle("collection", entry(url, PATIENT))) == ([] if good else ["Bundle.entry[0]"])


def test_a_transaction_may_leave_full_urls_out_unless_references_need_them() -> None:
    assert errors(bundle("transaction", entry(None, PATIENT))) == []
    body = bundle("transaction", entry(None, {"resourceType": "Basic", "subject": {"reference": "Patient/1"}}))
    assert errors(body) == ["Bundle.entry[0].resource.subject", "Bundle.entry[0]"]


def test_a_relation_stands_once_and_pages_are_for_searches() -> None:
    twice = [{"relation": "self", "url": "http://x"}, {"relation": "self", "url": "http://y"}]
    assert errors(bundle("collection", link=twice)) == ["Bundle.link[1]"]
    assert errors(bundle("collection", link=[{"relation": "next", "url": "http://x"}])) == ["Bundle.link[0].relation"]
    assert errors(bundle("searchset", link=[{"relation": "next", "url": "http://x"}])) == []


def test_results_of_a_search_are_of_the_type_and_have_ids() -> None:
    link = [{"relation": "self", "url": "http://x/fhir/Patient?name=a"}]
    device = {"resourceType": "Device", "id": "1"}
    for resource, mode, good in (
        (PATIENT, "match", True),
        (device, "match", False),
        (device, "include", True),
        ({"resourceType": "Patient"}, "match", False),
        (PATIENT, "outcome", False),
    ):
        result = entry("urn:uuid:6a2ee390-978e-42c6-8f88-c17dff3bd8a1", resource, search={"mode": mode})
        told = errors(bundle("searchset", result, link=link))
        assert told == ([] if good else ["Bundle.entry[0].resource"]), (resource, mode)
    nowhere = [{"relation": "self", "url": "http://[x"}]
    assert (
        errors(bundle("searchset", entry("http://x/Patient/1", PATIENT, search={"mode": "match"}), link=nowhere)) == []
    )


def document(*references: str, base: str = "http://x/Composition/c") -> dict[str, Any]:
    sections = [{"entry": [{"reference": one} for one in references]}]
    composition = {"resourceType": "Composition", "id": "c", "section": sections}
    patients = [entry(f"http://x/Patient/{n}", {"resourceType": "Patient", "id": n}) for n in ("1", "2")]
    return bundle("document", entry(base, composition), *patients)


def test_a_document_holds_what_its_composition_refers_to_and_nothing_else() -> None:
    assert errors(document("Patient/1", "Patient/2")) == []
    assert errors(document("Patient/1", "Patient/2", "Patient/3")) == ["Bundle.entry[0].resource.section[0].entry[2]"]
    assert errors(document("http://x/Patient/1")) == ["Bundle.entry[2]"]


def test_a_document_begins_with_its_composition_and_a_message_with_its_header() -> None:
    assert errors(bundle("document", entry("http://x/Patient/1", PATIENT))) == ["Bundle.entry[0].resource"]
    assert errors(bundle("message")) == ["Bundle"]


def test_large_bundles_take_time_by_their_size() -> None:
    count = 3000
    urls = [f"http://x/Patient/{number}" for number in range(count)]
    people = [
        entry(url, {"resourceType": "Patient", "id": str(number), "link": [{"other": {"reference": urls[number - 1]}}]})
        for number, url in enumerate(urls)
    ]
    composition = {"resourceType": "Composition", "id": "c", "subject": {"reference": "Patient/0"}}
    assert errors(bundle("document", entry("http://x/Composition/c", composition), *people)) == []


# --- definitions ------------------------------------------------------------------------------------------------------


def system(**said: Any) -> dict[str, Any]:
    concept = [{"code": "a", "concept": [{"code": "b"}]}]
    return {
        "resourceType": "CodeSystem",
        "url": "http://example.org/s",
        "content": "complete",
        "concept": concept,
    } | said


CONCEPTS = "http://hl7.org/fhir/concept-properties#"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"count": 2}, []),
        ({"count": 3}, ["CodeSystem.count"]),
        ({"content": "not-present"}, ["CodeSystem.concept[0]"]),
        ({"concept": [{"code": "a"}, {"code": "a"}]}, ["CodeSystem.concept[1]"]),
        ({"property": [{"code": "status", "uri": f"{CONCEPTS}status", "type": "code"}]}, []),
        ({"property": [{"code": "status", "uri": f"{CONCEPTS}status", "type": "string"}]}, ["CodeSystem.property[0]"]),
        ({"property": [{"code": "parent", "uri": f"{CONCEPTS}status", "type": "code"}]}, ["CodeSystem.property[0]"]),
        ({"property": [{"code": "x", "type": "code"}, {"code": "x", "type": "code"}]}, ["CodeSystem.property[1]"]),
        ({"supplements": "http://x", "content": "complete"}, ["CodeSystem.content"]),
        ({"content": "supplement"}, ["CodeSystem.content"]),
        (
            {"supplements": "http://x", "content": "supplement", "hierarchyMeaning": "is-a"},
            ["CodeSystem.hierarchyMeaning"],
        ),
    ],
)
def test_parts_of_a_code_system_agree(said: dict[str, Any], expected: list[str]) -> None:
    assert errors(system(**said)) == expected


def test_values_of_properties_are_of_the_declared_type() -> None:
    property_ = [{"code": "p", "type": "integer"}]
    concept = [{"code": "a", "property": [{"code": "p", "valueString": "x"}, {"code": "p", "valueInteger": 1}]}]
    assert errors(system(property=property_, concept=concept)) == ["CodeSystem.concept[0].property[0]"]


def test_a_system_agrees_with_the_value_set_of_all_its_codes() -> None:
    url = "http://example.org/v"
    all_ = {"resourceType": "ValueSet", "url": url, "compose": {"include": [{"system": "http://example.org/s"}]}}
    some = {"resourceType": "ValueSet", "url": url, "compose": {"include": [{"system": "http://example.org/o"}]}}
    assert errors(system(valueSet=url), all_) == []
    assert errors(system(valueSet=url), some) == ["CodeSystem"]


def test_a_supplement_is_about_codes_that_its_system_has() -> None:
    question = Question(None, "http://s", "a")
    body = system(content="supplement", supplements="http://s", concept=[{"code": "a"}])
    assert errors(body, answers=Answers({question: Verdict(False, "unknown-code")})) == ["CodeSystem.concept[0]"]
    assert errors(body, answers=Answers({question: Verdict(True)})) == []


def test_codes_of_a_concept_map_are_those_of_its_systems() -> None:
    group = {"source": "http://s", "target": "http://t", "element": [{"code": "a", "target": [{"code": "b"}]}]}
    known = Answers({Question(None, "http://s", "a"): Verdict(True)})
    known.known[Question(None, "http://t", "b")] = Verdict(False, "unknown-code")
    body = {"resourceType": "ConceptMap", "group": [group]}
    assert errors(body, answers=known) == ["ConceptMap.group[0].element[0].target[0].code"]


def test_obligations_are_inherited_from_obligation_profiles() -> None:
    url = "http://example.org/StructureDefinition/o"
    inherit = {"url": "http://hl7.org/fhir/tools/StructureDefinition/inherit-obligations", "valueCanonical": url}
    flag = {"url": "http://hl7.org/fhir/tools/StructureDefinition/obligation-profile", "valueBoolean": True}
    other = structure(url=url)
    body = structure(extension=[inherit])
    assert errors(body, other) == ["StructureDefinition.extension[0]"]
    assert errors(body, other | {"extension": [flag]}) == []


def test_conditional_references_have_a_query() -> None:
    for reference, good in (("Device?identifier=a|b", True), ("Device?identifier=1&what=", True), ("Device?==", False)):
        body = {"resourceType": "Basic", "subject": {"reference": reference}}
        assert errors(body) == ([] if good else ["Basic.subject"]), reference


def value_set(**include: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "compose": {"include": [include]}}


def test_a_value_set_includes_codes_that_their_system_has() -> None:
    question = Question(None, "http://s", "c")
    body = value_set(system="http://s", concept=[{"code": "c"}])
    assert errors(body, answers=Answers({question: Verdict(False, "unknown-code")})) == [
        "ValueSet.compose.include[0].concept[0]"
    ]
    assert errors(body) == []


@pytest.mark.parametrize(
    ("type_", "value", "good"),
    [
        ("boolean", "true", True),
        ("boolean", "yes", False),
        ("integer", "4", True),
        ("integer", "x", False),
        ("decimal", "4.5", True),
        ("dateTime", "2020-01", True),
        ("dateTime", "soon", False),
        ("Coding", "http://x#a", True),
        ("Coding", "a", False),
        ("string", "anything", True),
    ],
)
def test_a_filter_has_a_value_of_the_property(type_: str, value: str, good: bool) -> None:
    defined = system(property=[{"code": "p", "type": type_}])
    body = value_set(system="http://example.org/s", filter=[{"property": "p", "op": "=", "value": value}])
    assert errors(body, defined) == ([] if good else ["ValueSet.compose.include[0].filter[0]"])


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("< 404684003", True),
        ("<< 404684003 |Clinical finding| AND ^ 700043003", True),
        ("(< 404684003 OR < 71388002) MINUS 1234567", True),
        ("< 404684003 : 363698007 = *", True),
        ("*", True),
        ("234234 << 234234", False),
        ("<", False),
        ("(404684003", False),
        ("AND 404684003", False),
        ("/* the finding */ < 404684003 /* and below */", True),
        ("/* " * 300_000, False),
        ("", False),
        ("(" * 20_000, False),
    ],
)
def test_expression_constraints_are_told_from_other_texts(text: str, good: bool) -> None:
    assert _ecl(text) is good


def structure(**said: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/StructureDefinition/x",
        "kind": "resource",
        "type": "Patient",
        "baseDefinition": f"{CORE}Patient",
        "derivation": "constraint",
        "differential": {"element": [{"path": "Patient"}]},
    } | said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, []),
        ({"type": "Device"}, ["StructureDefinition", "StructureDefinition.differential.element[0]"]),
        ({"type": "Boo", "differential": {}}, ["StructureDefinition.type", "StructureDefinition"]),
        ({"kind": "complex-type"}, ["StructureDefinition"]),
        ({"derivation": "specialization"}, ["StructureDefinition.type", "StructureDefinition"]),
        ({"context": [{"type": "element", "expression": "Patient"}]}, ["StructureDefinition.context[0]"]),
        (
            {"differential": {"element": [{"path": "Patient.birthDate", "binding": {"strength": "example"}}]}},
            ["StructureDefinition.differential.element[0]"],
        ),
        (
            {"differential": {"element": [{"path": "Patient.active", "constraint": [{"expression": "(("}]}]}},
            ["StructureDefinition.differential.element[0].constraint[0]"],
        ),
        ({"differential": {"element": [{"path": "Patient.nothing"}]}}, ["StructureDefinition"]),
        (
            {"differential": {"element": [{"path": "Patient.gender", "slicing": {"rules": "open"}}]}},
            ["StructureDefinition.differential.element[0].slicing"],
        ),
        (
            {
                "differential": {
                    "element": [{"path": "Patient", "constraint": [{"key": "pat-1", "expression": "true"}]}]
                }
            },
            ["StructureDefinition.differential.element[0].constraint[0]"],
        ),
        (
            {"differential": {"element": [{"path": "Patient", "constraint": [{"key": "x", "expression": "nothing"}]}]}},
            ["StructureDefinition.differential.element[0].constraint[0]"],
        ),
    ],
)
def test_a_structure_definition_fits_its_base(said: dict[str, Any], expected: list[str]) -> None:
    assert errors(structure(**said)) == expected


def test_a_search_parameter_is_of_the_type_of_the_one_that_it_derives_from() -> None:
    derived = "http://hl7.org/fhir/SearchParameter/Organization-name"
    body = {"resourceType": "SearchParameter", "type": "token", "base": ["Organization"], "derivedFrom": derived}
    assert errors(body) == ["SearchParameter"]
    assert errors(body | {"type": "string"}) == []
    assert errors({"resourceType": "SearchParameter", "type": "composite", "component": [{}]}) == ["SearchParameter"]


@pytest.mark.parametrize(
    ("expression", "base", "good"),
    [
        ("Patient.name.family", ["Patient"], True),
        ("Patient.name | Person.name", ["Patient", "Person"], True),
        ("Patient.nothing", ["Patient"], False),
        ("Patient.name", ["Device"], False),
        ("name.((", ["Patient"], False),
    ],
)
def test_the_expression_of_a_search_parameter_is_about_its_types(expression: str, base: list[str], good: bool) -> None:
    body = {"resourceType": "SearchParameter", "type": "string", "base": base, "expression": expression}
    assert errors(body) == ([] if good else ["SearchParameter.expression"])


def test_a_capability_statement_has_parameters_of_the_types_of_their_definitions() -> None:
    definition = "http://hl7.org/fhir/SearchParameter/AllergyIntolerance-clinical-status"
    resource = [{"type": "AllergyIntolerance", "searchParam": [{"type": "date", "definition": definition}]}]
    body = {"resourceType": "CapabilityStatement", "rest": [{"resource": resource}]}
    assert errors(body) == ["CapabilityStatement.rest[0].resource[0].searchParam[0]"]


def test_stratifiers_in_cql_need_a_library() -> None:
    group = [{"stratifier": [{"criteria": {"language": "text/cql", "expression": "x"}}]}]
    assert errors({"resourceType": "Measure", "group": group}) == ["Measure.group[0].stratifier[0].criteria"]
    assert errors({"resourceType": "Measure", "group": group, "library": ["http://example.org/Library/l"]}) == []


def test_references_lead_somewhere_where_that_is_asked_for() -> None:
    body = {"resourceType": "Basic", "subject": {"reference": "Patient/1"}}
    assert errors(body) == []
    assert errors(body, rules=Rules(must_resolve=True)) == ["Basic.subject"]
    assert errors(body, rules=Rules(must_resolve=True), resolve={"Patient/1": PATIENT}.get) == []


def test_hl7_names_the_committee_of_what_it_publishes() -> None:
    body = {"resourceType": "CodeSystem", "url": "http://hl7.org/fhir/x", "content": "fragment"}
    assert errors(body) == []
    assert errors(body, rules=Rules(publishing=True)) == ["CodeSystem"]


def test_experimental_definitions_are_refused_where_that_is_asked_for() -> None:
    body = {"resourceType": "Measure", "experimental": True}
    assert errors(body) == []
    assert errors(body, rules=Rules(experimental=False)) == ["Measure"]


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ({"path": "Patient.gender", "min": 1, "max": "1"}, True),
        ({"path": "Patient.gender", "max": "2"}, False),
        ({"path": "Patient.name", "max": "3"}, True),
        ({"path": "Patient.link.other", "min": 0}, False),
        ({"path": "Patient.deceased[x]", "type": [{"code": "boolean"}]}, True),
        ({"path": "Patient.deceased[x]", "type": [{"code": "string"}]}, False),
        ({"path": "Patient.contained", "type": [{"code": "Organization"}]}, True),
        ({"path": "Patient.gender", "binding": {"strength": "required", "valueSet": "http://example.org/v"}}, True),
        ({"path": "Patient.gender", "binding": {"strength": "extensible"}}, False),
        ({"path": "Patient.language", "binding": {"strength": "extensible"}}, True),
    ],
)
def test_a_profile_narrows_what_its_base_allows(said: dict[str, Any], good: bool) -> None:
    body = structure(differential={"element": [{"path": "Patient"}, said]})
    assert errors(body) == ([] if good else ["StructureDefinition.differential.element[1]"])
