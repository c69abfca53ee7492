"""Labels put on and taken off where the list of profiles has its extensions beside it."""

from __future__ import annotations

from typing import Any

import pytest

from hilum.fhir import json
from hilum.interactions.labels import adding, removing
from hilum.validation import validate

NOTE = {"extension": [{"url": "http://example.org/note", "valueString": "x"}]}


def patient(**meta: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "1", "meta": {"versionId": "1"} | meta}


@pytest.mark.parametrize(
    ("meta", "listed"),
    [
        ({"_profile": [NOTE]}, [None, "urn:p"]),
        ({"_profile": [NOTE, NOTE]}, [None, None, "urn:p"]),
        ({"profile": ["urn:o"], "_profile": [NOTE]}, ["urn:o", "urn:p"]),
        ({"profile": [None, "urn:p"], "_profile": [NOTE, None]}, [None, "urn:p"]),
        ({}, ["urn:p"]),
    ],
)
def test_profiles_keep_in_step_with_their_extensions(meta: dict[str, Any], listed: list[str | None]) -> None:
    added = adding({"profile": ["urn:p"]}, "Parameters").applied(json.encode(patient(**meta)))
    assert added["meta"]["profile"] == listed
    assert len(added["meta"].get("_profile", listed)) == len(listed)
    assert not [issue for issue in validate(added) if issue.severity == "error"]
    removed = removing({"profile": ["urn:p"]}, "Parameters").applied(json.encode(added))
    assert not [issue for issue in validate(removed) if issue.severity == "error"]
