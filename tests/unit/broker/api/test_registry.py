"""The registry of EHRs by the API, and what orders can name: shown to whom, changed by whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.broker.api.asked import ORIGIN, Here, here
from tests.unit.broker.ordered import EHR
from tests.unit.broker.receiver import SECRET as WEBHOOK

from hilum.broker import directories
from hilum.broker.checking import Step
from hilum.broker.exchange import Tokens
from hilum.broker.grants import sign_in_of
from hilum.fhir import json
from hilum.web.webhooks import decoded

EHRS = "/api/v1/ehrs"
LAKE: dict[str, Any] = {
    "name": "lake",
    "vendor": "plain",
    "base": "https://lake.example.org/fhir",
    "client_id": "hilum",
    "system_scopes": "system/*.rs",
    "recipes": ["visits"],
    "title": "Lake Clinic",
}
SECRET = {"method": "client_secret_post", "secret": "four green tractors"}
CHANGE = {key: value for key, value in LAKE.items() if key != "name"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Here]:
    async with here(tmp_path) as found:
        yield found


async def test_a_connection_is_added_shown_changed_and_removed(api: Here) -> None:
    made = await api.ask("POST", EHRS, LAKE, token="admin")
    assert (made.status, made.header(b"location")) == (201, f"{ORIGIN}{EHRS}/lake")
    assert made.json.pop("created") is not None
    expected = LAKE | {
        "environment": "sandbox",
        "method": "private_key_jwt",
        "grants": ["client_credentials"],
        "user_scopes": "",
        "issuer": "",
        "alg": "RS384",
        "mrn_system": "",
        "disabled": False,
        "origin": "kim",
        "has_secret": False,
    }
    found = (await api.ask("GET", f"{EHRS}/lake")).json
    assert {key: value for key, value in found.items() if key != "created"} == expected
    changed = await api.ask("PUT", f"{EHRS}/lake", CHANGE | {"title": "Lakeside"}, token="admin")
    assert (changed.status, changed.json) == (200, found | {"title": "Lakeside"})
    assert [one["name"] for one in (await api.ask("GET", EHRS)).json["ehrs"]] == ["epic", "lake"]
    assert (await api.ask("DELETE", f"{EHRS}/lake", token="admin")).status == 204
    assert (await api.ask("GET", f"{EHRS}/lake")).status == 404
    assert [event for _, _, event in api.trail.events] == [
        {"added": "lake", "base": LAKE["base"], "scope": "system/*.rs"},
        {"changed": "lake", "base": LAKE["base"], "scope": "system/*.rs"},
        {"removed": "lake"},
    ]


@pytest.mark.parametrize(("method", "path", "body"), [("POST", EHRS, LAKE), ("PUT", f"{EHRS}/epic", CHANGE)])
async def test_a_recipe_that_there_is_not_is_refused(api: Here, method: str, path: str, body: dict[str, Any]) -> None:
    answer = await api.ask(method, path, body | {"recipes": ["visits", "nope"]}, token="admin")
    assert (answer.status, answer.json["issue"][0]["expression"]) == (400, ["recipes"])
    assert "recipes names nope, and there is no such recipe. There are demographics, " in answer.says


async def test_a_secret_is_never_shown(api: Here) -> None:
    made = await api.ask("POST", EHRS, LAKE | SECRET)
    shown = [made, await api.ask("GET", EHRS), await api.ask("GET", f"{EHRS}/lake")]
    assert [b"tractors" in one.response.body for one in shown] == [False] * 3
    assert made.json["has_secret"] is True
    assert api.broker.connections.secret(await api.broker.connections.get("lake")) == SECRET["secret"]


async def test_a_secret_stays_as_long_as_the_connection_is_aimed_at_the_same_place(api: Here) -> None:
    await api.ask("POST", EHRS, LAKE | SECRET)
    same = await api.ask("PUT", f"{EHRS}/lake", CHANGE | {"method": SECRET["method"], "client_id": "other"})
    assert (same.status, same.json["has_secret"]) == (200, True)
    assert api.broker.connections.secret(await api.broker.connections.get("lake")) == SECRET["secret"]
    other = CHANGE | {"method": SECRET["method"], "base": "https://elsewhere.example.org/fhir"}
    assert (await api.ask("PUT", f"{EHRS}/lake", other)).status == 400
    assert (await api.ask("PUT", f"{EHRS}/lake", other | {"secret": "new words"})).status == 200
    assert api.broker.connections.secret(await api.broker.connections.get("lake")) == "new words"
    without = await api.ask("PUT", f"{EHRS}/lake", CHANGE)
    assert (without.status, without.json["has_secret"]) == (200, False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"environment": "production"}, "The two never mix"),
        ({"base": "http://lake.example.org/fhir"}, "http only in the sandbox and to this machine"),
        ({"vendor": "unheard"}, "vendor must be one of"),
        ({"name": "Lake!"}, "letters a-z"),
        ({"method": "client_secret_post"}, "A secret goes with"),
        ({"colour": "blue"}, "colour: Extra inputs"),
    ],
)
async def test_what_is_no_connection_is_refused_and_not_audited_as_one(
    api: Here, changes: dict[str, Any], says: str
) -> None:
    answer = await api.ask("POST", EHRS, LAKE | changes)
    assert (answer.status, says in answer.says) == (400, True), answer.says
    assert (api.trail.events, [one.name for one in await api.broker.connections.every()]) == ([], ["epic"])


async def test_a_name_is_taken_once_and_what_is_not_there_is_not_changed(api: Here) -> None:
    assert (await api.ask("POST", EHRS, LAKE | {"name": "epic"})).status == 409
    assert (await api.ask("PUT", f"{EHRS}/lake", CHANGE)).status == 404
    assert (await api.ask("DELETE", f"{EHRS}/lake")).status == 404


async def test_what_stands_in_the_file_is_changed_there(api: Here, tmp_path: Path) -> None:
    (tmp_path / "ehrs.toml").write_text(
        '[hill]\nenvironment = "sandbox"\nvendor = "plain"\nbase = "https://hill.example.org/fhir"\nclient_id = "x"\n'
        'method = "private_key_jwt"\nsystem_scopes = "system/*.rs"\n'
    )
    answers = [await api.ask("PUT", f"{EHRS}/hill", CHANGE), await api.ask("DELETE", f"{EHRS}/hill")]
    assert [(one.status, "ehrs.toml" in one.says) for one in answers] == [(409, True)] * 2
    refused = await api.ask("PUT", f"{EHRS}/epic", CHANGE | {"vendor": "unheard"})
    assert (refused.status, api.trail.events) == (400, []), "what is not done is not audited as done"


@pytest.mark.parametrize(
    ("token", "statuses"),
    [  # list, add, change, remove, check
        ("", [401, 401, 401, 401, 401]),
        ("admin", [200, 201, 200, 204, 200]),
        ("owner", [200, 201, 200, 204, 200]),
        ("looker", [200, 403, 403, 403, 200]),
        ("gatherer", [200, 403, 403, 403, 403]),
        ("star", [200, 403, 403, 403, 403]),
        ("backend", [403, 403, 403, 403, 403]),
        ("practitioner", [403, 403, 403, 403, 403]),
        ("patient", [403, 403, 403, 403, 403]),
        ("reader", [403, 403, 403, 403, 403]),
    ],
)
async def test_the_registry_is_for_administrators_and_is_shown_to_who_gives_orders(
    api: Here, token: str, statuses: list[int]
) -> None:
    await api.ask("POST", EHRS, LAKE | {"name": "hill"})
    found = [
        (await api.ask(*asked, token=token)).status
        for asked in (
            ("GET", EHRS),
            ("POST", EHRS, LAKE),
            ("PUT", f"{EHRS}/hill", CHANGE),
            ("DELETE", f"{EHRS}/hill"),
            ("POST", f"{EHRS}/epic/check"),
        )
    ]
    assert found == statuses


async def test_a_check_tells_each_step_and_whose_side_it_is_on(api: Here) -> None:
    api.steps += [Step("discovery", "works", "It is there."), Step("sign-in", "fails", "No.", "Ask them.", "theirs")]
    assert (await api.ask("POST", f"{EHRS}/epic/check")).json == {
        "works": False,
        "untried": [],
        "steps": [
            {"step": "discovery", "state": "works", "found": "It is there.", "todo": "", "side": ""},
            {"step": "sign-in", "state": "fails", "found": "No.", "todo": "Ask them.", "side": "theirs"},
        ],
    }
    assert (await api.ask("POST", f"{EHRS}/nowhere/check")).status == 404


async def test_recipes_and_destinations_are_listed_and_no_address_is_told(api: Here) -> None:
    listed = (await api.ask("GET", "/api/v1/recipes", token="gatherer")).json
    found = listed["recipes"]
    assert [one["name"] for one in found] == sorted(one["name"] for one in found)
    assert next(one for one in found if one["name"] == "video") == {
        "name": "video",
        "title": "A video",
        "start": ["mrn", "patient", "launch"],
        "types": ["Patient"],
        "store": True,
        "delivers": True,
    }
    assert listed["unsound"] == [{"name": "spoilt", "problem": "Recipe recipes/spoilt.toml: title must be a text."}]
    answer = await api.ask("GET", "/api/v1/destinations", token="gatherer")
    assert answer.json == {"destinations": [{"name": "video", "environment": "sandbox"}]}
    refused = [await api.ask("GET", f"/api/v1/{name}", token="reader") for name in ("recipes", "destinations")]
    assert [one.status for one in refused] == [403, 403]


ROTATE = "/api/v1/destinations/video/rotate"


async def test_a_destination_gets_another_secret_which_is_shown_once_and_both_sign_for_a_while(api: Here) -> None:
    world = api.world
    answer = await api.ask("POST", ROTATE, {"overlap_hours": 1}, token="admin")
    assert answer.status == 200
    found = await world.destinations.get("video")
    assert found is not None
    assert found.secrets == (decoded(answer.json["secret"]), decoded(WEBHOOK))
    assert answer.json["former_until"] == datetime.fromtimestamp(found.until, UTC).isoformat().replace("+00:00", "Z")
    assert api.trail.events[-1][1:] == ("destination", {"rotated": "video", "overlap": "1 h"})
    await api.order()
    await world.work()
    assert world.receiver.wrong == [], "it has the secret of before yet"
    world.move(3600)
    given = await api.ask("POST", ROTATE, {"secret": WEBHOOK, "overlap_hours": 0}, token="admin")
    assert given.json == {"name": "video", "secret": None, "former_until": None}


@pytest.mark.parametrize(
    ("token", "name", "body", "status"),
    [
        ("admin", "nowhere", {}, 404),
        ("admin", "video", {"secret": "short"}, 400),
        ("admin", "video", {"overlap_hours": -1}, 400),
        ("admin", "video", {"overlap_hours": 10_000}, 400),
        ("looker", "video", {}, 403),
        ("gatherer", "video", {}, 403),
        ("star", "video", {}, 403),
        ("", "video", {}, 401),
    ],
)
async def test_who_may_not_or_says_what_can_not_be_rotates_nothing(
    api: Here, token: str, name: str, body: dict[str, Any], status: int
) -> None:
    answer = await api.ask("POST", f"/api/v1/destinations/{name}/rotate", body, token=token)
    assert (answer.status, b"short" in answer.response.body) == (status, False)
    found = await api.world.destinations.get("video")
    assert found is not None
    assert found.secrets == (decoded(WEBHOOK),)


async def test_an_organization_is_found_in_the_directories_that_were_imported(api: Here) -> None:
    assert (await api.ask("GET", "/api/v1/directory?name=lake")).status == 404
    endpoint = {
        "resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://lake.example.org/fhir",
        "managingOrganization": {"display": "Lake Clinic"},
    }  # fmt: skip
    raw = json.encode({"resourceType": "Bundle", "entry": [{"fullUrl": "urn:e", "resource": endpoint}]})
    await directories.take(api.world.store.ledger, "epic-2026", raw, "file", 0.0, "epic")
    assert (await api.ask("GET", "/api/v1/directory?name=clinic%20lak", token="gatherer")).json == {
        "organizations": [
            {
                "organization": "Lake Clinic",
                "place": "",
                "base": "https://lake.example.org/fhir",
                "version": "",
                "directory": "epic-2026",
                "vendor": "epic",
            }
        ]
    }
    assert (await api.ask("GET", "/api/v1/directory?name=sea")).json == {"organizations": []}
    assert (await api.ask("GET", "/api/v1/directory")).status == 400


async def test_sign_ins_of_people_are_listed_and_ended_and_nothing_is_told_to_use_one_by(api: Here) -> None:
    begun = datetime.now(UTC).replace(microsecond=0)
    tokens = Tokens("access-word", 600, refresh="refresh-word", patient="far-1")
    id = await api.broker.grants.new(EHR, EHR.base, tokens, "patient/*.rs", "https://ehr.test/Practitioner/dr")
    answer = await api.ask("GET", "/api/v1/sign-ins", token="admin")
    (one,) = answer.json["sign_ins"]
    times = [datetime.fromisoformat(one.pop(name)) for name in ("begun", "renewed", "ends")]
    assert one == {
        "sign_in": sign_in_of(id),
        "ehr": "epic",
        "who": "https://ehr.test/Practitioner/dr",
        "scopes": "patient/*.rs",
    }
    assert begun <= times[0] == times[1] < times[2]
    assert not any(word in answer.response.body.decode() for word in (id, "access-word", "refresh-word", "far-1"))
    assert (await api.ask("GET", "/api/v1/sign-ins?ehr=lake", token="admin")).json == {"sign_ins": []}
    for token in ("gatherer", "practitioner"):
        refused = [
            (await api.ask("GET", "/api/v1/sign-ins", token=token)).status,
            (await api.ask("DELETE", f"/api/v1/sign-ins/{one['sign_in']}", token=token)).status,
        ]
        assert refused == [403, 403]
    assert (await api.ask("DELETE", f"/api/v1/sign-ins/{id}", token="admin")).status == 404, "its id is for in here"
    assert (await api.ask("DELETE", f"/api/v1/sign-ins/{one['sign_in']}", token="admin")).status == 204
    assert api.trail.events[-1] == ("kim", "ehr", {"signed out": one["sign_in"][:12], "ehr": "epic"})
    assert (await api.ask("GET", "/api/v1/sign-ins", token="admin")).json == {"sign_ins": []}
    assert (await api.ask("DELETE", f"/api/v1/sign-ins/{one['sign_in']}", token="admin")).status == 404
