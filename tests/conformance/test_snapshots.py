"""Snapshots made of HL7's own differentials, beside the ones that HL7 published.

What differs is named here with its reason. Two canonicals are equal when only one of them names R4's version, which
later publishers add; and two contentReferences when both mean the same element.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data

from hilum.fhir import core
from hilum.problems import Unprocessable
from hilum.validation.profiles.definitions import Definitions, Loaded, unpack
from hilum.validation.profiles.snapshot import snapshot

pytestmark = needs_data

CORE = "hl7.fhir.r4.core"
OLD = "hl7.fhir.us.core-3.1.1"
PACKAGES = (CORE, OLD, "hl7.fhir.us.core-6.1.0", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-2.0.0")

ONLY = "older publishers take valueQuantity to say that it can be nothing else; later ones slice, and leave it open"
SPELLED = "what is said below the element counts for its slices: IPS spells it out in them, older publishers don't"
UNFOLDED = "children of an extension that are spelled out though nothing is said of them"
LOST = "what the differential says, or what the base has, is not in the published snapshot"
LOGICAL = "HL7 calls this resource a logical model, and those have no constraints of their own"
UNBOUND = "a binding on an extension, which can't have one, is dropped"

DEVIATIONS: dict[str, dict[str, str]] = {
    CORE: {
        **dict.fromkeys(
            [
                "bodyheight",
                "bodytemp",
                "bodyweight",
                "bp",
                "headcircum",
                "heartrate",
                "oxygensat",
                "resprate",
                "cholesterol",
                "hdlcholesterol",
                "ldlcholesterol",
                "triglyceride",
                "bmi",
            ],
            ONLY,
        ),
        **dict.fromkeys(
            ("catalog", "familymemberhistory-genetic", "devicemetricobservation", "clinicaldocument"), LOST
        ),
        "elementdefinition-de": UNFOLDED,
        "MetadataResource": LOGICAL,
        "provenance-relevant-history": SPELLED,
    },
    OLD: {
        **dict.fromkeys(
            [
                "pediatric-weight-for-height",
                "head-occipital-frontal-circumference-percentile",
                "pediatric-bmi-for-age",
                "us-core-goal",
            ],
            ONLY,
        ),
        **dict.fromkeys(("us-core-practitioner", "us-core-organization", "us-core-provenance"), SPELLED),
        **dict.fromkeys(("us-core-race", "us-core-ethnicity"), UNFOLDED),
        "us-core-patient": UNBOUND,
    },
    "hl7.fhir.us.core-6.1.0": dict.fromkeys(
        ("us-core-practitioner", "us-core-organization", "us-core-provenance"), SPELLED
    ),
    "hl7.fhir.us.core-7.0.0": dict.fromkeys(
        ("us-core-practitioner", "us-core-organization", "us-core-provenance", "us-core-average-blood-pressure"),
        SPELLED,
    ),
    "hl7.fhir.uv.ips-2.0.0": {},
}
ELSEWHERE = {
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaireresponse",
    "http://hl7.org/fhir/StructureDefinition/Base",
}
"""Bases that are in none of the packages."""


class Core:
    """R4's own definitions."""

    generation = 0
    structure = staticmethod(core.structure)
    value_set = staticmethod(core.value_set)
    code_system = staticmethod(core.code_system)


def loaded(package: str) -> tuple[list[dict[str, Any]], Loaded]:
    found = [json.loads(raw) for raw in unpack((DATA / "igs" / f"{package}.tgz").read_bytes())]
    structures = [one for one in found if one.get("resourceType") == "StructureDefinition"]
    return structures, Loaded(structures, base=None if package == CORE else Core())


def matters(element: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """What has to be equal of an element."""
    binding, slicing = element.get("binding", {}), element.get("slicing")
    if body["derivation"] == "specialization" and element["path"].endswith("xtension"):
        slicing = None  # extensions are sliced by their url, whether a type says so or not
    return {
        "path": element["path"],
        "sliceName": element.get("sliceName"),
        "min": element["min"],
        "max": element["max"],
        "type": sorted(
            (t["code"], sorted(map(bare, t.get("profile", ()))), sorted(map(bare, t.get("targetProfile", ()))))
            for t in element.get("type", ())
        ),
        "binding": (binding.get("strength"), bare(binding.get("valueSet", ""))),
        "value": {k: v for k, v in element.items() if k.startswith(("fixed", "pattern"))},
        "constraint": sorted(one["key"] for one in element.get("constraint", ())),
        "mustSupport": element.get("mustSupport", False),
        "isModifier": element.get("isModifier", False),
        "slicing": slicing
        and ([(one["type"], one["path"]) for one in slicing.get("discriminator", ())], slicing["rules"]),
        "contentReference": element.get("contentReference", "").partition("#")[2],
    }


def bare(canonical: str) -> str:
    return canonical.removesuffix("|4.0.1")


def whole(body: dict[str, Any]) -> dict[str, Any]:
    return {one["id"]: matters(one, body) for one in body["snapshot"]["element"]}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_snapshot_from_the_differential_is_the_published_one(package: str) -> None:
    structures, definitions = loaded(package)
    other, compared = set(), 0
    for body in structures:
        if not {"snapshot", "differential", "baseDefinition"} <= body.keys() or body["baseDefinition"] in ELSEWHERE:
            continue
        base = definitions.structure(body["baseDefinition"])
        assert base is not None, body["baseDefinition"]
        made = snapshot({k: v for k, v in body.items() if k != "snapshot"}, base, definitions)
        published, own = whole(body), whole(made)
        compared += 1
        if published != own or list(published) != list(own):
            other.add(body["id"])
    assert other == set(DEVIATIONS[package])
    assert compared >= {CORE: 640, OLD: 30}.get(package, 29)


class Lazily:
    """Definitions whose snapshots are made when they are asked for."""

    generation = 1

    def __init__(self, found: Definitions) -> None:
        self._found = found
        self._made: dict[str, dict[str, Any] | None] = {}

    def structure(self, canonical: str) -> dict[str, Any] | None:
        body = self._found.structure(canonical)
        if body is None or "snapshot" in body:
            return body
        if canonical not in self._made:
            self._made[canonical] = None
            base = self.structure(body.get("baseDefinition", ""))
            if base is not None:
                self._made[canonical] = snapshot(body, base, self)
        return self._made[canonical]

    def value_set(self, canonical: str) -> dict[str, Any] | None:
        return None

    def code_system(self, canonical: str) -> dict[str, Any] | None:
        return None


WRONG = {
    "obs-mz.json": "names an element valueBla on purpose",
    "v2-segment-profile.json": "a profile of a logical model of HL7 v2 that adds elements of its own",
}


def test_the_supporting_profiles_of_the_validator_cases_have_snapshots() -> None:
    found: list[tuple[str, dict[str, Any]]] = []
    for path in sorted((DATA / "validator").rglob("*.json")):
        if "outcomes" in path.parts:
            continue
        try:
            body = json.loads(path.read_text("utf-8-sig"))
        except ValueError:
            continue
        inside = [one.get("resource", {}) for one in body.get("entry", ())] if isinstance(body, dict) else []
        found += [
            (path.name, one)
            for one in ([body, *inside] if isinstance(body, dict) else [])
            if one.get("resourceType") == "StructureDefinition"
        ]
    others = [one for package in PACKAGES[3:] for one in loaded(package)[0]]
    definitions = Lazily(Loaded([*(body for _, body in found), *others], base=Core()))
    made, failed = 0, set()
    for name, body in found:
        base = definitions.structure(body.get("baseDefinition", "")) if "snapshot" not in body else None
        if base is not None:
            try:
                assert snapshot(body, base, definitions)["snapshot"]["element"]
                made += 1
            except Unprocessable:
                failed.add(name)
    assert failed == set(WRONG)
    assert made >= 73
