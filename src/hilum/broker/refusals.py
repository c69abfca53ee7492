"""Why an EHR gives no token, read out of what it says: a table, the first row that fits telling whose side it is on.

https://www.rfc-editor.org/rfc/rfc6749#section-5.2, https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html

The EHR's own words are looked through for a few topics and then thrown away: they may hold anything, and only ours are
shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from hilum.broker.connection import Connection
from hilum.broker.far import Kind, Side
from hilum.broker.rules import BACKEND, KEYS, SECRET

SKEW: Final = 60.0
"""Seconds by which clocks may differ: servers allow that much, and the Date of an answer is exact to one."""
ERRORS: Final = frozenset((
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope", "access_denied", "server_error", "temporarily_unavailable",
))  # fmt: skip
"""The codes that are repeated; any other is none."""

_TOPICS: Final = tuple(
    (topic, re.compile(pattern, re.IGNORECASE))
    for topic, pattern in (
        ("audience", r"\baud(ience)?\b"),
        ("replay", r"\bjti\b|\breplay|already (been )?used"),
        ("time", r"\b(exp|iat|nbf)\b|\bexpired?\b|\bexpiration\b|\bclock|\blifetime\b|\btime\b|in the (past|future)"),
        ("algorithm", r"\balg(orithm)?\b"),
        ("signature", r"\bsignature\b"),
        ("key", r"\bkid\b|\bjwks?\b|\bjku\b|\bkeys?\b|\bcertificate\b"),
        ("scope", r"\bscopes?\b"),
        ("inactive", r"\b(inactive|disabled|suspended|not (yet )?(active|enabled|approved))\b"),
    )
)


def topics(description: str) -> frozenset[str]:
    """What the text is about."""
    return frozenset(topic for topic, pattern in _TOPICS if pattern.search(description[:2000]))


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is known of an answer that brings no token. `error`: one of `ERRORS`, or "". `ahead`: seconds by which the
    EHR's clock is; `later`: whether Retry-After asks for time. `grant`: the grant type that was asked with.
    `described`: whether it says more than its error.
    """

    connection: Connection
    status: int
    error: str = ""
    topics: frozenset[str] = frozenset()
    ahead: float | None = None
    later: bool = False
    grant: str = BACKEND
    described: bool = True

    @property
    def bare(self) -> bool:
        """Whether it is a 400 without a reason: no error, or that the client is not taken and no word why."""
        return self.status == 400 and (not self.error or (self.error == "invalid_client" and not self.described))

    @property
    def skewed(self) -> bool:
        """Whether the clocks are too far apart for an assertion."""
        return self.ahead is not None and abs(self.ahead) > SKEW

    @property
    def signed(self) -> bool:
        """Whether hilum proves itself by a key."""
        return self.connection.method == KEYS

    @property
    def sandbox(self) -> bool:
        """Whether it is the EHR's sandbox."""
        return self.connection.environment == "sandbox"

    @property
    def client(self) -> bool:
        """Whether it is the client that is not taken."""
        return self.error in ("invalid_client", "unauthorized_client") or (self.error == "" and self.status == 401)


class Reason(NamedTuple):
    """One row. `text` and `todo` may name {environment}, {method}, {alg}, {other} (the other algorithm), {seconds}."""

    holds: Callable[[Refusal], bool]
    kind: Kind
    side: Side
    text: str
    todo: str
    again: bool = False


_KEY_TODO: Final = (
    "Register the address of hilum's JWK Set of the {environment} with the EHR, or give it the public key anew "
    "(`hilum keys export`). Some EHRs fetch keys once an hour or once a day only: after a rotation, wait that long."
)

REASONS: Final = (
    Reason(
        lambda r: r.status == 429 or (r.status == 503 and r.later),
        "throttled",
        "theirs",
        "The EHR asks for less often.",
        "hilum waits as long as it says. If that comes often, ask the EHR for its limits.",
        True,
    ),
    Reason(
        lambda r: r.status >= 500 or r.error in ("server_error", "temporarily_unavailable"),
        "broken",
        "theirs",
        "The EHR's token endpoint fails by itself.",
        "Try again later; if it stays so, tell the EHR.",
        True,
    ),
    Reason(
        lambda r: r.status in (404, 410),
        "absent",
        "theirs",
        "There is no token endpoint where the EHR's discovery says.",
        "Look whether the base URL is that of the {environment}; if it is, tell the EHR.",
    ),
    Reason(
        lambda r: r.client and r.signed and r.skewed,
        "unauthorized",
        "ours",
        "The clocks differ by {seconds} seconds, and the EHR judges by its own whether an assertion holds still.",
        "Set the clock of this machine by NTP. If it is right already, tell the EHR that its own is not.",
    ),
    Reason(
        lambda r: r.client and r.signed and "audience" in r.topics,
        "unauthorized",
        "theirs",
        "The EHR expects another audience (aud) than the URL of its token endpoint, which SMART asks for.",
        "Compare the token endpoint of its discovery with the one in its documentation: behind a gateway they differ. "
        "The EHR has to publish the one that it expects.",
    ),
    Reason(
        lambda r: r.client and r.signed and "replay" in r.topics,
        "unauthorized",
        "theirs",
        "The EHR says that it has seen this assertion before; hilum makes each with a jti of its own.",
        "Look for a gateway that sends requests twice, and try again.",
        True,
    ),
    Reason(
        lambda r: r.client and r.signed and bool({"key", "signature"} & r.topics),
        "unauthorized",
        "ours",
        "The EHR does not know the key (kid) that signed, or has another one by that name.",
        _KEY_TODO,
    ),
    Reason(
        lambda r: r.client and r.signed and "algorithm" in r.topics,
        "unauthorized",
        "ours",
        "The EHR does not take {alg} of this client.",
        "Register {alg} there, or set alg = \"{other}\" here and register a key of that kind (`hilum keys list`).",
    ),
    Reason(
        lambda r: r.client and r.signed and "time" in r.topics,
        "unauthorized",
        "ours",
        "The EHR says that the assertion is expired, or lasts too long; hilum's lasts four minutes.",
        "Compare the clock of this machine with the EHR's, and set it by NTP.",
    ),
    Reason(
        lambda r: r.client and "inactive" in r.topics,
        "unauthorized",
        "theirs",
        "The EHR knows the client, and it is not active yet.",
        "Look at its state in the EHR's portal, and wait for the approval that it names.",
    ),
    Reason(  # the hour: https://open.akhester.com/docs/smart-client/getting-started/epic-registration, read 2026-11-23;
        # invalid_client with a null description for all of these: seen at fhir.epic.com by several (Stack Overflow)
        lambda r: r.error == "invalid_client" and r.connection.vendor == "epic" and r.signed and r.sandbox,
        "unauthorized",
        "ours",
        "Epic does not take the client, and does not say why.",
        "A registration, or a change of its keys, takes up to an hour to reach Epic's sandbox: wait first. Then look, "
        "in this order: the Non-Production Client ID is the one used here; the JWK Set URL is registered and reached "
        "from the internet; the app is one of Backend Systems.",
    ),
    Reason(
        lambda r: r.error == "unauthorized_client",
        "forbidden",
        "theirs",
        "The EHR knows the client, and does not allow it to sign in this way.",
        "In the EHR's portal, allow the client the grant type {grant} in the {environment}.",
    ),
    Reason(
        lambda r: r.client and r.connection.method in SECRET,
        "unauthorized",
        "ours",
        "The EHR does not take this client id with this secret.",
        "Compare both with the EHR's portal, those of the {environment}; and the method, which is {method}.",
    ),
    Reason(
        lambda r: r.client,
        "unauthorized",
        "ours",
        "The EHR does not take the client.",
        "Look, in this order: the client id is that of the {environment}; the registration is active (at some EHRs "
        "that takes an hour, or an approval of each site); it is registered for {method}. " + _KEY_TODO,
    ),
    Reason(
        lambda r: r.error == "invalid_grant",
        "unauthorized",
        "theirs",
        "The EHR does not take the sign-in any more: it has ended there, was used already, or is another client's.",
        "Somebody has to sign in again.",
    ),
    Reason(
        lambda r: r.error == "invalid_scope" and r.connection.vendor == "oracle",
        "forbidden",
        "ours",
        # https://docs.oracle.com/en/industries/health/millennium-platform-apis/fhir-authorization-framework/
        "The EHR does not give these scopes; Oracle Health knows no wildcards.",
        "Name each resource type in {scopes} (Patient.read, ...), as the registration does.",
    ),
    Reason(
        lambda r: r.error == "invalid_scope" or "scope" in r.topics,
        "forbidden",
        "ours",
        "The EHR does not give these scopes.",
        "Ask in {scopes} for those that the client is registered for, spelled as there (.rs or .read).",
    ),
    Reason(
        lambda r: r.error == "unsupported_grant_type",
        "refused",
        "theirs",
        "The EHR does not know the grant type {grant} at this endpoint.",
        "Ask the EHR where it does, or use the other one: Backend Services, or App Launch, where a person signs in.",
    ),
    Reason(
        lambda r: r.error == "access_denied" or r.status == 403,
        "forbidden",
        "theirs",
        "The EHR, or a gateway before it, does not let hilum in.",
        "Ask whether the EHR lists the addresses that it takes requests from, and give it yours.",
    ),
    Reason(
        lambda r: r.status == 400 and not r.error,
        "refused",
        "theirs",
        "The EHR refuses the request and does not say why, also when it was sent again.",
        "Try again in some minutes. If it stays so, compare the client id and the keys with the EHR's portal.",
        True,
    ),
    Reason(
        lambda r: True,
        "refused",
        "theirs",
        "The EHR refuses the request.",
        "Look whether its documentation asks for something more in a token request.",
    ),
)  # fmt: skip


def reason(refusal: Refusal) -> tuple[Reason, str, str]:
    """The row that fits, its text and what to do, with their values."""
    row = next(one for one in REASONS if one.holds(refusal))
    connection = refusal.connection
    values: Mapping[str, str] = {
        "environment": connection.environment,
        "method": connection.method,
        "alg": connection.alg,
        "grant": refusal.grant,
        "scopes": "system_scopes" if refusal.grant == BACKEND else "user_scopes",
        "other": "ES384" if connection.alg == "RS384" else "RS384",
        "seconds": str(round(abs(refusal.ahead or 0))),
    }
    return row, row.text.format_map(values), row.todo.format_map(values)
