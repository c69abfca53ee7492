"""What people in Saguaro Bend fall ill with: lasting conditions, passing ones, and what each does to measurements.

SNOMED CT preferred terms and codes, checked 2026-11-22 against cqframework/ecqm-content-r4-2021, the FHIR R4
definitions and Synthea's output. Courses of illness are simplified from common clinical knowledge; they are meant to
look right in a chart, not to teach medicine.
"""

from __future__ import annotations

from typing import NamedTuple

from hilum.demo.codes import Concept, loinc, snomed


class Effect(NamedTuple):
    """How a condition moves one measure away from the healthy value.

    It grows to `untreated` over `lead` days before the diagnosis, then settles towards `treated` with half-way time
    `tau` (days) after treatment begins, and worsens by `drift` a year from then on.
    """

    measure: str
    untreated: float
    treated: float
    lead: int = 400
    tau: int = 40
    drift: float = 0.0


class Plan(NamedTuple):
    """A care plan: its title, what is to be done, and a goal with a measured target (`measure` at most `target`)."""

    title: str
    activities: tuple[Concept, ...]
    goal: str
    measure: str | None = None
    target: int = 0


class Chronic(NamedTuple):
    """A condition that stays. `ages` at diagnosis; `followups` in months after it; `specialist` a Practitioner id."""

    concept: Concept
    ages: tuple[int, int]
    effects: tuple[Effect, ...] = ()
    medicines: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    followups: tuple[int, ...] = ()
    plan: Plan | None = None
    gender: str | None = None
    specialist: str | None = None
    ends_after: int | None = None
    """Days after which it is cured, where it is."""
    added: str | None = None
    """A second medicine that one in three needs from the last follow-up on."""


_DIET_SALT = snomed("386619000", "Low sodium diet")
_EXERCISE = snomed("229065009", "Exercise therapy")

CHRONIC = {
    "hypertension": Chronic(
        snomed("59621000", "Essential hypertension", "High blood pressure"), (38, 75),
        (Effect("systolic", 27, 9), Effect("diastolic", 14, 5)),
        ("lisinopril",), ("metabolic",), (), (1, 4),
        Plan("Blood pressure plan", (_DIET_SALT, _EXERCISE), "Blood pressure below 135/85", "systolic", 135),
        added="amlodipine"),
    "diabetes": Chronic(
        snomed("44054006", "Diabetes mellitus type 2", "Type 2 diabetes"), (40, 68),
        (Effect("hba1c", 3.3, 1.1, 900, 60, 0.08), Effect("triglycerides", 60, 35), Effect("albumin-ratio", 12, 9, 900,
        90, 1.5)),
        ("metformin",), ("hba1c", "metabolic", "urine-albumin"), (), (3, 6, 12),
        Plan("Diabetes self-management plan",
             (snomed("698360004", "Diabetes self management plan"), snomed("160670007", "Diabetic diet"), _EXERCISE),
             "Hemoglobin A1c below 7 %", "hba1c", 7)),
    "kidney": Chronic(
        snomed("433144002", "Chronic kidney disease stage 3"), (50, 82),
        (Effect("creatinine", 0.5, 0.45, 1500, 90, 0.04), Effect("albumin-ratio", 45, 30), Effect("potassium", 0.3,
        0.3)),
        (), ("metabolic", "urine-albumin"), (), (6,)),
    "cholesterol": Chronic(
        snomed("55822004", "Hyperlipidemia", "High cholesterol"), (38, 70),
        (Effect("ldl", 62, 4, 1500, 15), Effect("triglycerides", 55, 20)),
        ("atorvastatin",), ("lipids",), (), (3,)),
    "coronary": Chronic(
        snomed("53741008", "Coronary arteriosclerosis", "Coronary heart disease"), (55, 75),
        (), ("aspirin",), ("lipids",), (), (6,), None, None, "demo-dr-petrov"),
    "atrial-fibrillation": Chronic(
        snomed("49436004", "Atrial fibrillation"), (60, 80),
        (Effect("heart-rate", 26, 6, 60, 10),),
        ("apixaban", "metoprolol"), ("metabolic",), (), (1, 6), None, None, "demo-dr-petrov"),
    "sick-sinus": Chronic(
        snomed("36083008", "Sick sinus syndrome"), (64, 82),
        (Effect("heart-rate", -24, 0, 200, 2),), (), (), (), (1, 12), None, None, "demo-dr-petrov"),
    "asthma": Chronic(
        snomed("195967001", "Asthma"), (18, 45),
        (Effect("fev1-fvc", -14, -5, 200),),
        ("fluticasone", "albuterol"), (), ("fev1-fvc",), (2, 8),
        Plan("Asthma action plan", (snomed("699728000", "Asthma self management"),),
             "No night waking because of asthma"), None, "demo-dr-raman"),
    "childhood-asthma": Chronic(
        snomed("233678006", "Childhood asthma"), (4, 10),
        (), ("fluticasone", "albuterol"), (), (), (2, 8),
        Plan("Asthma action plan", (snomed("699728000", "Asthma self management"),),
             "Takes part in all school sports")),
    "copd": Chronic(
        snomed("13645005", "Chronic obstructive lung disease", "COPD"), (55, 74),
        (Effect("fev1-fvc", -20, -18, 3000, 60, -0.7), Effect("spo2", -4, -3, 1500, 60, -0.15), Effect("breaths", 4,
        3)),
        ("fluticasone-salmeterol", "albuterol"), (), ("fev1-fvc",), (2, 6),
        Plan("COPD plan", (snomed("15081005", "Pulmonary rehabilitation"),
                           snomed("412776001", "Chronic obstructive pulmonary disease clinical management plan")),
             "Walk to the market without stopping for breath"), None, "demo-dr-raman"),
    "knee": Chronic(
        snomed("239873007", "Osteoarthritis of knee"), (50, 76),
        (Effect("pain", 6, 4, 900, 30),), ("naproxen",), (), ("pain",), (3, 12),
        Plan("Knee plan", (snomed("91251008", "Physical therapy procedure"), _EXERCISE),
             "Climb one flight of stairs without a rail"), None, "demo-dr-stone"),
    "depression": Chronic(
        snomed("370143000", "Major depressive disorder", "Depression"), (17, 60),
        (Effect("phq9", 14, 3, 120, 30),), ("sertraline",), (), ("phq9",), (1, 3, 6),
        Plan("Depression plan", (snomed("737434004", "Major depressive disorder clinical management plan"),),
             "PHQ-9 score below 5", "phq9", 4), None, "demo-dr-cho"),
    "thyroid": Chronic(
        snomed("40930008", "Hypothyroidism", "Underactive thyroid"), (25, 65),
        (Effect("tsh", 9, 0.4, 500, 25), Effect("ldl", 15, 2), Effect("heart-rate", -6, 0)),
        ("levothyroxine",), ("thyroid",), (), (2, 8)),
    "anemia": Chronic(
        snomed("87522002", "Iron deficiency anemia"), (16, 48),
        (Effect("hemoglobin", -3.6, -0.3, 300, 30),), ("iron",), ("blood-count",), (), (2,), None, "female", None, 240),
    "osteoporosis": Chronic(
        snomed("64859006", "Osteoporosis"), (62, 82), (), ("alendronate",), (), (), (12,), None, "female"),
    "prostate": Chronic(
        snomed("266569009", "Benign prostatic hyperplasia"), (56, 80), (), ("tamsulosin",), (), (), (3,), None, "male"),
    "reflux": Chronic(
        snomed("235595009", "Gastroesophageal reflux disease", "Acid reflux"), (28, 70), (), ("omeprazole",), (), (),
        (2,)),
    "hay-fever": Chronic(
        snomed("367498001", "Seasonal allergic rhinitis", "Hay fever"), (6, 45), (), ("loratadine",)),
    "alzheimer": Chronic(
        snomed("26929004", "Alzheimer's disease"), (70, 84), (Effect("mmse", -8, -7, 1200, 90, -2.0),),
        ("donepezil",), (), ("mmse",), (3, 9),
        Plan("Memory plan", (snomed("710125008", "Promotion of use of memory skills"),
                             snomed("315043002", "Long term social support")), "Stay at home safely, with family")),
}  # fmt: skip


class Acute(NamedTuple):
    """A condition that passes.

    `days` until it is over; `place`: where people go with it (a kind of visit, see life.py); `fever` in °C above
    normal; `medicine` for adults, `child` for children where it differs; `image`: an X-ray or the like, with its
    finding. `weight`: how common; `once`: at most once in a life.
    """

    concept: Concept
    ages: tuple[int, int]
    days: tuple[int, int]
    place: str
    weight: int
    medicine: str | None = None
    child: str | None = None
    fever: tuple[float, float] | None = None
    spo2: float = 0.0
    pain: tuple[int, int] | None = None
    procedures: tuple[Concept, ...] = ()
    image: tuple[Concept, str] | None = None
    gender: str | None = None
    months: tuple[int, ...] = ()
    since: int = 0
    once: bool = False


_WINTER = (11, 12, 1, 2, 3)
_SPLINT = snomed("274474001", "Bone immobilization")

ACUTE = {
    "cold": Acute(
        snomed("54150009", "Upper respiratory infection", "Common cold"), (1, 100), (5, 12), "problem", 9,
        "acetaminophen", None, (0.3, 1.2), months=_WINTER),
    "sinusitis": Acute(
        snomed("444814009", "Viral sinusitis"), (8, 100), (8, 20), "problem", 8, "acetaminophen", None, (0.2, 1.0)),
    "sore-throat": Acute(
        snomed("195662009", "Acute viral pharyngitis", "Sore throat"), (3, 70), (5, 10), "telehealth", 6,
        "acetaminophen", None, (0.4, 1.4)),
    "strep": Acute(
        snomed("43878008", "Streptococcal sore throat", "Strep throat"), (4, 40), (7, 12), "problem", 4, "amoxicillin",
        "amoxicillin-child", (0.9, 2.2), procedures=(snomed("117015009", "Throat culture"),)),
    "bronchitis": Acute(
        snomed("10509002", "Acute bronchitis"), (12, 100), (10, 21), "problem", 6, "acetaminophen", None, (0.3, 1.3),
        -1.5,
        months=_WINTER),
    "ear": Acute(
        snomed("65363002", "Otitis media", "Middle ear infection"), (1, 11), (7, 14), "problem", 9, "amoxicillin",
        "amoxicillin-child", (0.8, 2.3)),
    "pneumonia": Acute(
        snomed("233604007", "Pneumonia"), (30, 100), (14, 30), "emergency", 2, "azithromycin", None, (1.6, 2.9), -5.0,
        image=(loinc("36643-5", "XR Chest 2 Views", "Chest X-ray, 2 views"),
               "Patchy opacity in the right lower lobe, in keeping with pneumonia. No effusion."), once=True),
    "covid": Acute(
        snomed("840539006", "Disease caused by severe acute respiratory syndrome coronavirus 2", "COVID-19"), (3, 100),
        (7, 21), "telehealth", 5, "acetaminophen", None, (0.6, 2.0), -1.0, since=2020, once=True),
    "ankle": Acute(
        snomed("44465007", "Sprain of ankle", "Sprained ankle"), (8, 65), (14, 42), "problem", 5, "ibuprofen", None,
        pain=(4, 7)),
    "forearm": Acute(
        snomed("65966004", "Fracture of forearm", "Broken forearm"), (5, 80), (40, 70), "emergency", 2, "ibuprofen",
        None, pain=(6, 9), procedures=(_SPLINT,), image=(
            loinc("37926-3", "XR Wrist 3 Views", "X-ray of wrist, 3 views"),
            "Fracture of the distal radius without displacement."),
        once=True),
    "hand": Acute(
        snomed("284549007", "Laceration of hand", "Cut hand"), (10, 75), (10, 21), "emergency", 3, None, None,
        pain=(3, 6), procedures=(snomed("288086009", "Suture open wound"),)),
    "concussion": Acute(
        snomed("62106007", "Concussion with no loss of consciousness", "Concussion"), (7, 60), (14, 40), "emergency", 1,
        "acetaminophen", None, pain=(3, 6), once=True),
    "bladder": Acute(
        snomed("38822007", "Cystitis", "Bladder infection"), (17, 90), (4, 9), "problem", 6, "nitrofurantoin", None,
        (0.1, 0.6), gender="female"),
    "appendicitis": Acute(
        snomed("74400008", "Appendicitis"), (8, 45), (10, 20), "hospital", 1, "ibuprofen", None, (0.8, 1.8), pain=(7,
        9),
        procedures=(snomed("80146002", "Appendectomy"),), once=True),
}  # fmt: skip

PREGNANCY = snomed("72892002", "Normal pregnancy", "Pregnancy")
