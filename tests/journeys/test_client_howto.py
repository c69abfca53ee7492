"""docs/how-to/connect-an-app.md, followed by somebody new: its commands as they stand, then its steps in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.apps import NODE, PASSWORD, ROOT, Pages, needs_node
from tests.journeys.browsing import PHONE, browser, needs_chromium
from tests.journeys.cli import hilum
from tests.journeys.server import Server

__all__ = ["browser"]

pytestmark = [needs_chromium, needs_node("fhirclient")]

EXAMPLE = ROOT / "examples" / "smart_app"


def followed(text: str, server: Server, pages: Pages) -> str:
    """The same, of the ports that there are here."""
    return text.replace("http://127.0.0.1:8080", server.url).replace("http://127.0.0.1:9000", pages.url)


def run(command: str, server: Server, folder: Path) -> str:
    """What a shell wrote to both, with `hilum` on its PATH."""
    program = folder / "bin" / "hilum"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hilum.cli "$@"\n')
    program.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
    environment |= {"PATH": f"{program.parent}:{os.environ['PATH']}", "HILUM_DATA": str(server.data)}
    done = subprocess.run(
        ["sh", "-ec", command], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def first_sign_in(tab: Any, name: str, given: str) -> None:
    """With the password that was printed, which has to be changed."""
    tab.fill("#username", name)
    tab.fill("#password", given)
    tab.click("button:text-is('Sign in')")
    tab.fill("#new", PASSWORD)
    tab.fill("#again", PASSWORD)
    tab.click("text=Use this password")


def test_who_follows_the_how_to_gets_there(browser: Any, tmp_path: Path) -> None:
    assert hilum("demo", "--patients", 1, "--data", tmp_path / "data").returncode == 0
    server = Server(tmp_path)
    pages = Pages(EXAMPLE, NODE / "node_modules" / "fhirclient" / "build")
    pages.texts["config.js"] = followed((EXAMPLE / "config.js").read_text(), server, pages)
    page = (ROOT / "docs" / "how-to" / "connect-an-app.md").read_text()
    app, users, _ = (followed(one, server, pages) for one in re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    assert run(app, server, tmp_path).split()[0] == "vitals"
    passwords = re.findall(r"shown this once: (\S+)", run(users, server, tmp_path))
    tabs = [browser.new_context(viewport=PHONE).new_page() for _ in range(2)]
    for tab in tabs:
        tab.set_default_timeout(20_000)
    pat, kim = tabs
    pat.goto(pages.url + "/launch.html")
    first_sign_in(pat, "pat", passwords[0])
    pat.click("button:text-is('Allow')")
    pat.wait_for_selector("section:not([hidden])")
    assert pat.inner_text("#name") != ""
    assert pat.locator("#observations li").count() == 10
    pat.goto(server.url + "/my/apps")
    pat.click("text=Stop access")
    pat.click("button:text-is('Stop access')")
    pat.get_by_text("Stopped.").wait_for()
    kim.goto(server.url + "/launch")
    first_sign_in(kim, "kim", passwords[1])
    name = _name(server)
    kim.fill("#q", name)
    kim.click("text=Search")
    kim.click("text=Open record")
    kim.click("button:text-is('Launch')")
    kim.click("button:text-is('Allow')")
    kim.wait_for_selector("section:not([hidden])")
    assert name in kim.inner_text("#name")
    for tab in tabs:
        tab.context.close()
    pages.stop()
    server.stop()


def _name(server: Server) -> str:
    with server.client() as fhir:
        return str(fhir.get("Patient/demo-p001").json()["name"][0]["family"])


def test_another_server_than_its_own_the_example_does_not_send_people_to(browser: Any, tmp_path: Path) -> None:
    pages = Pages(EXAMPLE, NODE / "node_modules" / "fhirclient" / "build")
    tab = browser.new_page()
    tab.goto(f"{pages.url}/launch.html?iss=https://elsewhere.example.org/fhir&launch=1")
    tab.get_by_text("works with http://127.0.0.1:8080/fhir only").wait_for()
    tab.close()
    pages.stop()


@pytest.mark.parametrize("name", ["index.html", "launch.html"])
def test_the_example_has_no_script_inside_its_pages(name: str) -> None:
    text = (EXAMPLE / name).read_text()
    assert re.findall(r"<script[^>]*>([^<]+)<|\son[a-z]+=", text) == []
