"""Create, read, update, patch, delete and versions over HTTP. https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime

import httpx
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.fhir.resource import instant

JSON_PATCH = {"content-type": "application/json-patch+json"}
DECIMALS = (
    b'{"resourceType":"Observation","status":"final","code":{"text":"weight"},'
    b'"valueQuantity":{"value":1.10,"unit":"kg"}}'
)


def test_create_answers_201_with_location_etag_and_the_bytes_that_a_read_gives(
    fhir: httpx.Client, server: Server
) -> None:
    made = fhir.post("Observation", content=DECIMALS, headers=FHIR_JSON)
    assert made.status_code == 201
    body = made.json()
    assert made.headers["location"] == f"{server.base}/Observation/{body['id']}/_history/1"
    assert made.headers["etag"] == 'W/"1"'
    assert made.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert made.headers["cache-control"] == "no-store"
    assert b'"value":1.10,' in made.content
    read = fhir.get(f"Observation/{body['id']}")
    assert read.content == made.content
    assert read.headers["last-modified"] == made.headers["last-modified"]
    stamp = parsedate_to_datetime(read.headers["last-modified"])
    assert body["meta"]["lastUpdated"][:19] == stamp.strftime("%Y-%m-%dT%H:%M:%S")
    assert fhir.get(made.headers["location"]).content == made.content
    assert "server" not in read.headers
    assert "date" in read.headers


def test_update_makes_the_next_version_and_keeps_the_one_before(
    fhir: httpx.Client, create: Create, server: Server
) -> None:
    one = create("Patient", gender="female")
    two = fhir.put(f"Patient/{one['id']}", json={**one, "gender": "male"}, headers=FHIR_JSON)
    assert two.status_code == 200
    assert two.headers["etag"] == 'W/"2"'
    assert two.headers["location"] == f"{server.base}/Patient/{one['id']}/_history/2"
    assert fhir.get(f"Patient/{one['id']}/_history/1").json() == one
    assert fhir.get(f"Patient/{one['id']}").json()["gender"] == "male"
    assert fhir.get(f"Patient/{one['id']}/_history/3").status_code == 404
    assert fhir.get(f"Patient/{one['id']}/_history/x").status_code == 404


def test_update_of_an_unknown_id_creates_it(fhir: httpx.Client) -> None:
    made = fhir.put("Patient/chosen-1", json={"resourceType": "Patient", "id": "chosen-1"}, headers=FHIR_JSON)
    assert made.status_code == 201
    assert fhir.get("Patient/chosen-1").content == made.content


def test_delete_answers_204_and_reads_410_then(fhir: httpx.Client, create: Create) -> None:
    id_ = create()["id"]
    gone = fhir.delete(f"Patient/{id_}")
    assert (gone.status_code, gone.content, gone.headers["etag"]) == (204, b"", 'W/"2"')
    read = fhir.get(f"Patient/{id_}")
    assert read.status_code == 410
    assert "deleted" in diagnostics(read)
    assert fhir.get(f"Patient/{id_}/_history/1").status_code == 200
    assert fhir.get(f"Patient/{id_}/_history/2").status_code == 410
    assert fhir.delete(f"Patient/{id_}").status_code == 204
    assert fhir.delete("Patient/never-was").status_code == 204


def test_patch_in_both_languages(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient", gender="female")["id"]
    steps = [
        {"op": "test", "path": "/gender", "value": "female"},
        {"op": "replace", "path": "/gender", "value": "other"},
    ]
    patched = fhir.patch(f"Patient/{id_}", json=steps, headers=JSON_PATCH)
    assert (patched.status_code, patched.json()["gender"], patched.headers["etag"]) == (200, "other", 'W/"2"')
    operation = {
        "name": "operation",
        "part": [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "Patient.gender"},
            {"name": "value", "valueCode": "male"},
        ],
    }
    parameters = {"resourceType": "Parameters", "parameter": [operation]}
    patched = fhir.patch(f"Patient/{id_}", json=parameters, headers=FHIR_JSON)
    assert (patched.status_code, patched.json()["gender"], patched.headers["etag"]) == (200, "male", 'W/"3"')
    failed = fhir.patch(f"Patient/{id_}", json=steps, headers=JSON_PATCH)
    assert failed.status_code == 422
    assert diagnostics(failed)
    assert fhir.get(f"Patient/{id_}").headers["etag"] == 'W/"3"'


def test_prefer_decides_what_a_write_returns(fhir: httpx.Client) -> None:
    def post(preference: str) -> httpx.Response:
        return fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON | {"prefer": preference})

    minimal = post("return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert "location" in minimal.headers
    assert "content-type" not in minimal.headers
    assert post("return=representation").json()["resourceType"] == "Patient"
    outcome = post("return=OperationOutcome")
    assert outcome.status_code == 201
    assert outcome.json() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "information", "code": "informational", "diagnostics": "Created."},
            {
                "severity": "warning",
                "code": "invariant",
                "diagnostics": "Patient should keep dom-6: A resource should have narrative for robust management",
                "expression": ["Patient"],
            },
        ],
    }
    gone = fhir.delete(
        f"Patient/{post('return=representation').json()['id']}", headers={"prefer": "return=OperationOutcome"}
    )
    assert (gone.status_code, diagnostics(gone)) == (200, "Deleted: 1.")


def test_if_match_lets_only_the_version_it_names_be_changed(fhir: httpx.Client, create: Create) -> None:
    one = create("Patient", gender="female")
    path, new = f"Patient/{one['id']}", {**one, "gender": "male"}
    for stale in ('W/"2"', '"7"'):
        refused = fhir.put(path, json=new, headers=FHIR_JSON | {"if-match": stale})
        assert refused.status_code == 412
        assert "current version is 1" in diagnostics(refused)
    assert fhir.put(path, json=new, headers=FHIR_JSON | {"if-match": 'W/"1"'}).status_code == 200
    steps = [{"op": "replace", "path": "/gender", "value": "other"}]
    assert fhir.patch(path, json=steps, headers=JSON_PATCH | {"if-match": 'W/"1"'}).status_code == 412
    assert fhir.delete(path, headers={"if-match": 'W/"1"'}).status_code == 412
    assert fhir.delete(path, headers={"if-match": 'W/"2"'}).status_code == 204


def test_conditional_read_answers_304(fhir: httpx.Client, create: Create) -> None:
    id_ = create()["id"]
    read = fhir.get(f"Patient/{id_}")
    fresh = fhir.get(f"Patient/{id_}", headers={"if-none-match": read.headers["etag"]})
    assert (fresh.status_code, fresh.content, fresh.headers["etag"]) == (304, b"", 'W/"1"')
    assert fhir.get(f"Patient/{id_}", headers={"if-none-match": 'W/"9", W/"1"'}).status_code == 304
    assert fhir.get(f"Patient/{id_}", headers={"if-none-match": 'W/"9"'}).status_code == 200
    assert fhir.get(f"Patient/{id_}", headers={"if-modified-since": read.headers["last-modified"]}).status_code == 304
    old = "Sat, 01 Jan 2000 00:00:00 GMT"
    assert fhir.get(f"Patient/{id_}", headers={"if-modified-since": old}).status_code == 200
    assert fhir.get(f"Patient/{id_}", headers={"if-modified-since": "yesterday"}).status_code == 200
    both = {"if-none-match": 'W/"9"', "if-modified-since": read.headers["last-modified"]}
    assert fhir.get(f"Patient/{id_}", headers=both).status_code == 200


def identified(value: str, **content: object) -> dict[str, object]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": value}], **content}


def test_create_with_if_none_exist_returns_the_existing_patient(fhir: httpx.Client) -> None:
    condition = FHIR_JSON | {"if-none-exist": "identifier=urn:mrn|cc1"}
    first = fhir.post("Patient", json=identified("cc1"), headers=condition)
    again = fhir.post("Patient", json=identified("cc1"), headers=condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    fhir.post("Patient", json=identified("cc1"), headers=FHIR_JSON)
    several = fhir.post("Patient", json=identified("cc1"), headers=condition)
    assert several.status_code == 412
    assert several.json()["issue"][0]["code"] == "multiple-matches"


def test_if_none_exist_takes_utf_8_and_percent_encoding(fhir: httpx.Client) -> None:
    body = {"resourceType": "Patient", "name": [{"family": "Bjørnæs"}]}
    first = fhir.post("Patient", json=body, headers=FHIR_JSON).json()["id"]
    for criteria in ("family:exact=Bjørnæs".encode(), b"family:exact=Bj%C3%B8rn%C3%A6s"):
        again = fhir.post(
            "Patient", json=body, headers={b"content-type": b"application/fhir+json", b"if-none-exist": criteria}
        )
        assert (again.status_code, again.json()["id"]) == (200, first)
    wrong = {b"content-type": b"application/fhir+json", b"if-none-exist": b"family=\xff"}
    assert "UTF-8" in diagnostics(fhir.post("Patient", json=body, headers=wrong))


def test_conditional_update_creates_then_updates(fhir: httpx.Client) -> None:
    url = "Patient?identifier=urn:mrn%7Ccu1"
    made = fhir.put(url, json=identified("cu1"), headers=FHIR_JSON)
    changed = fhir.put(url, json=identified("cu1", gender="male"), headers=FHIR_JSON)
    assert (made.status_code, changed.status_code) == (201, 200)
    assert changed.json()["id"] == made.json()["id"]
    assert changed.headers["etag"] == 'W/"2"'


def test_conditional_patch(fhir: httpx.Client) -> None:
    fhir.put("Patient?identifier=urn:mrn%7Ccp1", json=identified("cp1"), headers=FHIR_JSON)
    steps = [{"op": "add", "path": "/gender", "value": "female"}]
    patched = fhir.patch("Patient?identifier=urn:mrn%7Ccp1", json=steps, headers=JSON_PATCH)
    assert (patched.status_code, patched.json()["gender"]) == (200, "female")
    assert fhir.patch("Patient?identifier=urn:mrn%7Cnone", json=steps, headers=JSON_PATCH).status_code == 404


def test_conditional_delete_takes_one_and_several_only_when_told(fhir: httpx.Client) -> None:
    url = "Patient?identifier=urn:mrn%7Ccd1"
    for _ in range(3):
        fhir.post("Patient", json=identified("cd1"), headers=FHIR_JSON)
    refused = fhir.delete(url)
    assert refused.status_code == 412
    assert fhir.get(url + "&_summary=count").json()["total"] == 3
    gone = fhir.delete(url + "&_multiple=true", headers={"prefer": "return=OperationOutcome"})
    assert diagnostics(gone) == "Deleted: 3."
    assert fhir.get(url + "&_summary=count").json()["total"] == 0
    assert fhir.delete(url).status_code == 204
    one = fhir.post("Patient", json=identified("cd1"), headers=FHIR_JSON).json()["id"]
    assert fhir.delete(url).status_code == 204
    assert fhir.get(f"Patient/{one}").status_code == 410


def test_a_conditional_write_without_criteria_is_refused(fhir: httpx.Client) -> None:
    for answer in (
        fhir.put("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON),
        fhir.patch("Patient", json=[], headers=JSON_PATCH),
        fhir.delete("Patient"),
        fhir.delete("Patient?_multiple=true"),
    ):
        assert answer.status_code == 400
        assert "criteria" in diagnostics(answer)


def test_pretty_changes_the_layout_and_nothing_else(fhir: httpx.Client, create: Create) -> None:
    id_ = fhir.post("Observation", content=DECIMALS, headers=FHIR_JSON).json()["id"]
    plain, pretty = fhir.get(f"Observation/{id_}"), fhir.get(f"Observation/{id_}?_pretty=true")
    assert pretty.content.count(b"\n") > 10
    assert b'"value": 1.10' in pretty.content
    assert json.loads(pretty.content) == json.loads(plain.content)
    assert fhir.get(f"Observation/{id_}?_pretty=false").content == plain.content


def test_summary_and_elements_of_a_read(fhir: httpx.Client, create: Create) -> None:
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'}
    patient = create("Patient", text=text, gender="female", maritalStatus={"text": "M"}, birthDate="1990-05-17")
    path = f"Patient/{patient['id']}"
    tag = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    stamp = {"id": patient["id"], "meta": {**patient["meta"], "tag": [tag]}, "resourceType": "Patient"}
    assert fhir.get(path + "?_summary=true").json() == stamp | {"gender": "female", "birthDate": "1990-05-17"}
    assert fhir.get(path + "?_summary=text").json() == stamp | {"text": text}
    data = {"gender": "female", "maritalStatus": {"text": "M"}, "birthDate": "1990-05-17"}
    assert fhir.get(path + "?_summary=data").json() == stamp | data
    assert fhir.get(path + "?_summary=false").json() == patient
    assert fhir.get(path + "?_elements=gender").json() == stamp | {"gender": "female"}
    assert fhir.get(path + "?_elements=gender").headers["etag"] == 'W/"1"'
    for query, said in (("_summary=some", "_summary"), ("_elements=gendre", "gendre"), ("_summary=count", "count")):
        refused = fhir.get(f"{path}?{query}")
        assert refused.status_code == 400
        assert said in diagnostics(refused)


def test_unknown_parameters_of_a_read_are_refused_unless_lenient(fhir: httpx.Client, create: Create) -> None:
    path = f"Patient/{create()['id']}?colour=red"
    refused = fhir.get(path)
    assert refused.status_code == 400
    assert "colour" in diagnostics(refused)
    assert fhir.get(path, headers={"prefer": "handling=lenient"}).status_code == 200


def test_last_updated_is_an_instant_with_microseconds(create: Create) -> None:
    stamp = create()["meta"]["lastUpdated"]
    assert len(stamp) == len(instant(0))
    assert stamp.endswith("Z")
