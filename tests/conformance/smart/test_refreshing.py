"""Refresh tokens. https://hl7.org/fhir/smart-app-launch/app-launch.html#refresh-access-token"""

from __future__ import annotations

import pytest
from tests.conformance.smart.ground import App, Ground, claims, error, ids
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Choices, Visitor

SCOPE = "launch/patient launch/encounter openid fhirUser offline_access patient/Observation.rs patient/Patient.rs"


def sign_out(visitor: Visitor) -> None:
    page = visitor.get("/auth/account")
    (form,) = [one for one in page.forms if one.action == "/auth/sign-out"]
    visitor.submit(form)
    assert visitor.get("/my/apps").url.endswith("/auth/sign-in?next=/my/apps")


@pytest.mark.parametrize(("scope", "lasts"), [("online_access", False), ("offline_access", True)])
def test_smart22_100_101_365_366_online_access_lasts_as_long_as_somebody_is_there_and_offline_access_longer(
    both: Ground, scope: str, lasts: bool
) -> None:
    app, visitor = both.app(), both.visitor(ADA)
    assert {"permission-online", "permission-offline"} <= set(both.said["capabilities"])
    found = both.tokens(app, f"patient/*.rs {scope}", visitor)
    again = both.refresh(app, found["refresh_token"])
    assert again.status_code == 200
    sign_out(visitor)
    later = both.refresh(app, again.json()["refresh_token"])
    if lasts:
        with both.fhir(later.json()) as client:
            assert ids(client.get("Observation")) == ["o1", "o2"]
    else:
        assert error(later) == (400, "invalid_grant")


def test_smart22_103_a_refresh_token_is_of_the_client_that_got_it(both: Ground) -> None:
    app, other = both.app(), both.app()
    token = both.tokens(app, SCOPE)["refresh_token"]
    assert error(both.refresh(other, token)) == (400, "invalid_grant")
    assert both.refresh(app, token).status_code == 200


def test_smart22_104_109_114_g10_AUT_PAT_20_without_a_scope_all_is_as_it_was(both: Ground) -> None:
    app = both.app()
    first = both.tokens(app, SCOPE, KIM, Choices(patient="p1", encounter="e2"))
    again = both.refresh(app, first["refresh_token"]).json()
    assert again["scope"] == first["scope"]
    assert (again["patient"], again["encounter"]) == (first["patient"], first["encounter"]) == ("p1", "e2")
    times = ("exp", "iat", "nbf", "jti")
    old, new = claims(first["access_token"]), claims(again["access_token"])
    assert {name: new[name] for name in new if name not in times} == {
        name: old[name] for name in old if name not in times
    }


def test_smart22_104_what_a_refresh_asks_for_is_less_and_never_more(both: Ground) -> None:
    app = both.app()
    first = both.tokens(app, SCOPE)
    less = both.refresh(app, first["refresh_token"], scope="patient/Patient.r").json()
    assert less["scope"] == "patient/Patient.r"
    with both.fhir(less) as client:
        assert client.get("Patient/p1").status_code == 200
        assert [client.get(url).status_code for url in ("Patient", "Observation")] == [403, 403]
    for more in ("patient/Observation.cruds", "patient/*.rs", "user/Patient.rs", "patient/Patient.rs patient/Goal.r"):
        assert error(both.refresh(app, less["refresh_token"], scope=more)) == (400, "invalid_scope"), more
    whole = both.refresh(app, less["refresh_token"]).json()
    assert whole["scope"] == first["scope"]  # what one access token left out is not lost


def test_smart22_110_111_112_113_a_refresh_is_answered_as_a_code_is(both: Ground) -> None:
    app = both.app()
    first = both.tokens(app, SCOPE)
    answer = both.refresh(app, first["refresh_token"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    tokens = found.pop("access_token"), found.pop("refresh_token")
    assert found == {"token_type": "Bearer", "expires_in": 3600, "scope": first["scope"], "patient": "p1"}
    assert set(tokens).isdisjoint({first["access_token"], first["refresh_token"]})
    with both.fhir(tokens[0]) as client:
        assert client.get("Patient/p1").status_code == 200


def test_smart22_115_the_scope_of_a_refresh_is_what_was_granted_though_more_was_asked_for(ground: Ground) -> None:
    app = ground.app("offline_access patient/Observation.rs patient/Condition.rs")
    asked = "offline_access patient/*.rs"
    found = ground.tokens(app, asked, ADA, Choices(untick=lambda value: "Condition" in value))
    again = ground.refresh(app, found["refresh_token"]).json()
    assert again["scope"] == found["scope"] == "offline_access patient/Observation.rs"


@pytest.mark.parametrize("token", ["", "hrt_nothing", "nonsense"])
def test_g10_AUT_PAT_23_what_is_no_refresh_token_is_refused(ground: Ground, app: App, token: str) -> None:
    assert error(ground.refresh(app, token)) == (400, "invalid_grant" if token else "invalid_request")
