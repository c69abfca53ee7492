"""Talk to hilum over FHIR REST with nothing but Python's standard library.

    hilum serve                                             # in one terminal; it prints a line: export TOKEN=...
    export TOKEN=... && python examples/rest.py             # in another; another base URL may follow

What it does: a transaction, a read that is answered 304, a version-aware update, a conditional create, a search over
several pages, a history.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

BASE = (sys.argv[1:] or ["http://127.0.0.1:8080/fhir"])[0]
MRN = "urn:example:mrn"


def ask(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers (lower case) and parsed body of one request."""
    url = path if path.startswith("http") else f"{BASE}/{path}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, method=method)
    request.add_header("Authorization", f"Bearer {os.environ.get('TOKEN', '')}")
    request.add_header("Content-Type", "application/fhir+json")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request) as answer:
            status, found, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refusal:
        status, found, text = refusal.code, refusal.headers, refusal.read()
    if status >= 400:
        for issue in json.loads(text)["issue"]:
            print(f"  {status}: {issue['diagnostics']}")
    return status, {name.lower(): value for name, value in found.items()}, json.loads(text) if text else None


def patient(number: str) -> dict[str, Any]:
    """A Patient with this medical record number."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": MRN, "value": number}],
        "name": [{"family": "Example", "given": ["Ada"]}],
        "birthDate": "1990-05-17",
    }


def weight(kilograms: float, subject: str) -> dict[str, Any]:
    """An Observation of a body weight."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-01-15T09:30:00Z",
        "valueQuantity": {"value": kilograms, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


# 1. One transaction: a patient, unless there is one with this number, and three weights that refer to them.
mother = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
entries: list[dict[str, Any]] = [
    {
        "fullUrl": mother,
        "resource": patient("1"),
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={MRN}|1"},
    }
]
entries += [
    {"resource": weight(kilograms, mother), "request": {"method": "POST", "url": "Observation"}}
    for kilograms in (70.5, 71.0, 69.8)
]
status, _, bundle = ask("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
if status >= 400:
    sys.exit("Is the server running, and is TOKEN set? `hilum token --scope 'system/*.cruds'` makes one.")
where = [entry["response"]["location"] for entry in bundle["entry"]]
id_ = where[0].split("/Patient/")[1].split("/")[0]
print(f"transaction: {[entry['response']['status'] for entry in bundle['entry']]}, Patient/{id_}")

# 2. Read, and read again only if it changed.
_, headers, body = ask("GET", f"Patient/{id_}")
status, _, _ = ask("GET", f"Patient/{id_}", If_None_Match=headers["etag"])
print(f"read: {body['name'][0]['family']}, version {headers['etag']}; asked again: {status}")

# 3. Update only the version that was read; the second attempt is refused, because that version is gone.
body["maritalStatus"] = {"text": f"as of version {headers['etag']}"}
first, _, _ = ask("PUT", f"Patient/{id_}", body, If_Match=headers["etag"])
second, _, _ = ask("PUT", f"Patient/{id_}", {**body, "active": True}, If_Match=headers["etag"])
print(f"update with If-Match: {first}, the same again: {second}")

# 4. Create only what is not there.
status, _, found = ask("POST", "Patient", patient("1"), If_None_Exist=f"identifier={MRN}|1")
print(f"create with If-None-Exist: {status}, the one that was there: {found['id'] == id_}")

# 5. Search, page by page: follow the link `next` until there is none.
url, count, pages = f"Observation?patient={id_}&code=http://loinc.org%7C29463-7&_count=2", 0, 0
while url:
    _, _, page = ask("GET", url)
    count, pages = count + len(page.get("entry", [])), pages + 1
    url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
print(f"search: {count} weights on {pages} pages")

# 6. What happened to the patient.
_, _, history = ask("GET", f"Patient/{id_}/_history")
print(f"history: {[(entry['request']['method'], entry['response']['etag']) for entry in history['entry']]}")
