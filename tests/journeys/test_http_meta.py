"""`$meta`, `$meta-add` and `$meta-delete` over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server


def parameters(**meta: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def returned(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["parameter"]
    assert one["name"] == "return"
    found: dict[str, Any] = one["valueMeta"]
    return found


TAG = {"system": "urn:tags", "code": "walked"}
RED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


def test_labels_are_put_on_and_taken_off_version_by_version(fhir: httpx.Client, create: Create) -> None:
    patient = create("Patient", active=True)
    path = f"Patient/{patient['id']}"
    answer = fhir.post(f"{path}/$meta-add", json=parameters(tag=[TAG], security=[RED]), headers=FHIR_JSON)
    meta = returned(answer)
    assert (meta["versionId"], meta["tag"], meta["security"]) == ("2", [TAG], [RED])
    assert answer.headers["etag"] == 'W/"2"'
    assert meta == returned(fhir.get(f"{path}/$meta")) == fhir.get(path).json()["meta"]
    again = fhir.post(f"{path}/$meta-add", json=parameters(tag=[TAG | {"display": "x"}]), headers=FHIR_JSON)
    assert returned(again) == meta  # the same identity: nothing changes
    less = returned(fhir.post(f"{path}/$meta-delete", json=parameters(tag=[TAG], profile=["urn:x"]), headers=FHIR_JSON))
    assert (less["versionId"], "tag" in less, less["security"]) == ("3", False, [RED])
    assert returned(fhir.get(f"{path}/_history/2/$meta")) == meta
    assert "tag" not in returned(fhir.get(f"{path}/_history/1/$meta"))
    assert {entry["request"]["method"] for entry in fhir.get(f"{path}/_history").json()["entry"]} == {"POST", "PATCH"}


@pytest.mark.parametrize(
    ("body", "status", "said", "place"),
    [
        (None, 400, "meta is missing", None),
        (parameters(source="urn:x"), 400, "names no profile, tag", "Parameters.parameter[0].value"),
        (parameters(tag=[{"display": "x"}]), 400, "by its code", "Parameters.parameter[0].value.tag[0]"),
        (parameters(colour="red"), 400, "", "Parameters.parameter[0].value.colour"),
        ({"resourceType": "Patient"}, 400, "must be a Parameters resource", "Parameters"),
    ],
)
def test_what_is_refused(
    fhir: httpx.Client, create: Create, body: dict[str, Any] | None, status: int, said: str, place: str | None
) -> None:
    path = f"Patient/{create('Patient')['id']}"
    for name in ("$meta-add", "$meta-delete"):
        answer = fhir.post(f"{path}/{name}", json=body, headers=FHIR_JSON) if body else fhir.post(f"{path}/{name}")
        assert (answer.status_code, said in diagnostics(answer)) == (status, True), answer.text
        assert answer.json()["issue"][0].get("expression", [None])[0] == place
    assert fhir.get(path).json()["meta"]["versionId"] == "1"


def test_changes_are_by_post_of_what_is_there_now(fhir: httpx.Client, create: Create) -> None:
    path = f"Patient/{create('Patient')['id']}"
    sent = parameters(tag=[TAG])
    assert fhir.get(f"{path}/$meta-add").status_code == 405
    history = fhir.post(f"{path}/_history/1/$meta-add", json=sent, headers=FHIR_JSON)
    assert (history.status_code, "stays as it is" in diagnostics(history)) == (404, True)
    stale = {**FHIR_JSON, "if-match": 'W/"7"'}
    assert fhir.post(f"{path}/$meta-add", json=sent, headers=stale).status_code == 412
    assert fhir.post("Patient/never/$meta-add", json=sent, headers=FHIR_JSON).status_code == 404
    fhir.delete(path)
    assert fhir.post(f"{path}/$meta-add", json=sent, headers=FHIR_JSON).status_code == 410
    assert fhir.get(f"{path}/$meta").status_code == 410


def test_by_a_batch_but_not_within_a_transaction(fhir: httpx.Client, create: Create) -> None:
    path = f"Patient/{create('Patient')['id']}"
    entry = {"request": {"method": "POST", "url": f"{path}/$meta-add"}, "resource": parameters(tag=[TAG])}
    read = {"request": {"method": "GET", "url": f"{path}/$meta"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry, read]}
    answer = fhir.post("", json=bundle, headers=FHIR_JSON).json()
    assert [one["response"]["status"] for one in answer["entry"]] == ["200", "200"]
    assert answer["entry"][1]["resource"]["parameter"][0]["valueMeta"]["tag"] == [TAG]
    transaction = fhir.post("", json=bundle | {"type": "transaction"}, headers=FHIR_JSON)
    assert transaction.status_code == 400
    assert fhir.post("", json=bundle | {"type": "transaction", "entry": [read]}, headers=FHIR_JSON).status_code == 200


def test_a_token_needs_what_a_patch_needs(server: Server, fhir: httpx.Client, create: Create) -> None:
    own, other = create("Patient")["id"], create("Patient")["id"]
    sent = parameters(security=[RED])
    for scope, statuses in {
        "patient/Patient.ru": (200, 404),
        "patient/Patient.r": (403, 403),
        "patient/Patient.u": (403, 403),
        "patient/Observation.cruds": (403, 403),
    }.items():
        with server.client(scope, patient=own) as client:
            for id, status in zip((own, other), statuses, strict=True):
                answer = client.post(f"Patient/{id}/$meta-add", json=sent, headers=FHIR_JSON)
                assert answer.status_code == status, (scope, answer.text)
    assert "security" not in fhir.get(f"Patient/{other}").json()["meta"]


def test_of_a_type_and_the_system(server: Server, fhir: httpx.Client, create: Create) -> None:
    own, other = create("Patient", meta={"tag": [{"system": "urn:mine", "code": "a"}]})["id"], create("Patient")["id"]
    create("Observation", status="final", code={"text": "x"}, subject={"reference": f"Patient/{other}"},
           meta={"tag": [{"system": "urn:theirs", "code": "b"}]})  # fmt: skip

    def systems(client: httpx.Client, path: str) -> set[str | None]:
        return {tag.get("system") for tag in returned(client.get(path)).get("tag", ())} & {"urn:mine", "urn:theirs"}

    assert systems(fhir, "$meta") == {"urn:mine", "urn:theirs"}
    assert systems(fhir, "Patient/$meta") == {"urn:mine"}
    with server.client("patient/*.rs", patient=own) as client:
        assert systems(client, "$meta") == {"urn:mine"}
        assert systems(client, "Observation/$meta") == set()
    with server.client("system/Observation.r") as client:
        assert client.get("Observation/$meta").status_code == 403
        assert client.get("$meta").status_code == 403


def test_in_xml(fhir: httpx.Client, create: Create) -> None:
    path = f"Patient/{create('Patient')['id']}"
    body = (
        '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="meta"/>'
        '<valueMeta><tag><system value="urn:tags"/><code value="walked"/></tag></valueMeta></parameter></Parameters>'
    )
    xml = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
    answer = fhir.post(f"{path}/$meta-add", content=body, headers=xml)
    assert answer.status_code == 200, answer.text
    assert '<tag><system value="urn:tags"/><code value="walked"/></tag>' in answer.text
    assert returned(fhir.get(f"{path}/$meta"))["tag"] == [TAG]
    wrong = fhir.post(f"{path}/$meta-add", content=body.replace("valueMeta", "valueString"), headers=xml)
    assert wrong.status_code == 400
    assert wrong.text.startswith("<")
