"""Values for generated resources: what a search of each kind can find, or just miss. Deterministic by the `chance`."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from tests.conformance.us_core.metadata import Parameter

FAMILIES = ("Núñez", "Smith", "Smithson", "van der Berg", "O'Hara")
GIVEN = ("Ana", "Anabel", "José", "Li", "Morgan")
STREETS = ("1 Main St", "22 Elm St", "1 Maine Ave")
CITIES = (("Boston", "MA", "02108"), ("Bostonville", "MA", "02109"), ("Ann Arbor", "MI", "48104"))
NAMES = ("General Hospital", "General Practice", "Clínica Ángel", "Elm Street Clinic")
SYSTEM = "http://hospital.example/ids"
GENDERS = ("male", "female", "other", "unknown")
ACTS = (("AMB", "ambulatory"), ("IMP", "inpatient encounter"), ("EMER", "emergency"))
ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


def day(chance: Random, first: int = 2015) -> date:
    """One of a few hundred days: close enough to share months and years."""
    return date(first, 1, 1) + timedelta(days=chance.randrange(0, 1200, 3))


def date_time(chance: Random, *, instant: bool = False) -> str:
    """A moment of any precision and zone that FHIR knows."""
    at = day(chance).isoformat()
    whole = [f"{at}T09:30:00Z", f"{at}T23:45:10.250Z", f"{at}T01:15:00+05:30", f"{at}T20:00:00-08:00"]
    return chance.choice(whole if instant else [*whole, at, at, at[:7], at[:4]])


def period(chance: Random) -> dict[str, str]:
    """Closed, or open at one side."""
    start = day(chance)
    end = start + timedelta(days=chance.choice((0, 2, 40)))
    both = {"start": f"{start}T08:00:00Z", "end": f"{end}T17:00:00Z"}
    return chance.choice([both, both, {"start": str(start), "end": str(end)}, {"start": str(start)}, {"end": str(end)}])


def human_name(chance: Random) -> dict[str, Any]:
    return {"family": chance.choice(FAMILIES), "given": [chance.choice(GIVEN), chance.choice("ABC")]}


def address(chance: Random) -> dict[str, Any]:
    city, state, postal_code = chance.choice(CITIES)
    return {"line": [chance.choice(STREETS)], "city": city, "state": state, "postalCode": postal_code, "country": "US"}


def identifier(chance: Random) -> dict[str, str]:
    """The same values in two systems, and without one."""
    value = {"value": f"id-{chance.randrange(6)}"}
    return chance.choice([{"system": SYSTEM, **value}, {"system": f"{SYSTEM}/other", **value}, value])


def coding(chance: Random, parameter: Parameter, shown: list[dict[str, Any]]) -> dict[str, str]:
    """One that the profile names, one that its example has, or one of the same code system."""
    systems = [one["system"] for one in shown if "system" in one]
    usual = systems[0] if systems else "http://codes.example/local"
    if parameter.values:
        code = chance.choice(parameter.values)
        return {"system": parameter.systems.get(code, usual), "code": code}
    known = [one for one in shown if "code" in one]
    return chance.choice([*known, {"system": usual, "code": "made-up-1"}, {"system": usual, "code": "made-up-2"}])


US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
RACES = "urn:oid:2.16.840.1.113883.6.238"


def extensions(chance: Random) -> list[dict[str, Any]]:
    """Race, ethnicity and gender identity. https://hl7.org/fhir/us/core/StructureDefinition-us-core-race.html"""
    race, ethnicity = chance.choice(("2106-3", "2054-5", "2028-9")), chance.choice(("2135-2", "2186-5"))
    identity = chance.choice(("446141000124107", "446151000124109"))
    return [
        {
            "url": f"{US_CORE}/us-core-{name}",
            "extension": [
                {"url": "ombCategory", "valueCoding": {"system": RACES, "code": code}},
                {"url": "text", "valueString": code},
            ],
        }
        for name, code in (("race", race), ("ethnicity", ethnicity))
    ] + [
        {
            "url": f"{US_CORE}/us-core-genderIdentity",
            "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": identity}]},
        }
    ]
