"""What is on the server, read through its FHIR API, and how it differs from what devices measured. Nothing of hilum's.

Compared are device, patient, code, values with their digits, units, time and status. Of what a device was never told to
be taken, and cannot tell again (it streams), either is right: that it is there once, or not.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

from tests.durability.devices.measured import CLOCKS, Fact

MDC: Final = "urn:iso:std:iso:11073:10101"
COUNTING: Final = "67983"
"""Of a clock that counts ticks: the agent can't know whether a device tells the same again, and has the server decide.
Then nothing new comes of that connection, but that its clock was read."""
SHOWN: Final = 8
"""How many of each sort of fault are told in full."""


@dataclass
class Sent:
    """`facts`: digests of what devices were told to be taken -> the device. `perhaps`: of what may have been."""

    facts: dict[bytes, str] = field(default_factory=dict)
    perhaps: set[bytes] = field(default_factory=set)


@dataclass
class Found:
    """What a comparison came to. `faults`: how often what is wrong."""

    observations: int = 0
    clocks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def fault(self, what: str, which: object) -> None:
        self.faults[what] += 1
        if self.faults[what] <= SHOWN:
            self.told.append(f"{what}: {which}")


class Reader:
    """A searcher with a token that may read all. `token`: a fresh one each time that it is asked for."""

    def __init__(self, port: int, token: Callable[[], str]) -> None:
        self._token = token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def all(self, search: str) -> Iterator[dict[str, Any]]:
        """Every resource, page by page."""
        path: str | None = f"/fhir/{search}"
        while path is not None:
            self._connection.request("GET", path, headers={"Authorization": f"Bearer {self._token()}"})
            answer = self._connection.getresponse()
            body = answer.read()
            assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
            page = json.loads(body, parse_float=_Digits, parse_int=_Digits)
            for entry in page.get("entry", ()):
                yield entry["resource"]
            following = [link["url"] for link in page.get("link", ()) if link["relation"] == "next"]
            path = None
            if following:
                parts = urlsplit(following[0])
                path = f"{parts.path}?{parts.query}"


class _Digits(str):
    """A number of JSON, as it was written."""


def compare(reader: Reader, sent: Sent, tell: Callable[[int], None] = lambda count: None) -> Found:
    """All that differs."""
    found, seen = Found(), set[bytes]()
    devices = {f"Device/{one['id']}": _told(one) for one in reader.all("Device?_count=500")}
    for told, times in Counter(devices.values()).items():
        if times > 1:
            found.fault("a device doubled", told)
    clocks: dict[str, tuple[str, str]] = {}
    used, counting = set[str](), set[str]()
    for one in reader.all("Observation?_count=500"):
        found.observations += 1
        if not found.observations % 10_000:
            tell(found.observations)
        if one["meta"]["versionId"] != "1":
            found.fault("changed after it was stored", one["id"])
        whose = one["device"]["reference"], one["subject"]["reference"]
        if _code(one) in CLOCKS:
            found.clocks += 1
            clocks["Observation/" + one["id"]] = whose
            if _code(one) == COUNTING:
                counting.add("Observation/" + one["id"] + " " + " ".join(whose))
            continue
        for derived in one.get("derivedFrom", ()):
            used.add(derived["reference"] + " " + " ".join(whose))
        fact = _fact(one, devices)
        digest = fact.digest
        if digest in seen:
            found.fault("doubled", fact)
        elif digest not in sent.facts and digest not in sent.perhaps:
            found.fault("never measured", fact)
        seen.add(digest)
    for digest, device in sent.facts.items():
        if digest not in seen:
            found.fault("lost", f"a measurement of {device}")
    stamps = {name + " " + " ".join(whose) for name, whose in clocks.items()}
    for one_used in used - stamps:
        found.fault("derived from a clock that is none, or another's", one_used)
    for unused in stamps - used - counting:
        found.fault("a clock that nothing came of", unused)
    return found


def _told(device: dict[str, Any]) -> str:
    """The identifier that tells it from others: not that of zeros, which all without a system identifier have."""
    named = [one for one in device["identifier"] if set(one["value"]) != {"0", "-"}]
    return f"{named[0].get('system', '')}|{named[0]['value']}"


def _code(one: dict[str, Any]) -> str:
    codes: list[str] = [coding["code"] for coding in one["code"]["coding"] if coding["system"] == MDC]
    return codes[0]


def _fact(one: dict[str, Any], devices: dict[str, str]) -> Fact:
    if "valueQuantity" in one:
        quantities = [one["valueQuantity"]]
    else:
        quantities = [part["valueQuantity"] for part in one.get("component", ()) if "valueQuantity" in part]
    return Fact(
        devices.get(one["device"]["reference"], "no such device"),
        one["subject"]["reference"].removeprefix("Patient/"),
        _code(one),
        tuple(_plain(quantity["value"]) for quantity in quantities),
        " ".join(sorted({quantity["code"] for quantity in quantities})),
        datetime.fromisoformat(one["effectiveDateTime"]),
        one["status"],
    )


def _plain(number: str) -> str:
    """With its digits, without an exponent: 1.5E+1 and 15 have the same."""
    return str(number) if "e" not in number.lower() else f"{Decimal(number):f}"
