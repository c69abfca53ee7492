"""What stands for a token where a browser can send none: tickets in URLs, and the cookie that gets the console a token.

https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2 (no access tokens in URLs)
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import Ground
from tests.conformance.smart.visitor import address
from tests.journeys.attacked import Doors, at_once, both, doors, postgres_ground, sqlite_ground
from tests.journeys.server import FHIR_JSON
from tests.journeys.test_attacks_at_once import dead

__all__ = ["both", "doors", "postgres_ground", "sqlite_ground"]

HTML = b"<script>fetch('/auth/account')</script>"


def binary(ground: Ground, media: str = "text/html", **more: Any) -> str:
    body = {"resourceType": "Binary", "contentType": media, "data": base64.b64encode(HTML).decode()} | more
    with ground.server.client() as fhir:
        answer = fhir.post("Binary", json=body, headers=FHIR_JSON)
    assert answer.status_code == 201, answer.text
    return f"Binary/{answer.json()['id']}"


def ticket(ground: Ground, path: str, token: str | None = None) -> httpx.Response:
    headers = address() | {"authorization": f"Bearer {token or ground.server.token('system/Binary.r')}"}
    return httpx.post(f"{ground.origin}/auth/ticket", data={"path": path}, headers=headers)


def test_a_ticket_opens_one_document_once(both: Ground, doors: Doors) -> None:
    path = binary(both)
    url = ticket(both, path).json()["url"].removeprefix(both.origin)
    answers = at_once([lambda client=client: client.get(url) for client in doors.clients])
    assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 15}


def test_a_ticket_opens_nothing_else_and_is_used_up_by_the_try(both: Ground) -> None:
    path, other = binary(both), binary(both)
    for elsewhere in (other, "Patient/p1", "Patient", f"{path}/_history/1", "metadata", ""):
        text = ticket(both, path).json()["url"].partition("?")[2]
        answer = httpx.get(f"{both.base}/{elsewhere}?{text}", headers=address())
        assert answer.status_code == 401, elsewhere
        if elsewhere == other:
            assert httpx.get(f"{both.base}/{path}?{text}", headers=address()).status_code == 401
    text = ticket(both, path).json()["url"].partition("?")[2]
    for method in ("PUT", "DELETE", "POST", "PATCH"):
        answer = httpx.request(method, f"{both.base}/{path}?{text}", headers=address() | FHIR_JSON)
        assert answer.status_code in (401, 405), method
    for wrong in ("ticket=hti_", f"ticket=hti_{'x' * 43}", f"{text}&a=b", f"a=b&{text}", text.upper(), f"{text}%00"):
        assert httpx.get(f"{both.base}/{path}?{wrong}", headers=address()).status_code in (400, 401), wrong


RUNS = ("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "x", "TEXT/HTML ;a", "text/html\u00a0",
        "application/javascript", "text/plain, text/html")  # fmt: skip


@pytest.mark.parametrize("media", RUNS)
def test_a_document_that_could_run_something_is_not_shown(sqlite_ground: Ground, media: str) -> None:
    """It would run as a page of this origin, with the session of who looks at it."""
    body = {"resourceType": "Binary", "contentType": media, "data": base64.b64encode(HTML).decode()}
    with sqlite_ground.server.client() as fhir:
        made = fhir.post("Binary", json=body, headers=FHIR_JSON)
    if made.status_code != 201:
        assert made.status_code in (400, 422)
        return
    answer = httpx.get(ticket(sqlite_ground, f"Binary/{made.json()['id']}").json()["url"], headers=address())
    assert answer.status_code == 200
    assert answer.content == HTML
    assert answer.headers["content-type"] in ("application/octet-stream", "text/plain; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    if answer.headers["content-type"] == "application/octet-stream":
        assert answer.headers["content-disposition"].startswith("attachment;")
    with sqlite_ground.server.client() as fhir:  # with a token, and what a browser sends
        plain = fhir.get(f"Binary/{made.json()['id']}", headers={"accept": "text/html,*/*;q=0.8"})
    assert plain.content == HTML, "as what it says it is, for an app that saves it"
    assert plain.headers["content-disposition"].startswith("attachment;")
    assert plain.headers["content-security-policy"].startswith("default-src 'none'; sandbox;")
    assert plain.headers["x-content-type-options"] == "nosniff"


def test_a_ticket_opens_no_more_than_its_token(both: Ground) -> None:
    app = both.app()
    given = both.tokens(app, "launch/patient patient/*.rs offline_access")
    mine = binary(both, securityContext={"reference": "Patient/p1"})
    theirs = binary(both, securityContext={"reference": "Patient/p2"})
    for path, status in ((mine, 200), (theirs, 404), (binary(both), 404)):
        made = ticket(both, path, given["access_token"])
        assert made.status_code == 200, made.text
        assert httpx.get(made.json()["url"], headers=address()).status_code == status, path
    url = ticket(both, mine, given["access_token"]).json()["url"]
    both.ask("/auth/revoke", {"token": given["refresh_token"]}, app)
    assert dead(both, given["access_token"])
    assert httpx.get(url, headers=address()).status_code == 401, "what was revoked meanwhile opens nothing"
    assert ticket(both, mine, both.server.token("system/Patient.r")).status_code == 403
    assert httpx.post(f"{both.origin}/auth/ticket", data={"path": mine}, headers=address()).status_code == 401
    for path in (
        "Patient/p1",
        "../Binary/1",
        "Binary/1/../../Patient/p1",
        "https://evil.example/",
        "Binary/",
        "Binary",
    ):
        assert ticket(both, path).status_code == 400, path


def test_a_browsers_cookie_gets_a_token_for_our_own_pages_only(both: Ground) -> None:
    visitor = both.visitor("kim.doe")
    assert visitor.sign_in().status == 200
    url = f"{both.origin}/auth/console-token"
    ours = {"origin": both.origin, "x-csrf": "1"}
    for headers in (
        {}, {"origin": both.origin}, {"x-csrf": "1"}, {"origin": "https://evil.example", "x-csrf": "1"},
        {"origin": "null", "x-csrf": "1"}, {"sec-fetch-site": "cross-site", "x-csrf": "1"},
        {"sec-fetch-site": "same-site", "x-csrf": "1"}, {"origin": both.origin + ".evil.example", "x-csrf": "1"},
    ):  # fmt: skip
        answer = visitor.http.post(url, headers=headers)
        assert answer.status_code == 403, headers
        assert "access_token" not in answer.text
    assert visitor.http.get(url, headers=ours).status_code == 405
    asks = {"origin": "https://evil.example", "access-control-request-method": "POST",
            "access-control-request-headers": "x-csrf"}  # fmt: skip
    assert "access-control-allow-origin" not in visitor.http.options(url, headers=asks).headers
    assert httpx.post(url, headers=ours | address()).status_code == 401
    answer = visitor.http.post(url, headers=ours)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    with both.fhir(answer.json()) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        assert fhir.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON).status_code == 403
        account = visitor.get("/auth/account")
        visitor.submit(next(one for one in account.forms if one.action == "/auth/sign-out"))
        for _ in range(60):
            if fhir.get("Patient/p1").status_code == 401:
                break

            time.sleep(0.1)
        else:
            raise AssertionError("the token outlived its session")
    assert visitor.http.post(url, headers=ours).status_code == 401


def test_who_is_half_way_signed_in_gets_no_token(both: Ground) -> None:
    visitor = both.visitor("adam.doe")
    form = visitor.get("/auth/sign-in").forms[0]
    page = visitor.submit(form, username=visitor.name, password=visitor.password)
    assert "second" in page.url
    answer = visitor.http.post(f"{both.origin}/auth/console-token", headers={"origin": both.origin, "x-csrf": "1"})
    assert answer.status_code == 401
