"""Enrolment: the agent finds the far side, registers its public key there, and sees that it gets a token.

SMART's discovery (https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known), then dynamic client
registration (https://www.rfc-editor.org/rfc/rfc7591) with an initial access token; or a client id that somebody at the
far side gave it, who was given the public key by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from hilum import __version__
from hilum.agent import http as web
from hilum.agent import identity as kept
from hilum.agent.batch import Stopped
from hilum.agent.http import Answer, Http, Unreached, Untrusted
from hilum.agent.identity import Identity
from hilum.agent.sending.tokens import Halted, Tokens
from hilum.problems import Misconfigured

SCOPE: Final = "system/Observation.crs system/Device.crs system/Patient.rs"
"""What a FHIR server needs to give: to create something unless it is there is to look for it, and servers as hilum want
leave to read what is found. A gateway gives less, and what it gave is what is asked for later.
"""
WELL_KNOWN: Final = "/.well-known/smart-configuration"
ME: Final = "/devices/me"
KEYS: Final = "/devices/jwks.json"
_JSON: Final = "application/json"
_MOST: Final = 1 << 20

_REFUSALS: Final[Mapping[str, str]] = {
    "invalid_token": "the token does not hold: it may be used up, or older than it may be. Ask for a new invitation",
    "access_denied": "agents can't register themselves there: have it registered by hand, and give --client-id",
    "invalid_client_metadata": "it does not take what the agent says of itself. Give --scope, or register it by hand "
    "and give --client-id",
    "unapproved_software_statement": "it wants a software statement: have it registered by hand, and give --client-id",
}
"""RFC 7591, 3.2.2, and RFC 6750, 3.1 -> what it means here."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for. `token`: initial access token. `again`: though it is enrolled, with the same key."""

    url: str
    token: str = ""
    client_id: str = ""
    name: str = ""
    scope: str = SCOPE
    ca: Path | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it. `waits`: why there is no token yet; "": there is one. `wrote`: whether agent.toml is new."""

    identity: Identity
    way: str
    to: str
    waits: str
    wrote: bool


class _Smart(msgspec.Struct, frozen=True):
    token_endpoint: str
    issuer: str = ""
    registration_endpoint: str = ""
    token_endpoint_auth_methods_supported: list[str] | None = None
    token_endpoint_auth_signing_alg_values_supported: list[str] | None = None
    grant_types_supported: list[str] | None = None


class _Registered(msgspec.Struct, frozen=True):
    client_id: str
    scope: str = ""
    registration_client_uri: str = ""
    registration_access_token: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


async def enroll(folder: Path, wanted: Wanted) -> Enrolled:
    """Enroll the agent of a folder. Raises Misconfigured: what to do about it is in its text."""
    if wanted.token and wanted.client_id:
        raise Misconfigured("Give --token or --client-id: a client that has an id is registered already.")
    if not all(33 <= ord(sign) <= 126 for sign in wanted.token):
        raise Misconfigured("The token has signs that no token has: copy it again, as a whole.")
    web.checked(wanted.url)
    identity = kept.made(folder, wanted.name)
    if identity.client_id and not wanted.again:
        raise Misconfigured(
            f"The agent in {folder} is enrolled at {identity.gateway or identity.fhir}: say --again to enroll it anew."
        )
    ca = _pinned(folder, wanted.ca)
    http = Http(ca)
    try:
        return await _enrolled(http, identity, wanted, ca is not None)
    except (Unreached, Untrusted) as error:
        raise Misconfigured(str(error)) from None
    finally:
        await http.close()


async def _enrolled(http: Http, identity: Identity, wanted: Wanted, pinned: bool) -> Enrolled:
    fhir, smart = await _discovered(http, wanted.url.rstrip("/"))
    identity = replace(
        identity,
        name=wanted.name or identity.name,
        token_endpoint=web.checked(smart.token_endpoint),
        issuer=smart.issuer,
        fhir=fhir,
        gateway="",
        envelope=None,
        scope=wanted.scope,
        management="",
        registration="",
    )
    if wanted.client_id:
        identity = replace(identity, client_id=wanted.client_id)
    else:
        identity = await _registered(http, identity, smart, wanted.token)
    kept.save(identity)  # before anything else can fail: the invitation is used up
    waits, token = "", ""
    try:
        token = await Tokens(http, identity).get()
    except Halted as halted:
        if not wanted.client_id and isinstance(halted.fate, Stopped):
            raise Misconfigured(f"The agent is registered, and gets no token. {halted.fate.why}") from None
        waits = halted.fate.why
    if token:
        identity = await _gateway(http, identity, token)
        kept.save(identity)
    way, to = ("gateway", identity.gateway) if identity.gateway else ("fhir", identity.fhir)
    return Enrolled(identity, way, to, waits, _settings(identity.folder, way, to, pinned))


async def _discovered(http: Http, url: str) -> tuple[str, _Smart]:
    """The FHIR base, and what it says of itself."""
    below = f"{url}/fhir"
    bases = (url, below) if urlsplit(url).path else (below, url)  # a hilum says it at its root, too
    for base in bases:
        answer = await http.ask("GET", base + WELL_KNOWN, headers={"accept": _JSON}, most=_MOST)
        if answer.status >= 500 or answer.status == 429:
            raise Misconfigured(f"{base + WELL_KNOWN} answered {answer.status}: try again later.")
        smart = answer.json(_Smart) if answer.status == 200 else None
        if smart is not None:
            return base, _sound(smart)
    raise Misconfigured(
        f"There is no SMART configuration at {' or '.join(base + WELL_KNOWN for base in bases)}: "
        "give the far side's FHIR base, or the address of a hilum."
    )


def _sound(smart: _Smart) -> _Smart:
    """Raises Misconfigured: the far side can't do what the agent needs."""
    for found, needed, what in (
        (smart.token_endpoint_auth_methods_supported, "private_key_jwt", "clients that sign in with a key"),
        (smart.token_endpoint_auth_signing_alg_values_supported, "ES384", "signatures by ES384"),
        (smart.grant_types_supported, "client_credentials", "Backend Services"),
    ):
        if found is not None and needed not in found:
            raise Misconfigured(f"The far side has no {what} ({needed}), which the agent needs.")
    return smart


async def _registered(http: Http, identity: Identity, smart: _Smart, token: str) -> Identity:
    if not smart.registration_endpoint:
        raise Misconfigured(
            "Agents can't register themselves there: have it registered by hand with its public keys "
            "(`hilum agent enroll URL --keys` prints them), and give the client id by --client-id."
        )
    metadata = {
        "client_name": identity.name or "hilum agent",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES384",
        "jwks": {"keys": [identity.jwk]},
        "scope": identity.scope,
        "software_id": "hilum-agent",
        "software_version": __version__,
    }
    answer = await http.ask(
        "POST",
        web.checked(smart.registration_endpoint),
        headers={"content-type": _JSON, "accept": _JSON} | ({"authorization": f"Bearer {token}"} if token else {}),
        body=msgspec.json.encode(metadata),
        most=_MOST,
    )
    if answer.status not in (200, 201):
        raise Misconfigured(_refused(answer, bool(token)))
    found = answer.json(_Registered)
    if found is None:
        raise Misconfigured(f"The registration was answered {answer.status} without a client id.")
    return replace(
        identity,
        client_id=found.client_id,
        scope=found.scope or identity.scope,
        management=found.registration_client_uri,
        registration=found.registration_access_token,
    )


def _refused(answer: Answer, token: bool) -> str:
    said = f"The far side answered the registration with {answer.status}"
    if answer.status >= 500 or answer.status in (408, 429):
        return f"{said}: try again later."
    error = (answer.json(_Refusal) or _Refusal()).error
    if not token and (error == "invalid_token" or answer.status in (401, 403)):
        return f"{said}: it needs an invitation. Give its token by --token."
    return f"{said}: {_REFUSALS.get(error, 'it does not take it. Register by hand, and give --client-id')}."


async def _gateway(http: Http, identity: Identity, token: str) -> Identity:
    """With what a gateway of hilum's says to one that it knows; unchanged where there is none."""
    root = identity.fhir.removesuffix("/fhir")
    headers = {"accept": _JSON, "authorization": f"Bearer {token}"}
    if (await http.ask("GET", root + ME, headers=headers, most=_MOST)).status != 200:
        return identity
    answer = await http.ask("GET", root + KEYS, headers=headers, most=_MOST)
    return replace(identity, gateway=root, envelope=_envelope(answer) if answer.status == 200 else None)


def _envelope(answer: Answer) -> dict[str, Any] | None:
    """The first key that bundles can be sealed for."""
    from hilum.oauth.envelope import NotSealed, recipient

    for key in (answer.json(_Keys) or _Keys([])).keys:
        try:
            recipient(key)
        except NotSealed:
            continue
        return key
    return None


def _pinned(folder: Path, ca: Path | None) -> Path | None:
    """The authority's certificate beside the key: that given now, or else that of an earlier enrolment."""
    own = folder / kept.CA
    if ca is None:
        return own if own.exists() else None
    try:
        content = ca.read_bytes()
    except OSError:
        raise Misconfigured(f"{ca} can't be read: give the authority's certificate as PEM.") from None
    Http(ca)  # raises Misconfigured before anything is replaced
    kept.written(own, content)
    return own


def _settings(folder: Path, way: str, to: str, pinned: bool) -> bool:
    """A first agent.toml. One that is there is a person's."""
    lines = ["[send]", f'to = "{to}"', f'way = "{way}"', *([f'ca = "{kept.CA}"'] if pinned else [])]
    text = "\n".join([*lines, "", "# What is read: a [[source]] for each, for example", *_SOURCES]) + "\n"
    try:
        kept.written(folder / kept.SETTINGS, text.encode(), anew=True)
    except FileExistsError:
        return False
    return True


_SOURCES: Final = ("# [[source]]", '# kind = "ble"')
