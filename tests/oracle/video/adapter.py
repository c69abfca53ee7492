"""What hilum writes of the generated patients, as the JSON that the checker reads. Here alone hilum is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.oracle.video.patients import NOW, TEMPLATES, Patient, patient

from hilum.demo import population
from hilum.demo.population import TODAY
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.sandbox.plans import planned
from hilum.video import templates
from hilum.video.script import Refused
from hilum.video.writing import write

LANGUAGES = ("en", "es")


class Written(NamedTuple):
    """`script`: JSON, empty where it was refused with that `code`."""

    patient: Patient
    template: str
    language: str
    script: bytes
    code: str = ""

    @property
    def parsed(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.parse(self.script)
        return parsed


class Demo(NamedTuple):
    """A script of one of the demo's people, and the Bundle that it was written from."""

    number: int
    script: bytes
    bundle: bytes


def demo(people: int) -> Iterator[Demo]:
    """Of people whom the checker was not made for: the demo's, each with the sandbox's procedure planned."""
    bundles = iter(population(people))
    town = next(bundles)["entry"]
    for number, bundle in enumerate(bundles, 1):
        bodies = [entry["resource"] for entry in (*town, *planned(bundle, TODAY)["entry"])]
        bodies = [{**body, "meta": {**body.get("meta", {}), "versionId": "1"}} for body in bodies]
        resources = [Resource(body["resourceType"], body["id"], 1, 1, json.encode(body)) for body in bodies]
        whole = json.encode({"resourceType": "Bundle", "entry": [{"resource": body} for body in bodies]})
        for template in TEMPLATES:
            for language in LANGUAGES:
                try:
                    made = write(templates.packaged()[template], language, resources, NOW)
                except Refused:
                    continue
                yield Demo(number, json.encode(made), whole)


def written(seed: int, start: int, stop: int) -> Iterator[Written]:
    """Of each patient, template and language."""
    for number in range(start, stop):
        of = patient(seed, number)
        resources = [Resource(type, id, version, 1, raw) for type, id, version, raw in of.current]
        for template in TEMPLATES:
            for language in LANGUAGES:
                try:
                    made = write(templates.packaged()[template], language, resources, NOW)
                except Refused as refusal:
                    yield Written(of, template, language, b"", refusal.code)
                else:
                    yield Written(of, template, language, json.encode(made))
