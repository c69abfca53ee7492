"""What scopes let an app reach. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import App, Ground, ids
from tests.conformance.smart.people import ADA, ADMIN, AUDITOR, BEN, KIM, condition, observation, patient
from tests.conformance.smart.visitor import Choices
from tests.journeys.server import FHIR_JSON

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference"


def reached(client: httpx.Client, *urls: str) -> list[int]:
    return [client.get(url).status_code for url in urls]


def test_smart22_119_an_app_of_a_patient_may_no_more_than_the_patient(ground: Ground, app: App) -> None:
    """What is asked for and allowed goes far beyond what the role of a patient has."""
    found = ground.tokens(app, "user/*.cruds", ADA)
    with ground.fhir(found) as client:
        assert ids(client.get("Observation")) == ["o1", "o2"]
        assert ids(client.get("Patient")) == ["p1"]
        assert reached(client, "Observation/o1", "Observation/o9", "Patient/p2") == [200, 404, 404]
        changed = client.put("Condition/c1", json=condition("c1", "p1", "encounter-diagnosis"), headers=FHIR_JSON)
        assert changed.status_code == 403
        assert client.delete("Observation/o1").status_code == 403
        assert client.get("AuditEvent?_count=5").json().get("total", 0) == 0


def test_smart22_119_an_app_of_an_auditor_may_no_more_than_the_auditor(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "user/*.cruds", AUDITOR)
    with ground.fhir(found) as client:
        assert reached(client, "AuditEvent?_count=1", "Provenance") == [200, 200]
        assert reached(client, "Observation", "Patient/p1", "Observation/o1") == [403, 403, 403]


def test_smart22_119_the_rights_of_the_user_are_those_of_now(ground: Ground, app: App) -> None:
    """Not those that the user had when the app was allowed."""
    name = f"temp.{uuid.uuid4().hex[:8]}"
    ground.user(name, display="Temp", roles=("practitioner",))
    found = ground.tokens(app, "user/Observation.rs", name)
    with ground.fhir(found) as client:
        assert client.get("Observation/o1").status_code == 200
        ground.change(name, roles=("auditor",))
        ground.until(lambda: client.get("Observation/o1").status_code in (401, 403))


def test_smart22_123_who_may_update_may_create_by_update(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "user/Condition.u", KIM)
    new = f"c-{uuid.uuid4()}"
    body = condition(new, "p1", "problem-list-item")
    with ground.fhir(found) as client:
        assert client.put(f"Condition/{new}", json=body, headers=FHIR_JSON).status_code == 201
        assert client.put(f"Condition/{new}", json=body | {"code": {"text": "x"}}, headers=FHIR_JSON).status_code == 200
        del body["id"]
        assert client.post("Condition", json=body, headers=FHIR_JSON).status_code == 403
        assert client.delete(f"Condition/{new}").status_code == 403
    with ground.server.client() as owner:
        assert owner.delete(f"Condition/{new}").status_code in (200, 204)


def bundle(type: str, *entries: tuple[str, str, dict[str, Any] | None]) -> dict[str, Any]:
    made = [
        {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})
        for method, url, resource in entries
    ]
    return {"resourceType": "Bundle", "type": type, "entry": made}


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["response"]["status"].split()[0] for one in answer.json()["entry"]]


def test_smart22_130_each_entry_of_a_batch_is_judged_by_itself(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "patient/Observation.rs patient/Patient.r", ADA)
    new = f"o-{uuid.uuid4()}"
    asked = bundle(
        "batch",
        ("GET", "Observation/o1", None),
        ("GET", "Observation/o9", None),
        ("GET", "Condition/c1", None),
        ("GET", "Observation", None),
        ("GET", "Patient", None),
        ("PUT", f"Observation/{new}", observation(new, "p1", "laboratory")),
        ("DELETE", "Observation/o1", None),
    )
    with ground.fhir(found) as client:
        answer = client.post("", json=asked, headers=FHIR_JSON)
        assert statuses(answer) == ["200", "404", "403", "200", "403", "403", "403"]
        assert ids_of(answer.json()["entry"][3]["resource"]) == ["o1", "o2"]
        assert reached(client, "Observation/o1", f"Observation/{new}") == [200, 404]


def ids_of(bundle: dict[str, Any]) -> list[str]:
    return sorted(one["resource"]["id"] for one in bundle["entry"])


def test_smart22_130_a_transaction_with_an_entry_that_may_not_be_does_nothing(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "user/Observation.cruds", KIM)
    new = f"o-{uuid.uuid4()}"
    fine = ("PUT", f"Observation/{new}", observation(new, "p1", "laboratory"))
    with ground.fhir(found) as client:
        wrong = bundle("transaction", fine, ("PUT", "Condition/c1", condition("c1", "p1", "encounter-diagnosis")))
        assert client.post("", json=wrong, headers=FHIR_JSON).status_code == 403
        assert client.get(f"Observation/{new}").status_code == 404
        right = bundle("transaction", fine)
        assert statuses(client.post("", json=right, headers=FHIR_JSON)) == ["201"]
        assert client.get(f"Observation/{new}").status_code == 200
        assert client.delete(f"Observation/{new}").status_code in (200, 204)


def test_smart22_136_367_a_patient_scope_reaches_one_patient(ground: Ground, app: App) -> None:
    """Whoever allowed it: a practitioner may see the others, the app may not."""
    assert "permission-patient" in ground.said["capabilities"]
    for user, choices in ((ADA, Choices()), (KIM, Choices(patient="p1"))):
        with ground.fhir(ground.tokens(app, "patient/*.rs", user, choices)) as client:
            assert ids(client.get("Patient")) == ["p1"]
            assert ids(client.get("Observation")) == ["o1", "o2"]
            assert ids(client.get("Observation?subject=Patient/p2")) == []
            assert ids(client.get("Condition?_id=c1,c9")) == ["c1"]
            hidden = ("Patient/p2", "Observation/o9", "Observation/o9/_history/1", "Observation/o9/_history")
            assert reached(client, *hidden) == [404] * len(hidden)
            assert reached(client, "Patient/p1", "Observation/o1", "Observation/o1/_history/1") == [200] * 3


def test_smart22_139_the_documents_say_what_a_link_between_patients_does(ground: Ground, app: App) -> None:
    """Nothing: and so it is."""
    said = "Patients that are linked (`Patient.link`) are two records: a token for one does not reach the other."
    assert said in (DOCS / "access.md").read_text()
    with ground.fhir(ground.tokens(app, "patient/*.rs", ADA)) as client:  # p3 links to p1
        assert reached(client, "Patient/p1", "Patient/p3", "Observation/o3") == [200, 404, 404]
        assert ids(client.get("Patient/p1/Patient")) == ["p1"]
        assert ids(client.get("Patient?link=Patient/p1")) == []
    with ground.server.client() as owner:  # though R4 has it in the compartment
        assert "p3" in ids(owner.get("Patient/p1/Patient"))


def test_smart22_139_nothing_is_written_through_a_link(ground: Ground, app: App) -> None:
    found = ground.tokens(app, "patient/Patient.cruds", KIM, Choices(patient="p1"))
    linked = patient("p3", "Eve", link=[{"other": {"reference": "Patient/p1"}, "type": "seealso"}])
    new = {name: value for name, value in linked.items() if name != "id"}
    with ground.fhir(found) as client:
        own = client.get("Patient/p1").json()
        assert client.put("Patient/p1", json=own | {"active": True}, headers=FHIR_JSON).status_code == 200
        assert client.put("Patient/p3", json=linked, headers=FHIR_JSON).status_code == 404
        assert client.delete("Patient/p3").status_code == client.delete("Patient/nothing").status_code == 204
        assert client.post("Patient", json=new, headers=FHIR_JSON).status_code == 403
        assert client.get("Patient/p3/_history/1").status_code == 404
    with ground.server.client() as owner:
        assert owner.get("Patient/p3").json()["name"] == patient("p3", "Ada")["name"]


def test_smart22_140_368_a_user_scope_reaches_what_the_user_reaches(ground: Ground, app: App) -> None:
    assert "permission-user" in ground.said["capabilities"]
    seen = {}
    for user in (KIM, ADA, BEN):
        with ground.fhir(ground.tokens(app, "user/Observation.rs", user)) as client:
            seen[user] = set(ids(client.get("Observation?_count=1000"))) & {"o1", "o2", "o3", "o9"}
            assert client.get("Condition").status_code == 403
    assert seen == {KIM: {"o1", "o2", "o3", "o9"}, ADA: {"o1", "o2"}, BEN: {"o9"}}


def test_smart22_144_a_wildcard_is_for_all_types(ground: Ground, app: App) -> None:
    """All that the CapabilityStatement names, and what comes later: nothing but `*` is written down."""
    found = ground.tokens(app, "user/*.rs", ADMIN)
    assert found["scope"] == "user/*.rs"
    types = [one["type"] for one in httpx.get(f"{ground.base}/metadata").json()["rest"][0]["resource"]]
    assert len(types) > 140
    with ground.fhir(found) as client:
        answers = {type: client.get(f"{type}?_summary=count").status_code for type in types}
    assert {type: status for type, status in answers.items() if status != 200} == {}


@pytest.mark.parametrize("all", [True, False])
def test_smart22_144_a_wildcard_for_a_patient_reaches_what_is_written_later(
    ground: Ground, app: App, all: bool
) -> None:
    """Unless one thing was left out: then what was ticked is granted, by name."""
    choices = Choices(untick=lambda value: not all and value.startswith("patient/Goal"))
    found = ground.tokens(app, "patient/*.rs", ADA, choices)
    assert ("patient/*.rs" in found["scope"].split()) is all
    page = ground.seated(ADA).pages["consent"]
    assert "also what is added later" in page.text
    new = f"flag-{uuid.uuid4()}"
    flag = {"resourceType": "MeasureReport", "id": new, "status": "complete", "type": "individual",
            "measure": "http://example.org/m", "period": {"start": "2026"},
            "subject": {"reference": "Patient/p1"}}  # fmt: skip
    with ground.server.client() as owner, ground.fhir(found) as client:
        assert owner.put(f"MeasureReport/{new}", json=flag, headers=FHIR_JSON).status_code == 201
        assert reached(client, f"MeasureReport/{new}", "Goal") == ([200, 200] if all else [403, 403])
        assert owner.delete(f"MeasureReport/{new}").status_code in (200, 204)
