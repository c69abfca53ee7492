"""Custom search parameters over HTTP with two workers, on both stores: changed, killed, used everywhere, refused."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.both import compared, flags, told
from tests.journeys.cli import postgres_database
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_parameters import batch, definition, person, post, searched, total, when_ready

__all__ = ["flags", "postgres_database"]

Start = Callable[..., Server]
NICKNAME = "http://example.org/nickname"


@pytest.fixture
def running(start: Start, flags: tuple[str, ...]) -> Server:
    return start("--workers", "2", *flags)


def everywhere(running: Server, see: Callable[[httpx.Client], None]) -> None:
    """Whichever worker answers: each connection is another one's."""
    for _ in range(8):
        with running.client() as client:
            see(client)


def put(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
    assert answer.status_code in (200, 201), answer.text


def found(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(query)
    assert answer.status_code == 200, answer.text
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", ())]


def test_a_changed_expression_is_indexed_anew_and_a_deleted_parameter_leaves_nothing(
    running: Server, flags: tuple[str, ...]
) -> None:
    with running.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") | {"language": "de"} for n in range(1200)])
        before = [told(running, flags, f"SELECT count(*) FROM {table}") for table in ("token", "string")]
        made = post(client, definition())
        assert when_ready(client, made["url"])["status"] == "completed"
        everywhere(running, lambda one: _same(total(one, "tribe=r1"), 400))

        changed = made | {"expression": "Patient.language"}
        assert client.put(f"SearchParameter/{made['id']}", json=changed, headers=FHIR_JSON).status_code == 200
        refused = client.get("Patient?tribe=de")
        if refused.status_code != 200:
            assert "is being indexed" in diagnostics(refused)
        assert when_ready(client, made["url"])["status"] == "completed"
        everywhere(running, lambda one: _same((total(one, "tribe=r1"), total(one, "tribe=de")), (0, 1200)))

        typed = changed | {
            "type": "string",
            "expression": f"Patient.extension.where(url='{NICKNAME}').value.as(string)",
        }
        assert client.put(f"SearchParameter/{made['id']}", json=typed, headers=FHIR_JSON).status_code == 200
        assert when_ready(client, made["url"])["status"] == "completed"
        everywhere(running, lambda one: _same((total(one, "tribe=de"), total(one, "tribe:missing=true")), (0, 1200)))

        assert client.delete(f"SearchParameter/{made['id']}").status_code in (200, 204)
        everywhere(
            running, lambda one: _contains(diagnostics(one.get("Patient?tribe=x")), "no search parameter 'tribe'")
        )
        task = when_ready(client, made["url"])
        assert (task["status"], task["description"]) == ("completed", "Remove the search parameter tribe of Patient")
        everywhere(running, lambda one: _same("tribe" in searched(one), False))
        # What the parameter brought is gone; what its SearchParameter and its Tasks brought themselves is theirs.
        there = [told(running, flags, f"SELECT count(*) FROM {table}") for table in ("token", "string")]
        assert all(0 <= now[0][0] - then[0][0] < 200 for now, then in zip(there, before, strict=True))
    assert compared(running, flags)["state"] == "ok"


def _same(one: object, other: object) -> None:
    assert one == other


def _contains(text: str, part: str) -> None:
    assert part in text


def test_killed_in_the_middle_it_goes_on_and_nothing_that_was_written_meanwhile_is_missed(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    first = Server(tmp_path, "--workers", "2", *flags)
    with first.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") for n in range(5000)])
        made = post(client, definition())
        n = 0
        while not told(first, flags, "SELECT done FROM parameter WHERE done > 100"):
            put(client, person("moved", f"p{n}"))
            n += 1
    _kill(first)
    state = told(first, flags, "SELECT state, done FROM parameter")
    assert state[0][0] == "building", "it was over before it was killed"
    again = Server(tmp_path, "--workers", "2", *flags)
    try:
        with again.client() as client:
            refused = client.get("Patient?tribe=moved")
            assert refused.status_code == 200 or "is being indexed" in diagnostics(refused)
            for m in range(n, n + 10):
                put(client, person("moved", f"p{m}"))
            task = when_ready(client, made["url"])
            assert (task["status"], task["output"][0]["valueUnsignedInt"]) == ("completed", 5000)
            assert total(client, "tribe=moved") == n + 10
            assert sum(total(client, f"tribe=r{k}") for k in range(3)) == 5000 - n - 10
        assert compared(again, flags)["state"] == "ok"
    finally:
        again.stop()


def _kill(server: Server) -> None:
    """The power fails: all of its processes at once."""
    pids = [server.process.pid, *_children(server.process.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    time.sleep(0.2)


def _children(pid: int) -> list[int]:
    found = []
    for one in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = one.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            child = int(one.parent.name)
            found += [child, *_children(child)]
    return found


def test_of_two_that_are_posted_at_once_both_come_and_of_the_same_code_one(running: Server) -> None:
    def send(body: dict[str, Any], answers: list[httpx.Response]) -> None:
        with running.client() as client:
            answers.append(client.post("SearchParameter", json=body, headers=FHIR_JSON))

    def together(*bodies: dict[str, Any]) -> list[httpx.Response]:
        answers: list[httpx.Response] = []
        threads = [threading.Thread(target=send, args=(body, answers)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    with running.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") for n in range(300)])
        both = together(definition("one"), definition("two", expression="Patient.language"))
        assert [answer.status_code for answer in both] == [201, 201]
        for answer in both:
            assert when_ready(client, answer.json()["url"])["status"] == "completed"
        everywhere(running, lambda one: _same((total(one, "one=r1"), total(one, "two:missing=true")), (100, 300)))
        clash = together(*(definition("same", url=f"http://example.org/{n}") for n in range(4)))
        assert sorted(answer.status_code for answer in clash) == [201, 422, 422, 422]
        assert {issue["code"] for answer in clash if answer.status_code == 422 for issue in answer.json()["issue"]} == {
            "duplicate"
        }


def test_a_custom_parameter_does_all_that_others_do(running: Server, flags: tuple[str, ...]) -> None:
    extension = "http://example.org/"
    of = {
        "nickname": ("string", f"Patient.extension.where(url='{extension}nickname').value.as(string)"),
        "mentor": ("reference", f"Patient.extension.where(url='{extension}mentor').value.as(Reference)"),
        "joined": ("date", f"Patient.extension.where(url='{extension}joined').value.as(date)"),
        "height": ("quantity", f"Patient.extension.where(url='{extension}height').value.as(Quantity)"),
        "tribe": ("token", f"Patient.extension.where(url='{extension}tribe').value.as(code)"),
        "site": ("uri", f"Patient.extension.where(url='{extension}site').value.as(url)"),
        "shoe": ("number", f"Patient.extension.where(url='{extension}shoe').value.as(decimal)"),
    }
    parts = [
        {"definition": "http://example.org/SearchParameter/tribe", "expression": "value.as(code)"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "%resource.gender"},
    ]
    pair = {"type": "composite", "component": parts, "expression": f"Patient.extension.where(url='{extension}tribe')"}
    values: dict[str, tuple[Any, ...]] = {
        "a": ("Ann", "Practitioner/x", "2020-01-01", 150, "r1", "http://a", 41.5),
        "b": ("Bea", "Practitioner/y", "2021-06-01", 160, "r1", "http://b", 38),
        "c": ("Cid", "Patient/a", "2022-12-31", 170, "r2", "http://c", 44),
    }
    kinds = ("valueString", "valueReference", "valueDate", "valueQuantity", "valueCode", "valueUrl", "valueDecimal")

    def extended(id: str) -> dict[str, Any]:
        some = []
        for name, kind, value in zip(of, kinds, values[id], strict=True):
            full = {"reference": value} if name == "mentor" else value
            if name == "height":
                full = {"value": value, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}
            some.append({"url": extension + name, kind: full})
        return {"resourceType": "Patient", "id": id, "gender": "male" if id == "b" else "female", "extension": some}

    with running.client() as client:
        batch(client, [
            {"resourceType": "Practitioner", "id": "x", "name": [{"family": "Ixe"}]},
            {"resourceType": "Practitioner", "id": "y", "name": [{"family": "Why"}]},
            *(extended(id) for id in values),
            *({"resourceType": "Observation", "id": f"o{id}", "status": "final", "code": {"text": "t"},
               "subject": {"reference": f"Patient/{id}"}} for id in values),
        ])  # fmt: skip
        entries = [definition(name, type=kind, expression=expression) for name, (kind, expression) in of.items()]
        made = [post(client, one) for one in entries]
        for one in made:
            assert when_ready(client, one["url"])["status"] == "completed"
        both = post(client, definition("tribe-gender", **pair))
        assert when_ready(client, both["url"])["status"] == "completed"

        def see(one: httpx.Client) -> None:
            assert {*of, "tribe-gender"} <= searched(one)
            queries = {
                "Patient?nickname=be": ["b"], "Patient?nickname:exact=Cid": ["c"], "Patient?nickname:contains=i": ["c"],
                "Patient?joined=ge2021-06": ["c", "b"], "Patient?height=gt1.55|http://unitsofmeasure.org|m": ["c", "b"],
                "Patient?shoe=lt42&tribe=r1": ["b", "a"], "Patient?site:below=http://a": ["a"],
                "Patient?tribe:not=r1": ["c"],
                "Patient?tribe-gender=r1$male": ["b"], "Patient?tribe-gender=r2$male": [],
                "Patient?mentor=Patient/a": ["c"],
                "Patient?_sort=nickname": ["a", "b", "c"], "Patient?_sort=-joined": ["c", "b", "a"],
                "Patient?_sort=-shoe": ["c", "a", "b"], "Patient?_sort=tribe,-height": ["b", "a", "c"],
                "Patient?mentor:Practitioner.name=why": ["b"], "Patient?mentor:Patient.nickname=ann": ["c"],
                "Patient?_has:Patient:mentor:tribe=r2": ["a"],
                "Patient?_filter=nickname sw an or shoe gt 43": ["c", "a"],
                "Patient?joined:missing=true": [],
            }  # fmt: skip
            for query, expected in queries.items():
                got = found(one, query)
                wanted = [f"Patient/{id}" for id in expected]
                assert (got if "_sort" in query else sorted(got)) == (wanted if "_sort" in query else sorted(wanted)), (
                    query
                )
            assert found(one, "Observation?subject.nickname=bea") == ["Observation/ob"]
            assert found(one, "Observation?patient.mentor:Practitioner.name=ixe") == ["Observation/oa"]
            assert found(one, "Practitioner?_has:Patient:mentor:nickname=ann") == ["Practitioner/x"]
            assert found(one, "Patient?_id=b&_include=Patient:mentor") == ["Patient/b", "Practitioner/y"]
            assert found(one, "Practitioner?_id=x&_revinclude=Patient:mentor") == ["Practitioner/x", "Patient/a"]

        everywhere(running, see)
        kept = client.delete(f"SearchParameter/{next(one['id'] for one in made if one['code'] == 'tribe')}")
        assert (kept.status_code, "is a composite of it" in diagnostics(kept)) == (409, True)
    assert compared(running, flags)["state"] == "ok"


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"base": ["Patiend"]}, 400, "SearchParameter.base[0]"),
    ({"base": []}, 400, "SearchParameter.base"),
    ({"type": "text"}, 400, "SearchParameter.type"),
    ({"code": "a b"}, 422, "SearchParameter.code"),
    ({"code": "_has"}, 422, "SearchParameter.code"),
    ({"type": "special"}, 422, "SearchParameter.type"),
    ({"expression": None}, 422, "SearchParameter.expression"),
    ({"expression": "Patient.name.where(use='a')" * 2}, 422, "SearchParameter.expression"),
    ({"expression": "Observation.code"}, 422, "SearchParameter.expression"),
    ({"expression": "Patient.name" + ".where(use = 'usual')" * 300, "type": "string"}, 422,
     "SearchParameter.expression"),
    ({"expression": "Patient" + ".extension" * 900 + ".value.as(code)"}, 422, "SearchParameter.expression"),
    ({"expression": " | ".join(f"Patient.extension.where(url='http://e/{n}').value.as(code)" for n in range(65))}, 422,
     "SearchParameter.expression"),
    ({"expression": "Patient.name.given | " * 600, "type": "string"}, 422, "SearchParameter.expression"),
    ({"base": ["Resource"], "expression": " | ".join(["Resource.meta.tag"] * 60)}, 422, "SearchParameter.expression"),
    ({"expression": "Patient.descendants()"}, 422, "SearchParameter.expression"),
    ({"target": ["Location"]}, 422, "SearchParameter.target[0]"),
    ({"xpathUsage": "distance"}, 422, "SearchParameter.xpathUsage"),
]  # fmt: skip


def test_what_can_not_be_used_is_refused_with_the_element_and_nothing_is_kept(server: Server) -> None:
    with server.client() as client:
        before = total_of(client, "SearchParameter")
        for more, status, element in REFUSED:
            body = {key: value for key, value in definition("refused", **more).items() if value is not None}
            answer = client.post("SearchParameter", json=body, headers=FHIR_JSON)
            assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), (
                more,
                answer.text,
            )
            elements = [one for issue in answer.json()["issue"] for one in issue.get("expression", ())]
            assert any(one.startswith(element) for one in elements), (more, answer.text)
        assert total_of(client, "SearchParameter") == before
        post(client, person("x"))  # and writes go on


def total_of(client: httpx.Client, type: str) -> int:
    return int(client.get(f"{type}?_total=accurate&_count=0").json()["total"])


@pytest.mark.parametrize("scope", ["user/*.rs", "system/SearchParameter.rs", "system/Patient.cruds", "patient/*.cruds"])
def test_who_may_not_write_them_can_not_define_any(server: Server, scope: str) -> None:
    options = {"patient": "p1"} if scope.startswith("patient") else {}
    with server.client(scope, **options) as client:
        answer = client.post("SearchParameter", json=definition(), headers=FHIR_JSON)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden"), answer.text
    with server.client(None) as client:
        assert client.post("SearchParameter", json=definition(), headers=FHIR_JSON).status_code == 401


def test_a_composite_that_would_make_millions_of_rows_is_refused_where_it_is_written(
    server: Server,
) -> None:
    many = [{"system": "http://s", "code": f"c{n}"} for n in range(1000)]
    body = {"resourceType": "Observation", "status": "final", "code": {"coding": many},
            "valueCodeableConcept": {"coding": many}}  # fmt: skip
    with server.client() as client:
        answer = client.post("Observation", json=body, headers=FHIR_JSON)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "too-costly")
