"""The way from the authorize endpoint to the code and on to the tokens: what is bent on the way leads nowhere.

https://www.rfc-editor.org/rfc/rfc9700#section-4 (4.1 redirects, 4.4 mix-up, 4.5 code injection, 4.8 PKCE downgrade,
4.11 open redirectors), https://www.rfc-editor.org/rfc/rfc9207
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground, Proof, error, proof
from tests.conformance.smart.visitor import Visitor, address
from tests.journeys.attacked import both, postgres_ground, sqlite_ground

__all__ = ["both", "postgres_ground", "sqlite_ground"]

SCOPE = "launch/patient patient/*.rs offline_access"
HOME = "https://app.example.org/callback"
LOOPBACK = "http://127.0.0.1:5000/callback"
NATIVE = "org.example.app:/callback"


def asked(ground: Ground, app: App, **other: str | None) -> httpx.Response:
    """The answer to an authorization request of a browser that is not signed in."""
    request = ground.request(app, other.pop("scope", SCOPE) or "", USUAL, **other)
    return httpx.get(f"{ground.origin}/auth/authorize", params=request, headers=address())


@pytest.fixture(scope="module")
def app(sqlite_ground: Ground) -> App:
    return sqlite_ground.app(redirects=(HOME, LOOPBACK, NATIVE, "http://localhost:5000/callback"))


REDIRECTS = {
    "none": None,
    "another host": "https://evil.example/callback",
    "a subdomain": "https://x.app.example.org/callback",
    "the host as a subdomain": "https://app.example.org.evil.example/callback",
    "a host that begins so": "https://app.example.organic/callback",
    "the host as a user": "https://app.example.org@evil.example/callback",
    "the host as user and password": "https://app.example.org:443@evil.example/callback",
    "a user before the host": "https://evil.example@app.example.org/callback",
    "a backslash": "https://app.example.org\\@evil.example/callback",
    "a backslash after the host": "https://evil.example\\.app.example.org/callback",
    "an encoded at sign": "https://evil.example%40app.example.org/callback",
    "a port": "https://app.example.org:8443/callback",
    "the default port": "https://app.example.org:443/callback",
    "plain http": "http://app.example.org/callback",
    "no scheme": "//app.example.org/callback",
    "a path only": "/callback",
    "capitals of the scheme": "HTTPS://app.example.org/callback",
    "capitals of the host": "https://APP.example.org/callback",
    "a dot at the end of the host": "https://app.example.org./callback",
    "capitals of the path": "https://app.example.org/Callback",
    "a longer path": "https://app.example.org/callback/evil",
    "a slash more": "https://app.example.org/callback/",
    "a path that climbs": "https://app.example.org/callback/../evil",
    "an encoded path that climbs": "https://app.example.org/callback%2f..%2fevil",
    "two slashes": "https://app.example.org//callback",
    "an encoded letter": "https://app.example.org/%63allback",
    "a query": "https://app.example.org/callback?next=https://evil.example",
    "an empty query": "https://app.example.org/callback?",
    "a parameter of the path": "https://app.example.org/callback;evil",
    "a fragment": "https://app.example.org/callback#evil",
    "an encoded fragment": "https://app.example.org/callback%23evil",
    "a space before": " https://app.example.org/callback",
    "a space behind": "https://app.example.org/callback ",
    "a tab within": "https://app.example.org/call\tback",
    "a line within": "https://app.example.org/callback\r\nLocation: https://evil.example",
    "NUL": "https://app.example.org/callback\0.evil.example",
    "javascript": "javascript:alert(1)//app.example.org/callback",
    "data": "data:text/html,<script>alert(1)</script>",
    "a letter that looks alike": "https://аpp.example.org/callback",
    "loopback with a user": "http://127.0.0.1:5000@evil.example/callback",
    "loopback as a subdomain": "http://127.0.0.1.evil.example/callback",
    "loopback, another path": "http://127.0.0.1:6000/other",
    "loopback, a port that is none": "http://127.0.0.1:66000/callback",
    "loopback, a port with letters": "http://127.0.0.1:60x/callback",
    "loopback in decimal": "http://2130706433:6000/callback",
    "loopback, https": "https://127.0.0.1:6000/callback",
    "loopback of the other kind": "http://[::1]:6000/callback",
    "localhost, another port": "http://localhost:6000/callback",
    "a native app, another path": "org.example.app:/evil",
    "a native app, another scheme": "org.example.apps:/callback",
    "two, one of them right": f"{HOME} https://evil.example",
    "two, comma between": f"{HOME},https://evil.example",
    "a wildcard": "https://*.example.org/callback",
}


@pytest.mark.parametrize("name", REDIRECTS)
def test_nobody_is_sent_where_the_app_does_not_live(sqlite_ground: Ground, app: App, name: str) -> None:
    for more in ({}, {"scope": "nonsense"}, {"response_type": "token"}, {"prompt": "none"}):
        answer = asked(sqlite_ground, app, **({"redirect_uri": REDIRECTS[name]} | more))
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "evil.example" not in answer.text


def test_a_native_app_may_listen_on_any_port(sqlite_ground: Ground, app: App) -> None:
    answer = asked(sqlite_ground, app, redirect_uri="http://127.0.0.1:61234/callback")
    assert answer.headers["location"].startswith("/auth/flow/")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "code_challenge", "aud"])
def test_a_parameter_that_is_given_twice_is_a_page(sqlite_ground: Ground, app: App, name: str) -> None:
    """Who takes the first and who takes the last of two must not be different programs."""
    request = sqlite_ground.request(app, SCOPE, USUAL)
    for second in (request[name], "https://evil.example/callback"):
        query = urlencode([*request.items(), (name, second)])
        answer = httpx.get(f"{sqlite_ground.origin}/auth/authorize?{query}", headers=address())
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        posted = httpx.post(
            f"{sqlite_ground.origin}/auth/authorize",
            content=query,
            headers={"content-type": "application/x-www-form-urlencoded"} | address(),
        )
        assert (posted.status_code, "location" in posted.headers) == (400, False)


def test_a_parameter_of_the_query_is_not_one_of_the_form(sqlite_ground: Ground, app: App) -> None:
    request = sqlite_ground.request(app, SCOPE, USUAL)
    answer = httpx.post(
        f"{sqlite_ground.origin}/auth/authorize?redirect_uri=https://evil.example/", data=request, headers=address()
    )
    assert answer.status_code == 303
    missing = {name: value for name, value in request.items() if name != "redirect_uri"}
    answer = httpx.post(
        f"{sqlite_ground.origin}/auth/authorize?{urlencode({'redirect_uri': HOME})}", data=missing, headers=address()
    )
    assert (answer.status_code, "location" in answer.headers) == (400, False)


STATES = (
    "a\r\nSet-Cookie: hilum=evil",
    "a\nb",
    "a\0b",
    "&code=hac_evil&iss=https://evil.example",
    "#code=evil",
    '"><script>alert(1)</script>',
    "%0d%0aLocation:%20https://evil.example",
    "ü ☃ 🦆",
    "x" * 2048,
)


@pytest.mark.parametrize("state", STATES)
def test_a_state_comes_back_as_it_was_and_writes_no_header(sqlite_ground: Ground, app: App, state: str) -> None:
    answers = [
        asked(sqlite_ground, app, state=state, scope="nonsense"),
        httpx.post(
            f"{sqlite_ground.origin}/auth/authorize",
            data=sqlite_ground.request(app, "nonsense", USUAL, state=state),
            headers=address(),
        ),
    ]
    for answer in answers:
        assert "set-cookie" not in answer.headers
        if answer.status_code == 303:
            found = httpx.QueryParams(urlsplit(answer.headers["location"]).query)
            assert found.multi_items() == [
                ("error", "invalid_scope"),
                ("error_description", found["error_description"]),
                ("state", state),
                ("iss", sqlite_ground.origin),
            ]
            assert answer.headers["location"].startswith(f"{HOME}?error=")
            assert urlsplit(answer.headers["location"]).fragment == ""
        else:
            assert (answer.status_code, "location" in answer.headers) == (400, False)


DOWNGRADES = {
    "no challenge": {"code_challenge": None, "code_challenge_method": None},
    "no challenge, its method": {"code_challenge": None},
    "an empty challenge": {"code_challenge": ""},
    "no method, which would be plain": {"code_challenge_method": None},
    "plain": {"code_challenge_method": "plain", "code_challenge": USUAL.verifier},
    "s256": {"code_challenge_method": "s256"},
    "S512": {"code_challenge_method": "S512"},
    "a short challenge": {"code_challenge": "abc"},
    "a challenge with padding": {"code_challenge": USUAL.challenge + "="},
    "a challenge in plain base64": {"code_challenge": "+" * 43},
    "a token in the front channel": {"response_type": "token"},
    "an id_token in the front channel": {"response_type": "code id_token"},
    "the answer in a fragment": {"response_mode": "fragment"},
    "the answer in a form": {"response_mode": "form_post"},
    "a request object": {"request": "eyJhbGciOiJub25lIn0.e30."},
    "a request object elsewhere": {"request_uri": "http://169.254.169.254/"},
    "another server's audience": {"aud": "https://evil.example/fhir"},
    "an audience below ours": {"aud": "BASE/../evil"},
    "two audiences": {"aud": "BASE https://evil.example"},
    "no audience": {"aud": None},
    "no state": {"state": None},
    "a token in the query": {"access_token": "x"},
}


@pytest.mark.parametrize("name", DOWNGRADES)
def test_a_request_that_asks_for_less_safety_is_refused(sqlite_ground: Ground, app: App, name: str) -> None:
    other = {n: v.replace("BASE", sqlite_ground.base) if v else v for n, v in DOWNGRADES[name].items()}
    answer = asked(sqlite_ground, app, **other)
    assert answer.status_code == 303
    found = httpx.QueryParams(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(f"{HOME}?")
    assert "error" in found
    assert "code" not in found
    assert found["iss"] == sqlite_ground.origin


def test_mix_up_the_answer_says_whose_it_is(both: Ground) -> None:
    """RFC 9207: an app that asks several servers can tell which one answered, in success, denial and error."""
    mine = both.app()
    visitor = both.seated("ada.stone")
    page = both.authorize(mine, SCOPE)
    assert page.back["iss"] == both.origin
    page = both.authorize(mine, SCOPE, visitor, prompt="none")
    assert page.back["error"] in ("consent_required", "interaction_required")
    assert page.back["iss"] == both.origin
    said = httpx.get(f"{both.origin}/.well-known/oauth-authorization-server").json()
    assert (said["issuer"], said["authorization_response_iss_parameter_supported"]) == (both.origin, True)


def test_the_issuer_is_not_what_a_request_says_it_is(sqlite_ground: Ground, app: App) -> None:
    """Neither the Host header nor what a stranger's proxy claims writes a URL of an answer."""
    lies = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example;proto=https",
            "x-forwarded-proto": "https", "x-original-url": "/evil"}  # fmt: skip
    for path in (
        "/fhir/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/fhir/metadata",
        "/auth/sign-in",
    ):
        answer = httpx.get(sqlite_ground.origin + path, headers=lies | address())
        assert answer.status_code == 200
        assert "evil.example" not in answer.text + str(answer.headers)
    request = sqlite_ground.request(app, "nonsense", USUAL)
    answer = httpx.get(f"{sqlite_ground.origin}/auth/authorize", params=request, headers=lies | address())
    assert "evil.example" not in answer.headers["location"]


def test_a_stolen_code_is_worth_nothing_in_another_hand(both: Ground) -> None:
    """Code injection: the thief's own app, the thief's own session at the victim's app, and a guess at the verifier."""
    mine, theirs = both.app(), both.app()
    confidential = both.app(method="client_secret_basic")
    cases: list[tuple[App, dict[str, Any]]] = [
        (theirs, {}),
        (confidential, {}),
        (mine, {"code_verifier": proof().verifier}),
        (mine, {"code_verifier": USUAL.challenge}),
        (mine, {"code_verifier": USUAL.verifier[:-1] + "w"}),
        (mine, {"code_verifier": "v" * 44}),
        (mine, {"redirect_uri": "https://evil.example/callback"}),
        (mine, {"redirect_uri": mine.redirect + "/"}),
        (mine, {"redirect_uri": mine.redirect.upper()}),
    ]
    for app, other in cases:
        code = both.authorize(mine, SCOPE).back["code"]
        answer = both.exchange(app, code, **{"redirect_uri": mine.redirect} | other)
        assert error(answer) == (400, "invalid_grant"), (app, other)
        assert error(both.exchange(mine, code)) == (400, "invalid_grant"), "who guesses has one try"


@pytest.mark.parametrize("missing", ["code_verifier", "redirect_uri", "code", "client_id"])
def test_nothing_of_an_exchange_can_be_left_out(both: Ground, missing: str) -> None:
    app = both.app()
    code = both.authorize(app, SCOPE).back["code"]
    for value in (None, ""):
        form: dict[str, Any] = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect,
                                "code_verifier": USUAL.verifier}  # fmt: skip
        answer = both.ask("/auth/token", form | {missing: value}, app)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"] in ("invalid_request", "invalid_client")
    assert both.exchange(app, code).status_code == 200, "what was not understood used nothing up"


def test_a_confidential_apps_code_takes_its_secret(both: Ground) -> None:
    app = both.app(method="client_secret_basic")
    code = both.authorize(app, SCOPE).back["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect,
            "code_verifier": USUAL.verifier}  # fmt: skip
    for pretended in (
        App(app.id),
        App(app.id, method="client_secret_basic", secret="wrong"),
        App(app.id, method="client_secret_basic"),
        App(app.id, method="client_secret_post", secret=app.secret),
    ):
        assert error(both.ask("/auth/token", form, pretended)) == (401, "invalid_client")
    assert both.ask("/auth/token", form, app).status_code == 200


def test_a_code_that_is_used_again_ends_what_it_gave(both: Ground) -> None:
    app = both.app()
    code = both.authorize(app, SCOPE).back["code"]
    given = both.exchange(app, code).json()
    with both.fhir(given) as fhir:
        assert fhir.get("Patient/p1").status_code == 200
        assert error(both.exchange(app, code)) == (400, "invalid_grant")
        assert fhir.get("Patient/p1").status_code in (200, 401)  # by the other process: within five seconds
    assert error(both.refresh(app, given["refresh_token"])) == (400, "invalid_grant")
    assert both.ask("/auth/introspect", {"token": given["refresh_token"]}, app).json() == {"active": False}


def test_what_is_not_a_code_is_none(both: Ground) -> None:
    app = both.app()
    given = both.tokens(app, SCOPE)
    for text in ("hac_x", given["access_token"], given["refresh_token"], "%", "\0", "x" * 50_000, "hac_" + "é" * 43):
        answer = both.exchange(app, text)
        assert answer.status_code in (400, 413), text[:20]
        assert "error" in answer.json()


def test_a_code_and_a_refresh_token_are_no_access_tokens(both: Ground) -> None:
    app = both.app()
    code = both.authorize(app, SCOPE).back["code"]
    given = both.exchange(app, code).json()
    for text in (code, given["refresh_token"]):
        with both.fhir(text) as fhir:
            assert fhir.get("Patient/p1").status_code == 401


def test_a_launch_is_of_its_app_its_user_and_its_moment(both: Ground) -> None:
    mine, theirs = both.app(), both.app()
    launch = both.launch(mine, "kim.doe", patient="p1")
    scope = "launch patient/*.rs"
    stolen = both.authorize(theirs, scope, both.visitor("kim.doe"), launch=launch)
    assert stolen.back["error"] == "invalid_request"
    other = both.authorize(mine, scope, both.seated("ada.stone"), launch=launch)
    assert other.status == 403 or "error" in other.back
    page = both.authorize(mine, scope, both.visitor("kim.doe"), launch=launch)
    assert both.exchange(mine, page.back["code"]).json()["patient"] == "p1"
    again = both.authorize(mine, scope, both.visitor("kim.doe"), launch=launch)
    assert again.back["error"] == "invalid_request"
    for made_up in ("x", "../../etc/passwd", "' OR 1=1 --", "x" * 2000):
        assert both.authorize(mine, scope, both.visitor("kim.doe"), launch=made_up).back["error"] == "invalid_request"


def test_a_patient_that_is_chosen_is_one_that_may_be(both: Ground) -> None:
    """The form's radio buttons are the page's offer; what is sent may be anything."""
    app = both.app()
    visitor = both.visitor("par.ent")
    page = visitor.get("/auth/authorize", **both.request(app, SCOPE, Proof("w" * 43)))
    page = visitor.submit(page.forms[0], username=visitor.name, password=visitor.password)
    (form,) = [one for one in page.forms if one.step == "patient"]
    assert sorted(form.values("patient")) == ["p1", "p2"]
    for id in ("p3", "p1/../p3", "Patient/p3", "", "x" * 5000, "p1,p3"):
        assert visitor.submit(form, patient=id).status == 422, id
    onward = visitor.submit(form, patient="p2")
    (consent,) = [one for one in onward.forms if one.step == "consent"]
    wider = [*consent.fields, ("allow", "user/*.cruds"), ("allow", "patient/*.cruds"), ("allow", "patient/Patient.cud"),
             ("allow", "system/*.cruds"), ("allow", "patient/*.rs"), ("patient", "p3"), *consent.ticked]  # fmt: skip
    back = visitor.post(consent.action, wider).back
    given = both.exchange(app, back["code"], "w" * 43).json()
    assert given["patient"] == "p2"
    letters = {word.partition(".")[2] for word in given["scope"].split() if word.startswith("patient/")}
    assert letters <= {"rs", "r", "s"}
    assert not any(word.startswith(("user/", "system/")) for word in given["scope"].split())
    with both.fhir(given) as fhir:
        assert [fhir.get(f"Patient/{id}").status_code for id in ("p2", "p1", "p3")] == [200, 404, 404]


def test_a_step_is_not_skipped(both: Ground) -> None:
    """Consent before sign-in, or in place of the second factor, is not taken."""
    app = both.app()
    visitor = both.visitor("adam.doe")
    page = visitor.get("/auth/authorize", **both.request(app, "user/*.rs", USUAL))
    flow = urlsplit(page.url).path
    password = visitor.submit(page.forms[0], username=visitor.name, password=visitor.password)
    assert any(one.step == "second" for one in password.forms)
    for step in ("consent", "patient", "encounter", "nonsense"):
        answer = visitor.http.post(
            f"{both.origin}{flow}/{step}", data={"csrf": "x", "allow": "user/*.rs"}, headers={"origin": both.origin}
        )
        assert answer.status_code in (403, 404)
    for path in ("/my/apps", "/auth/account", "/auth/account/totp", "/auth/account/password"):
        page = visitor.get(path)
        assert "sign-in" in urlsplit(page.url).path, path
    assert Visitor(both.origin).get(flow).status == 404, "another browser"
