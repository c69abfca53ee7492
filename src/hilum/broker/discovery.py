"""Where an EHR signs its clients in, and what it says it can do.

https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known; where there is no such document,
https://hl7.org/fhir/smart-app-launch/STU1/conformance/#declaring-support-for-oauth2-endpoints
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin

from hilum.broker.far import Failed
from hilum.broker.reach import Send, object_of, unreachable
from hilum.web.addresses import target
from hilum.web.outbound import Fetched, Unreachable

WELL_KNOWN: Final = "/.well-known/smart-configuration"
METADATA: Final = "/metadata"
OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
MOST_BYTES: Final = 512 * 1024
MOST_METADATA_BYTES: Final = 16 * 1024 * 1024
"""A CapabilityStatement that lists every profile and search parameter can have some megabytes."""
LIFE: Final = 15 * 60.0
"""Seconds for which it is not asked again: an EHR that moves its token endpoint keeps the old one up that long."""
STALE: Final = 24 * 3600.0
"""Seconds for which it serves on while the EHR does not tell it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an EHR says. `source`: where. `ahead`: seconds by which its clock was ahead of ours; None: it did not say.
    `signs`: its answers to sign-ins name their issuer (RFC 9207).

    What it leaves out is empty, and means nothing: many EHRs leave out what they can do.
    """

    base: str
    token: str
    source: str
    authorize: str = ""
    issuer: str = ""
    jwks: str = ""
    revoke: str = ""
    introspect: str = ""
    capabilities: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    algorithms: frozenset[str] = frozenset()
    challenges: frozenset[str] = frozenset()
    signs: bool = False
    ahead: float | None = None


class Discovery:
    """What EHRs say, as this process has it. `clock`: seconds since 1970; `steady`: seconds that only go forward."""

    def __init__(
        self, send: Send, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._send, self._clock, self._steady = send, clock, steady
        self._kept: dict[str, tuple[float, Found]] = {}

    async def of(self, base: str, *, again: bool = False) -> Found:
        """What the EHR at this FHIR base says. `again`: now, and not some minutes ago. Raises Failed."""
        kept = self._kept.get(base)
        if kept is not None and not again and self._steady() - kept[0] < LIFE:
            return kept[1]
        try:
            found = await self._asked(base)
        except Failed:
            if kept is None or again or self._steady() - kept[0] >= STALE:
                raise
            return kept[1]
        self._kept[base] = self._steady(), found
        return found

    async def _asked(self, base: str) -> Found:
        answer = await self._got(base + WELL_KNOWN, "application/json", MOST_BYTES)
        if answer.status == 200:
            found = configured(base, object_of(answer), ahead(answer, self._clock()))
            if found is not None:
                return found
        elif answer.status >= 500:
            raise _broken(WELL_KNOWN, answer.status)
        answer = await self._got(base + METADATA, "application/fhir+json", MOST_METADATA_BYTES)
        if answer.status >= 500:
            raise _broken(METADATA, answer.status)
        found = declared(base, object_of(answer), ahead(answer, self._clock())) if answer.status == 200 else None
        if found is None:
            raise Failed(
                "absent",
                f"Neither {WELL_KNOWN} nor {METADATA} below the base URL tells a token endpoint. Look whether it is "
                "the FHIR base URL of the EHR (that of R4, no resource type at its end), and whether it speaks SMART.",
                side="ours",
                status=answer.status,
            )
        return found

    async def _got(self, url: str, accept: str, limit: int) -> Fetched:
        try:
            return await self._send("GET", url, {"accept": accept}, b"", limit=limit)
        except Unreachable as error:
            raise unreachable(error, url) from None


def configured(base: str, document: Mapping[str, Any], ahead: float | None = None) -> Found | None:
    """What a smart-configuration says; None where it names no token endpoint."""
    token = _url(base, document.get("token_endpoint"))
    if not token:
        return None
    return Found(
        base,
        token,
        WELL_KNOWN,
        authorize=_url(base, document.get("authorization_endpoint")),
        issuer=issuer if isinstance(issuer := document.get("issuer"), str) else "",
        jwks=_url(base, document.get("jwks_uri")),
        revoke=_url(base, document.get("revocation_endpoint")),
        introspect=_url(base, document.get("introspection_endpoint")),
        capabilities=_words(document, "capabilities"),
        scopes=_words(document, "scopes_supported"),
        grants=_words(document, "grant_types_supported"),
        methods=_words(document, "token_endpoint_auth_methods_supported"),
        algorithms=_words(document, "token_endpoint_auth_signing_alg_values_supported"),
        challenges=_words(document, "code_challenge_methods_supported"),
        signs=document.get("authorization_response_iss_parameter_supported") is True,
        ahead=ahead,
    )


def declared(base: str, statement: Mapping[str, Any], ahead: float | None = None) -> Found | None:
    """What a CapabilityStatement says; None where it names no token endpoint."""
    said: dict[str, str] = {}
    for rest in _list(statement.get("rest")):
        for extension in _list(_dict(rest.get("security")).get("extension")):
            if extension.get("url") == OAUTH_URIS:
                for one in _list(extension.get("extension")):
                    said.setdefault(str(one.get("url")), _url(base, one.get("valueUri")))
    if not said.get("token"):
        return None
    return Found(
        base,
        said["token"],
        METADATA,
        authorize=said.get("authorize", ""),
        revoke=said.get("revoke", ""),
        introspect=said.get("introspect", ""),
        ahead=ahead,
    )


def ahead(answer: Fetched, now: float) -> float | None:
    """By how many seconds the clock of who answered is ahead of ours, to a second or two."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp() - now
    except (KeyError, ValueError, OverflowError):
        return None


def _url(base: str, value: Any) -> str:
    """An address; "" for none. Relative ones are, as SMART asks, relative to the FHIR base."""
    if not isinstance(value, str) or not value:
        return ""
    try:
        url = urljoin(base, value)
    except ValueError:
        return ""
    return "" if isinstance(target(url), str) else url


def _words(document: Mapping[str, Any], name: str) -> frozenset[str]:
    value = document.get(name)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _broken(path: str, status: int) -> Failed:
    return Failed(
        "broken", f"The EHR answered {path} with status {status}. Try again later.", status=status, again=True
    )
