"""What the benchmark asks for: each operation as ready-made HTTP requests, and what a right answer looks like.

Requests carry the same bytes to the floor and to hilum. https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from bench.records import GROUP, LOINC, MRN, OBSERVATIONS, WEIGHT, Population, id_of, mixed, mrn, observation, patient

TRANSACTION: Final = 100
"""Resources in one transaction."""
BASE: Final = "/fhir"

Sent = dict[str, Any]


class Answer(NamedTuple):
    """One response: the status, the head as text, the body."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str | None:
        """A header's value; None where it is not there."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return None


Check = Callable[[int, Answer], str | None]
"""(number of the request, its answer) -> what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class Calls:
    """One operation made ready. `request(i)` is the i-th request whole; `check` judges its answer.

    `check_later(i, answer)` gives a path to read afterwards and the bytes that must be there: what was acknowledged.
    """

    request: Callable[[int], bytes]
    check: Check
    check_later: Callable[[int, Answer], tuple[str, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the benchmark. `resources`: how many one request is about; `aim`: the least ratio to the floor."""

    name: str
    group: str
    make: Callable[[Population, str, int], Calls]
    aim: float | None = None
    resources: int = 1
    writes: bool = False
    seconds: float = 1.0
    """How much longer than others it is measured: few requests fit into a short window."""


def encode(body: Sent) -> bytes:
    """Compact JSON, the characters as they are."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def http(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request. The connection is kept."""
    head = f"{method} {BASE}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += "Accept: application/fhir+json\r\n"
    if body:
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _read(population: Population, token: str, seed: int) -> Calls:
    chance = random.Random(seed)
    names = []
    for _ in range(4000):
        n = chance.randrange(population.size)
        type = "Patient" if n % GROUP == 0 else "Observation"
        n = n // GROUP if type == "Patient" else min(n, population.observations - 1)
        names.append((type, id_of(type, n)))
    requests = [http("GET", f"/{type}/{id}", token) for type, id in names]

    def check(i: int, answer: Answer) -> str | None:
        type, id = names[i % len(names)]
        body = json.loads(answer.body)
        return None if (body["resourceType"], body["id"]) == (type, id) else "another resource came back"

    return Calls(lambda i: requests[i % len(requests)], check)


def _create(bodies: Callable[[int], Sent], token: str) -> Calls:
    sent = [bodies(n) for n in range(1500)]
    requests = [http("POST", f"/{body['resourceType']}", token, encode(body)) for body in sent]

    def check(i: int, answer: Answer) -> str | None:
        body, wanted = json.loads(answer.body), sent[i % len(sent)]
        path = _path(answer.header("location"))
        if not path.startswith(f"/{wanted['resourceType']}/{body.get('id')}/_history/1"):
            return f"Location is {path}"
        return _stamped(body, wanted, "1")

    def later(i: int, answer: Answer) -> tuple[str, bytes]:
        return _path(answer.header("location")).partition("/_history")[0], answer.body

    return Calls(lambda i: requests[i % len(requests)], check, later)


def _create_observation(population: Population, token: str, seed: int) -> Calls:
    def body(n: int) -> Sent:
        return observation(mixed(seed << 20 | n) % population.observations, value=500 + n % 400)

    return _create(body, token)


def _create_patient(population: Population, token: str, seed: int) -> Calls:
    return _create(lambda n: patient(10_000_000 + mixed(seed << 20 | n) % 80_000_000), token)


def _update(population: Population, token: str, seed: int) -> Calls:
    """PUT of Patients with another telephone number every time: one index value changes, the rest stays."""
    chance = random.Random(seed)
    numbers = chance.sample(range(population.patients), min(1500, population.patients))
    sent = [patient(n, id_of("Patient", n), phone=0) for n in numbers]
    parts = []
    for body in sent:
        before, slot, after = http("PUT", f"/Patient/{body['id']}", token, encode(body)).partition(b'"555-0000000"')
        assert slot
        parts.append((before, after))
    start = chance.randrange(10_000_000)

    def request(i: int) -> bytes:
        before, after = parts[i % len(parts)]
        return b'%b"555-%07d"%b' % (before, (start + i) % 10_000_000, after)

    def check(i: int, answer: Answer) -> str | None:
        body = json.loads(answer.body)
        wanted = json.loads(json.dumps(sent[i % len(sent)]))
        wanted["telecom"][0]["value"] = f"555-{(start + i) % 10_000_000:07d}"
        if body["meta"]["versionId"] == "1":
            return "an update made version 1"
        return _stamped(body, wanted, body["meta"]["versionId"])

    return Calls(request, check)


def _transaction(population: Population, token: str, seed: int) -> Calls:
    bundles = [encode(bundle(seed << 10 | n)) for n in range(12)]
    requests = [http("POST", "", token, body) for body in bundles]

    def check(i: int, answer: Answer) -> str | None:
        body = json.loads(answer.body)
        statuses = [entry["response"]["status"][:3] for entry in body.get("entry", ())]
        if body.get("type") != "transaction-response" or statuses != ["201"] * TRANSACTION:
            return f"{body.get('type')} with {len(statuses)} entries, {statuses.count('201')} of them created"
        return None

    return Calls(lambda i: requests[i % len(requests)], check)


def bundle(seed: int) -> Sent:
    """A transaction of one new Patient and 99 Observations of that Patient."""
    r = mixed(seed)
    owner = f"urn:uuid:{id_of('Patient', r % 1_000_000)}"
    entries = [(owner, patient(20_000_000 + r % 70_000_000))]
    for n in range(TRANSACTION - 1):
        body = observation((r >> 8) % 1_000_000 * OBSERVATIONS + n % OBSERVATIONS, subject=owner, value=500 + n)
        entries.append((f"urn:uuid:{id_of('Observation', r % 1_000_000 + n)}", body))
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": body, "request": {"method": "POST", "url": body["resourceType"]}}
            for url, body in entries
        ],
    }


def _search_observation(population: Population, token: str, seed: int) -> Calls:
    chance = random.Random(seed)
    patients = [id_of("Patient", chance.randrange(population.patients)) for _ in range(3000)]
    code = quote(f"{LOINC}|{WEIGHT}", safe="")
    requests = [http("GET", f"/Observation?patient={id}&code={code}&_count=20", token) for id in patients]

    def check(i: int, answer: Answer) -> str | None:
        found = [entry["resource"] for entry in json.loads(answer.body).get("entry", ())]
        right = [
            one["subject"]["reference"] == f"Patient/{patients[i % len(patients)]}"
            and one["code"]["coding"][0]["code"] == WEIGHT
            for one in found
        ]
        return None if len(right) == 20 and all(right) else f"{len(right)} entries, {sum(right)} of them right"

    return Calls(lambda i: requests[i % len(requests)], check)


def _search_patient(population: Population, token: str, seed: int) -> Calls:
    chance = random.Random(seed)
    numbers = [chance.randrange(population.patients) for _ in range(3000)]
    requests = [http("GET", f"/Patient?identifier={quote(f'{MRN}|{mrn(n)}', safe='')}", token) for n in numbers]

    def check(i: int, answer: Answer) -> str | None:
        found = [entry["resource"]["id"] for entry in json.loads(answer.body).get("entry", ())]
        return None if found == [id_of("Patient", numbers[i % len(numbers)])] else f"{len(found)} found, not the one"

    return Calls(lambda i: requests[i % len(requests)], check)


def _search_dates(minutes: int) -> Callable[[Population, str, int], Calls]:
    """Body weights of a year: a token that one in two Observations has, and a date that one in fourteen has.

    The year begins at any multiple of so many minutes: so searches recur soon, as people's do, or never.
    """

    def make(population: Population, token: str, seed: int) -> Calls:
        code = quote(f"{LOINC}|{WEIGHT}", safe="")
        chance = random.Random(seed)
        first = datetime(2010, 1, 1, tzinfo=UTC)
        last = 13 * 365 * 24 * 60 // minutes
        begins = [first + timedelta(minutes=minutes * chance.randrange(last)) for _ in range(5000)]
        spans = [(one.strftime(_MINUTE), (one + timedelta(days=365)).strftime(_MINUTE)) for one in begins]
        requests = [
            http("GET", f"/Observation?code={code}&date=ge{begin}&date=lt{end}&_count=20", token)
            for begin, end in spans
        ]

        def check(i: int, answer: Answer) -> str | None:
            found = [entry["resource"] for entry in json.loads(answer.body).get("entry", ())]
            begin, end = spans[i % len(spans)]
            right = [
                begin <= one["effectiveDateTime"] < end and one["code"]["coding"][0]["code"] == WEIGHT for one in found
            ]
            return None if len(right) == 20 and all(right) else f"{len(right)} entries, {sum(right)} of them right"

        return Calls(lambda i: requests[i % len(requests)], check)

    return make


_MINUTE: Final = "%Y-%m-%dT%H:%MZ"
_YEAR: Final = 365 * 24 * 60


def _search_include(population: Population, token: str, seed: int) -> Calls:
    """A patient's body weights, and the Encounters that they were taken in."""
    chance = random.Random(seed)
    patients = [id_of("Patient", chance.randrange(population.patients)) for _ in range(3000)]
    code = quote(f"{LOINC}|{WEIGHT}", safe="")
    rest = f"&code={code}&_include=Observation:encounter&_count=20"
    requests = [http("GET", f"/Observation?patient={id}{rest}", token) for id in patients]

    def check(i: int, answer: Answer) -> str | None:
        entries = json.loads(answer.body).get("entry", ())
        matches = [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]
        wanted = {one["encounter"]["reference"] for one in matches}
        brought = [entry["resource"] for entry in entries if entry["search"]["mode"] == "include"]
        names = {f"{one['resourceType']}/{one['id']}" for one in brought}
        right = len(matches) == 20 and names == wanted and len(brought) == len(names)
        return None if right else f"{len(matches)} matches, {len(brought)} of {len(wanted)} included"

    return Calls(lambda i: requests[i % len(requests)], check)


def _path(location: str | None) -> str:
    """The part of a Location below the FHIR base."""
    return (location or "").partition(BASE)[2]


def _stamped(got: Sent, sent: Sent, version: str) -> str | None:
    """The answer must be what was sent, but for id and meta."""
    if got["meta"]["versionId"] != version:
        return f"version {got['meta']['versionId']} instead of {version}"
    if {**got, "id": "", "meta": ""} != {**sent, "id": "", "meta": ""}:
        return "the answer is not what was sent"
    return None


OPERATIONS: Final = {
    operation.name: operation
    for operation in (
        Operation("read", "read", _read, aim=0.6),
        Operation("search observation", "search", _search_observation, resources=20),
        Operation("search patient", "search", _search_patient),
        Operation("search token and date", "search", _search_dates(_YEAR), aim=0.5, resources=20),
        Operation("search any token and date", "search", _search_dates(1), resources=20),
        Operation("search _include", "search", _search_include, aim=0.5, resources=20),
        Operation("update patient", "update", _update, aim=0.4, writes=True),
        Operation("create observation", "create", _create_observation, aim=0.4, writes=True),
        Operation("create patient", "create", _create_patient, aim=0.4, writes=True),
        Operation("transaction", "transaction", _transaction, aim=0.4, resources=TRANSACTION, writes=True, seconds=2.0),
    )
}
"""In the order in which they are run: what only reads comes first, on the store as it was loaded."""
