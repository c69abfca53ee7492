"""A service's API at the line: who is given the secret, what an answer that is none means, what is never shown."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from tests.loopback import Answers, Loopback, response, serving
from tests.unit.video.remote.studio import GUARD, PACE, Ordered
from tests.unit.video.remote.test_media import WEBM

from hilum.video.remote import Remote, shapes
from hilum.video.remote.asking import STATUSES, refused
from hilum.video.remote.services import Service, Storyboard
from hilum.video.renderer import Unrendered
from hilum.web.outbound import Fetched

PATIENT_WORDS = "Amy has diabetes"
POSTER = b"\x89PNG\r\n\x1a\n"


def service(here: Loopback, own: dict[str, Any] | None = None, **more: Any) -> Service:
    boards = MappingProxyType({("after-visit", "en", "wide"): Storyboard("1", "after-visit", "en", "wide")})
    values = {"auth": "bearer", "secret": "s3cret", "codecs": ("vp9",), "shape": shapes.shape(own)}
    return Service("studio", "sandbox", here.url(""), storyboards=boards, **(values | more))


def routed(table: dict[str, Any]) -> Answers:
    """Bytes, or JSON, by method and path; of a list one after the other."""

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        found = table[" ".join(request.decode("latin-1").split(" ", 2)[:2])]
        found = found.pop(0) if type(found) is list else found
        writer.write(found if type(found) is bytes else response(json.dumps(found).encode()))

    return answer


def made(video: str = "/v.webm", **more: Any) -> dict[str, Any]:
    """A job that is done at once."""
    return {
        "POST /jobs": {"id": "j"}, "GET /jobs/j": {"status": "done", "result": {"video": video, "poster": "/p.png"}},
        "GET /v.webm": response(WEBM), "GET /p.png": response(POSTER),
    } | more  # fmt: skip


def headers(here: Loopback) -> dict[str, str]:
    """What was said to let us in, by method and path."""
    found = {}
    for one in here.seen:
        lines = one.decode("latin-1").split("\r\n")
        said = [line.split(": ", 1)[1] for line in lines if line.lower().startswith(("authorization:", "x-api-key:"))]
        found[" ".join(lines[0].split(" ")[:2])] = "".join(said)
    return found


async def fails(remote: Remote, folder: Path) -> Unrendered:
    with pytest.raises(Unrendered) as caught:
        await Ordered(folder / "job", "k").made(remote)
    assert PATIENT_WORDS not in caught.value.text
    return caught.value


async def test_the_secret_goes_to_its_own_origin_alone_however_it_is_led(tmp_path: Path) -> None:
    async with serving(routed({"GET /elsewhere": response(WEBM)})) as store:
        moved = response(b"", b"location: " + store.url("/elsewhere").encode(), status=b"302 Found")
        async with serving(routed(made(**{"GET /v.webm": moved}))) as here:
            remote = Remote(service(here, auth="header", header="x-api-key"), GUARD, pace=PACE)
            assert (await Ordered(tmp_path / "job", "k").made(remote)).seconds == 2.0
    assert set(headers(here).values()) == {"s3cret"}
    assert headers(store) == {"GET /elsewhere": ""}


async def test_who_leads_round_and_round_is_left(tmp_path: Path) -> None:
    moved = response(b"", b"location: /v.webm", status=b"302 Found")
    async with serving(routed(made(**{"GET /v.webm": moved}))) as here:
        assert (await fails(Remote(service(here), GUARD, pace=PACE), tmp_path)).code == "unexpected"


async def test_a_result_within_ones_own_network_is_not_fetched(tmp_path: Path) -> None:
    async with serving(routed(made("https://169.254.169.254/latest"))) as here:
        problem = await fails(Remote(service(here), GUARD, pace=PACE), tmp_path)
    assert (problem.code, problem.side) == ("not-reached", "ours")


async def test_client_credentials_are_changed_for_a_token_that_is_kept_and_renewed(tmp_path: Path) -> None:
    table = made()
    table["POST /token"] = [{"access_token": "a", "expires_in": 3600}, {"access_token": "b", "expires_in": 3600}]
    table["GET /jobs/j"] = [response(status=b"401 Unauthorized"), table["GET /jobs/j"]]
    async with serving(routed(table)) as here:
        one = service(here, auth="client-credentials", client_id="me", token_url=here.url("/token"), scope="render")
        await Ordered(tmp_path / "job", "k").made(Remote(one, GUARD, pace=PACE))
    said = headers(here)
    assert said["POST /token"] == "Basic bWU6czNjcmV0"
    assert (said["POST /jobs"], said["GET /v.webm"]) == ("Bearer a", "Bearer b")
    assert b"grant_type=client_credentials&scope=render" in here.seen[0]


@pytest.mark.parametrize(
    "answer", [{}, {"access_token": 7}, {"access_token": "a\r\nb"}, response(b"no", status=b"400 No")]
)
async def test_without_a_token_there_is_no_order(tmp_path: Path, answer: Any) -> None:
    async with serving(routed({"POST /token": answer})) as here:
        one = service(here, auth="client-credentials", client_id="me", token_url=here.url("/token"))
        assert (await fails(Remote(one, GUARD, pace=PACE), tmp_path)).code in ("unexpected", "not-taken")


async def test_a_state_is_asked_for_where_the_answer_says_but_not_elsewhere(tmp_path: Path) -> None:
    order = dict(shapes.packaged()["order"], look="/state")
    table = made(**{"POST /jobs": {"id": "j", "state": "/s/1"}})
    table["GET /s/1"] = table.pop("GET /jobs/j")
    async with serving(routed(table)) as here:
        one = service(here, {"order": order})
        assert (await Ordered(tmp_path / "1", "k").made(Remote(one, GUARD, pace=PACE))).seconds == 2.0
        table["POST /jobs"] = {"id": "j", "state": "https://elsewhere.example/s/1"}
        assert (await fails(Remote(one, GUARD, pace=PACE), tmp_path)).code == "unexpected"


async def test_a_long_retry_after_is_told_to_who_tries_later(tmp_path: Path) -> None:
    busy = response(b"", b"retry-after: 1800", status=b"429 Too Many Requests")
    async with serving(routed({"POST /jobs": busy})) as here:
        problem = await fails(Remote(service(here), GUARD, pace=PACE), tmp_path)
    assert (problem.code, problem.again, problem.wait, len(here.seen)) == ("busy", True, 1800, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"POST /jobs": {"job": 1}},
        {"POST /jobs": {"id": ".."}},
        {"POST /jobs": response(b"<html>")},
        {"GET /jobs/j": {"status": PATIENT_WORDS}},
        {"GET /jobs/j": {"status": ["done"]}},
        {"GET /jobs/j": [1]},
        {"GET /jobs/j": {"status": "done"}},
        {"GET /jobs/j": {"status": "done", "result": {"video": 7}}},
    ],
)
async def test_what_no_table_describes_is_not_guessed_at(tmp_path: Path, change: dict[str, Any]) -> None:
    async with serving(routed(made(**change))) as here:
        problem = await fails(Remote(service(here), GUARD, pace=PACE), tmp_path)
    assert (problem.code, problem.side, problem.again) == ("unexpected", "theirs", False)


@pytest.mark.parametrize(
    ("captions", "theirs"),
    [
        (b"\xef\xbb\xbfWEBVTT\n\n00:00.125 --> 00:01.000\nThis is about your visit. Take 2.5 mg.\n", True),
        (b"WEBVTT\n\n00:00.125 --> 00:01.000\nThis is about your visit. Take 25 mg.\n", False),
        (b"1\n00:00:00,125", False),
        (b"WEBVTT\xff", False),
    ],
)
async def test_times_of_captions_are_theirs_where_they_say_what_the_script_does(
    tmp_path: Path, captions: bytes, theirs: bool
) -> None:
    done = {"status": "done", "result": {"video": "/v.webm", "poster": "/p.png", "captions": "/c.vtt"}}
    async with serving(routed(made(**{"GET /jobs/j": done, "GET /c.vtt": response(captions)}))) as here:
        found = await Ordered(tmp_path / "job", "k").made(Remote(service(here), GUARD, pace=PACE))
    assert found.in_step is theirs
    text = found.captions.read_text()
    assert ("Take 2.5 mg." in text, "00:00:00.125" in text) == (True, theirs)


def test_each_status_is_somebodys_and_none_is_shown_in_their_words() -> None:
    for status in (*STATUSES, 500, 503, 418):
        problem = refused("studio", Fetched(status, {"retry-after": "5"}, PATIENT_WORDS.encode()), 0.0)
        assert problem.side in ("ours", "theirs")
        assert PATIENT_WORDS not in str(problem)
        assert problem.wait == (5.0 if problem.again else 0.0)
    found = [refused("studio", Fetched(status, {}, b""), 0.0) for status in (401, 403, 422, 429, 500)]
    assert [(one.code, one.side, one.again) for one in found] == [
        ("not-let-in", "ours", False), ("not-allowed", "ours", False), ("not-fitting", "ours", False),
        ("busy", "theirs", True), ("their-fault", "theirs", True),
    ]  # fmt: skip
