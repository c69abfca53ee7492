"""What hilum writes of the generated patients, as the JSON that the checker reads. Here alone hilum is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.oracle.video.patients import NOW, TEMPLATES, Patient, patient

from hilum.fhir import json
from hilum.fhir.resource import Resource
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
