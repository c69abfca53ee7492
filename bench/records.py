"""The benchmark's people: Patients, Encounters and Observations, each a pure function of its number.

Forty resources belong together: one Patient, three Encounters, thirty-six Observations. Twenty-four of those are
body weights, so that `Observation?patient=..&code=..` fills a page of twenty; the others vary. All of it is made up.
https://hl7.org/fhir/R4/patient.html, https://hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Body = dict[str, Any]

ENCOUNTERS: Final = 3
OBSERVATIONS: Final = 36
WEIGHTS: Final = 24
GROUP: Final = 1 + ENCOUNTERS + OBSERVATIONS
"""Resources per patient."""

LOINC: Final = "http://loinc.org"
MRN: Final = "http://hospital.example.org/mrn"
WEIGHT: Final = "29463-7"


class Measure(NamedTuple):
    """A kind of Observation: LOINC code and name, unit (UCUM), an ordinary value and its spread in tenths."""

    code: str
    name: str
    unit: str
    low: int
    spread: int
    category: str = "vital-signs"


MEASURES: Final = (
    Measure(WEIGHT, "Body Weight", "kg", 480, 600),
    Measure("8302-2", "Body Height", "cm", 1450, 500),
    Measure("39156-5", "Body Mass Index", "kg/m2", 180, 200),
    Measure("8867-4", "Heart rate", "/min", 550, 500),
    Measure("8310-5", "Body temperature", "Cel", 360, 25),
    Measure("9279-1", "Respiratory rate", "/min", 110, 90),
    Measure("2708-6", "Oxygen saturation in Arterial blood", "%", 920, 80),
    Measure("2093-3", "Total Cholesterol", "mg/dL", 1500, 1000, "laboratory"),
    Measure("2339-0", "Glucose", "mg/dL", 650, 900, "laboratory"),
    Measure("38483-4", "Creatinine", "mg/dL", 6, 20, "laboratory"),
    Measure("6299-2", "Urea Nitrogen", "mg/dL", 70, 130, "laboratory"),
    Measure("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 45, 50, "laboratory"),
    Measure("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 110, 70, "laboratory"),
)

_FAMILIES = (
    "Alder",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Ginkgo",
    "Hazel",
    "Ivy",
    "Juniper",
    "Katsura",
    "Larch",
    "Maple",
    "Nutmeg",
    "Oak",
    "Poplar",
    "Quince",
)
_GIVEN = (
    "Ada",
    "Bela",
    "Cleo",
    "Dara",
    "Enid",
    "Finn",
    "Gale",
    "Hugo",
    "Ines",
    "Jude",
    "Kira",
    "Lars",
    "Mina",
    "Noor",
    "Otis",
    "Pia",
    "Remy",
    "Sven",
    "Tess",
    "Uma",
    "Vera",
)
_STREETS = (
    "Amber",
    "Basalt",
    "Coral",
    "Dolomite",
    "Emerald",
    "Flint",
    "Garnet",
    "Halite",
    "Ivory",
    "Jade",
    "Kyanite",
    "Lapis",
    "Marble",
    "Onyx",
)
_CITIES = (
    "Northbridge",
    "Eastham",
    "Southfield",
    "Westbrook",
    "Midvale",
    "Lakeside",
    "Hillcrest",
    "Riverton",
    "Oakdale",
    "Fairview",
)


def mixed(n: int) -> int:
    """64 bits that look random and depend on `n` alone (splitmix64, https://prng.di.unimi.it/splitmix64.c)."""
    n = (n + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    n = (n ^ n >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    n = (n ^ n >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return n ^ n >> 31


_SALT = {"Patient": 1, "Encounter": 2, "Observation": 3}


def id_of(type: str, n: int) -> str:
    """The logical id of the n-th resource of a type: a UUIDv7 of early 2024, later for higher numbers."""
    noise = mixed(n << 2 | _SALT[type])
    value = (0x18CC251F400 + n) << 80 | 7 << 76 | (noise >> 52) << 64 | 2 << 62 | noise & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def mrn(n: int) -> str:
    """The medical record number of the n-th Patient: a search for it finds one."""
    return f"M{n:08d}"


def _day(n: int) -> str:
    return f"{2010 + n % 14}-{1 + n // 14 % 12:02d}-{1 + n // 168 % 28:02d}"


def patient(n: int, id: str | None = None, phone: int | None = None) -> Body:
    """A Patient of about 2.6 kB. `phone`: seven digits, so that updates can change an index row."""
    r = mixed(n)
    family, given = _FAMILIES[r % 17], _GIVEN[r // 17 % 21]
    middle = _GIVEN[r // 357 % 21]
    number = f"{(r % 10_000_000 if phone is None else phone):07d}"
    body: Body = {"resourceType": "Patient"}
    if id is not None:
        body["id"] = id
    body |= {
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml">Made up for a benchmark.'
            f" Person {n}, seed {r}. No such person lives anywhere.</div>",
        },
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [
                    {
                        "url": "ombCategory",
                        "valueCoding": {
                            "system": "urn:oid:2.16.840.1.113883.6.238",
                            "code": "2106-3",
                            "display": "White",
                        },
                    },
                    {"url": "text", "valueString": "White"},
                ],
            },
            {
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity",
                "extension": [
                    {
                        "url": "ombCategory",
                        "valueCoding": {
                            "system": "urn:oid:2.16.840.1.113883.6.238",
                            "code": "2186-5",
                            "display": "Not Hispanic or Latino",
                        },
                    },
                    {"url": "text", "valueString": "Not Hispanic or Latino"},
                ],
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": {"city": _CITIES[r % 7], "state": "Massachusetts", "country": "US"},
            },
            {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "FM"[r & 1]},
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": family},
        ],
        "identifier": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                            "code": "MR",
                            "display": "Medical Record Number",
                        }
                    ],
                    "text": "Medical Record Number",
                },
                "system": MRN,
                "value": mrn(n),
            },
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v2-0203",
                            "code": "DL",
                            "display": "Driver's License",
                        }
                    ],
                    "text": "Driver's License",
                },
                "system": "urn:oid:2.16.840.1.113883.4.3.25",
                "value": f"S{r % 100_000_000:08d}",
            },
        ],
        "active": True,
        "name": [
            {"use": "official", "family": family, "given": [given, middle], "prefix": ["Mx."]},
            {"use": "nickname", "given": [given[:3]]},
        ],
        "telecom": [
            {"system": "phone", "value": f"555-{number}", "use": "home"},
            {"system": "email", "value": f"{given}.{family}.{n}@example.org".lower(), "use": "home"},
        ],
        "gender": ("female", "male")[r & 1],
        "birthDate": f"{1930 + r % 90}-{1 + r // 90 % 12:02d}-{1 + r // 1080 % 28:02d}",
        "address": [
            {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/geolocation",
                        "extension": [
                            {"url": "latitude", "valueDecimal": 42 + r % 1000 / 1000},
                            {"url": "longitude", "valueDecimal": -71 - r // 1000 % 1000 / 1000},
                        ],
                    }
                ],
                "use": "home",
                "line": [f"{1 + r % 900} {_STREETS[r % 14]} Street", f"Unit {1 + r // 900 % 90}"],
                "city": _CITIES[r % 10],
                "state": "Massachusetts",
                "postalCode": f"0{1000 + r % 1800}",
                "country": "US",
            }
        ],
        "maritalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",
                    "code": "M",
                    "display": "Married",
                }
            ],
            "text": "Married",
        },
        "contact": [{"name": {"family": family}, "telecom": [{"system": "phone", "value": f"555-{r % 97:07d}"}]}],
        "multipleBirthBoolean": False,
        "communication": [
            {
                "language": {
                    "coding": [{"system": "urn:ietf:bcp:47", "code": "en-US", "display": "English (United States)"}],
                    "text": "English",
                },
                "preferred": True,
            }
        ],
    }
    return body


def encounter(n: int, id: str | None = None) -> Body:
    """An Encounter of the Patient n // ENCOUNTERS."""
    day = _day(mixed(n))
    body: Body = {"resourceType": "Encounter"}
    if id is not None:
        body["id"] = id
    body |= {
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "type": [
            {
                "coding": [
                    {"system": "http://snomed.info/sct", "code": "185345009", "display": "Encounter for symptom"}
                ],
                "text": "Encounter for symptom",
            }
        ],
        "subject": {"reference": f"Patient/{id_of('Patient', n // ENCOUNTERS)}"},
        "period": {"start": f"{day}T08:10:00+00:00", "end": f"{day}T08:40:00+00:00"},
    }
    return body


def observation(n: int, id: str | None = None, subject: str | None = None, value: int | None = None) -> Body:
    """An Observation of the Patient n // OBSERVATIONS, of about 0.7 kB.

    `subject`: another reference, such as `urn:uuid:…`, and then no encounter. `value`: in tenths of the unit.
    """
    r = mixed(n << 3)
    owner, place = divmod(n, OBSERVATIONS)
    kind = MEASURES[0 if place < WEIGHTS else 1 + r % (len(MEASURES) - 1)]
    day = _day(r)
    tenths = kind.low + r % kind.spread if value is None else value
    body: Body = {"resourceType": "Observation"}
    if id is not None:
        body["id"] = id
    body |= {
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": kind.category,
                        "display": kind.category,
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": LOINC, "code": kind.code, "display": kind.name}], "text": kind.name},
        "subject": {"reference": subject or f"Patient/{id_of('Patient', owner)}"},
    }
    if subject is None:
        visit = owner * ENCOUNTERS + place * ENCOUNTERS // OBSERVATIONS
        body["encounter"] = {"reference": f"Encounter/{id_of('Encounter', visit)}"}
    body |= {
        "effectiveDateTime": f"{day}T08:{r // 7 % 60:02d}:{r // 420 % 60:02d}+00:00",
        "issued": f"{day}T09:{r // 7 % 60:02d}:{r // 420 % 60:02d}.{r % 1000:03d}+00:00",
        "valueQuantity": {
            "value": tenths / 10,
            "unit": kind.unit,
            "system": "http://unitsofmeasure.org",
            "code": kind.unit,
        },
    }
    return body


MAKERS: Final = {"Patient": patient, "Encounter": encounter, "Observation": observation}


class Population(NamedTuple):
    """So many resources, whole groups of GROUP: which there are, by number."""

    size: int

    @property
    def patients(self) -> int:
        """Patients 0 to this, exclusive."""
        return self.size // GROUP

    @property
    def observations(self) -> int:
        """Observations 0 to this, exclusive."""
        return self.patients * OBSERVATIONS

    def group(self, patient_number: int) -> list[tuple[str, str, Body]]:
        """The resources that belong to one patient: (type, id, body)."""
        found: list[tuple[str, str, Body]] = []
        for type, many in (("Patient", 1), ("Encounter", ENCOUNTERS), ("Observation", OBSERVATIONS)):
            for n in range(patient_number * many, (patient_number + 1) * many):
                id = id_of(type, n)
                found.append((type, id, MAKERS[type](n, id)))
        return found
