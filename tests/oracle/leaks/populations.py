"""A world in the making: the oracle's populations, and beside them what laws of access are about.

Every version has a text that occurs nowhere else, its mark. Some resources were another patient's in an earlier
version, some are deleted.
"""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Callable
from dataclasses import replace

from tests.oracle import populations
from tests.oracle.leaks.world import MARK, Body, Step

STATES = ("http://example.org/state|a", "http://example.org/state|b")
VALUES = ("v1", "v2", "v3", "v4")
SYSTEM = "urn:leak"


class Maker:
    """Bodies that are valid R4, about one of some patients, with identifiers that collide on purpose."""

    def __init__(self, chance: random.Random, ids: dict[str, list[str]]) -> None:
        self.chance = chance
        self.ids = ids
        self.count = 0

    def mark(self) -> str:
        """A text that no other version has."""
        self.count += 1
        return f"mk{self.chance.getrandbits(40):010x}z{self.count}"

    def marked(self, body: Body) -> Body:
        """The same body with a mark of its own."""
        found = copy.deepcopy(body)
        if found["resourceType"] == "Binary":
            found["data"] = base64.b64encode(self.mark().encode()).decode()
        else:
            others = [one for one in found.get("extension", []) if one["url"] != MARK]
            found["extension"] = [*others, {"url": MARK, "valueString": self.mark()}]
        return found

    def reference(self, type: str, unlikely: float = 0.0) -> Body:
        """A Reference to what there is, or, that often, to nothing."""
        if self.chance.random() < unlikely or not self.ids.get(type):
            return {"reference": f"{type}/nobody"}
        return {"reference": f"{type}/{self.chance.choice(self.ids[type])}"}

    def patient(self) -> Body:
        """A Reference to a patient: mostly one of the first three."""
        few = self.ids["Patient"][: self.chance.choice((2, 3, 3, 9))]
        return {"reference": f"Patient/{self.chance.choice(few)}"}

    def identifier(self) -> Body:
        """An Identifier that others have too."""
        return {"system": SYSTEM, "value": self.chance.choice(VALUES)}

    def make(self, type: str) -> Body:
        """A body of the type, marked, without an id."""
        body: Body = {"resourceType": type, **MAKERS[type](self)}
        if type != "Binary":
            one = self.identifier()
            body["identifier"] = one if type in ("QuestionnaireResponse", "Composition") else [one]
        return self.marked(body)


def _observation(maker: Maker) -> Body:
    code = maker.chance.choice(("laboratory", "vital-signs"))
    found: Body = {
        "status": maker.chance.choice(("final", "amended")),
        "category": [{"coding": [{"system": populations.CATEGORIES, "code": code}]}],
        "code": {"coding": [{"system": populations.LOINC, "code": maker.chance.choice(populations.CODES)}]},
        "subject": maker.patient(),
    }
    if maker.chance.random() < 0.4:
        found["performer"] = [maker.reference(maker.chance.choice(("Practitioner", "Organization", "Patient")))]
    if maker.chance.random() < 0.3:
        found["encounter"] = maker.reference("Encounter")
    if maker.chance.random() < 0.25:
        found["device"] = maker.reference("Device")
    return found


def _appointment(maker: Maker) -> Body:
    others = [maker.patient() for _ in range(maker.chance.choice((1, 2, 2)))]
    people = [*others, maker.reference("Practitioner")]
    return {"status": "proposed", "participant": [{"actor": one, "status": "accepted"} for one in people]}


def _basic(maker: Maker) -> Body:
    system, _, code = maker.chance.choice((*STATES, "http://example.org/other|c")).partition("|")
    found: Body = {"code": {"coding": [{"system": system, "code": code}]}}
    if maker.chance.random() < 0.8:
        found["subject"] = maker.patient()
    return found


def _binary(maker: Maker) -> Body:
    found: Body = {"contentType": "text/plain"}
    kind = maker.chance.choice(("Patient", "DocumentReference", "DocumentReference", "Practitioner", ""))
    if kind:
        found["securityContext"] = maker.patient() if kind == "Patient" else maker.reference(kind, 0.1)
    return found


def _location(maker: Maker) -> Body:
    kind = maker.chance.choice(("PTRES", "PTRES", "HOSP", None))
    system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
    found: Body = {"status": "active", "name": "Somewhere", "managingOrganization": maker.reference("Organization")}
    return found | ({"type": [{"coding": [{"system": system, "code": kind}]}]} if kind else {})


def _composition(maker: Maker) -> Body:
    """Mostly of one patient; what it refers to is seldom all there."""
    kinds = ("Observation", "Observation", "DocumentReference", "Practitioner")
    entries = [maker.reference(maker.chance.choice(kinds), 0.03) for _ in range(maker.chance.choice((0, 1, 1, 2)))]
    found: Body = {
        "status": "final",
        "type": {"text": "x"},
        "subject": maker.patient(),
        "date": "2026-01-01",
        "author": [maker.reference("Practitioner")],
        "title": "x",
    }
    return found | ({"section": [{"title": "x", "entry": entries}]} if entries else {})


MAKERS: dict[str, Callable[[Maker], Body]] = {
    "Medication": lambda m: {"status": "active", "manufacturer": m.reference("Organization")},
    "PractitionerRole": lambda m: {
        "practitioner": m.reference("Practitioner"),
        "organization": m.reference("Organization"),
    },
    "Location": _location,
    "Patient": lambda m: {
        "active": True,
        "generalPractitioner": [m.reference("Practitioner")],
        "link": [{"other": m.patient(), "type": "seealso"}],
    },
    "Device": lambda m: {"status": "active", "patient": m.patient()},
    "Task": lambda m: {"status": "requested", "intent": "order", "for": m.patient()},
    "Observation": _observation,
    "DocumentReference": lambda m: {
        "status": "current",
        "subject": m.patient(),
        "content": [{"attachment": {"contentType": "text/plain", "url": "http://example.org/x"}}],
    },
    "Communication": lambda m: {"status": "completed", "subject": m.patient()},
    "QuestionnaireResponse": lambda m: {"status": "completed", "subject": m.patient()},
    "Appointment": _appointment,
    "Basic": _basic,
    "Binary": _binary,
    "MedicationStatement": lambda m: {
        "status": "active",
        "subject": m.patient(),
        "medicationReference": m.reference("Medication"),
    },
    "Composition": _composition,
    "Group": lambda m: {
        "type": "person",
        "actual": True,
        "member": [{"entity": m.patient()}, {"entity": m.patient()}],
    },
}
"""Type -> what a body of it says."""

WRITABLE = tuple(MAKERS)
_ORDER = (
    *(
        "Patient",
        "Medication",
        "PractitionerRole",
        "PractitionerRole",
        "PractitionerRole",
        "Location",
        "Location",
        "Device",
        "Device",
        "Task",
        "Task",
    ),
    *("Observation", "Observation", "Observation", "Observation", "DocumentReference", "DocumentReference"),
    *("Communication", "QuestionnaireResponse", "Appointment", "Appointment", "Basic", "Basic", "Basic"),
    *("Binary", "Binary", "Binary", "MedicationStatement", "Group", "Group"),
    *("Composition", "Composition", "Composition", "Composition"),
)


def steps(seed: int) -> tuple[list[Step], Maker]:
    """The writes that make a world, and who makes more like them."""
    chance = random.Random(f"leaks {seed}")
    bodies = populations.population(seed)
    ids: dict[str, list[str]] = {}
    for body in bodies:
        ids.setdefault(body["resourceType"], []).append(body["id"])
    maker = Maker(chance, ids)
    first = [maker.marked(body) for body in bodies]
    for number, type in enumerate(_ORDER):
        id = f"x{number}-{chance.getrandbits(32):08x}"
        made = maker.make(type) | {"id": id}
        ids.setdefault(type, []).append(id)
        first.append(made)
    found = [_put(body) for body in first]
    # What somebody else's record said, or nobody's, in an earlier or a later version.
    again = [one for one in first if one["resourceType"] in MAKERS and chance.random() < 0.3]
    found += [_put(maker.make(one["resourceType"]) | {"id": one["id"]}) for one in again]
    gone = [one for one in first[-len(_ORDER) :] if chance.random() < 0.15 and one["resourceType"] != "Patient"]
    found += [Step("DELETE", one["resourceType"], one["id"], None) for one in gone]
    found += [_put(maker.make(one["resourceType"]) | {"id": one["id"]}) for one in gone if chance.random() < 0.4]
    return _grouped(found, chance), maker


def _put(body: Body) -> Step:
    return Step("PUT", body["resourceType"], body["id"], body)


def _grouped(steps: list[Step], chance: random.Random) -> list[Step]:
    """Several at a time, but no resource twice at once."""
    found, group, names, size = [], 0, set[tuple[str, str]](), chance.randint(1, 15)
    for one in steps:
        if one.name in names or len(names) >= size:
            group, names, size = group + 1, set(), chance.randint(1, 15)
        names.add(one.name)
        found.append(replace(one, group=group))
    return found
