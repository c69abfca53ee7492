"""What changed between FHIR 3.0 and 4.0, place by place: everything that has no row here has the same name and meaning.

Sources: "This resource … differences from R3" of each R4 page (https://hl7.org/fhir/R4/diff.html), HL7's R3-R4 maps
(https://hl7.org/fhir/R4/r3maps.html), read in November 2026. What a version has no element for travels as the extension
that stands for the element, `http://hl7.org/fhir/4.0/StructureDefinition/extension-Encounter.basedOn`
(https://hl7.org/fhir/R4/versions.html#extensions).
"""

from __future__ import annotations

from typing import Final

from hilum.versions import singular
from hilum.versions.items import Item, Items
from hilum.versions.schema import BACKBONE
from hilum.versions.shapes import (
    Group,
    Values,
    canonical,
    coded,
    codes,
    coding,
    context,
    flagged,
    note,
    only_r4,
    renamed,
    text,
    typed,
    wrapped,
)

_TYPES: Final = """
Account AllergyIntolerance Appointment AppointmentResponse Basic Binary Bundle CapabilityStatement CarePlan CareTeam
CodeSystem Communication Composition Condition Coverage DetectedIssue Device DeviceMetric DiagnosticReport
DocumentManifest DocumentReference Encounter Endpoint EpisodeOfCare FamilyMemberHistory Flag Goal Group
HealthcareService Immunization Linkage List Location Media Medication MedicationAdministration MedicationDispense
MedicationRequest MedicationStatement MessageHeader Observation OperationOutcome Organization Parameters Patient Person
Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RiskAssessment
Schedule Slot Specimen Subscription Substance SupplyDelivery Task ValueSet
"""
TYPES: Final = frozenset(_TYPES.split())
"""The resource types that are converted."""

_CODES: Final = "http://terminology.hl7.org/CodeSystem/"


def _related_down(values: Values) -> dict[str, Items]:
    found = [("has-member", item) for item in values["hasMember"]]
    found += [("derived-from", item) for item in values["derivedFrom"]]
    return {"related": [Item(BACKBONE, {"type": kind, "target": item.value}) for kind, item in found]}


def _related_up(values: Values) -> dict[str, Items]:
    out: dict[str, Items] = {"hasMember": [], "derivedFrom": []}
    for item in values["related"]:
        name = {"has-member": "hasMember", "derived-from": "derivedFrom"}.get(str(item.value.get("type")))
        if name is not None and isinstance(item.value.get("target"), dict):
            out[name].append(Item("Reference", item.value["target"]))
    return out


def _explanation_down(values: Values) -> dict[str, Items]:
    found = {}
    if values["reasonCode"]:
        found["reason"] = [item.value for item in values["reasonCode"]]
    if values["statusReason"]:
        found["reasonNotGiven"] = [item.value for item in values["statusReason"]]
    return {"explanation": [Item(BACKBONE, found)] if found else []}


def _explanation_up(values: Values) -> dict[str, Items]:
    found = values["explanation"][0].value if values["explanation"] else {}
    reasons, not_given = found.get("reason", []), found.get("reasonNotGiven", [])
    return {
        "reasonCode": [Item("CodeableConcept", one) for one in reasons],
        "statusReason": [Item("CodeableConcept", one) for one in not_given[:1]],
    }


def _device_version_down(values: Values) -> dict[str, Items]:
    found = [item.value["value"] for item in values["version"] if isinstance(item.value.get("value"), str)]
    return {"version": [Item("string", found[0])] if found else []}


def _device_version_up(values: Values) -> dict[str, Items]:
    return {"version": [Item(BACKBONE, {"value": item.value}) for item in values["version"] if item.value is not None]}


def _documents_down(values: Values) -> dict[str, Items]:
    out = []
    for item in values["related"]:
        reference = {name: value for name, value in item.value.items() if name != "identifier"}
        found = {"identifier": item.value["identifier"]} if "identifier" in item.value else {}
        out.append(Item(BACKBONE, found | ({"ref": reference} if reference else {})))
    return {"related": out}


def _documents_up(values: Values) -> dict[str, Items]:
    out = []
    for item in values["related"]:
        found = {"identifier": item.value["identifier"]} if "identifier" in item.value else {}
        out.append(Item("Reference", {**item.value.get("ref", {}), **found}))
    return {"related": out}


def _dose_down(values: Values) -> dict[str, Items]:
    first = values["doseAndRate"][0].value if values["doseAndRate"] else {}
    return {
        "dose": [Item(kind, first[f"dose{kind}"]) for kind in ("Range", "Quantity") if f"dose{kind}" in first],
        "rate": [Item(kind, first[f"rate{kind}"]) for kind in ("Ratio", "Range", "Quantity") if f"rate{kind}" in first],
    }


def _dose_up(values: Values) -> dict[str, Items]:
    found = {f"{name}{item.type}": item.value for name in ("dose", "rate") for item in values[name]}
    return {"doseAndRate": [Item(BACKBONE, found)] if found else []}


def _authors_down(values: Values) -> dict[str, Items]:
    return {"author": [*values["author"], *values["contributor"]]}


def _authors_up(values: Values) -> dict[str, Items]:
    return {"author": values["author"][:1], "contributor": values["author"][1:]}


_GOALS: Final = (
    "active=in-progress active=on-target active=ahead-of-target active=behind-target active=sustaining "
    "completed=achieved"
)


def _accepts_no_unknown(_: Values) -> dict[str, Items]:
    return {"acceptUnknown": [Item("code", "no")]}


def _nothing(_: Values) -> dict[str, Items]:
    return {}


_CONTEXT: Final = context()

GROUPS: Final[dict[tuple[str, str], tuple[Group, ...]]] = {
    # --- datatypes ---
    ("Address", ""): (codes("use", r3="billing"),),
    ("Dosage", ""): (Group(("doseAndRate",), ("dose", "rate"), _dose_down, _dose_up),),
    ("Identifier", ""): (codes("use", r3="old"),),
    ("Signature", ""): (renamed("sigFormat", "contentType"), renamed("data", "blob")),
    ("Timing", "repeat"): (
        codes("when", r3="MORN.early MORN.late NOON AFT.early AFT.late EVE.early EVE.late PHS"),
    ),
    # --- resources ---
    ("Account", ""): (codes("status", r3="on-hold unknown"), renamed("servicePeriod", "period")),
    ("AllergyIntolerance", ""): (
        coded("clinicalStatus", f"{_CODES}allergyintolerance-clinical"),
        coded("verificationStatus", f"{_CODES}allergyintolerance-verification"),
        renamed("recordedDate", "assertedDate"),
    ),
    ("Appointment", ""): (
        codes("status", "arrived=arrived checked-in=arrived pending=pending waitlist=pending"),
        renamed("reasonCode", "reason"),
        renamed("reasonReference", "indication"),
    ),
    ("Binary", ""): (renamed("data", "content"),),
    ("Bundle", "entry.request"): (codes("method", r3="HEAD PATCH"),),
    ("CapabilityStatement", ""): (Group((), ("acceptUnknown",), _accepts_no_unknown, _nothing),),
    ("CapabilityStatement", "rest.resource"): (canonical("profile"),),
    ("CapabilityStatement", "rest.operation"): (canonical("definition"),),
    ("CapabilityStatement", "rest.resource.searchParam"): (codes("type", "string=string special=string"),),
    ("CapabilityStatement", "messaging.supportedMessage"): (canonical("definition"),),
    ("CapabilityStatement", "document"): (canonical("profile"),),
    ("CarePlan", ""): (
        _CONTEXT,
        codes("status", "on-hold=suspended revoked=cancelled"),
        Group(("author", "contributor"), ("author",), _authors_down, _authors_up),
    ),
    ("CarePlan", "activity.detail"): (
        codes("status", "cancelled=cancelled stopped=cancelled", r3="entered-in-error"),
        renamed("doNotPerform", "prohibited"),
        text("statusReason"),
    ),
    ("CareTeam", ""): (_CONTEXT,),
    ("Communication", ""): (
        _CONTEXT,
        flagged("status", "notDone", "not-done", "suspended", r4_only="on-hold=suspended stopped=aborted"),
        renamed("statusReason", "notDoneReason"),
        canonical("instantiatesCanonical", "definition"),
        renamed("about", "topic"),
        only_r4("topic"),
    ),
    ("Composition", ""): (renamed("category", "class"),),
    ("Condition", ""): (
        coded("clinicalStatus", f"{_CODES}condition-clinical", "recurrence=recurrence relapse=recurrence"),
        coded("verificationStatus", f"{_CODES}condition-ver-status", "unconfirmed=unknown", "unknown"),
        renamed("recordedDate", "assertedDate"),
        _CONTEXT,
    ),
    ("Coverage", ""): (singular.COVERAGE_CLASS,),
    ("DetectedIssue", ""): (renamed("code", "category"), typed("identified", "date", "dateTime")),
    ("Device", ""): (
        renamed("udiCarrier", "udi"),
        renamed("modelNumber", "model"),
        Group(("version",), ("version",), _device_version_down, _device_version_up),
    ),
    ("DiagnosticReport", ""): (
        _CONTEXT,
        wrapped("performer", "performer", "actor"),
        renamed("conclusionCode", "codedDiagnosis"),
        renamed("media", "image"),
    ),
    ("DocumentManifest", ""): (wrapped("content", "content", "pReference"),),
    ("DocumentReference", ""): (renamed("category", "class"), renamed("date", "indexed")),
    ("DocumentReference", "context"): (Group(("related",), ("related",), _documents_down, _documents_up),),
    ("Encounter", ""): (renamed("reasonCode", "reason"),),
    ("Encounter", "diagnosis"): (renamed("use", "role"),),
    ("FamilyMemberHistory", ""): (coded("sex", "http://hl7.org/fhir/administrative-gender", r3_name="gender"),),
    ("Goal", ""): (codes("lifecycleStatus", _GOALS, r3_name="status"),),
    ("HealthcareService", ""): (singular.ELIGIBILITY, text("program", "programName")),
    ("Immunization", ""): (
        flagged("status", "notGiven", "not-done", "completed", other=False),
        typed("occurrence", "date", "dateTime"),
        renamed("performer", "practitioner"),
        renamed("protocolApplied", "vaccinationProtocol"),
        Group(("reasonCode", "statusReason"), ("explanation",), _explanation_down, _explanation_up),
    ),
    ("Immunization", "performer"): (renamed("function", "role"),),
    ("Immunization", "protocolApplied"): (
        typed("doseNumber", "doseSequence", "positiveInt"),
        typed("seriesDoses", "seriesDoses", "positiveInt"),
    ),
    ("Media", ""): (
        _CONTEXT,
        coded("type", f"{_CODES}media-type", "image=photo"),
        renamed("modality", "subtype"),
        renamed("created", "occurrence"),
        singular.WHOLE_DURATION,
    ),
    ("Medication", "ingredient"): (renamed("strength", "amount"),),
    ("MedicationAdministration", ""): (
        flagged("status", "notGiven", "not-done", "stopped"),
        renamed("statusReason", "reasonNotGiven"),
        renamed("request", "prescription"),
    ),
    ("MedicationDispense", ""): (
        flagged(
            "status", "notDone", "declined", "stopped", r4_only="stopped=stopped cancelled=stopped", r3_lacks="unknown"
        ),
        renamed("statusReason", "notDoneReason"),
    ),
    ("MedicationRequest", ""): (
        _CONTEXT,
        wrapped("requester", "requester", "agent"),
        codes("intent", "order=order original-order=order reflex-order=order filler-order=order", r3="option"),
    ),
    ("MedicationStatement", ""): (
        flagged("status", "taken", "not-taken", "completed", yes="n", other="unk"),
        renamed("statusReason", "reasonNotTaken"),
    ),
    ("Observation", ""): (
        _CONTEXT,
        note(),
        Group(("hasMember", "derivedFrom"), ("related",), _related_down, _related_up),
    ),
    ("OperationOutcome", "issue"): (
        codes("code", "not-found=not-found deleted=not-found conflict=conflict multiple-matches=conflict"),
    ),
    ("Procedure", ""): (
        _CONTEXT,
        flagged("status", "notDone", "not-done", "suspended", r4_only="on-hold=suspended stopped=aborted"),
        renamed("statusReason", "notDoneReason"),
    ),
    ("Procedure", "performer"): (renamed("function", "role"),),
    ("Provenance", ""): (typed("occurred", "period", "Period"), coding("reason"), coding("activity")),
    ("Questionnaire", "item"): (
        singular.ENABLE_WHEN,
        canonical("answerValueSet", "options"),
        renamed("answerOption", "option"),
        singular.INITIAL,
    ),
    ("QuestionnaireResponse", ""): (_CONTEXT, canonical("questionnaire"), renamed("partOf", "parent")),
    ("RiskAssessment", ""): (_CONTEXT, note(), singular.REASON),
    ("Task", ""): (
        _CONTEXT,
        wrapped("requester", "requester", "agent"),
        renamed("reasonCode", "reason"),
        singular.DEFINITION,
        codes("intent", r3="unknown"),
    ),
}  # fmt: skip
"""Place in 4.0 -> what has another name or another shape there."""

_NEW_MODIFIERS: Final = frozenset(
    {"MedicationRequest.doNotPerform", "Immunization.isSubpotent", "Media.status", "Questionnaire.item.enableWhen"}
)
_OLD_MODIFIERS: Final = frozenset({"FamilyMemberHistory.notDone", "Questionnaire.item.enableWhen"})
MODIFIERS: Final = _NEW_MODIFIERS | _OLD_MODIFIERS
"""Elements that change what the rest means, so that an extension in their place must be a modifierExtension."""

KNOWN_MODIFIERS: Final = frozenset(
    f"http://hl7.org/fhir/3.0/StructureDefinition/extension-{name}" for name in _OLD_MODIFIERS
)
"""Those of FHIR 3.0, as they are kept in FHIR 4.0: a client of 3.0 is told by its own element."""
