"""hilum signs people in at another hilum, in a process of its own: from that one's pages and from here, and goes on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.apps import Person, launched, people, record, registered
from tests.journeys.server import Server
from tests.unit.broker.ehr import Keys, published
from tests.unit.broker.launched import Browser, Here, connection, here

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.far import Failed

ORIGIN = "http://127.0.0.1:4713"
BACK = f"{ORIGIN}/callback/lake"
SCOPES = "openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"
WAYS = {"none": "--public", "client_secret_basic": "--secret", "private_key_jwt": "--jwks"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ehr")
    running = Server(folder)
    record(running)
    people(running, folder)
    yield running
    running.stop()


def client(served: Server, folder: Path, method: str) -> dict[str, Any]:
    way: list[object] = [WAYS[method]]
    if method == "private_key_jwt":
        (folder / "jwks.json").write_text(json.dumps(published()))
        way.append(folder / "jwks.json")
    scopes = f"launch launch/patient {SCOPES}"
    return registered(served, "Broker", *way, "--redirect", BACK, "--launch", f"{ORIGIN}/launch", "--scopes", scopes)


async def app(served: Server, folder: Path, method: str, ledger: Any) -> tuple[Here, str]:
    """hilum with a connection to the other one, and its client id there."""
    known = await asyncio.to_thread(client, served, folder, method)
    where = here(folder, ledger=ledger, keys=Keys(), origin=ORIGIN)
    lake = connection(served.base, client_id=known["client_id"], method=method, user_scopes=SCOPES, alg="ES384")
    await where.connections.add(lake, known.get("client_secret", ""))
    return where, known["client_id"]


def read(served: Server, token: str, path: str) -> httpx.Response:
    return httpx.get(f"{served.base}/{path}", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("method", WAYS)
async def test_a_patient_signs_in_from_here_and_the_token_is_renewed(
    served: Server, tmp_path: Path, method: str
) -> None:
    store = await open_store(Settings.read({"data": str(tmp_path / "data")}))
    where, _ = await app(served, tmp_path / "data", method, store.ledger)
    browser = Browser(where)
    url = await asyncio.to_thread(Person("ada.stone", BACK).allows, await browser.connect(next="/gather"))
    arrived = await browser.back(url)
    kept = (await where.launching.grants.get(arrived.grant)).grant
    assert (kept.patient, kept.fhir_user, kept.issuer) == ("ada", f"{served.base}/Patient/ada", served.url)
    bearer = where.renewing.bearer(arrived.grant)
    first = await bearer()
    assert read(served, first, "Patient/ada").json()["birthDate"] == "1980-12-31"
    assert read(served, first, "Observation?patient=ada").json()["total"] == 3
    second = await bearer(fresh=True)
    assert (second != first, read(served, second, "Patient/ada").status_code) == (True, 200)
    third = await bearer(fresh=True)
    assert third not in (first, second)
    await store.close()
    with sqlite3.connect(next((tmp_path / "data").glob("*.sqlite"))) as db:
        values = [value for (value,) in db.execute("SELECT value FROM ledger")]
    assert len(values) >= 3
    assert not any(token.encode() in value for value in values for token in (first, second, third))


async def test_staff_launches_it_for_the_record_that_is_open(served: Server, tmp_path: Path) -> None:
    where, id = await app(served, tmp_path, "private_key_jwt", None)
    context = await asyncio.to_thread(launched, served, id, "kim.doe", patient="ada", encounter="e2")
    browser = Browser(where)
    url = await browser.launch(served.base, context)
    arrived = await browser.back(await asyncio.to_thread(Person("kim.doe", BACK).allows, url))
    kept = (await where.launching.grants.get(arrived.grant)).grant
    assert (kept.patient, kept.encounter, kept.fhir_user) == ("ada", "e2", f"{served.base}/Practitioner/dr")
    token = await where.renewing.bearer(arrived.grant)()
    assert read(served, token, "Patient/ada").status_code == 200
    assert read(served, token, "Patient/ben").status_code in (403, 404)


async def test_a_grant_that_was_taken_away_there_ends_here(served: Server, tmp_path: Path) -> None:
    where, _ = await app(served, tmp_path, "none", None)
    browser = Browser(where)
    url = await asyncio.to_thread(Person("ada.stone", BACK).allows, await browser.connect())
    grant = (await browser.back(url)).grant
    kept = await where.launching.grants.get(grant)
    refresh = where.launching.grants.opened(kept).refresh
    form = {"token": refresh, "client_id": kept.grant.client_id}
    gone = await asyncio.to_thread(httpx.post, f"{served.url}/auth/revoke", data=form)
    assert gone.status_code == 200
    with pytest.raises(Failed) as caught:
        await where.renewing.current(grant, refused=kept.grant.generation)
    assert (caught.value.kind, caught.value.codes) == ("unauthorized", ("invalid_grant",))
