"""The shipped definitions: what they hold, and that they are what the core package gives."""

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from tests.shared_data import DATA, needs_data

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, TYPES, Element

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "src" / "hilum" / "fhir" / "r4.json.gz"
CORE = DATA / "igs" / "hl7.fhir.r4.core.tgz"


@pytest.fixture(scope="module")
def compiler() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_definitions", ROOT / "scripts" / "compile_definitions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_data
def test_a_rebuild_from_the_core_package_gives_the_shipped_definitions(compiler: ModuleType) -> None:
    # Compared unpacked: another build of zlib may pack the same data into other bytes.
    assert gzip.decompress(SHIPPED.read_bytes()) == compiler.compile_definitions(CORE)


def test_packing_gives_the_same_bytes_each_time(compiler: ModuleType) -> None:
    data = gzip.decompress(SHIPPED.read_bytes())
    assert compiler.compress(data) == compiler.compress(data)
    assert SHIPPED.read_bytes()[4:8] == b"\0\0\0\0"  # no time in the header


def test_types_are_the_146_concrete_resource_types_in_order() -> None:
    assert len(TYPES) == 146
    assert list(TYPES) == sorted(TYPES)
    assert TYPES[0] == "Account" and TYPES[-1] == "VisionPrescription"
    assert "Resource" not in TYPES and "DomainResource" not in TYPES and "HumanName" not in TYPES


def test_type_numbers_never_change() -> None:
    assert sorted(TYPE_NUMBER.values()) == list(range(1, 147))
    frozen = {"Account": 1, "Bundle": 12, "Encounter": 44, "Observation": 96, "Patient": 103, "VisionPrescription": 146}
    assert {name: TYPE_NUMBER[name] for name in frozen} == frozen


def test_an_element_says_its_name_types_cardinality_and_binding() -> None:
    by_name = {e.name: e for e in definitions.elements("Patient")}
    assert by_name["deceased"] == Element("deceased", ("boolean", "dateTime"), choice=True, summary=True)
    assert by_name["gender"] == Element(
        "gender", ("code",), binding="http://hl7.org/fhir/ValueSet/administrative-gender", summary=True
    )
    assert by_name["contact"] == Element("contact", ("BackboneElement",), max="*")
    assert by_name["managingOrganization"] == Element(
        "managingOrganization", ("Reference",), targets=("Organization",), summary=True
    )
    assert by_name["id"] == Element("id", ("id",), summary=True)
    assert [e.name for e in definitions.elements("Patient")][:10] == [
        *("id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"),
        *("identifier", "active"),
    ]


def test_backbone_elements_stand_under_their_path() -> None:
    assert [e.name for e in definitions.elements("Patient", "communication")] == [
        *("id", "extension", "modifierExtension", "language", "preferred"),
    ]
    by_name = {e.name: e for e in definitions.elements("Observation", "component")}
    assert by_name["referenceRange"] == Element("referenceRange", max="*", ref="referenceRange")
    low = next(e for e in definitions.elements("Observation", "referenceRange") if e.name == "low")
    assert low == Element("low", ("Quantity",), profiles={"Quantity": "SimpleQuantity"})


def test_every_reference_to_other_elements_and_types_leads_somewhere() -> None:
    known = set(definitions.names())
    for name in known:
        type_ = definitions.type_(name)
        assert type_.base is None or type_.base in known
        for path, elements in type_.elements.items():
            for element in elements:
                assert set(element.types) <= known, (name, path, element)
                assert bool(element.types) != (element.ref is not None), (name, path, element)
                assert element.ref is None or element.ref in type_.elements, (name, path, element)
                if {"BackboneElement", "Element"} & set(element.types):
                    assert f"{path}.{element.name}".lstrip(".") in type_.elements, (name, path, element)


def test_search_parameters_are_all_of_the_package_without_its_examples() -> None:
    parameters = definitions.search_parameters()
    assert len(parameters) == 1397
    assert [p.url for p in parameters] == sorted(p.url for p in parameters)
    pairs = [(base, p.code) for p in parameters for base in p.base]
    assert len(pairs) == len(set(pairs))
    birthdate = next(p for p in parameters if p.url == "http://hl7.org/fhir/SearchParameter/individual-birthdate")
    assert birthdate.code == "birthdate"
    assert birthdate.base == ("Patient", "Person", "RelatedPerson")
    assert birthdate.expression == "Patient.birthDate | Person.birthDate | RelatedPerson.birthDate"
    composite = next(p for p in parameters if p.url.endswith("/Observation-code-value-quantity"))
    assert [c.expression for c in composite.component] == ["code", "value.as(Quantity)"]


def test_compartments_name_the_parameters_that_lead_into_them() -> None:
    compartments = definitions.compartments()
    assert list(compartments) == ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]
    assert compartments["Patient"]["Observation"] == ("subject", "performer")
    assert "Organization" not in compartments["Patient"]


def test_compartment_parameters_exist() -> None:
    known = {(base, p.code) for p in definitions.search_parameters() for base in p.base}
    missing = {
        (type_, code)
        for members in definitions.compartments().values()
        for type_, codes in members.items()
        for code in codes
        if (type_, code) not in known
    }
    assert missing == {(own, "{def}") for own in ("Encounter", "Practitioner", "RelatedPerson")}


def test_a_value_set_lists_its_codes_per_system() -> None:
    assert definitions.value_set("http://hl7.org/fhir/ValueSet/administrative-gender") == {
        "http://hl7.org/fhir/administrative-gender": frozenset({"male", "female", "other", "unknown"})
    }
    assert definitions.value_set("http://hl7.org/fhir/ValueSet/condition-clinical") == {
        "http://terminology.hl7.org/CodeSystem/condition-clinical": frozenset(
            {"active", "recurrence", "relapse", "inactive", "remission", "resolved"}
        )
    }


def test_every_required_binding_is_listed_or_says_why_not() -> None:
    bound = {
        e.binding
        for name in definitions.names()
        for elements in definitions.type_(name).elements.values()
        for e in elements
        if e.binding
    }
    open_ = definitions.value_sets_open()
    assert {url for url in bound if definitions.value_set(url) is None} == set(open_)
    assert sorted(open_) == [
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://loinc.org/vs/LL379-9",
    ]
    assert len(bound) == 224
