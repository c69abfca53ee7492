"""What others call valid has no findings: HL7's examples, the core package, Synthea, the reference validator's cases.

The examples come from the npm package hl7.fhir.r4.examples 4.0.1 (CC0-1.0), kept in .cache. Where an official
resource breaks the specification, it stands in WRONG with the reason; nothing else is excused.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.errors import errors
from tests.shared_data import DATA, needs_data

from hilum.fhir import json as fhir_json
from hilum.fhir.definitions import TYPES
from hilum.problems import Malformed

CACHE = Path(__file__).resolve().parents[2] / ".cache"
EXAMPLES = "hl7.fhir.r4.examples@4.0.1"

NO_BASE = "SearchParameter.base is 1..*: HL7 left these parameters of ValueSet and CodeSystem extensions unbound"
NO_TEXT = "its narrative has white space only, which txt-2 forbids"
PATTERN = "sdf-4: it is not abstract, and has no baseDefinition (a pattern, which R4 calls a logical model)"
GUIDE = "the machine-made guide of all of R4 lacks required elements, and refers to the parameter with the long id"

WRONG: dict[str, tuple[set[str], str]] = {
    # file: (paths without indexes, reason)
    **{
        f"SearchParameter-{name}.json": ({"SearchParameter.base"}, NO_BASE)
        for name in (
            "codesystem-extensions-CodeSystem-author",
            "codesystem-extensions-CodeSystem-effective",
            "codesystem-extensions-CodeSystem-end",
            "codesystem-extensions-CodeSystem-keyword",
            "codesystem-extensions-CodeSystem-workflow",
            "valueset-extensions-ValueSet-author",
            "valueset-extensions-ValueSet-effective",
            "valueset-extensions-ValueSet-end",
            "valueset-extensions-ValueSet-keyword",
            "valueset-extensions-ValueSet-workflow",
        )
    },
    "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": (
        {"SearchParameter.id"},
        "its id has 68 characters, 64 are allowed",
    ),
    "ActivityDefinition-blood-tubes-supply.json": ({"ActivityDefinition.text.div"}, NO_TEXT),
    "ActivityDefinition-heart-valve-replacement.json": ({"ActivityDefinition.text.div"}, NO_TEXT),
    "EventDefinition-example.json": ({"EventDefinition.text.div"}, NO_TEXT),
    "Questionnaire-zika-virus-exposure-assessment.json": ({"Questionnaire.text.div"}, NO_TEXT),
    "Questionnaire-qs1.json": (
        {
            "Questionnaire.item.item.linkId",
            "Questionnaire.item.item.item.linkId",
            "Questionnaire.item.item.item.item.linkId",
        },
        "the generated fly-over items have no linkId, which is 1..1",
    ),
    **{
        name: (
            {
                "ImplementationGuide.name",
                "ImplementationGuide.status",
                "ImplementationGuide.manifest.resource.reference",
            },
            GUIDE,
        )
        for name in ("ImplementationGuide-fhir.json", "ig-r4.json")
    },
    **{
        f"StructureDefinition-{name}.json": ({"StructureDefinition"}, PATTERN)
        for name in ("Definition", "Event", "FiveWs", "Request")
    },
    "Basic-referral.json": ({"Basic.modifierExtension"}, "modifier extensions of example.org, which nobody defines"),
    "Bundle-dataelements.json": ({"Bundle"}, "several entries have the same full url and no version (bdl-7)"),
    "DeviceMetric-example.json": ({"DeviceMetric.parent"}, "refers to a DeviceDefinition where a Device must be"),
    "DeviceUseStatement-example.json": (
        {"DeviceUseStatement.reasonReference"},
        "refers to a Procedure, which is no reason by the definition",
    ),
    "MedicationRequest-medrx0301.json": (
        {"MedicationRequest.dispenseRequest.performer"},
        "refers to a Practitioner where an Organization must be",
    ),
    "Observation-clinical-gender.json": ({"Observation.performer"}, "refers to an Encounter as the performer"),
}


@pytest.fixture(scope="module")
def examples() -> Path:
    """The package of examples, fetched once; without npm or a network the test is skipped, but not in CI."""
    path = CACHE / "hl7.fhir.r4.examples-4.0.1.tgz"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    npm = shutil.which("npm")
    trouble = "npm is not installed"
    if npm is not None:
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            command = [npm, "pack", EXAMPLES, "--pack-destination", folder]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
                trouble = f"npm pack {EXAMPLES} failed: {done.stderr[-300:]}"
            except subprocess.TimeoutExpired:
                trouble = f"npm pack {EXAMPLES} took more than 300 s"
            for fetched in Path(folder).glob("*.tgz"):
                fetched.replace(path)
                return path
    if os.environ.get("CI") == "true":
        pytest.fail(trouble)
    pytest.skip(trouble)


def package(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            if folder == "package" and name.endswith(".json") and name not in ("package.json", ".index.json"):
                stream = archive.extractfile(member)
                assert stream is not None
                yield name, stream.read()


@pytest.fixture
def one_in(request: pytest.FixtureRequest) -> int:
    """At the small size of so many files that are alike one is looked at."""
    return 4 if request.config.getoption("--small") and not os.environ.get("HILUM_FULL") else 1


def faults(resources: Iterator[tuple[str, bytes]], one_in: int = 1) -> tuple[int, dict[str, set[str]]]:
    """How many resources there are, and name -> paths without indexes of those with findings.

    Looked at are one in so many, the first of each type, and all that are known to be wrong.
    """
    count, found, unseen = 0, {}, set(TYPES)
    for name, raw in resources:
        count += 1
        type = name.partition("-")[0]
        if count % one_in and type not in unseen and name not in WRONG:
            continue
        unseen.discard(type)
        paths = {re.sub(r"\[\d+\]", "", str(i.expression)) for i in errors(fhir_json.parse(raw))}
        if paths:
            found[name] = paths
    return count, found


def test_the_examples_of_hl7_are_accepted(examples: Path, one_in: int) -> None:
    count, found = faults(package(examples), one_in)
    assert count == 5306
    assert found == {name: paths for name, (paths, _) in WRONG.items()}


@needs_data
def test_the_definitions_in_the_core_package_are_accepted(one_in: int) -> None:
    count, found = faults(package(DATA / "igs" / "hl7.fhir.r4.core.tgz"), one_in)
    assert count == 4578
    assert found == {name: paths for name, (paths, _) in WRONG.items() if name in found}
    assert set(found) == {name for name in WRONG if name.startswith(("SearchParameter-", "StructureDefinition-"))}


@needs_data
@pytest.mark.parametrize("package_name", ["hl7.fhir.us.core-6.1.0", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-2.0.0"])
def test_the_definitions_in_published_guides_are_accepted(package_name: str) -> None:
    count, found = faults(package(DATA / "igs" / f"{package_name}.tgz"))
    assert count > 50
    assert found == {}


@needs_data
@pytest.mark.parametrize(("folder", "files"), [("smart-generated", 291), ("fhir-data-pipes", 81)])
def test_synthea_bundles_are_accepted(folder: str, files: int, one_in: int) -> None:
    bundles = sorted((DATA / "synthea" / folder).glob("*.json.gz"))
    assert len(bundles) == files
    count, found = faults(((file.name, gzip.decompress(file.read_bytes())) for file in bundles), one_in)
    assert count == files
    assert found == {}


@needs_data
def test_personal_health_device_examples_are_accepted() -> None:
    files = sorted((DATA / "phd-examples").glob("*.json"))
    assert faults((file.name, file.read_bytes()) for file in files) == (len(files), {})


NOT_RESOURCES = {
    "matchetype-pattern-1": "a pattern for matching: $instant$ stands where a dateTime should",
    "json-comments-1-yes": "JSON with comments, which hilum does not read",
}


@needs_data
def test_cases_that_the_reference_validator_finds_no_errors_in_have_none_here() -> None:
    accepted, excused = 0, set()
    for case, body, wrong in validator_cases():
        if wrong:
            continue
        accepted += 1
        if body is None or errors(body):
            excused.add(case)
    assert accepted > 70
    assert excused == set(NOT_RESOURCES)


@needs_data
@pytest.mark.parametrize(
    ("case", "paths"),
    [
        ("pat-security-bad-xhtml", {"Patient.text.div"}),
        ("contained-resource-bad-id", {"Condition.contained[0]", "Condition.contained[0].id"}),
        ("attachment-tx", {"Parameters.parameter[0].value.data"}),
        ("shc-bad-1", {"Bundle.entry[1].resource.status", "Bundle.entry[2].resource.status"}),
        ("open-choice-invalid-type-qr", {"QuestionnaireResponse.item[0].answer[0].valueCode"}),
        ("mr-covid-m3", {"Measure.group[0].population[0].criteria"}),
    ],
)
def test_structural_errors_of_the_reference_validator_are_found(case: str, paths: set[str]) -> None:
    body, wrong = next((body, wrong) for name, body, wrong in validator_cases() if name == case)
    assert wrong > 0
    assert body is not None
    assert {issue.expression for issue in errors(body)} == paths


def validator_cases() -> Iterator[tuple[str, dict[str, Any] | None, int]]:
    """(name, body or None when it is not JSON, number of errors that the reference validator reports) of R4 cases."""
    folder = DATA / "validator"
    for case in json.loads((folder / "manifest.json").read_bytes())["test-cases"]:
        file, java = folder / case["file"], case.get("java")
        if not case.get("version", "").startswith("4.0") or file.suffix != ".json" or java is None:
            continue
        file_of_outcome = None if isinstance(java, dict) else folder / "outcomes" / java
        if not file.is_file() or (file_of_outcome is not None and not file_of_outcome.is_file()):
            continue  # a few cases are not in the copy
        outcome = java.get("outcome", {}) if file_of_outcome is None else json.loads(file_of_outcome.read_bytes())
        issues = outcome.get("issue", ())
        wrong = sum(issue["severity"] in ("error", "fatal") for issue in issues)
        if file_of_outcome is None:
            wrong += java.get("errorCount", 0)
        try:
            body: dict[str, Any] | None = fhir_json.parse(file.read_bytes())
        except Malformed:
            body = None
        yield case["name"], body, wrong
