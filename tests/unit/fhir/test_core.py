"""R4's own StructureDefinitions, ValueSets and CodeSystems as shipped: complete, exact, cheap to open."""

import importlib.util
import json
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from tests.shared_data import DATA, needs_data

from hilum.fhir import core, definitions

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = DATA / "igs" / "hl7.fhir.r4.core.tgz"
SD = "http://hl7.org/fhir/StructureDefinition/"


@pytest.fixture(scope="module")
def compiler() -> ModuleType:
    folder = ROOT / "scripts"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("compile_core", folder / "compile_core.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


READ = {
    "StructureDefinition": core.structure,
    "ValueSet": core.value_set,
    "CodeSystem": core.code_system,
}


@needs_data
def test_a_rebuild_from_the_core_package_gives_what_is_shipped(compiler: ModuleType) -> None:
    items = compiler.compile_core(PACKAGE)
    assert {kind: [url for type, url, _, _ in items if type == kind] for kind in READ} == {
        kind: list(core.urls(kind))
        for kind in READ  # type: ignore[arg-type]
    }
    for kind, url, version, text in items:
        assert READ[kind](url) == json.loads(text, parse_float=Decimal)
        assert core.version(kind, url) == version


def test_every_type_has_its_definition_with_a_snapshot() -> None:
    for name in definitions.names():
        found = core.structure(SD + name)
        assert found is not None and found["snapshot"]["element"][0]["path"] == name


def test_every_definition_has_a_snapshot_and_no_prose() -> None:
    urls = core.urls("StructureDefinition")
    assert len(urls) == 653
    for url in urls:
        found = core.structure(url)
        assert found is not None and found["url"] == url
        assert found["snapshot"]["element"]
        assert not {"text", "differential", "mapping", "description"} & set(found)
        for element in found["snapshot"]["element"]:
            assert not {"definition", "comment", "requirements", "mapping"} & set(element)


def test_an_element_keeps_what_validation_needs() -> None:
    patient = core.structure(SD + "Patient")
    assert patient is not None
    by_id = {one["id"]: one for one in patient["snapshot"]["element"]}
    contact = by_id["Patient.contact"]
    assert [one["key"] for one in contact["constraint"]] == ["ele-1", "pat-1"]
    assert contact["constraint"][1]["expression"].startswith("name.exists()")
    assert "xpath" not in contact["constraint"][1]
    assert by_id["Patient.communication.language"]["binding"]["extension"] == [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
            "valueCanonical": "http://hl7.org/fhir/ValueSet/all-languages",
        }
    ]
    code = core.structure(SD + "code")
    assert code is not None
    value = next(one for one in code["snapshot"]["element"] if one["id"] == "code.value")
    assert {one["url"] for one in value["type"][0]["extension"]} == {SD + "structuredefinition-fhir-type", SD + "regex"}
    vital = core.structure(SD + "vitalsigns")
    assert vital is not None
    slices = [one for one in vital["snapshot"]["element"] if one.get("sliceName") == "VSCat"]
    assert len(slices) == 1 and slices[0]["mustSupport"] is True


def test_a_canonical_may_carry_the_version_or_its_beginning() -> None:
    assert core.structure(SD + "Patient|4.0.1") == core.structure(SD + "Patient")
    assert core.structure(SD + "Patient|4.0") == core.structure(SD + "Patient")
    assert core.structure(SD + "Patient|4") is not None
    assert core.structure(SD + "Patient|5.0.0") is None
    assert core.structure(SD + "Patent") is None
    v2 = "http://terminology.hl7.org/CodeSystem/v2-0001"
    assert core.version("CodeSystem", v2) == "2.9"
    assert core.code_system(v2 + "|2.9") == core.code_system(v2 + "|4.0.1") == core.code_system(v2)
    assert core.version("CodeSystem", "urn:nothing") is None


def test_terminology_keeps_concepts_with_their_displays_hierarchy_and_properties() -> None:
    gender = core.value_set("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert gender is not None
    assert gender["compose"] == {"include": [{"system": "http://hl7.org/fhir/administrative-gender"}]}
    status = core.code_system("http://terminology.hl7.org/CodeSystem/condition-clinical")
    assert status is not None
    active = status["concept"][0]
    assert (active["code"], active["display"]) == ("active", "Active")
    assert [one["code"] for one in active["concept"]] == ["recurrence", "relapse"]
    role = core.code_system("http://terminology.hl7.org/CodeSystem/v3-RoleCode")
    assert role is not None
    assert any("property" in one for one in role["concept"])


def test_the_file_is_small_enough_to_ship() -> None:
    assert (ROOT / "src" / "hilum" / "fhir" / "core.bin").stat().st_size < 3_000_000
