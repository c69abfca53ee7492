"""Videos by the API, at its edge: asked for, looked at, edited, approved, given out, and by whom."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from tests.unit.video.filmed import AMY, BACKEND, BEN, CONTENT, DOCTOR, OWNER, World, holder, world

from hilum.app.api import Api
from hilum.audit.recording import Silent
from hilum.interactions.delete import delete
from hilum.problems import Unauthenticated
from hilum.rest.message import Response
from hilum.video.api.filming import Filming

ORIGIN = "https://hilum.test"
VIDEOS = "/api/v1/videos"
ASKED = {"patient": "Patient/amy", "local": True, "template": "after-visit", "language": "en"}
PEOPLE = {
    "owner": OWNER, "doctor": DOCTOR, "backend": BACKEND, "amy": AMY, "ben": BEN, "tasks": holder("system/Task.cruds"),
}  # fmt: skip


@dataclass
class Answer:
    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)

    @property
    def element(self) -> str:
        """What an OperationOutcome is about; fails where it is none."""
        assert self.json["resourceType"] == "OperationOutcome"
        return str(self.json["issue"][0].get("expression", [""])[0])

    def header(self, name: bytes) -> str | None:
        return self.response.header(name)

    async def content(self) -> bytes:
        if self.response.stream is None:
            return self.response.body
        return b"".join([piece async for piece in self.response.stream()])


@dataclass
class Here:
    world: World
    api: Api

    async def ask(
        self, method: str, url: str, body: Any = None, *, token: str = "owner", headers: Mapping[str, str] | None = None
    ) -> Answer:
        raw = b"" if body is None else json.dumps(body).encode()
        sent = {b"authorization": b"Bearer " + token.encode()} if token else {}
        if raw:
            sent |= {b"content-type": b"application/json", b"content-length": b"%d" % len(raw)}
        sent |= {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
        place = urlsplit(url)
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": place.path,
            "raw_path": place.path.encode(), "query_string": place.query.encode(), "headers": list(sent.items()),
            "scheme": "https", "server": ("hilum.test", 443),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        return Answer((await self.api.respond(scope, sent, receive))[0])

    async def made(self, **changes: Any) -> str:
        answer = await self.ask("POST", VIDEOS, ASKED | changes)
        assert answer.status == 202, answer.response.body
        return str(answer.json["id"])

    async def draft(self) -> str:
        id = await self.made()
        await self.world.work()
        return id

    async def approved(self) -> str:
        id = await self.draft()
        assert (await self.ask("POST", f"{VIDEOS}/{id}/approve", token="doctor")).status == 200
        return id


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async def authenticate(headers: Mapping[bytes, bytes]) -> Any:
        who = PEOPLE.get(headers.get(b"authorization", b"").removeprefix(b"Bearer ").decode())
        if who is None:
            raise Unauthenticated("This needs a token.")
        return who

    async with world(tmp_path) as found:
        broker = SimpleNamespace(
            authenticate=authenticate, trail=Silent(), connections=SimpleNamespace(environment="sandbox")
        )
        filming = Filming(found.videos, found.door.base, authenticate, 0.0, 3)
        yield Here(found, Api(cast(Any, broker), filming))


async def test_a_video_is_accepted_with_its_place_and_what_it_asks_for(here: Here) -> None:
    answer = await here.ask("POST", VIDEOS, ASKED)
    found = answer.json
    assert (answer.status, answer.header(b"location")) == (202, f"{ORIGIN}{VIDEOS}/{found['id']}")
    assert found.pop("created").endswith("Z")
    assert found.pop("changed").endswith("Z")
    assert found == {
        "id": found["id"], "status": "requested", "step": "requested", "version": 1, "template": "after-visit",
        "language": "en", "shape": "wide", "codec": "vp9", "renderer": "played", "narrated": True, "ehr": None,
        "patient": "Patient/amy", "progress": None, "seconds": None, "spoken": False, "in_step": True, "edited": None,
        "decided": None, "reason": None, "outdated": None, "document": None,
        "task": f"{ORIGIN}/fhir/Task/{found['id']}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status", "element"),
    [
        ({"template": "nothing"}, 400, "template"),
        ({"language": "xx"}, 400, "language"),
        ({"shape": "round"}, 400, "shape"),
        ({"ehr": "epic"}, 400, ""),
        ({"local": False}, 400, ""),
        ({"patient": None}, 400, ""),
        ({"patient": {"mrn": "1", "id": "2"}}, 400, "patient"),
        ({"local": False, "ehr": "nowhere"}, 400, "ehr"),
        ({"patient": "Patient/none"}, 404, "patient"),
        ({"colour": "blue"}, 400, "colour"),
    ],
)
async def test_what_can_not_be_made_is_refused_at_once_with_its_element(
    here: Here, changes: dict[str, Any], status: int, element: str
) -> None:
    answer = await here.ask("POST", VIDEOS, ASKED | changes)
    assert (answer.status, answer.element.partition(".")[0]) == (status, element)


async def test_why_there_is_none_is_told_with_the_element(here: Here) -> None:
    id = await here.made(patient={"id": "cal"})
    await here.world.work()
    found = (await here.ask("GET", f"{VIDEOS}/{id}")).json
    assert (found["status"], found["reason"]["code"], found["reason"]["element"]) == (
        "failed", "reason-missing", "Encounter.reasonCode",
    )  # fmt: skip
    assert (await here.ask("GET", f"{VIDEOS}/{id}/script")).status == 404


async def test_how_it_goes_is_told_as_it_happens_until_somebody_has_to_approve_it(here: Here) -> None:
    id = await here.draft()
    stream = await here.ask("GET", f"{VIDEOS}/{id}/events")
    assert stream.header(b"content-type") == "text/event-stream; charset=utf-8"
    text = (await stream.content()).decode()
    version = (await here.ask("GET", f"{VIDEOS}/{id}")).json["version"]
    assert f"event: video\nid: {version}\n" in text
    assert text.endswith(f'event: end\nid: {version}\ndata: {{"status":"on-hold","step":"awaiting-approval"}}\n\n')
    again = await here.ask("GET", f"{VIDEOS}/{id}/events", headers={"last-event-id": str(version)})
    assert again.status == 204


async def test_the_video_is_sent_whole_in_parts_and_not_again(here: Here) -> None:
    url = f"{VIDEOS}/{await here.draft()}/video"
    whole = await here.ask("GET", url)
    assert (whole.status, whole.header(b"content-type"), whole.response.length) == (200, "video/webm", len(CONTENT))
    assert await whole.content() == CONTENT
    tag = str(whole.header(b"etag"))
    part = await here.ask("GET", url, headers={"range": "bytes=5-9"})
    assert (part.status, part.header(b"content-range")) == (206, f"bytes 5-9/{len(CONTENT)}")
    assert await part.content() == CONTENT[5:10]
    assert (await here.ask("GET", url, headers={"range": "bytes=9999-"})).status == 416
    changed = await here.ask("GET", url, headers={"range": "bytes=5-9", "if-range": '"other"'})
    assert changed.status == 200
    assert (await here.ask("GET", url, headers={"if-none-match": tag})).status == 304
    assert (await here.ask("HEAD", url)).response.size == len(CONTENT)


@pytest.mark.parametrize(
    ("name", "media"),
    [("captions", "text/vtt; charset=utf-8"), ("transcript", "text/plain; charset=utf-8"), ("poster", "image/png")],
)
async def test_so_are_the_other_files(here: Here, name: str, media: str) -> None:
    answer = await here.ask("GET", f"{VIDEOS}/{await here.draft()}/{name}")
    assert (answer.status, answer.header(b"content-type")) == (200, media)
    assert await answer.content() == name.encode()


async def test_what_the_record_has_left_behind_is_a_conflict_that_names_where(here: Here) -> None:
    url = f"{VIDEOS}/{await here.draft()}"
    await here.world.corrected(code={"text": "Fever"})
    answer = await here.ask("POST", f"{url}/approve", token="doctor")
    (issue,) = answer.json["issue"]
    assert (answer.status, issue["code"], "Condition.code.text" in issue["diagnostics"]) == (409, "conflict", True)
    assert b"Fever" not in answer.response.body
    await delete(here.world.door, OWNER, "Condition", "c1")
    answer = await here.ask("POST", f"{url}/approve", token="doctor")
    assert (answer.status, answer.element) == (409, "Encounter.reasonCode")
    assert (await here.ask("GET", url)).json["step"] == "awaiting-approval"


async def test_what_the_record_has_left_behind_says_so_and_its_files_are_refused_to_the_patients_app(
    here: Here,
) -> None:
    id = await here.approved()
    url = f"{VIDEOS}/{id}"
    await here.ask("POST", f"{url}/links", token="doctor")
    assert (await here.ask("GET", url)).json["outdated"] is None
    await here.world.corrected(code={"text": "Fever"})
    for token, status in (("amy", 409), ("backend", 409), ("doctor", 200)):
        for name in ("video", "captions", "transcript", "poster", "script"):
            answer = await here.ask("GET", f"{url}/{name}", token=token)
            assert answer.status == status, (token, name)
            if status == 409:
                (issue,) = answer.json["issue"]
                assert (issue["code"], "Ask for a new one" in issue["diagnostics"]) == ("conflict", True)
    await here.world.lapsing.turn()
    for token, said in (("doctor", "the scene why (Condition.code.text)"), ("amy", "Ask for a new one")):
        one = (await here.ask("GET", url, token=token)).json
        assert (one["step"], one["outdated"]["code"], said in one["outdated"]["text"]) == ("approved", "outdated", True)
        assert [one["outdated"] is not None for one in (await here.ask("GET", VIDEOS, token=token)).json["videos"]]
    (link,) = (await here.ask("GET", f"{url}/links", token="doctor")).json["links"]
    assert (link["open"], link["outdated"]) == (True, True)
    assert (await here.ask("GET", f"{url}/links/{link['id']}", token="doctor")).json["outdated"] is True


async def test_a_script_is_edited_and_approved_by_its_etag(here: Here) -> None:
    url = f"{VIDEOS}/{await here.draft()}"
    script = await here.ask("GET", f"{url}/script")
    tag = str(script.header(b"etag"))
    assert script.json["scenes"][0]["sentences"][1]["text"] == "Rest."
    edits = {"sentences": {"why-2": "Sleep."}}
    assert (await here.ask("PUT", f"{url}/script", edits, token="doctor", headers={"if-match": '"x"'})).status == 412
    assert (await here.ask("PUT", f"{url}/script", edits, token="doctor", headers={"if-match": tag})).status == 202
    await here.world.work()
    assert (await here.ask("POST", f"{url}/approve", token="doctor", headers={"if-match": tag})).status == 412
    now = str((await here.ask("GET", f"{url}/script")).header(b"etag"))
    answer = await here.ask("POST", f"{url}/approve", token="doctor", headers={"if-match": now})
    assert (answer.status, answer.json["step"], answer.json["decided"]["by"]) == (200, "approved", "doc")


async def test_what_is_rejected_or_cancelled_says_so(here: Here) -> None:
    rejected = await here.ask("POST", f"{VIDEOS}/{await here.draft()}/reject", {"reason": "No."}, token="doctor")
    assert (rejected.status, rejected.json["step"]) == (200, "rejected")
    assert (rejected.json["decided"]["reason"], rejected.json["reason"]) == ("No.", None)
    for method, path in (("POST", "/cancel"), ("DELETE", "")):
        answer = await here.ask(method, f"{VIDEOS}/{await here.draft()}{path}")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")


async def test_links_are_made_shown_and_revoked(here: Here) -> None:
    assert (await here.ask("POST", f"{VIDEOS}/{await here.draft()}/links", token="doctor")).status == 409
    url = f"{VIDEOS}/{await here.approved()}/links"
    made = await here.ask("POST", url, {"expires_in": 3600}, token="doctor")
    assert made.status == 201
    assert made.json["url"].startswith(f"{ORIGIN}/v/")
    place = urlsplit(str(made.header(b"location"))).path
    found = await here.ask("GET", place, token="doctor")
    assert "url" not in found.json
    assert (found.json["open"], found.json["proof"], found.json["by"]) == (True, "birth-date", "doc")
    assert [one["id"] for one in (await here.ask("GET", url, token="doctor")).json["links"]] == [found.json["id"]]
    assert (await here.ask("DELETE", place, token="doctor")).json["revoked"] is True
    assert (await here.ask("POST", url, {"expires_in": 1}, token="doctor")).element == "expires_in"


async def test_pages_of_videos_follow_each_other(here: Here) -> None:
    ids = [await here.made() for _ in range(3)]
    first = (await here.ask("GET", f"{VIDEOS}?count=2")).json
    assert [one["id"] for one in first["videos"]] == ids[:0:-1]
    rest = (await here.ask("GET", first["next"].removeprefix(ORIGIN))).json
    assert [one["id"] for one in rest["videos"]] == ids[:1]
    assert rest["next"] is None
    assert (await here.ask("GET", f"{VIDEOS}?status=failed")).json["videos"] == []
    assert len((await here.ask("GET", f"{VIDEOS}?patient=Patient/amy")).json["videos"]) == 3


async def test_there_are_templates_to_choose_from(here: Here) -> None:
    found = (await here.ask("GET", "/api/v1/templates")).json
    assert {"after-visit", "medications", "procedure"} <= {one["name"] for one in found["templates"]}
    assert all("en" in one["languages"] for one in found["templates"])
    assert found["renderers"] == ["played"]


ROUTES = [
    ("GET", ""), ("GET", "/events"), ("GET", "/script"), ("PUT", "/script"), ("POST", "/approve"), ("POST", "/reject"),
    ("POST", "/cancel"), ("DELETE", ""), ("GET", "/video"), ("GET", "/captions"), ("GET", "/transcript"),
    ("GET", "/poster"), ("POST", "/links"), ("GET", "/links"), ("GET", "/links/x"), ("DELETE", "/links/x"),
]  # fmt: skip


async def test_no_route_tells_who_has_no_token_or_that_of_another_patient_anything(here: Here) -> None:
    draft, approved = await here.draft(), await here.approved()
    for method, path in ROUTES:
        body = {"sentences": {"why-2": "Sleep."}} if method == "PUT" else None
        for id in (draft, approved):
            assert (await here.ask(method, f"{VIDEOS}/{id}{path}", body, token="")).status == 401
            other = await here.ask(method, f"{VIDEOS}/{id}{path}", body, token="ben")
            absent = await here.ask(method, f"{VIDEOS}/nothing{path}", body, token="ben")
            assert (other.status, absent.status) == (404, 404), (method, path)
            assert other.response.body.replace(id.encode(), b"nothing") == absent.response.body
    assert (await here.ask("GET", VIDEOS, token="ben")).json["videos"] == []
    assert (await here.ask("POST", VIDEOS, ASKED, token="ben")).status == 403


async def test_who_may_write_tasks_alone_sees_and_makes_no_video(here: Here) -> None:
    id = await here.draft()
    assert (await here.ask("GET", f"{VIDEOS}/{id}", token="tasks")).status == 404
    assert (await here.ask("POST", VIDEOS, ASKED, token="tasks")).status in (403, 404)


async def test_what_is_asked_for_again_by_the_same_key_is_made_once(here: Here) -> None:
    headers = {"idempotency-key": '"8e03978e-40d5"'}
    first, again = [(await here.ask("POST", VIDEOS, ASKED, headers=headers)) for _ in range(2)]
    assert (first.status, again.status, again.json["id"]) == (202, 202, first.json["id"])
    other = await here.ask("POST", VIDEOS, ASKED | {"shape": "tall"}, headers=headers)
    assert other.status == 422
    assert len((await here.ask("GET", VIDEOS)).json["videos"]) == 1
