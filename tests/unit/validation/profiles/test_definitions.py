"""Finding profiles by canonical url and version. https://hl7.org/fhir/R4/references.html#canonical"""

from __future__ import annotations

import json

import pytest

from hilum.validation.profiles.definitions import Loaded, choose, split


def structure(version: str | None, name: str = "P") -> dict[str, object]:
    body: dict[str, object] = {"resourceType": "StructureDefinition", "url": "http://x/p", "name": name}
    return body if version is None else body | {"version": version}


def test_without_a_version_the_latest_is_meant() -> None:
    found = Loaded([structure("1.10.0"), structure("1.9.0"), structure("1.10.0-draft")]).structure("http://x/p")
    assert found is not None and found["version"] == "1.10.0"


def test_with_a_version_that_one_is_meant_and_no_other() -> None:
    loaded = Loaded([structure("1.10.0"), structure("1.9.0")])
    assert loaded.structure("http://x/p|1.9.0") == structure("1.9.0")
    assert loaded.structure("http://x/p|2.0.0") is None


def test_a_part_of_a_version_means_the_latest_of_them() -> None:
    assert choose(["1.2.0", "1.2.10", "1.3.0", "1.20.0"], "1.2") == "1.2.10"


@pytest.mark.parametrize(
    ("canonical", "parts"),
    [
        ("http://x/p", ("http://x/p", None)),
        ("http://x/p|1", ("http://x/p", "1")),
        ("http://x/p#a", ("http://x/p", None)),
    ],
)
def test_a_canonical_falls_into_url_and_version(canonical: str, parts: tuple[str, str | None]) -> None:
    assert split(canonical) == parts


def test_what_was_given_comes_before_the_base_and_files_are_read_when_asked_for() -> None:
    base = Loaded([structure("1", "below"), {"resourceType": "ValueSet", "url": "http://x/v"}])
    loaded = Loaded(base=base)
    loaded.add_package([json.dumps(structure("1", "above")).encode(), b"{", b'{"resourceType": "Patient"}'])
    assert loaded.structure("http://x/p") == structure("1", "above")
    assert loaded.value_set("http://x/v") == {"resourceType": "ValueSet", "url": "http://x/v"}
    assert loaded.code_system("http://x/c") is None


def test_every_state_has_a_generation_of_its_own() -> None:
    first, second = Loaded(), Loaded()
    before = first.generation
    assert before != second.generation
    first.add([structure("1")])
    assert first.generation not in (before, second.generation)
