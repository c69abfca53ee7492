"""The population of the shapes: forty resources per patient, skewed as real ones are. A pure function of numbers.

A few codes are common, thousands are rare; one patient in a hundred has hundreds of Observations; what is preliminary
is old, and what is urgent is never a follow-up, so that filters and orders work against each other. All made up.
https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.records import LOINC, MEASURES, WEIGHT, Body, mixed, patient

TESTS: Final = "http://hospital.example.org/tests"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"
CLASSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
VALUE_SET: Final = "http://hospital.example.org/ValueSet/seldom-tests"
PRESSURE, SYSTOLIC, DIASTOLIC = "85354-9", "8480-6", "8462-4"
HYPERTENSION: Final = "59621000"
URGENT, FOLLOW_UP = "EMER", "390906007"

_MANY: Final = {
    "Patient": 1,
    "Encounter": 3,
    "Observation": 29,
    "Condition": 3,
    "MedicationRequest": 3,
    "Provenance": 1,
}
GROUP: Final = sum(_MANY.values())
"""Resources per patient."""
ORGANIZATIONS, PRACTITIONERS, SELDOM, EACH = 12, 60, 37, 7
"""One Observation in SELDOM has a seldom code; EACH of them share one."""
_SALT = {type: n for n, type in enumerate((*_MANY, "Organization", "Practitioner", "ValueSet"))}
_CROWD: Final = 100
"""The first of so many patients has eight Observations of each of the others' groups."""
_SHARES: Final = ((WEIGHT, 30), ("8867-4", 45), (PRESSURE, 58), ("8310-5", 68), ("2339-0", 76), ("2093-3", 82))
_KINDS: Final = {one.code: one for one in MEASURES}
_OTHERS: Final = tuple(one for one in MEASURES if one.code not in dict(_SHARES))
_PROBLEMS: Final = (
    (HYPERTENSION, "Essential hypertension", 35),
    ("44054006", "Type 2 diabetes mellitus", 55),
    ("195662009", "Acute viral pharyngitis", 75),
    ("162864005", "Body mass index 30+ - obesity", 90),
)
_DRUGS: Final = (("314076", "Lisinopril 10 MG"), ("860975", "Metformin 500 MG"), ("313782", "Acetaminophen 325 MG"))


def id_of(type: str, n: int) -> str:
    """The logical id of the n-th resource of a type: a UUIDv7 of early 2024."""
    noise = mixed(n << 4 | _SALT[type])
    value = (0x18CC251F400 + n) << 80 | 7 << 76 | (noise >> 52) << 64 | 2 << 62 | noise & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _ref(type: str, n: int) -> Body:
    return {"reference": f"{type}/{id_of(type, n)}"}


def _coded(system: str, code: str, name: str) -> Body:
    return {"coding": [{"system": system, "code": code, "display": name}], "text": name}


def _day(r: int, years: int = 14, first: int = 2010) -> str:
    return f"{first + r % years}-{1 + r // 14 % 12:02d}-{1 + r // 168 % 28:02d}"


def _amount(value: float, unit: str) -> Body:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def rare_family(n: int) -> str:
    """The family name of every fiftieth patient: nobody else has it."""
    return f"Zyxander{n}"


class Population(NamedTuple):
    """So many resources, whole groups of GROUP, and a few that all share."""

    size: int

    @property
    def patients(self) -> int:
        """Patients 0 to this, exclusive."""
        return self.size // GROUP

    @property
    def seldom(self) -> int:
        """How many seldom codes there are."""
        return max(1, self.patients * _MANY["Observation"] // SELDOM // EACH)

    def shared(self) -> Iterator[tuple[str, str, Body]]:
        """Organizations, Practitioners and the ValueSet: (type, id, body)."""
        for n in range(ORGANIZATIONS):
            body: Body = {"active": True, "name": f"{('North', 'South', 'East', 'West')[n % 4]} Clinic {n}"}
            if n:
                body["partOf"] = _ref("Organization", n // 3)
            yield _whole("Organization", n, body)
        for n in range(PRACTITIONERS):
            name = {"family": f"Doctor{n}", "given": ["Sam"]}
            yield _whole("Practitioner", n, {"active": True, "name": [name]})
        concepts = [{"code": f"seldom-{k}"} for k in range(min(40, self.seldom))]
        include = [{"system": TESTS, "concept": concepts}]
        yield _whole("ValueSet", 0, {"url": VALUE_SET, "status": "active", "compose": {"include": include}})

    def group(self, owner: int) -> Iterator[tuple[str, str, Body]]:
        """The resources of one patient: (type, id, body)."""
        yield _whole("Patient", owner, _patient(owner))
        names = [f"Patient/{id_of('Patient', owner)}"]
        for type, make in (
            ("Encounter", _encounter), ("Observation", self._observation), ("Condition", _condition),
            ("MedicationRequest", _prescription),
        ):  # fmt: skip
            for n in range(owner * _MANY[type], (owner + 1) * _MANY[type]):
                names.append(f"{type}/{id_of(type, n)}")
                yield _whole(type, n, make(n, owner))
        yield _whole("Provenance", owner, _provenance(owner, names))

    def _observation(self, n: int, owner: int) -> Body:
        r = mixed(n << 3 | 5)
        place = n % _MANY["Observation"]
        seldom = n % SELDOM == 0
        share = r % 100
        code = next((code for code, below in _SHARES if share < below), _OTHERS[r // 100 % len(_OTHERS)].code)
        kind = _KINDS.get(code)
        old = r // 5000 % 100 < 3
        day = _day(r, years=1, first=2009) if old else _day(r // 7)
        subject = owner // _CROWD * _CROWD if place < 8 else owner
        body: Body = {
            "status": "preliminary" if old else "final" if r // 9 % 10 else "amended",
            "category": [_coded(CATEGORIES, kind.category if kind else "vital-signs", "")],
            "code": _coded(LOINC, code, kind.name if kind else "Blood pressure panel"),
            "subject": _ref("Patient", subject),
            "effectiveDateTime": f"{day}T08:{r // 7 % 60:02d}:{r // 420 % 60:02d}Z",
            "performer": [_ref("Practitioner", r // 11 % PRACTITIONERS)],
        }
        body["category"][0].pop("text")
        body["category"][0]["coding"][0].pop("display")
        if r // 13 % 10:
            body["encounter"] = _ref("Encounter", subject * 3 + r // 3 % 3)
        if seldom:
            number = n // SELDOM % self.seldom
            body["code"] = _coded(TESTS, f"seldom-{number}", f"Seldom test {number}")
            body["valueString"] = ("negative", "positive", "unclear")[r % 3]
        elif kind is None:
            body["component"] = [
                {"code": _coded(LOINC, part, part), "valueQuantity": _amount(low + r // 17 % spread, "mm[Hg]")}
                for part, low, spread in ((SYSTOLIC, 95, 90), (DIASTOLIC, 55, 50))
            ]
        elif code == WEIGHT and r // 19 % 3 == 0:
            body["valueQuantity"] = _amount((kind.low + r // 23 % kind.spread) * 22 // 100, "[lb_av]")
        else:
            body["valueQuantity"] = _amount((kind.low + r // 23 % kind.spread) / 10, kind.unit)
        return body


def _whole(type: str, n: int, body: Body) -> tuple[str, str, Body]:
    id = id_of(type, n)
    return type, id, {"resourceType": type, "id": id, **body}


def _patient(n: int) -> Body:
    body = patient(n)
    r = mixed(n << 5)
    del body["resourceType"]
    if n % 50 == 0:
        body["name"][0]["family"] = rare_family(n)
    if r % 10:
        body["managingOrganization"] = _ref("Organization", r // 10 % ORGANIZATIONS)
    body["generalPractitioner"] = [_ref("Practitioner", r // 120 % PRACTITIONERS)]
    return body


def _encounter(n: int, owner: int) -> Body:
    r = mixed(n << 3 | 2)
    day = _day(r)
    urgent = r // 3 % 4 == 0
    type = ("50849002", "Emergency room admission") if urgent else (FOLLOW_UP, "Follow-up encounter")
    return {
        "status": "finished",
        "class": {"system": CLASSES, "code": URGENT if urgent else "AMB"},
        "type": [_coded(SNOMED, *type)],
        "subject": _ref("Patient", owner),
        "participant": [{"individual": _ref("Practitioner", r // 5 % PRACTITIONERS)}],
        "period": {"start": f"{day}T08:10:00Z", "end": f"{day}T08:40:00Z"},
        "serviceProvider": _ref("Organization", r // 7 % ORGANIZATIONS),
    }


def _condition(n: int, owner: int) -> Body:
    r = mixed(n << 3 | 3)
    found = next(((code, name) for code, name, below in _PROBLEMS if r % 100 < below), None)
    code, name = found or (f"9{r // 100 % 3000:06d}", f"Rare disorder {r // 100 % 3000}")
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{name}, noted by the ward '
            f"{'chronic' if r % 7 else 'lynx'} word{r % 4000}</div>",
        },
        "clinicalStatus": {"coding": [{"system": clinical, "code": "active" if r // 3 % 3 else "resolved"}]},
        "code": _coded(SNOMED, code, name),
        "subject": _ref("Patient", owner),
        "encounter": _ref("Encounter", owner * 3 + r % 3),
        "onsetDateTime": _day(r),
        "recordedDate": _day(r // 3),
    }


def _prescription(n: int, owner: int) -> Body:
    r = mixed(n << 3 | 4)
    code, name = _DRUGS[(r % 100 > 50) + (r % 100 > 80)]
    return {
        "status": "active" if r // 3 % 4 == 0 else "completed",
        "intent": "order",
        "medicationCodeableConcept": _coded(RXNORM, code, name),
        "subject": _ref("Patient", owner),
        "encounter": _ref("Encounter", owner * 3 + r % 3),
        "authoredOn": _day(r),
        "requester": _ref("Practitioner", r // 11 % PRACTITIONERS),
    }


def _provenance(n: int, names: list[str]) -> Body:
    r = mixed(n << 3 | 6)
    return {
        "target": [{"reference": name} for name in names],
        "recorded": f"{_day(r)}T10:00:00.000Z",
        "agent": [{"who": _ref("Practitioner", r % PRACTITIONERS)}],
    }
