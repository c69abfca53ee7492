"""Videos by the stand-in of examples/, as docs/how-to/use-a-video-service.md has it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.cli import follower, hilum
from tests.journeys.server import HANGS_SECONDS, Server
from tests.journeys.test_video import SHORT
from tests.unit.video.remote.studio import Studio, studio

PATIENT = "Patient/demo-p001"
TABLE = """
[studio]
environment = "sandbox"
base = "{base}"
auth = "bearer"
secret_file = "studio.secret"
callback_secret_file = "studio.callback.secret"
codecs = ["vp9"]

[[studio.storyboard]]
id = "visit-en-wide"
template = "short"
language = "en"
shape = "wide"
"""


class Clinic:
    """A data directory of one patient, and a service that renders for it."""

    def __init__(self, folder: Path, studio: Studio) -> None:
        self.folder, self.data, self.studio = folder, folder / "data", studio
        assert self.hilum("demo", "--patients", "1").returncode == 0
        templates = self.data / "videos" / "templates"
        templates.mkdir(parents=True)
        (templates / "short.toml").write_text(SHORT)
        for name in ("studio.secret", "studio.callback.secret"):
            shutil.copy(studio.folder / name, self.data / name)
        (self.data / "renderers.toml").write_text(TABLE.format(base=studio.base))

    def hilum(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return hilum(*arguments, "--data", self.data)

    def video(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        done = self.hilum(*arguments, "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "studio").mkdir()
    with studio(folder / "studio", "--ffmpeg", "none") as found:
        yield Clinic(folder, found)


def test_a_check_says_that_it_would_be_taken(clinic: Clinic) -> None:
    listed = json.loads(clinic.hilum("renderers", "list", "--json").stdout)
    assert [one["name"] for one in listed["renderers"]] == ["local", "studio"]
    done = clinic.hilum("renderers", "check", "studio")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok  storyboard visit-en-wide (short, en, wide)")


def test_a_command_that_ends_in_the_middle_is_gone_on_with_and_nothing_is_ordered_twice(clinic: Clinic) -> None:
    clinic.studio.goes_wrong("slow")
    asked = ("video", PATIENT, "--template", "short", "--by", "studio", "--wait", "0.9")
    status, begun = clinic.video(*asked)
    assert (status, begun["step"]) == (3, "rendering")
    status, made = clinic.video("videos", "watch", begun["id"], "--wait", "60")
    assert (status, made["step"], made["seconds"]) == (0, "awaiting-approval", 2.0)
    assert clinic.studio.happened()["orders"] == 1


def test_one_that_is_cancelled_is_cancelled_there_too(clinic: Clinic) -> None:
    clinic.studio.goes_wrong("stuck")
    _, begun = clinic.video("video", PATIENT, "--template", "short", "--by", "studio", "--wait", "0.9")
    assert clinic.hilum("videos", "cancel", begun["id"]).returncode == 0
    assert clinic.studio.happened()["cancelled"] == 1
    assert follower(clinic.data, "videos") == "", "a server would wait until a lease of nobody has ended"


def test_a_server_is_called_back_and_takes_what_is_signed_alone(clinic: Clinic) -> None:
    server = Server(clinic.folder)
    try:
        token = server.token("system/*.cruds")
        with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {token}"}, verify=False) as asking:
            assert asking.get("/api/v1/templates").json()["renderers"] == ["local", "studio"]
            order = {"patient": PATIENT, "local": True, "template": "short", "renderer": "studio"}
            url = asking.post("/api/v1/videos", json=order).headers["location"]
            ends = time.monotonic() + HANGS_SECONDS
            while (found := asking.get(url).json())["step"] != "awaiting-approval":
                assert found["step"] in ("requested", "writing", "rendering"), found
                assert time.monotonic() < ends
                time.sleep(0.1)
            assert found["renderer"] == "studio"
            assert asking.get(f"{url}/video").content[:4] == b"\x1aE\xdf\xa3"
            assert asking.get(f"{url}/captions").text.startswith("WEBVTT")
            wrong = asking.post("/api/v1/videos", json=order | {"shape": "tall"})
            assert (wrong.status_code, "no storyboard" in wrong.text) == (400, True)
            path = "/videos/callback/studio"
            answers = [asking.post(path, content=b"{}"), asking.get(path), asking.post(f"{path}/x", content=b"{}")]
            assert [one.status_code for one in answers] == [401, 405, 404]
            assert asking.post("/videos/callback/local", content=b"{}").status_code == 404
        assert clinic.studio.happened()["callbacks"][-1] == 204
    finally:
        server.stop()
