"""What an EHR says instead of a token, read: whose side it is on, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.broker import ehr
from tests.unit.broker.ehr import connection
from tests.unit.smart.pages import START, Clock

from hilum.broker import refusals
from hilum.broker.far import Failed
from hilum.broker.reach import CAUSES, unreachable
from hilum.broker.refusals import REASONS, Refusal, reason, topics
from hilum.broker.token_endpoint import Refused, asserted, refused, retry_at
from hilum.oauth import assertion, jwt, keyset
from hilum.oauth.ledger import Client
from hilum.web.outbound import Fetched, Unreachable

URL = "https://ehr.example.org/token"
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
"""START, as a header."""


def told(status: int, error: str = "", description: Any = None, **other: Any) -> Refused:
    headers = {name: value for name in ("date", "retry-after") if (value := other.pop(name.replace("-", "_"), None))}
    said = {"error": error, "error_description": description}
    return refused(connection(**other), Fetched(status, headers, b""), said, START)


CASES = [
    # status, error, what it says, of what connection -> kind, side, a word of what to do
    (429, "", None, {}, "throttled", "theirs", "limits"),
    (503, "", None, {"retry_after": "5"}, "throttled", "theirs", "limits"),
    (503, "", None, {}, "broken", "theirs", "later"),
    (400, "server_error", None, {}, "broken", "theirs", "later"),
    (404, "", None, {}, "absent", "theirs", "base URL"),
    (401, "invalid_client", None, {"date": "Fri, 15 Jan 2027 08:03:20 GMT"}, "unauthorized", "ours", "NTP"),
    (401, "invalid_client", "Audience: aud must be the token endpoint", {}, "unauthorized", "theirs", "gateway"),
    (401, "invalid_client", "Replay: this jti was used before.", {}, "unauthorized", "theirs", "twice"),
    (
        401,
        "invalid_client",
        "Algorithm: the client is registered for another one.",
        {},
        "unauthorized",
        "ours",
        "RS384",
    ),
    (401, "invalid_client", "Key: not exactly one registered key has this kid", {}, "unauthorized", "ours", "JWK Set"),
    (400, "invalid_client", "Signature: the registered key did not sign this.", {}, "unauthorized", "ours", "JWK Set"),
    (401, "invalid_client", "JWT is expired", {}, "unauthorized", "ours", "clock"),
    (401, "invalid_client", "client is not yet active", {}, "unauthorized", "theirs", "approval"),
    (400, "invalid_client", None, {"vendor": "epic"}, "unauthorized", "ours", "up to an hour"),
    (400, "invalid_client", None, {"vendor": "epic", "environment": "production"}, "unauthorized", "ours", "active"),
    (401, "invalid_client", None, {}, "unauthorized", "ours", "in this order"),
    (401, "", None, {}, "unauthorized", "ours", "in this order"),
    (401, "invalid_client", None, {"method": "client_secret_post"}, "unauthorized", "ours", "client_secret_post"),
    (400, "unauthorized_client", None, {}, "forbidden", "theirs", "client_credentials"),
    (400, "invalid_grant", "scope", {}, "unauthorized", "theirs", "sign in again"),
    (400, "invalid_scope", None, {"vendor": "oracle"}, "forbidden", "ours", "each resource type"),
    (400, "invalid_scope", None, {}, "forbidden", "ours", "system_scopes"),
    (400, "unsupported_grant_type", None, {}, "refused", "theirs", "App Launch"),
    (403, "", None, {}, "forbidden", "theirs", "addresses"),
    (400, "", None, {}, "refused", "theirs", "some minutes"),
    (400, "invalid_request", "x", {}, "refused", "theirs", "documentation"),
    (418, "teapot", {"a": 1}, {}, "refused", "theirs", "documentation"),
]


@pytest.mark.parametrize(("status", "error", "says", "of", "kind", "side", "todo"), CASES)
def test_whose_side_a_refusal_is_on(
    status: int, error: str, says: Any, of: dict[str, Any], kind: str, side: str, todo: str
) -> None:
    found = told(status, error, says, **of)
    assert (found.kind, found.side, found.status) == (kind, side, status)
    assert todo in found.todo
    assert found.text == f"{found.found} {found.todo}"
    assert "{" not in found.text


@pytest.mark.parametrize(
    ("says", "todo"),
    [
        (assertion.KEY_SAYS, "JWK Set"),
        (assertion.SIGNATURE_SAYS, "JWK Set"),
        (assertion.REPLAY_SAYS, "twice"),
        *((check.says, {8: "gateway", 9: "clock", 10: "twice"}[check.number]) for check in assertion.OF_CLAIMS),
        *((check.says, {"C": "in this order", "A": "RS384", "K": "JWK Set"}[check.says[0]])
          for check in assertion.OF_CLIENT),
    ],
)  # fmt: skip
def test_what_hilum_says_of_an_assertion_is_understood(says: str, todo: str) -> None:
    assert todo in told(401, "invalid_client", says).todo


def test_what_is_to_be_done_is_said_of_the_grant_that_was_asked_with() -> None:
    for error, words in (("unauthorized_client", "authorization_code"), ("invalid_scope", "user_scopes")):
        refusal = Refusal(connection(), 400, error, grant="authorization_code")
        assert words in reason(refusal)[2]


def test_every_row_of_the_table_is_reached() -> None:
    reached = {id(told(status, error, says, **of).reason) for status, error, says, of, *_ in CASES}
    assert [row.text for row in REASONS if id(row) not in reached] == []


def test_the_ehr_s_own_words_and_unknown_codes_are_not_repeated() -> None:
    found = told(401, "Doe_John", "Audience of John Doe, MRN 4711 <script>")
    assert found.codes == ()
    for word in ("Doe", "4711", "script"):
        assert word not in str(found)
    assert topics("x" * 3000 + " aud") == frozenset()


def test_clocks_that_differ_by_no_more_than_servers_allow_are_not_blamed() -> None:
    near = Refusal(connection(), 401, "invalid_client", frozenset(), refusals.SKEW)
    assert "clocks" not in reason(near)[1]
    assert "The clocks differ by 200 seconds" in reason(Refusal(connection(), 401, "", frozenset(), -200.4))[1]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("120", START + 120),
        (DATE.replace("08:00", "08:10"), START + 600),
        (DATE.replace("2027", "2020"), START),
        ("99999999999999", START + 7 * 86400),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_in_both_its_forms(text: str, at: float | None) -> None:
    assert retry_at(Fetched(429, {"retry-after": text}, b""), START) == at


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
async def test_an_assertion_is_one_that_hilum_itself_would_take(alg: str) -> None:
    class Anyone:
        async def client(self, id: str) -> Client:
            return Client("Broker", "private_key_jwt", "system/*.rs")

        async def keys(self, id: str, client: Client, kid: str) -> Any:
            return keyset.read(ehr.published())

        async def once(self, issuer: str, jti: str, until: int) -> bool:
            return True

    made = asserted("broker", URL, await ehr.Keys().signing(alg), START)
    found = await assertion.authenticated(made, Anyone(), audiences=frozenset((URL,)), now=START)
    assert found[0] == "broker"
    assert (
        jwt.unverified(made)[1]["jti"]
        != jwt.unverified(asserted("broker", URL, await ehr.Keys().signing(alg), START))[1]["jti"]
    )


@pytest.mark.parametrize("kind", sorted(CAUSES))
def test_why_there_is_no_answer_is_told_by_host_without_the_path(kind: str) -> None:
    found = unreachable(Unreachable(kind), "https://ehr.example.org/a/secret?token=x")
    assert isinstance(found, Failed)
    assert (found.kind, found.codes) == ("unreachable", (kind,))
    assert found.text.startswith("ehr.example.org: ")
    assert "secret" not in found.text
    assert Clock()() == START
