"""_summary and _elements."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data

from hilum.fhir import json as fhir_json
from hilum.fhir.definitions import TYPES
from hilum.problems import Malformed
from hilum.rest.presentation import Presentation
from hilum.rest.subset import SUBSETTED, check_elements, subset
from hilum.validation import validate

PACKAGE = DATA / "igs" / "hl7.fhir.r4.core.tgz"
TRUE = Presentation(summary="true")


def test_nested_elements_of_a_summary() -> None:
    body = {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"versionId": "1", "tag": [{"code": "mine"}]},
        "contained": [{"resourceType": "Organization", "name": "x"}],
        "modifierExtension": [{"url": "urn:never"}],
        "photo": [{"data": "AA=="}],
        "name": [{"family": "Ngo", "extension": [{"url": "urn:x"}], "_family": {"id": "a"}}],
        "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]},
        "contact": [{"gender": "male"}],
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso", "id": "x"}],
    }
    assert subset(body, TRUE) == {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"versionId": "1", "tag": [{"code": "mine"}, SUBSETTED]},
        "modifierExtension": [{"url": "urn:never"}],
        "name": [{"family": "Ngo", "_family": {"id": "a"}}],
        "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]},
        "link": [{"other": {"reference": "Patient/2"}, "type": "seealso", "id": "x"}],
    }
    assert body["meta"] == {"versionId": "1", "tag": [{"code": "mine"}]}, "the stored body is not changed"


def test_elements_keep_mandatory_ones_choices_and_siblings() -> None:
    body = {
        "resourceType": "Observation",
        "status": "final",
        "_status": {"id": "s"},
        "code": {"text": "x"},
        "valueQuantity": {"value": 1},
        "issued": "2020-01-01T00:00:00Z",
    }
    whole = ["resourceType", "meta", "status", "_status", "code", "valueQuantity"]
    assert list(subset(body, Presentation(elements=("value",)))) == whole
    assert list(subset(body, Presentation(elements=("valueQuantity",)))) == whole
    assert list(subset(body, Presentation(elements=("valueString",)))) == whole[:-1]


def test_unknown_elements_are_named() -> None:
    check_elements("Patient", ("name", "deceased", "id", "deceasedBoolean"))
    with pytest.raises(Malformed, match="deceasedString"):
        check_elements("Patient", ("deceasedString",))
    with pytest.raises(Malformed, match="nmae"):
        check_elements("Patient", ("name", "nmae"))


@needs_data
def test_every_official_example_has_a_valid_summary_that_keeps_all_that_is_marked_as_such() -> None:
    """Judged against ElementDefinition.isSummary of the package itself, at the top level."""
    marked: dict[str, dict[str, bool]] = {}
    with tarfile.open(PACKAGE) as archive:
        for name in TYPES:
            stream = archive.extractfile(f"package/StructureDefinition-{name}.json")
            assert stream is not None
            elements = json.load(stream)["snapshot"]["element"]
            marked[name] = {e["path"].split(".")[1]: summary(e) for e in elements if e["path"].count(".") == 1}
        members = [m for m in archive.getmembers() if m.name.startswith("package/") and m.name.endswith(".json")]
        bodies = [body for body in (loaded(archive, member) for member in members[::9]) if body]
    assert len(bodies) > 300
    for body in bodies:
        kept = subset(body, TRUE)
        for name in body:
            if name in ("resourceType", "meta") or name.startswith("_"):
                continue
            expected = (
                any(flag for path, flag in marked[body["resourceType"]].items() if fits(path, name))
                or name == "modifierExtension"
            )
            assert expected or name not in kept, (body["resourceType"], name)
            assert name in kept or not expected or may_be_empty(body[name]), (body["resourceType"], name)
        before = {issue.expression for issue in validate(body)}
        assert [i for i in validate(kept) if i.severity == "error" and i.expression not in before] == []


def summary(element: dict[str, Any]) -> bool:
    return bool(element.get("isSummary")) or element["min"] > 0


def fits(path: str, name: str) -> bool:
    if path.endswith("[x]"):
        return name.startswith(path[:-3]) and name[len(path) - 3 : len(path) - 2].isupper()
    return path == name


def may_be_empty(value: Any) -> bool:
    """A summary element all of whose parts are no summary elements is left out: FHIR has no empty objects."""
    return isinstance(value, list | dict)


def loaded(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any] | None:
    stream = archive.extractfile(member)
    assert stream is not None
    body = fhir_json.parse(stream.read())
    return body if body.get("resourceType") in TYPES else None
