"""R4 resources that others made, by type: a seeded few, or, with HILUM_FULL=1, some hundreds of each type."""

from __future__ import annotations

import gzip
import os
import random
import re
from functools import cache
from typing import Any

from tests.shared_data import DATA

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Malformed

FULL = os.environ.get("HILUM_FULL") == "1"
PER_TYPE = 300 if FULL else 3
FOLDERS = ("ms-server-fixtures/R4", "fhirpath-r4/input", "phd-examples")


@cache
def resources() -> dict[str, list[dict[str, Any]]]:
    """Type -> resources, at most PER_TYPE of each, the same on every run."""
    found: dict[str, list[dict[str, Any]]] = {}
    files = sorted(DATA.glob("synthea/*/*.json.gz"))
    bodies = [gzip.decompress(file.read_bytes()) for file in files[:: 6 if FULL else 60]]
    for folder in FOLDERS:
        bodies += [file.read_bytes().removeprefix(b"\xef\xbb\xbf") for file in sorted((DATA / folder).glob("*.json"))]
    for body in bodies:
        try:
            parsed = _linked(json.parse(body))
        except Malformed:  # some fixtures are meant to be broken
            continue
        for one in (parsed, *(e["resource"] for e in parsed.get("entry", ()) if "resource" in e)):
            if one.get("resourceType") in TYPE_NUMBER:
                found.setdefault(one["resourceType"], []).append(one)
    dice = random.Random(4)
    return {name: dice.sample(some, min(len(some), PER_TYPE)) for name, some in sorted(found.items())}


def _linked(body: dict[str, Any]) -> dict[str, Any]:
    """A transaction as a server would keep it: references by urn become Type/id."""
    names = {
        entry["fullUrl"]: f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in body.get("entry", ())
        if entry.get("fullUrl", "").startswith("urn:uuid:") and "id" in entry.get("resource", ())
    }
    if not names:
        return body
    text = re.sub(r"urn:uuid:[0-9a-f-]{36}", lambda m: names.get(m[0], m[0]), json.encode(body).decode())
    return json.parse(text.encode())
