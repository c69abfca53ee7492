"""What a token that is bound to a patient may do to what several patients share, and what no token learns unread.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

JSON_PATCH = {"content-type": "application/json-patch+json"}
OUTSIDE = "The token is bound to one compartment (Patient), and this write reaches outside of it."


def reference(id_: str) -> dict[str, Any]:
    return {"reference": f"Patient/{id_}"}


def participants(*ids: str) -> list[dict[str, Any]]:
    return [{"actor": reference(id_), "status": "accepted"} for id_ in ids]


def bundle(kind: str, method: str, url: str, resource: Any = None) -> dict[str, Any]:
    entry = {"request": {"method": method, "url": url}} | ({} if resource is None else {"resource": resource})
    return {"resourceType": "Bundle", "type": kind, "entry": [entry]}


def parameters(operation: str, path: str, **value: Any) -> dict[str, Any]:
    parts = [{"name": "type", "valueCode": operation}, {"name": "path", "valueString": path}]
    parts += [{"name": "value", **value}] if value else []
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def test_nobody_takes_what_is_shared_out_of_anothers_record(server: Server, create: Create) -> None:
    va, vb = create()["id"], create()["id"]
    shared = create("Appointment", status="proposed", participant=participants(va, vb))
    path = f"Appointment/{shared['id']}"
    without = shared | {"participant": participants(va)}
    step = [{"op": "remove", "path": "/participant/1"}]
    steps = parameters("delete", "Appointment.participant[1]")
    with (
        server.client("patient/*.cruds", patient=va) as mine,
        server.client("patient/*.rs", patient=vb) as theirs,
    ):
        refused = [
            mine.put(path, json=without, headers=FHIR_JSON),
            mine.put(f"Appointment?_id={shared['id']}", json=without, headers=FHIR_JSON),
            mine.patch(path, json=step, headers=JSON_PATCH),
            mine.patch(path, json=steps, headers=FHIR_JSON),
            mine.patch(f"Appointment?_id={shared['id']}", json=step, headers=JSON_PATCH),
            mine.delete(path),
            mine.delete(f"Appointment?_id={shared['id']}"),
            mine.delete(f"Appointment?_id={shared['id']}&_multiple=true"),
            mine.post("", json=bundle("transaction", "PUT", path, without), headers=FHIR_JSON),
            mine.post("", json=bundle("transaction", "PATCH", path, steps), headers=FHIR_JSON),
            mine.post("", json=bundle("transaction", "DELETE", path), headers=FHIR_JSON),
            mine.post("", json=bundle("transaction", "DELETE", f"Appointment?_id={shared['id']}"), headers=FHIR_JSON),
        ]
        assert [(answer.status_code, diagnostics(answer)) for answer in refused] == [(403, OUTSIDE)] * len(refused)
        one = mine.post("", json=bundle("batch", "DELETE", path), headers=FHIR_JSON).json()["entry"][0]["response"]
        assert one["status"] == "403"
        assert theirs.get(path).headers["etag"] == 'W/"1"'

        kept = mine.put(path, json=shared | {"status": "waitlist"}, headers=FHIR_JSON)
        assert kept.status_code == 200
        assert theirs.get(path).json()["status"] == "waitlist"


def test_a_group_names_others_and_is_in_nobodys_record(server: Server, create: Create) -> None:
    va, vb = create()["id"], create()["id"]
    both = create("Group", type="person", actual=True, member=[{"entity": reference(id_)} for id_ in (va, vb)])["id"]
    with server.client("patient/*.cruds", patient=va) as mine:
        for path in (f"Group/{both}", f"Group/{both}/_history/1", f"Group/{both}/_history"):
            assert mine.get(path).status_code == 404
        assert mine.delete(f"Group/{both}").status_code == mine.delete("Group/none").status_code
        for query in ("Group", f"Group?member=Patient/{va}", f"Patient/{va}/Group"):
            assert mine.get(query).json()["total"] == 0
        revincluded = mine.get(f"Patient?_id={va}&_revinclude=Group:member").json()["entry"]
        assert [one["resource"]["id"] for one in revincluded] == [va]
        body = {"resourceType": "Group", "type": "person", "actual": True, "member": [{"entity": reference(va)}]}
        assert mine.post("Group", json=body, headers=FHIR_JSON).status_code == 403
    with server.client("system/*.rs") as whole:
        assert whole.get(f"Group/{both}").status_code == 200


def test_who_is_bound_to_nothing_may(fhir: httpx.Client, create: Create) -> None:
    va, vb = create()["id"], create()["id"]
    shared = create("Appointment", status="proposed", participant=participants(va, vb))
    path = f"Appointment/{shared['id']}"
    assert fhir.put(path, json=shared | {"participant": participants(va)}, headers=FHIR_JSON).status_code == 200
    assert fhir.delete(path).status_code == 204


def test_a_patch_takes_the_right_to_read(server: Server, create: Create) -> None:
    made = create("Patient", name=[{"family": "Verborgen"}], active=True)
    path, criteria = f"Patient/{made['id']}", f"Patient?_id={made['id']}"
    asked = [{"op": "test", "path": "/name/0/family", "value": "Verborgen"}]
    steps = parameters("replace", "Patient.where(name.family = 'Verborgen').active", valueBoolean=True)
    for scope, patient in (("system/Patient.cuds", None), ("system/Patient.cuds patient/Patient.r", "other")):
        with server.client(scope, patient=patient) as writer:
            answers = [
                writer.patch(path, json=asked, headers=JSON_PATCH),
                writer.patch(path, json=steps, headers=FHIR_JSON),
                writer.patch(criteria, json=asked, headers=JSON_PATCH),
                writer.post("", json=bundle("transaction", "PATCH", path, steps), headers=FHIR_JSON),
                writer.post("", json=bundle("transaction", "PATCH", criteria, steps), headers=FHIR_JSON),
            ]
            hidden = [404, 404, 403, 404, 403]  # the token reads somebody else's: this one is as if absent
            assert [answer.status_code for answer in answers] == ([403] * 5 if patient is None else hidden)
            for absent in (
                writer.patch("Patient/nobody", json=asked, headers=JSON_PATCH),
                writer.post("", json=bundle("transaction", "PATCH", "Patient/nobody", steps), headers=FHIR_JSON),
            ):
                assert absent.status_code == (403 if patient is None else 404)
            said = " ".join(diagnostics(answer) for answer in answers)
            assert "Verborgen" not in said
            assert "read" in said
    with server.client("system/Patient.rus") as both:
        assert both.patch(path, json=steps, headers=FHIR_JSON).status_code == 200
        assert both.patch(criteria, json=asked, headers=JSON_PATCH).status_code == 200
        answer = both.post("", json=bundle("transaction", "PATCH", path, steps), headers=FHIR_JSON)
        assert answer.status_code == 200
        assert both.get(path).headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("way", ["plain", "transaction", "batch"])
def test_an_etag_does_not_say_that_a_guess_was_right(server: Server, create: Create, way: str) -> None:
    made = create("Patient", name=[{"family": "Verborgen"}])
    path = f"Patient/{made['id']}"
    guess = {"resourceType": "Patient", "id": made["id"], "name": [{"family": "Verborgen"}]}

    def etag(client: httpx.Client) -> str:
        if way == "plain":
            return client.put(path, json=guess, headers=FHIR_JSON).headers["etag"]
        answer = client.post("", json=bundle(way, "PUT", path, guess), headers=FHIR_JSON)
        return str(answer.json()["entry"][0]["response"]["etag"])

    with server.client("system/Patient.cru") as reader, server.client("system/Patient.cu") as writer:
        assert [etag(reader), etag(writer), etag(writer), etag(reader)] == ['W/"1"', 'W/"2"', 'W/"3"', 'W/"3"']


def test_integrity_names_no_hidden_type(start: Callable[..., Server]) -> None:
    server = start("--integrity")
    with server.client() as fhir:
        patient = fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON).json()["id"]
        hidden = {"resourceType": "Condition", "subject": reference(patient)}
        assert fhir.post("Condition", json=hidden, headers=FHIR_JSON).status_code == 201
    with server.client("system/Patient.d") as writer:
        refused = writer.delete(f"Patient/{patient}")
        assert refused.status_code == 409
        assert diagnostics(refused) == "Another resource still refers to this one; delete or change that first."
