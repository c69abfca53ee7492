"""hilum signs in at npm `oidc-provider`, which others wrote and which is strict, and gathers by what it is given there.

By Backend Services and by App Launch, from hilum's own pages, until what came stands in hilum's store.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from tests.journeys.apps import Person, needs_node, record
from tests.journeys.cli import hilum
from tests.journeys.foreign import BACKEND, PATIENT, PERSON, Ehr, Provider
from tests.journeys.server import Server

from hilum.access.keys import load_or_create
from hilum.app.brokering import brokering
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.grants import Grant, Grants, Pair, sign_in_of

pytestmark = needs_node("oidc-provider")

RECIPE = """title = "Visits and results"

[[ask]]
type = "Encounter"
search = "patient={patient}"

[[ask]]
type = "Observation"
search = "patient={patient}"
"""
EHRS = f"""[service]
environment = "sandbox"
vendor = "plain"
base = "BASE"
client_id = "service"
method = "private_key_jwt"
alg = "RS384"
system_scopes = "{BACKEND}"
mrn_system = "urn:mrn"
recipes = ["results"]

[lake]
environment = "sandbox"
vendor = "plain"
base = "BASE"
client_id = "app"
method = "private_key_jwt"
alg = "ES384"
grants = ["authorization_code"]
user_scopes = "{PERSON}"
recipes = ["results"]

[sea]
environment = "sandbox"
vendor = "plain"
base = "BASE"
client_id = "public"
method = "none"
grants = ["authorization_code"]
user_scopes = "{PERSON}"
recipes = ["results"]
"""
USED = "refresh token already used"
CAME = {"Patient": 1, "Encounter": 2, "Observation": 3}


@dataclass
class Both:
    """hilum, and the EHR that it is connected to: as `service` by itself, as `lake` and `sea` for people."""

    app: Server
    ehr: Ehr
    provider: Provider

    @property
    def told(self) -> list[dict[str, Any]]:
        return self.provider.told


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("ehr")
    ehr, here = Ehr(folder), tmp_path_factory.mktemp("app")
    (here / "data" / "recipes").mkdir(parents=True)
    (here / "data" / "recipes" / "results.toml").write_text(RECIPE)
    (here / "data" / "ehrs.toml").write_text(EHRS.replace("BASE", ehr.base))
    app = Server(here)
    record(ehr.server)
    for alg in ("RS384", "ES384"):
        done = hilum("keys", "new", "--use", "ehr", "--alg", alg, "--data", app.data)
        assert done.returncode == 0, done.stderr
    ehr.provider = Provider(folder, ehr.base, app.url)
    yield Both(app, ehr, ehr.provider)
    ehr.provider.stop()
    app.stop()
    ehr.stop()


def api(app: Server) -> httpx.Client:
    client = app.client("system/Endpoint.cruds system/Task.cruds")
    client.base_url = httpx.URL(f"{app.url}/api/v1/")
    return client


def over(app: Server, id: str) -> dict[str, Any]:
    """An order as it ended."""
    with api(app) as asking, asking.stream("GET", f"gather/{id}/events") as answer:
        told = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]
    return dict(told[-2])


def came(order: dict[str, Any]) -> dict[str, int]:
    return {one["type"]: one["count"] for one in order["came"]}


def ordered(app: Server, ehr: str, **wish: Any) -> dict[str, Any]:
    with api(app) as asking:
        made = asking.post("gather", json={"ehr": ehr, "recipe": "results", **wish})
    assert made.status_code == 202, made.text
    return over(app, made.json()["id"])


def signed_in(both: Both, ehr: str) -> str:
    """Somebody signs in at oidc-provider's own pages, and is back: the id of the sign-in."""
    person = Person(PATIENT, f"{both.app.url}/callback/{ehr}")
    back = person.allows(f"{both.app.url}/connect/{ehr}", login=PATIENT)
    page = person.browser.get(back, follow_redirects=True)
    assert (page.status_code, page.url.path) == (200, f"/gather/{ehr}"), page.text
    (shown,) = re.findall(r'name="sign_in" value="([^"]+)"', page.text)
    return next(id for id in asyncio.run(ids(both.app, ehr)) if sign_in_of(id) == shown)


@asynccontextmanager
async def kept(app: Server) -> AsyncIterator[Grants]:
    """What hilum keeps of sign-ins."""
    settings = Settings.read({"data": str(app.data)})
    store = await open_store(settings)
    try:
        yield brokering(settings, store, load_or_create(app.data, "sandbox")).renewing.grants
    finally:
        await store.close()


async def ids(app: Server, ehr: str) -> list[str]:
    async with kept(app) as grants:
        return [one.id for one in await grants.of(ehr)]


def opened(app: Server, id: str) -> tuple[Grant, Pair]:
    """A sign-in with its tokens."""

    async def one() -> tuple[Grant, Pair]:
        async with kept(app) as grants:
            found = await grants.get(id)
            return found.grant, grants.opened(found)

    return asyncio.run(one())


def test_hilum_checks_the_connection_and_gathers_by_its_own_keys(both: Both) -> None:
    checked = hilum("ehr", "check", "service", "--json", "--data", both.app.data)
    assert checked.returncode == 0, checked.stdout
    order = ordered(both.app, "service", patient={"mrn": "A"})
    assert (order["step"], order["failed"], order["refused"], came(order)) == ("stored", [], [], CAME), order
    with both.app.client() as fhir:
        copy = fhir.get(order["patient"]).json()
        assert (copy["name"][0]["given"], copy["id"] != PATIENT) == (["Ada"], True)
        assert fhir.get(f"Observation?patient={copy['id']}").json()["total"] == 3


@pytest.mark.parametrize(("ehr", "client"), [("lake", "app"), ("sea", "public")])
def test_a_patient_signs_in_there_and_what_they_allowed_outlasts_access_tokens(
    both: Both, ehr: str, client: str
) -> None:
    before = len(both.told)
    id = signed_in(both, ehr)
    grant, _ = opened(both.app, id)
    assert (grant.patient, grant.fhir_user) == (PATIENT, f"{both.ehr.base}/Patient/{PATIENT}")
    assert set(grant.scopes.split()) == set(PERSON.split())
    used = set()
    for renewals in range(3):
        order = ordered(both.app, ehr, sign_in=sign_in_of(id))
        assert (order["step"], order["failed"], order["refused"], came(order)) == ("stored", [], [], CAME), order
        grants = ["authorization_code", *renewals * ["refresh_token"]]
        assert both.told[before:] == [{"grant": one, "client": client} for one in grants]
        used.add(opened(both.app, id)[1].refresh)
        both.ehr.ends()
    assert len(used) == 3


RENEWS = """
import asyncio, sys
from hashlib import sha256
from hilum.access.keys import load, path
from hilum.app.brokering import brokering
from hilum.app.settings import Settings
from hilum.app.stores import open_store

async def main():
    settings = Settings.read({"data": sys.argv[1]})
    store = await open_store(settings)
    here = brokering(settings, store, load(path(settings.data, settings.environment), settings.environment))
    bearer = here.renewing.bearer(sys.stdin.readline().strip())
    await bearer()
    for _ in range(3):
        print("ready", flush=True)
        sys.stdin.readline()
        tokens = await asyncio.gather(*(bearer(fresh=True) for _ in range(5)))
        print(*{sha256(token.encode()).hexdigest() for token in tokens}, flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_processes_that_renew_at_once_never_send_a_refresh_token_twice(both: Both) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", RENEWS, both.app.data, stdin=PIPE, stdout=PIPE)
        for _ in range(2)
    ]
    id = await asyncio.to_thread(signed_in, both, "lake")
    before = len(both.told)
    for process in processes:
        go(process, id)
    held = set()
    for _ in range(3):
        assert {await said(process) for process in processes} == {"ready"}
        for process in processes:
            go(process)
        (token,) = {await said(process) for process in processes}
        held.add(token)
    assert [await process.wait() for process in processes] == [0, 0]
    assert len(held) == 3
    assert both.told[before:] == 3 * [{"grant": "refresh_token", "client": "app"}]


def go(process: asyncio.subprocess.Process, word: str = "go") -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n".encode())


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def test_a_refresh_token_that_somebody_else_has_sent_ends_the_sign_in_there_and_here(both: Both) -> None:
    id = signed_in(both, "sea")
    assert ordered(both.app, "sea", sign_in=sign_in_of(id))["step"] == "stored"
    _, pair = opened(both.app, id)
    form = {"grant_type": "refresh_token", "refresh_token": pair.refresh, "client_id": "public"}
    assert httpx.post(f"{both.provider.url}/token", data=form).status_code == 200  # whoever has stolen it
    both.ehr.ends()
    order = ordered(both.app, "sea", sign_in=sign_in_of(id))
    assert (order["status"], order["reason"]["code"]) == ("failed", "unauthorized"), order
    assert both.told[-2:] == [{"revoked": True}, {"grant": "refresh_token", "error": "invalid_grant", "why": USED}]
    assert not opened(both.app, id)[0].renewable
    before = len(both.told)
    assert ordered(both.app, "sea", sign_in=sign_in_of(id))["reason"]["code"] == "unauthorized"
    assert both.told[before:] == []  # what is known to be dead is not sent again


def test_what_the_person_does_not_allow_is_told_and_nothing_is_kept(both: Both) -> None:
    before, browser = asyncio.run(ids(both.app, "lake")), httpx.Client(timeout=30)
    page = browser.get(f"{both.app.url}/connect/lake", follow_redirects=True)
    (abort,) = re.findall(r'href="([^"]+/abort)"', page.text)
    back = browser.get(urljoin(str(page.url), abort), follow_redirects=True)
    assert (back.status_code, "did not allow it" in back.text) == (403, True), back.text
    assert asyncio.run(ids(both.app, "lake")) == before
