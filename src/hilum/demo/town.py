"""Saguaro Bend, Arizona: its clinic, hospital, laboratory, pharmacy and health plan, and who works there.

The town is invented; it stands in empty desert. National provider identifiers begin with 9, which no issued NPI does
(they begin with 1 or 2), but carry a right check digit. Specialties: NUCC provider taxonomy codes, 2024.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from hilum.demo.codes import TOWN, Concept, hl7, reference, resource

_NUCC = "http://nucc.org/provider-taxonomy"
_NPI = "http://hl7.org/fhir/sid/us-npi"


class Place(NamedTuple):
    """An Organization and its Location, which share the last part of their ids."""

    key: str
    name: str
    kind: Concept
    function: Concept
    physical: Concept
    street: str
    latitude: str
    longitude: str
    phone: str
    hours: tuple[str, str] | None
    part_of: str | None = None


_PROVIDER = hl7("organization-type", "prov", "Healthcare Provider")
_DEPARTMENT = hl7("organization-type", "dept", "Hospital Department")
_BUILDING = hl7("location-physical-type", "bu", "Building")
_WARD = hl7("location-physical-type", "wa", "Ward")


def _role(code: str, display: str) -> Concept:
    return hl7("v3-RoleCode", code, display)


PLACES = (
    Place("clinic", "Saguaro Bend Family Clinic", _PROVIDER, _role("PC", "Primary care clinic"), _BUILDING,
          "210 Ocotillo Street", "33.9512", "-113.1684", "+1-928-555-0110", ("07:30:00", "17:30:00")),
    Place("hospital", "Saguaro Bend Community Hospital", _PROVIDER, _role("HOSP", "Hospital"), _BUILDING,
          "1 Canyon Road", "33.9568", "-113.1597", "+1-928-555-0120", None),
    Place("emergency", "Emergency Department, Saguaro Bend Community Hospital", _DEPARTMENT,
          _role("ER", "Emergency room"), _WARD, "1 Canyon Road", "33.9570", "-113.1599", "+1-928-555-0121", None,
          "hospital"),
    Place("maternity", "Maternity Ward, Saguaro Bend Community Hospital", _DEPARTMENT, _role("HU", "Hospital unit"),
          _WARD, "1 Canyon Road", "33.9569", "-113.1594", "+1-928-555-0122", None, "hospital"),
    Place("laboratory", "Desert Light Laboratory", _PROVIDER, _role("MBL", "medical laboratory"), _BUILDING,
          "34 Mesquite Avenue", "33.9529", "-113.1662", "+1-928-555-0130", ("06:30:00", "18:00:00")),
    Place("pharmacy", "Ironwood Pharmacy", _PROVIDER, _role("OUTPHARM", "outpatient pharmacy"), _BUILDING,
          "36 Mesquite Avenue", "33.9530", "-113.1659", "+1-928-555-0140", ("08:00:00", "21:00:00")),
)  # fmt: skip


class Professional(NamedTuple):
    """A Practitioner and what they do where."""

    id: str
    prefix: str
    given: str
    family: str
    gender: str
    degree: Concept
    specialty: Concept
    role: Concept
    place: str
    languages: tuple[str, ...] = ("en",)

    @property
    def name(self) -> str:
        """As patients say it: `Dr. Maren Lindqvist`."""
        return f"{self.prefix} {self.given} {self.family}".strip()


_MD = hl7("v2-0360", "MD", "Doctor of Medicine")
_RN = hl7("v2-0360", "RN", "Registered Nurse")
_PHARMD = hl7("v2-0360", "PharmD", "Doctor of Pharmacy")
_DOCTOR = hl7("practitioner-role", "doctor", "Doctor")
_NURSE = hl7("practitioner-role", "nurse", "Nurse")
_PHARMACIST = hl7("practitioner-role", "pharmacist", "Pharmacist")


def _nucc(code: str, display: str) -> Concept:
    return Concept(_NUCC, code, display)


PROFESSIONALS = (
    Professional("demo-dr-walsh", "Dr.", "Fiona", "Walsh", "female", _MD,
                 _nucc("207Q00000X", "Family Medicine Physician"), _DOCTOR, "clinic"),
    Professional("demo-dr-okafor", "Dr.", "Chidi", "Okafor", "male", _MD,
                 _nucc("207Q00000X", "Family Medicine Physician"), _DOCTOR, "clinic"),
    Professional("demo-dr-ibarra", "Dr.", "Marisol", "Ibarra", "female", _MD,
                 _nucc("207Q00000X", "Family Medicine Physician"), _DOCTOR, "clinic", ("en", "es")),
    Professional("demo-dr-lindqvist", "Dr.", "Maren", "Lindqvist", "female", _MD,
                 _nucc("208000000X", "Pediatrics Physician"), _DOCTOR, "clinic", ("en", "es")),
    Professional("demo-dr-cho", "Dr.", "Minji", "Cho", "female", _MD,
                 _nucc("2084P0800X", "Psychiatry Physician"), _DOCTOR, "clinic"),
    Professional("demo-dr-mbeki", "Dr.", "Lindiwe", "Mbeki", "female", _MD,
                 _nucc("207V00000X", "Obstetrics & Gynecology Physician"), _DOCTOR, "maternity", ("en", "es")),
    Professional("demo-dr-petrov", "Dr.", "Ilya", "Petrov", "male", _MD,
                 _nucc("207RC0000X", "Cardiovascular Disease Physician"), _DOCTOR, "hospital"),
    Professional("demo-dr-raman", "Dr.", "Anjali", "Raman", "female", _MD,
                 _nucc("207RP1001X", "Pulmonary Disease Physician"), _DOCTOR, "hospital"),
    Professional("demo-dr-stone", "Dr.", "Gabriel", "Stone", "male", _MD,
                 _nucc("207X00000X", "Orthopaedic Surgery Physician"), _DOCTOR, "hospital"),
    Professional("demo-dr-keane", "Dr.", "Rosalind", "Keane", "female", _MD,
                 _nucc("208600000X", "Surgery Physician"), _DOCTOR, "hospital"),
    Professional("demo-dr-nakai", "Dr.", "Tom", "Nakai", "male", _MD,
                 _nucc("207P00000X", "Emergency Medicine Physician"), _DOCTOR, "emergency"),
    Professional("demo-dr-voss", "Dr.", "Helena", "Voss", "female", _MD,
                 _nucc("207ZP0102X", "Anatomic Pathology & Clinical Pathology Physician"), _DOCTOR, "laboratory"),
    Professional("demo-nurse-tate", "", "Darnell", "Tate", "male", _RN,
                 _nucc("163W00000X", "Registered Nurse"), _NURSE, "clinic"),
    Professional("demo-pharmacist-haddad", "", "Rima", "Haddad", "female", _PHARMD,
                 _nucc("183500000X", "Pharmacist"), _PHARMACIST, "pharmacy", ("en", "es")),
)  # fmt: skip

NAMES = {p.id: p.name for p in PROFESSIONALS}
"""Practitioner id -> name, for Reference.display."""

PLAN = "Organization/demo-org-plan"
PLAN_NAME = "Sonoran Valley Health Plan"


class Service(NamedTuple):
    """A HealthcareService of a place."""

    key: str
    name: str
    place: str
    category: Concept
    type: Concept


_TYPES, _CATEGORIES = "service-type", "service-category"
SERVICES = (
    Service("general-practice", "General practice and check-ups", "clinic",
            hl7(_CATEGORIES, "17", "General Practice"), hl7(_TYPES, "124", "General Practice")),
    Service("pediatrics", "Care for children", "clinic",
            hl7(_CATEGORIES, "29", "Specialist Paediatric"), hl7(_TYPES, "200", "Paediatric Medicine")),
    Service("emergency", "Emergency care, day and night", "emergency",
            hl7(_CATEGORIES, "14", "Emergency Department"), hl7(_TYPES, "117", "Emergency Medical")),
    Service("maternity", "Pregnancy and birth", "maternity",
            hl7(_CATEGORIES, "28", "Specialist Obstetrics & Gynecology"), hl7(_TYPES, "186",
            "Obstetrics & Gynaecology")),
    Service("laboratory", "Blood and urine tests", "laboratory",
            hl7(_CATEGORIES, "26", "Specialist Clinical Pathology"), hl7(_TYPES, "159", "Pathology - General")),
    Service("pharmacy", "Prescriptions and vaccines", "pharmacy",
            hl7(_CATEGORIES, "7", "Community Health Care"), hl7(_TYPES, "64", "Pharmacy")),
)  # fmt: skip


def organization(place: str) -> dict[str, Any]:
    """A Reference to the Organization of a place."""
    return reference(f"Organization/demo-org-{place}", _BY_KEY[place].name)


def location(place: str) -> dict[str, Any]:
    """A Reference to the Location of a place."""
    return reference(f"Location/demo-loc-{place}", _BY_KEY[place].name)


def practitioner(id: str) -> dict[str, Any]:
    """A Reference to a Practitioner."""
    return reference(f"Practitioner/{id}", NAMES[id])


_BY_KEY = {place.key: place for place in PLACES}


def town() -> list[dict[str, Any]]:
    """All that patients share: Organizations, Locations, Practitioners, PractitionerRoles, HealthcareServices."""
    return [
        *map(_organization, PLACES),
        _health_plan(),
        *map(_location, PLACES),
        *(_practitioner(n, p) for n, p in enumerate(PROFESSIONALS)),
        *map(_practitioner_role, PROFESSIONALS),
        *map(_healthcare_service, SERVICES),
    ]


def npi(nine: str) -> str:
    """Nine digits and the check digit that NPIs carry: Luhn over the digits with 80840 before them."""
    total = 24
    for position, digit in enumerate(reversed(nine)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return nine + str(-total % 10)


def _address(street: str) -> dict[str, Any]:
    return {
        "use": "work",
        "line": [street],
        "city": "Saguaro Bend",
        "state": "AZ",
        "postalCode": "86101",
        "country": "US",
    }


def _telecom(phone: str, mailbox: str) -> list[dict[str, Any]]:
    return [
        {"system": "phone", "value": phone, "use": "work"},
        {"system": "email", "value": f"{mailbox}@saguaro-bend.example", "use": "work"},
    ]


def _organization(place: Place) -> dict[str, Any]:
    return resource(
        "Organization",
        f"demo-org-{place.key}",
        identifier=[{"system": TOWN + "organizations", "value": place.key}],
        active=True,
        type=[place.kind.concept()],
        name=place.name,
        telecom=_telecom(place.phone, place.key),
        address=[_address(place.street)],
        partOf=organization(place.part_of) if place.part_of else None,
    )


def _health_plan() -> dict[str, Any]:
    return resource(
        "Organization",
        "demo-org-plan",
        identifier=[{"system": TOWN + "organizations", "value": "plan"}],
        active=True,
        type=[hl7("organization-type", "pay", "Payer").concept()],
        name=PLAN_NAME,
        telecom=_telecom("+1-928-555-0150", "plan"),
        address=[_address("5 Sycamore Court")],
    )


def _location(place: Place) -> dict[str, Any]:
    hours = None
    if place.hours:
        opening, closing = place.hours
        hours = [{"daysOfWeek": ["mon", "tue", "wed", "thu", "fri"], "openingTime": opening, "closingTime": closing}]
    return resource(
        "Location",
        f"demo-loc-{place.key}",
        identifier=[{"system": TOWN + "locations", "value": place.key}],
        status="active",
        name=place.name,
        mode="instance",
        type=[place.function.concept()],
        telecom=_telecom(place.phone, place.key),
        address=_address(place.street),
        physicalType=place.physical.concept(),
        position={"longitude": Decimal(place.longitude), "latitude": Decimal(place.latitude)},
        managingOrganization=organization(place.key),
        partOf=location(place.part_of) if place.part_of else None,
        hoursOfOperation=hours or [{"daysOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "allDay": True}],
    )


def _practitioner(number: int, person: Professional) -> dict[str, Any]:
    name: dict[str, Any] = {"use": "official", "family": person.family, "given": [person.given]}
    if person.prefix:
        name["prefix"] = [person.prefix]
    return resource(
        "Practitioner",
        person.id,
        identifier=[{"use": "official", "system": _NPI, "value": npi(f"9990000{number + 1:02d}")}],
        active=True,
        name=[name],
        telecom=_telecom(f"+1-928-555-01{60 + number}", person.family.lower()),
        gender=person.gender,
        qualification=[{"code": person.degree.concept()}],
        communication=[{"coding": [{"system": "urn:ietf:bcp:47", "code": code}]} for code in person.languages],
    )


def _practitioner_role(person: Professional) -> dict[str, Any]:
    place = _BY_KEY[person.place]
    return resource(
        "PractitionerRole",
        person.id.replace("demo-", "demo-role-"),
        active=True,
        practitioner=practitioner(person.id),
        organization=organization(person.place),
        code=[person.role.concept()],
        specialty=[person.specialty.concept()],
        location=[location(person.place)],
        healthcareService=[
            reference(f"HealthcareService/demo-service-{s.key}", s.name) for s in SERVICES if s.place == person.place
        ]
        or None,
        telecom=_telecom(place.phone, place.key),
    )


def _healthcare_service(service: Service) -> dict[str, Any]:
    place = _BY_KEY[service.place]
    return resource(
        "HealthcareService",
        f"demo-service-{service.key}",
        identifier=[{"system": TOWN + "services", "value": service.key}],
        active=True,
        providedBy=organization(service.place),
        category=[service.category.concept()],
        type=[service.type.concept()],
        location=[location(service.place)],
        name=service.name,
        telecom=_telecom(place.phone, place.key),
        appointmentRequired=service.key not in ("emergency", "pharmacy", "laboratory"),
    )
