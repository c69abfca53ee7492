"""What is measured on people: LOINC code, UCUM unit, reference range, and how it varies.

LOINC long common names, checked 2026-11-22 against cqframework/ecqm-content-r4-2021, the FHIR R4 definitions and
Synthea's output. Reference ranges are those commonly printed for adults.
"""

from __future__ import annotations

from typing import NamedTuple

from hilum.demo.codes import Concept, loinc


class Measure(NamedTuple):
    """One measurable thing.

    `digits`: after the decimal point. `low`, `high`: reference range, None where open. `wobble`: standard deviation
    between two measurements of one person; `spread`: between people.
    """

    code: Concept
    unit: str
    ucum: str
    digits: int
    low: str | None
    high: str | None
    wobble: float
    spread: float


_CODES = {
    "systolic": loinc("8480-6", "Systolic blood pressure"),
    "diastolic": loinc("8462-4", "Diastolic blood pressure"),
    "heart-rate": loinc("8867-4", "Heart rate"),
    "breaths": loinc("9279-1", "Respiratory rate"),
    "temperature": loinc("8310-5", "Body temperature"),
    "spo2": loinc("2708-6", "Oxygen saturation in Arterial blood"),
    "height": loinc("8302-2", "Body height"),
    "weight": loinc("29463-7", "Body weight"),
    "bmi": loinc("39156-5", "Body mass index (BMI) [Ratio]", "Body mass index"),
    "head": loinc("9843-4", "Head Occipital-frontal circumference", "Head circumference"),
    "hba1c": loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "Hemoglobin A1c"),
    "glucose": loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "Glucose"),
    "cholesterol": loinc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "Total cholesterol"),
    "triglycerides": loinc("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "Triglycerides"),
    "hdl": loinc("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "HDL cholesterol"),
    "ldl": loinc("13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation", "LDL cholesterol"),
    "creatinine": loinc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "Creatinine"),
    "egfr": loinc(
        "98979-8",
        "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood "
        "by Creatinine-based formula (CKD-EPI 2021)",
        "Estimated GFR"),
    "potassium": loinc("2823-3", "Potassium [Moles/volume] in Serum or Plasma", "Potassium"),
    "hemoglobin": loinc("718-7", "Hemoglobin [Mass/volume] in Blood", "Hemoglobin"),
    "leukocytes": loinc("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "White blood cells"),
    "platelets": loinc("777-3", "Platelets [#/volume] in Blood by Automated count", "Platelets"),
    "tsh": loinc("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "TSH"),
    "albumin-ratio": loinc("9318-7", "Albumin/Creatinine [Mass Ratio] in Urine", "Urine albumin/creatinine ratio"),
    "fev1-fvc": loinc("19926-5", "FEV1/FVC"),
    "phq9": loinc("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]", "PHQ-9 score"),
    "pain": loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported", "Pain (0 to 10)"),
    "mmse": loinc("72106-8", "Total score [MMSE]", "Mini-Mental State score"),
}  # fmt: skip

_ROWS: tuple[tuple[str, str, str, int, str | None, str | None, float, float], ...] = (
    # key, unit, UCUM, digits, low, high, wobble, spread
    ("systolic",      "mmHg",            "mm[Hg]",           0, None,   None,   4, 6),
    ("diastolic",     "mmHg",            "mm[Hg]",           0, None,   None,   3, 4),
    ("heart-rate",    "beats/minute",    "/min",             0, None,   None,   4, 5),
    ("breaths",       "breaths/minute",  "/min",             0, None,   None,   1, 1),
    ("temperature",   "°C",              "Cel",              1, None,   None,   0.15, 0.1),
    ("spo2",          "%",               "%",                0, None,   None,   0.5, 0.4),
    ("height",        "cm",              "cm",               1, None,   None,   0.1, 0),
    ("weight",        "kg",              "kg",               1, None,   None,   0, 0),
    ("bmi",           "kg/m2",           "kg/m2",            1, None,   None,   0, 0),
    ("head",          "cm",              "cm",               1, None,   None,   0.2, 0),
    ("hba1c",         "%",               "%",                1, "4.0",  "5.6",  0.1, 0.15),
    ("glucose",       "mg/dL",           "mg/dL",            0, "70",   "99",   4, 0),
    ("cholesterol",   "mg/dL",           "mg/dL",            0, None,   "199",  0, 0),
    ("triglycerides", "mg/dL",           "mg/dL",            0, None,   "149",  9, 12),
    ("hdl",           "mg/dL",           "mg/dL",            0, "40",   None,   2, 5),
    ("ldl",           "mg/dL",           "mg/dL",            0, None,   "129",  5, 10),
    ("creatinine",    "mg/dL",           "mg/dL",            2, "0.50", "1.30", 0.04, 0.05),
    ("egfr",          "mL/min/1.73 m2",  "mL/min/{1.73_m2}", 0, "60",   None,   0, 0),
    ("potassium",     "mmol/L",          "mmol/L",           1, "3.5",  "5.1",  0.15, 0.15),
    ("hemoglobin",    "g/dL",            "g/dL",             1, "12.0", "17.0", 0.25, 0.4),
    ("leukocytes",    "10*3/uL",         "10*3/uL",          1, "4.0",  "11.0", 0.5, 0.8),
    ("platelets",     "10*3/uL",         "10*3/uL",          0, "150",  "400",  12, 25),
    ("tsh",           "mU/L",            "m[IU]/L",          2, "0.40", "4.50", 0.2, 0.3),
    ("albumin-ratio", "mg/g",            "mg/g",             0, None,   "29",   2, 2),
    ("fev1-fvc",      "%",               "%",                0, "70",   None,   1, 1.5),
    ("phq9",          "{score}",         "{score}",          0, None,   None,   1, 1),
    ("pain",          "{score}",         "{score}",          0, None,   None,   0.5, 0.3),
    ("mmse",          "{score}",         "{score}",          0, None,   None,   0.6, 0),
)  # fmt: skip
MEASURES = {row[0]: Measure(_CODES[row[0]], *row[1:]) for row in _ROWS}

BLOOD_PRESSURE = loinc("85354-9", "Blood pressure panel with all children optional", "Blood pressure")
HOME_GLUCOSE = loinc(
    "41653-7", "Glucose [Mass/volume] in Capillary blood by Glucometer", "Blood glucose, measured at home"
)


class Panel(NamedTuple):
    """Laboratory tests that are ordered and reported together."""

    code: Concept
    measures: tuple[str, ...]


PANELS = {
    "hba1c": Panel(loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "Hemoglobin A1c"), ("hba1c",)),
    "metabolic": Panel(
        loinc("24321-2", "Basic metabolic 2000 panel - Serum or Plasma", "Basic metabolic panel"),
        ("glucose", "creatinine", "egfr", "potassium")),
    "lipids": Panel(
        loinc("24331-1", "Lipid 1996 panel - Serum or Plasma", "Lipid panel"),
        ("cholesterol", "triglycerides", "hdl", "ldl")),
    "blood-count": Panel(
        loinc("58410-2", "CBC panel - Blood by Automated count", "Complete blood count"),
        ("hemoglobin", "leukocytes", "platelets")),
    "thyroid": Panel(loinc("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "TSH"), ("tsh",)),
    "urine-albumin": Panel(loinc("9318-7", "Albumin/Creatinine [Mass Ratio] in Urine", "Urine albumin"),
        ("albumin-ratio",)),
}  # fmt: skip
