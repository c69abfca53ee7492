"""XML in and out over HTTP, wherever JSON goes. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import json
from base64 import b64encode
from uuid import uuid4

import httpx
import pytest
from tests.journeys.conftest import Create
from tests.journeys.server import Server

from hilum.fhir import xml
from hilum.fhir.json import parse

FHIR = 'xmlns="http://hl7.org/fhir"'
XML = {"content-type": "application/fhir+xml"}
WANTED = {"accept": "application/fhir+xml"}
IS_XML = "application/fhir+xml; charset=utf-8"
WEIGHT = (
    f'<Observation {FHIR}><status value="final"/><code><text value="weight &amp; &#10;more"/></code>'
    '<valueQuantity><value value="1.10"/><unit value="kg"/></valueQuantity></Observation>'
)


def outcome(answer: httpx.Response, status: int) -> str:
    """The text of an OperationOutcome in XML."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, IS_XML), answer.text
    assert answer.headers["vary"].startswith("Accept")
    body = xml.parse(answer.content)
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["diagnostics"])


def test_what_is_sent_as_xml_is_answered_as_xml_and_kept_as_json(fhir: httpx.Client) -> None:
    made = fhir.post("Observation", content=WEIGHT, headers={**XML, "accept": "*/*;q=0.1, application/fhir+xml"})
    assert (made.status_code, made.headers["content-type"]) == (201, IS_XML)
    assert made.headers["vary"].startswith("Accept")
    assert made.headers["cache-control"] == "no-store"
    body = xml.parse(made.content)
    assert body["code"] == {"text": "weight & \nmore"}
    as_json = fhir.get(f"Observation/{body['id']}", headers={"accept": "application/fhir+json"})
    assert as_json.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert b'"value":1.10,' in as_json.content
    as_xml = fhir.get(f"Observation/{body['id']}", headers=WANTED)
    assert as_xml.content == made.content
    assert as_xml.headers["etag"] == as_json.headers["etag"] == 'W/"1"'
    assert as_xml.headers["vary"] == as_json.headers["vary"]
    assert xml.parse(as_xml.content) == parse(as_json.content)


def test_an_empty_body_is_called_empty(fhir: httpx.Client) -> None:
    for method, path in (("POST", "Basic"), ("PUT", "Basic/b"), ("PATCH", "Basic/b"), ("POST", "")):
        assert "is empty" in outcome(fhir.request(method, path, headers={**XML, **WANTED}), 400)
    assert fhir.post("Patient/_search?_id=nobody", headers={**XML, **WANTED}).status_code == 200


@pytest.mark.parametrize("kind", ["application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"])
def test_every_name_of_xml_is_known(fhir: httpx.Client, kind: str) -> None:
    made = fhir.post(
        "Basic", content=f'<Basic {FHIR}><code><text value="x"/></code></Basic>', headers={"content-type": kind}
    )
    assert made.status_code == 201, made.text
    where = made.headers["location"]
    assert fhir.get(where, headers={"accept": kind}).headers["content-type"] == IS_XML
    assert fhir.get(where, params={"_format": kind}).headers["content-type"] == IS_XML


def test_format_overrules_accept_and_pretty_indents(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient", name=[{"family": "Ode"}])["id"]
    answer = fhir.get(f"Patient/{id_}?_format=xml&_pretty=true", headers={"accept": "application/fhir+json"})
    assert answer.headers["content-type"] == IS_XML
    assert '\n  <name>\n    <family value="Ode"/>\n  </name>\n' in answer.text
    assert fhir.get(f"Patient/{id_}?_format=json", headers=WANTED).json()["id"] == id_


def test_a_browser_is_given_json(fhir: httpx.Client, create: Create) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    assert fhir.get(f"Patient/{create('Patient')['id']}", headers=browser).json()["resourceType"] == "Patient"


def test_update_patch_and_delete(fhir: httpx.Client) -> None:
    id_ = str(uuid4())
    body = f'<Patient {FHIR}><id value="{id_}"/><active value="true"/></Patient>'
    made = fhir.put(f"Patient/{id_}", content=body, headers={**XML, **WANTED})
    assert (made.status_code, made.headers["content-type"]) == (201, IS_XML)
    steps = (
        f'<Parameters {FHIR}><parameter><name value="operation"/><part><name value="type"/><valueCode value="replace"/>'
        '</part><part><name value="path"/><valueString value="Patient.active"/></part><part><name value="value"/>'
        '<valueBoolean value="false"/></part></parameter></Parameters>'
    )
    patched = fhir.patch(f"Patient/{id_}", content=steps, headers={**XML, **WANTED, "if-match": 'W/"1"'})
    assert xml.parse(patched.content)["active"] is False
    told = fhir.delete(f"Patient/{id_}", headers={**WANTED, "prefer": "return=OperationOutcome"})
    assert "Deleted" in outcome(told, 200)
    assert outcome(fhir.get(f"Patient/{id_}", headers=WANTED), 410)


def test_an_xml_patch_by_itself_and_in_bundles(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient", active=True)["id"]
    step = '<replace sel="f:Patient/f:active/@value">{}</replace>'
    kind = {"content-type": "application/xml-patch+xml"}
    patched = fhir.patch(f"Patient/{id_}", content=f"<diff>{step.format('false')}</diff>", headers=kind)
    assert (patched.status_code, patched.json()["active"]) == (200, False)
    data = b64encode(f"<diff>{step.format('true')}</diff>".encode()).decode()
    for bundle in ("batch", "transaction"):
        binary = f'<Binary><contentType value="application/xml-patch+xml"/><data value="{data}"/></Binary>'
        request = f'<request><method value="PATCH"/><url value="Patient/{id_}"/></request>'
        body = f'<Bundle {FHIR}><type value="{bundle}"/><entry><resource>{binary}</resource>{request}</entry></Bundle>'
        answer = fhir.post("", content=body, headers=XML)
        assert xml.parse(answer.content)["entry"][0]["response"]["status"] == "200", answer.text
        assert fhir.get(f"Patient/{id_}").json()["active"] is True
    wrong = fhir.patch(f"Patient/{id_}", content=f"<diff>{step.format('yes')}</diff>", headers={**kind, **WANTED})
    assert "Patient.active" in outcome(wrong, 400)
    missing = fhir.patch(f"Patient/{id_}", content="<diff><remove sel='f:Patient/f:gender'/></diff>", headers=kind)
    assert missing.status_code == 422
    assert "application/xml-patch+xml" in fhir.get("metadata").json()["patchFormat"]


def test_prefer_minimal_and_operation_outcome(fhir: httpx.Client) -> None:
    minimal = fhir.post("Observation", content=WEIGHT, headers={**XML, "prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (201, b"")
    told = fhir.post("Observation", content=WEIGHT, headers={**XML, **WANTED, "prefer": "return=OperationOutcome"})
    assert "Created" in outcome(told, 201)


def test_not_modified_has_no_body_in_any_format(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient")["id"]
    answer = fhir.get(f"Patient/{id_}", headers={**WANTED, "if-none-match": 'W/"1"'})
    assert (answer.status_code, answer.content, answer.headers["vary"]) == (304, b"", "Accept")


def test_head_has_the_length_of_the_xml(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient")["id"]
    got, head = fhir.get(f"Patient/{id_}", headers=WANTED), fhir.head(f"Patient/{id_}", headers=WANTED)
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


def test_search_history_and_their_links(fhir: httpx.Client, create: Create) -> None:
    mark = uuid4().hex
    ids = {create("Patient", identifier=[{"value": mark}], name=[{"family": "Ü&<"}])["id"] for _ in range(3)}
    found: set[str] = set()
    url: str | None = f"Patient?identifier={mark}&_count=2&_format=xml"
    while url:
        answer = fhir.get(url)
        assert answer.headers["content-type"] == IS_XML
        page = xml.parse(answer.content)
        found |= {entry["resource"]["id"] for entry in page["entry"]}
        assert all(entry["resource"]["name"] == [{"family": "Ü&<"}] for entry in page["entry"])
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert found == ids
    form = fhir.post("Patient/_search", data={"identifier": mark, "_format": "xml", "_elements": "id"})
    assert {len(entry["resource"]) for entry in xml.parse(form.content)["entry"]} == {3}
    past = fhir.get(f"Patient/{ids.pop()}/_history", headers=WANTED)
    assert xml.parse(past.content)["type"] == "history"


def test_a_transaction_and_a_batch(fhir: httpx.Client) -> None:
    entry = (
        f"<entry><resource>{WEIGHT}</resource>"
        '<request><method value="POST"/><url value="Observation"/></request></entry>'
    )
    for kind in ("transaction", "batch"):
        bundle = f'<Bundle {FHIR}><type value="{kind}"/>{entry * 2}</Bundle>'
        answer = fhir.post("", content=bundle, headers={**XML, **WANTED, "prefer": "return=representation"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, IS_XML), answer.text
        body = xml.parse(answer.content)
        assert [one["response"]["status"] for one in body["entry"]] == ["201", "201"]
        assert "valueQuantity" in body["entry"][0]["resource"]


def test_an_entry_of_a_batch_is_written_as_the_whole_is(fhir: httpx.Client, create: Create) -> None:
    url = f"Patient/{create('Patient')['id']}?_format=xml"
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]}
    answer = fhir.post("", json=bundle, headers={"content-type": "application/fhir+json"})
    assert answer.json()["entry"][0]["resource"]["resourceType"] == "Patient"


def test_operations_take_and_give_xml(fhir: httpx.Client, create: Create) -> None:
    id_ = create("Patient")["id"]
    given = f'<Parameters {FHIR}><parameter><name value="_count"/><valueInteger value="5"/></parameter></Parameters>'
    answer = fhir.post(f"Patient/{id_}/$everything", content=given, headers={**XML, **WANTED})
    assert xml.parse(answer.content)["type"] == "searchset"
    graphql = fhir.get(f"Patient/{id_}/$graphql", params={"query": "{id}"}, headers={"accept": "*/*"})
    assert graphql.json() == {"data": {"id": id_}}


def test_metadata(fhir: httpx.Client) -> None:
    answer = fhir.get("metadata", headers=WANTED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, IS_XML)
    body = xml.parse(answer.content)
    assert {"xml", "json"} <= set(body["format"])
    assert body == fhir.get("metadata").json()
    again = fhir.get("metadata", headers={**WANTED, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.headers["vary"]) == (304, "Accept")


def test_errors_are_told_in_xml(fhir: httpx.Client, server: Server) -> None:
    assert "Patient/none" in outcome(fhir.get("Patient/none", headers=WANTED), 404)
    assert outcome(fhir.get("Nonsense?_format=xml"), 404)
    assert outcome(fhir.get("Patient?_format=application/fhir%2Bxml&nonsense=1"), 400)
    assert outcome(fhir.delete("metadata", headers=WANTED), 405)
    assert outcome(fhir.get("Patient?_summary=all", headers=WANTED), 400)
    assert outcome(fhir.post("Patient", content=b"x", headers={"content-type": "text/plain", **WANTED}), 415)
    with httpx.Client(base_url=server.url) as stranger:
        refused = stranger.get("/fhir/Patient/1", headers=WANTED)
        assert "oken" in outcome(refused, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert outcome(stranger.get("/nothing", headers=WANTED), 404)
        assert stranger.get("/fhir/Patient/1").json()["resourceType"] == "OperationOutcome"
    assert outcome(fhir.post("Patient/$everything", content=b" " * ((1 << 20) + 1), headers={**XML, **WANTED}), 413)


def test_a_format_that_is_not_there_is_told_in_json(fhir: httpx.Client) -> None:
    answer = fhir.get("metadata", headers={"accept": "application/fhir+turtle"})
    assert (answer.status_code, answer.json()["resourceType"]) == (406, "OperationOutcome")
    assert "application/fhir+xml" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<Patient", "not well-formed XML"),
        ("<!DOCTYPE x><Patient/>", "DOCTYPE"),
        (f'<Patient {FHIR}>\n<colour value="x"/></Patient>', "line 2"),
        (f'<Patient {FHIR}><active value="yes"/></Patient>', "Patient.active"),
        (f'<Basic {FHIR}><code><text value="x"/></code></Basic>', "must be Patient"),
        ("{}", "not well-formed XML"),
        (f"<Patient {FHIR}>" + "<contact>" * 5000, "deeply"),
    ],
)
def test_bad_xml_is_refused_with_its_place(fhir: httpx.Client, body: str, words: str) -> None:
    assert words in outcome(fhir.post("Patient", content=body, headers={**XML, **WANTED}), 400)
    told = fhir.post("Patient", content=body, headers=XML)
    assert told.headers["content-type"] == "application/fhir+xml; charset=utf-8", "as what was sent"


def test_bad_xml_is_a_finding_for_who_asks_to_validate_it(fhir: httpx.Client) -> None:
    wrong = f'<Patient {FHIR}>\n<colour value="x"/></Patient>'
    assert "line 2" in outcome(fhir.post("Patient/$validate", content=wrong, headers={**XML, **WANTED}), 200)
    good = fhir.post("Patient/$validate", content=f'<Patient {FHIR}><active value="true"/></Patient>', headers=XML)
    assert xml.parse(good.content)["issue"][0]["severity"] != "error"


def test_what_xml_cannot_carry_is_406_and_what_was_written_stays_written(fhir: httpx.Client) -> None:
    body = json.dumps({"resourceType": "Patient", "name": [{"family": "a\uffff"}]})
    headers = {"content-type": "application/fhir+json", **WANTED}
    made = fhir.post("Patient", content=body, headers=headers)
    assert made.status_code == 201
    assert made.json()["issue"][0]["severity"] == "warning"
    assert "Patient.name[0].family" in made.text
    read = fhir.get(made.headers["location"], headers=WANTED)
    assert read.status_code == 406
    assert read.json()["issue"][0]["expression"] == ["Patient.name[0].family"]
    assert fhir.get(made.headers["location"]).status_code == 200
