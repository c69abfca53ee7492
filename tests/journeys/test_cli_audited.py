"""What commands change is in the audit: who, what, of whom, before it is done; beside a server and without one."""

from __future__ import annotations

import base64
import getpass
import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.journeys.both import place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import Server

__all__ = ["postgres_database"]

LIST_SECONDS = 90
"""Within which a server has found what a command left behind that opened no store: it looks once a minute."""


def told(running: Server) -> list[tuple[str, dict[str, str]]]:
    """The security events of commands, the oldest first, as an auditor sees them: what was done, and what about."""
    with running.client("system/AuditEvent.rs") as client:
        answer = client.get("AuditEvent", params={"_count": "1000", "_sort": "-date"})
    assert answer.status_code == 200, answer.text
    found = []
    for entry in reversed(answer.json()["entry"]):
        event = entry["resource"]
        app, _, *people = event["agent"]
        if app["who"]["identifier"]["value"] != "hilum-cli" or event["type"]["code"] in ("rest", "110101"):
            continue
        (person,) = people
        assert person["who"]["identifier"]["value"] == getpass.getuser()
        assert person["requestor"] is True
        about = json.loads(base64.b64decode(event["entity"][0]["query"]))
        found.append((event["subtype"][-1]["code"], about))
    return found


def done(*arguments: object) -> dict[str, Any]:
    answer = hilum(*arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


FULL = bool(os.environ.get("HILUM_FULL"))
CASES = ["sqlite, beside a server"]
if FULL:
    CASES += ["postgresql, beside a server", "sqlite, without one", "postgresql, without one"]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], bool]:
    """Flags of the store, and whether a server runs."""
    store, _, server = request.param.partition(", ")
    flags = () if store == "sqlite" else ("--store", request.getfixturevalue("postgres_database"))
    return flags, server == "beside a server"


def test_every_change_by_a_command_is_told(start: Callable[..., Server], case: tuple[tuple[str, ...], bool]) -> None:
    flags, beside = case
    running = start(*flags)
    where = place(running, flags)
    if not beside:
        running.stop()
    stands = ("--stands-for", "Practitioner/1", "--to-come")
    kim = done("users", "add", "kim", "--role", "practitioner", *stands, *where)["id"]
    done("users", "disable", "kim", *where)
    done("users", "enable", "KIM", *where)
    done("users", "reset", "kim", "--second-factor", *where)
    app = ("clients", "add", "App", "--redirect", "https://app.example.org/cb", "--scopes", "patient/*.rs")
    done(*app, "--id", "app", *where)
    done("clients", "renew", "app", "--api-key", *where)
    done("clients", "revoke", "app", *where)
    done("clients", "invite", "--scopes", "patient/*.rs", *where)
    done("keys", "rotate", "--use", "id", *where)
    done("open", "ValueSet", "Library", *where)
    done("open", "--close", "Library", *where)
    minted = done("token", "--scope", "system/Patient.rs", "--reason", "ticket 4711", "--data", running.data)
    jti = json.loads(base64.urlsafe_b64decode(minted["access_token"].split(".")[1] + "=="))["jti"]
    refused = [
        hilum("users", "add", "Kim", "--role", "patient", *where),
        hilum("users", "disable", "nobody", *where),
        hilum(*app, "--id", "app", *where),
        hilum("clients", "revoke", "nobody", *where),
        hilum("clients", "renew", "app", "--api-key", *where),
        hilum("keys", "rotate", "--use", "nothing", *where),
        hilum("open", "Patient", *where),
        hilum("token", "--scope", "nothing", "--data", running.data),
    ]
    assert all(answer.returncode for answer in refused)
    assert done("open", "ValueSet", *where) == {"open": ["ValueSet"]}, "nothing changes, and nothing is told"
    if beside:
        verified = done("audit", "verify", *where)
        assert verified["faults"] == []
        if not FULL:  # rather than for a minute: a server looks for what commands have left when it starts, too
            running.stop()
    if running.process.poll() is not None:
        running = Server(running.data.parent, *flags)
    ends = time.monotonic() + LIST_SECONDS
    found = told(running)
    while "ITI-71" not in dict(found) and time.monotonic() < ends:
        time.sleep(0.5)
        found = told(running)
    name = {"user": kim, "name": "kim"}
    assert [one for one in found if one[0] != "ITI-71"] == [
        ("user", {"added": kim, "name": "kim", "roles": "practitioner", "fhirUser": "Practitioner/1"}),
        ("user", name | {"changed": "disabled"}),
        ("user", name | {"changed": "enabled"}),
        ("user", name | {"changed": "password and second factor"}),
        ("client", {"added": "app", "scope": "patient/*.rs"}),
        ("client", {"client": "app", "changed": "api key"}),
        ("client", {"revoked": "app"}),
        ("register", {"invited": "1", "scope": "patient/*.rs"}),
        ("key", {"rotated": "id"}),
        ("setting", {"opened": "ValueSet Library"}),
        ("setting", {"closed": "Library"}),
    ]
    assert [one for one in found if one[0] == "ITI-71"] == [
        ("ITI-71", {"minted": jti, "scope": "system/Patient.rs", "minutes": "60", "reason": "ticket 4711"}),
    ]
    assert done("audit", "verify", *where)["faults"] == []
    running.stop()
    assert done("audit", "verify", *where)["faults"] == []
