"""A clinician looks at a draft, has it put in other words, approves it and makes a link; the patient proves who follows
it, and watches: in a real browser, with a real renderer, by the keyboard, pages as pictures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.apps import PASSWORD
from tests.journeys.browsing import accessible, browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import HANGS_SECONDS, Server
from tests.journeys.test_video import SHORT

pytest.importorskip("imageio_ffmpeg")

__all__ = ["browser"]

PATIENT = "demo-p001"
SPANISH = """
[phrases.es]
short-title = "Para usted"
short-why = "Por qué ve esto"
short-say = "Usted estuvo aquí."
short-do = "Qué hacer"
short-rest = "Descanse cuando lo necesite."
short-call = "Cuándo llamar"
short-worse = "Llame si se siente peor."
short-whom = "A quién llamar"
short-ask = "Díganos"
short-teach = "¿A quién llama si se siente peor?"
"""
CONTACT = 'heading = "short-whom"\nsay = ["short-worse"]'


class Clinic:
    """hilum with one patient, and Kim Doe, who works there. `born`: the patient's birth date."""

    def __init__(self, folder: Any) -> None:
        data = folder / "data"
        done = hilum("demo", "--patients", "1", "--data", data)
        assert done.returncode == 0, done.stderr
        templates = data / "videos" / "templates"
        templates.mkdir(parents=True)
        whom = CONTACT.replace('"short-worse"', '"whom", "whom-phone"')
        (templates / "short.toml").write_text((SHORT + SPANISH).replace(CONTACT, whom))
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        for name, *more in (
            ("kim.doe", "--display", "Kim Doe", "--role", "practitioner"),
            ("pat.demo", "--display", "Pat Demo", "--role", "patient", "--patient", PATIENT),
        ):
            done = hilum("users", "add", name, *more, "--password-file", password, "--data", data)
            assert done.returncode == 0, done.stderr
        base, scopes = "https://fhir.lakeside-hospital.example/r4", "system/Patient.rs"
        ehr = ("ehr", "add", "hospital", "--title", "Lakeside Hospital", "--base", base, "--client-id", "hilum")
        done = hilum(*ehr, "--scopes", scopes, "--data", data)
        assert done.returncode == 0, done.stderr
        self.server = Server(folder, "--organization", "Lakeside Clinic")
        with self.server.client() as fhir:
            self.born = str(fhir.get(f"Patient/{PATIENT}").json()["birthDate"])

    def draft(self, **wish: Any) -> str:
        """One that awaits approval."""
        asked = {"patient": f"Patient/{PATIENT}", "local": True, "template": "short", "narrated": False} | wish
        headers = {"authorization": f"Bearer {self.server.token()}"}
        with httpx.Client(base_url=f"{self.server.url}/api/v1/", headers=headers, timeout=HANGS_SECONDS) as api:
            made = api.post("videos", json=asked)
            assert made.status_code == 202, made.text
            ends = time.monotonic() + HANGS_SECONDS
            while (found := api.get(f"videos/{made.json()['id']}").json())["step"] not in (
                "awaiting-approval",
                "failed",
            ):
                assert time.monotonic() < ends, found
                time.sleep(0.1)
        assert found["step"] == "awaiting-approval", found
        return str(found["id"])


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    found = Clinic(tmp_path_factory.mktemp("clinic"))
    yield found
    found.server.stop()


def signed_in(clinic: Clinic, tab: Any, path: str, name: str = "kim.doe") -> None:
    tab.goto(clinic.server.url + path)
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    follow(tab, "main button")


def seen(tab: Any, name: str, language: str = "en") -> None:
    looked_at(tab, f"videos-{name}", language)
    accessible(tab, name)


def played(tab: Any) -> tuple[bool, int]:
    """Whether the video gets anywhere, and how many captions it has."""
    moved, cues = tab.evaluate(
        """async () => { const v = document.querySelector("video"), [track] = v.textTracks;
        v.muted = true; await v.play();
        await new Promise((done) => v.addEventListener("timeupdate", () => v.currentTime > 0.2 && done()));
        v.pause(); return [v.currentTime > 0, track.mode === "showing" ? track.cues.length : 0]; }"""
    )
    return bool(moved), int(cues)


@needs_chromium
def test_from_a_draft_to_a_patient_who_watches_it(clinic: Clinic, browser: Any) -> None:
    id = clinic.draft()
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, "/videos")
        seen(tab, "list")
        follow(tab, f'a[href="/videos/{id}"]')
        seen(tab, "draft")
        moved, cues = played(tab)
        assert (moved, cues > 3) == (True, True)
        tab.click("summary >> nth=-1")
        assert "telecom" in tab.inner_text("details[open]")
        tab.fill("textarea", "Rest for 3 days.")
        follow(tab, "text=Save and render again")
        assert "This states a number" in tab.inner_text(".bad")
        assert tab.evaluate("document.activeElement.value") == "Rest for 3 days."
        seen(tab, "refused")
        tab.fill("textarea", "Sleep when you can.")
        follow(tab, "text=Save and render again")
        tab.wait_for_selector("text=Awaiting approval.", timeout=60_000)  # the page follows by itself
        assert tab.input_value("textarea") == "Sleep when you can."
        follow(tab, "text=Approve...")
        seen(tab, "approve")
        tab.focus("input[name=seen]")  # by the keyboard alone
        for key in ("Space", "Tab"):
            tab.keyboard.press(key)
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        assert "Approved by Kim Doe" in tab.inner_text("[role=status]")
        follow(tab, "text=Make a link")
        seen(tab, "approved")
        url = tab.input_value("#link")
        assert tab.evaluate("document.activeElement.id") == "link"
        watches(clinic, browser, url)
        tab.goto(f"{clinic.server.url}/videos/{id}")
        assert "1 time, 1 wrong proof" in tab.inner_text("tbody")
        follow(tab, "tbody button")
        assert "revoked" in tab.inner_text("tbody")
        with watched(browser) as other:
            other.goto(url)
            assert "This link does not work" in other.inner_text("h1")
            seen(other, "gone")
    assert url.rpartition("/")[2] not in clinic.server.log


def watches(clinic: Clinic, browser: Any, url: str) -> None:
    """The patient, on a phone, who mistypes the birth date at first."""
    year, month, day = clinic.born.split("-")
    with watched(browser, clinic.server.url, "data:") as tab:
        sent: list[str] = []
        tab.on("request", lambda asked: sent.append(asked.headers.get("referer", "")))
        tab.goto(url)
        seen(tab, "prove")
        for wrong in (True, False):
            tab.focus("#month")
            tab.select_option("#month", str(int(month)))
            tab.keyboard.press("Tab")
            tab.fill("#day", day)
            tab.fill("#year", "1900" if wrong else year)
            tab.focus("#year")
            with tab.expect_navigation():
                tab.keyboard.press("Enter")
            if wrong:
                assert "You can try 4 more times." in tab.inner_text("[role=alert]")
                seen(tab, "wrong")
        assert tab.inner_text("h1") == "For you"
        seen(tab, "watch")
        assert played(tab)[0]
        assert tab.inner_text(".reading h3 >> nth=-1") == "Whom to call"
        assert tab.get_attribute(".buttons a", "href").startswith("tel:+")
        assert "Whom do you call when you feel worse?" in tab.inner_text("section >> nth=-2")
        follow(tab, "form.leave button")
        seen(tab, "left")
        tab.goto(url)
        assert tab.locator("#year").count() == 1
        assert set(sent) == {""}


@needs_chromium
def test_in_spanish_and_by_a_sign_in(clinic: Clinic, browser: Any) -> None:
    id = clinic.draft(language="es", shape="tall")
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, f"/videos/{id}")
        assert "has not been reviewed by a clinician" in tab.inner_text("main")
        seen(tab, "draft-spanish")
        follow(tab, "text=Approve...")
        tab.check("input[name=seen]")
        follow(tab, "main button")
        tab.select_option("#proof", "sign-in")
        follow(tab, "text=Make a link")
        url = tab.input_value("#link")
    with watched(browser, clinic.server.url) as tab:
        tab.goto(url)
        seen(tab, "prove-spanish", "es")
        follow(tab, "text=Entrar con mi cuenta")
        tab.fill("#username", "pat.demo")
        tab.fill("#password", PASSWORD)
        follow(tab, "main button")
        follow(tab, "text=Seguir como Pat Demo")
        assert played(tab)[0]
        seen(tab, "watch-spanish", "es")


@needs_chromium
def test_a_draft_is_rejected_and_a_failure_says_what_to_do(clinic: Clinic, browser: Any) -> None:
    id = clinic.draft()
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, f"/videos/{id}/reject")
        seen(tab, "reject")
        tab.fill("#reason", "Not what was agreed on.")
        follow(tab, "text=Reject and delete the draft")
        assert "Rejected by Kim Doe" in tab.inner_text("[role=status]")
        seen(tab, "rejected")


@needs_chromium
def test_a_video_is_asked_for_by_the_keyboard(clinic: Clinic, browser: Any) -> None:
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, "/videos")
        seen(tab, "to-make")
        follow(tab, "text=Make a video")
        assert "At Lakeside Hospital" in tab.inner_text("#ehr")
        seen(tab, "make")
        tab.focus("#patient")
        tab.keyboard.type("nobody of this name")
        tab.keyboard.press("Tab")
        tab.keyboard.type("Whom")  # as the title of the template begins
        with tab.expect_navigation():
            tab.keyboard.press("Tab")
            tab.keyboard.press("Tab")
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
        assert "Nobody whom you may see" in tab.inner_text("#wrong-patient")
        assert tab.evaluate("document.activeElement.id") == "patient"
        seen(tab, "make-refused")
        tab.fill("#patient", clinic.born)
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        assert "One fits" in tab.inner_text("fieldset")
        seen(tab, "make-found")
        tab.focus("input[type=radio]")
        with tab.expect_navigation():
            tab.keyboard.press("Space")
            tab.keyboard.press("Enter")
        tab.wait_for_selector("text=Awaiting approval.", timeout=60_000)
        follow(tab, "text=Reject...")
        tab.fill("#reason", "Only tried.")
        follow(tab, "text=Reject and delete the draft")
        follow(tab, "text=Ask for a new one...")
        assert tab.is_checked("input[type=radio]")
        assert tab.input_value("#template") == "short"


@needs_chromium
def test_what_the_record_leaves_behind_is_marked_where_staff_and_apps_look(clinic: Clinic, browser: Any) -> None:
    id = clinic.draft()
    headers = {"authorization": f"Bearer {clinic.server.token()}"}
    api = httpx.Client(base_url=f"{clinic.server.url}/api/v1/videos/{id}/", headers=headers, timeout=HANGS_SECONDS)
    with api, clinic.server.client() as fhir:
        assert api.post("approve").status_code == 200
        app = {"authorization": f"Bearer {clinic.server.token('patient/*.rs', patient=PATIENT)}"}
        assert api.get("video", headers=app).status_code == 200
        document = api.get("").json()["document"]
        cited = (
            one
            for scene in api.get("script").json()["scenes"]
            for said in scene["sentences"]
            for one in said.get("cites", ())
        )
        place = next(one["reference"] for one in cited if "telecom" in one["path"]).partition("/_history")[0]
        body = fhir.get(place).json()
        for one in body["telecom"]:
            one["value"] = one["value"].translate(str.maketrans("0123456789", "1234567890"))
        assert fhir.put(place, json=body).status_code == 200
        assert api.get("video", headers=app).status_code == 409
        ends = time.monotonic() + HANGS_SECONDS
        while fhir.get(document, headers=app).json()["status"] != "superseded":
            assert time.monotonic() < ends
            time.sleep(0.1)
        assert "telecom" in api.get("").json()["outdated"]["text"]
        assert "telecom" not in api.get("", headers=app).json()["outdated"]["text"]
    listed = hilum("videos", "list", "--json", "--data", clinic.server.data).stdout
    (one,) = (one for one in json.loads(listed)["videos"] if one["id"] == id)
    assert one["outdated"]["code"] == "outdated"
    with watched(browser, clinic.server.url) as tab:
        signed_in(clinic, tab, "/videos")
        assert "Outdated" in tab.inner_text(f"tr:has(a[href='/videos/{id}'])")
        seen(tab, "list-outdated")
        follow(tab, f"a[href='/videos/{id}']")
        assert "Ask for a new one..." in tab.inner_text("main")
        seen(tab, "outdated")
