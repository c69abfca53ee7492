"""The checks of the authorize endpoint. https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from hilum.oauth import requesting
from hilum.oauth.ledger import FRESH, LAUNCH, NEVER, REVOKED, USED, Client, Launch, Row, write
from hilum.oauth.requesting import AuthorizationRequest, Refused, Unproven

BASE = "https://hilum.test/fhir"
ISSUER = "https://hilum.test"
REDIRECT = "https://app.test/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
APP = Client(
    "App", "none", "openid fhirUser launch launch/patient patient/*.rs", redirects=(REDIRECT, "http://127.0.0.1/cb?a=b")
)
GIVEN = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": REDIRECT,
    "scope": "launch/patient openid fhirUser patient/Observation.rs",
    "state": "s/1 2",
    "aud": BASE,
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def given(**more: str | None) -> dict[str, str]:
    return {name: value for name, value in (GIVEN | more).items() if value is not None}


def judged(**more: str | None) -> AuthorizationRequest:
    return judged_of(APP, **more)


def judged_of(client: Client | None, **more: str | None) -> AuthorizationRequest:
    return requesting.judged(requesting.parameters(given(**more).items()), client, BASE)


def refused(**more: str | None) -> Refused:
    with pytest.raises(Refused) as caught:
        judged(**more)
    return caught.value


def test_a_request_that_holds() -> None:
    found = judged(nonce="n", prompt="login consent", max_age="60", login_hint="ada", display="page", ui_locales="en")
    assert found == AuthorizationRequest(
        "app", REDIRECT, GIVEN["scope"], "s/1 2", CHALLENGE, "", "n", frozenset(("login", "consent")), 60, "ada"
    )
    assert found.parameters["display"] == "page"
    assert found.asked.flags == {"openid", "fhirUser"}


@pytest.mark.parametrize(
    "more",
    [
        {"aud": BASE + "/"},
        {"aud": None, "resource": BASE},
        {"aud": BASE, "resource": BASE + "/"},
        {"response_mode": "query"},
        {"redirect_uri": "http://127.0.0.1:4711/cb?a=b"},
        {"scope": "made/up patient/Observation.rs unknown"},
        {"scope": "openid"},
        {"scope": "launch/patient"},
        {"scope": "launch patient/*.rs", "launch": "xyz"},
        {"prompt": "none"},
        {"launch": "", "nonce": ""},
    ],
)
def test_what_apps_may_do_differently(more: dict[str, str | None]) -> None:
    assert judged(**more).client == "app"


@pytest.mark.parametrize(
    ("more", "error", "names"),
    [
        ({"response_type": None}, "invalid_request", "response_type"),
        ({"response_type": "token"}, "unsupported_response_type", "response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type", "response_type"),
        ({"request": "eyJ..."}, "request_not_supported", "Request"),
        ({"request_uri": "https://evil.test/"}, "request_uri_not_supported", "Request"),
        ({"registration": "{}"}, "registration_not_supported", "register"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"response_mode": "form_post"}, "invalid_request", "response_mode"),
        ({"access_token": "x"}, "invalid_request", "access token"),
        ({"code_challenge": None}, "invalid_request", "code_challenge"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request", "PKCE"),
        ({"code_challenge": ""}, "invalid_request", "code_challenge"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request", "code_challenge"),
        ({"code_challenge": "x" * 42}, "invalid_request", "code_challenge"),
        ({"code_challenge_method": None}, "invalid_request", "S256"),
        ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
        ({"code_challenge_method": "s256"}, "invalid_request", "S256"),
        ({"aud": None}, "invalid_request", "aud"),
        ({"aud": "https://evil.test/fhir"}, "invalid_request", f"this server, {BASE}."),
        ({"aud": BASE + "//"}, "invalid_request", "aud"),
        ({"aud": BASE.upper()}, "invalid_request", "aud"),
        ({"aud": ISSUER}, "invalid_request", "aud"),
        ({"aud": "https://evil.test/", "resource": BASE}, "invalid_request", "aud"),
        ({"resource": "https://evil.test/"}, "invalid_target", "resource"),
        ({"aud": None, "resource": "https://evil.test/"}, "invalid_target", "resource"),
        ({"scope": None}, "invalid_scope", "scope"),
        ({"scope": "unknown patient/Observation.sr"}, "invalid_scope", "scope"),
        ({"scope": "fhirUser patient/*.rs"}, "invalid_scope", "openid"),
        ({"scope": "launch patient/*.rs"}, "invalid_request", "launch"),
        ({"launch": "xyz"}, "invalid_request", "launch"),
        ({"scope": "system/*.rs user/Patient.rs patient/Patient.cud"}, "invalid_scope", "registered"),
        ({"scope": "offline_access"}, "invalid_scope", "registered"),
        ({"prompt": "create"}, "invalid_request", "prompt"),
        ({"prompt": "none login"}, "invalid_request", "prompt"),
        ({"max_age": "-1"}, "invalid_request", "max_age"),
        ({"max_age": "٣"}, "invalid_request", "max_age"),
        ({"login_hint": "x" * 1025}, "invalid_request", "long"),
    ],
)
def test_what_the_app_is_told(more: dict[str, str | None], error: str, names: str) -> None:
    found = refused(**more)
    assert (found.error, found.redirect, found.state) == (error, REDIRECT, "s/1 2")
    assert names in found.description
    location = urlsplit(found.location(ISSUER))
    assert location._replace(query="").geturl() == REDIRECT
    assert parse_qs(location.query) == {
        "error": [error], "error_description": [found.description], "state": ["s/1 2"], "iss": [ISSUER],
    }  # fmt: skip


def test_without_a_state_the_error_has_none() -> None:
    for more in ({"state": None}, {"state": ""}):
        found = refused(**more)
        assert (found.error, found.state) == ("invalid_request", None)
        assert "state=" not in found.location(ISSUER)


def test_an_error_goes_behind_the_query_of_the_redirect() -> None:
    location = refused(redirect_uri="http://127.0.0.1:80/cb?a=b", aud="x").location(ISSUER)
    assert location.startswith("http://127.0.0.1:80/cb?a=b&error=invalid_request&")


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (None, "client"),
        (msgspec.structs.replace(APP, disabled=True), "client"),
        (msgspec.structs.replace(APP, grants=("client_credentials",)), "client"),
        (msgspec.structs.replace(APP, redirects=()), "redirect"),
        (msgspec.structs.replace(APP, redirects=("https://app.test/",)), "redirect"),
    ],
)
def test_without_a_proven_client_and_redirect_nothing_is_redirected(client: Client | None, kind: str) -> None:
    with pytest.raises(Unproven) as caught:
        judged_of(client, response_type="token")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "redirect", [None, "", "https://evil.test/", REDIRECT + "/", REDIRECT + "?x=y", REDIRECT.upper(), REDIRECT + "#"]
)
def test_another_redirect_is_a_page(redirect: str | None) -> None:
    with pytest.raises(Unproven) as caught:
        judged(redirect_uri=redirect)
    assert caught.value.kind == "redirect"
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "aud", "code_challenge", "made_up"])
def test_a_parameter_that_comes_twice_is_a_page(name: str) -> None:
    value = given().get(name, "x")
    with pytest.raises(Unproven) as caught:
        requesting.parameters([*given(made_up="x").items(), (name, value)])
    assert caught.value.kind == "request"


@pytest.mark.parametrize(
    ("name", "length", "fits"),
    [
        ("state", 2048, True),
        ("state", 2049, False),
        ("scope", 16384, True),
        ("scope", 16385, False),
        ("made_up", 65000, True),
        ("made_up", 65537, False),
    ],
)
def test_lengths(name: str, length: int, fits: bool) -> None:
    pairs = [(name, "x" * length)]
    if fits:
        assert requesting.parameters(pairs) == {name: "x" * length}
    else:
        with pytest.raises(Unproven):
            requesting.parameters(pairs)
    with pytest.raises(Unproven):
        requesting.parameters((f"p{number}", "x" * 1000) for number in range(70))


def launch_row(client: str = "app", state: int = FRESH) -> Row:
    value = write(Launch("user", client, {"patient": "p1"}))
    return Row(LAUNCH, b"k", state, b"", b"", 1, 0, NEVER, value)


def test_a_launch_is_of_this_client_and_fresh() -> None:
    request = judged(scope="launch patient/*.rs", launch="xyz")
    assert requesting.launched(request, launch_row()) == Launch("user", "app", {"patient": "p1"})
    for row in (None, launch_row("other"), launch_row(state=USED), launch_row(state=REVOKED)):
        with pytest.raises(Refused) as caught:
            requesting.launched(request, row)
        assert (caught.value.error, caught.value.redirect, caught.value.state) == ("invalid_request", REDIRECT, "s/1 2")
