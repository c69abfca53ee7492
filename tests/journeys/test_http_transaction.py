"""A transaction over HTTP: the order of processing, and that all of it happens or nothing.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.journeys.conftest import Create
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_batch import entry, post, statuses

Entries = list[dict[str, Any]]
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def key() -> str:
    """An identifier that nobody else has."""
    return f"urn:key|{uuid4()}"


@pytest.fixture
def one(key: str) -> Make:
    """A Patient with that identifier."""
    system, _, value = key.partition("|")
    return lambda **more: {"resourceType": "Patient", "identifier": [{"system": system, "value": value}], **more}


def observation(subject: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": subject}}


def where(answer: httpx.Response, number: int) -> str:
    """`Type/id` of what an entry of the response is about."""
    return "/".join(answer.json()["entry"][number]["response"]["location"].split("/")[-4:-2])


def refused(fhir: httpx.Client, entries: Entries) -> tuple[int, str]:
    """The transaction is refused whole: its status and where the fault is; nothing has been written."""
    before = [fhir.get(f"{type_}/_history?_count=1").json()["total"] for type_ in ("Patient", "Observation")]
    answer = post(fhir, "transaction", entries)
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    after = [fhir.get(f"{type_}/_history?_count=1").json()["total"] for type_ in ("Patient", "Observation")]
    assert after == before
    return answer.status_code, body["issue"][0]["expression"][0]


# --- conditional references -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["POST", "PUT", "conditional PUT", "conditional POST", "changed"])
def test_a_conditional_reference_finds_what_the_transaction_makes(
    fhir: httpx.Client, create: Create, key: str, one: Make, how: str
) -> None:
    id_ = create()["id"] if how == "changed" else f"made-{uuid4()}"
    made = {
        "POST": entry("POST", "Patient", one()),
        "PUT": entry("PUT", f"Patient/{id_}", one(id=id_)),
        "conditional PUT": entry("PUT", f"Patient?identifier={key}", one()),
        "conditional POST": entry("POST", "Patient", one(), ifNoneExist=f"identifier={key}"),
        "changed": entry("PUT", f"Patient/{id_}", one(id=id_)),
    }[how]
    answer = post(fhir, "transaction", [entry("POST", "Observation", observation(f"Patient?identifier={key}")), made])
    assert statuses(answer) == ["201", "200" if how == "changed" else "201"]
    stored = fhir.get(where(answer, 0)).json()
    assert stored["subject"] == {"reference": where(answer, 1)}
    found = fhir.get("Observation", params={"subject": where(answer, 1)}).json()
    assert [match["resource"]["id"] for match in found["entry"]] == [stored["id"]]


def test_a_conditional_reference_that_means_two_or_none_refuses_all(
    fhir: httpx.Client, create: Create, key: str, one: Make
) -> None:
    refers = entry("POST", "Observation", observation(f"Patient?identifier={key}"))
    place = "Bundle.entry[0].resource.subject"
    assert refused(fhir, [refers]) == (412, place)
    plain = entry("POST", "Patient", one())
    assert refused(fhir, [refers, plain, plain]) == (412, place)
    old = create(identifier=one()["identifier"])
    assert refused(fhir, [refers, plain]) == (412, place)
    assert refused(fhir, [refers, entry("DELETE", f"Patient/{old['id']}")]) == (412, place)
    other = {"resourceType": "Patient", "id": old["id"]}
    assert refused(fhir, [refers, entry("PUT", f"Patient/{old['id']}", other)]) == (412, place)


def test_of_clients_that_refer_to_what_they_create_one_wins(
    fhir: httpx.Client, server: Server, key: str, one: Make
) -> None:
    entries = [entry("POST", "Observation", observation(f"Patient?identifier={key}")), entry("POST", "Patient", one())]

    def client(_: int) -> int:
        with server.client() as mine:
            return post(mine, "transaction", entries).status_code

    with ThreadPoolExecutor(8) as clients:
        assert sorted(clients.map(client, range(8))) == [200] + [412] * 7
    assert fhir.get("Patient", params={"identifier": key, "_summary": "count"}).json()["total"] == 1


# --- no duplicates ----------------------------------------------------------------------------------------------------


def test_what_criteria_look_for_is_not_made_twice(fhir: httpx.Client, key: str, one: Make) -> None:
    plain = entry("POST", "Patient", one())
    chosen = entry("PUT", "Patient/ov10", one(id="ov10"))
    if_none = entry("POST", "Patient", one(), ifNoneExist=f"identifier={key}")
    conditional = entry("PUT", f"Patient?identifier={key}", one())
    for pair in ((conditional, plain), (if_none, plain), (if_none, chosen), (conditional, chosen), (conditional,) * 2):
        for entries in (list(pair), list(reversed(pair))):
            status, place = refused(fhir, entries)
            assert (status, place[:13]) == (400, "Bundle.entry["), entries
    answer = post(fhir, "transaction", [if_none, if_none])
    assert statuses(answer) == ["201", "200"]
    assert where(answer, 0) == where(answer, 1)


def test_a_resource_is_in_a_transaction_once(fhir: httpx.Client, create: Create, key: str, one: Make) -> None:
    id_ = create(identifier=one()["identifier"])["id"]
    conditional = entry("PUT", f"Patient?identifier={key}", one())
    for pair in (
        [conditional, entry("DELETE", f"Patient/{id_}")],
        [entry("DELETE", f"Patient?identifier={key}"), entry("PUT", f"Patient/{id_}", one(id=id_))],
        [conditional, entry("DELETE", f"Patient?identifier={key}&_multiple=true")],
    ):
        assert refused(fhir, pair)[0] == 400
        assert refused(fhir, pair[::-1])[0] == 400


# --- reads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Patient/nosuch", 404),
        ("Patient?bogus=1", 400),
        ("Patient/nosuch/_history", 404),
        ("Patient/nosuch/_history/1", 404),
        ("Patient/nosuch/$everything", 404),
        ("Patient/nosuch?_elements=bogus", 404),
        ("Patient?_count=x", 400),
        ("Patient/_history?_since=x", 400),
    ],
)
def test_a_read_that_fails_refuses_all(fhir: httpx.Client, one: Make, url: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        for entries in (
            [entry("POST", "Patient", one()), entry(method, url)],
            [entry("GET", "Patient?_count=1"), entry(method, url)],
        ):
            assert refused(fhir, entries) == (status, "Bundle.entry[1].request.url")


def test_all_reads_that_fail_are_named(fhir: httpx.Client, one: Make) -> None:
    answer = post(
        fhir,
        "transaction",
        [entry("GET", "Patient/nosuch"), entry("GET", "Patient?bogus=1"), entry("POST", "Patient", one())],
    )
    assert answer.status_code == 404
    places = [place for issue in answer.json()["issue"] for place in issue["expression"]]
    assert places == ["Bundle.entry[0].request.url", "Bundle.entry[1].request.url"]


def test_a_read_without_permission_refuses_all(fhir: httpx.Client, server: Server, key: str, one: Make) -> None:
    with server.client("system/Patient.cu") as writer:
        for url in ("Patient/any", "Patient", "Observation/any"):
            answer = post(writer, "transaction", [entry("POST", "Patient", one()), entry("GET", url)])
            assert answer.status_code == 403
    assert fhir.get("Patient", params={"identifier": key, "_summary": "count"}).json()["total"] == 0


def test_reads_see_what_the_transaction_does(fhir: httpx.Client, create: Create, key: str, one: Make) -> None:
    new, gone = f"new-{uuid4()}", create()["id"]
    made = entry("PUT", f"Patient/{new}", one(id=new))
    reads = ["", "/_history/1", "/_history", "/$everything"]
    answer = post(
        fhir,
        "transaction",
        [
            *(entry("GET", f"Patient/{new}{path}") for path in reads),
            entry("HEAD", f"Patient/{new}"),
            entry("GET", f"Patient?identifier={key}"),
            entry("GET", f"Patient/{new}", ifNoneMatch='W/"1"'),
            entry("GET", f"Patient/{gone}/_history"),
            entry("DELETE", f"Patient/{gone}"),
            made,
        ],
    )
    assert statuses(answer) == ["200"] * 6 + ["304", "200", "204", "201"]
    read, version, history, everything, _, found, *_ = (one.get("resource") for one in answer.json()["entry"])
    stored = fhir.get(f"Patient/{new}").json()
    assert read == version == stored
    for bundle in (history, everything, found):
        assert [one["resource"] for one in bundle["entry"]] == [stored]
    assert answer.json()["entry"][7]["resource"]["total"] == 2
    named = [one.get("fullUrl") for one in answer.json()["entry"]]
    assert [url for url in named if url] == [f"{fhir.base_url}Patient/{new}"]  # bdl-7: once, though read twice


def test_a_read_of_what_the_transaction_deletes_refuses_all(fhir: httpx.Client, create: Create) -> None:
    id_ = create()["id"]
    for url in (f"Patient/{id_}", f"Patient/{id_}/_history/2"):
        found = refused(fhir, [entry("GET", url), entry("DELETE", f"Patient/{id_}")])
        assert found == (410, "Bundle.entry[0].request.url")
    found = refused(fhir, [entry("GET", f"Patient/{id_}/_history/2")])
    assert found == (404, "Bundle.entry[0].request.url")


# --- _multiple --------------------------------------------------------------------------------------------------------


def test_a_transaction_deletes_all_matches_when_it_says_so(
    fhir: httpx.Client, create: Create, key: str, one: Make
) -> None:
    ids = [create(identifier=one()["identifier"])["id"] for _ in range(3)]
    for more in ("", "&_multiple=false"):
        assert refused(fhir, [entry("DELETE", f"Patient?identifier={key}{more}")]) == (412, "Bundle.entry[0]")
    assert refused(fhir, [entry("DELETE", f"Patient?identifier={key}&_multiple=maybe")])[0] == 400
    deletes = entry("DELETE", f"Patient?identifier={key}&_multiple=true")
    assert refused(fhir, [deletes, entry("DELETE", f"Patient/{ids[0]}")])[0] == 400
    made = entry("POST", "Patient", one())
    refers = entry("POST", "Observation", observation(f"Patient?identifier={key}"))
    answer = post(fhir, "transaction", [made, refers, deletes])
    assert statuses(answer) == ["201", "201", "204"]
    assert fhir.get(where(answer, 1)).json()["subject"]["reference"] == where(answer, 0)
    assert [fhir.get(f"Patient/{id_}").status_code for id_ in ids] == [410] * 3
    assert statuses(post(fhir, "transaction", [deletes])) == ["204"]
    assert fhir.get(where(answer, 0)).status_code == 410
    assert statuses(post(fhir, "transaction", [deletes, deletes])) == ["204", "204"]


def test_integrity_holds_for_each_of_several_deletions(start: Callable[..., Server], key: str, one: Make) -> None:
    with start("--integrity").client() as fhir:
        for _ in range(2):
            assert fhir.post("Patient", json=one(), headers=FHIR_JSON).status_code == 201
        id_ = fhir.get("Patient", params={"identifier": key}).json()["entry"][0]["resource"]["id"]
        made = fhir.post("Observation", json=observation(f"Patient/{id_}"), headers=FHIR_JSON).json()
        deletes = entry("DELETE", f"Patient?identifier={key}&_multiple=true")
        assert post(fhir, "transaction", [deletes]).status_code == 409
        both = [deletes, entry("DELETE", f"Observation/{made['id']}")]
        assert statuses(post(fhir, "transaction", both)) == ["204", "204"]
