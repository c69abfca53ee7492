"""Apps of others for journeys: pages of an app on the web, a record for them to show, who signs in, and the sign-in."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.oauth.ledger import LAUNCH, Launch, Put, digest, write

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "tests" / "journeys" / "node"
PASSWORD = "four green tractors sing"
USERS = (
    ("kim.doe", "--display", "Kim Doe", "--role", "practitioner", "--stands-for", "Practitioner/dr"),
    ("ada.stone", "--display", "Ada Stone", "--role", "patient", "--patient", "ada"),
)


def needs_node(package: str) -> pytest.MarkDecorator:
    """Skips where `make node` has not been run, but never in CI."""
    missing = not (NODE / "node_modules" / package).is_dir() and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"run `make node` first: {package} is not installed")


def record(server: Server) -> None:
    """Ada and Ben Stone, three Observations and two visits of Ada's, and Doctor Doe."""
    with server.client() as fhir:
        for body in _record():
            answer = fhir.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
            assert answer.status_code == 201, answer.text


def _record() -> list[dict[str, Any]]:
    ada, category = {"reference": "Patient/ada"}, "http://terminology.hl7.org/CodeSystem/observation-category"
    patients = [
        {"resourceType": "Patient", "id": given.lower(), "name": [{"family": "Stone", "given": [given]}],
         "birthDate": "1980-12-31", "identifier": [{"system": "urn:mrn", "value": given[0]}]}
        for given in ("Ada", "Ben")
    ]  # fmt: skip
    doctor = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Doe", "given": ["Kim"]}]}
    seen = [
        {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": text}, "subject": ada,
         "category": [{"coding": [{"system": category, "code": kind}]}], "effectiveDateTime": f"2026-01-0{number}",
         "valueQuantity": {"value": value, "unit": unit}}
        for number, (text, kind, value, unit) in enumerate(
            (("Weight", "vital-signs", 70.5, "kg"), ("Height", "vital-signs", 171, "cm"),
             ("Sodium", "laboratory", 140, "mmol/L")), 1)
    ]  # fmt: skip
    visits = [
        {"resourceType": "Encounter", "id": f"e{number}", "status": "finished", "class": {"code": "AMB"},
         "type": [{"text": text}], "period": {"start": f"2026-0{number}-05"}, "subject": ada}
        for number, text in ((1, "Check-up"), (2, "Emergency room"))
    ]  # fmt: skip
    return [*patients, doctor, *seen, *visits]


def people(server: Server, folder: Path, *flags: object) -> None:
    """Kim Doe, who may look for patients, and Ada Stone, who may see her own record."""
    kept = folder / "password-of-all"
    kept.write_text(PASSWORD + "\n")
    for name, *more in USERS:
        done = hilum("users", "add", name, *more, "--password-file", kept, "--data", server.data, *flags)
        assert done.returncode == 0, done.stderr


def registered(server: Server, name: str, *more: object) -> dict[str, Any]:
    """What `hilum clients add` says of a new client."""
    done = hilum("clients", "add", name, *more, "--data", server.data, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def launched(server: Server, client: str, user: str, **context: Any) -> str:
    """A launch as the page for staff makes it: what the app gets as `launch`."""
    launch = secrets.token_urlsafe(24)
    done = hilum("users", "list", "--json", "--data", server.data)
    id = next(one["id"] for one in json.loads(done.stdout)["users"] if one["name"] == user)

    async def put() -> None:
        store = await open_store(Settings.read({"data": str(server.data)}))
        try:
            expires = int((time.time() + 300) * 1_000_000)
            await store.ledger.add(Put(LAUNCH, digest(launch), write(Launch(id, client, context)), expires))
        finally:
            await store.close()

    with ThreadPoolExecutor(1) as another:  # a browser's tests have a loop of their own in this thread
        another.submit(asyncio.run, put()).result()
    return launch


class Pages:
    """An app on the web, on a port of its own: the files of the folders, the first that has one, and texts."""

    def __init__(self, *folders: Path) -> None:
        self.texts: dict[str, str] = {}
        self.asked: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self, folders))
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, pages: Pages, folders: tuple[Path, ...], *rest: Any) -> None:
        self.pages, self.folders = pages, folders
        super().__init__(*rest)

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.lstrip("/") or "index.html"
        self.pages.asked.append(self.path)
        if name in self.pages.texts:
            body = self.pages.texts[name].encode()
        else:
            found = [folder / name for folder in self.folders if (folder / name).is_file()]
            if not found:
                self.send_error(404)
                return
            body = found[0].read_bytes()
        self.send_response(200)
        self.send_header("content-type", self.guess_type(name))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


class _Forms(HTMLParser):
    """The forms of a page: where each is sent, its fields as a browser sends them untouched, and the names of all."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]], set[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((said.get("action", ""), [], set()))
        elif tag == "input" and "name" in said:
            _, sent, names = self.forms[-1]
            names.add(said["name"])
            if said.get("type") not in ("checkbox", "radio") or "checked" in said:
                sent.append((said["name"], said.get("value", "")))


class Person:
    """Somebody with a browser without script, who signs in and allows what is asked. `back`: where the app lives."""

    def __init__(self, name: str, back: str) -> None:
        self.typed = {"username": name, "password": PASSWORD}
        self.back = back
        self.browser = httpx.Client(timeout=30)

    def allows(self, url: str, **typed: str) -> str:
        """From an app's link to the address that the browser is sent back to. `typed`: into fields beside these."""
        answer = self.browser.get(url)
        for _ in range(20):
            if answer.is_redirect:
                there = urljoin(str(answer.url), answer.headers["location"])
                if there.startswith(self.back):
                    return there
                answer = self.browser.get(there)
            else:
                assert answer.status_code == 200, answer.text
                answer = self._sent(answer, self.typed | typed)
        raise AssertionError(f"twenty pages later the app has no answer: {answer.url}")

    def _sent(self, page: httpx.Response, typed: dict[str, str]) -> httpx.Response:
        """The form with a choice of a record, where there is one that was found, else the first of the page."""
        forms = _Forms(page.text).forms
        action, fields, names = next((form for form in forms if {"patient", "encounter"} & form[2]), forms[0])
        pairs = [(name, value) for name, value in fields if name not in typed]
        pairs += [(name, value) for name, value in typed.items() if name in names]
        content = urlencode(pairs).encode()
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
        return self.browser.post(urljoin(origin, action), content=content, headers={"origin": origin} | FORM)


FORM = {"content-type": "application/x-www-form-urlencoded"}


def answered(url: str) -> dict[str, str]:
    """What an app was answered."""
    return dict(parse_qsl(urlsplit(url).query))
