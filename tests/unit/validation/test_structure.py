"""Broken resources, one fault each, and where and how it is reported."""

from decimal import Decimal
from typing import Any

import pytest
from tests.errors import errors

from hilum.fhir.definitions import TYPES
from hilum.fhir.json import number
from hilum.problems import Issue
from hilum.validation import validate

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'
DAR = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
CODE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **more}


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": CODE, **more}


def extension(**more: Any) -> dict[str, Any]:
    return patient(extension=[{"url": "http://example.org/x", **more}])


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"url": "http://example.org/x", "valueString": "x"}
    for _ in range(depth):
        inner = {"url": "http://example.org/x", "extension": [inner]}
    return patient(extension=[inner])


LEGAL: dict[str, dict[str, Any]] = {
    "a patient with nothing": patient(),
    "a patient with much": patient(
        id="A-1.b",
        meta={"versionId": "1", "lastUpdated": "2020-01-01T00:00:00Z", "profile": ["http://example.org/p"]},
        language="de",
        text={"status": "generated", "div": DIV},
        active=True,
        name=[{"use": "official", "family": "X", "given": ["A", "B"]}],
        birthDate="1974-12",
        deceasedBoolean=False,
        multipleBirthInteger=2,
        contact=[{"name": {"text": "x"}, "gender": "unknown"}],
        link=[{"other": {"reference": "Patient/2/_history/3"}, "type": "seealso"}],
    ),
    "decimals and whole numbers": observation(valueQuantity={"value": Decimal("1.10")}, component=[])
    | {"component": [{"code": {"text": "x"}, "valueQuantity": {"value": 7}}]},
    "an extension instead of a required value": observation() | {"status": "final", "_status": {"extension": [DAR]}},
    "only an extension where a value is required": {
        k: v for k, v in observation(_status={"extension": [DAR]}).items() if k != "status"
    },
    "an id beside a value": patient(birthDate="1974", _birthDate={"id": "b"}),
    "an extended choice": patient(_deceasedDateTime={"extension": [DAR]}),
    "the same choice with value and extension": patient(deceasedBoolean=True, _deceasedBoolean={"extension": [DAR]}),
    "extensions beside an array": patient(
        name=[{"given": ["A", None, "C"], "_given": [None, {"extension": [DAR]}, {"id": "c"}]}]
    ),
    "extensions instead of an array": patient(name=[{"_given": [{"extension": [DAR]}]}]),
    "references of all kinds": patient(
        contained=[
            {"resourceType": "Practitioner", "id": "p"},
            {"resourceType": "Patient", "id": "q", "link": [{"other": {"reference": "#"}, "type": "seealso"}]},
        ],
        generalPractitioner=[
            {"reference": r}
            for r in (
                *("Practitioner/1", "Practitioner/1/_history/2", "http://example.org/fhir/Practitioner/1", "#p"),
                *("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:oid:1.2.3", "Practitioner?identifier=a|b"),
            )
        ],
    ),
    "a contained resource": patient(
        contained=[{"resourceType": "Organization", "id": "o", "name": "x"}], managingOrganization={"reference": "#o"}
    ),
    "nested extensions": nested(20),
    "a bundle": {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": patient(), "request": {"method": "POST", "url": "Patient"}}],
    },
    "parameters in parameters": {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": patient()}, {"name": "c", "valueDecimal": 1}]}],
    },
    "a resource of a type without narrative": {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD"},
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal_resources_have_no_findings(name: str) -> None:
    assert errors(LEGAL[name]) == []


UNKNOWN = "is not an element here: the specification knows no such property"
EMPTY_ARRAY = "is an empty array: leave the property out instead"
EMPTY = "ele-1: is empty, it must have a value or children"
NOT_PRIMITIVE = "is not a primitive that can have extensions: write it without the underscore"
TOO_DEEP = "is nested too deeply: at most 64 elements may stand within each other"
NULL = "is null: leave the property out instead"

BROKEN: list[tuple[dict[str, Any], str, str, str]] = [
    # body, path, code, text
    # resourceType
    ({}, "Resource", "structure", 'is empty: it must say what it is, such as "resourceType": "Patient"'),
    ({"id": "x"}, "Resource.resourceType", "structure", 'must say what it is, such as "resourceType": "Patient"'),
    ({"resourceType": 5}, "Resource.resourceType", "structure", "must be a string, but is a number"),
    ({"resourceType": None}, "Resource.resourceType", "structure", NULL),
    *(
        (
            {"resourceType": name},
            "Resource.resourceType",
            "structure",
            "is not a resource type of R4 (types are case-sensitive)",
        )
        for name in ("patient", "Foo", "", "Resource", "DomainResource", "HumanName")
    ),
    # unknown properties
    (patient(foo=1), "Patient.foo", "structure", UNKNOWN),
    (patient(_foo={}), "Patient.foo", "structure", UNKNOWN),
    (patient(name=[{"Family": "x"}]), "Patient.name[0].Family", "structure", UNKNOWN),
    (patient(**{"x y": 1}), "Patient", "structure", "has a property whose name can't be one of FHIR's"),
    (patient(**{"": 1}), "Patient", "structure", "has a property whose name can't be one of FHIR's"),
    (patient(fhir_comments=["x"]), "Patient", "structure", "has a property whose name can't be one of FHIR's"),
    (
        observation(value=1),
        "Observation.value",
        "structure",
        "can have several types: name one, such as valueQuantity, valueCodeableConcept, valueString",
    ),
    (observation(valueMoney={}), "Observation.valueMoney", "structure", UNKNOWN),
    (
        patient(_name=[{}]),
        "Patient.name",
        "structure",
        NOT_PRIMITIVE,
    ),
    (
        patient(_id={"id": "x"}),
        "Patient.id",
        "structure",
        NOT_PRIMITIVE,
    ),
    (patient(name=[{"resourceType": "HumanName", "text": "x"}]), "Patient.name[0].resourceType", "structure", UNKNOWN),
    (
        observation(referenceRange=[{"low": {"value": 1, "comparator": "<"}}]),
        "Observation.referenceRange[0].low.comparator",
        "structure",
        UNKNOWN,
    ),
    # cardinality and JSON types
    ({"resourceType": "Observation", "code": CODE}, "Observation.status", "required", "is required"),
    (
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}},
        "MedicationRequest.medication",
        "required",
        "is required",
    ),
    (patient(link=[{"type": "seealso"}]), "Patient.link[0].other", "required", "is required"),
    (patient(name={"family": "x"}), "Patient.name", "structure", "must be an array, but is an object"),
    (patient(birthDate=["2020"]), "Patient.birthDate", "structure", "must be a string, but is an array"),
    (
        patient(maritalStatus=[{"text": "x"}]),
        "Patient.maritalStatus",
        "structure",
        "must be an object, but is an array",
    ),
    (patient(name=["x"]), "Patient.name[0]", "structure", "must be an object, but is a string"),
    (patient(active="true"), "Patient.active", "structure", "must be true or false, but is a string"),
    (
        patient(multipleBirthInteger=True),
        "Patient.multipleBirth",
        "structure",
        "must be a whole number, but is true or false",
    ),
    *(
        (
            patient(multipleBirthInteger=number(text)),
            "Patient.multipleBirth",
            "value",
            "must be a whole number between -2147483648 and 2147483647, "
            "written in digits: no fraction, no exponent, no -0",
        )
        for text in ("1.5", "1.0", "1e2", "-0", "1" * 5000)
    ),
    (
        observation(valueQuantity={"value": "1"}),
        "Observation.value.value",
        "structure",
        "must be a number, but is a string",
    ),
    # formats
    (patient(id="a_b"), "Patient.id", "value", "is not an id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
    (patient(birthDate="2021-02-29"), "Patient.birthDate", "value", "is a day that the calendar does not have"),
    (patient(birthDate="29.02.2020"), "Patient.birthDate", "value", "is not a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    (
        observation(effectiveDateTime="2020-01-01T10:00:00"),
        "Observation.effective",
        "value",
        "is not a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    (
        patient(name=[{"given": ["A", "B\x00"]}]),
        "Patient.name[0].given[1]",
        "value",
        "holds a control character other than tab, CR and LF, or half a surrogate pair",
    ),
    (patient(telecom=[{"rank": 0}]), "Patient.telecom[0].rank", "value", "must be between 1 and 2147483647"),
    (
        {"resourceType": "Binary", "contentType": "text/plain", "data": "?"},
        "Binary.data",
        "value",
        "is not base64, or is empty",
    ),
    # empty values and nulls
    (patient(name=[]), "Patient.name", "structure", EMPTY_ARRAY),
    (patient(name=[{}]), "Patient.name[0]", "invariant", EMPTY),
    (patient(name=[{"id": "x"}]), "Patient.name[0]", "invariant", EMPTY),
    (patient(maritalStatus={}), "Patient.maritalStatus", "invariant", EMPTY),
    (patient(name=[{"given": [""]}]), "Patient.name[0].given[0]", "value", "is empty: leave the property out instead"),
    (patient(birthDate=None), "Patient.birthDate", "structure", NULL),
    (patient(name=None), "Patient.name", "structure", NULL),
    (patient(name=[None]), "Patient.name[0]", "structure", NULL),
    (patient(name=[{"given": ["A", None]}]), "Patient.name[0].given[1]", "structure", NULL),
    (patient(birthDate=None, _birthDate={"extension": [DAR]}), "Patient.birthDate", "structure", NULL),
    # extensions of primitives
    (patient(_birthDate={"id": "x"}), "Patient.birthDate", "invariant", "ele-1: must have a value or an extension"),
    (patient(birthDate="2020", _birthDate={}), "Patient.birthDate", "invariant", EMPTY),
    (patient(birthDate="2020", _birthDate=None), "Patient.birthDate", "structure", NULL),
    (patient(birthDate="2020", _birthDate=[]), "Patient.birthDate", "structure", "must be an object, but is an array"),
    (patient(_birthDate={"foo": 1, "id": "x"}), "Patient.birthDate.foo", "structure", UNKNOWN),
    (
        patient(_birthDate={"extension": [{"valueCode": "x"}]}),
        "Patient.birthDate.extension[0].url",
        "required",
        "is required",
    ),
    (
        patient(name=[{"given": ["A"], "_given": {}}]),
        "Patient.name[0].given",
        "structure",
        "must be an array, but is an object",
    ),
    (patient(name=[{"given": ["A"], "_given": []}]), "Patient.name[0].given", "structure", EMPTY_ARRAY),
    (
        patient(name=[{"given": ["A"], "_given": [None, {"extension": [DAR]}]}]),
        "Patient.name[0].given",
        "structure",
        "must have as many items in _given as in given: null stands for nothing",
    ),
    (
        patient(name=[{"given": ["A", None], "_given": [{"id": "a"}, None]}]),
        "Patient.name[0].given[1]",
        "structure",
        "has neither a value nor an extension",
    ),
    (
        patient(name=[{"given": ["A", None], "_given": [None, {"id": "b"}]}]),
        "Patient.name[0].given[1]",
        "invariant",
        "ele-1: must have a value or an extension",
    ),
    (
        patient(name=[{"given": None, "_given": [{"extension": [DAR]}]}]),
        "Patient.name[0].given",
        "structure",
        NULL,
    ),
    # choice[x]
    (
        patient(deceasedBoolean=True, deceasedDateTime="2020"),
        "Patient.deceased",
        "structure",
        "may be given in one type only, but is there as deceasedBoolean and deceasedDateTime",
    ),
    (
        patient(deceasedBoolean=True, _deceasedDateTime={"extension": [DAR]}),
        "Patient.deceased",
        "structure",
        "may be given in one type only, but is there as deceasedBoolean and deceasedDateTime",
    ),
    (
        observation(valueString="x", valueInteger=1, valueBoolean=True),
        "Observation.value",
        "structure",
        "may be given in one type only, but is there as valueString and valueInteger and valueBoolean",
    ),
    # extensions
    (patient(extension=[{"valueString": "x"}]), "Patient.extension[0].url", "required", "is required"),
    (extension(), "Patient.extension[0].value", "required", "is required, unless there are extensions (ext-1)"),
    (
        extension(valueString="x", extension=[{"url": "y", "valueString": "z"}]),
        "Patient.extension[0]",
        "invariant",
        "ext-1: must have either a value or extensions, not both",
    ),
    (
        extension(valueString="x", valueCode="y"),
        "Patient.extension[0].value",
        "structure",
        "may be given in one type only, but is there as valueString and valueCode",
    ),
    (extension(valueFoo="x", valueString="y"), "Patient.extension[0].valueFoo", "structure", UNKNOWN),
    (
        patient(extension=[{"url": "a b", "valueString": "x"}]),
        "Patient.extension[0].url",
        "value",
        "is not a URI: it must not be empty, nor hold spaces or control characters",
    ),
    (
        nested(70),
        "Patient" + ".extension[0]" * 65,
        "structure",
        TOO_DEEP,
    ),
    # bindings
    (
        patient(gender="m"),
        "Patient.gender",
        "code-invalid",
        "must be one of female, male, other, unknown (http://hl7.org/fhir/ValueSet/administrative-gender)",
    ),
    (patient(gender=1), "Patient.gender", "structure", "must be a string, but is a number"),
    # references
    *(
        (
            observation(subject={"reference": reference}),
            "Observation.subject",
            "value",
            "is not a reference: Type/id, an absolute URI, #id or Type?criteria",
        )
        for reference in (
            "Patient",
            "Patient/",
            "Patient/a b",
            "Patient/a_b",
            "/Patient/1",
            "Patient/1/2",
            "patient/1",
            "1",
            "",
        )
    ),
    (
        observation(subject={"reference": 1}),
        "Observation.subject.reference",
        "structure",
        "must be a string, but is a number",
    ),
    # contained resources
    (
        patient(contained=[{"resourceType": "Organization", "name": "x"}]),
        "Patient.contained[0].id",
        "required",
        "is required in a contained resource",
    ),
    (
        patient(
            contained=[
                {
                    "resourceType": "Patient",
                    "id": "a",
                    "contained": [{"resourceType": "Patient", "id": "b"}],
                    "extension": [{"url": "http://example.org/x", "valueUri": "#b"}],
                }
            ],
            link=[{"other": {"reference": "#a"}, "type": "seealso"}],
        ),
        "Patient.contained[0].contained",
        "structure",
        "is not allowed in a contained resource (dom-2)",
    ),
    (
        patient(
            contained=[{"resourceType": "Patient", "id": "a", "foo": 1}],
            link=[{"other": {"reference": "#a"}, "type": "seealso"}],
        ),
        "Patient.contained[0].foo",
        "structure",
        UNKNOWN,
    ),
    (patient(contained=["x"]), "Patient.contained[0]", "structure", "must be a resource, but is a string"),
    # narrative
    (patient(text={"status": "generated"}), "Patient.text.div", "required", "is required"),
    (
        patient(text={"status": "generated", "div": DIV, "_div": {"id": "x"}}),
        "Patient.text.div",
        "structure",
        NOT_PRIMITIVE,
    ),
    (
        patient(text={"status": "generated", "div": DIV.replace("x<", "<script/>x<")}),
        "Patient.text.div",
        "value",
        "has an element that narratives must not have: script",
    ),
    # resources within resources
    (
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": patient()}, {"resource": patient(foo=1)}],
        },
        "Bundle.entry[1].resource.foo",
        "structure",
        UNKNOWN,
    ),
    (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Foo"}}]},
        "Bundle.entry[0].resource.resourceType",
        "structure",
        "is not a resource type of R4 (types are case-sensitive)",
    ),
    (
        {"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"resource": patient(), "name": ""}]}]},
        "Parameters.parameter[0].part[0].name",
        "value",
        "is empty: leave the property out instead",
    ),
]


@pytest.mark.parametrize(
    ("body", "path", "code", "text"), BROKEN, ids=[f"{i}-{row[1][:60]}" for i, row in enumerate(BROKEN)]
)
def test_a_fault_is_found_at_its_path(body: dict[str, Any], path: str, code: str, text: str) -> None:
    assert errors(body) == [Issue("error", code, f"{path} {text}", path)]


@pytest.mark.parametrize("body", [[], "Patient", None, 5, True])
def test_anything_but_an_object_is_a_finding(body: Any) -> None:
    assert [(i.code, i.expression) for i in errors(body)] == [("structure", "Resource")]


def test_all_findings_come_at_once() -> None:
    body = {
        "resourceType": "Observation",
        "id": "no good",
        "status": "finished",
        "subject": {"reference": "nobody"},
        "effectiveDateTime": "2021-02-30",
        "foo": 1,
        "component": [{"valueQuantity": {"value": "1"}}, {"code": CODE, "valueString": ""}],
    }
    assert [(i.expression, i.code) for i in errors(body)] == [
        ("Observation.id", "value"),
        ("Observation.status", "code-invalid"),
        ("Observation.subject", "value"),
        ("Observation.effective", "value"),
        ("Observation.foo", "structure"),
        ("Observation.component[0].value.value", "structure"),
        ("Observation.component[0].code", "required"),
        ("Observation.component[1].value", "value"),
        ("Observation.code", "required"),
    ]


def test_findings_never_repeat_values() -> None:
    body = patient(
        birthDate="SECRET",
        gender="SECRET",
        name=[{"given": ["SECRET\x00"], "SECRET VALUE": 1}],
        managingOrganization={"reference": "SECRET"},
        text={"status": "SECRET", "div": "SECRET"},
    )
    issues = errors(body)
    assert len(issues) == 7
    assert "SECRET" not in repr(issues)


def test_a_huge_broken_list_gives_a_bounded_answer() -> None:
    issues = validate(patient(name=[{"foo": 1}] * 5000))
    assert len(issues) == 1001
    assert issues[-1] == Issue("information", "informational", "2 or more findings are not shown. Correct these first.")


@pytest.mark.parametrize("depth", [65, 300, 5000])
def test_deep_nesting_is_a_finding_and_not_a_crash(depth: int) -> None:
    assert ["is nested too deeply" in i.diagnostics for i in errors(nested(depth))] == [True]
    item: dict[str, Any] = {"linkId": "x", "type": "group"}
    for step in range(depth):
        item = {"linkId": str(step), "type": "group", "item": [item]}
    body = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert ["is nested too deeply" in i.diagnostics for i in errors(body)] == [True]
    bundle: dict[str, Any] = patient()
    for _ in range(depth):
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": bundle}]}
    assert ["is nested too deeply" in i.diagnostics for i in errors(bundle)] == [True]


@pytest.mark.parametrize("name", TYPES)
def test_every_type_refuses_unknown_properties_and_accepts_the_common_ones(name: str) -> None:
    common = {
        "resourceType": name,
        "id": "x",
        "meta": {"versionId": "1"},
        "implicitRules": "http://x",
        "language": "en",
    }
    codes = {i.code for i in errors(common)}
    assert codes <= {"required", "invariant"}
    found = [i for i in errors({**common, "zzz": 1}) if i.code == "structure"]
    assert [i.expression for i in found] == [f"{name}.zzz"]
