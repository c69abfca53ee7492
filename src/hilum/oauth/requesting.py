"""Authorization requests, judged: the checks of the authorize endpoint as a table in their order.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code,
https://www.rfc-editor.org/rfc/rfc9700#section-2.1

Until client and redirect URI are proven, what is wrong is a page for the person who sits there, and never a redirect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hilum.oauth import pkce, redirects, scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import FRESH, Client, Launch, Row, read
from hilum.oauth.scopes import Asked
from hilum.problems import Problem

LONGEST: Final = 64 * 1024
"""Characters of all parameters together."""
LENGTHS: Final[Mapping[str, int]] = {"state": 2048, "scope": scopes.LONGEST, "nonce": 2048, "launch": 2048}
CODE: Final = "authorization_code"
PROMPTS: Final = frozenset(("none", "login", "consent", "select_account"))
"""https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest"""
_LONGEST: Final = 1024


class Unproven(Problem):
    """Nobody knows where an answer could go: a page says so (RFC 6749, 4.1.2.1). `kind`: request, client, redirect."""

    code = "security"

    def __init__(self, kind: str, says: str) -> None:
        super().__init__(says)
        self.kind = kind


class Refused(OAuthError):
    """An error for the app. `redirect`, `state`: of the request, proven."""

    def __init__(self, error: str, description: str, redirect: str, state: str | None) -> None:
        super().__init__(error, description)
        self.redirect = redirect
        self.state = state

    def location(self, issuer: str) -> str:
        """Where to send the browser (RFC 6749, 4.1.2.1; `iss`: RFC 9207)."""
        return location(self.redirect, self.fields(), self.state, issuer)


def location(redirect: str, answer: Mapping[str, str], state: str | None, issuer: str) -> str:
    """Where to send the browser with an answer: it carries `state` as it came, and who gives it."""
    return redirects.answer(redirect, {**answer, **({"state": state} if state else {}), "iss": issuer})


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that holds. `launch`: the opaque value of an EHR launch, "" for a standalone one.

    `max_age`: seconds; None: any. `parameters`: all that came, by name.
    """

    client: str
    redirect: str
    scope: str
    state: str
    challenge: str
    launch: str = ""
    nonce: str | None = None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def asked(self) -> Asked:
        """What `scope` says."""
        return scopes.asked(self.scope)

    def refused(self, error: str, description: str) -> Refused:
        """What to raise when something further on goes wrong."""
        return Refused(error, description, self.redirect, self.state)


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Check 1: the parameters by name, each once (RFC 6749, 3.1), those without a value left out.

    Raises Unproven.
    """
    found: dict[str, str] = {}
    left = LONGEST
    for name, value in pairs:
        left -= len(name) + len(value)
        if name in found:
            raise Unproven("request", "The request gives a parameter twice.")
        if left < 0 or len(value) > LENGTHS.get(name, LONGEST):
            raise Unproven("request", "The request is too long.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


class _Judged(NamedTuple):
    """What the checks look at. `base`: the FHIR base, which `aud` must be."""

    given: Mapping[str, str]
    client: Client
    base: str

    @property
    def asked(self) -> Asked:
        return scopes.asked(self.given.get("scope", ""))

    @property
    def audiences(self) -> list[str]:
        return [self.given[name].removesuffix("/") for name in ("aud", "resource") if name in self.given]


class Check(NamedTuple):
    """One row: what must hold, and the error when it does not. `says` may name the `{base}`."""

    number: int
    holds: Callable[[_Judged], bool]
    error: str
    says: str


def _registered(judged: _Judged) -> bool:
    """Whether the client is registered for a part of what it asks for."""
    asked, registered = judged.asked, scopes.asked(judged.client.scopes)
    return (
        any(scopes.parts(one, registered.resources) for one in asked.resources)
        or bool(asked.flags & registered.flags)
        or bool(set(asked.wishes) & set(registered.wishes))
    )


CHECKS: Final = (
    Check(4, lambda j: "response_type" in j.given, "invalid_request", "The parameter response_type is missing."),
    Check(
        4, lambda j: j.given["response_type"] == "code", "unsupported_response_type", "The response_type must be code."
    ),
    Check(5, lambda j: "request" not in j.given, "request_not_supported", "Request objects are not taken."),
    Check(5, lambda j: "request_uri" not in j.given, "request_uri_not_supported", "Request objects are not taken."),
    Check(5, lambda j: "registration" not in j.given, "registration_not_supported", "Clients register beforehand."),
    Check(
        5,
        lambda j: j.given.get("response_mode", "query") == "query",
        "invalid_request",
        "The response_mode must be query, or absent.",
    ),
    Check(5, lambda j: "access_token" not in j.given, "invalid_request", "No access token belongs in this request."),
    Check(
        6,
        lambda j: "code_challenge" in j.given,
        "invalid_request",
        "PKCE is required: the parameter code_challenge is missing.",
    ),
    Check(
        6,
        lambda j: j.given.get("code_challenge_method") == pkce.METHOD,
        "invalid_request",
        "The code_challenge_method must be S256.",
    ),
    Check(
        6,
        lambda j: pkce.is_challenge(j.given["code_challenge"]),
        "invalid_request",
        "The code_challenge must be a SHA-256 in base64url, 43 characters.",
    ),
    Check(
        7,
        lambda j: bool(j.audiences),
        "invalid_request",
        "The parameter aud is missing: it must be the FHIR base URL of this server, {base}.",
    ),
    Check(
        7,
        lambda j: j.given.get("aud", j.base).removesuffix("/") == j.base,
        "invalid_request",
        "The aud must be the FHIR base URL of this server, {base}.",
    ),
    Check(
        7,
        lambda j: all(one == j.base for one in j.audiences),
        "invalid_target",
        "The resource must be the FHIR base URL of this server, {base}.",
    ),
    Check(8, lambda j: "state" in j.given, "invalid_request", "The parameter state is missing."),
    Check(9, lambda j: "scope" in j.given, "invalid_scope", "The parameter scope is missing."),
    Check(
        9,
        lambda j: bool(j.asked.resources or j.asked.wishes or j.asked.flags),
        "invalid_scope",
        "The scope names nothing that there is here.",
    ),
    Check(
        9,
        lambda j: "fhirUser" not in j.asked.flags or "openid" in j.asked.flags,
        "invalid_scope",
        "The scope fhirUser needs openid.",
    ),
    Check(
        10,
        lambda j: "launch" not in j.given or "launch" in j.asked.flags,
        "invalid_request",
        "The parameter launch needs the scope launch.",
    ),
    Check(
        10,
        lambda j: "launch" not in j.asked.flags or "launch" in j.given,
        "invalid_request",
        "The scope launch needs the parameter launch, which the EHR gave the app.",
    ),
    Check(11, _registered, "invalid_scope", "The client is registered for none of these scopes."),
    Check(
        12,
        lambda j: set(j.given.get("prompt", "").split()) <= PROMPTS,
        "invalid_request",
        "The prompt must be none, login, consent or select_account.",
    ),
    Check(
        12,
        lambda j: "none" not in (said := j.given.get("prompt", "").split()) or len(said) == 1,
        "invalid_request",
        "The prompt none goes with no other one.",
    ),
    Check(
        12,
        lambda j: "max_age" not in j.given or (j.given["max_age"].isascii() and j.given["max_age"].isdecimal()),
        "invalid_request",
        "The max_age must be a number of seconds.",
    ),
    Check(
        12,
        lambda j: all(len(j.given.get(name, "")) <= _LONGEST for name in ("max_age", "login_hint")),
        "invalid_request",
        "A parameter is too long.",
    ),
)


UNKNOWN: Final = (
    "The app that asks is not known here. Nothing was shared with it. To whoever makes the app: `hilum clients add` "
    "makes its client_id known."
)
ELSEWHERE: Final = (
    "The app asks to send you to an address that is not its own. Nothing was shared with it. To whoever makes the app: "
    "its redirect_uri must be, letter by letter, one that it is registered with."
)


def judged(given: Mapping[str, str], client: Client | None, base: str) -> AuthorizationRequest:
    """The request that these parameters make. `client`: the active one with the `client_id` of them; `base`: the FHIR
    base, without a trailing slash.

    Raises Unproven (checks 2 and 3) or Refused (4 to 12, as far as the parameters tell).
    """
    if client is None or client.disabled or CODE not in client.grants or "client_id" not in given:
        raise Unproven("client", UNKNOWN)
    redirect = given.get("redirect_uri", "")
    if not redirects.is_registered(redirect, client.redirects):
        raise Unproven("redirect", ELSEWHERE)
    looked_at = _Judged(given, client, base)
    for check in CHECKS:
        if not check.holds(looked_at):
            raise Refused(check.error, check.says.format(base=base), redirect, given.get("state"))
    return AuthorizationRequest(
        client=given["client_id"],
        redirect=redirect,
        scope=given["scope"],
        state=given["state"],
        challenge=given["code_challenge"],
        launch=given.get("launch", ""),
        nonce=given.get("nonce"),
        prompt=frozenset(given.get("prompt", "").split()),
        max_age=int(given["max_age"][:9]) if "max_age" in given else None,
        login_hint=given.get("login_hint", ""),
        parameters=given,
    )


def launched(request: AuthorizationRequest, row: Row | None) -> Launch:
    """Check 10, the ledger's part: the launch, which must be of this client, and neither used nor expired. It is used
    up later, when the user has allowed.

    Raises Refused.
    """
    if row is not None and row.state == FRESH:
        found = read(row, Launch)
        if found.client == request.client:
            return found
    raise request.refused("invalid_request", "The launch is not one of this app, or its time is over. Launch it again.")
