"""The examples that US Core and the International Patient Summary publish are valid, but for what is wrong in them.

Each is held against R4's rules, against the profiles that it claims, and against everything else that HL7's validator
holds it against. What is wrong in published examples stands in WRONG with the reason; nothing else is excused.
"""

from __future__ import annotations

import os
import random
import tarfile
from functools import cache
from io import BytesIO

import pytest
from tests.conformance.terminology import Oracle
from tests.conformance.validator_cases import base
from tests.shared_data import DATA, needs_data

from hilum.fhir import json as fhir_json
from hilum.validation import profiles, validate
from hilum.validation.profiles.definitions import Loaded, unpack

GUIDES = ("hl7.fhir.us.core-3.1.1", "hl7.fhir.us.core-6.1.0", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-2.0.0")
FULL = os.environ.get("HILUM_FULL") == "1"
SMALL = 25

NOT_ITS_OWN = "a full url ends in another type and id than its resource has"
RELATIVE = "a full url is relative"
ELSEWHERE = "a narrative links to anchors that are in no resource of the Bundle, or in another one"
MAGIC = "a vital sign by a code that R4's profile does not list: since US Core 3.1.1 HL7 holds them to be vital signs"
HASH = "the hash is in hexadecimal digits, and padded: it is no base64"

WRONG: dict[str, dict[str, set[str]]] = {
    # guide: file: {paths}; the reasons stand beside them
    "hl7.fhir.us.core-3.1.1": {
        "DiagnosticReport-cardiology-report.json": {"DiagnosticReport.presentedForm[0].hash"},  # HASH
        "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {
            "Bundle.entry[2]",  # NOT_ITS_OWN
            "Bundle.entry[0].resource.text.div",  # ELSEWHERE
        },
        "Bundle-uscore-mo3.json": {
            "Bundle.entry[1]",  # RELATIVE
            "Bundle.entry[0].resource.text.div",  # ELSEWHERE
        },
        "Observation-oxygen-saturation.json": {"Observation.code"},  # MAGIC
        "Observation-length.json": {"Observation.code"},  # MAGIC
        "Bundle-c887e62f-6166-419f-8268-b5ecd6c7b901.json": {"Bundle.entry[1].resource.text.div"},  # ELSEWHERE
    },
    "hl7.fhir.us.core-6.1.0": {
        "Bundle-docref-example-2.json": {"Bundle.entry[2]"},  # NOT_ITS_OWN
        "Bundle-66c8856b-ba11-4876-8aa8-467aad8c11a2.json": {
            "Bundle.entry[2]",  # NOT_ITS_OWN
            "Bundle.entry[0].resource.text.div",  # ELSEWHERE
        },
        "Bundle-c887e62f-6166-419f-8268-b5ecd6c7b901.json": {"Bundle.entry[1].resource.text.div"},  # ELSEWHERE
    },
}


@cache
def package(name: str) -> bytes:
    return (DATA / "igs" / f"{name}.tgz").read_bytes()


@cache
def definitions(name: str) -> Loaded:
    found = Loaded(base=base())
    found.add_package(unpack(package(name)))
    return found


def examples(name: str) -> list[tuple[str, bytes]]:
    found = []
    with tarfile.open(fileobj=BytesIO(package(name))) as archive:
        for member in archive:
            folder, _, file = member.name.rpartition("/")
            if folder == "package/example" and file.endswith(".json") and not file.startswith("."):
                found.append((file, archive.extractfile(member).read()))  # type: ignore[union-attr]
    if not FULL:  # those that are excused, and some by chance
        chosen = random.Random(5).sample(found, min(SMALL, len(found)))
        found = [one for one in found if one in chosen or one[0] in WRONG.get(name, {})]
    return found


@needs_data
@pytest.mark.parametrize("name", GUIDES)
def test_published_examples_conform_to_the_profiles_that_they_claim(name: str) -> None:
    known = definitions(name)
    told: dict[str, set[str]] = {}
    for file, raw in examples(name):
        body = fhir_json.parse(raw)
        if "resourceType" not in body:
            continue
        found = [*validate(body), *profiles.conformance(body, known, Oracle(known))]
        wrong = {str(one.expression).removesuffix(".fullUrl") for one in found if one.severity == "error"}
        if wrong:
            told[file] = wrong
    assert told == WRONG.get(name, {})


@needs_data
@pytest.mark.parametrize("name", GUIDES)
def test_an_example_without_what_its_profile_requires_does_not_conform(name: str) -> None:
    known = definitions(name)
    found = 0
    for _, raw in examples(name):
        body = fhir_json.parse(raw)
        for url in body.get("meta", {}).get("profile", ()):
            profile = known.structure(url)
            if profile is None or profile["type"] != body["resourceType"] or profile["type"] == "Bundle":
                continue
            for element in profile["snapshot"]["element"]:
                name_ = element["path"].partition(".")[2]
                if element.get("min") and name_ in body and "sliceName" not in element:
                    less = {key: value for key, value in body.items() if key.removeprefix("_") != name_}
                    told = profiles.check(less, url, known, Oracle(known))
                    assert any(one.severity == "error" and name_ in one.diagnostics for one in told), (url, name_)
                    found += 1
    assert found > 10
