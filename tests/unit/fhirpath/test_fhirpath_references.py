"""What the text of a reference says. https://hl7.org/fhir/R4/references.html#literal"""

from __future__ import annotations

import pytest

from hilum.fhirpath.references import local, target_type


@pytest.mark.parametrize(
    ("text", "place", "type_"),
    [
        ("Patient/1", ("Patient", "1"), "Patient"),
        ("Patient/a-b.C/_history/7", ("Patient", "a-b.C"), "Patient"),
        ("http://a.org/fhir/Patient/1", None, "Patient"),
        ("https://a.org/Patient/1/_history/2", None, "Patient"),
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", None, None),
        ("#p1", None, None),
        ("Pigeon/1", None, None),
        ("Patient/", None, None),
        ("Patient/" + "1" * 65, None, None),
        ("Patient/1/name", None, None),
        ("Patient/1\n", None, None),
        ("http://a.org/fhir/ValueSet?url=Patient/1", None, None),
        ("Patient", None, None),
        ("", None, None),
    ],
)
def test_a_reference_names_a_resource_here_or_at_least_a_type(
    text: str, place: tuple[str, str] | None, type_: str | None
) -> None:
    assert (local(text), target_type(text)) == (place, type_)
