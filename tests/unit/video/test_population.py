"""The demo's people: every fact in their scripts is cited, and nearly all are read with six years of school."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import pytest

from hilum.demo import population
from hilum.demo.population import TODAY
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.sandbox.plans import planned
from hilum.video import templates
from hilum.video.script import Refused, Script, Sentence
from hilum.video.writing import write

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEOPLE = 60


@cache
def written() -> tuple[list[Script], list[Refused]]:
    """What comes of all people, templates and languages; each has the sandbox's procedure planned."""
    bundles = iter(population(PEOPLE))
    town = _resources(next(bundles))
    scripts, refusals = [], []
    for bundle in bundles:
        record = town + _resources(planned(bundle, TODAY))
        for template in templates.packaged().values():
            for language in template.languages:
                try:
                    scripts.append(write(template, language, record, NOW))
                except Refused as refusal:
                    refusals.append(refusal)
    return scripts, refusals


def _resources(bundle: dict[str, list[dict[str, dict[str, str]]]]) -> list[Resource]:
    bodies = (entry["resource"] for entry in bundle["entry"])
    return [Resource(one["resourceType"], one["id"], 1, 1, json.encode(one)) for one in bodies]


def sentences() -> Iterator[tuple[Script, Sentence]]:
    for script in written()[0]:
        yield from ((script, one) for scene in script.scenes for one in scene.sentences)


def test_most_people_get_scripts_and_the_others_a_reason_that_holds() -> None:
    scripts, refusals = written()
    assert len(scripts) > 2 * PEOPLE
    assert {one.code for one in refusals} <= {"stale", "patient-deceased", "medicine-missing", "grade"}


def test_every_number_of_a_sentence_is_in_the_words_of_a_citation() -> None:
    for _, one in sentences():
        said = " ".join(cite.said for cite in one.cites)
        assert set(re.findall(r"[0-9]+", one.text)) <= set(re.findall(r"[0-9]+", said)), one.id


def test_every_drug_of_a_sentence_is_in_the_words_of_a_citation() -> None:
    for script, one in sentences():
        said = {word for cite in one.cites for word in re.findall(r"\w+", cite.said)}
        assert set(re.findall(r"\w+", one.text)) & set(script.exempt) <= said, one.id


def test_the_words_of_a_citation_stand_in_its_sentence() -> None:
    for _, one in sentences():
        for cite in one.cites:
            assert cite.said in one.text


def test_a_citation_s_value_stands_at_its_path_in_the_version() -> None:
    bundles = iter(population(5))
    everything = [*_resources(next(bundles)), *(one for b in bundles for one in _resources(planned(b, TODAY)))]
    known = {f"{one.type}/{one.id}/_history/{one.version}": one.body for one in everything}
    checked = 0
    for _, one in sentences():
        for cite in one.cites:
            if cite.reference in known:
                checked += 1
                assert _at(known[cite.reference], cite.path) == cite.value
    assert checked > 100


def _at(body: object, path: str) -> object:
    for name, index in re.findall(r"\.(\w+)(?:\[(\d+)\])?", path):
        assert isinstance(body, dict)
        key = name if name in body else next(key for key in body if re.fullmatch(name + "[A-Z]\\w*", key))
        body = body[key]
        if index:
            assert isinstance(body, list)
            body = body[int(index)]
    return body


def test_every_left_and_right_is_told_in_the_language_and_as_recorded() -> None:
    sides = {"en": "Left knee", "es": "rodilla izquierda"}
    seen = 0
    for script, one in sentences():
        if one.phrase == "procedure-site":
            seen += 1
            assert sides[script.language] in one.text
            assert "right" not in one.text.lower()
            assert "derech" not in one.text.lower()
    assert seen > PEOPLE


def test_at_least_95_of_100_texts_are_of_grade_6_or_less() -> None:
    scripts, refusals = written()
    hard = sum(one.code == "grade" for one in refusals)
    assert hard / (len(scripts) + hard) <= 0.05
    assert all(one.grade <= 6 for one in scripts)


def test_no_script_has_more_of_the_patient_than_a_first_name() -> None:
    for script in written()[0]:
        body = json.encode(script).decode()
        shown = " ".join(
            (script.title, *(f"{scene.heading} {one.text}" for scene in script.scenes for one in scene.sentences))
        )
        assert not re.search(r"SB-\d{6}|SV\d{6}|demo-p\d", shown)
        assert "birthDate" not in body


@pytest.mark.parametrize("language", ["en", "es"])
def test_each_language_has_scripts_of_each_template(language: str) -> None:
    assert {one.template for one in written()[0] if one.language == language} == set(templates.packaged())
