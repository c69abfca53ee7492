"""Snapshots made of differentials: one fact each. https://hl7.org/fhir/R4/profiling.html#snapshot"""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.test_snapshots import Core

from hilum.fhir import core
from hilum.problems import Unprocessable
from hilum.validation.profiles.definitions import Loaded
from hilum.validation.profiles.snapshot import MOST, snapshot

URL = "http://hl7.org/fhir/StructureDefinition/"


def made(type: str, *elements: dict[str, Any], others: tuple[dict[str, Any], ...] = ()) -> dict[str, dict[str, Any]]:
    """The elements, by id, of the snapshot of a profile on a type of R4."""
    base = core.structure(URL + type)
    assert base is not None
    body = {
        "resourceType": "StructureDefinition",
        "url": "http://x/p",
        "type": type,
        "derivation": "constraint",
        "differential": {"element": list(elements)},
    }
    found = snapshot(body, base, Loaded(others, base=Core()))
    assert found["differential"] == body["differential"]
    return {one["id"]: one for one in found["snapshot"]["element"]}


def test_what_the_differential_does_not_say_is_the_bases() -> None:
    before = core.structure(URL + "Patient")
    assert before is not None
    assert list(made("Patient").values()) == before["snapshot"]["element"]


def test_the_base_is_left_as_it_is() -> None:
    before = core.structure(URL + "Patient")
    assert before is not None
    was = [dict(one) for one in before["snapshot"]["element"]]
    made("Patient", {"path": "Patient.name", "min": 1, "mustSupport": True}, {"path": "Patient.name.family", "min": 1})
    assert before["snapshot"]["element"] == was


def test_cardinality_must_support_and_constraints_are_laid_over_those_of_the_base() -> None:
    found = made(
        "Patient",
        {"path": "Patient.contact", "min": 1, "mustSupport": True, "constraint": [{"key": "x-1", "severity": "error"}]},
    )["Patient.contact"]
    assert (found["min"], found["max"], found["mustSupport"]) == (1, "*", True)
    assert [one["key"] for one in found["constraint"]] == ["ele-1", "pat-1", "x-1"]


def test_below_a_type_its_definition_is_unfolded() -> None:
    found = made("Patient", {"path": "Patient.name.family", "min": 1})
    assert [id for id in found if id.startswith("Patient.name")] == [
        "Patient.name",
        *(
            f"Patient.name.{name}"
            for name in ["id", "extension", "use", "text", "family", "given", "prefix", "suffix", "period"]
        ),
    ]
    assert found["Patient.name.family"]["min"] == 1
    assert found["Patient.name.family"]["base"] == {"path": "HumanName.family", "min": 0, "max": "1"}


def test_a_slice_is_optional_unless_it_says_otherwise_and_stands_behind_the_element() -> None:
    found = made(
        "Observation",
        {"path": "Observation.category", "min": 1, "slicing": {"discriminator": [], "rules": "open"}},
        {"id": "Observation.category:a", "path": "Observation.category", "sliceName": "a", "max": "1"},
        {"id": "Observation.category:b", "path": "Observation.category", "sliceName": "b", "min": 1},
        {"id": "Observation.category:a.coding", "path": "Observation.category.coding", "min": 1},
    )
    ids = list(found)
    at = ids.index("Observation.category")
    assert [id for id in ids[at:] if id.count(".") == 1][:3] == [
        *("Observation.category", "Observation.category:a", "Observation.category:b"),
    ]
    assert (found["Observation.category:a"]["min"], found["Observation.category:a"]["max"]) == (0, "1")
    assert found["Observation.category:b"]["min"] == 1
    assert "slicing" not in found["Observation.category:a"]
    assert found["Observation.category:a.coding"]["min"] == 1
    assert "Observation.category:b.coding" not in found


def test_slices_without_ids_are_told_by_the_order() -> None:
    found = made(
        "Observation",
        {"path": "Observation.component", "slicing": {"discriminator": [], "rules": "open"}},
        {"path": "Observation.component", "sliceName": "a"},
        {"path": "Observation.component.code", "patternCodeableConcept": {"text": "a"}},
        {"path": "Observation.component", "sliceName": "b"},
        {"path": "Observation.component.code", "patternCodeableConcept": {"text": "b"}},
    )
    assert found["Observation.component:a.code"]["patternCodeableConcept"] == {"text": "a"}
    assert found["Observation.component:b.code"]["patternCodeableConcept"] == {"text": "b"}
    assert "patternCodeableConcept" not in found["Observation.component.code"]


def test_what_is_said_below_an_element_counts_for_its_slices() -> None:
    found = made(
        "Composition",
        {"path": "Composition.section", "slicing": {"discriminator": [], "rules": "open"}},
        {"path": "Composition.section.section", "max": "0"},
        {"path": "Composition.section", "sliceName": "a"},
    )
    assert found["Composition.section:a.section"]["max"] == "0"


def test_a_slice_may_be_sliced_again() -> None:
    found = made(
        "Patient",
        {"path": "Patient.identifier", "slicing": {"discriminator": [], "rules": "open"}},
        {"path": "Patient.identifier", "sliceName": "a", "mustSupport": True},
        {"path": "Patient.identifier", "sliceName": "b"},
        {"path": "Patient.identifier", "sliceName": "a/x", "max": "1"},
    )
    slices = [one["sliceName"] for one in found.values() if "sliceName" in one]
    assert slices == ["a", "a/x", "b"]
    assert found["Patient.identifier:a/x"]["mustSupport"] is True


def test_a_type_named_in_a_choice_is_a_slice_of_it() -> None:
    found = made("Observation", {"path": "Observation.valueQuantity", "mustSupport": True})
    assert found["Observation.value[x]"]["slicing"]["discriminator"] == [{"type": "type", "path": "$this"}]
    one = found["Observation.value[x]:valueQuantity"]
    assert (one["path"], one["type"][0]["code"], one["mustSupport"]) == ("Observation.value[x]", "Quantity", True)


def test_a_type_that_must_be_there_is_all_that_the_choice_may_be() -> None:
    found = made("Observation", {"path": "Observation.valueQuantity", "min": 1})
    assert [one["code"] for one in found["Observation.value[x]"]["type"]] == ["Quantity"]
    assert found["Observation.value[x]"]["min"] == 1


def test_a_choice_of_one_type_is_unfolded_by_it() -> None:
    found = made(
        "Observation",
        {"path": "Observation.value[x]", "type": [{"code": "Quantity"}]},
        {"path": "Observation.value[x].unit", "min": 1},
    )
    assert found["Observation.value[x].unit"]["min"] == 1


def test_an_extension_slice_says_what_the_extensions_definition_says() -> None:
    extension = snapshot(
        {
            "resourceType": "StructureDefinition",
            "url": "http://x/e",
            "type": "Extension",
            "kind": "complex-type",
            "derivation": "constraint",
            "differential": {
                "element": [
                    {"path": "Extension", "max": "1", "isModifier": True, "constraint": [{"key": "e-1"}]},
                    {"path": "Extension.url", "fixedUri": "http://x/e"},
                    {"path": "Extension.value[x]", "min": 1, "type": [{"code": "boolean"}]},
                ]
            },
        },
        core.structure(URL + "Extension") or {},
        Core(),
    )
    said = {"path": "Patient.extension", "sliceName": "e", "type": [{"code": "Extension", "profile": ["http://x/e"]}]}
    found = made("Patient", said, others=(extension,))
    one = found["Patient.extension:e"]
    assert (one["min"], one["max"], one["isModifier"]) == (0, "1", True)
    assert [c["key"] for c in one["constraint"]] == ["ele-1", "ext-1", "e-1"]
    assert found["Patient.extension"]["slicing"]["discriminator"] == [{"type": "value", "path": "url"}]
    below = {"id": "Patient.extension:e.value[x]", "path": "Patient.extension.value[x]", "mustSupport": True}
    value = made("Patient", said, below, others=(extension,))["Patient.extension:e.value[x]"]
    assert (value["min"], [one["code"] for one in value["type"]], value["mustSupport"]) == (1, ["boolean"], True)


def test_below_a_content_reference_stand_the_children_of_what_it_means() -> None:
    found = made("Questionnaire", {"path": "Questionnaire.item.item.linkId", "maxLength": 5})
    assert found["Questionnaire.item.item.linkId"]["maxLength"] == 5
    assert "contentReference" not in found["Questionnaire.item.item"]
    assert "contentReference" in found["Questionnaire.item.item.item"]


def test_a_binding_keeps_its_value_set_where_only_the_strength_is_said() -> None:
    found = made("Patient", {"path": "Patient.maritalStatus", "binding": {"strength": "required"}})
    binding = found["Patient.maritalStatus"]["binding"]
    assert binding["strength"] == "required"
    assert binding["valueSet"] == "http://hl7.org/fhir/ValueSet/marital-status"


def test_what_is_said_to_be_a_modifier_or_supported_stays_so() -> None:
    found = made("Patient", {"path": "Patient.active", "isModifier": False, "mustSupport": False})
    assert found["Patient.active"]["isModifier"] is True


def test_an_element_that_the_base_has_not_is_refused() -> None:
    with pytest.raises(Unprocessable, match="nome"):
        made("Patient", {"path": "Patient.nome"})
    with pytest.raises(Unprocessable, match="value"):
        made("Observation", {"path": "Observation.value[x].nothing"})


def test_what_comes_to_too_much_is_refused() -> None:
    with pytest.raises(Unprocessable, match="nested"):
        made("Patient", {"path": "Patient" + ".extension" * 70})
    with pytest.raises(Unprocessable, match="elements"):
        steps = ["Patient" + ".extension" * (n + 1) for n in range(20)]  # each level twice what is below: 2 ** 20
        made(
            "Patient",
            {"path": steps[-1]},
            *({"path": path, "sliceName": name} for path in reversed(steps) for name in "ab"),
        )
    with pytest.raises(Unprocessable, match="elements"):
        made("Patient", *({"path": "Patient.name", "sliceName": f"n{n}"} for n in range(MOST + 2)))
