"""`hilum video` as the README's tour has it: a sandbox EHR, hilum, a real renderer; and a link for the patient."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.sandboxes import Sandbox
from tests.journeys.server import HANGS_SECONDS, Server

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")

MRN = "203701"
SHORT = """
title = "Whom to call"
needs = ["patient", "contact"]

[phrases.en]
short-title = "For you"
short-why = "Why you see this"
short-say = "You were here."
short-do = "What to do"
short-rest = "Rest when you need it."
short-call = "When to call"
short-worse = "Call when you feel worse."
short-whom = "Whom to call"
short-ask = "Tell us"
short-teach = "Whom do you call when you feel worse?"

[[scene]]
id = "title"
role = "title"
heading = "short-title"
say = ["short-say"]

[[scene]]
id = "why"
role = "why"
heading = "short-why"
say = ["short-say"]

[[scene]]
id = "do"
role = "do"
heading = "short-do"
say = [{ phrase = "short-rest", limit = 60 }]

[[scene]]
id = "call"
role = "call"
heading = "short-call"
say = ["short-worse"]

[[scene]]
id = "whom"
role = "whom"
heading = "short-whom"
say = ["short-worse"]

[[scene]]
id = "teach-back"
role = "teach-back"
heading = "short-ask"
say = ["short-teach"]
"""
"""A template of one's own: a video of some seconds."""
TEMPLATE = "after-visit" if os.environ.get("HILUM_FULL") else "short"
"""README's is of two and a half minutes."""


class Tour:
    """hilum, and the sandbox that is made known to it."""

    def __init__(self, folder: Path) -> None:
        for name in ("server", "sandbox"):
            (folder / name).mkdir()
        self.server = Server(folder / "server")
        templates = self.server.data / "videos" / "templates"
        templates.mkdir(parents=True)
        (templates / "short.toml").write_text(SHORT)
        self.sandbox = Sandbox(
            folder / "sandbox", "epic", "--connect", str(self.server.data), "--broker", self.server.url, "--jwks", ""
        )

    def hilum(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return hilum(*arguments, "--data", self.server.data, timeout=4 * HANGS_SECONDS)

    def json(self, *arguments: object) -> dict[str, Any]:
        done = self.hilum(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def stop(self) -> None:
        self.sandbox.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    found = Tour(tmp_path_factory.mktemp("tour"))
    yield found
    found.stop()


def probed(path: Path) -> str:
    """What ffmpeg says of a file."""
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)], capture_output=True)
    return done.stderr.decode()


def test_the_tour_ends_with_a_video_that_can_be_watched(tour: Tour, tmp_path: Path) -> None:
    path = tmp_path / "visit.webm"
    done = tour.hilum("video", MRN, "--ehr", "epic", "--template", TEMPLATE, "--out", path)
    assert done.returncode == 0, done.stderr
    assert "approved by nobody" in done.stderr
    assert "Video: vp9" in probed(path)
    assert "1280x720" in probed(path)
    id = done.stdout.strip()
    shown = tour.hilum("videos", "show", id, "--script", tmp_path / "script.json", "--captions", tmp_path / "c.vtt")
    assert shown.returncode == 0, shown.stderr
    script = json.loads((tmp_path / "script.json").read_text())
    assert script["template"] == TEMPLATE
    assert all(MRN not in sentence["text"] for scene in script["scenes"] for sentence in scene["sentences"])
    assert (tmp_path / "c.vtt").read_text().startswith("WEBVTT")


def test_from_draft_to_a_link_over_http_and_its_end(tour: Tour) -> None:
    id = tour.json("video", MRN, "--ehr", "epic", "--template", "short", "--shape", "tall", "--no-voice")["id"]
    token = tour.server.token("system/*.cruds")
    with httpx.Client(base_url=tour.server.url, headers={"authorization": f"Bearer {token}"}, timeout=30) as asking:
        url = f"/api/v1/videos/{id}"
        found = asking.get(url).json()
        assert (found["step"], found["shape"], found["spoken"]) == ("awaiting-approval", "tall", False)
        script = asking.get(f"{url}/script")
        sentence = script.json()["scenes"][2]["sentences"][0]
        edits = {"sentences": {sentence["id"]: "Sleep when you can."}}
        edited = asking.put(f"{url}/script", json=edits, headers={"if-match": script.headers["etag"]})
        assert edited.status_code == 202, edited.text
        with asking.stream("GET", f"{url}/events", timeout=4 * HANGS_SECONDS) as stream:
            text = "".join(stream.iter_text())
        assert '"step":"awaiting-approval"' in text
        assert asking.post(f"{url}/approve").json()["step"] == "approved"
        part = asking.get(f"{url}/video", headers={"range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"\x1aE\xdf\xa3")
        link = asking.post(f"{url}/links", json={"expires_in": 600}).json()
        assert link["url"].startswith(f"{tour.server.url}/v/")
        assert asking.delete(f"{url}/links/{link['id']}").json()["revoked"] is True
        document = asking.get(f"/fhir/{found['document']}").json()
        assert document["status"] == "superseded"
        final = asking.get(
            "/fhir/DocumentReference", params={"identifier": f"urn:hilum:video|{id}", "status": "current"}
        )
        (entry,) = final.json()["entry"]
        assert entry["resource"]["docStatus"] == "final"
    listed = tour.json("videos", "list")
    assert id in [one["id"] for one in listed["videos"]]


def test_bad_input_is_refused_on_the_spot_or_on_the_task(tour: Tour) -> None:
    unknown = tour.hilum("video", MRN, "--ehr", "epic", "--template", "nothing")
    assert unknown.returncode == 1
    assert "There is no template 'nothing'" in unknown.stderr
    language = tour.hilum("video", MRN, "--ehr", "epic", "--template", "after-visit", "--language", "xx")
    assert "no language 'xx'" in language.stderr
    nobody = tour.hilum("video", "999999", "--ehr", "epic", "--template", "after-visit")
    assert nobody.returncode == 1
    assert "Failed" in nobody.stderr


def test_without_a_server_the_command_makes_it_by_itself(tour: Tour, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert hilum("demo", "--patients", "1", "--data", data).returncode == 0
    templates = data / "videos" / "templates"
    templates.mkdir(parents=True)
    (templates / "short.toml").write_text(SHORT)
    asked = ("video", "Patient/demo-p001", "--template", "short", "--no-voice", "--approve", "--json", "--data", data)
    done = hilum(*asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["step"] == "approved"
