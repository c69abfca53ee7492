"""Small random populations whose values collide on purpose: the same codes, days, names and amounts everywhere, written
in every way that R4 allows. https://hl7.org/fhir/R4/datatypes.html

`population(seed)` gives 30 to 80 resources in the order in which they are created; ids are unique per type, and the
same id occurs under several types.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Body = dict[str, Any]

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
LOCAL = "http://example.org/codes"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
ELSEWHERE = "http://elsewhere.example/fhir"

SYSTEMS = (LOINC, SNOMED, LOCAL, None)
CODES = ("a", "b", "c", "d", "8867-4", "A")
DISPLAYS = ("Heart rate", "heart attack", "Blood pressure", "Häufigkeit (neu)", "rate of pressure", "", "Ångström-unit")
FAMILIES = ("Chalmers", "Windsor", "Carreno Quinones", "Ångström", "van den Berg", "O'Brien", "Smith-Jones", "Li", "LI")
GIVENS = ("Peter", "Éve", "Evelyn", "Severine", "J.R.", "Ann  Marie", "eve", "Li")
CITIES = ("Berlin", "Bergen", "Łódź", "San José", "St. Ives", "berlin")
DAYS = ("2013", "2013-01", "2013-02", "2013-01-14", "2013-01-15", "2012-12-31", "2014")
TIMES = (
    *DAYS,
    "2013-01-14T10:00:00Z",
    "2013-01-14T10:00:00.500Z",
    "2013-01-14T23:30:00-05:00",
    "2013-01-15T00:30:00+02:00",
    "2013-01-14T00:00:00Z",
    "2013-01-15T04:30:00Z",
    "2013-01-14T23:59:59.750Z",
    "2013-01-14T10:00:00.4999999Z",
    "2013-01-14T10:00:00.5000000Z",
    "2013-01-14T10:00:00.5000001Z",
)
NUMBERS = (0, 1, 5, 5.4, 5.35, 5.45, 60, 99.5, 100, 100.4, 100.5, 120, 0.0054, 5400, -5)
QUANTITIES: tuple[dict[str, str], ...] = (
    {"system": UCUM, "code": "mg", "unit": "mg"},
    {"system": UCUM, "code": "g", "unit": "gram"},
    {"system": UCUM, "code": "ug", "unit": "mg"},
    {"system": UCUM, "code": "mm[Hg]", "unit": "mmHg"},
    {"system": UCUM, "code": "kPa"},
    {"system": UCUM, "code": "Cel", "unit": "C"},
    {"system": UCUM, "code": "[degF]"},
    {"system": UCUM, "code": "K"},
    {"system": UCUM, "code": "/min"},
    {"system": UCUM, "code": "{beats}/min", "unit": "beats"},
    {"system": LOCAL, "code": "mg"},
    {"unit": "mg"},
    {"code": "tab", "system": LOCAL, "unit": "tablet"},
    {},
)
PERCENT = {"system": UCUM, "code": "%", "unit": "%"}
VALUES = ("x", "12345", "MRN-1", "a", "12345-6", "X")
MIMES = ("text/plain", "text/plain; charset=UTF-8", "Text/XML", "text/xml;charset=utf-8", "image/png")
URLS = (
    "http://example.org/fhir/q",
    "http://example.org/fhir/q/1",
    "http://example.org/fhir/q/1/2",
    "http://example.org/fhir/qq",
    "http://example.org/fhir/",
    "urn:oid:1.2.3",
    "urn:oid:1.2.3.4",
)
POSITIONS = (
    (60.17, 24.94),
    (60.19, 24.92),
    (60.45, 22.27),
    (61.5, 23.76),
    (0.0, 179.99),
    (0.0, -179.99),
    (-89.9, 10.0),
)
TREE = "http://example.org/tree"
"""A code system: a over b and c, c over d; e alone."""


class Maker:
    """One population in the making: what exists already can be referred to."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.stays = random.Random(f"stays {seed}")
        self.made: list[Body] = []
        self.ids: dict[str, list[str]] = {}

    # --- data types ---------------------------------------------------------------------------------------------------

    def maybe(self, probability: float) -> bool:
        """True so often."""
        return self.chance.random() < probability

    def pick(self, values: Any) -> Any:
        """One of them."""
        return self.chance.choice(values)

    def some(self, make: Callable[[], Any], most: int = 3) -> list[Any]:
        """One or more of what `make` makes."""
        return [make() for _ in range(self.chance.randint(1, most))]

    def coding(self) -> Body:
        """A Coding; now and then without its system, its code or its display."""
        found: Body = {}
        system = self.pick((*SYSTEMS, TREE, TREE))
        if system is not None:
            found["system"] = system
        if self.maybe(0.93) or system is None:
            found["code"] = self.pick(("a", "b", "c", "d", "e") if system == TREE else CODES)
        if self.maybe(0.4) and (display := self.pick(DISPLAYS)):
            found["display"] = display
        return found

    def concept(self) -> Body:
        """A CodeableConcept; some are text alone."""
        found: Body = {}
        if self.maybe(0.9):
            found["coding"] = self.some(self.coding, 2)
        if not found or self.maybe(0.3):
            found["text"] = self.pick([d for d in DISPLAYS if d])
        return found

    def identifier(self) -> Body:
        """An Identifier, some with a type."""
        found: Body = {"value": self.pick(VALUES)}
        if self.maybe(0.7):
            found["system"] = self.pick(("urn:mrn", "http://example.org/ids"))
        if self.maybe(0.4):
            found["type"] = {"coding": [{"system": IDENTIFIER_TYPES, "code": self.pick(("MR", "SS"))}]}
            if self.maybe(0.5):
                found["type"]["text"] = self.pick(("Medical record", "Number, social"))
        if self.maybe(0.08):
            del found["value"]
            found["system"] = "urn:mrn"
        return found

    def quantity(self, comparators: bool = True) -> Body:
        """A Quantity in one of several units."""
        found: Body = {"value": self.pick(NUMBERS), **self.pick(QUANTITIES)}
        if comparators and self.maybe(0.15):
            found["comparator"] = self.pick(("<", "<=", ">", ">="))
        return found

    def range(self) -> Body:
        """A Range in one unit, perhaps open at one end."""
        unit = self.pick(QUANTITIES)
        low, high = sorted((self.pick(NUMBERS), self.pick(NUMBERS)))
        found = {"low": {"value": low, **unit}, "high": {"value": high, **unit}}
        if self.maybe(0.3):
            del found[self.pick(("low", "high"))]
        return found

    def period(self) -> Body:
        """A Period, perhaps open at one end."""
        start = self.pick(("2013", "2013-01", "2013-01-14", "2013-01-14T10:00:00Z", "2012-12-31"))
        end = self.pick(("2014", "2014-02-01", "2013-12-31T10:00:00+02:00"))
        found = {"start": start, "end": end}
        if self.maybe(0.4):
            del found[self.pick(("start", "end"))]
        return found

    def reference(self, *types: str) -> Body:
        """A Reference: mostly to what is there, sometimes versioned, dangling, elsewhere or an identifier alone."""
        type = self.pick([t for t in types if self.ids.get(t)] or types)
        id = self.pick(self.ids.get(type) or ["nobody"])
        kind = self.chance.random()
        if kind < 0.75:
            found: Body = {"reference": f"{type}/{id}"}
        elif kind < 0.8:
            found = {"reference": f"{type}/{id}/_history/1"}
        elif kind < 0.84:
            found = {"reference": f"{type}/nobody"}
        elif kind < 0.89:
            found = {"reference": f"{ELSEWHERE}/{type}/{id}"}
        elif kind < 0.92:
            found = {"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}
        else:
            found = {}
        if not found or self.maybe(0.2):
            found["identifier"] = self.identifier()
            if self.maybe(0.5):
                found["type"] = type
        if self.maybe(0.2):
            found["display"] = "somebody"
        return found

    def canonical(self) -> str:
        """A canonical, some with a version; most name something that there is."""
        there = [body for body in self.made if "url" in body and body["url"] in URLS]
        if there and self.maybe(0.6):
            body = self.pick(there)
            version = f"|{body['version']}" if "version" in body and self.maybe(0.6) else ""
            return f"{body['url']}{version}"
        url: str = self.pick(URLS)
        return url + str(self.pick(("", "|1", "|1.0", "|1.1", "|2.0", "|10")))

    def name(self) -> Body:
        """A HumanName."""
        found: Body = {"given": self.some(lambda: self.pick(GIVENS), 2)}
        if self.maybe(0.85):
            found["family"] = self.pick(FAMILIES)
        if self.maybe(0.2):
            found["text"] = f"{found['given'][0]} of {self.pick(CITIES)}"
        if self.maybe(0.1):
            found["prefix"] = ["Dr."]
        return found

    def address(self) -> Body:
        """An Address."""
        found: Body = {"city": self.pick(CITIES), "line": self.some(lambda: f"{self.pick(FAMILIES)} Str. 1", 2)}
        if self.maybe(0.5):
            found |= {"use": self.pick(("home", "work")), "postalCode": "10115", "country": "DE"}
        return found

    def telecom(self) -> Body:
        """A ContactPoint."""
        system = self.pick(("phone", "email"))
        return {"system": system, "value": self.pick(("555-1", "555-2") if system == "phone" else ("a@b.c", "x@y.z"))}

    def use_context(self) -> Body:
        """A UsageContext: a code, and a concept, a quantity or a range."""
        context: Body = {"code": {"system": LOCAL, "code": self.pick(("focus", "age", "venue"))}}
        kind = self.chance.random()
        if kind < 0.4:
            context["valueCodeableConcept"] = self.concept()
        elif kind < 0.75:
            context["valueQuantity"] = self.quantity()
        else:
            context["valueRange"] = self.range()
        return context

    def meta(self, body: Body) -> None:
        """Tags, labels and profiles, now and then."""
        meta: Body = {}
        if self.maybe(0.15):
            meta["tag"] = [{"system": LOCAL, "code": self.pick(("t1", "t2"))}]
        if self.maybe(0.1):
            meta["security"] = [{"system": LOCAL, "code": self.pick(("R", "N"))}]
        if self.maybe(0.1):
            meta["profile"] = [self.canonical()]
        if meta:
            body["meta"] = meta

    def optional(self, body: Body, probability: float, **makers: Callable[[], Any]) -> None:
        """Each element with that probability."""
        for key, make in makers.items():
            if self.maybe(probability):
                body[key] = make()

    # --- resources ----------------------------------------------------------------------------------------------------

    def add(self, type: str) -> Body:
        """One more resource of a type, with an id that other types have too."""
        body: Body = {"resourceType": type}
        self.meta(body)
        body |= _MAKERS[type](self)
        _mend(body)
        ids = self.ids.setdefault(type, [])
        body["id"] = f"n{len(ids) + 1}"
        ids.append(body["id"])
        self.made.append(body)
        return body

    def patient(self) -> Body:
        """A Patient."""
        body: Body = {}
        self.optional(
            body,
            0.7,
            name=lambda: self.some(self.name, 2),
            identifier=lambda: self.some(self.identifier),
            gender=lambda: self.pick(("male", "female", "other")),
            birthDate=lambda: self.pick(DAYS),
            active=lambda: self.maybe(0.5),
        )
        self.optional(
            body,
            0.4,
            address=lambda: self.some(self.address, 2),
            telecom=lambda: self.some(self.telecom, 2),
            generalPractitioner=lambda: self.some(lambda: self.reference("Practitioner", "Organization"), 2),
            managingOrganization=lambda: self.reference("Organization"),
        )
        if self.maybe(0.2) and self.ids.get("Patient"):
            body["link"] = [{"other": {"reference": f"Patient/{self.pick(self.ids['Patient'])}"}, "type": "seealso"}]
        match self.chance.randrange(5):
            case 0:
                body["deceasedBoolean"] = self.maybe(0.5)
            case 1:
                body["deceasedDateTime"] = self.pick(TIMES)
            case 2:
                body["_birthDate"] = {"extension": [{"url": "http://example.org/x", "valueString": "noon"}]}
        return body

    def practitioner(self) -> Body:
        """A Practitioner."""
        body: Body = {"name": self.some(self.name, 1)}
        self.optional(
            body, 0.5, identifier=lambda: self.some(self.identifier, 2), gender=lambda: self.pick(("male", "female"))
        )
        self.optional(body, 0.4, address=lambda: self.some(self.address, 1), active=lambda: self.maybe(0.5))
        return body

    def organization(self) -> Body:
        """An Organization, some part of another."""
        body: Body = {"name": self.pick(CITIES) + " Hospital"}
        self.optional(body, 0.4, alias=lambda: self.some(lambda: self.pick(FAMILIES), 2), type=lambda: [self.concept()])
        if self.maybe(0.6) and self.ids.get("Organization"):
            body["partOf"] = self.reference("Organization")
        return body

    def location(self) -> Body:
        """A Location, some part of another, some with a position."""
        body: Body = {"name": self.pick(CITIES), "status": self.pick(("active", "suspended"))}
        if self.maybe(0.7):
            latitude, longitude = self.pick(POSITIONS)
            body["position"] = {"latitude": latitude, "longitude": longitude}
        if self.maybe(0.6) and self.ids.get("Location"):
            body["partOf"] = self.reference("Location")
        self.optional(body, 0.4, address=self.address, managingOrganization=lambda: self.reference("Organization"))
        return body

    def encounter(self) -> Body:
        """An Encounter."""
        body: Body = {
            "status": self.pick(("planned", "finished", "in-progress")),
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": self.pick(("AMB", "IMP"))},
        }
        self.optional(
            body,
            0.6,
            subject=lambda: self.reference("Patient"),
            period=self.period,
            type=lambda: self.some(self.concept, 2),
            location=lambda: [{"location": self.reference("Location")}],
            participant=lambda: [{"individual": self.reference("Practitioner")}],
        )
        if self.maybe(0.3):
            body["length"] = {"value": self.pick((5, 60, 5.4)), "system": UCUM, "code": self.pick(("min", "h", "s"))}
        if self.maybe(0.4) and self.ids.get("Encounter"):
            body["partOf"] = self.reference("Encounter")
        if self.stays.random() < 0.6:
            years = [self.stays.randint(2010, 2016) for _ in range(self.stays.randint(1, 3))]
            body.setdefault("location", []).extend(
                {"location": {"display": "Ward"}, "period": {"start": f"{year}-03", "end": f"{year}-05-01"}}
                for year in years
            )
        return body

    def observed(self, body: Body) -> None:
        """A value of an Observation or of one of its components."""
        match self.chance.randrange(9):
            case 0 | 1 | 2 | 3:
                body["valueQuantity"] = self.quantity()
            case 4:
                body["valueCodeableConcept"] = self.concept()
            case 5:
                body["valueString"] = self.pick(DISPLAYS[:4])
            case 6:
                body["valueDateTime"] = self.pick(TIMES)
            case 7:
                body["valuePeriod"] = self.period()

    def observation(self) -> Body:
        """An Observation, some with components."""
        body: Body = {"status": self.pick(("final", "amended", "registered")), "code": self.concept()}
        self.optional(
            body,
            0.7,
            subject=lambda: self.reference("Patient", "Group", "Location"),
            category=lambda: [{"coding": [{"system": CATEGORIES, "code": self.pick(("laboratory", "vital-signs"))}]}],
        )
        self.optional(
            body,
            0.3,
            performer=lambda: self.some(lambda: self.reference("Practitioner", "Patient", "Organization"), 2),
            encounter=lambda: self.reference("Encounter"),
            identifier=lambda: [self.identifier()],
        )
        match self.chance.randrange(4):
            case 0 | 1:
                body["effectiveDateTime"] = self.pick(TIMES)
            case 2:
                body["effectivePeriod"] = self.period()
        self.observed(body)
        if self.maybe(0.35):
            body["component"] = self.some(self.component)
        if self.maybe(0.2) and self.ids.get("Observation"):
            body["derivedFrom"] = [self.reference("Observation")]
        if self.maybe(0.2) and self.ids.get("Observation"):
            body["hasMember"] = self.some(lambda: self.reference("Observation"), 2)
        return body

    def component(self) -> Body:
        """One component of an Observation."""
        body: Body = {"code": self.concept()}
        self.observed(body)
        return body

    def condition(self) -> Body:
        """A Condition."""
        body: Body = {"subject": self.reference("Patient", "Group")}
        self.optional(
            body,
            0.6,
            code=self.concept,
            category=lambda: [self.concept()],
            recordedDate=lambda: self.pick(TIMES),
            encounter=lambda: self.reference("Encounter"),
        )
        match self.chance.randrange(5):
            case 0:
                body["onsetDateTime"] = self.pick(TIMES)
            case 1:
                body["onsetPeriod"] = self.period()
            case 2:
                body["onsetAge"] = {"value": self.pick((5, 60)), "system": UCUM, "code": "a"}
            case 3:
                body["onsetString"] = self.pick(DISPLAYS[:4])
        return body

    def medication_request(self) -> Body:
        """A MedicationRequest."""
        body: Body = {
            "status": self.pick(("active", "stopped")),
            "intent": self.pick(("order", "plan")),
            "medicationCodeableConcept": self.concept(),
            "subject": self.reference("Patient", "Group"),
        }
        self.optional(
            body,
            0.5,
            authoredOn=lambda: self.pick(TIMES),
            requester=lambda: self.reference("Practitioner", "Organization", "Patient"),
            encounter=lambda: self.reference("Encounter"),
            dosageInstruction=lambda: [{"timing": {"event": self.some(lambda: self.pick(TIMES), 2)}}],
        )
        return body

    def diagnostic_report(self) -> Body:
        """A DiagnosticReport."""
        body: Body = {"status": "final", "code": self.concept()}
        self.optional(
            body,
            0.6,
            subject=lambda: self.reference("Patient", "Group", "Location"),
            result=lambda: self.some(lambda: self.reference("Observation"), 2),
            effectiveDateTime=lambda: self.pick(TIMES),
            issued=lambda: self.pick([t for t in TIMES if "T" in t]),
        )
        return body

    def risk_assessment(self) -> Body:
        """A RiskAssessment: numbers and ranges of numbers."""
        body: Body = {"status": "final", "subject": self.reference("Patient", "Group")}
        predictions: list[Body] = []
        for _ in range(self.chance.randint(0, 2)):
            one: Body = {"outcome": self.concept()}
            match self.chance.randrange(3):
                case 0 | 1:
                    one["probabilityDecimal"] = self.pick((0.8, 0.75, 0.85, 0.1, 1, 5.4, 100, 95, 94.9, 95.5, 0))
                case 2:
                    low, high = sorted((self.pick((1, 5, 60)), self.pick((60, 99.5, 100))))
                    one["probabilityRange"] = {"low": {"value": low, **PERCENT}, "high": {"value": high, **PERCENT}}
            predictions.append(one)
        if predictions:
            body["prediction"] = predictions
        return body

    def group(self) -> Body:
        """A Group with characteristics and members."""
        body: Body = {"type": "person", "actual": True}
        if self.maybe(0.6):
            body["characteristic"] = self.some(self.characteristic)
        if self.maybe(0.5):
            body["member"] = self.some(lambda: {"entity": self.reference("Patient")})
        return body

    def characteristic(self) -> Body:
        """A Group.characteristic."""
        body: Body = {"code": self.concept(), "exclude": self.maybe(0.3)}
        match self.chance.randrange(3):
            case 0:
                body["valueCodeableConcept"] = self.concept()
            case 1:
                body["valueBoolean"] = self.maybe(0.5)
            case 2:
                body["valueQuantity"] = self.quantity()
        return body

    def definition(self) -> Body:
        """What Questionnaire, ActivityDefinition, ValueSet and CodeSystem have in common."""
        body: Body = {"status": self.pick(("draft", "active"))}
        self.optional(
            body,
            0.6,
            url=lambda: self.pick(URLS),
            version=lambda: self.pick(("1", "1.0", "2.0", "V2")),
            title=lambda: self.pick([d for d in DISPLAYS if d]),
            useContext=lambda: self.some(self.use_context),
            date=lambda: self.pick(TIMES),
        )
        return body

    def questionnaire(self) -> Body:
        """A Questionnaire."""
        body = self.definition()
        if self.maybe(0.4):
            body["derivedFrom"] = self.some(self.canonical, 2)
        return body

    def activity_definition(self) -> Body:
        """An ActivityDefinition: canonicals to what it depends on."""
        body = self.definition()
        if self.maybe(0.5):
            body["relatedArtifact"] = self.some(
                lambda: {"type": self.pick(("depends-on", "derived-from")), "resource": self.canonical()}
            )
        if self.maybe(0.3):
            body["library"] = self.some(self.canonical, 2)
        return body

    def questionnaire_response(self) -> Body:
        """A QuestionnaireResponse."""
        body: Body = {"status": "completed"}
        self.optional(body, 0.7, questionnaire=self.canonical, subject=lambda: self.reference("Patient"))
        return body

    def molecular_sequence(self) -> Body:
        """A MolecularSequence: windows and variants."""
        body: Body = {"coordinateSystem": self.pick((0, 1))}
        if self.maybe(0.8):
            start = self.pick((5, 60, 100))
            body["referenceSeq"] = {"windowStart": start, "windowEnd": start + self.pick((1, 60, 100))}
            body["referenceSeq"]["chromosome"] = self.concept()
            if self.maybe(0.6):
                body["referenceSeq"]["referenceSeqId"] = self.concept()
        if self.maybe(0.6):
            body["variant"] = self.some(self.variant, 2)
        if self.maybe(0.5):
            body["patient"] = self.reference("Patient")
        return body

    def variant(self) -> Body:
        """A MolecularSequence.variant."""
        start = self.pick((5, 60, 100))
        return {"start": start, "end": start + self.pick((1, 5, 40))}

    def document_reference(self) -> Body:
        """A DocumentReference, some about others."""
        body: Body = {
            "status": self.pick(("current", "superseded")),
            "content": [{"attachment": {"contentType": self.pick(MIMES), "url": self.pick(URLS)}}],
        }
        self.optional(
            body,
            0.6,
            type=self.concept,
            subject=lambda: self.reference("Patient", "Practitioner", "Group"),
            date=lambda: self.pick([t for t in TIMES if "T" in t]),
            securityLabel=lambda: [self.concept()],
        )
        if self.maybe(0.6) and self.ids.get("DocumentReference"):
            body["relatesTo"] = self.some(
                lambda: {"code": self.pick(("replaces", "appends")), "target": self.reference("DocumentReference")}, 2
            )
        return body

    def list_(self) -> Body:
        """A List of anything."""
        body: Body = {"status": "current", "mode": "working"}
        entries = self.some(lambda: {"item": self.reference("Patient", "Observation", "Condition", "Encounter")}, 5)
        if self.maybe(0.9):
            body["entry"] = entries
        self.optional(body, 0.5, subject=lambda: self.reference("Patient"), code=self.concept)
        return body

    def invoice(self) -> Body:
        """An Invoice: money."""
        body: Body = {"status": "issued"}
        self.optional(
            body,
            0.8,
            totalGross=lambda: {"value": self.pick(NUMBERS), "currency": self.pick(("EUR", "USD"))},
            totalNet=lambda: {"value": self.pick(NUMBERS), "currency": "EUR"},
            subject=lambda: self.reference("Patient"),
        )
        return body

    def provenance(self) -> Body:
        """A Provenance: a reference to anything."""
        return {
            "target": self.some(lambda: self.reference("Observation", "Patient", "Condition"), 2),
            "recorded": self.pick([t for t in TIMES if "T" in t]),
            "agent": [{"who": self.reference("Practitioner", "Organization")}],
        }


def _mend(body: Body) -> None:
    """Make what was drawn keep R4's invariants, without another draw."""
    sequence = body.get("referenceSeq")
    if sequence is not None:  # msq-5, msq-6: exactly one way of naming it, and a chromosome is one of a build
        if "referenceSeqId" in sequence:
            sequence.pop("chromosome", None)
        elif "chromosome" in sequence:
            sequence["genomeBuild"] = "GRCh 37"
        else:
            sequence["referenceSeqString"] = "ACGT"
    if body["resourceType"] == "Observation":  # obs-7: a component of the same code has the value
        own = body["code"].get("coding", ())
        if any(one in own for part in body.get("component", ()) for one in part["code"].get("coding", ())):
            for key in [key for key in body if key.startswith("value")]:
                del body[key]


_MAKERS: dict[str, Callable[[Maker], Body]] = {
    "Organization": Maker.organization,
    "Practitioner": Maker.practitioner,
    "Location": Maker.location,
    "Patient": Maker.patient,
    "Group": Maker.group,
    "Encounter": Maker.encounter,
    "Observation": Maker.observation,
    "Condition": Maker.condition,
    "MedicationRequest": Maker.medication_request,
    "DiagnosticReport": Maker.diagnostic_report,
    "RiskAssessment": Maker.risk_assessment,
    "Questionnaire": Maker.questionnaire,
    "ActivityDefinition": Maker.activity_definition,
    "QuestionnaireResponse": Maker.questionnaire_response,
    "MolecularSequence": Maker.molecular_sequence,
    "DocumentReference": Maker.document_reference,
    "List": Maker.list_,
    "Invoice": Maker.invoice,
    "Provenance": Maker.provenance,
}

TYPES = (*_MAKERS, "ValueSet", "CodeSystem")
"""The resource types of a population."""

_COMMON = ("Patient", "Observation", "Observation", "Observation", "Encounter", "Condition", "Location", "Organization")
_DEFINED = ("Questionnaire", "Questionnaire", "QuestionnaireResponse", "QuestionnaireResponse", "ActivityDefinition")


def code_system() -> Body:
    """A small hierarchy."""
    return {
        "resourceType": "CodeSystem",
        "id": "tree",
        "url": TREE,
        "status": "active",
        "content": "complete",
        "concept": [
            {"code": "a", "concept": [{"code": "b"}, {"code": "c", "concept": [{"code": "d"}]}]},
            {"code": "e"},
        ],
    }


def value_sets() -> list[Body]:
    """Value sets: codes by name, a hierarchy, all of a system without some, and one made of the others."""
    composes: dict[str, Body] = {
        "named": {"include": [{"system": LOINC, "concept": [{"code": "a"}, {"code": "8867-4"}]}]},
        "under-c": {
            "include": [{"system": TREE, "filter": [{"property": "concept", "op": "is-a", "value": "c"}]}],
        },
        "not-b": {
            "include": [{"system": TREE}],
            "exclude": [{"system": TREE, "concept": [{"code": "b"}]}],
        },
        "both": {
            "include": [
                {"valueSet": ["http://example.org/vs/named"]},
                {"valueSet": ["http://example.org/vs/under-c"]},
                {"system": CATEGORIES, "concept": [{"code": "laboratory"}]},
            ]
        },
    }
    return [
        {
            "resourceType": "ValueSet",
            "id": id,
            "url": f"http://example.org/vs/{id}",
            "status": "active",
            "compose": compose,
        }
        for id, compose in composes.items()
    ]


def population(seed: int) -> list[Body]:
    """The resources of one population, in the order of their creation: every fifth is mostly of what urls name."""
    maker = Maker(seed)
    common = _DEFINED if seed % 5 == 2 else _COMMON
    size = maker.chance.randint(30, 70)
    order = ["Organization", "Practitioner", "Location", "Patient", "Patient", "Group", "Encounter", "Observation"]
    order += [maker.pick(common) if maker.maybe(0.55) else maker.pick(list(_MAKERS)) for _ in range(size - len(order))]
    for type in order:
        maker.add(type)
    known = [code_system(), *value_sets()]
    at = maker.chance.randrange(len(maker.made))
    hold(maker.made, random.Random(f"contained {seed}"))
    narrate(maker.made, random.Random(f"prose {seed}"))
    return [*maker.made[:at], *known, *maker.made[at:]]


_TOLD = (
    "bone",
    "marrow",
    "Heart",
    "rate",
    "of the",
    "<b>bone</b>",
    "<i>b</i>one<br/>rate",
    "5+3",
    "&lt; 60",
    "Häufigkeit",
    "not",
    "marrow-rate",
)


def narrate(bodies: list[Body], chance: random.Random) -> None:
    """Give some of the resources a narrative of few different words."""
    for body in bodies:
        if chance.random() < 0.3:
            told = " ".join(chance.choice(_TOLD) for _ in range(chance.randint(1, 7)))
            div = f'<div xmlns="http://www.w3.org/1999/xhtml">{told}</div>'
            body["text"] = {"status": "generated", "div": div}


def hold(bodies: list[Body], chance: random.Random) -> None:
    """Let some of the resources contain others, such as were created before: they refer to nothing that is yet to be.

    What is contained must be referred to (dom-3), and has no security labels (dom-5).
    """
    aside = random.Random(f"within {len(bodies)} {chance.getrandbits(32)}")
    for at in sorted(chance.sample(range(1, len(bodies)), len(bodies) // 3), reverse=True):
        body, there = bodies[at], bodies[:at]
        kind = chance.choice(there)["resourceType"]
        referred = [text.partition("/")[0] for one in _references(body) if "/" in (text := one["reference"])]
        if aside.random() < 0.7 and (known := {one["resourceType"] for one in there}.intersection(referred)):
            kind = aside.choice(sorted(known))
        alike = [one for one in there if one["resourceType"] == kind]
        some = [copy.deepcopy(chance.choice(chance.choice((alike, there)))) for _ in range(chance.choice((1, 1, 2, 3)))]
        body["contained"] = some
        for one, id in zip(some, chance.sample(("n1", "n2", "c1", "c2"), len(some)), strict=True):
            one["id"] = id
            if "meta" in one:
                one["meta"].pop("security", None)
                if not one["meta"]:
                    del one["meta"]
        for one in (body, *some):
            _refer_within(one, some, aside)
        body.setdefault("extension", []).extend(
            {"url": "http://example.org/holds", "valueReference": {"reference": f"#{one['id']}"}} for one in some
        )


def _refer_within(body: Body, some: list[Body], aside: random.Random) -> None:
    """Let most of the references to types that are contained lead there."""
    for one in _references(body):
        type, _, _ = one["reference"].partition("/")
        if (ids := [other["id"] for other in some if other["resourceType"] == type]) and aside.random() < 0.7:
            one["reference"] = f"#{aside.choice(ids)}"


def _references(value: Any) -> Iterator[dict[str, Any]]:
    """Those of a resource, but for what it contains."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for key, below in value.items():
            if key != "contained":
                yield from _references(below)
    elif isinstance(value, list):
        for below in value:
            yield from _references(below)
