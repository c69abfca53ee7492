"""What holds once is used sixteen times at one moment, in two processes: codes, refresh tokens, assertions.

https://www.rfc-editor.org/rfc/rfc9700#section-4.5 (codes), #section-4.14 (refresh tokens),
https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#signature-verification (jti)
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground
from tests.journeys.attacked import (
    Doors,
    at_once,
    both,
    doors,
    postgres_ground,
    sqlite_ground,
)
from tests.journeys.test_smart_backend import ASSERTION, assertion, new_key, public

from hilum.oauth.ledger import FRESH, REFRESH, Row
from hilum.smart.apps import clients
from hilum.smart.tokens.granted import key_of

__all__ = ["both", "doors", "postgres_ground", "sqlite_ground"]

SCOPE = "launch/patient patient/*.rs offline_access"
ONCE = 16
ROUNDS = 4


def redemption(app: App, code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": app.redirect,
        "code_verifier": USUAL.verifier,
        "client_id": app.id,
    }


def refreshing(app: App, token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token, "client_id": app.id}


def told(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """How many answers there were of each kind."""
    return Counter((one.status_code, str(one.json().get("error", ""))) for one in answers)


def tokens(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    return [one.json() for one in answers if one.status_code == 200]


def dead(ground: Ground, token: str) -> bool:
    """Whether an access token ends within the five seconds that all processes have to learn of it."""
    until = time.monotonic() + 6
    alive = True
    while alive and time.monotonic() < until:
        with ground.fhir(token) as one, ground.fhir(token) as other:
            alive = 200 in (one.get("Patient/p1").status_code, other.get("Patient/p1").status_code)
    return not alive


def line(ground: Ground, grant: str) -> list[Row]:
    """The refresh tokens of a grant that count."""

    async def look(ledger: Any) -> list[Row]:
        return [row for row in await ledger.of(REFRESH, owner=key_of(grant)) if row.state == FRESH]

    return ground.run(look)


def grants(ground: Ground, app: App) -> list[str]:
    """The Consents of an app that are active."""
    with ground.server.client() as fhir:
        found = fhir.get("Consent", params={"status": "active", "_count": "1000"}).json().get("entry", [])
    return [
        one["resource"]["id"]
        for one in found
        if one["resource"]["provision"]["actor"][0]["reference"]["identifier"]["value"] == app.id
    ]


def test_a_code_that_is_redeemed_sixteen_times_at_once_gives_one_answer_which_ends(both: Ground, doors: Doors) -> None:
    app = both.app()
    for _ in range(ROUNDS):
        code = both.authorize(app, SCOPE).back["code"]
        answers = doors.ask("/auth/token", [redemption(app, code)] * ONCE)
        counted = told(answers)
        assert counted[200, ""] <= 1
        assert counted[400, "invalid_grant"] == ONCE - counted[200, ""], counted
        for one in tokens(answers):
            assert dead(both, one["access_token"])
            assert both.refresh(app, one["refresh_token"]).json()["error"] == "invalid_grant"
        assert grants(both, app) == []


def test_a_code_is_not_redeemed_twice_by_apps_that_both_know_the_verifier(both: Ground, doors: Doors) -> None:
    app, thief = both.app(), both.app()
    code = both.authorize(app, SCOPE).back["code"]
    forms = [redemption(one, code) for one in (app, thief)] * (ONCE // 2)
    answers = doors.ask("/auth/token", forms)
    assert sum(one.status_code == 200 for one in answers[1::2]) == 0
    assert sum(one.status_code == 200 for one in answers) <= 1
    for one in tokens(answers):
        assert dead(both, one["access_token"])


@pytest.mark.parametrize("number", [2, ONCE])
def test_a_refresh_token_that_is_used_many_times_at_once_has_one_line_of_successors(
    both: Ground, doors: Doors, number: int
) -> None:
    app = both.app()
    for _ in range(ROUNDS):
        first = both.tokens(app, SCOPE)
        (grant,) = grants(both, app)
        answers = doors.ask("/auth/token", [refreshing(app, first["refresh_token"])] * number)
        found = tokens(answers)
        assert len({one["refresh_token"] for one in found}) == 1
        assert 1 <= len(found) <= 2, told(answers)
        assert told(answers).keys() <= {(200, ""), (400, "invalid_grant")}
        if number == 2:  # one retry is forgiven
            assert len(found) == 2
            assert len(line(both, grant)) == 1
            again = both.refresh(app, found[0]["refresh_token"])
            assert again.status_code == 200, again.text
            both.ask("/auth/revoke", {"token": again.json()["refresh_token"]}, app)
        else:  # somebody has a copy
            assert line(both, grant) == []
            assert both.refresh(app, found[0]["refresh_token"]).json()["error"] == "invalid_grant"
            assert dead(both, found[0]["access_token"])
        assert grants(both, app) == []


def test_refreshes_and_a_revocation_at_once_leave_nothing_that_holds(both: Ground, doors: Doors) -> None:
    app = both.app()
    for place in (0, 1, 3, 7):
        first = both.tokens(app, SCOPE)
        (grant,) = grants(both, app)

        def refresh(number: int, token: str = first["refresh_token"]) -> httpx.Response:
            return doors.clients[number].post("/auth/token", data=refreshing(app, token))

        def revoke(number: int, token: str = first["refresh_token"]) -> httpx.Response:
            time.sleep(number / 1000)
            return doors.clients[number].post("/auth/revoke", data={"token": token, "client_id": app.id})

        def asked(number: int, place: int = place) -> httpx.Response:
            return revoke(number) if number == place else refresh(number) if number < 2 else revoke(number)

        answers = at_once([lambda number=number: asked(number) for number in range(8)])
        assert {one.status_code for one in answers} <= {200, 400}
        assert line(both, grant) == []
        assert grants(both, app) == []
        for one in answers:
            made = one.json() if one.content else {}
            if "access_token" in made:
                assert dead(both, made["access_token"])
                assert both.refresh(app, made["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_app_refreshes_while_its_user_stops_it(both: Ground, doors: Doors) -> None:
    """By the Consent, which ends in a commit of its own: the other way in which a grant ends."""
    app = both.app()
    for _ in range(ROUNDS):
        first = both.tokens(app, SCOPE)
        (grant,) = grants(both, app)
        with both.server.client() as fhir:
            consent = fhir.get(f"Consent/{grant}").json() | {"status": "inactive"}

            def stop(fhir: httpx.Client = fhir, consent: dict[str, Any] = consent) -> httpx.Response:
                return fhir.put(f"Consent/{consent['id']}", json=consent)

            def refresh(number: int, token: str = first["refresh_token"]) -> httpx.Response:
                return doors.clients[number].post("/auth/token", data=refreshing(app, token))

            stopped, *answers = at_once([stop, lambda: refresh(0), lambda: refresh(1)])
        assert stopped.status_code == 200, stopped.text
        assert {one.status_code for one in answers} <= {200, 400}
        assert line(both, grant) == []
        for made in tokens(answers):
            assert dead(both, made["access_token"])
            assert both.refresh(app, made["refresh_token"]).json()["error"] == "invalid_grant"


def backend(ground: Ground, *keys: dict[str, Any], scopes: str = "system/Patient.rs", **more: Any) -> str:
    """A backend service with these keys; its id."""
    given: dict[str, Any] = {"jwks": {"keys": [public(key) for key in keys]}} if keys else {}
    registered = ground.app(
        scopes, name="Nightly", method="private_key_jwt", grants=(clients.BACKEND,), redirects=(), **given, **more
    )
    return registered.id


def test_an_assertion_that_is_shown_sixteen_times_at_once_signs_in_once(both: Ground, doors: Doors) -> None:
    key = new_key("ES384")
    id = backend(both, key)
    for _ in range(ROUNDS):
        made = assertion(key, id, f"{both.origin}/auth/token")
        form = {
            "grant_type": "client_credentials",
            "scope": "system/Patient.rs",
            "client_assertion_type": ASSERTION,
            "client_assertion": made,
        }
        answers = doors.ask("/auth/token", [form] * ONCE)
        assert told(answers) == {(200, ""): 1, (401, "invalid_client"): ONCE - 1}
        says = {one.json()["error_description"] for one in answers if one.status_code == 401}
        assert says == {"Replay: this jti was used before."}


def test_the_same_jti_of_two_clients_is_two_of_them(both: Ground) -> None:
    keys = new_key("ES384"), new_key("ES384")
    jti = "the same"
    answers = []
    for key, id in zip(keys, [backend(both, key) for key in keys], strict=True):
        made = assertion(key, id, f"{both.origin}/auth/token", jti=jti)
        form = {"grant_type": "client_credentials", "scope": "system/*.rs",
                "client_assertion_type": ASSERTION, "client_assertion": made}  # fmt: skip
        answers += [both.ask("/auth/token", form), both.ask("/auth/token", form)]
    assert [one.status_code for one in answers] == [200, 401, 200, 401]


def test_a_consent_that_is_sent_sixteen_times_at_once_gives_one_code(both: Ground, doors: Doors) -> None:
    """A flow, and the launch that it came from, are used up by one of them."""
    app = both.app()
    visitor = both.visitor("kim.doe")
    launch = both.launch(app, "kim.doe", patient="p1")
    page = visitor.get("/auth/authorize", **both.request(app, "launch patient/*.rs", USUAL, launch=launch))
    page = visitor.submit(page.forms[0], username=visitor.name, password=visitor.password)
    form = page.forms[0]
    assert form.step == "consent"
    sent = [*form.fields, *form.ticked]
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    headers = {"cookie": cookie, "origin": both.origin}

    def one(number: int) -> httpx.Response:
        data = {name: [v for n, v in sent if n == name] for name, _ in sent}
        return doors.clients[number].post(form.action, data=data, headers=headers)

    answers = at_once([lambda number=number: one(number) for number in range(ONCE)])
    codes = [one.headers["location"] for one in answers if "code=hac_" in one.headers.get("location", "")]
    assert len(codes) == 1, [(one.status_code, one.headers.get("location")) for one in answers]
    assert not any(one.status_code >= 500 for one in answers)
    assert len(grants(both, app)) == 1


def test_an_invitation_for_one_registers_one_of_sixteen(both: Ground, doors: Doors) -> None:
    token = both.invitation(uses=1)
    names = itertools.count(1)
    document = {"redirect_uris": ["https://app.example.org/cb"], "token_endpoint_auth_method": "none"}

    def one(number: int) -> httpx.Response:
        return doors.clients[number].post(
            "/auth/register",
            json=document | {"client_name": f"App {next(names)}"},
            headers={"authorization": f"Bearer {token}", "x-forwarded-for": f"198.51.100.{number + 1}"},
        )

    answers = at_once([lambda number=number: one(number) for number in range(ONCE)])
    assert told(answers) == {(201, ""): 1, (401, "invalid_token"): ONCE - 1}
