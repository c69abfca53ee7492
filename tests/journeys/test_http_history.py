"""History and paging over HTTP. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from typing import Any

import httpx
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.validation import validate


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((one["url"] for one in bundle.get("link", ()) if one["relation"] == relation), None)


def changed(fhir: httpx.Client, patient: dict[str, Any], times: int) -> None:
    for number in range(times):
        new = {**patient, "name": [{"family": f"N{number}"}]}
        assert fhir.put(f"Patient/{patient['id']}", json=new, headers=FHIR_JSON).status_code == 200


def test_history_of_one_resource_says_what_happened(fhir: httpx.Client, create: Create, server: Server) -> None:
    patient = create("Patient", gender="female")
    path = f"Patient/{patient['id']}"
    two = fhir.put(path, json={**patient, "gender": "male"}, headers=FHIR_JSON).json()
    fhir.delete(path)
    bundle = fhir.get(path + "/_history").json()
    assert [issue for issue in validate(bundle) if issue.severity == "error"] == []
    deleted_at = bundle["entry"][0]["response"]["lastModified"]
    assert bundle == {
        "resourceType": "Bundle",
        "type": "history",
        "total": 3,
        "link": [{"relation": "self", "url": f"{server.base}/{path}/_history"}],
        "entry": [
            {
                "fullUrl": f"{server.base}/{path}",
                "request": {"method": "DELETE", "url": path},
                "response": {"status": "204", "etag": 'W/"3"', "lastModified": deleted_at},
            },
            {
                "fullUrl": f"{server.base}/{path}",
                "resource": two,
                "request": {"method": "PUT", "url": path},
                "response": {"status": "200", "etag": 'W/"2"', "lastModified": two["meta"]["lastUpdated"]},
            },
            {
                "fullUrl": f"{server.base}/{path}",
                "resource": patient,
                "request": {"method": "POST", "url": "Patient"},
                "response": {"status": "201", "etag": 'W/"1"', "lastModified": patient["meta"]["lastUpdated"]},
            },
        ],
    }


def test_paging_a_history_sees_each_version_once_while_others_write(fhir: httpx.Client, create: Create) -> None:
    patient = create()
    changed(fhir, patient, 6)
    seen = []
    url: str | None = f"Patient/{patient['id']}/_history?_count=2"
    while url is not None:
        bundle = fhir.get(url).json()
        assert len(bundle["entry"]) <= 2
        seen += [entry["resource"]["meta"]["versionId"] for entry in bundle["entry"]]
        url = link(bundle, "next")
        if len(seen) == 2:
            fhir.put(f"Patient/{patient['id']}", json={**patient, "gender": "other"}, headers=FHIR_JSON)
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]


def test_type_and_system_history_since_and_at(fhir: httpx.Client, create: Create) -> None:
    basic = {"code": {"text": "x"}}
    first = create("Basic", **basic)
    since = first["meta"]["lastUpdated"]
    second = create("Basic", **basic)
    newest = fhir.get("Basic/_history", params={"_since": since}).json()["entry"]
    assert [entry["resource"]["id"] for entry in newest] == [second["id"], first["id"]]
    later = fhir.get("_history", params={"_since": second["meta"]["lastUpdated"]}).json()["entry"]
    assert [entry["resource"]["id"] for entry in later] == [second["id"]]
    changed_body = {**first, "code": {"text": "y"}}
    fhir.put(f"Basic/{first['id']}", json=changed_body, headers=FHIR_JSON)
    then = fhir.get(f"Basic/{first['id']}/_history", params={"_at": second["meta"]["lastUpdated"]}).json()["entry"]
    assert [entry["resource"]["meta"]["versionId"] for entry in then] == ["1"]


def test_an_unescaped_plus_in_a_time_zone_is_understood(fhir: httpx.Client, create: Create) -> None:
    id_ = create()["id"]
    assert fhir.get(f"Patient/{id_}/_history?_since=2020-01-01T00:00:00+01:00").json()["total"] == 1


def test_bad_history_parameters_are_named(fhir: httpx.Client, create: Create) -> None:
    path = f"Patient/{create()['id']}/_history"
    for query, said in (
        ("_count=ten", "_count"),
        ("_count=-1", "_count"),
        ("_since=lately", "_since"),
        ("_at=2020-02-30", "_at"),
        ("_count=1&_count=2", "_count"),
        ("_since=2020&_sincee=2021", "_sincee"),
    ):
        refused = fhir.get(f"{path}?{query}")
        assert refused.status_code == 400, query
        assert said in diagnostics(refused)
    assert fhir.get("Patient/never-was/_history").status_code == 404


def test_a_link_that_was_tampered_with_is_refused(fhir: httpx.Client, create: Create) -> None:
    patient = create()
    changed(fhir, patient, 4)
    path = f"Patient/{patient['id']}/_history"
    url = link(fhir.get(path + "?_count=2").json(), "next")
    assert url is not None
    assert fhir.get(url).status_code == 200
    other = f"Patient/{create()['id']}/_history"
    query = url.partition("?")[2]
    for bad in (
        url.replace("_count=2", "_count=3"),
        f"{other}?{query}",
        url[:-4] + ("AAA=" if not url.endswith("AAA=") else "BBB="),
        f"{path}?_count=2&_cursor=",
        f"{path}?_count=2&_cursor=1",
    ):
        refused = fhir.get(bad)
        assert refused.status_code == 400, bad
        assert "_cursor" in diagnostics(refused)


def test_links_keep_how_things_are_shown(fhir: httpx.Client, create: Create) -> None:
    patient = create()
    changed(fhir, patient, 3)
    bundle = fhir.get(f"Patient/{patient['id']}/_history?_count=1&_elements=name&_pretty=true").json()
    assert "_elements=name" in (link(bundle, "self") or "")
    following = fhir.get(link(bundle, "next") or "")
    assert b"\n" in following.content
    assert following.json()["entry"][0]["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
