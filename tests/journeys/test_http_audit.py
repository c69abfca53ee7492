"""Journey: whatever is read, searched or refused over HTTP leaves an AuditEvent, which an auditor finds as FHIR."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import Server

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.oauth import jwt

AUDITOR = "system/AuditEvent.rs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("audit"))
    yield server
    server.stop()


def found(server: Server, **parameters: str) -> list[dict[str, Any]]:
    with server.client(AUDITOR) as client:
        entries: list[dict[str, Any]] = []
        url = httpx.URL("AuditEvent", params={"_count": "100", **parameters})
        page = client.get(url)
        while True:
            assert page.status_code == 200, page.text
            bundle = page.json()
            entries += [entry["resource"] for entry in bundle.get("entry", [])]
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not following:
                return entries
            page = client.get(following[0])


def of(server: Server, request: str) -> list[dict[str, Any]]:
    """The events of a request, by its X-Request-Id, once the trail is settled."""
    ends = time.monotonic() + 60
    while True:
        events = [
            one
            for one in found(server)
            if any(
                entity["what"].get("identifier", {}).get("value") == request
                for entity in one.get("entity", [])
                if "what" in entity
            )
        ]
        if events or time.monotonic() > ends:
            return events
        time.sleep(0.5)


def references(event: dict[str, Any]) -> list[str]:
    return [one["what"]["reference"] for one in event["entity"] if "reference" in one.get("what", {})]


def queries(event: dict[str, Any]) -> list[str]:
    return [b64decode(one["query"]).decode() for one in event["entity"] if "query" in one]


def codes(event: dict[str, Any]) -> list[str]:
    return [one["code"] for one in event["subtype"]]


@pytest.fixture(scope="module")
def patient(served: Server) -> str:
    with served.client() as client:
        made = client.post("Patient", json={"resourceType": "Patient"}, headers={"x-request-id": "made-1"})
        assert made.status_code == 201
        return str(made.json()["id"])


def ask(served: Server, request: str, method: str, path: str, scope: str | None = "system/*.cruds", **more: Any) -> int:
    with served.client(scope) as client:
        headers = {"x-request-id": request, **more.pop("headers", {})}
        return client.request(method, path, headers=headers, **more).status_code


def test_each_kind_of_access_leaves_an_event(served: Server, patient: str) -> None:
    assert ask(served, "read-1", "GET", f"Patient/{patient}") == 200
    assert ask(served, "search-1", "GET", "Patient?_id=" + patient) == 200
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ask(served, "search-2", "POST", "Patient/_search", content=b"name=nobody", headers=form) == 200
    assert ask(served, "compartment-1", "GET", f"Patient/{patient}/Observation?code=x") == 200
    assert ask(served, "history-1", "GET", f"Patient/{patient}/_history") == 200
    assert ask(served, "everything-1", "GET", f"Patient/{patient}/$everything") == 200
    query = {"query": '{Patient(id:"' + patient + '"){id}}'}
    assert ask(served, "graphql-1", "POST", "$graphql", json=query) == 200
    assert ask(served, "missing-1", "GET", "Patient/none") == 404
    assert ask(served, "refused-1", "GET", f"Patient/{patient}", scope=None) == 401
    assert ask(served, "refused-2", "GET", f"Patient/{patient}", scope="system/Observation.rs") == 403
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"Patient/{patient}"}}],
    }
    assert ask(served, "batch-1", "POST", "", json=bundle) == 200
    here = f"Patient/{patient}"
    expected = {
        # request: subtypes, outcome, references, queries
        "made-1": [(["create"], "0", [f"{here}/_history/1", here], [])],
        "read-1": [(["read"], "0", [f"{here}/_history/1", here], [])],
        "search-1": [(["search-type"], "0", [here], [f"Patient?_id={patient}"])],
        "search-2": [(["search-type"], "0", [], ["Patient?name=nobody"])],
        "compartment-1": [(["search"], "0", [here], [f"{here}/Observation?code=x"])],
        "history-1": [(["history-instance"], "0", [here], [f"{here}/_history"])],
        "everything-1": [(["operation", "$everything"], "0", [here], [f"{here}/$everything"])],
        "graphql-1": [(["operation", "$graphql"], "0", [here], ["$graphql?" + query["query"]])],
        "missing-1": [(["read"], "4", ["Patient/none"], [])],
        "refused-1": [(["unknown"], "4", [here], [])],  # before it was clear what was asked
        "refused-2": [(["read"], "4", [here], [])],
        "batch-1": [(["batch"], "0", [], []), (["read"], "0", [f"{here}/_history/1", here], [])],
    }
    for request, wanted in expected.items():
        events = of(served, request)
        told = sorted((codes(one), one["outcome"], references(one), queries(one)) for one in events)
        assert told == wanted, request
        assert all(one["agent"][0]["network"]["address"] == "127.0.0.1" for one in events)


def test_whose_a_refused_token_was_is_told_where_its_signature_holds(served: Server, patient: str) -> None:
    key = load_or_create(served.data, "sandbox")
    old = Minter(key, served.base, lambda: time.time() - 3600).mint("system/*.rs", minutes=1)
    asked = {"old": old, "forged": old[:-9] + ("A" if old[-9] != "A" else "B") + old[-8:]}
    for request, token in asked.items():
        headers = {"authorization": f"Bearer {token}", "x-request-id": f"token-{request}"}
        assert httpx.get(f"{served.base}/Patient/{patient}", headers=headers).status_code == 401
    told = {}
    for request in asked:
        (event,) = of(served, f"token-{request}")
        told[request] = [
            (one["who"]["identifier"]["value"], one.get("policy", []))
            for one in event["agent"]
            if one["requestor"] and event["outcome"] == "4"
        ]
    policy = [f"urn:ietf:params:oauth:jti:{jwt.unverified(old)[1]['jti']}"]
    assert told == {"old": [("owner", policy)], "forged": [("anonymous", [])]}


def test_what_is_paged_through_is_told_page_by_page(served: Server, patient: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    with served.client() as client:
        client.post("Patient", json={"resourceType": "Patient"})
        first = client.post("Patient/_search", content=b"_count=1", headers=form).json()
        (following,) = [link["url"] for link in first["link"] if link["relation"] == "next"]
        assert client.get(following, headers={"x-request-id": "page-2"}).status_code == 200
    (asked,) = queries(of(served, "page-2")[0])
    assert asked.endswith("&_count=1")


def test_events_are_for_who_was_given_them_by_name_and_never_changed(served: Server, patient: str) -> None:
    (event,) = of(served, "made-1")
    with served.client(AUDITOR) as client:
        assert client.get(f"AuditEvent/{event['id']}").json() == event
        assert client.get(f"AuditEvent/{event['id']}/_history").json()["total"] == 1
    with served.client() as client:
        assert client.get(f"AuditEvent/{event['id']}").status_code == 404
        assert client.get("AuditEvent").json().get("total", 0) == 0
        assert client.put(f"AuditEvent/{event['id']}", json=event).status_code == 405
        assert client.delete(f"AuditEvent/{event['id']}").status_code == 405
        patch = {"content-type": "application/json-patch+json"}
        assert client.patch(f"AuditEvent/{event['id']}", content=b"[]", headers=patch).status_code == 405
    with served.client("patient/*.rs", patient=patient) as client:
        assert client.get(f"AuditEvent/{event['id']}").status_code in (403, 404)


def test_events_are_searched_by_what_they_say(served: Server, patient: str) -> None:
    assert of(served, "read-1")
    for parameters, least in (
        ({"patient": f"Patient/{patient}"}, 5),
        ({"entity": f"Patient/{patient}"}, 2),
        ({"outcome": "4"}, 3),
        ({"action": "C"}, 1),
        ({"subtype": "history-instance"}, 1),
        ({"address": "127.0.0.1", "_sort": "-date"}, 8),
    ):
        assert len(found(served, **parameters)) >= least, parameters
    assert found(served, date="lt2020") == []
    with served.client(AUDITOR) as client:
        within = client.get(f"Patient/{patient}/AuditEvent?_total=accurate").json()
        refused = client.get("AuditEvent?_sort=date")
    assert within["total"] >= 5
    assert (refused.status_code, "_sort=-date" in refused.text) == (400, True)


def test_the_audit_is_whole_and_can_be_archived(served: Server, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for command in (("verify", "--json"), ("export", "--to", archive, "--prune"), ("verify",)):
        done = hilum("audit", *command, "--data", served.data)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(archive.iterdir())) == 3


def test_what_was_altered_is_found_and_said(served: Server) -> None:
    whole = hilum("audit", "verify", "--data", served.data)
    n, _, _ = whole.stdout.strip().partition(":")
    cut = hilum("audit", "verify", "--data", served.data, "--expect", f"{int(n) + 9}:00")
    assert (cut.returncode, f"anchor {int(n) + 9}: removed" in cut.stdout) == (1, True)
    made = ask(served, "altered-1", "POST", "Patient", json={"resourceType": "Patient"})
    assert made == 201
    db = apsw.Connection(str(served.data / "hilum.sqlite"))
    db.execute("UPDATE audit SET agent = 'somebody else' WHERE seq = (SELECT max(seq) FROM audit)")
    db.close()
    done = hilum("audit", "verify", "--data", served.data)
    assert (done.returncode, "altered" in done.stdout) == (1, True), done.stdout + done.stderr


def test_without_tokens_there_is_no_audit_of_reads(tmp_path: Path) -> None:
    server = Server(tmp_path, "--auth", "off")
    with server.client(None) as client:
        assert client.get("AuditEvent").json()["total"] == 0
    assert not (server.data / "audit").exists()
    server.stop()


def test_a_file_of_the_trail_that_was_altered_is_told_of_and_hinders_nobody(tmp_path: Path) -> None:
    trail = tmp_path / "data" / "audit"
    trail.mkdir(parents=True, mode=0o700)
    trail.parent.chmod(0o700)
    (trail / f"{'0' * 16}-000001.log").write_bytes(b"what hilum did not write")
    server = Server(tmp_path)
    ends = time.monotonic() + 60
    while (ready := httpx.get(server.url + "/ready")).json() == {"status": "ready"} and time.monotonic() < ends:
        time.sleep(0.2)
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "unreadable_audit_files": 1})
    assert ask(server, "beside-1", "GET", "Patient") == 200
    done = hilum("audit", "verify", "--data", server.data)
    assert (done.returncode, "does not begin as one" in done.stdout) == (1, True), done.stdout + done.stderr
    server.stop()
