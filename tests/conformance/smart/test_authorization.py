"""The authorization request and what an app gets for it.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.conformance.smart.ground import REDIRECT, USUAL, App, Ground, error, proof
from tests.conformance.smart.people import ADA
from tests.conformance.smart.visitor import Choices

SCOPE = "launch/patient patient/*.rs"


def test_smart22_14_g10_AUT_PAT_26_30_S256_is_supported(ground: Ground, app: App) -> None:
    assert ground.said["code_challenge_methods_supported"] == ["S256"]
    own = proof()
    code = ground.authorize(app, SCOPE, proof=own).back["code"]
    assert ground.exchange(app, code, own.verifier).status_code == 200


@pytest.mark.parametrize("method", ["plain", "PLAIN", None, "S512"])
def test_smart22_15_plain_is_not_supported(ground: Ground, app: App, method: str | None) -> None:
    assert "plain" not in ground.said["code_challenge_methods_supported"]
    said = ground.authorize(app, SCOPE, code_challenge_method=method).back
    assert (said["error"], "code" in said) == ("invalid_request", False)


def test_smart22_15_a_verifier_is_not_compared_with_the_challenge_as_it_stands(ground: Ground, app: App) -> None:
    own = proof()
    code = ground.authorize(app, SCOPE, proof=own).back["code"]
    assert error(ground.exchange(app, code, own.challenge)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("w" * 43, "invalid_grant"),
        ("v" * 42, "invalid_grant"),
        ("v" * 44, "invalid_grant"),
    ],
)
def test_smart22_31_g10_AUT_PAT_31_the_verifier_must_be_there_and_right(
    both: Ground, verifier: str | None, said: str
) -> None:
    app = both.app()
    code = both.authorize(app, SCOPE).back["code"]
    assert error(both.exchange(app, code, verifier)) == (400, said)


def test_smart22_48_53_57_g10_AUT_PAT_14_27_a_request_by_GET_ends_with_a_code(both: Ground) -> None:
    app = both.app()
    said = both.authorize(app, SCOPE).back
    assert said.keys() == {"code", "state", "iss"}
    assert both.exchange(app, said["code"]).json()["access_token"]


def test_smart22_49_354_g10_AUT_PAT_27_a_request_by_POST_ends_with_a_code(both: Ground) -> None:
    app = both.app()
    assert "authorize-post" in both.said["capabilities"]
    said = both.authorize(app, SCOPE, post=True).back
    assert said.keys() == {"code", "state", "iss"}
    assert both.exchange(app, said["code"]).json()["access_token"]


def test_smart22_54_g10_AUT_PAT_18_a_denial_is_an_error_that_the_app_gets(both: Ground) -> None:
    page = both.authorize(both.app(), SCOPE, choices=Choices(allow=False))
    assert page.url.startswith(f"{REDIRECT}?")
    said = page.back
    assert said.pop("error_description")
    assert said == {"error": "access_denied", "state": "a state", "iss": both.origin}


def test_smart22_56_the_browser_is_sent_to_the_redirect_uri(ground: Ground) -> None:
    with_query = "https://app.example.org/callback?tenant=1"
    app = ground.app(redirects=(REDIRECT, with_query))
    for redirect, before in ((REDIRECT, set()), (with_query, {"tenant"})):
        page = ground.authorize(app, SCOPE, redirect_uri=redirect)
        assert page.status == 303  # the browser comes by GET, and leaves the form behind (RFC 9700, 4.12)
        assert page.url.startswith(redirect)
        assert urlsplit(page.url)._replace(query="").geturl() == REDIRECT
        assert page.back.keys() == {"code", "state", "iss"} | before


@pytest.mark.parametrize("allow", [True, False])
@pytest.mark.parametrize(
    "state",
    ["a", "{\"a\":[1,'2']}", "a b+c%20d", "x=1&code=2#top", "zażółć 雪 🙂", "<script>alert('1')</script>", "s" * 2000],
    ids=lambda state: str(len(state)),
)
def test_smart22_59_the_state_comes_back_exactly(ground: Ground, app: App, state: str, allow: bool) -> None:
    said = ground.authorize(app, SCOPE, choices=Choices(allow=allow), state=state).back
    assert said["state"] == state
    assert ("code" in said) is allow


@pytest.mark.parametrize("state", ["odd & state", "="])
def test_smart22_59_the_state_comes_back_with_an_error_that_needs_no_page(ground: Ground, app: App, state: str) -> None:
    assert ground.authorize(app, "patient/Nothing.rs", state=state).back["state"] == state


@pytest.mark.parametrize(
    "aud",
    [None, "https://elsewhere.example.org/fhir", "{origin}", "{base}/Patient", "{base}?x=1", "{base}/../fhir", "fhir"],
)
def test_smart22_96_g10_AUT_PAT_13_37_a_request_for_another_server_is_refused(
    ground: Ground, app: App, aud: str | None
) -> None:
    given = aud.format(origin=ground.origin, base=ground.base) if aud else None
    said = ground.authorize(app, SCOPE, aud=given).back
    assert (said["error"], "code" in said) == ("invalid_request", False)


@pytest.mark.parametrize("aud", ["{base}", "{base}/"])
def test_smart22_96_a_request_for_this_server_is_taken(ground: Ground, app: App, aud: str) -> None:
    assert "code" in ground.authorize(app, SCOPE, aud=aud.format(base=ground.base)).back


@pytest.mark.parametrize(
    "redirect",
    [
        None,
        "",
        "https://app.example.org/callback/",
        "https://app.example.org/callback?x=1",
        "https://app.example.org/callback/../evil",
        "https://APP.example.org/callback",
        "https://app.example.org:8443/callback",
        "https://app.example.org.evil.example/callback",
        "https://user@app.example.org/callback",
        "http://app.example.org/callback",
        "https://app.example.org/callback#x",
        "https://evil.example.org/callback",
        "javascript:alert(1)",
    ],
)
def test_smart22_18_what_is_not_a_registered_url_is_never_gone_to(
    ground: Ground, app: App, redirect: str | None
) -> None:
    page = ground.authorize(app, SCOPE, redirect_uri=redirect)
    assert (page.status, page.left) == (400, False)
    assert "location" not in page.answer.headers
    assert "evil" not in page.text


def test_smart22_18_an_app_that_is_not_registered_gets_nothing(ground: Ground, app: App) -> None:
    page = ground.authorize(App("nobody-knows"), SCOPE)
    assert (page.status, page.left) == (400, False)
    assert error(ground.exchange(App("nobody-knows"), "hac_x")) == (401, "invalid_client")


@pytest.mark.parametrize(
    "name",
    ["client_id", "redirect_uri", "response_type", "scope", "state", "aud", "code_challenge", "code_challenge_method"],
)
def test_g10_AUT_PAT_8_26_each_parameter_of_a_request_is_looked_at(ground: Ground, app: App, name: str) -> None:
    """And none can be left out: `state` and `aud`, which other servers do not ask for, neither."""
    request = ground.request(app, SCOPE, USUAL)
    visitor = ground.seated(ADA)
    assert "code" in visitor.through(visitor.get("/auth/authorize", **request)).back
    page = visitor.get("/auth/authorize", **{one: value for one, value in request.items() if one != name})
    if name in ("client_id", "redirect_uri"):
        assert (page.status, page.left) == (400, False)
    else:
        assert page.back["error"] == ("invalid_scope" if name == "scope" else "invalid_request")
