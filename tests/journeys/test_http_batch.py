"""Batch and transaction over HTTP. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import httpx
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.validation import validate


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **request: str) -> dict[str, Any]:
    found: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return found if resource is None else found | {"resource": resource}


def post(fhir: httpx.Client, kind: str, entries: list[dict[str, Any]], **headers: str) -> httpx.Response:
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    return fhir.post("", json=bundle, headers=FHIR_JSON | headers)


def patient(**content: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **content}


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    assert [i for i in validate(answer.json()) if i.severity == "error"] == []
    return [one["response"]["status"] for one in answer.json()["entry"]]


def test_a_transaction_answers_in_the_order_of_the_request(fhir: httpx.Client, create: Create, server: Server) -> None:
    old, gone = create(), create()
    made = entry("POST", "Patient", patient(gender="female"))
    made["fullUrl"] = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    seen = entry(
        "POST",
        "Observation",
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": made["fullUrl"]},
        },
    )
    answer = post(
        fhir,
        "transaction",
        [
            entry("GET", f"Patient/{old['id']}"),
            seen,
            entry("PUT", f"Patient/{old['id']}", {**old, "gender": "male"}),
            made,
            entry("DELETE", f"Patient/{gone['id']}"),
        ],
    )
    assert statuses(answer) == ["200", "201", "200", "201", "204"]
    assert answer.json()["type"] == "transaction-response"
    read, observed, updated, created, deleted = answer.json()["entry"]
    assert read["resource"]["gender"] == "male"
    assert read["response"]["etag"] == 'W/"2"'
    assert updated["response"]["etag"] == 'W/"2"'
    where = created["response"]["location"].removeprefix(server.base + "/").removesuffix("/_history/1")
    seen_at = observed["response"]["location"].removesuffix("/_history/1")
    stored = fhir.get(seen_at).json()
    assert stored["subject"]["reference"] == where
    assert observed == {
        "response": {
            "status": "201",
            "location": seen_at + "/_history/1",
            "etag": 'W/"1"',
            "lastModified": stored["meta"]["lastUpdated"],
        }
    }
    assert fhir.get(f"Patient/{gone['id']}").status_code == 410
    assert deleted["response"]["etag"] == 'W/"2"'


def test_a_transaction_happens_whole_or_not_at_all(fhir: httpx.Client) -> None:
    before = fhir.get("_history?_count=1").json()["total"]
    for bad in (
        entry("POST", "Patient", patient(nmae="x")),
        entry("PUT", "Patient/1", patient(id="2")),
        entry("POST", "Patient"),
        entry("GET", "Nothing/1"),
        entry("BREW", "Patient/1"),
        entry("PATCH", "Patient/never-was", {"resourceType": "Parameters"}),
        {"resource": patient()},
        {"request": {"method": "POST"}, "resource": patient()},
    ):
        answer = post(fhir, "transaction", [entry("POST", "Patient", patient()), bad])
        assert 400 <= answer.status_code < 500, answer.text
        assert any("Bundle.entry[1]" in "".join(i.get("expression", ())) for i in answer.json()["issue"]), answer.text
    assert fhir.get("_history?_count=1").json()["total"] == before


def test_everything_wrong_with_a_transaction_is_said_at_once(fhir: httpx.Client) -> None:
    bad = [entry("POST", "Patient", patient(birthDate="x")), entry("POST", "Patient", patient(gender="x"))]
    answer = post(fhir, "transaction", bad)
    assert answer.status_code == 400
    places = [place for issue in answer.json()["issue"] for place in issue["expression"]]
    assert places == ["Bundle.entry[0].resource.birthDate", "Bundle.entry[1].resource.gender"]


def test_prefer_puts_resources_or_outcomes_into_the_response(fhir: httpx.Client) -> None:
    for kind in ("transaction", "batch"):
        made = post(fhir, kind, [entry("POST", "Patient", patient())], prefer="return=representation").json()["entry"][
            0
        ]
        assert made["resource"]["id"] == made["fullUrl"].rpartition("/")[2]
        told = post(fhir, kind, [entry("POST", "Patient", patient())], prefer="return=OperationOutcome").json()[
            "entry"
        ][0]
        assert told["response"]["outcome"]["issue"][0]["diagnostics"] == "Created."
        assert "resource" not in told
        assert "resource" not in post(fhir, kind, [entry("POST", "Patient", patient())]).json()["entry"][0]


def test_each_entry_tells_what_was_warned_of(fhir: httpx.Client, create: Create) -> None:
    old = create()
    add = base64.b64encode(b'[{"op":"add","path":"/gender","value":"other"}]').decode()
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": add}
    told = {"resourceType": "Patient", "text": {"status": "generated", "div": DIV}}
    claim = {"profile": ["http://example.org/unknown"]}
    for kind in ("batch", "transaction"):
        entries = [
            entry("POST", "Patient", patient(meta=claim)),
            entry("PUT", f"Patient/{old['id']}", {**old, "active": kind == "batch"}),
            entry("POST", "Patient", told),
            entry("DELETE", "Patient/nobody"),
        ]
        answer = post(fhir, kind, entries, prefer="return=OperationOutcome").json()["entry"]
        assert [_warned(one) for one in answer] == [["Patient", "Patient.meta.profile"], ["Patient"], [], []]
        answer = post(fhir, kind, [entry("PATCH", f"Patient/{old['id']}", patch)], prefer="return=OperationOutcome")
        assert [_warned(one) for one in answer.json()["entry"]] == [["Patient"]]
        assert all(one.get("response", {}).get("outcome") is None for one in post(fhir, kind, entries).json()["entry"])


def test_a_patch_in_a_transaction_knows_the_modifiers_that_are_defined(fhir: httpx.Client, create: Create) -> None:
    url = "http://example.org/StructureDefinition/modifier-of-a-guide"
    create(
        "StructureDefinition",
        url=url,
        name="Modifier",
        status="active",
        kind="complex-type",
        abstract=False,
        type="Extension",
        context=[{"type": "element", "expression": "Patient"}],
        baseDefinition="http://hl7.org/fhir/StructureDefinition/Extension",
        derivation="constraint",
        differential={
            "element": [{"id": "Extension", "path": "Extension", "isModifier": True, "isModifierReason": "a test"}]
        },
    )
    # At once: who has written a definition need not wait for it.
    old = create(modifierExtension=[{"url": url, "valueBoolean": True}])
    add = base64.b64encode(b'[{"op":"add","path":"/gender","value":"other"}]').decode()
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": add}
    answer = post(fhir, "transaction", [entry("PATCH", f"Patient/{old['id']}", patch)])
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["200"]


def test_a_profile_holds_from_the_answer_to_its_write_on(fhir: httpx.Client, create: Create) -> None:
    url, claims = (
        "http://example.org/StructureDefinition/needs-a-gender",
        {"profile": ["http://example.org/StructureDefinition/needs-a-gender"]},
    )
    assert fhir.post("Patient", json=patient(meta=claims), headers=FHIR_JSON).status_code == 201
    create("StructureDefinition", url=url, name="Needs", status="active", kind="resource", abstract=False,
           type="Patient", baseDefinition="http://hl7.org/fhir/StructureDefinition/Patient", derivation="constraint",
           differential={"element": [{"id": "Patient.gender", "path": "Patient.gender", "min": 1}]})  # fmt: skip
    refused = fhir.post("Patient", json=patient(meta=claims), headers=FHIR_JSON)
    assert (refused.status_code, "gender" in refused.text) == (422, True)


DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'


def _warned(answered: dict[str, Any]) -> list[str]:
    issues = answered["response"].get("outcome", {"issue": ()})["issue"]
    return [place for issue in issues if issue["severity"] == "warning" for place in issue["expression"]]


def test_what_fails_in_a_batch_does_not_stop_the_rest(fhir: httpx.Client, create: Create) -> None:
    old = create()
    id_ = old["id"]
    patch = base64.b64encode(b'[{"op":"add","path":"/gender","value":"other"}]').decode()
    answer = post(
        fhir,
        "batch",
        [
            entry("GET", f"Patient/{id_}"),
            entry("POST", "Patient", patient(nmae="x")),
            entry("GET", "Patient?_summary=count"),
            entry("PUT", f"Patient/{id_}", old, ifMatch='W/"7"'),
            entry("GET", f"Patient/{id_}", ifNoneMatch='W/"2"'),
            entry("POST", "Patient", patient(), ifNoneExist=f"_id={id_}"),
            entry(
                "PATCH",
                f"Patient/{id_}",
                {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": patch},
            ),
            entry("DELETE", "Patient/never-was"),
            entry("HEAD", f"Patient/{id_}"),
            {"resource": patient()},
            entry("POST", "", {"resourceType": "Bundle", "type": "batch"}),
            entry("BREW", f"Patient/{id_}"),
            {**entry("GET", f"Patient/{id_}"), "requets": 1},
        ],
    )
    assert statuses(answer) == [
        "200",
        "400",
        "200",
        "412",
        "304",
        "200",
        "200",
        "204",
        "200",
        "400",
        "400",
        "405",
        "400",
    ]
    entries = answer.json()["entry"]
    assert entries[0]["resource"]["gender"] == "other"
    assert entries[1]["response"]["outcome"]["issue"][0]["severity"] == "error"
    assert "resource" not in entries[8]
    assert entries[9]["response"]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[9].request"]


def test_empty_bundles_and_other_bundles(fhir: httpx.Client) -> None:
    for kind in ("batch", "transaction"):
        answer = fhir.post("", json={"resourceType": "Bundle", "type": kind}, headers=FHIR_JSON)
        assert answer.json() == {"resourceType": "Bundle", "type": f"{kind}-response"}
    for wrong in (
        {"resourceType": "Bundle", "type": "searchset"},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle", "type": "batch", "entry": {}},
        {"resourceType": "Bundle", "type": "batch", "entry": [1]},
        {"resourceType": "Bundle", "type": ["batch"]},
        {"resourceType": "Bundle", "type": "batch", "entries": []},
    ):
        answer = fhir.post("", json=wrong, headers=FHIR_JSON)
        assert answer.status_code == 400
        assert diagnostics(answer)


def test_a_large_batch_and_transaction(fhir: httpx.Client) -> None:
    for kind in ("batch", "transaction"):
        answer = post(fhir, kind, [entry("POST", "Patient", patient(birthDate="1990-01-01")) for _ in range(500)])
        assert statuses(answer) == ["201"] * 500
        assert len({one["response"]["location"] for one in answer.json()["entry"]}) == 500


def test_urls_of_entries_may_be_in_any_letters(fhir: httpx.Client) -> None:
    family = "Ørsted-Łuczak"
    made = entry("POST", "Patient", patient(name=[{"family": family}]), ifNoneExist=f"family:exact={family}")
    named = entry("PUT", f"Patient?family:exact={family}", patient(name=[{"family": family}], gender="male"))
    found = entry("GET", "")
    gone = entry("DELETE", f"Patient?family:exact={family}")
    for kind in ("batch", "transaction"):
        assert statuses(post(fhir, kind, [made])) == ["201"]
        for letters in (family, quote(family)):
            found["request"]["url"] = f"Patient?family:exact={letters}"
            answer = post(fhir, kind, [found])
            assert statuses(answer) == ["200"]
            assert answer.json()["entry"][0]["resource"]["total"] == 1
        assert statuses(post(fhir, kind, [named])) == ["200"]
        assert statuses(post(fhir, kind, [gone])) == ["204"]
        assert statuses(post(fhir, kind, [found])) == ["200"]
    assert "entry" not in fhir.get("Patient", params={"family": family}).json()


def test_an_entry_may_name_its_url_in_full(fhir: httpx.Client, create: Create, server: Server) -> None:
    id_ = create()["id"]
    assert statuses(post(fhir, "batch", [entry("GET", f"{server.base}/Patient/{id_}")])) == ["200"]
    assert statuses(post(fhir, "transaction", [entry("GET", f"{server.base}/Patient/{id_}")])) == ["200"]
    assert statuses(post(fhir, "batch", [entry("GET", f"https://elsewhere.example/Patient/{id_}")])) == ["404"]
