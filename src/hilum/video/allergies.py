"""Whether a patient is allergic to a medicine, as far as the record says so. https://hl7.org/fhir/R4/allergyintolerance.html

It refuses, and a clinician decides: a name in common is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hilum.video.elements import Element, Record
from hilum.video.refusals import refused
from hilum.video.sides import texts
from hilum.video.wording import codes

CLASSES: Final = {
    "penicillin": (
        "amoxicillin",
        "ampicillin",
        "penicillin",
        "piperacillin",
        "oxacillin",
        "nafcillin",
        "dicloxacillin",
    ),
    "sulfonamide": ("sulfamethoxazole", "sulfadiazine", "sulfasalazine"),
    "sulfa": ("sulfamethoxazole", "sulfadiazine", "sulfasalazine"),
    "cephalosporin": ("cephalexin", "cefazolin", "cefuroxime", "ceftriaxone", "cefdinir", "cefadroxil", "cefpodoxime"),
    "macrolide": ("azithromycin", "clarithromycin", "erythromycin"),
    "tetracycline": ("doxycycline", "minocycline", "tetracycline"),
    "nsaid": ("ibuprofen", "naproxen", "diclofenac", "ketorolac", "meloxicam", "indomethacin", "celecoxib", "aspirin"),
    "statin": ("atorvastatin", "simvastatin", "rosuvastatin", "pravastatin", "lovastatin"),
}
"""Classes that allergies are recorded by, and drugs of theirs, by ingredient: general knowledge, written down 2026-11.
Others are matched by name alone.
"""
FORMS: Final = frozenset((
    "actuat", "capsule", "capsules", "caps", "cream", "delayed", "disintegrating", "dose", "drops", "drug", "extended",
    "hour", "inhaler", "injection", "liquid", "metered", "nasal", "ointment", "oral", "patch", "pill", "powder",
    "product", "release", "solution", "spray", "suspension", "syrup", "tablet", "tablets", "tabs", "topical", "unit",
    "units", "with", "chewable", "daily", "film", "coated", "prefilled", "syringe", "pack", "auto", "injector",
))  # fmt: skip
"""Words in names of medicines that say in what form they come."""
_COMMON: Final = FORMS | frozenset((
    "allergy", "allergic", "substance", "containing", "medication", "hydrochloride", "sodium", "potassium", "calcium",
    "sulfate", "acid", "known", "allergen", "class", "intolerance", "adverse", "reaction", "succinate", "tartrate",
    "maleate", "besylate", "mesylate",
))  # fmt: skip
"""These, salts, and words around the names of allergies."""


def allergic(record: Record, name: str, drug: frozenset[tuple[str, str]], elements: Iterable[Element]) -> None:
    """Raises Refused where an allergy that is active is to this drug, to one of its words, or to its class.
    `elements`: that name the drug and what is in it.
    """
    words = ingredients(" ".join((name, *(text for one in elements for text in (*texts(one), one.text("display"))))))
    for one in record.all("AllergyIntolerance"):
        states = {c.text("code") for key in ("clinicalStatus", "verificationStatus") for c in one.each(key, "coding")}
        if states & {"inactive", "resolved", "refuted"}:
            continue
        for substance in (one.get("code"), *(reaction.get("substance") for reaction in one.each("reaction"))):
            if substance is None:
                continue
            theirs = ingredients(" ".join(texts(substance)))
            members = {member for word in theirs for member in CLASSES.get(word.removesuffix("s"), ())}
            if codes(substance) & drug or theirs & words or members & words:
                raise refused("allergy", f"The patient is allergic to {name}, or to a drug like it.", one.place)


def ingredients(text: str) -> frozenset[str]:
    """The words of a drug's name that tell it from others: without salts, forms and units."""
    return frozenset(word for word in re.findall(r"[a-z]{4,}", text.casefold()) if word not in _COMMON)
