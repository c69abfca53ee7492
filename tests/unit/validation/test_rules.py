"""References, Bundles, contained resources, codes by rule, and what is asked of terminology."""

from __future__ import annotations

from typing import Any

import pytest
from tests.errors import errors

from hilum.terminology.questions import Answers, Question, Verdict
from hilum.validation import validate

Body = dict[str, Any]


def patient(**more: Any) -> Body:
    return {"resourceType": "Patient", **more}


def to(reference: str, **more: Any) -> Body:
    return patient(managingOrganization={"reference": reference, **more})


def places(body: Body) -> list[str | None]:
    return [issue.expression for issue in errors(body)]


WHERE = ["Patient.managingOrganization"]
ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "x"}
OTHER = {"resourceType": "Practitioner", "id": "o"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (to("Organization/1"), []),
        (to("http://example.org/fhir/Organization/1/_history/2"), []),
        (to("urn:uuid:c757873d-ec9a-4326-a141-556f43239520"), []),
        (to("http://example.org/elsewhere"), []),
        (to("Organization/1", type="Organization"), []),
        (to("urn:oid:1.2.3", type="http://hl7.org/fhir/StructureDefinition/Organization"), []),
        (patient(managingOrganization={"type": "Organization", "identifier": {"value": "1"}}), []),
        (to("#o") | {"contained": [ORGANIZATION]}, []),
        (to("Patient/1"), WHERE),
        (to("Patient?identifier=1"), WHERE),
        (to("http://example.org/fhir/Patient/1"), WHERE),
        (to("Organization/1", type="Patient"), WHERE),
        (to("urn:oid:1.2.3", type="Patient"), WHERE),
        (to("urn:oid:1.2.3", type="organization"), WHERE),
        (patient(managingOrganization={"type": "Patient", "display": "x"}), WHERE),
        (to("#none"), WHERE),
        (to("#o") | {"contained": [OTHER]}, WHERE),
        (to("#o", type="Organization") | {"contained": [OTHER]}, WHERE),
        (to("#o") | {"contained": [ORGANIZATION, ORGANIZATION]}, ["Patient.contained[1]"]),
    ],
)
def test_what_a_reference_may_lead_to(body: Body, expected: list[str]) -> None:
    assert places(body) == expected


def bundle(type_: str, *resources: tuple[str, Body], **more: Any) -> Body:
    entries = [{"fullUrl": url, "resource": body} for url, body in resources]
    return {"resourceType": "Bundle", "type": type_, "entry": entries, **more}


URN = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"


def test_what_a_reference_leads_to_in_a_bundle() -> None:
    assert places(bundle("collection", (URN, ORGANIZATION), ("urn:oid:1.2.3", to(URN)))) == []
    found = places(bundle("collection", (URN, OTHER), ("urn:oid:1.2.3", to(URN))))
    assert found == ["Bundle.entry[1].resource.managingOrganization"]


COMPOSITION = {
    "resourceType": "Composition",
    "id": "c",
    "status": "final",
    "type": {"text": "x"},
    "subject": {"reference": "Patient/p"},
    "date": "2020",
    "author": [{"reference": URN}],
    "title": "x",
    "section": [{"title": "x", "section": [{"title": "y", "entry": [{"reference": "Observation/o"}]}]}],
}
WHOLE = {"identifier": {"system": "urn:ietf:rfc:3986", "value": URN}, "timestamp": "2020-01-01T00:00:00Z"}


def test_what_the_composition_of_a_document_refers_to_is_in_it() -> None:
    base = "http://example.org/fhir"
    observation = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
    all_ = [
        (f"{base}/Composition/c", COMPOSITION),
        (f"{base}/Patient/p", patient(id="p")),
        (URN, {"resourceType": "Practitioner"}),
        (f"{base}/Observation/o", observation),
    ]
    assert places(bundle("document", *all_, **WHOLE)) == []
    assert places(bundle("document", all_[0], *all_[2:], **WHOLE)) == ["Bundle.entry[0].resource.subject"]
    assert places(bundle("document", *all_[:2], all_[3], **WHOLE)) == ["Bundle.entry[0].resource.author[0]"]
    nested = "Bundle.entry[0].resource.section[0].section[0].entry[0]"
    assert places(bundle("document", *all_[:3], **WHOLE)) == [nested]


def test_full_urls_are_warned_of() -> None:
    found = validate(bundle("collection", ("Patient/1", patient(id="1")), ("http://x/Patient/2", patient(id="3"))))
    warned = [issue.expression for issue in found if "fullUrl" in str(issue.expression)]
    assert warned == ["Bundle.entry[0].fullUrl", "Bundle.entry[1].fullUrl"]
    assert {issue.severity for issue in found} == {"warning"}


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ("en", True),
        ("de-CH-1996", True),
        ("zh-Hant-TW", True),
        ("x-own", True),
        ("english language", False),
        ("e", False),
    ],
)
def test_languages_are_tags(code: str, good: bool) -> None:
    assert (places(patient(language=code)) == []) is good


def test_a_language_by_another_system_is_warned_of() -> None:
    def spoken(system: str, code: str) -> list[str]:
        body = patient(communication=[{"language": {"coding": [{"system": system, "code": code}]}}])
        return [i.severity for i in validate(body) if i.expression == "Patient.communication[0].language"]

    assert spoken("urn:ietf:bcp:47", "en-US") == []
    assert spoken("urn:ietf:bcp:47", "e") == ["error"]
    assert spoken("http://id.loc.gov/vocabulary/iso639-1", "hi") == ["warning"]


@pytest.mark.parametrize(
    ("type_", "good"),
    [("image/png", True), ("text/plain; charset=UTF-8", True), ("image/*", True), ("png", False), ("a/b/c", False)],
)
def test_mime_types_are_read(type_: str, good: bool) -> None:
    assert (places(patient(photo=[{"contentType": type_, "data": "QUJD"}])) == []) is good


def test_currencies_are_those_of_iso_4217_also_of_before() -> None:
    def bill(currency: str) -> Body:
        return {"resourceType": "Invoice", "status": "draft", "totalNet": {"value": 1, "currency": currency}}

    assert places(bill("EUR")) == places(bill("DEM")) == []
    assert places(bill("EURO")) == ["Invoice.totalNet.currency"]


# --- terminology ------------------------------------------------------------------------------------------------------

MARITAL = "http://hl7.org/fhir/ValueSet/marital-status"
CODING = {"system": "http://example.org/s", "code": "x", "display": "X"}
MARRIED = patient(maritalStatus={"coding": [CODING]})
IN_SET = Question(MARITAL, "http://example.org/s", "x")
IN_SYSTEM = Question(None, "http://example.org/s", "x", "X")


def told(known: dict[Question, Verdict]) -> set[tuple[str, str | None]]:
    issues = validate(MARRIED, answers=Answers(known))
    return {(issue.severity, issue.expression) for issue in issues if issue.expression != "Patient"}


def test_what_nobody_has_answered_yet_is_asked_and_nothing_is_said() -> None:
    answers = Answers()
    assert [issue.expression for issue in validate(MARRIED, answers=answers)] == ["Patient"]
    assert answers.missing == {IN_SET, IN_SYSTEM}


def test_a_write_asks_nothing() -> None:
    assert [issue.expression for issue in validate(MARRIED)] == ["Patient"]


def test_a_code_outside_of_an_extensible_binding_is_a_warning() -> None:
    good = {IN_SYSTEM: Verdict(True), IN_SET: Verdict(True)}
    assert told(good) == set()
    assert told({**good, IN_SET: Verdict(False, "not-in-value-set")}) == {("warning", "Patient.maritalStatus")}


def test_a_code_that_its_system_does_not_have_is_an_error() -> None:
    known = {IN_SYSTEM: Verdict(False, "unknown-code"), IN_SET: Verdict(None)}
    assert told(known) == {("error", "Patient.maritalStatus.coding[0].code")}


def test_another_display_is_a_warning_and_an_unknown_system_an_information() -> None:
    known = {IN_SYSTEM: Verdict(True, display="Y", display_valid=False), IN_SET: Verdict(True)}
    assert told(known) == {("warning", "Patient.maritalStatus.coding[0].display")}
    known = {IN_SYSTEM: Verdict(None, "unknown-system"), IN_SET: Verdict(None, "unknown-system")}
    assert told(known) == {("information", "Patient.maritalStatus.coding[0].system")}


def test_what_every_write_is_held_to_holds_when_more_is_asked_as_well() -> None:
    status = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "ill"}]}
    spoken = {"coding": [{"system": "urn:ietf:bcp:47", "code": "e"}]}
    condition = {"resourceType": "Condition", "clinicalStatus": status, "subject": {"reference": "Organization/1"}}
    body = patient(communication=[{"language": spoken}], contained=[condition | {"id": "c"}])
    for found in (validate(body), validate(body, thorough=True), validate(body, answers=Answers())):
        assert {issue.expression for issue in found if issue.severity == "error"} == {
            "Patient.communication[0].language",
            "Patient.contained[0]",
            "Patient.contained[0].clinicalStatus",
            "Patient.contained[0].subject",
        }
