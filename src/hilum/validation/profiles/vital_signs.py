"""Which Observations are vital signs, and the profile that each must conform to.

"If implementations use the following data and profiles, they SHALL conform": the magic codes are those of
https://hl7.org/fhir/R4/observation-vitalsigns.html; LOINC's other codes of the same measurements, and SNOMED CT's, are
those that HL7's validator holds to be the same (as of 2026-08).
"""

from __future__ import annotations

from typing import Any, Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"

_CODES: Final = {
    "vitalspanel": (f"{LOINC} 85353-1", f"{SNOMED} 46680005"),
    "resprate": (
        f"{LOINC} 9279-1 76170-0 76172-6 76171-8 19840-8 33438-3 76270-8 11291-2",
        f"{SNOMED} 86290005 271625008 271306003",
    ),
    "heartrate": (
        f"{LOINC} 8867-4 60978-4 73795-7 73799-9 76476-1 76477-9 8889-8 8890-6 8891-4 8892-2 8893-0 40443-4 55425-3 "
        "68999-2 11328-2 69000-8 8886-4",
        f"{SNOMED} 249043002 444981005 399017001 251670001 429525003 429614003",
    ),
    "oxygensat": (
        f"{LOINC} 2708-6 19224-5 20564-1 2709-4 2710-2 2713-6 51733-4 59408-5 59417-6 89276-0 97549-0",
        f"{SNOMED} 442476006 431314004",
    ),
    "bodytemp": (
        f"{LOINC} 8310-5 60834-9 60835-6 60836-4 60838-0 60955-2 61009-7 75539-7 75987-8 76010-8 76011-6 76278-1 "
        "8309-7 8328-7 8329-5 8330-3 8331-1 8332-9 8333-7 8334-5 91371-5 98657-0 98663-8",
        f"{SNOMED} 386725007 276885007 300076005 1222808002 364246006 307047009 708499008 431598003 698831002 "
        "698832009 415882003 415974002 415929009 415945006",
    ),
    "bodyheight": (
        f"{LOINC} 8302-2 3137-7 3138-5 8306-3 8308-9",
        f"{SNOMED} 1153637007 1162419008 50373000 1162418000 1230278008 1162392001 1162417005",
    ),
    "headcircum": (f"{LOINC} 9843-4 8287-5", f"{SNOMED} 363812007 169876006 1269262007 363811000"),
    "bodyweight": (
        f"{LOINC} 29463-7 3141-9 3142-7 75292-3 79348-9 8350-1 8351-9",
        f"{SNOMED} 735395000 425024002 424927000 784399000 1162416001 1162415002",
    ),
    "bmi": (f"{LOINC} 39156-5 89270-3", f"{SNOMED} 60621009"),
    "bp": (
        f"{LOINC} 85354-9 35094-2 8459-0 76534-7 55284-4 8480-6",
        f"{SNOMED} 251076008 163033001 163035008 386534000 386536003 271649006 271650006 407556006 407554009 716579001 "
        "399304008",
    ),
}

_PROFILE_OF: Final = {
    (system, code): f"http://hl7.org/fhir/StructureDefinition/{name}"
    for name, lists in _CODES.items()
    for system, *codes in (one.split() for one in lists)
    for code in codes
}


def implied(body: dict[str, Any]) -> str | None:
    """The profile that an Observation must conform to because of its code; None when it is no vital sign."""
    if body.get("resourceType") != "Observation":
        return None
    code = body.get("code")
    codings = code.get("coding") if type(code) is dict else None
    for system in (LOINC, SNOMED):
        for coding in codings if type(codings) is list else ():
            if type(coding) is dict and coding.get("system") == system:
                found = _PROFILE_OF.get((system, str(coding.get("code"))))
                if found is not None:
                    return found
    return None
