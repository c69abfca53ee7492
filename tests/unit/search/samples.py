"""Resources that have what no sample of others has: every kind of row that R4's parameters can give."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

MRN: Final = {
    "coding": [{"system": "http://v2", "code": "MR"}, {"code": "X"}, {"system": "http://v2"}],
    "text": "Record No.",
}
CODE: Final = {"coding": [{"system": "http://loinc.org", "code": "8480-6", "display": "Systolic"}, {"code": "local"}],
               "text": "Blood pressure"}  # fmt: skip
MG: Final = {"value": Decimal("5.40"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}

USE: Final = [
    {"code": {"system": "http://use", "code": "age", "display": "Age"}, "valueQuantity": MG},
    {"code": {"code": "range"}, "valueRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "a"}}},
    {"code": {"code": "focus"}, "valueCodeableConcept": CODE},
]

SAMPLES: Final[list[dict[str, Any]]] = [
    {
        "resourceType": "Observation",
        "meta": {"profile": ["http://p|1.0", "http://q"], "source": "urn:x", "tag": [{"code": "t", "display": "Tag"}]},
        "identifier": [{"system": "http://mrn", "value": "1", "type": MRN}],
        "code": CODE,
        "category": [{"coding": [{"code": "laboratory", "display": "Laboratory"}], "text": "Lab"}],
        "subject": {"reference": "Patient/p", "identifier": {"system": "http://mrn", "value": "1"}},
        "focus": [{"reference": "Group/g"}, {"identifier": {"value": "f"}}],
        "performer": [{"type": "Practitioner", "identifier": {"value": "d"}}],
        "valueQuantity": {**MG, "comparator": "<="},
        "component": [
            {"code": CODE, "valueQuantity": MG},
            {"code": {"coding": [{"code": "c"}], "text": "C"}, "valueCodeableConcept": CODE},
            {"code": {"coding": [{"code": "w"}]}, "dataAbsentReason": CODE,
             "valueSampledData": {"origin": {"value": 2048, "unit": "mV"}, "period": 10, "factor": Decimal("1.5"),
                                  "lowerLimit": -3300, "dimensions": 1, "data": "-1 L 7 E 3.5"}},
        ],
    },
    {"resourceType": "Observation", "code": CODE, "valueCodeableConcept": CODE, "dataAbsentReason": CODE,
     "method": CODE, "subject": {"reference": "Device/v", "identifier": {"value": "v"}},
     "basedOn": [{"reference": "CarePlan/c"}],
     "encounter": {"reference": "Encounter/e"}, "device": {"reference": "Device/v"}, "status": "final",
     "hasMember": [{"reference": "Observation/m"}], "derivedFrom": [{"reference": "http://a.org/Observation/x"}],
     "specimen": {"reference": "Specimen/s"}, "partOf": [{"reference": "Procedure/p"}], "effectiveDateTime": "2020-01"},
    {"resourceType": "Observation", "code": CODE, "valueString": "Some Text", "subject": {"identifier": {"value": "u"}},
     "effectivePeriod": {"start": "2020-01-01"}},
    {"resourceType": "Observation", "code": CODE, "valueDateTime": "2021-05-06T07:08:09Z", "effectiveInstant":
     "2020-01-01T00:00:00Z", "subject": {"type": "Group", "identifier": {"value": "g"}}},
    {"resourceType": "Observation", "code": CODE, "valuePeriod": {"start": "2021", "end": "2022-02"},
     "subject": {"reference": "http://a.org/fhir/Patient/1"}},
    {"resourceType": "Observation",
     "valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1, "data": "E"}},
    {"resourceType": "Patient", "name": [{"family": "Knight-O'Brien", "given": ["Ann", "Zoë"], "text": "Dr. A Knight"}],
     "identifier": [{"value": "1", "type": MRN}], "generalPractitioner": [{"identifier": {"value": "gp"}}]},
    {"resourceType": "Organization", "name": "Phoenix Clinic", "alias": ["X 12"]},
    {"resourceType": "Location", "position": {"longitude": Decimal("-83.69"), "latitude": Decimal("42.25")}},
    {"resourceType": "Bundle", "type": "document", "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}]},
    {"resourceType": "Bundle", "type": "message",
     "entry": [{"resource": {"resourceType": "MessageHeader", "id": "m"}}]},
    {"resourceType": "DocumentReference", "relatesTo": [
        {"code": "replaces", "target": {"reference": "DocumentReference/1"}},
        {"code": "appends", "target": {"reference": "http://a.org/DocumentReference/2"}}]},
    {"resourceType": "Group", "characteristic": [{"code": CODE, "valueCodeableConcept": CODE, "exclude": False},
                                                 {"code": CODE, "valueBoolean": True, "exclude": True}]},
    {"resourceType": "MolecularSequence", "coordinateSystem": 0,
     "referenceSeq": {"chromosome": CODE, "referenceSeqId": CODE, "windowStart": 10, "windowEnd": 20},
     "variant": [{"start": 1, "end": 5}, {"start": 7}]},
    {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": Decimal("0.10")},
                                                      {"probabilityRange": {"low": {"value": 1}}}]},
    {"resourceType": "ChargeItem", "factorOverride": Decimal("0.8"), "priceOverride": {"value": 40, "currency": "EUR"},
     "quantity": {"value": 3}},
    {"resourceType": "Invoice", "totalGross": {"value": Decimal("48.00")}, "totalNet": {"currency": "USD"}},
    {"resourceType": "Encounter", "length": {"value": 2, "unit": "h", "comparator": ">"}},
    {"resourceType": "Condition", "onsetAge": {"value": 52, "code": "a"}, "abatementRange": {"high": {"value": 9}}},
    {"resourceType": "Questionnaire", "url": "http://q/1|2", "useContext": USE},
    {"resourceType": "ValueSet", "url": "http://v/1", "useContext": USE},
    {"resourceType": "QuestionnaireResponse", "questionnaire": "http://q/1|2"},
    {"resourceType": "Encounter", "participant": [{"individual": {"reference": "Practitioner/1"}},
                                                  {"individual": {"reference": "RelatedPerson/1"}},
                                                  {"individual": {"identifier": {"value": "z"}}}]},
]  # fmt: skip
