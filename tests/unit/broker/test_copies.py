"""Resources of another EHR as copies here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.broker.played import BASE, observation, patient

from hilum.broker.connection import Connection
from hilum.broker.copies import copy, id_of, links, origin
from hilum.broker.whose import paths
from hilum.fhir.definitions import TYPES

NORTH = Connection("north", "sandbox", "plain", BASE, "client", "private_key_jwt")
HERE = {("Patient", "p1"): "aaa", ("Observation", "o"): "bbb", ("Binary", "f"): "ccc"}


def copied(**more: Any) -> dict[str, Any]:
    body = copy(observation("o", **more), BASE, HERE)
    return {key: body[key] for key in more}


def test_a_copy_has_an_id_of_its_own_and_says_where_it_is_from() -> None:
    meta = {"versionId": "7", "lastUpdated": "2026-01-01T00:00:00Z", "source": "#x", "profile": ["urn:p"]}
    assert copy(observation("o", meta=meta), BASE, HERE) == observation("bbb", "Patient/aaa") | {
        "meta": {"profile": ["urn:p"], "source": f"{BASE}/Observation/o"}
    }
    assert copy(patient("p1"), BASE, HERE)["meta"] == {"source": f"{BASE}/Patient/p1"}


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("Patient/p1", "Patient/aaa"),
        ("Patient/p1/_history/9", "Patient/aaa"),
        (f"{BASE}/Patient/p1", "Patient/aaa"),
        ("Patient/p2", f"{BASE}/Patient/p2"),
        ("Patient/p2/_history/9", f"{BASE}/Patient/p2/_history/9"),
        ("Patient?identifier=1234", f"{BASE}/Patient?identifier=1234"),
        ("/fhir/R4/Patient/p1", "https://ehr.example/fhir/R4/Patient/p1"),
        ("https://other.example/fhir/Patient/p1", "https://other.example/fhir/Patient/p1"),
        ("#p1", "#p1"),
        ("#", "#"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_a_reference_is_ours_where_its_target_is_here_and_absolute_elsewhere(there: str, here: str) -> None:
    assert copied(focus=[{"reference": there, "display": "x"}]) == {"focus": [{"reference": here, "display": "x"}]}


@given(st.from_regex(r"(Location|Device)/[a1.\-]{1,4}(/_history/[1.]{1,3})?", fullmatch=True))
def test_what_is_not_here_becomes_absolute_as_any_relative_url_does(there: str) -> None:
    assert copied(focus=[{"reference": there}]) == {"focus": [{"reference": urljoin(f"{BASE}/", there)}]}


def test_links_of_contained_resources_and_extensions_mean_the_same_as_before() -> None:
    contained = [{"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/p1"}}]
    extension = [{"url": "part", "valueReference": {"reference": "Observation/o"}}, {"url": "Patient/p1"}]
    assert copied(contained=contained, extension=extension) == {
        "contained": [{"resourceType": "Specimen", "id": "s", "subject": {"reference": "Patient/aaa"}}],
        "extension": [{"url": "part", "valueReference": {"reference": "Observation/bbb"}}, {"url": "Patient/p1"}],
    }


def test_attachments_are_absolute_unless_their_content_is_here() -> None:
    files = ["Binary/g", f"{BASE}/Binary/g", "https://files.example/1", "Binary/f", f"{BASE}/Binary/f"]
    content = [{"attachment": {"url": one}} for one in files]
    urls = [one["attachment"]["url"] for one in copied(content=content)["content"]]
    assert urls == [f"{BASE}/Binary/g"] * 2 + ["https://files.example/1"] + ["Binary/ccc"] * 2


def test_links_in_a_narrative_never_lead_to_a_resource_of_ours_by_accident() -> None:
    div = """<div><a href="Patient/p2">x</a> <a href='#n'>y</a> <a href="Patient/p1">z</a> <img src="a&amp;b"/></div>"""
    assert copied(text={"status": "generated", "div": div})["text"]["div"] == (
        f"""<div><a href="{BASE}/Patient/p2">x</a> <a href='#n'>y</a> <a href="Patient/aaa">z</a> """
        f"""<img src="{BASE}/a&amp;b"/></div>"""
    )


def test_marks_of_our_packages_are_left_out() -> None:
    meta = {"tag": [{"system": "urn:hilum:package", "code": "a#1"}, {"code": "b"}]}
    assert copied(meta=meta)["meta"] == {"tag": [{"code": "b"}], "source": f"{BASE}/Observation/o"}


def test_all_that_a_resource_links_to_is_known() -> None:
    body = observation("o", content={"attachment": {"url": "Binary/f"}}, text={"div": '<a href="Patient/p3"/>'})
    assert links(body, BASE) == {"Patient/p1", "Binary/f", "Patient/p3"}


def test_a_copy_knows_its_original() -> None:
    assert origin(copy(observation("o"), BASE, HERE), BASE) == ("Observation", "o")
    assert origin(copy(observation("o"), BASE, HERE), f"{BASE}4") is None
    assert origin(observation("o"), BASE) is None


def test_another_connection_environment_or_base_gives_another_id() -> None:
    others = [replace(NORTH, name="south"), replace(NORTH, environment="production"), replace(NORTH, base="urn:x")]
    assert len({id_of(one, "Patient", "p1") for one in [NORTH, *others]}) == 4


@dataclass(frozen=True)
class Place:
    name: str
    base: str
    type: str
    id: str


places = st.builds(
    Place,
    st.text('ab\0/"', max_size=3),
    st.text('ab\0/",', max_size=3),
    st.sampled_from(["A", "AB"]),
    st.text("AB.-", max_size=2),
)


@given(places, places)
def test_ids_are_legal_and_tell_apart_whatever_differs(one: Place, other: Place) -> None:
    made = [id_of(replace(NORTH, name=each.name, base=each.base), each.type, each.id) for each in (one, other)]
    assert (made[0] == made[1]) is (one == other)
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", each) for each in made)


def test_whom_a_type_is_about_is_known_of_all_types_of_a_patients_record() -> None:
    assert {type for type in TYPES if paths(type)} >= {
        "AllergyIntolerance", "Appointment", "CarePlan", "Condition", "Coverage", "DiagnosticReport",
        "DocumentReference", "Encounter", "Goal", "Immunization", "MedicationRequest", "Observation", "Procedure",
    }  # fmt: skip
    assert paths("Appointment") == (("participant", "actor"),)
    assert paths("AuditEvent") == (("agent", "who"), ("entity", "what"))
    assert paths("Condition") == (("subject",),)
    assert paths("Coverage") == (("beneficiary",),)
    assert paths("Practitioner") == ()
