"""The pages, in a real browser: sign in, browse, keyboard, phone, contrast, nothing leaked, nothing executed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.browsing import CONTRAST, DESKTOP, PHONE, browser, needs_chromium, playwright, watched
from tests.journeys.conftest import Create
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["browser"]

pytestmark = needs_chromium
EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong: no error, no message, no request to elsewhere."""
    with watched(browser, "http://127.0.0.1") as page:
        yield page


def sign_in(page: Any, server: Server, path: str = "/", scope: str = "system/*.cruds") -> str:
    token = server.token(scope)
    page.goto(server.url + path)
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#data", state="visible")
    return token


def test_a_person_signs_in_and_finds_a_patient_by_keyboard(page: Any, server: Server, create: Create) -> None:
    id_ = create("Patient", name=[{"family": "Keyboard", "given": ["Kim"]}], birthDate="1990-05-17")["id"]
    token = server.token()
    page.goto(server.url + "/")
    page.wait_for_selector("#sign-in", state="visible")
    assert page.locator("#data").is_hidden()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "token":
            break
    page.keyboard.insert_text("export TOKEN=" + token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#types li")
    page.focus("#filter")
    page.keyboard.type("patient")
    assert page.locator("#types li:visible").all_text_contents()[0].startswith("Patient")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#rows tr")
    page.focus("#query")
    page.keyboard.type("family=keyboard")
    page.keyboard.press("Enter")
    page.get_by_text("Kim Keyboard").first.wait_for()
    playwright.expect(page.locator("#total")).to_have_text("1 found")
    page.locator("#rows a").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#json .key")
    assert page.url == f"{server.url}/browse/Patient/{id_}"
    assert page.locator("h1").text_content() == "Patient: Kim Keyboard"
    assert page.locator("#summary").inner_text().split("\n")[-1] == "1990-05-17"
    assert token not in page.content()
    assert page.context.cookies() == []
    assert page.evaluate("Object.keys(localStorage).length") == 0
    page.click("#sign-out")
    page.wait_for_selector("#sign-in", state="visible")
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


def test_references_history_and_old_versions_are_links(
    page: Any, server: Server, fhir: httpx.Client, create: Create
) -> None:
    patient = create("Patient", name=[{"text": "Linked Person"}])["id"]
    seen = create(
        "Observation", status="final", code={"text": "Weight"}, subject={"reference": f"Patient/{patient}"},
        valueQuantity={"value": 70.5, "unit": "kg"},
    )  # fmt: skip
    fhir.put(f"Observation/{seen['id']}", json={**seen, "status": "amended"}, headers=FHIR_JSON)
    sign_in(page, server, f"/browse/Observation/{seen['id']}")
    page.wait_for_selector("#json .key")
    assert "70.5 kg" in page.locator("#summary").inner_text()
    assert page.locator("#history li").count() == 2
    page.click("#history li:last-child a")
    page.wait_for_selector("#json .key")
    assert "final" in page.locator("#summary").inner_text()
    page.click(f"#json a:has-text('Patient/{patient}')")
    page.wait_for_selector("#json .key")
    assert page.locator("h1").text_content() == "Patient: Linked Person"
    page.click("#links a:has-text('Observation')")
    page.wait_for_selector("#rows tr")
    playwright.expect(page.locator("#total")).to_have_text("1 found")
    fhir.delete(f"Observation/{seen['id']}")
    page.goto(f"{server.url}/browse/Observation/{seen['id']}")
    page.wait_for_selector("#history li >> nth=2")
    assert "deleted" in page.locator("#problem").inner_text()


def test_more_is_shown_page_by_page(page: Any, server: Server, create: Create) -> None:
    for number in range(25):
        create("Basic", code={"text": f"B{number}"}, identifier=[{"system": "urn:more", "value": str(number)}])
    sign_in(page, server, "/browse/Basic")
    page.wait_for_selector("#rows tr")
    while page.locator("#more").is_visible():
        before = page.locator("#rows tr").count()
        page.click("#more")
        page.wait_for_function("before => document.querySelectorAll('#rows tr').length > before", arg=before)
    total = int((page.locator("#total").text_content() or "").split()[0].replace(",", ""))
    assert page.locator("#rows tr").count() == total >= 25


def test_what_is_stored_is_never_executed(page: Any, server: Server, create: Create) -> None:
    id_ = create(
        "Patient", name=[{"family": EVIL}], generalPractitioner=[{"reference": "javascript:alert(1)", "display": EVIL}]
    )["id"]
    sign_in(page, server, f"/browse/Patient/{id_}")
    page.wait_for_selector("#json .key")
    assert EVIL in (page.locator("h1").text_content() or "")
    assert page.locator("a[href^='javascript']").count() == 0
    page.goto(server.url + "/browse/Patient")
    page.wait_for_selector("#rows tr")
    assert page.locator("main img").count() == 0
    assert "owned" not in page.title()


def test_a_token_that_does_not_hold_is_said_and_forgotten(page: Any, server: Server) -> None:
    page.goto(server.url + "/")
    page.fill("#token", "nonsense")
    page.click("#sign-in button")
    page.wait_for_selector("#problem", state="visible")
    assert "token" in page.locator("#problem").inner_text()
    assert page.locator("#sign-in").is_visible()
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_fit_and_can_be_read(browser: Any, server: Server, create: Create, size: Any, scheme: str) -> None:
    id_ = create(
        "Patient", name=[{"family": "L" * 60}], telecom=[{"system": "email", "value": "x" * 80 + "@mail.example"}]
    )["id"]
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(server.url + "/")
    ratio, where = page.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    sign_in(page, server)
    for path, ready in (("/", "#types li"), ("/browse/Patient", "#rows tr"), (f"/browse/Patient/{id_}", "#json .key")):
        page.goto(server.url + path)
        page.wait_for_selector(ready)
        ratio, where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, where
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path
        assert page.locator(".environment").first.inner_text() == "sandbox"
        assert page.locator("h1").count() == 1
        unnamed = page.evaluate(
            "[...document.querySelectorAll('input')].filter((e) => !e.labels.length).map((e) => e.id)"
        )
        assert unnamed == []
    context.close()


def test_pages_are_guarded_by_their_headers(server: Server) -> None:
    for path in (
        "/",
        "/browse/Patient",
        "/browse/Patient/1",
        "/static/console.js",
        "/static/console.css",
        "/static/common.css",
    ):
        answer = httpx.get(server.url + path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
    script = httpx.get(server.url + "/static/show.js")
    assert (
        httpx.get(server.url + "/static/show.js", headers={"if-none-match": script.headers["etag"]}).status_code == 304
    )
    for missing in ("/browse/Pateint", "/browse/Patient/a_b", "/static/../pages.py", "/static/nothing.js", "/browse"):
        assert httpx.get(server.url + missing).status_code == 404
