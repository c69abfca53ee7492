"""Write examples/postman: a collection of requests and two environments, from the routes that there are.

The FHIR requests are examples of the rows of `hilum.rest.routes`, the others of `/api/openapi.json`: a row without an
example, or an example without a row, is an error. tests/journeys/test_postman.py runs them with newman.

python scripts/generate_postman.py
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from hilum.app.described import application
from hilum.rest.routes import ROUTES

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "postman"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
ENVIRONMENTS = ("sandbox", "production")
FHIR_JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
MINE = "identifier=urn:hilum:postman|{{run}}"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:hilum:postman", "value": "{{run}}"}],
    "name": [{"family": "Postman", "given": ["Example"]}],
    "gender": "unknown",
}
OTHER = PATIENT | {"identifier": [{"system": "urn:hilum:postman", "value": "{{run}}-bundle"}]}

SIGN = r"""
// SMART Backend Services: https://hl7.org/fhir/smart-app-launch/backend-services.html
// private_jwk: the private key as a JWK with kid and alg (RS384 or ES384), whose public half is registered here by
// hilum clients add Postman --jwks keys.json --scopes 'system/*.cruds'
// Where there is no Web Crypto, as in newman 6, an assertion that was made elsewhere stands in client_assertion.
const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (one) => one.charCodeAt(0));
const web = (all) => btoa(String.fromCharCode(...all)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const sign = async ({ kid, alg, use, key_ops, ...jwk }) => {
  const elliptic = alg === "ES384";
  const imports = elliptic ? { name: "ECDSA", namedCurve: "P-384" } : { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" };
  const signs = elliptic ? { name: "ECDSA", hash: "SHA-384" } : "RSASSA-PKCS1-v1_5";
  const client = pm.environment.get("client_id");
  const claims = {
    iss: client,
    sub: client,
    aud: pm.variables.get("token_url"),
    exp: Math.floor(Date.now() / 1000) + 240,
    jti: pm.variables.replaceIn("{{$randomUUID}}"),
  };
  const parts = [{ typ: "JWT", alg, kid }, claims].map((one) => web(bytes(JSON.stringify(one))));
  const key = await crypto.subtle.importKey("jwk", jwk, imports, false, ["sign"]);
  const made = await crypto.subtle.sign(signs, key, bytes(parts.join(".")));
  pm.variables.set("client_assertion", [...parts, web(new Uint8Array(made))].join("."));
};
if (!pm.environment.get("client_assertion")) {
  const key = pm.environment.get("private_jwk");
  if (key && typeof crypto !== "undefined") {
    sign(JSON.parse(key));
  } else {
    pm.execution.skipRequest();
  }
}
"""


class Example(NamedTuple):
    """One request. `row`: of the table that it is an example of. `saves`: variables -> where in the answer they are."""

    name: str
    row: str
    url: str
    body: Any = None
    type: str = FHIR_JSON
    expects: tuple[int, ...] = (200,)
    saves: tuple[tuple[str, str], ...] = ()
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()


# Name, row of the route table, address below the base, body and its type, statuses, what is kept of the answer.
# fmt: off
FHIR: dict[str, tuple[Example, ...]] = {
    "Metadata": (
        Example("What the server can do", "GET metadata capabilities", "metadata",
                saves=(("fhirVersion", "pm.response.json().fhirVersion"),)),
    ),
    "CRUD": (
        Example("Create", "POST [type] create", "Patient", PATIENT, expects=(201,),
                saves=(("patient", "pm.response.json().id"),)),
        Example("Read", "GET [type]/[id] read", "Patient/{{patient}}"),
        Example("Read a version", "GET [type]/[id]/_history/[vid] vread", "Patient/{{patient}}/_history/1"),
        Example("Update", "PUT [type]/[id] update", "Patient/{{patient}}",
                {**PATIENT, "id": "{{patient}}", "gender": "other"}),
        Example("Patch", "PATCH [type]/[id] patch", "Patient/{{patient}}",
                [{"op": "replace", "path": "/gender", "value": "female"}], "application/json-patch+json"),
        Example("Update what is found", "PUT [type] update", f"Patient?{MINE}", {**PATIENT, "active": True}),
        Example("Patch what is found", "PATCH [type] patch", f"Patient?{MINE}",
                [{"op": "replace", "path": "/active", "value": False}], "application/json-patch+json"),
        Example("History of a resource", "GET [type]/[id]/_history history-instance", "Patient/{{patient}}/_history"),
        Example("History of a type", "GET [type]/_history history-type", "Patient/_history?_count=5"),
        Example("History of everything", "GET _history history-system", "_history?_count=5"),
    ),
    "Search": (
        Example("Search", "GET [type] search-type", f"Patient?{MINE}&_total=accurate"),
        Example("Search by a form", "POST [type]/_search search-type", "Patient/_search", MINE, FORM),
        Example("Search in a record", "GET [type]/[id]/[type] search-compartment",
                "Patient/{{patient}}/Observation?_count=5"),
        Example("Search in a record by a form", "POST [type]/[id]/[type]/_search search-compartment",
                "Patient/{{patient}}/Observation/_search", "_count=5", FORM),
        Example("Search across types", "GET  search-system", "?_type=Patient,Observation&_count=5"),
        Example("Search across types by a form", "POST _search search-system", "_search",
                "_type=Patient,Observation&_count=5", FORM),
    ),
    "Bundles": (
        Example("Transaction", "POST  transaction", "", {
            "resourceType": "Bundle", "type": "transaction", "entry": [
                {"fullUrl": "urn:uuid:0b0a6a0e-7d0f-4f0c-9f0e-3c1c6e5f6a01", "resource": OTHER,
                 "request": {"method": "POST", "url": "Patient"}},
            ]}),
        Example("Batch", "POST  batch", "", {
            "resourceType": "Bundle", "type": "batch", "entry": [
                {"request": {"method": "GET", "url": "Patient/{{patient}}"}},
                {"request": {"method": "DELETE", "url": f"Patient?{MINE}-bundle"}},
            ]}),
    ),
    "Binary": (
        Example("Store a file", "POST [type] create", "Binary", "Hello, Postman.", "text/plain", (201,),
                (("binary", 'pm.response.headers.get("Location").split("/Binary/")[1].split("/")[0]'),)),
        Example("Get it back", "GET [type]/[id] read", "Binary/{{binary}}"),
        Example("Delete it", "DELETE [type]/[id] delete", "Binary/{{binary}}", expects=(200, 204)),
    ),
    "Deletion": (
        Example("Delete what is found", "DELETE [type] delete", f"Patient?{MINE}", expects=(200, 204)),
        Example("Delete", "DELETE [type]/[id] delete", "Patient/{{patient}}", expects=(200, 204)),
    ),
}

EHR = {
    "vendor": "plain", "base": "{{ehr_base}}", "client_id": "{{ehr_client_id}}", "system_scopes": "system/*.rs",
    "recipes": ["demographics"], "mrn_system": "{{mrn_system}}", "title": "Added from Postman",
}
API: dict[str, tuple[Example, ...]] = {
    "EHRs": (
        Example("Add an EHR", "POST /api/v1/ehrs", "ehrs", {"name": "{{ehr}}", **EHR}, expects=(201,)),
        Example("EHRs", "GET /api/v1/ehrs", "ehrs"),
        Example("One EHR", "GET /api/v1/ehrs/{name}", "ehrs/{{ehr}}"),
        Example("Change it", "PUT /api/v1/ehrs/{name}", "ehrs/{{ehr}}", {**EHR, "title": "Changed from Postman"}),
        Example("Does it work?", "POST /api/v1/ehrs/{name}/check", "ehrs/{{ehr}}/check"),
        Example("Who has signed in there?", "GET /api/v1/sign-ins", "sign-ins?ehr={{ehr}}",
                saves=(("sign_in", '(pm.response.json().sign_ins[0] || {sign_in: "nobody-there"}).sign_in'),)),
        Example("Sign somebody out", "DELETE /api/v1/sign-ins/{sign_in}", "sign-ins/{{sign_in}}", expects=(204, 404)),
        Example("Where is an organization reached?", "GET /api/v1/directory", "directory?name=general",
                expects=(200, 404)),
    ),
    "What orders can name": (
        Example("Recipes", "GET /api/v1/recipes", "recipes"),
        Example("Destinations", "GET /api/v1/destinations", "destinations"),
        Example("Give one another secret", "POST /api/v1/destinations/{name}/rotate",
                "destinations/{{destination}}/rotate", {"overlap_hours": 24}, expects=(200, 404)),
    ),
    "Gathering": (
        Example("Gather", "POST /api/v1/gather", "gather",
                {"patient": {"mrn": "{{mrn}}"}, "ehr": "{{ehr}}", "recipe": "demographics"}, expects=(202,),
                saves=(("order", "pm.response.json().id"),), headers=(("Idempotency-Key", '"{{run}}"'),)),
        Example("How far is it?", "GET /api/v1/gather/{id}", "gather/{{order}}"),
        Example("Orders", "GET /api/v1/gather", "gather?count=5"),
        Example("Cancel", "POST /api/v1/gather/{id}/cancel", "gather/{{order}}/cancel", expects=(200, 409)),
        Example("What became of it, as events", "GET /api/v1/gather/{id}/events", "gather/{{order}}/events"),
        Example("Deliver a dead letter again", "POST /api/v1/gather/{id}/replay", "gather/{{order}}/replay",
                expects=(202, 409)),
        Example("Cancel, by DELETE", "DELETE /api/v1/gather/{id}", "gather/{{order}}", expects=(200, 409)),
    ),
    "Tidying up": (
        Example("Remove the EHR", "DELETE /api/v1/ehrs/{name}", "ehrs/{{ehr}}", expects=(204,)),
    ),
}
VIDEOS: dict[str, tuple[Example, ...]] = {
    "Made": (
        Example("Templates", "GET /api/v1/templates", "templates"),
        Example("Make a video", "POST /api/v1/videos", "videos",
                {"patient": {"mrn": "{{mrn}}"}, "local": True, "template": "after-visit", "language": "en"},
                expects=(202, 404, 409), saves=(("video", 'pm.response.json().id || "none"'),)),
        Example("How far is it?", "GET /api/v1/videos/{id}", "videos/{{video}}", expects=(200, 404)),
        Example("Videos", "GET /api/v1/videos", "videos?count=5"),
    ),
    "Looked at": (
        Example("What is told, and where it came from", "GET /api/v1/videos/{id}/script", "videos/{{video}}/script",
                expects=(200, 404)),
        Example("The video, its captions, transcript or poster", "GET /api/v1/videos/{id}/{name}",
                "videos/{{video}}/poster", expects=(200, 404)),
        Example("Other words", "PUT /api/v1/videos/{id}/script", "videos/{{video}}/script",
                {"sentences": {"do-1": "Rest for a day."}}, expects=(202, 400, 404, 409)),
        Example("Approve", "POST /api/v1/videos/{id}/approve", "videos/{{video}}/approve", expects=(200, 404, 409)),
        Example("Reject", "POST /api/v1/videos/{id}/reject", "videos/{{video}}/reject", expects=(200, 404, 409)),
    ),
    "Given to the patient": (
        Example("Make a link", "POST /api/v1/videos/{id}/links", "videos/{{video}}/links", {"expires_in": 86400},
                expects=(201, 404, 409), saves=(("link", 'pm.response.json().id || "none"'),)),
        Example("Links", "GET /api/v1/videos/{id}/links", "videos/{{video}}/links", expects=(200, 404, 409)),
        Example("A link", "GET /api/v1/videos/{id}/links/{link}", "videos/{{video}}/links/{{link}}",
                expects=(200, 404, 409)),
        Example("Revoke it", "DELETE /api/v1/videos/{id}/links/{link}", "videos/{{video}}/links/{{link}}",
                expects=(200, 404, 409)),
    ),
    "Ended": (
        Example("Cancel", "POST /api/v1/videos/{id}/cancel", "videos/{{video}}/cancel", expects=(200, 404, 409)),
        Example("What became of it, as events", "GET /api/v1/videos/{id}/events", "videos/{{video}}/events",
                expects=(200, 404)),
        Example("Cancel, by DELETE", "DELETE /api/v1/videos/{id}", "videos/{{video}}", expects=(200, 404, 409)),
    ),
}

DEVICES = {
    "Agents": (
        Example("Invite an agent", "POST /api/v1/devices/invitations", "devices/invitations",
                {"name": "Postman", "patients": ["{{patient}}"]}, expects=(201, 404, 410)),
        Example("Agents", "GET /api/v1/devices/agents", "devices/agents",
                saves=(("agent", '(pm.response.json().agents[0] || {}).id || "none"'),)),
        Example("An agent", "GET /api/v1/devices/agents/{id}", "devices/agents/{{agent}}", expects=(200, 404)),
        Example("Revoke an agent", "POST /api/v1/devices/agents/{id}/revoke", "devices/agents/none/revoke",
                expects=(404,)),
    ),
    "Devices": (
        Example("Link a device that has not been seen", "POST /api/v1/devices", "devices",
                {"system": "urn:postman", "value": "{{run}}", "patient": "{{patient}}"}, expects=(201, 404, 410),
                saves=(("device", 'pm.response.json().id || "none"'),)),
        Example("Devices", "GET /api/v1/devices", "devices"),
        Example("A device", "GET /api/v1/devices/{id}", "devices/{{device}}", expects=(200, 404)),
        Example("Link one of its users", "POST /api/v1/devices/{id}/link", "devices/{{device}}/link",
                {"patient": "{{patient}}", "person": "2"}, expects=(200, 404, 410)),
        Example("Unlink that user", "POST /api/v1/devices/{id}/unlink", "devices/{{device}}/unlink", {"person": "2"},
                expects=(200, 404)),
        Example("Revoke a device", "POST /api/v1/devices/{id}/revoke", "devices/{{device}}/revoke", expects=(200, 404)),
        Example("Restore it", "POST /api/v1/devices/{id}/restore", "devices/{{device}}/restore", expects=(200, 404)),
    ),
    "Held": (
        Example("What is held", "GET /api/v1/devices/held", "devices/held"),
        Example("Try it again", "POST /api/v1/devices/held/release", "devices/held/release"),
    ),
}
# fmt: on


def fhir_rows() -> dict[str, str]:
    """Rows of the route table, without operations -> what each does."""
    return {f"{one.method} {one.pattern} {one.interaction}": one.text for one in ROUTES if not one.operation}


def api_rows() -> dict[str, str]:
    """Operations of the API -> what each does."""
    paths = application().openapi()["paths"]
    return {
        f"{method.upper()} {path}": operation["description"]
        for path, all in paths.items()
        for method, operation in all.items()
    }


def collection() -> dict[str, Any]:
    """examples/postman/hilum.postman_collection.json"""
    fhir, api = fhir_rows(), api_rows()
    _complete(fhir, FHIR, "the route table")
    _complete(api, API | VIDEOS | DEVICES, "/api/openapi.json")
    begin = 'pm.collectionVariables.set("run", pm.variables.replaceIn("{{$randomUUID}}"));'
    folders = [
        {"name": "Sign in", "description": _SIGN_IN, "auth": {"type": "noauth"}, "item": list(_sign_in())},
        {
            "name": "FHIR",
            "description": "Every interaction of hilum's FHIR R4 API, by example. docs/reference/rest.md",
            "auth": _bearer("token"),
            "item": [
                {"name": name, "item": [_item(one, "{{origin}}/fhir", fhir[one.row]) for one in some]}
                for name, some in FHIR.items()
            ],
        },
        {
            "name": "Broker",
            "description": "Gathering from other EHRs. {{origin}}/api/docs",
            "auth": _bearer("admin_token"),
            "item": [
                {"name": name, "item": [_item(one, "{{origin}}/api/v1", api[one.row]) for one in some]}
                for name, some in API.items()
            ],
        },
        {
            "name": "Videos",
            "description": "What a patient is told. docs/how-to/make-videos.md",
            "auth": _bearer("token"),
            "item": [
                {"name": name, "item": [_item(one, "{{origin}}/api/v1", api[one.row]) for one in some]}
                for name, some in VIDEOS.items()
            ],
        },
        {
            "name": "Devices",
            "description": "What pushes readings, and whose they are. docs/how-to/enrol-devices.md",
            "auth": _bearer("admin_token"),
            "item": [
                {"name": name, "item": [_item(one, "{{origin}}/api/v1", api[one.row]) for one in some]}
                for name, some in DEVICES.items()
            ],
        },
    ]
    folders[0]["item"][0]["event"].append({"listen": "prerequest", "script": _script(begin)})
    names = (
        "run",
        "token_url",
        "patient",
        "binary",
        "order",
        "sign_in",
        "video",
        "link",
        "agent",
        "device",
        "fhirVersion",
    )
    return {
        "info": {"_postman_id": _id("collection"), "name": "hilum", "description": _ABOUT, "schema": SCHEMA},
        "item": folders,
        "variable": [{"key": name, "value": ""} for name in names],
    }


def environment(name: str) -> dict[str, Any]:
    """examples/postman/NAME.postman_environment.json: nothing of one is in the other."""
    values = {"client_id": "", "ehr": f"postman-{name}", "destination": f"postman-{name}", **_VALUES[name]}
    secrets = ("private_jwk", "client_assertion", "token", "admin_token")
    return {
        "id": _id(name),
        "name": f"hilum {name}",
        "values": [
            *({"key": key, "value": value, "type": "default", "enabled": True} for key, value in values.items()),
            *({"key": key, "value": "", "type": "secret", "enabled": True} for key in secrets),
        ],
        "_postman_variable_scope": "environment",
    }


_VALUES = {
    "sandbox": {  # as `hilum sandbox --profile plain` has them: docs/how-to/sandbox.md
        "origin": "http://127.0.0.1:8080",
        "ehr_base": "http://127.0.0.1:8090/fhir",
        "ehr_client_id": "hilum-backend",
        "mrn_system": "urn:oid:2.999.1.1",
        "mrn": "100001",
    },
    "production": {
        "origin": "https://fhir.example.org",
        "ehr_base": "https://ehr.example.org/fhir",
        "ehr_client_id": "hilum",
        "mrn_system": "urn:oid:1.2.36.146.595.217.0.1",
        "mrn": "",
    },
}

_ABOUT = """hilum's APIs by example: sign-in, FHIR R4, the broker, videos and devices (`/api/v1`).

Made by scripts/generate_postman.py.

Choose the environment `hilum sandbox` or `hilum production`, and set `origin`. Then either

- set `token` to one of `hilum token --scope 'system/*.cruds'`, or
- register a client (`hilum clients add Postman --jwks keys.json --scopes 'system/*.cruds'`), set `client_id` and
  `private_jwk`, and send "Sign in / Token", which sets `token`.

The registries of the broker and of devices are an administrator's: `admin_token` is one of
`hilum token --scope 'system/Endpoint.cruds system/Task.cruds system/Device.cruds system/Patient.rs'`.

Requests of a folder build on those above them: run them in their order. What they make they delete at the end."""
_SIGN_IN = "Discovery, and a token by SMART Backend Services. docs/how-to/connect-a-backend-service.md"


def _sign_in() -> Iterator[dict[str, Any]]:
    yield _item(
        Example(
            "What the authorization server can do",
            "",
            ".well-known/smart-configuration",
            saves=(("token_url", "pm.response.json().token_endpoint"),),
        ),
        "{{origin}}/fhir",
        "https://hl7.org/fhir/smart-app-launch/conformance.html",
    )
    form = (
        "grant_type=client_credentials&scope=system/*.cruds&client_assertion={{client_assertion}}"
        "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )
    token = _item(
        Example("Token", "", "", form, FORM),
        "{{token_url}}",
        "Skipped where the environment has neither private_jwk nor client_assertion.",
    )
    token["event"] = [
        {"listen": "prerequest", "script": _script(SIGN)},
        {
            "listen": "test",
            "script": _script(
                'pm.test("200", () => pm.response.to.have.status(200));\n'
                'pm.environment.set("token", pm.response.json().access_token);'
            ),
        },
    ]
    yield token


def _item(one: Example, base: str, text: str) -> dict[str, Any]:
    method = one.row.partition(" ")[0] if one.row else ("GET" if one.body is None else "POST")
    headers = [{"key": key, "value": value} for key, value in one.headers]
    request: dict[str, Any] = {"method": method, "header": headers, "url": _url(base, one.url), "description": text}
    if one.body is not None:
        request["header"].append(
            {"key": "Content-Type", "value": one.type if "api" not in base else "application/json"}
        )
        request["body"] = _body(one)
    tests = [
        f'pm.test("{" or ".join(map(str, one.expects))}", '
        f"() => pm.expect({json.dumps(one.expects)}).to.include(pm.response.code));",
        *(f'pm.collectionVariables.set("{name}", {where});' for name, where in one.saves),
    ]
    return {"name": one.name, "event": [{"listen": "test", "script": _script("\n".join(tests))}], "request": request}


def _body(one: Example) -> dict[str, Any]:
    if one.type == FORM:
        pairs = [{"key": key, "value": value} for key, value in parse_qsl(one.body)]
        return {"mode": "urlencoded", "urlencoded": pairs}
    raw = one.body if isinstance(one.body, str) else json.dumps(one.body, indent=2)
    return {"mode": "raw", "raw": raw}


def _url(base: str, rest: str) -> dict[str, Any]:
    raw = f"{base}/{rest}".replace("/?", "?").rstrip("/")
    host, *path = re.sub(r"\?.*", "", raw).split("/")
    found: dict[str, Any] = {"raw": raw, "host": [host], "path": path}
    if query := urlsplit(rest).query:
        found["query"] = [dict(zip(("key", "value"), pair.split("=", 1), strict=True)) for pair in query.split("&")]
    return found


def _complete(rows: dict[str, str], examples: dict[str, tuple[Example, ...]], table: str) -> None:
    there = {one.row for some in examples.values() for one in some}
    if missing := rows.keys() - there:
        raise SystemExit(f"{table} has rows without an example here: {', '.join(sorted(missing))}")
    if unknown := there - rows.keys():
        raise SystemExit(f"{table} has no such rows: {', '.join(sorted(unknown))}")


def _bearer(variable: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}]}


def _script(text: str) -> dict[str, Any]:
    return {"type": "text/javascript", "exec": text.strip("\n").split("\n")}


def _id(name: str) -> str:
    """The same each time, so that importing it again replaces it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:hilum:postman:{name}"))


def files() -> dict[str, str]:
    """Name -> content."""
    made = {"hilum.postman_collection.json": collection()}
    made |= {f"{name}.postman_environment.json": environment(name) for name in ENVIRONMENTS}
    return {name: json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in made.items()}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)
        print(f"examples/postman/{name}")
