"""`hilum gather` as the README's tour has it: a sandbox EHR, hilum, a service that it delivers to, each a process.

Every fault of the sandbox is met with what docs/reference/recipes.md promises.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.journeys.cli import hilum
from tests.journeys.sandboxes import Sandbox
from tests.journeys.server import HANGS_SECONDS, Server, free_port

RECEIVER = Path(__file__).resolve().parents[2] / "examples" / "receiver.py"
RECIPE = """
title = "Results page by page, visits, problems, procedures"

[[ask]]
type = "Observation"
search = "patient={patient}&category=laboratory&_count=10"

[[ask]]
type = "Encounter"
search = "patient={patient}"

[[ask]]
type = "Condition"
search = "patient={patient}"

[[ask]]
type = "Procedure"
search = "patient={patient}"
"""
MRN, RESTRICTED = "203701", "203702"
REFUSED = [{"type": "Practitioner", "why": "forbidden"}]
"""What `visits` names, and the sandbox's app has no scope for."""


class Tour:
    """hilum, the sandbox that is made known to it, and the receiver."""

    def __init__(self, folder: Path) -> None:
        for name in ("server", "sandbox"):
            (folder / name).mkdir()
        self.server = Server(folder / "server")
        (self.server.data / "recipes").mkdir()
        (self.server.data / "recipes" / "short.toml").write_text(RECIPE)
        self.connect = ("--connect", str(self.server.data), "--broker", self.server.url, "--jwks", "")
        self.sandbox = Sandbox(folder / "sandbox", "epic", *self.connect)
        self._got, secret = folder / "got", folder / "video.secret"
        port = free_port()
        command = [sys.executable, str(RECEIVER), "--port", str(port), "--secret-file", str(secret)]
        self.receiver = subprocess.Popen(command, stdout=self._got.open("wb"))
        ends = time.monotonic() + HANGS_SECONDS
        while "Receiving at" not in self.got:
            assert self.receiver.poll() is None and time.monotonic() < ends
            time.sleep(0.05)
        self.hilum("destination", "add", "video", f"http://127.0.0.1:{port}/hilum", "--secret-file", secret)

    @property
    def got(self) -> str:
        return self._got.read_text()

    def hilum(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        done = hilum(*arguments, "--data", self.server.data)
        assert done.returncode == 0, done.stderr
        return done

    def gather(self, *arguments: object, recipe: str = "visits") -> tuple[int, dict[str, Any]]:
        asked = ("gather", *arguments, "--ehr", "epic", "--recipe", recipe, "--json", "--wait", "120")
        done = hilum(*asked, "--data", self.server.data)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def stop(self) -> None:
        self.receiver.terminate()
        self.receiver.wait(30)
        self.sandbox.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    made = Tour(tmp_path_factory.mktemp("tour"))
    yield made
    made.stop()


@pytest.fixture
def faulty(tour: Tour) -> Iterator[Tour]:
    tour.sandbox.faults("DELETE")
    yield tour
    tour.sandbox.faults("DELETE")


@pytest.fixture(scope="module")
def whole(tour: Tour) -> dict[str, int]:
    """What comes by the recipe `short` where nothing goes wrong."""
    status, order = tour.gather(MRN, recipe="short")
    assert (status, order["refused"], order["failed"]) == (0, [], [])
    assert counts(order)["Observation"] > 10
    return counts(order)


def counts(order: dict[str, Any]) -> dict[str, int]:
    return {one["type"]: one["count"] for one in order["came"]}


def test_a_patient_is_gathered_by_record_number_kept_and_delivered(tour: Tour) -> None:
    assert "Known to the hilum of" in tour.sandbox.said
    assert tour.hilum("ehr", "check", "epic").stdout.endswith("It works.\n")
    status, order = tour.gather(MRN, "--deliver-to", "video")
    assert (status, order["status"], order["step"]) == (0, "completed", "delivered")
    assert counts(order)["Patient"] == 1
    assert min(counts(order)[type] for type in ("Encounter", "Observation", "Condition")) > 1
    assert (order["refused"], order["failed"]) == (REFUSED, [])
    assert [(one["result"], one["answer"]) for one in order["deliveries"]] == [("delivered", "HTTP 200")]
    with tour.server.client("system/*.rs") as client:
        kept = client.get(order["patient"]).json()
        found = client.get("Provenance", params={"target": order["patient"]}).json()
        seen = client.get("Observation", params={"patient": order["patient"], "_summary": "count"}).json()
    assert next(one["value"] for one in kept["identifier"]) == MRN
    assert (found["total"], seen["total"]) == (1, counts(order)["Observation"])
    head, _, data = tour.got.partition(f"{order['id']} patient.gathered from epic by visits")[2].partition("\n")
    assert head == ", parts of which are missing"
    assert json.loads(data)["first_name"] == kept["name"][0]["given"][0]
    assert MRN not in tour.got


def test_to_gather_again_writes_no_version_of_what_has_not_changed(tour: Tour) -> None:
    _, first = tour.gather(MRN)
    _, again = tour.gather("--patient", "demo-p001")
    assert first["patient"] == again["patient"]
    assert counts(first) == counts(again)
    with tour.server.client("system/*.rs") as client:
        assert client.get(f"{first['patient']}/_history").json()["total"] == 1


def test_what_is_printed_says_what_came_what_was_refused_and_what_was_delivered(tour: Tour) -> None:
    done = tour.hilum("gather", MRN, "--ehr", "epic", "--recipe", "visits", "--deliver-to", "video")
    (id,) = done.stdout.split()
    said = [line.split() for line in done.stderr.splitlines()]
    assert ["epic", "SANDBOX,", "recipe", "visits"] in said
    assert ["Patient", "1"] in said
    assert ["Practitioner", "refused:", "forbidden", "(the", "EHR", "does", "not", "allow", "it)"] in said
    assert "delivered video: first_name, appointments (HTTP 200)" in done.stderr
    assert said[-1][:3] == ["Completed:", "kept", "as"]
    assert tour.hilum("orders", "list").stdout.split()[0] == id
    assert tour.hilum("orders", "show", id).stderr.splitlines()[-1] == done.stderr.splitlines()[-1]
    late = hilum("orders", "cancel", id, "--data", tour.server.data)
    assert (late.returncode, late.stderr) == (
        1,
        "hilum: The order is completed already: there is nothing left to cancel.\n",
    )


MET = [
    # faults, and what is missing; where nothing is, all that there is came in spite of them
    (["429:on=Condition,retry-after=1"], []),
    (["expired:after=3"], []),
    (["expired", "token-400"], []),
    (["slow:on=Encounter,seconds=1"], []),
    (["500:on=Condition"], []),
    (["truncated:on=Procedure"], []),
    (["page-gone:on=Observation"], []),
    (["500:on=Condition,every=1"], [{"type": "Condition", "why": "broken"}]),
]


@pytest.mark.parametrize(("faults", "missing"), MET, ids=[" ".join(one[0]) for one in MET])
def test_a_fault_costs_what_it_has_to_and_nothing_else(
    faulty: Tour, whole: dict[str, int], faults: list[str], missing: list[dict[str, str]]
) -> None:
    for fault in faults:
        assert faulty.sandbox.faults("POST", fault=fault).status_code == 201
    status, order = faulty.gather(MRN, recipe="short")
    struck = faulty.sandbox.faults().json()["faults"]
    assert all(one["struck"] for one in struck)
    assert (status, order["failed"], order["refused"]) == (0, missing, [])
    gone = {one["type"] for one in missing}
    assert counts(order) == {type: count for type, count in whole.items() if type not in gone}


def test_a_record_that_is_restricted_and_one_that_is_somebody_elses_come_to_nothing(faulty: Tour) -> None:
    status, order = faulty.gather(RESTRICTED)
    assert (status, order["step"], order["reason"]["code"]) == (1, "failed", "break-the-glass")
    faulty.sandbox.faults("POST", fault="wrong-match")
    status, order = faulty.gather(RESTRICTED)  # which is another site's number of the first patient
    assert (status, order["reason"]["code"], order["patient"]) == (1, "absent", "")
    assert "1 came that do not carry it" in order["reason"]["text"]


def test_a_dead_letter_is_replayed_as_it_was(tour: Tour) -> None:
    answers, got = [410, 200], []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["idempotency-key"], body))
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, format: str, *values: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        tour.hilum("destination", "add", "closed", f"http://127.0.0.1:{receiver.server_port}/")
        status, order = tour.gather(MRN, "--deliver-to", "closed")
        assert (status, order["status"], order["step"]) == (1, "failed", "dead-letter")
        done = tour.hilum("orders", "replay", order["id"], "--json")
        receiver.shutdown()
    again = json.loads(done.stdout)
    assert (again["status"], [one["answer"] for one in again["deliveries"]]) == ("completed", ["HTTP 410", "HTTP 200"])
    assert got[0] == got[1]
    assert got[0][0] == f'"{order["id"]}"'


def test_what_can_not_be_gathered_is_refused_in_a_line(tour: Tour) -> None:
    for wrong, says in (
        ((MRN, "--ehr", "lake", "--recipe", "visits"), "There is no EHR 'lake'."),
        ((MRN, "--ehr", "epic", "--recipe", "none"), "There is no recipe 'none'. There are demographics,"),
        ((MRN, "--ehr", "epic-launch", "--recipe", "visits"), "a person signs in there: open /connect/epic-launch"),
        ((MRN, "--ehr", "epic", "--recipe", "record", "--deliver-to", "video"), "has no [payload]"),
        (("--ehr", "epic", "--recipe", "visits"), "Say whom"),
    ):
        done = hilum("gather", *wrong, "--data", tour.server.data)
        assert (done.returncode, done.stdout) == (1, "")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
