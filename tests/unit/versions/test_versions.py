"""FHIR 4.0 and 3.0 converted to each other: what rows of the tables mean, and that nothing is lost."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.versions.made import bodies

from hilum.fhir import xml
from hilum.versions import TYPES, Refused, down, up, xml_of_r3
from hilum.versions.convert import _difference
from hilum.versions.schema import R4, r3

Body = dict[str, Any]
NEW = "http://hl7.org/fhir/4.0/StructureDefinition/extension-"
OLD = "http://hl7.org/fhir/3.0/StructureDefinition/extension-"
SYSTEM = "http://terminology.hl7.org/CodeSystem/"
REFERENCE = {"reference": "Encounter/1"}
CONCEPT = {"text": "x"}
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def both(new: Body, old: Body) -> None:
    """The two are each other, in either direction."""
    assert down(new) == old
    assert up(old) == new


def coded(system: str, code: str) -> Body:
    return {"coding": [{"system": SYSTEM + system, "code": code}]}


def of(type_: str, **elements: Any) -> Body:
    return {"resourceType": type_, **elements}


def test_what_did_not_change_is_the_same() -> None:
    name = [{"family": "Ode", "given": ["A", None], "_given": [None, {"id": "x"}]}]
    same = of("Patient", id="1", meta={"versionId": "2"}, name=name, active=True, deceasedBoolean=False)
    both(same, same)


def test_renamed_elements() -> None:
    inpatient = {"class": {"code": "IMP"}}
    both(of("Encounter", reasonCode=[CONCEPT], **inpatient), of("Encounter", reason=[CONCEPT], **inpatient))
    both(
        of("Encounter", diagnosis=[{"condition": REFERENCE, "use": CONCEPT}], **inpatient),
        of("Encounter", diagnosis=[{"condition": REFERENCE, "role": CONCEPT}], **inpatient),
    )
    both(of("Binary", contentType="a/b", data="AAAA"), of("Binary", contentType="a/b", content="AAAA"))
    both(of("Observation", encounter=REFERENCE), of("Observation", context=REFERENCE))


def test_statuses_that_were_codes() -> None:
    both(
        of("Condition", clinicalStatus=coded("condition-clinical", "active"), subject=REFERENCE),
        of("Condition", clinicalStatus="active", subject=REFERENCE),
    )


def test_a_concept_with_more_than_its_code_travels_beside_it() -> None:
    status = {**coded("condition-clinical", "active"), "text": "still"}
    old = down(of("Condition", clinicalStatus=status))
    assert old == of(
        "Condition",
        clinicalStatus="active",
        extension=[{"url": f"{NEW}Condition.clinicalStatus", "valueCodeableConcept": status}],
    )


def test_what_a_client_changed_counts_and_not_what_stood_for_it() -> None:
    old = down(of("Condition", clinicalStatus={**coded("condition-clinical", "active"), "text": "still"}))
    old["clinicalStatus"] = "resolved"
    assert up(old)["clinicalStatus"] == coded("condition-clinical", "resolved")
    assert down(up(old)) == old


@pytest.mark.parametrize(("new", "old"), [("relapse", "recurrence"), ("recurrence", "recurrence")])
def test_a_code_that_only_4_has_is_told_by_the_nearest(new: str, old: str) -> None:
    body = of("Condition", clinicalStatus=coded("condition-clinical", new))
    assert down(body)["clinicalStatus"] == old
    assert ("extension" in down(body)) is (new != old)
    assert up(down(body)) == body


def test_a_code_that_only_3_has_is_kept() -> None:
    old = of("Condition", verificationStatus="unknown")
    new = up(old)
    assert "verificationStatus" not in new
    assert new["extension"] == [{"url": f"{OLD}Condition.verificationStatus", "valueCode": "unknown"}]
    assert down(new) == old


def test_lists_that_were_one() -> None:
    both(of("Location", type=[CONCEPT]), of("Location", type=CONCEPT))
    two = of("Location", type=[CONCEPT, {"text": "y"}])
    assert down(two)["type"] == CONCEPT
    assert [one["url"] for one in down(two)["extension"]] == [f"{NEW}Location.type"] * 2


def test_what_3_has_not_is_an_extension_for_the_element() -> None:
    parts = [{"url": "daysOfWeek", "valueCode": "mon"}, {"url": "daysOfWeek", "valueCode": "tue"}]
    both(
        of("Location", hoursOfOperation=[{"daysOfWeek": ["mon", "tue"]}], extension=[{"url": "u", "valueString": "v"}]),
        of(
            "Location",
            extension=[
                {"url": "u", "valueString": "v"},
                {"url": f"{NEW}Location.hoursOfOperation", "extension": parts},
            ],
        ),
    )
    both(
        of("Patient", meta={"source": "urn:a"}),
        of("Patient", meta={"extension": [{"url": f"{NEW}Meta.source", "valueUri": "urn:a"}]}),
    )
    both(
        of("Procedure", instantiatesCanonical=["urn:a"]),
        of(
            "Procedure",
            extension=[
                {
                    "url": f"{NEW}Procedure.instantiatesCanonical",
                    "extension": [{"url": "canonical", "valueUri": "urn:a"}],
                }
            ],
        ),
    )


def test_what_changes_the_meaning_of_all_the_rest_stays_so() -> None:
    other = {"url": "urn:x", "valueString": "y"}
    both(
        of("MedicationRequest", doNotPerform=True, modifierExtension=[other], status="active"),
        of(
            "MedicationRequest",
            modifierExtension=[other, {"url": f"{NEW}MedicationRequest.doNotPerform", "valueBoolean": True}],
            status="active",
        ),
    )


def test_what_4_has_not_is_an_extension_for_the_element() -> None:
    both(
        of(
            "Patient",
            extension=[
                {"url": f"{OLD}Patient.animal", "extension": [{"url": "species", "valueCodeableConcept": CONCEPT}]}
            ],
        ),
        of("Patient", animal={"species": CONCEPT}),
    )


def test_an_encounter_that_is_an_episode_of_care() -> None:
    episode = {"reference": "EpisodeOfCare/1"}
    new = up(of("Observation", context=episode))
    assert new == of("Observation", extension=[{"url": f"{OLD}Observation.context", "valueReference": episode}])
    assert down(new) == of("Observation", context=episode)


def test_not_done() -> None:
    both(of("Procedure", status="not-done"), of("Procedure", status="suspended", notDone=True))
    both(of("Procedure", status="on-hold"), of("Procedure", status="suspended"))
    both(of("Procedure", status="stopped"), of("Procedure", status="aborted"))
    odd = of("Procedure", status="completed", notDone=True)
    assert up(odd)["status"] == "not-done"
    assert down(up(odd)) == odd
    told = of("Immunization", vaccineCode=CONCEPT, patient=REFERENCE, occurrenceDateTime="2020", primarySource=True)
    was = of("Immunization", vaccineCode=CONCEPT, patient=REFERENCE, date="2020", primarySource=True)
    both({**told, "status": "not-done"}, {**was, "status": "completed", "notGiven": True})
    both({**told, "status": "completed"}, {**was, "status": "completed", "notGiven": False})
    both(
        of("MedicationStatement", status="not-taken", statusReason=[CONCEPT]),
        of("MedicationStatement", status="completed", taken="n", reasonNotTaken=[CONCEPT]),
    )


def test_why_a_vaccine_was_given_or_not() -> None:
    new = of("Immunization", reasonCode=[CONCEPT], statusReason={"text": "y"})
    assert down(new)["explanation"] == {"reason": [CONCEPT], "reasonNotGiven": [{"text": "y"}]}
    assert {**up(down(new)), **new} == up(down(new))


def test_what_a_summary_leaves_out_is_not_missed() -> None:
    summary = of("Immunization", id="1", meta={"tag": [{"code": "SUBSETTED"}]})
    assert down(summary) == {**summary, "_primarySource": UNKNOWN}


def test_members_and_sources_of_an_observation() -> None:
    both(
        of("Observation", hasMember=[REFERENCE], derivedFrom=[REFERENCE]),
        of(
            "Observation",
            related=[{"type": "has-member", "target": REFERENCE}, {"type": "derived-from", "target": REFERENCE}],
        ),
    )
    old = of("Observation", related=[{"type": "sequel-to", "target": REFERENCE}])
    assert down(up(old)) == old


def test_notes_that_were_a_comment() -> None:
    both(of("Observation", note=[{"text": "a"}]), of("Observation", comment="a"))
    two = of("Observation", note=[{"text": "a"}, {"text": "b", "time": "2020"}])
    assert down(two)["comment"] == "a\nb"
    assert up(down(two)) == two


def test_plans_goals_families_and_provenance() -> None:
    two = [REFERENCE, {"reference": "Practitioner/2"}]
    both(
        of("CarePlan", status="revoked", intent="plan", subject=REFERENCE, author=two[0], contributor=two[1:]),
        of("CarePlan", status="cancelled", intent="plan", subject=REFERENCE, author=two),
    )
    both(
        of("Goal", lifecycleStatus="active", description=CONCEPT, subject=REFERENCE),
        of("Goal", status="in-progress", description=CONCEPT, subject=REFERENCE),
    )
    on_target = of("Goal", status="on-target", description=CONCEPT, subject=REFERENCE)
    assert up(on_target)["lifecycleStatus"] == "active"
    assert down(up(on_target)) == on_target
    sex = {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}
    both(of("FamilyMemberHistory", sex=sex), of("FamilyMemberHistory", gender="male"))
    coding = {"system": "urn:x", "code": "y"}
    both(
        of("Provenance", occurredPeriod={"start": "2020"}, reason=[{"coding": [coding]}], agent=[{"who": REFERENCE}]),
        of("Provenance", period={"start": "2020"}, reason=[coding], agent=[{"whoReference": REFERENCE}]),
    )


def test_conditions_of_questions() -> None:
    both(
        of("Questionnaire", item=[{"linkId": "1", "item": [
            {"linkId": "2", "enableBehavior": "any", "enableWhen": [
                {"question": "1", "operator": "exists", "answerBoolean": False},
                {"question": "1", "operator": "=", "answerInteger": 1}]},
            {"linkId": "3", "initial": [{"valueDateTime": "2020"}], "answerValueSet": "urn:x",
             "answerOption": [{"valueString": "a"}]}]}]),
        of("Questionnaire", item=[{"linkId": "1", "item": [
            {"linkId": "2", "enableWhen": [
                {"question": "1", "hasAnswer": False}, {"question": "1", "answerInteger": 1}]},
            {"linkId": "3", "initialDateTime": "2020", "options": {"reference": "urn:x"},
             "option": [{"valueString": "a"}]}]}]),
    )  # fmt: skip
    more = {"question": "1", "operator": ">", "answerInteger": 1}
    deep = of("Questionnaire", item=[{"linkId": "1", "item": [{"linkId": "2", "enableWhen": [more]}]}])
    told = down(deep)["item"][0]["item"][0]
    assert "enableWhen" not in told, "3.0 knows no greater than"
    assert [one["url"] for one in told["modifierExtension"]] == [f"{NEW}Questionnaire.item.enableWhen"]
    every = [{"question": name, "operator": "=", "answerInteger": 1} for name in "12"]
    all_of = of("Questionnaire", item=[{"linkId": "3", "enableWhen": every, "enableBehavior": "all"}])
    assert "enableWhen" not in down(all_of)["item"][0], "of several in 3.0 one is enough"
    assert up(down(all_of)) == all_of


def test_classes_of_a_coverage() -> None:
    kind = "coverage-class"
    both(
        of("Coverage", status="active", beneficiary=REFERENCE, payor=[REFERENCE], **{"class": [
            {"type": coded(kind, "group"), "value": "1", "name": "one"}, {"type": coded(kind, "subplan"), "value": "2"},
            {"type": coded(kind, "sequence"), "value": "3"}]}),
        of("Coverage", status="active", beneficiary=REFERENCE, payor=[REFERENCE], sequence="3",
           grouping={"group": "1", "groupDisplay": "one", "subPlan": "2"}),
    )  # fmt: skip


def test_tasks_and_media() -> None:
    both(
        of("Task", status="draft", intent="order", instantiatesUri="urn:x", requester=REFERENCE, reasonCode=CONCEPT),
        of(
            "Task",
            status="draft",
            intent="order",
            definitionUri="urn:x",
            requester={"agent": REFERENCE},
            reason=CONCEPT,
        ),
    )
    both(
        of("Task", status="draft", intent="order", instantiatesCanonical="urn:x"),
        of("Task", status="draft", intent="order", definitionReference={"reference": "urn:x"}),
    )
    wrong = down(of("Media", status="entered-in-error", content={}, type=coded("media-type", "image")))
    assert wrong["type"] == "photo"
    assert wrong["modifierExtension"] == [{"url": f"{NEW}Media.status", "valueCode": "entered-in-error"}]


def test_performers_that_were_elements() -> None:
    both(of("DiagnosticReport", performer=[REFERENCE]), of("DiagnosticReport", performer=[{"actor": REFERENCE}]))
    old = of("DiagnosticReport", performer=[{"role": CONCEPT, "actor": REFERENCE}])
    assert up(old)["performer"] == [REFERENCE]
    assert down(up(old)) == old


def test_doses() -> None:
    both(
        of("MedicationStatement", dosage=[{"doseAndRate": [{"doseQuantity": {"value": 1}}]}]),
        of("MedicationStatement", dosage=[{"doseQuantity": {"value": 1}}]),
    )


def test_what_one_version_demands_and_the_other_has_not_is_unknown() -> None:
    both(
        of("AllergyIntolerance", patient=REFERENCE),
        of("AllergyIntolerance", patient=REFERENCE, _verificationStatus=UNKNOWN),
    )
    both(of("Encounter", status="planned", **{"class": UNKNOWN}), of("Encounter", status="planned"))


def test_bundles_are_converted_entry_by_entry_and_may_have_more_than_3_has() -> None:
    both(
        of(
            "Bundle",
            type="document",
            timestamp="2020-01-01T00:00:00Z",
            entry=[{"resource": of("Observation", encounter=REFERENCE)}],
        ),
        of(
            "Bundle",
            type="document",
            meta={"extension": [{"url": f"{NEW}Bundle.timestamp", "valueInstant": "2020-01-01T00:00:00Z"}]},
            entry=[{"resource": of("Observation", context=REFERENCE)}],
        ),
    )


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (of("ServiceRequest"), "Resource", "ServiceRequest can't be converted"),
        (
            of("Bundle", entry=[{}, {"resource": of("Goal")}, {"resource": of("ServiceRequest")}]),
            "Bundle.entry[2].resource",
            "ServiceRequest can't be converted",
        ),
        (of("Patient", contained=[of("Consent")]), "Patient.contained[0]", "Consent can't be converted"),
        (of("Patient", animal={}), "Patient.animal", "is no element of FHIR 4.0"),
        (of("Patient", name={}), "Patient.name", "must be an array"),
        (of("Patient", name=[1]), "Patient.name", "must be an object"),
        (of("Patient", maritalStatus=[]), "Patient.maritalStatus", "may have one value"),
        (of("Patient", extension=[1]), "Patient.extension", "must be an array of objects"),
        ({"resourceType": 1}, "Resource", "must say what it is"),
        ({}, "Resource", "must say what it is"),
    ],
)
def test_what_cannot_be_converted_is_named(body: Body, path: str, words: str) -> None:
    with pytest.raises(Refused) as found:
        down(body)
    assert found.value.path == path
    assert words in found.value.text


def test_nesting_is_bounded() -> None:
    body: Body = {"url": "x"}
    for _ in range(300):
        body = {"url": "x", "extension": [body]}
    with pytest.raises(Refused, match="too deeply"):
        down(of("Patient", extension=[body]))


def test_extensions_for_elements_within_each_other_are_bounded() -> None:
    value: Body = {"text": "x"}
    for _ in range(40):
        value = {"extension": [{"url": f"{OLD}CodeableConcept.text", "_valueString": {"extension": [
            {"url": f"{OLD}Extension.value", "valueCodeableConcept": value}]}}]}  # fmt: skip
    begun = time.perf_counter()
    with pytest.raises(Refused):
        down(of("Patient", maritalStatus=value))
    assert time.perf_counter() - begun < 5


def test_many_extensions_take_no_longer_than_they_must() -> None:
    many = [{"url": f"{OLD}Patient.animal", "valueString": "x"}, {"url": "u", "valueString": "y"}] * 5000
    begun = time.perf_counter()
    assert down(of("Patient", extension=many))["extension"] == many
    assert down(of("Bundle", meta={"extension": many}))["meta"]["extension"]
    assert time.perf_counter() - begun < 20


def test_xml_of_3_has_its_own_order() -> None:
    body = of("Condition", id="1", clinicalStatus="active", context=REFERENCE)
    written = xml.encode(body, xml_of_r3())
    assert b'<clinicalStatus value="active"/><context><reference' in written
    assert xml.parse(written, None, xml_of_r3()) == body


_SLOW = settings(
    max_examples=600 if os.environ.get("HILUM_FULL") == "1" else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
_TYPES = sorted(TYPES - {"Bundle", "Parameters", "CapabilityStatement"})


@_SLOW
@given(st.sampled_from(_TYPES).flatmap(lambda type_: bodies(R4, type_)))
def test_whatever_4_has_comes_back_from_3(body: Body) -> None:
    old = down(body)
    assert up(old) == body
    assert xml.parse(xml.encode(old, xml_of_r3()), None, xml_of_r3()) == old


@_SLOW
@given(st.sampled_from(_TYPES).flatmap(lambda type_: bodies(r3(), type_)))
def test_whatever_3_has_comes_back_from_4(body: Body) -> None:
    new = up(body)
    assert down(new) == body
    assert xml.parse(xml.encode(new)) == new


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "url",
                    "extension",
                    "valueCode",
                    "status",
                    "related",
                    "version",
                    "coding",
                    "note",
                    "type",
                    "enableWhen",
                    "initial",
                    "option",
                    "value",
                    "code",
                    "operator",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        ["Observation", "Condition", "Device", "Immunization", "Procedure", "DocumentReference", "Questionnaire",
         "Coverage", "Task", "Media", "HealthcareService", "RiskAssessment"]
    ),
    st.dictionaries(
        st.sampled_from(
            ["status", "related", "clinicalStatus", "explanation", "version", "note", "context", "extension", "notDone",
             "performer", "code", "udiCarrier", "text", "meta", "reasonCode", "_status", "item", "class", "grouping",
             "sequence", "eligibility", "eligibilityNote", "reason", "type", "duration", "definitionReference",
             "definitionUri"]
        ),
        _JUNK,
        max_size=4,
    ),
)  # fmt: skip
def test_whatever_comes_is_converted_or_refused(type_: str, body: Body) -> None:
    for convert, back in ((down, up), (up, down)):
        try:
            out = convert(of(type_, **body))
        except Refused:
            continue
        assert _difference(of(type_, **body), back(out)) is None
