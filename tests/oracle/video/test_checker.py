"""Scripts state nothing that their Bundle does not support, and the checker that says so finds what is planted.

HILUM_FULL=1: 200 patients and 220 wrong facts, else a few; HILUM_ORACLE_SEED begins elsewhere.
"""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.video.adapter import demo
from tests.oracle.video.checker import Finding, check
from tests.oracle.video.grade import english, reference, spanish
from tests.oracle.video.measuring import (
    LEFT_OUT,
    PATIENTS,
    PLANTS,
    SEED,
    Run,
    caught,
    encoded_script,
    planted,
    run,
)
from tests.oracle.video.patients import NOW, TROUBLES, patient
from tests.oracle.video.planting import FORGED, left_out, planters
from tests.oracle.video.record import Record, at

FULL = bool(os.environ.get("HILUM_FULL"))
FIRST = int(os.environ.get("HILUM_ORACLE_SEED", SEED))
MANY = PATIENTS if FULL else 10


@cache
def done() -> Run:
    return run(FIRST, MANY)


def test_nothing_is_stated_that_the_bundle_does_not_support() -> None:
    assert done().findings == []
    assert len(done().written) > 4 * MANY


def test_nothing_unsupported_is_stated_to_the_demo_s_people() -> None:
    people = 120 if FULL else 8
    found = [(one.number, finding) for one in demo(people) for finding in check(one.script, one.bundle, NOW)]
    assert found == []


def test_what_is_refused_has_the_trouble_that_its_code_names() -> None:
    assert done().unexpected == []


@pytest.mark.skipif(not FULL, reason="takes 200 patients: set HILUM_FULL=1")
def test_each_trouble_is_met() -> None:
    assert {trouble for _, trouble in done().refused} >= set(TROUBLES)


def test_at_least_95_of_100_scripts_are_of_grade_6_or_less() -> None:
    easy = sum(grade <= 6 for _, grade in done().grades)
    assert easy / (len(done().grades) + done().hard) >= 0.95


def test_every_planted_fact_is_found_at_its_sentence_by_its_words_alone() -> None:
    kinds: Counter[str] = Counter()
    missed = []
    for one, made, found in planted(done().written, FIRST, PLANTS if FULL else 3 * len(planters())):
        kinds[made.kind] += 1
        if not caught(made, found):
            missed.append((one.patient.number, one.template, *made[:5], found))
    assert missed == []
    assert set(kinds) == set(planters())


@pytest.mark.parametrize("phrase", LEFT_OUT)
def test_what_changes_the_meaning_must_be_told(phrase: str) -> None:
    tried = 0
    for one in done().written:
        shorter = left_out(one.parsed, phrase)
        if shorter is not None:
            where, script = shorter
            tried += 1
            found = check(encoded_script(script), one.patient.bundle, NOW)
            assert [f for f in found if f.kind.startswith(("omitted", "told 0", "side")) or f.where.startswith(where)]
        if tried == (30 if FULL else 3):
            break
    assert tried or not FULL


def test_each_way_of_forging_citations_is_found_by_the_citations_too() -> None:
    unseen: Counter[str] = Counter(dict.fromkeys(FORGED, 0))
    for _, made, found in planted(done().written, FIRST + 1, PLANTS if FULL else 2 * len(FORGED)):
        unseen[made.forged] += not any(one.where == made.where and one.kind in ("citation", "uncited") for one in found)
    assert unseen == Counter(dict.fromkeys(FORGED, 0))


def test_citations_of_an_earlier_version_are_not_believed() -> None:
    one = next(one for one in done().written if any("/_history/2" in source for source in one.parsed["sources"]))
    script = encoded_script(one.parsed).replace(b"/_history/2", b"/_history/1")
    assert "citation" in {found.kind for found in check(script, one.patient.bundle, NOW)}


def test_patients_are_the_same_for_the_same_seed() -> None:
    assert patient(3, 7) == patient(3, 7)
    assert patient(3, 7) != patient(3, 8)


def test_a_path_leads_to_its_element_alone() -> None:
    body = {"resourceType": "Patient", "name": [{"given": ["A", "B"]}], "deceasedBoolean": False}
    assert at(body, "Patient.name[0].given[1]") == "B"
    assert at(body, "Patient.deceased") is False
    for path in ("Patient.name[1]", "Patient.family", "Group.name", "Patient.name[0].given.x"):
        with pytest.raises(LookupError):
            at(body, path)


def test_the_highest_version_is_what_holds() -> None:
    made = patient(FIRST, 0)
    record = Record(made.bundle, NOW)
    assert record.references == {f"{type}/{id}/_history/{version}" for type, id, version, _ in made.current}


@pytest.mark.parametrize("language", ["en", "es"])
def test_syllables_are_counted_as_the_reference_has_them(language: str) -> None:
    count = english if language == "en" else spanish
    wrong = {word: count(word) for word, syllables in reference(language).items() if count(word) != syllables}
    assert len(wrong) <= 0.05 * len(reference(language)), wrong


def test_the_checker_imports_nothing_from_hilum() -> None:
    for name in ("checker", "citations", "grade", "patients", "planting", "record", "spanish", "supports", "words"):
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
        modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        modules |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        foreign = {
            m for m in modules if m.split(".")[0] in ("hilum", "msgspec") or m.endswith((".adapter", ".measuring"))
        }
        assert foreign == set(), name


def test_findings_name_the_sentence_and_the_words() -> None:
    one = next(one for one in done().written if one.template == "after-visit" and one.language == "en")
    script = one.script.replace(b"Call us if you feel worse.", b"Take 40 mg of Warfarin at 9:15 p.m.")
    found = check(script, one.patient.bundle, NOW)
    where = next(f.where for f in found)
    assert {("drug", "Warfarin"), ("dose", "40 mg"), ("time", "9:15 p.m.")} <= {
        (f.kind, f.said) for f in found if f.where == where
    }
    assert isinstance(found[0], Finding)


def spoiled(
    change: Callable[[dict[str, Any]], object], template: str = "medications", language: str = "en"
) -> set[str]:
    """The kinds of what is found in a script that was changed, in the first that the change makes different."""
    for one in done().written:
        script = one.parsed
        if (one.template, one.language) == (template, language) and change(script):
            return {found.kind for found in check(encoded_script(script), one.patient.bundle, NOW)}
    raise AssertionError("no script has a place for the change")


def pictured(script: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        mark
        for scene in script["scenes"]
        if scene["picture"]["kind"] == kind
        for mark in scene["picture"].get("marks", ())
    ]


def test_pictures_show_what_the_words_beside_them_say() -> None:
    marked = {
        "clock": [one for one in done().written if pictured(one.parsed, "clock")],
        "calendar": [one for one in done().written if pictured(one.parsed, "calendar")],
        "body": [one for one in done().written if pictured(one.parsed, "body")],
    }
    other = {"clock": "03:33", "calendar": "2030-02-03", "body": "left-and-right-knee"}
    for kind, several in marked.items():
        assert several or not FULL, kind
        for one in several:
            script = one.parsed
            pictured(script, kind)[0]["at"] = other[kind]
            found = check(encoded_script(script), one.patient.bundle, NOW)
            assert [(finding.kind, finding.said) for finding in found] == [("mark", other[kind])]


def test_a_voice_says_what_is_written() -> None:
    def other(script: dict[str, Any]) -> bool:
        for scene in script["scenes"]:
            for one in scene["sentences"]:
                if "milligrams" in one.get("spoken", ""):
                    one["spoken"] = one["spoken"].replace("milligrams", "grams")
                    return True
        return False

    assert spoiled(other) == {"spoken dose", "spoken without dose"}


def test_all_of_a_script_is_looked_at() -> None:
    assert spoiled(lambda script: script.update(first_name="Nick") is None) == {"name"}
    assert spoiled(lambda script: script["sources"].pop()) == {"source"}
    assert spoiled(lambda script: script.update(exempt=["hypertension"]) is None) == {"exempt"}
    assert spoiled(lambda script: script["scenes"][0].update(heading="On May 3, 2027") is None) == {"date"}
    assert spoiled(lambda script: script.update(title="Take 2 mg of Warfarin") is None) == {"dose", "drug"}


def test_every_medicine_is_told_once() -> None:
    def without(script: dict[str, Any]) -> bool:
        script["scenes"] = [scene for scene in script["scenes"] if scene["id"] != "medicine-1"]
        return True

    assert {kind for kind in spoiled(without) if kind.startswith("told")} == {"told 0 times"}
    again = spoiled(lambda script: script["scenes"].append(script["scenes"][2]) is None)
    assert "told 2 times" in again
