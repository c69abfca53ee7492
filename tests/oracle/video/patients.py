"""Patients to write scripts of, seeded: visits, procedures with a side, bookings, medicines of every kind of timing.

Around each lies what must not be told: earlier versions, stopped medicines, cancelled appointments, old names, faxes.
About one in six has one trouble that must be refused; `expects` says by which template, and why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
SCT: Final = "http://snomed.info/sct"
TEMPLATES: Final = ("after-visit", "medications", "procedure")
Body = dict[str, Any]

_GIVEN: Final = (
    "José",
    "Zoë",
    "D'Andre",
    "Mary-Jane",
    "María José",
    "Siân",
    "O’Neal",
    "Lucía",
    "May",
    "Ngọc",
    "Åsa",
    "Bob",
)
_FAMILY: Final = ("Núñez", "O'Brien", "García-López", "Smith", "van der Berg", "Müller", "Okafor", "Lindqvist")
_PLACES: Final = (
    "Bend Clinic",
    "St. Mary's Hospital",
    "Clínica San José",
    "Women's Health of O'Fallon",
    "Northside Care",
)
_CONDITIONS: Final = (
    ("59621000", "Hypertension"),
    ("44054006", "Type 2 diabetes"),
    ("195967001", "Asthma"),
    ("10509002", "Acute bronchitis"),
    ("444814009", "Sinus infection"),
    ("38822007", "Bladder infection"),
    ("", "Cough"),
    ("", "Sore knee"),
    ("", "Back pain"),
)
_KINDS: Final = (("390906007", "Follow-up visit"), ("185347001", "Visit for a problem"), ("", "Check-up"))
_DONE: Final = (
    ("", "Dressing change", "Hand"),
    ("", "X-ray", "Foot"),
    ("", "Joint injection", "Shoulder"),
    ("", "Splint", "Arm"),
)
_PLANNED: Final = (
    ("609588000", "Knee replacement", "Knee"),
    ("", "Cataract surgery", "Eye"),
    ("", "Hip surgery", "Hip"),
    ("", "Carpal tunnel release", "Hand"),
    ("73761001", "Colonoscopy", ""),
)
_DRUGS: Final = (
    ("314076", "Lisinopril", "10 MG Oral Tablet"),
    ("860975", "Metformin", "500 MG Oral Tablet"),
    ("197361", "Amlodipine", "5 MG"),
    ("855332", "Warfarin", "2.5 MG Oral Tablet"),
    ("308136", "Atenolol", "25 MG"),
    ("312961", "Simvastatin", "20 MG"),
    ("966222", "Levothyroxine", "0.05 MG"),
    ("310430", "Gabapentin", "300 MG Oral Capsule"),
    ("308460", "Azithromycin", "250 MG"),
    ("8640", "Prednisone", ""),
    ("7646", "Omeprazole", ""),
    ("10689", "Tramadol", ""),
    ("2551", "Ciprofloxacin", ""),
)
_UNITS: Final = (
    ("tablet", "{tbl}", "1"),
    ("tablets", "", "2"),
    ("tablet", "", "0.5"),
    ("mg", "mg", "2.50"),
    ("mg", "mg", "10"),
    ("mL", "mL", "7.5"),
    ("mcg", "ug", "50"),
    ("", "mg", "12.50"),
    ("capsule", "", "1"),
    ("puffs", "", "2"),
    ("g", "g", "1.0"),
    ("unit(s)", "", "14"),
    ("IU", "[iU]", "400"),
    ("ampoules", "", "3"),
    ("drops", "[drp]", "4"),
    ("meq", "meq", "20"),
)
_ROUTES: Final = (
    ("26643006", "Oral route"),
    ("26643006", "Oral"),
    ("37839007", "Sublingual route"),
    ("46713006", "Nasal route"),
    ("6064005", "Topical route"),
    ("34206005", "Subcutaneous route"),
    ("", "Into the left ear canal"),
    None,
)
_TIMINGS: Final[tuple[Callable[[Random], Body], ...]] = (
    lambda r: {"repeat": {"frequency": r.randint(1, 4), "period": 1, "periodUnit": "d"}},
    lambda r: {"repeat": {"period": r.choice((4, 6, 8, 12)), "periodUnit": "h", "frequency": 1}},
    lambda r: {"repeat": {"frequency": 1, "period": r.randint(1, 3), "periodUnit": r.choice(("d", "wk", "mo"))}},
    lambda r: {
        "repeat": {"timeOfDay": sorted(r.sample(("00:30:00", "08:00:00", "12:00:00", "13:45:00", "20:15:00"), 2))}
    },
    lambda r: {"repeat": {"when": [r.choice(("MORN", "NOON", "AFT", "EVE", "NIGHT", "HS", "WAKE", "PCM", "CV"))]}},
    lambda r: {"repeat": {"when": [r.choice(("ACM", "ACD", "PCV"))], "offset": r.choice((15, 30))}},
    lambda r: {
        "repeat": {"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": [r.choice(("mon", "wed", "sun"))]}
    },
    lambda r: {
        "code": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation",
                    "code": r.choice(("BID", "TID", "QD", "QOD", "BED", "Q8H")),
                }
            ]
        }
    },
    lambda r: {"code": {"text": r.choice(("QID", "AM", "Q6H"))}},
    lambda r: {
        "repeat": {
            "frequency": 2,
            "period": 1,
            "periodUnit": "d",
            "boundsDuration": {"value": r.randint(3, 14), "unit": "days", "code": "d"},
        }
    },
    lambda r: {
        "repeat": {
            "frequency": 1,
            "period": 1,
            "periodUnit": "d",
            "boundsPeriod": {"start": "2026-11-20", "end": f"2026-12-{r.randint(1, 31):02}"},
        }
    },
    lambda r: {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h", "count": r.randint(7, 14)}},
)
_ZONES: Final = ("-07:00", "-05:00", "Z", "+00:00", "+05:30", "+09:00")


class Patient(NamedTuple):
    """`bundle`: FHIR JSON, with earlier versions; `current`: of each resource what holds, as bytes. `expects`: the code
    of the refusal by template, "" where a script is due. `trouble`: its name.
    """

    number: int
    bundle: bytes
    current: tuple[tuple[str, str, int, bytes], ...]
    expects: dict[str, str]
    trouble: str


def written(value: Any) -> bytes:
    """JSON, numbers digit by digit."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return re.sub(r'"#digits:([^"]*)"', r"\1", text).encode()


def digits(text: str) -> str:
    return f"#digits:{text}"


def patient(seed: int, number: int) -> Patient:
    """The patient of that number."""
    random = Random(f"{seed}/{number}")
    made = _Making(random)
    bodies = made.bodies()
    name = list(TROUBLES)[(number // 6 + seed) % len(TROUBLES)] if number % 6 == 5 else ""
    expects = dict.fromkeys(TEMPLATES, "")
    if name:
        change, code, templates = TROUBLES[name]
        change(bodies)
        expects |= dict.fromkeys(templates, code)
    if "order" not in bodies and expects["procedure"] in ("", "contact-missing"):  # whom to call depends on it
        expects["procedure"] = "procedure-missing"
    entries, current = [], []
    for body in bodies.values():
        version = random.randint(1, 4)
        entries += [{"resource": _earlier(body, old, random)} for old in range(max(1, version - 1), version)]
        body["meta"] = {"versionId": str(version), "lastUpdated": "2026-11-21T08:00:00Z"}
        entries.append({"resource": body})
        current.append((body["resourceType"], body["id"], version, written(body)))
    random.shuffle(entries)
    return Patient(
        number,
        written({"resourceType": "Bundle", "type": "collection", "entry": entries}),
        tuple(current),
        expects,
        name,
    )


def _earlier(body: Body, version: int, random: Random) -> Body:
    """A version before: other doses, other sides, other numbers."""
    text = json.dumps(body)
    text = re.sub(r"#digits:[\d.]+", lambda found: digits(str(random.randint(30, 99))), text)
    text = text.replace("Left", "LEFT").replace("Right", "Left").replace("LEFT", "Right").replace("555-", "666-")
    return {**json.loads(text), "meta": {"versionId": str(version)}}


def _concept(code: str, text: str, system: str = SCT) -> Body:
    return {"text": text, **({"coding": [{"system": system, "code": code, "display": text}]} if code else {})}


def _to(type: str, id: str) -> Body:
    return {"reference": f"{type}/{id}"}


class _Making:
    """One patient's resources, by a name for the troubles."""

    def __init__(self, random: Random) -> None:
        self.random, self.me = random, {"reference": "Patient/p"}

    def bodies(self) -> dict[str, Body]:
        random = self.random
        made = {"patient": self._patient(), **self._around(), **self._visits()}
        for number, drug in enumerate(random.sample(_DRUGS, random.randint(1, 4))):
            made |= self._medicine(number, drug)
        if random.random() < 0.8:
            made |= self._procedure()
        return made

    def _when(self, days: int) -> str:
        day = (NOW + timedelta(days=days)).date()
        hour, minute = self.random.choice(((0, 5), (7, 30), (9, 0), (12, 0), (13, 15), (15, 45), (23, 30)))
        return f"{day}T{hour:02}:{minute:02}:00{self.random.choice(_ZONES)}"

    def _patient(self) -> Body:
        random = self.random
        given, other = random.sample(_GIVEN, 2)
        names = [
            {"use": "old", "family": "Former", "given": ["Oldname"]},
            {"use": "official", "family": random.choice(_FAMILY), "given": [given, other]},
            {"use": "nickname", "given": ["Nick"]},
            {"use": "usual", "given": ["Ended"], "period": {"end": "2020-01-01"}},
        ]
        random.shuffle(names)
        return {
            "resourceType": "Patient",
            "id": "p",
            "active": True,
            "name": names,
            "birthDate": "1961-07-08",
            "identifier": [{"system": "urn:mrn", "value": "4711-09"}],
            "telecom": [{"system": "phone", "value": "+1 928 555 0199", "use": "home"}],
            "generalPractitioner": [_to("Practitioner", "gp")],
        }

    def _around(self) -> dict[str, Body]:
        random = self.random
        clinic, other = random.sample(_PLACES, 2)

        def telecom() -> list[Body]:
            found = [
                {"system": "fax", "value": "+1-928-555-0000"},
                {"system": "phone", "use": "old", "value": "+1-928-555-0001"},
                {"system": "phone", "use": "work", "value": f"+1-928-555-{random.randint(1000, 9999)}"},
                {"system": "phone", "use": "work", "value": "(928) 555-0003", "period": {"end": "2021-01-01"}},
                {"system": "email", "value": "clinic@example.org"},
            ]
            random.shuffle(found)
            return found

        def doctor(id: str, prefix: str) -> Body:
            name = {
                "use": "official",
                "family": random.choice(_FAMILY),
                "given": [random.choice(_GIVEN)],
                "prefix": [prefix],
            }
            return {
                "resourceType": "Practitioner",
                "id": id,
                "name": [{"use": "maiden", "family": "Maiden"}, name],
                "telecom": [{"system": "phone", "use": "home", "value": "928-555-7777"}, *telecom()],
            }

        return {
            "location": {
                "resourceType": "Location",
                "id": "l",
                "status": "active",
                "name": clinic,
                **({"telecom": telecom()} if random.random() < 0.6 else {}),
            },
            "organization": {
                "resourceType": "Organization",
                "id": "o",
                "active": True,
                "name": other,
                "telecom": telecom(),
            },
            "doctor": doctor("dr", random.choice(("Dr.", "Dra."))),
            "gp": doctor("gp", "Dr."),
        }

    def _visits(self) -> dict[str, Body]:
        random = self.random
        made: dict[str, Body] = {}
        ago = random.randint(1, 80)
        for name, id, days, status in (
            ("visit", "v1", ago, "finished"),
            ("before", "v0", ago + 30, "finished"),
            ("cancelled", "v2", max(0, ago - 1), "cancelled"),
        ):
            start = self._when(-days)
            body = {
                "resourceType": "Encounter",
                "id": id,
                "status": status,
                "class": {"code": "AMB"},
                "subject": self.me,
                "type": [_concept(*random.choice(_KINDS))],
                "period": {"start": start},
                "participant": [{"individual": _to("Practitioner", "dr" if name == "visit" else "gp")}],
                "serviceProvider": _to("Organization", "o"),
            }
            if random.random() < 0.7:
                body["location"] = [{"location": _to("Location", "l")}]
            made[name] = body
        first, second = random.sample(_CONDITIONS, 2)
        made["condition"] = {
            "resourceType": "Condition",
            "id": "c1",
            "subject": self.me,
            "code": _concept(*first),
            "verificationStatus": {"coding": [{"code": "confirmed"}]},
        }
        made["elsewhere"] = {"resourceType": "Condition", "id": "c2", "subject": self.me, "code": _concept(*second)}
        if random.random() < 0.8:
            made["visit"]["reasonReference"] = [_to("Condition", "c1")]
        for name, visit, n in (("done", "v1", 0), ("earlier", "v0", 1)):
            code, text, place = _DONE[(random.randint(0, 3) + n) % 4]
            if random.random() < 0.6:
                made[name] = {
                    "resourceType": "Procedure",
                    "id": name,
                    "status": "completed",
                    "subject": self.me,
                    "code": _concept(code, text),
                    "encounter": _to("Encounter", visit),
                    "bodySite": self._sites(place),
                    "performedDateTime": "2026-11-01",
                }
        for name, days, status in (("next", 90, "booked"), ("called-off", 2, "cancelled")):
            made[name] = {
                "resourceType": "Appointment",
                "id": name,
                "status": status,
                "start": self._when(days),
                "description": random.choice(("Check-up", "Talk about the tests", "Blood pressure check")),
                "participant": [
                    {"actor": self.me, "status": "accepted"},
                    {"actor": _to("Location", "l"), "status": "accepted"},
                ],
            }
        return made

    def _sites(self, place: str) -> list[Body]:
        """One part of the body, or two on the same side."""
        side = self.random.choice(("Left", "Right"))
        parts = (place.lower(), *(("leg",) if self.random.random() < 0.25 else ()))
        return [{"text": f"{side} {part}"} for part in parts]

    def _medicine(self, number: int, drug: tuple[str, str, str]) -> dict[str, Body]:
        random = self.random
        code, name, form = drug
        text = f"{name} {form}".strip()
        concept = _concept(code, text, "http://www.nlm.nih.gov/research/umls/rxnorm")
        status = (
            "active"
            if number == 0
            else random.choice(("active", "active", "active", "stopped", "completed", "on-hold"))
        )
        body: Body = {
            "resourceType": "MedicationRequest",
            "id": f"m{number}",
            "status": status,
            "intent": "order",
            "subject": self.me,
            "authoredOn": "2026-11-20",
            "requester": _to("Practitioner", "dr"),
        }
        made = {f"medicine-{number}": body}
        way = random.randint(0, 3)
        if way == 0:
            body["medicationReference"] = _to("Medication", f"d{number}")
            made[f"drug-{number}"] = {"resourceType": "Medication", "id": f"d{number}", "code": concept}
        elif way == 1:
            body["medicationReference"] = {"reference": "#d"}
            body["contained"] = [{"resourceType": "Medication", "id": "d", "code": concept}]
        else:
            body["medicationCodeableConcept"] = concept
        if number == 0 or random.random() < 0.6:
            body["encounter"] = _to("Encounter", "v1")
        if random.random() < 0.4:
            body["reasonCode"] = [_concept(*random.choice(_CONDITIONS))]
        body["dosageInstruction"] = self._dosages()
        return made

    def _dosages(self) -> list[Body]:
        random = self.random
        if random.random() < 0.15:  # other amounts in the morning and in the evening
            return [self._dosage({"repeat": {"when": [part]}}, bare=True) for part in ("MORN", "EVE")]
        if random.random() < 0.1:
            return [{"text": random.choice(("Use as told by your doctor.", "Chew well. Drink a glass of water."))}]
        return [self._dosage(random.choice((*_TIMINGS, *_TIMINGS[7:9]))(random))]

    def _dosage(self, timing: Body, *, bare: bool = False) -> Body:
        random = self.random
        unit, code, value = random.choice(_UNITS)
        amount = {"value": digits(value), **({"unit": unit} if unit else {}), **({"code": code} if code else {})}
        found: Body = {"timing": timing, "doseAndRate": [{"doseQuantity": amount}]}
        if bare:
            return found
        route = random.choice(_ROUTES)
        if route is not None:
            found["route"] = _concept(*route)
        chance = random.random()
        if chance < 0.15:
            found["asNeededBoolean"] = True
        elif chance < 0.3:
            found["asNeededCodeableConcept"] = _concept(*random.choice(_CONDITIONS))
        if random.random() < 0.2:
            span = random.choice((("24", "h"), ("1", "d"), ("1", "wk")))
            most = {**amount, "value": digits(str(random.randint(2, 9) * 10))}
            found["maxDosePerPeriod"] = {"numerator": most, "denominator": {"value": digits(span[0]), "code": span[1]}}
        if random.random() < 0.15:
            found["site"] = {
                "text": f"{random.choice(('Left', 'Right'))} {random.choice(('eye', 'ear', 'arm', 'leg'))}"
            }
        if random.random() < 0.2:
            found["additionalInstruction"] = [{"text": random.choice(("Take with food.", "Do not crush"))}]
        if random.random() < 0.15:
            found["patientInstruction"] = random.choice(("Keep it in the fridge.", "Shake it well. Rinse your mouth."))
        return found

    def _procedure(self) -> dict[str, Body]:
        random = self.random
        (code, text, place), side = random.choice(_PLANNED), random.choice(("Left", "Right"))
        days = random.randint(3, 60)
        start = self._when(days)
        order: Body = {
            "resourceType": "ServiceRequest",
            "id": "s1",
            "status": "active",
            "intent": "order",
            "subject": self.me,
            "code": _concept(code, text),
            "occurrenceDateTime": start[:10],
            "authoredOn": "2026-11-01",
            "locationReference": [_to("Location", "l")],
            "requester": _to("Practitioner", "dr"),
        }
        if place:
            qualifier = {"Left": "7771000", "Right": "24028007"}[side]
            written = random.choice(
                (f"{side} {place.lower()}", f"{side[0]} {place.lower()}", f"{place}, {side.lower()}")
            )
            order["bodySite"] = [{"text": written, "coding": [{"system": SCT, "code": qualifier}]}]
        if random.random() < 0.7:
            order["patientInstruction"] = random.choice(
                (
                    "Do not eat after midnight. Bring a friend.",
                    "Lie on your left side at night. Bring a friend.",
                    "Drink only water for 12 hours before. Wear loose clothes.",
                    "Stop Ibuprofen 3 days before. Call if you have a cold.",
                )
            )
        if random.random() < 0.5:
            order["reasonReference"] = [_to("Condition", "c2")]
        over = {
            **order,
            "id": "s0",
            "status": "completed",
            "occurrenceDateTime": "2026-11-30",
            "bodySite": [{"text": "Left hip"}],
        }
        made = {"order": order, "over": over}
        if random.random() < 0.6:
            made["appointment"] = {
                "resourceType": "Appointment",
                "id": "a1",
                "status": "booked",
                "start": start,
                "description": f"{side} {place.lower()}: {text}" if place else text,
                "basedOn": [_to("ServiceRequest", "s1")],
                "participant": [
                    {"actor": self.me, "status": "accepted"},
                    {"actor": _to("Location", "l"), "status": "accepted"},
                ],
            }
        return made


def _twice(bodies: dict[str, Body]) -> None:
    first = bodies["medicine-0"]
    bodies["again"] = {**json.loads(json.dumps(first)), "id": "m9"}


def _dose(**amount: Any) -> Callable[[dict[str, Body]], None]:
    def change(bodies: dict[str, Body]) -> None:
        bodies["medicine-0"]["dosageInstruction"] = [{"timing": _TIMINGS[0](Random(1)), "doseAndRate": [amount]}]

    return change


def _timed(**timing: Any) -> Callable[[dict[str, Body]], None]:
    def change(bodies: dict[str, Body]) -> None:
        dose = {"doseQuantity": {"value": digits("1"), "unit": "tablet"}}
        bodies["medicine-0"]["dosageInstruction"] = [{"timing": timing, "doseAndRate": [dose]}]

    return change


def _each(type: str, change: Callable[[Body], object]) -> Callable[[dict[str, Body]], None]:
    def of(bodies: dict[str, Body]) -> None:
        for body in bodies.values():
            if body["resourceType"] == type:
                change(body)

    return of


def _mute(bodies: dict[str, Body]) -> None:
    for body in bodies.values():
        body.pop("telecom", None)


def _sides(bodies: dict[str, Body]) -> None:
    _Making(Random(2))
    order = bodies.setdefault("order", {})
    order |= {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "subject": _to("Patient", "p"),
        "code": {"text": "Surgery on the right knee"},
        "bodySite": [{"text": "Left knee"}],
        "occurrenceDateTime": "2026-12-20",
        "authoredOn": "2026-11-01",
    }
    bodies.pop("appointment", None)


def _allergic(bodies: dict[str, Body]) -> None:
    kept = bodies["medicine-0"]
    kept.pop("medicationReference", None)
    kept.pop("contained", None)
    kept["medicationCodeableConcept"] = {"text": "Amoxicillin 250 MG"}
    bodies["allergy"] = {
        "resourceType": "AllergyIntolerance",
        "id": "a9",
        "patient": _to("Patient", "p"),
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"text": "Penicillins"},
    }


def _over(bodies: dict[str, Body]) -> None:
    bodies["next"] |= {"start": "2026-11-02T09:00:00-07:00"}


_TAKEN: Final = ("after-visit", "medications")
TROUBLES: Final[dict[str, tuple[Callable[[dict[str, Body]], None], str, tuple[str, ...]]]] = {
    "one drug twice": (_twice, "medicine-twice", _TAKEN),
    "a dose without a unit": (_dose(doseQuantity={"value": digits("2")}), "dose-without-unit", _TAKEN),
    "a unit by an unknown code": (
        _dose(doseQuantity={"value": digits("2"), "code": "xyz"}),
        "dose-unit-unknown",
        _TAKEN,
    ),
    "units that differ": (
        _dose(doseQuantity={"value": digits("2"), "unit": "mg", "code": "mL"}),
        "dose-conflict",
        _TAKEN,
    ),
    "a range of doses": (_dose(doseRange={"low": {"value": 1, "unit": "mg"}}), "dose-ambiguous", _TAKEN),
    "a range of times": (
        _timed(repeat={"frequency": 2, "frequencyMax": 4, "period": 1, "periodUnit": "d"}),
        "timing-ambiguous",
        _TAKEN,
    ),
    "an unknown timing": (_timed(event=["2026-12-01"]), "timing-unknown", _TAKEN),
    "a course that is over": (
        _timed(repeat={"frequency": 1, "period": 12, "periodUnit": "h", "count": 2}),
        "dates-conflict",
        _TAKEN,
    ),
    "an allergy": (_allergic, "allergy", _TAKEN),
    "the patient has died": (
        _each("Patient", lambda one: one.update(deceasedBoolean=True)),
        "patient-deceased",
        TEMPLATES,
    ),
    "no given name": (_each("Patient", lambda one: one.update(name=[{"text": "Jo Doe"}])), "name-missing", TEMPLATES),
    "nobody to call": (_mute, "contact-missing", TEMPLATES),
    "an old visit": (
        lambda b: b["visit"].update(period={"start": "2026-07-01T09:00:00Z"}) or (b.pop("before") and None),
        "stale",
        ("after-visit",),
    ),
    "an appointment that is over": (_over, "dates-conflict", ("after-visit", "procedure")),
    "two sides": (_sides, "side-conflict", ("procedure",)),
}
"""What is wrong, the code of the refusal, and the templates that it stops."""
