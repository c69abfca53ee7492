"""The data that the searches run over: the guides' examples, Synthea patients, and variations of every profile.

Each profile's variations are copies of the guide's own example of it, whose searched elements say something else each
time: another patient of three, another status, a date of another precision.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from tests.conformance.us_core import people
from tests.conformance.us_core.elements import Body, read, write
from tests.conformance.us_core.metadata import VERSIONS, Parameter, Profile, package, profiles
from tests.shared_data import DATA

COPIES = 12
"""Variations per profile."""
PATIENTS = 3
"""Patients that the variations are about, per version."""


@cache
def examples(version: str) -> tuple[Body, ...]:
    """The examples of a guide; those of 6.1.0 under ids of their own, so that both guides' stand side by side."""
    found = [body for name, body in package(version) if name.startswith("package/example/")]
    if version == VERSIONS[-1]:
        return tuple(found)
    texts = json.dumps(found)
    for body in found:
        type, id = body["resourceType"], body["id"]
        texts = texts.replace(f'"reference": "{type}/{id}"', f'"reference": "{type}/six-{id}"')
    return tuple({**body, "id": f"six-{body['id']}"} for body in json.loads(texts))


def of_profile(bodies: tuple[Body, ...], profile: Profile) -> list[Body]:
    """Those that claim the profile."""
    return [
        body
        for body in bodies
        if body["resourceType"] == profile.resource
        and any(url.partition("|")[0] == profile.url for url in body.get("meta", {}).get("profile", ()))
    ]


# --- variations -------------------------------------------------------------------------------------------------------


def variations(profile: Profile) -> list[Body]:
    """Copies of the profile's examples that differ in what can be searched."""
    models = of_profile(examples(profile.version), profile) or [_without_example(profile)]
    made = []
    for n in range(COPIES if profile.searches else 0):
        chance = Random(f"{profile.key}/{n}")
        body = copy.deepcopy(models[n % len(models)])
        body["id"] = f"{profile.key}-{n}"
        for parameter in profile.parameters.values():
            _vary(body, parameter, profile.version, n, chance)
        _link(body, profile.version, chance)
        made.append(body)
    return made


def _without_example(profile: Profile) -> Body:
    """Of PractitionerRole neither guide has an example, and R4 requires nothing in it."""
    assert profile.resource == "PractitionerRole", profile
    return {"resourceType": "PractitionerRole", "meta": {"profile": [profile.url]}, "active": True}


def _vary(body: Body, parameter: Parameter, version: str, n: int, chance: Random) -> None:
    type, code = body["resourceType"], parameter.code
    if code in ("_id", "_lastUpdated"):
        return
    path = chance.choice(parameter.paths)
    if parameter.type == "Reference":
        target = _target(type, code)
        about = n % PATIENTS if code == "patient" else chance.randrange(COPIES)
        write(body, path, {"reference": f"{target}/{version[0]}-{target.lower()}-{about}"})
    elif f"{type}.{code}" in SPECIAL:
        key, value = SPECIAL[f"{type}.{code}"](chance)
        write(body, path, value, key)
    elif parameter.type in ("CodeableConcept", "Coding"):
        shown = [one for value in read(body, path) if isinstance(value, dict) for one in value.get("coding", [value])]
        made = [people.coding(chance, parameter, shown)]
        if code != "clinical-status" and chance.random() < 0.2:  # whose binding is required
            made[0] = {**made[0], "system": "http://codes.example/other"}  # the same code, but not the same concept
        if chance.random() < 0.2:
            made.append({"system": "http://codes.example/local", "code": f"also-{chance.randrange(3)}"})
        write(body, path, {"coding": made, "text": f"{code} {n}"} if parameter.type == "CodeableConcept" else made[0])
    elif parameter.type == "code":
        write(body, path, chance.choice(parameter.values))
    elif path.endswith(("DateTime", "dueDate")):
        write(body, path, VALUES["dateTime" if path.endswith("DateTime") else "day"](chance))
    elif path.endswith("Period"):
        write(body, path, people.period(chance))
    else:
        write(body, path, VALUES[parameter.type](chance))


def _target(type: str, code: str) -> str:
    return {"patient": "Patient", "encounter": "Encounter", "location": "Location", "practitioner": "Practitioner"}[
        code
    ]


VALUES: dict[str, Callable[[Random], Any]] = {
    "Period": people.period,
    "dateTime": people.date_time,
    "instant": lambda chance: people.date_time(chance, instant=True),
    "day": lambda chance: str(people.day(chance)),
    "Identifier": people.identifier,
    "string": lambda chance: chance.choice(people.NAMES),
    "Address": people.address,
    "HumanName": people.human_name,
    "canonical": lambda chance: f"http://forms.example/{chance.choice('ab')}{chance.choice(['', '|1', '|1.2'])}",
}
"""Type of the searched element -> a value of it."""


def _timing(element: str) -> Callable[[Random], tuple[str, Any]]:
    """A choice of dateTime and Period."""
    return lambda chance: (
        (f"{element}DateTime", people.date_time(chance))
        if chance.random() < 0.6
        else (f"{element}Period", people.period(chance))
    )


SPECIAL: dict[str, Callable[[Random], tuple[str | None, Any]]] = {
    "Condition.asserted-date": lambda chance: ("valueDateTime", people.date_time(chance)),
    "Condition.abatement-date": _timing("abatement"),
    "Condition.onset-date": _timing("onset"),
    "DiagnosticReport.date": _timing("effective"),
    "Encounter.class": lambda chance: (
        None,
        dict(zip(("code", "display"), chance.choice(people.ACTS), strict=True)) | {"system": people.ACT_CODES},
    ),
    "Goal.target-date": lambda chance: ("dueDate", str(people.day(chance))),
    "Immunization.date": lambda chance: ("occurrenceDateTime", people.date_time(chance)),
    "Location.address-city": lambda chance: (None, chance.choice(people.CITIES)[0]),
    "Location.address-postalcode": lambda chance: (None, chance.choice(people.CITIES)[2]),
    "Location.address-state": lambda chance: (None, chance.choice(people.CITIES)[1]),
    "Observation.date": _timing("effective"),
    "Patient.birthdate": lambda chance: (None, str(people.day(chance, 1980))),
    "Patient.death-date": lambda chance: chance.choice(
        [("deceasedDateTime", people.date_time(chance)), ("deceasedBoolean", False)]
    ),
    "Patient.family": lambda chance: (None, chance.choice(people.FAMILIES)),
    "Patient.gender": lambda chance: (None, chance.choice(people.GENDERS)),
    "Procedure.date": _timing("performed"),
}
"""type.code -> (name of the element in JSON where it is a choice, a value)."""


def _link(body: Body, version: str, chance: Random) -> None:
    """What `_include` of the profile brings, and what only the guide's own parameters find."""

    def one(type: str) -> Body:
        return {"reference": f"{type}/{version[0]}-{type.lower()}-{chance.randrange(COPIES)}"}

    match body["resourceType"]:
        case "CareTeam":
            members = ("PractitionerRole", "Practitioner", "Patient", "RelatedPerson")
            first = body["participant"][0]
            body["participant"] = [{**first, "member": one(type)} for type in members]
        case "MedicationRequest" | "MedicationDispense":
            medication = chance.choice([b for b in examples(version) if b["resourceType"] == "Medication"])
            write(body, "medication", {"reference": f"Medication/{medication['id']}"}, "medicationReference")
            body.pop("contained", None)  # dom-3: nothing refers to it any more
        case "Condition" if any(key.startswith("abatement") for key in body):  # con-4
            for coding in body["clinicalStatus"]["coding"]:
                if coding["code"] not in ("inactive", "resolved", "remission"):
                    coding |= {"code": "resolved", "display": "Resolved"}
        case "Patient":
            body["extension"] = people.extensions(chance)
        case "PractitionerRole":
            body["endpoint"] = [{"reference": f"Endpoint/endpoint-{chance.randrange(3)}"}]


def _endpoints() -> list[Body]:
    return [
        {
            "resourceType": "Endpoint",
            "id": f"endpoint-{n}",
            "status": "active",
            "connectionType": {
                "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
                "code": "hl7-fhir-rest",
            },
            "payloadType": [{"text": "any"}],
            "address": f"https://endpoint{n}.example/fhir",
        }
        for n in range(3)
    ]


def _provenances(bodies: list[Body], version: str) -> list[Body]:
    """About two of three, some of them about two at once and about their patient too."""
    (model,) = (body for body in examples(version) if body["resourceType"] == "Provenance")
    made = []
    for n, body in enumerate(bodies):
        chance = Random(f"provenance/{body['id']}")
        if chance.random() < 0.6:
            about = [body, *chance.sample(bodies, chance.choice((0, 0, 1)))]
            targets = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in about]
            targets += [reference for one in about for reference in read(one, "subject")][: chance.choice((0, 1))]
            made.append({**copy.deepcopy(model), "id": f"{version[0]}-provenance-{n}", "target": targets})
    return made


# --- Synthea ----------------------------------------------------------------------------------------------------------


def synthea(count: int) -> list[Body]:
    """The resources of so many patients, the smallest records first, under the ids of their bundles."""
    files = sorted((DATA / "synthea" / "smart-generated").glob("*_*.json.gz"), key=lambda file: file.stat().st_size)
    found = []
    for file in files[:count]:
        entries = json.loads(gzip.decompress(file.read_bytes()))["entry"]
        names = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['fullUrl'].rpartition(':')[2]}" for e in entries}
        text = json.dumps([{**e["resource"], "id": e["fullUrl"].rpartition(":")[2]} for e in entries])
        for urn, reference in names.items():
            text = text.replace(f'"{urn}"', f'"{reference}"')
        found += json.loads(text)
    return found


# --- all of it --------------------------------------------------------------------------------------------------------


def everything(patients: int) -> list[Body]:
    """All resources in the order in which they are to be created; each (type, id) once."""
    bodies: list[Body] = [*_endpoints(), *synthea(patients)]
    for version in VERSIONS:
        made = [body for profile in profiles() if profile.version == version for body in variations(profile)]
        bodies += [*examples(version), *made, *_provenances(made, version)]
    once = {(body["resourceType"], body["id"]): body for body in bodies}
    ordered = list(once.values())
    Random("order").shuffle(ordered)
    return ordered
