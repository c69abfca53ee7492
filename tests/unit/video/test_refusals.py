"""Data that is missing, stale or in conflict stops a script, with a code, a reason and the element."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.video.records import ME, Bodies, Change, dosage, dose, refusal, repeat, script

from hilum.fhir import json
from hilum.video.refusals import REFUSALS

AFTER, MEDICINES, PROCEDURE = "after-visit", "medications", "procedure"


def put(name: str, /, **elements: Any) -> Change:
    def change(record: Bodies) -> None:
        record[name].update(elements)
        for key in [key for key, value in elements.items() if value is None]:
            del record[name][key]

    return change


def add(**body: Any) -> Change:
    return lambda record: record.update(added={"id": "x", "subject": {"reference": "Patient/p1"}, **body})


def again(**changed: Any) -> Change:
    """A second request like the first."""
    return lambda record: record.update(second={**record["medicine"], "id": "m2", **changed})


def named(*names: dict[str, Any]) -> Change:
    return put("patient", name=list(names))


ALLERGY = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p1"}}
MODIFIER = [{"url": "http://ehr.example/not", "valueBoolean": True}]
METFORMIN = {"resourceType": "Medication", "id": "x", "status": "active", "code": {"text": "Metformin 500 mg"}}


def contained(ingredient: dict[str, Any], name: str = "Lisinopril 10 mg tablet", display: str = "") -> Change:
    """The medicine as a contained Medication with this in it."""
    drug = {"resourceType": "Medication", "id": "d", "code": {"text": name}, "ingredient": [ingredient]}
    return put(
        "medicine",
        medicationCodeableConcept=None,
        contained=[drug],
        medicationReference={"reference": "#d", **({"display": display} if display else {})},
    )


def elsewhere(reference: str) -> Change:
    """The medicine by a reference, beside a Medication of ours."""
    change = put("medicine", medicationCodeableConcept=None, medicationReference={"reference": reference})
    return lambda record: (change(record), record.update(drug=METFORMIN))


def words(text: str, amount: Any = 1, unit: str = "tablet", **elements: Any) -> Change:
    """A dosage's words beside its elements: once a day, where nothing else is said."""
    repeat = elements.pop("repeat", {"frequency": 1, "period": 1, "periodUnit": "d"})
    return dosage(
        text=text,
        doseAndRate=[{"doseQuantity": {"value": amount, "unit": unit}}],
        timing={"repeat": repeat},
        **elements,
    )


def lasting(days: int, authored: str) -> Change:
    bounds = {"boundsDuration": {"value": days, "unit": "days", "code": "d"}}
    course = repeat(frequency=2, period=1, periodUnit="d", **bounds)
    return lambda record: (course(record), record["medicine"].update(authoredOn=authored))


WEEKLY = {"frequency": 1, "period": 1, "periodUnit": "wk"}
COUPLE = [{"doseQuantity": {"value": n, "unit": "tablet"}} for n in (1, 2)]

CASES: list[tuple[str, str, Change]] = [
    ("patient-missing", AFTER, lambda record: record.pop("patient")),
    ("patient-missing", AFTER, lambda record: record.update(two={**record["patient"], "id": "p2"})),
    ("patient-other", AFTER, put("visit", subject={"reference": "Patient/p2"})),
    (
        "patient-other",
        AFTER,
        put(
            "appointment", participant=[{"actor": {"reference": "http://ehr.example/Patient/p2"}, "status": "accepted"}]
        ),
    ),
    ("patient-deceased", AFTER, put("patient", deceasedBoolean=True)),
    ("patient-deceased", AFTER, put("patient", deceasedDateTime="2026-11-22")),
    ("status-unknown", AFTER, put("patient", active=False)),
    ("name-missing", AFTER, put("patient", name=None)),
    ("name-missing", AFTER, named({"text": "Amy Quimby"})),
    ("name-missing", AFTER, named({"use": "nickname", "given": ["Mimi"]})),
    ("name-missing", AFTER, named({"use": "usual", "given": ["Amy"], "period": {"end": "2020-01-01"}})),
    ("characters", AFTER, named({"use": "usual", "given": ["Amy\u202e"]})),
    ("visit-missing", AFTER, lambda record: record.pop("visit")),
    ("visit-missing", AFTER, put("visit", status="planned")),
    ("visit-missing", AFTER, put("visit", status="entered-in-error")),
    ("status-unknown", AFTER, lambda r: r.update(v2={**r["visit"], "id": "v2", "status": "unknown"})),
    ("dates-conflict", AFTER, put("visit", period={"start": "2026-11-20", "end": "2026-11-10"})),
    ("dates-conflict", AFTER, put("visit", period={"start": "2026-12-20"})),
    ("date-vague", AFTER, put("visit", period={"start": "2026-11"})),
    ("date-vague", AFTER, put("visit", period={"start": "2026-02-30"})),
    ("stale", AFTER, put("visit", period={"start": "2026-08-01"})),
    ("reason-missing", AFTER, put("visit", type=None, reasonCode=None)),
    ("reference-broken", AFTER, put("visit", reasonCode=None, reasonReference=[{"reference": "Condition/c9"}])),
    (
        "entered-in-error",
        AFTER,
        lambda r: (
            put("visit", reasonCode=None, reasonReference=[{"reference": "Condition/x"}])(r),
            add(
                resourceType="Condition",
                code={"text": "Flu"},
                verificationStatus={"coding": [{"code": "entered-in-error"}]},
            )(r),
        ),
    ),
    ("contact-missing", AFTER, put("place", telecom=[{"system": "phone", "value": "1", "use": "old"}])),
    ("dates-conflict", AFTER, put("appointment", start="2026-11-22T09:00:00-07:00", end=None)),
    ("status-unknown", AFTER, put("appointment", status="entered")),
    ("procedure-missing", PROCEDURE, lambda r: (r.pop("order"), r.pop("appointment"))),
    ("procedure-missing", PROCEDURE, put("order", status="revoked")),
    (
        "procedure-missing",
        PROCEDURE,
        lambda r: (r.pop("appointment"), put("order", occurrenceDateTime="2026-11-01")(r)),
    ),
    ("stale", PROCEDURE, put("order", authoredOn="2025-10-01")),
    ("dates-conflict", PROCEDURE, put("order", occurrenceDateTime="2026-12-05")),
    ("status-unknown", PROCEDURE, put("order", status="unknown")),
    ("do-not-perform", PROCEDURE, put("order", doNotPerform=True)),
    ("side-conflict", PROCEDURE, put("order", bodySite=[{"text": "Right knee"}])),
    ("side-conflict", PROCEDURE, put("order", bodySite=[{"coding": [{"code": "24028007"}], "text": "Knee"}])),
    ("side-conflict", PROCEDURE, put("order", patientInstruction="Wash your right knee.")),
    ("side-conflict", PROCEDURE, put("order", patientInstruction="No se lave la rodilla derecha.")),
    ("side-missing", MEDICINES, dosage(site={"coding": [{"code": "7771000"}], "text": "Eye"})),
    ("side-conflict", PROCEDURE, put("appointment", description="Cirugía de la rodilla derecha")),
    ("side-conflict", PROCEDURE, put("order", bodySite=[{"text": "Both knees"}])),
    (
        "side-missing",
        PROCEDURE,
        lambda r: (put("order", code={"text": "Surgery"}, bodySite=[{"text": "Knee"}])(r), r.pop("appointment")),
    ),
    (
        "side-missing",
        PROCEDURE,
        lambda r: (
            put("order", code={"text": "Surgery"}, bodySite=[{"coding": [{"code": "7771000"}], "text": "Knee"}])(r),
            r.pop("appointment"),
        ),
    ),
    ("too-long", PROCEDURE, put("order", patientInstruction="Rest. " * 300)),
    (
        "grade",
        PROCEDURE,
        put("order", patientInstruction="Anticoagulant administration necessitates discontinuation " * 6),
    ),
    ("medicine-missing", MEDICINES, lambda record: record.pop("medicine")),
    ("medicine-missing", MEDICINES, put("medicine", status="stopped")),
    ("medicine-missing", MEDICINES, put("medicine", intent="proposal")),
    (
        "medicine-missing",
        MEDICINES,
        put("medicine", medicationCodeableConcept=None, medicationReference={"reference": "Medication/9"}),
    ),
    (
        "medicine-conflict",
        MEDICINES,
        put(
            "medicine",
            medicationCodeableConcept={"coding": [{"display": "lisinopril 20 MG"}], "text": "Lisinopril 10 mg"},
        ),
    ),
    (
        "medicine-conflict",
        MEDICINES,
        put(
            "medicine",
            medicationCodeableConcept={"coding": [{"display": "metformin 10 MG"}], "text": "Lisinopril 10 mg"},
        ),
    ),
    ("missing", MEDICINES, dosage(asNeededCodeableConcept={"coding": [{"code": "pain"}]})),
    ("status-unknown", MEDICINES, put("medicine", status="unknown")),
    ("status-unknown", MEDICINES, put("medicine", status=None)),
    ("do-not-perform", MEDICINES, put("medicine", doNotPerform=True)),
    ("stale", MEDICINES, put("medicine", authoredOn="2025-01-01")),
    ("dates-conflict", MEDICINES, put("medicine", authoredOn="2027-01-01")),
    ("medicine-twice", MEDICINES, again()),
    ("medicine-twice", MEDICINES, again(medicationCodeableConcept={"text": "LISINOPRIL 10 MG TABLET"})),
    ("medicine-twice", MEDICINES, again(medicationCodeableConcept={"text": "Lisinopril 20 mg tablet"})),
    ("medicine-twice", MEDICINES, again(medicationCodeableConcept={"text": "lisinoprilo 10 mg tableta"})),
    ("medicine-twice", MEDICINES, again(medicationCodeableConcept={"text": "Zestril 10 mg"})),
    (
        "medicine-twice",
        MEDICINES,
        again(medicationCodeableConcept={"coding": [{"display": "lisinopril 10 MG [X]"}], "text": "Xamol"}),
    ),
    (
        "allergy",
        MEDICINES,
        lambda r: (
            put("medicine", medicationCodeableConcept={"text": "Amoxicillin 250 mg capsule"})(r),
            add(**ALLERGY, code={"text": "Penicilinas"})(r),
        ),
    ),
    (
        "medicine-twice",
        AFTER,
        again(
            encounter=None,
            medicationCodeableConcept={
                "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "314076"}],
                "text": "Prinivil",
            },
        ),
    ),
    ("allergy", MEDICINES, add(**ALLERGY, code={"text": "Lisinopril"})),
    ("dose-missing", MEDICINES, put("medicine", dosageInstruction=None)),
    ("dose-missing", MEDICINES, dosage(doseAndRate=None)),
    ("dose-without-unit", MEDICINES, dose(value=2)),
    ("dose-without-unit", MEDICINES, dose(value=2, unit="1", system="http://unitsofmeasure.org", code="1")),
    ("dose-unit-unknown", MEDICINES, dose(value=2, code="[foz_us]")),
    ("dose-conflict", MEDICINES, dose(value=2, unit="mL", code="mg")),
    ("dose-ambiguous", MEDICINES, dosage(doseAndRate=[{"doseRange": {"low": {"value": 1, "unit": "tablet"}}}])),
    ("dose-ambiguous", MEDICINES, dosage(doseAndRate=COUPLE)),
    ("dose-ambiguous", MEDICINES, dosage(doseAndRate=[{"rateQuantity": {"value": 1, "unit": "mL/h"}}])),
    ("dose-ambiguous", MEDICINES, dose(value=2, unit="tablet", comparator="<")),
    ("dose-unclear", MEDICINES, dose(value=0, unit="tablet")),
    ("dose-unclear", MEDICINES, dose(value=-1, unit="tablet")),
    ("dose-conflict", MEDICINES, lambda r: r["medicine"]["dosageInstruction"].append({"text": "2 tablets at night"})),
    ("timing-ambiguous", MEDICINES, dosage(timing=None)),
    ("timing-ambiguous", MEDICINES, repeat(frequency=2, frequencyMax=4, period=1, periodUnit="d")),
    ("timing-ambiguous", MEDICINES, repeat(frequency=1, period=4, periodMax=6, periodUnit="h")),
    ("timing-ambiguous", MEDICINES, repeat(frequency=2)),
    ("timing-ambiguous", MEDICINES, repeat()),
    ("timing-unknown", MEDICINES, repeat(frequency=1, period=1, periodUnit="fortnight")),
    ("timing-unknown", MEDICINES, repeat(when=["TEATIME"])),
    ("timing-unknown", MEDICINES, dosage(timing={"event": ["2026-12-01"]})),
    ("timing-unknown", MEDICINES, dosage(timing={"code": {"text": "as directed"}})),
    (
        "timing-conflict",
        MEDICINES,
        dosage(timing={"code": {"text": "TID"}, "repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}),
    ),
    (
        "timing-conflict",
        MEDICINES,
        dosage(timing={"code": {"text": "QHS"}, "repeat": {"period": 1, "periodUnit": "d", "when": ["MORN"]}}),
    ),
    (
        "timing-conflict",
        MEDICINES,
        dosage(
            timing={
                "code": {"text": "QHS"},
                "repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]},
            }
        ),
    ),
    ("timing-conflict", MEDICINES, repeat(frequency=3, period=1, periodUnit="d", timeOfDay=["08:00:00", "20:00:00"])),
    ("dosage-conflict", MEDICINES, dosage(text="Take 2 tablets twice a day.")),
    ("dosage-conflict", MEDICINES, dosage(text="Take 1-2 tablets twice a day.")),
    ("dosage-conflict", MEDICINES, dosage(text="Take one tablet three times a day.")),
    ("dosage-conflict", MEDICINES, dosage(patientInstruction="Tome 1 tableta cada 6 horas.")),
    ("dates-conflict", MEDICINES, repeat(frequency=1, period=1, periodUnit="d", boundsPeriod={"end": "2026-10-01"})),
    ("dates-conflict", MEDICINES, lasting(10, "2026-11-01")),
    ("not-understood", MEDICINES, put("medicine", modifierExtension=MODIFIER)),
    ("not-understood", MEDICINES, dosage(modifierExtension=MODIFIER)),
    ("not-understood", MEDICINES, put("medicine", implicitRules="http://ehr.example/rules")),
    ("not-understood", PROCEDURE, put("order", modifierExtension=MODIFIER)),
    ("not-understood", AFTER, put("place", modifierExtension=MODIFIER)),
    ("status-unknown", AFTER, put("patient", link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}])),
    ("status-unknown", MEDICINES, put("medicine", category=[{"coding": [{"code": "inpatient"}]}])),
    ("stale", MEDICINES, put("medicine", authoredOn=None)),
    ("medicine-missing", MEDICINES, elsewhere("https://ehr.example/fhir/Medication/x")),
    ("medicine-missing", MEDICINES, elsewhere("Medication/x/_history/1")),
    (
        "medicine-conflict",
        MEDICINES,
        contained({"itemCodeableConcept": {"text": "Lisinopril"}}, display="Lisinopril 20 mg tablet"),
    ),
    (
        "medicine-conflict",
        MEDICINES,
        contained(
            {
                "itemCodeableConcept": {"text": "Lisinopril"},
                "strength": {"numerator": {"value": 20, "code": "mg"}, "denominator": {"value": 1, "code": "{tbl}"}},
            }
        ),
    ),
    (
        "allergy",
        MEDICINES,
        lambda r: (
            contained({"itemCodeableConcept": {"text": "Amoxicillin"}}, name="Augmentin")(r),
            add(**ALLERGY, code={"text": "Penicillins"})(r),
        ),
    ),
    ("side-conflict", PROCEDURE, put("order", reasonCode=[{"text": "Arthritis of the right knee"}])),
    ("status-unknown", AFTER, put("appointment", participant=[{"actor": ME, "status": "declined"}])),
    ("status-unknown", AFTER, put("appointment", cancelationReason={"text": "Patient"})),
    (
        "dates-conflict",
        MEDICINES,
        lambda r: (
            repeat(frequency=2, period=1, periodUnit="d", count=10)(r),
            r["medicine"].update(authoredOn="2026-11-01"),
        ),
    ),
    ("dosage-conflict", MEDICINES, words("Take 2 (two) tablets daily.")),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet 2 (two) times daily.")),
    ("dosage-conflict", MEDICINES, words("Take 1 (two) tablet daily.")),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet every night.", repeat=WEEKLY)),
    ("contact-missing", AFTER, put("place", status="suspended")),
    ("timing-conflict", MEDICINES, repeat(**WEEKLY, dayOfWeek=["mon", "wed", "fri"])),
    ("timing-conflict", MEDICINES, repeat(frequency=1, period=2, periodUnit="d", dayOfWeek=["mon"])),
    ("timing-ambiguous", MEDICINES, repeat(period=1, periodUnit="d", _frequency={"extension": []})),
    ("dose-conflict", MEDICINES, dose(value=10, unit="mg", system="http://unitsofmeasure.org", code="mg/kg")),
    ("dose-unit-unknown", MEDICINES, dose(value=2, unit="10 mg tablet")),
    ("dose-unit-unknown", MEDICINES, dose(value=10, unit="mg/kg")),
    ("dosage-conflict", MEDICINES, words("Take half a tablet daily.")),
    ("dosage-conflict", MEDICINES, words("Take ½ tablet daily.")),
    ("dosage-conflict", MEDICINES, words("Tome una tableta y media al día.")),
    ("dosage-conflict", MEDICINES, words("Take .5 mg daily.", 5, "mg")),
    ("dosage-conflict", MEDICINES, words("Tome 1,5 mg al día.", 5, "mg")),
    ("dosage-conflict", MEDICINES, words("Take 50 mg daily.", 50, "mcg")),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet once weekly.")),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet every week.")),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet daily.", repeat=WEEKLY)),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet every other day.")),
    ("dosage-conflict", MEDICINES, words("1 tab q8h")),
    ("dosage-conflict", MEDICINES, words("1 tab b.i.d.")),
    ("dosage-conflict", MEDICINES, words("Take 3 times a day.", repeat={"timeOfDay": ["08:00:00", "20:00:00"]})),
    ("dosage-conflict", MEDICINES, words("Take at bedtime.", repeat={"when": ["MORN"]})),
    ("dosage-conflict", MEDICINES, words("Take at 8 pm.", repeat={"timeOfDay": ["08:00:00"]})),
    ("dosage-conflict", MEDICINES, words("Take 1 tablet daily as needed.")),
    ("dosage-conflict", MEDICINES, words("Inject under the skin daily.")),
    ("dosage-conflict", MEDICINES, words("1 tableta en cada ojo.")),
    ("dosage-conflict", MEDICINES, words("STOP taking this medicine.")),
    (
        "dosage-conflict",
        MEDICINES,
        dosage(
            text="Take 10 mg.",
            doseAndRate=[
                {"type": {"coding": [{"code": kind}]}, "doseQuantity": {"value": value, "unit": "mg"}}
                for kind, value in (("calculated", 10), ("ordered", 20))
            ],
        ),
    ),
    (
        "side-conflict",
        MEDICINES,
        dosage(text="1 drop in the LEFT eye", site={"text": "Right eye"}, route={"text": "Ophthalmic"}),
    ),
]


@pytest.mark.parametrize(
    "change",
    [
        words("Take 1,000 mg (1 g) once daily.", 1000, "mg"),
        words("Take 1½ tablets, once a day.", json.number("1.5")),
        words("Take 1 1/2 tablets daily. Check your blood sugar.", json.number("1.5")),
        words("Take 1 tablet weekly.", repeat=WEEKLY),
        words("1 tab q8h", repeat={"frequency": 1, "period": 8, "periodUnit": "h"}),
        words("1 tablet daily as needed", asNeededBoolean=True),
        words("Take 1 tablet once a week, on Monday.", repeat={"dayOfWeek": ["mon"], "period": 1, "periodUnit": "d"}),
        words("Take 1 tablet at 8 p.m. Stop taking it if you get a rash.", repeat={"timeOfDay": ["20:00:00"]}),
        words("Take 1 (one) tablet (10 mg total) by mouth 1 (one) time each day."),
        words("Take 1 tablet (10 mg total) by mouth nightly."),
        repeat(frequency=2, period=1, periodUnit="d", count=10),
        words("Inhale 2 puffs by mouth.", 2, "puff", route={"text": "Inhalation"}),
        words("Place 1 tablet under your tongue.", route={"text": "Sublingual"}),
        words("Do not take with alcohol. Do not take more than 1 tablet."),
        contained({"itemCodeableConcept": {"text": "Lisinopril"}}, display="Lisinopril 10 mg"),
        elsewhere("Medication/x"),
        lasting(30, "2026-11-01"),
        repeat(frequency=1, period=1, periodUnit="d", boundsPeriod={"end": "9999-12-31"}),
    ],
)
def test_what_agrees_is_told(change: Change) -> None:
    assert script(change, MEDICINES).scenes


@pytest.mark.parametrize(("code", "template", "change"), CASES, ids=[f"{n}-{one[0]}" for n, one in enumerate(CASES)])
def test_it_is_refused(code: str, template: str, change: Change) -> None:
    found = refusal(change, template)
    assert found.code == code
    assert found.text.endswith(".")
    assert found.element


def test_a_language_that_is_not_there_is_refused() -> None:
    assert refusal(lambda record: None, language="xx").code == "language-unknown"


def test_a_refusal_tells_no_data_of_the_patient() -> None:
    for _, template, change in CASES:
        found = refusal(change, template)
        for hidden in ("Amy", "Quimby", "4711", "1980"):
            assert hidden not in found.text + found.element


def test_each_reason_of_the_table_is_seen_to_refuse() -> None:
    seen = {code for code, _, _ in CASES} | {"language-unknown"}
    elsewhere = {"template-unknown", "edit-sentence", "edit-length", "edit-characters", "edit-fact"}
    assert set(REFUSALS) - seen - elsewhere == set()
