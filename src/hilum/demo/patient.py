"""The Patient, and the Coverage that pays. https://hl7.org/fhir/R4/patient.html"""

from __future__ import annotations

from html import escape
from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import LANGUAGE, TOWN, US_CORE, Concept, day, hl7, reference, when
from hilum.demo.diagnoses import concept_of
from hilum.demo.people import ENGLISH, Person
from hilum.demo.town import PLAN, PLAN_NAME, organization, practitioner

_MARITAL = {"M": "Married", "S": "Never Married", "D": "Divorced", "W": "Widowed"}
_KIN = {
    "MTH": "mother", "FTH": "father", "HUSB": "husband", "WIFE": "wife", "SIS": "sister", "BRO": "brother",
    "DAUC": "daughter", "SONC": "son",
}  # fmt: skip
_NEXT_OF_KIN = hl7("v2-0131", "N", "Next-of-Kin")
_RECORD_NUMBER = hl7("v2-0203", "MR", "Medical record number")
_MEMBER_NUMBER = hl7("v2-0203", "MB", "Member Number")


def patient(chart: Chart) -> None:
    """Write the Patient."""
    life, person = chart.life, chart.life.person
    deceased: dict[str, Any] = {"deceasedDateTime": when(life.died)} if life.died else {}
    status = person.marital
    chart.add(
        "Patient",
        person.id,
        text={"status": "generated", "div": narrative(chart)},
        extension=_us_core(person),
        identifier=[
            {
                "use": "usual",
                "type": _RECORD_NUMBER.concept(),
                "system": TOWN + "mrn",
                "value": record_number(person),
                "assigner": organization("hospital"),
            },
            {"type": _MEMBER_NUMBER.concept(), "system": TOWN + "plan/members", "value": member_number(person)},
        ],
        active=life.died is None,
        name=[{"use": "official", "text": person.name, "family": person.family, "given": list(person.given)}],
        telecom=[
            {"system": "phone", "value": person.phone, "use": "mobile"},
            {"system": "email", "value": person.email, "use": "home"},
        ],
        gender=person.gender,
        birthDate=day(person.birth),
        **deceased,
        address=[{**person.address, "period": {"start": day(life.begins)}}],
        maritalStatus=hl7("v3-MaritalStatus", status, _MARITAL[status]).concept() if status else None,
        contact=[_contact(person)],
        communication=_languages(person),
        generalPractitioner=[practitioner(person.pcp)],
        managingOrganization=organization("clinic"),
    )


def coverage(chart: Chart) -> None:
    """Write the Coverage: everyone in town has the same plan."""
    life, person = chart.life, chart.life.person
    period = (
        {"start": f"{life.begins.year}-01-01"} if life.begins.year > person.birth.year else {"start": day(person.birth)}
    )
    if life.died:
        period["end"] = day(life.died)
    chart.add(
        "Coverage",
        identifier=[chart.identifier("plan/coverages", member_number(person))],
        status="cancelled" if life.died else "active",
        type=hl7("v3-ActCode", "HIP", "health insurance plan policy").concept(),
        subscriberId=member_number(person),
        beneficiary=chart.subject,
        relationship=hl7("subscriber-relationship", "self", "Self").concept(),
        period=period,
        payor=[reference(PLAN, PLAN_NAME)],
        class_=[
            {
                "type": hl7("coverage-class", "plan", "Plan").concept(),
                "value": "SV-OPEN",
                "name": "Sonoran Valley Open",
            }
        ],
    )


def record_number(person: Person) -> str:
    """The medical record number: `SB-000001`."""
    return f"SB-{person.number:06d}"


def member_number(person: Person) -> str:
    """The health plan's number for this person."""
    return f"SV{410000 + person.number * 7}"


def narrative(chart: Chart) -> str:
    """The patient in a few lines of XHTML. https://hl7.org/fhir/R4/narrative.html"""
    life, person = chart.life, chart.life.person
    rows = [
        ("Born", f"{day(person.birth)} ({person.gender})"),
        ("Died", day(life.died) if life.died else ""),
        ("Record number", record_number(person)),
        ("Language", person.language.display),
        ("Address", f"{person.address['line'][0]}, Saguaro Bend, AZ {person.address['postalCode']}"),
        ("Conditions", ", ".join(_current(chart)) or "none known"),
    ]
    cells = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows if value)
    return (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{escape(person.name)}</b></p><table>{cells}</table>'
        "<p>An invented person: test data.</p></div>"
    )


def _current(chart: Chart) -> list[str]:
    """The plain names of conditions that are there at the end of the record."""
    return [concept_of(p).words for p in chart.life.problems if p.ended is None]


def _us_core(person: Person) -> list[dict[str, Any]]:
    """Race, ethnicity and sex at birth. http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"""
    community = person.community

    def coded(name: str, concept: Concept) -> dict[str, Any]:
        return {
            "url": f"{US_CORE}StructureDefinition/{name}",
            "extension": [
                {"url": "ombCategory", "valueCoding": concept.coding()},
                {"url": "text", "valueString": concept.display},
            ],
        }

    return [
        coded("us-core-race", community.race),
        coded("us-core-ethnicity", community.ethnicity),
        {"url": f"{US_CORE}StructureDefinition/us-core-birthsex", "valueCode": person.gender[0].upper()},
    ]


def _contact(person: Person) -> dict[str, Any]:
    code, given, family = person.kin
    return {
        "relationship": [_NEXT_OF_KIN.concept(), hl7("v3-RoleCode", code, _KIN[code]).concept()],
        "name": {"use": "usual", "family": family, "given": [given]},
        "telecom": [{"system": "phone", "value": f"+1-928-555-01{(person.number * 37) % 100:02d}", "use": "mobile"}],
    }


def _languages(person: Person) -> list[dict[str, Any]]:
    """The preferred language first; most also get by in English."""
    own = {"language": Concept(LANGUAGE, person.language.code, person.language.display).concept(), "preferred": True}
    return [own] if person.language is ENGLISH else [own, {"language": ENGLISH.concept(), "preferred": False}]
