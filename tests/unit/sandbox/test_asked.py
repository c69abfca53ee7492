"""What is asked for: the interaction, the type, whose record, in which form."""

from __future__ import annotations

import pytest

from hilum.sandbox.asked import unacceptable, understood, wants_xml
from hilum.sandbox.profile import profiles

EPIC, ORACLE = profiles()["epic"], profiles()["oracle"]


@pytest.mark.parametrize(
    ("method", "path", "query", "wanted"),
    [
        ("GET", "/Observation", "patient=1", "search"),
        ("HEAD", "/Observation", "patient=1", "search"),
        ("POST", "/Observation/_search", "patient=1", "search"),
        ("GET", "/Observation", "sessionID=16-AB", "page"),
        ("GET", "/Observation", "patient=1&-pageContext=x&-pageDirection=NEXT", "page"),
        ("GET", "/Patient/1", "", "read"),
        ("GET", "/Patient/$everything", "", "other"),
        ("GET", "/Patient/1/Observation", "", "other"),
        ("POST", "/Patient", "", "other"),
        ("PUT", "/Patient/1", "", "other"),
        ("POST", "", "", "system"),
        ("POST", "/", "", "system"),
        ("GET", "", "", "other"),
        ("GET", "/Nonsense", "", "unknown-type"),
        ("GET", "/Patient/%zz", "", "other"),
    ],
)
def test_the_interaction_is_known_by_method_path_and_query(method: str, path: str, query: str, wanted: str) -> None:
    assert understood(method, path.encode(), query.encode(), []).interaction == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("patient=7", {"7"}),
        ("patient=Patient/7,8", {"7", "8"}),
        ("subject:Patient=7", {"7"}),
        ("subject=http://ehr/fhir/Patient/7", {"7"}),
        ("patient.name=stone", set()),
        ("code=7", set()),
    ],
)
def test_whose_record_is_searched(query: str, wanted: set[str]) -> None:
    assert understood("GET", b"/Observation", query.encode(), []).patients == wanted


@pytest.mark.parametrize(
    ("accept", "query", "xml", "refused"),
    [
        (b"application/fhir+json", "", False, False),
        (b"application/json", "", False, False),
        (b"application/fhir+xml", "", True, True),
        (b"*/*", "", True, False),
        (b"", "", True, False),
        (b"this/is-not-a-real-mime", "", True, False),
        (b"*/*", "_format=json", False, False),
    ],
)
def test_epic_answers_in_xml_unless_it_is_asked_for_json_and_oracle_has_no_other(
    accept: bytes, query: str, xml: bool, refused: bool
) -> None:
    asked = understood("GET", b"/Patient/1", query.encode(), [(b"accept", accept)] if accept else [])
    assert wants_xml(EPIC, asked) is xml
    assert unacceptable(ORACLE, asked) is refused
    assert not wants_xml(ORACLE, asked)
